//! What a request presents: whose secret, and by which way.

use http::HeaderMap;
use http::header::COOKIE;
use store_tickets::{CookieSecret, SessionKind};

use crate::SessionHeaders;
use crate::cookie_pairs::pairs_of;
use crate::cookies::CookieJar;

/// The most that is read of a request's cookies, in bytes. Browsers send far less.
const MAX_COOKIES_LEN: usize = 64 << 10;

/// What a request presents.
#[derive(Debug)]
pub(crate) struct Presented {
    pub(crate) by: Way,
    pub(crate) id: Slot,
    pub(crate) permanent_id: Slot,
    pub(crate) choice: Option<SessionKind>,
}

/// How the ids travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Cookies,
    Headers,
}

/// What stands where an id is expected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Slot {
    #[default]
    Missing,
    /// Something that no session can have.
    Malformed,
    Secret(CookieSecret),
}

/// Why nobody can say which session a request presents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unclear {
    /// Two different ones.
    Ambiguous,
    TooLong,
}

impl Slot {
    fn of(value: &str) -> Self {
        value.parse().map_or(Self::Malformed, Self::Secret)
    }

    /// One more value in the same place.
    fn and(self, other: Self) -> Result<Self, Unclear> {
        match (self, other) {
            (Self::Missing, slot) | (slot, Self::Missing) => Ok(slot),
            (one, other) if one == other => Ok(one),
            _ => Err(Unclear::Ambiguous),
        }
    }

    pub(crate) fn secret(&self) -> Option<&CookieSecret> {
        match self {
            Self::Secret(secret) => Some(secret),
            Self::Missing | Self::Malformed => None,
        }
    }

    pub(crate) fn is_missing(&self) -> bool {
        *self == Self::Missing
    }
}

impl Presented {
    pub(crate) fn nothing() -> Self {
        Self {
            by: Way::Cookies,
            id: Slot::Missing,
            permanent_id: Slot::Missing,
            choice: None,
        }
    }

    /// Whether the user's choice is the permanent id.
    pub(crate) fn is_permanent(&self) -> bool {
        self.choice == Some(SessionKind::Permanent)
    }

    /// The one that leads to the session.
    pub(crate) fn active(&self, jar: &CookieJar) -> &Slot {
        let has_two = self.by == Way::Headers || jar.permanent_id.is_some();
        if has_two && self.is_permanent() {
            &self.permanent_id
        } else {
            &self.id
        }
    }

    pub(crate) fn of(
        request: &HeaderMap,
        jar: &CookieJar,
        headers: Option<&SessionHeaders>,
    ) -> Result<Self, Unclear> {
        let by_cookies = Self::by_cookies(request, jar)?;
        let Some(by_headers) = headers.map(|names| Self::by_headers(request, names)) else {
            return Ok(by_cookies);
        };
        let Some(by_headers) = by_headers? else {
            return Ok(by_cookies);
        };
        if by_cookies.id.is_missing() && by_cookies.permanent_id.is_missing() {
            return Ok(by_headers);
        }
        // Both: the headers may only repeat what the cookies say.
        let repeats = |header: &Slot, cookie: &Slot| header.is_missing() || header == cookie;
        if repeats(&by_headers.id, &by_cookies.id)
            && repeats(&by_headers.permanent_id, &by_cookies.permanent_id)
        {
            Ok(Self {
                choice: by_headers.choice.or(by_cookies.choice),
                ..by_cookies
            })
        } else {
            Err(Unclear::Ambiguous)
        }
    }

    fn by_cookies(request: &HeaderMap, jar: &CookieJar) -> Result<Self, Unclear> {
        let mut presented = Self::nothing();
        let mut len = 0_usize;
        for line in request.get_all(COOKIE) {
            len = len.saturating_add(line.len());
            if len > MAX_COOKIES_LEN {
                return Err(Unclear::TooLong);
            }
            for (name, value) in pairs_of(line.as_bytes()) {
                let is = |own: &str| name == own.as_bytes();
                // A value that is not UTF-8 is none of ours.
                let value = std::str::from_utf8(value).ok();
                let slot = || value.map_or(Slot::Malformed, Slot::of);
                if is(&jar.id) {
                    presented.id = presented.id.and(slot())?;
                } else if jar.permanent_id.as_deref().is_some_and(is) {
                    presented.permanent_id = presented.permanent_id.and(slot())?;
                } else if jar.choice.as_deref().is_some_and(is) {
                    presented.choice = one_choice(presented.choice, value.and_then(choice))?;
                }
            }
        }
        Ok(presented)
    }

    /// `None` if the request speaks no headers.
    fn by_headers(request: &HeaderMap, names: &SessionHeaders) -> Result<Option<Self>, Unclear> {
        let slot = |name| {
            let mut slot = Slot::Missing;
            for value in request.get_all(name) {
                slot = slot.and(value.to_str().map_or(Slot::Malformed, Slot::of))?;
            }
            Ok(slot)
        };
        let mut chosen = None;
        let mut has_choice = false;
        for value in names.choice.iter().flat_map(|name| request.get_all(name)) {
            has_choice = true;
            chosen = one_choice(chosen, value.to_str().ok().and_then(choice))?;
        }
        let presented = Self {
            by: Way::Headers,
            id: slot(&names.id)?,
            permanent_id: slot(&names.permanent_id)?,
            choice: chosen,
        };
        let any = has_choice || !presented.id.is_missing() || !presented.permanent_id.is_missing();
        Ok(any.then_some(presented))
    }
}

fn one_choice(
    one: Option<SessionKind>,
    other: Option<SessionKind>,
) -> Result<Option<SessionKind>, Unclear> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => Err(Unclear::Ambiguous),
        (one, other) => Ok(one.or(other)),
    }
}

fn choice(value: &str) -> Option<SessionKind> {
    match value {
        "temp" => Some(SessionKind::Temporary),
        "perm" => Some(SessionKind::Permanent),
        _ => None,
    }
}

/// As the cookie and the header say it.
pub(crate) fn choice_name(kind: SessionKind) -> &'static str {
    match kind {
        SessionKind::Temporary => "temp",
        SessionKind::Permanent => "perm",
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::HeaderName;

    use super::*;
    use crate::CookieOptions;

    fn secret() -> CookieSecret {
        CookieSecret::generate().unwrap()
    }

    fn request(lines: &[(&str, &[u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    fn one_id(lines: &[(&str, &[u8])]) -> Result<Slot, Unclear> {
        let jar = CookieOptions::insecure_for_localhost().jar("");
        let headers = SessionHeaders::default();
        let presented = Presented::of(&request(lines), &jar, Some(&headers))?;
        Ok(presented.active(&jar).clone())
    }

    #[test]
    fn a_session_is_found_among_whatever_cookies_there_are() {
        let secret = secret();
        let value = secret.to_cookie();
        for line in [
            format!("bff-session={}", *value).into_bytes(),
            format!("a=b; bff-session={}; c", *value).into_bytes(),
            format!(";;  bff-session = {} ;=;", *value).into_bytes(),
            [b"latin=\xe9; bff-session=", value.as_bytes()].concat(),
            format!("bff-session={0}; bff-session={0}", *value).into_bytes(),
            format!("BFF-Session=x; bff-session={}", *value).into_bytes(),
        ] {
            let found = one_id(&[("cookie", &line)]);
            assert_eq!(found, Ok(Slot::Secret(secret.clone())), "{line:?}");
        }
        let line = format!("bff-session={}", *value);
        let lines: [(&str, &[u8]); 2] = [("cookie", b"a=b"), ("cookie", line.as_bytes())];
        assert_eq!(one_id(&lines), Ok(Slot::Secret(secret)));
    }

    #[test]
    fn what_cannot_be_a_secret_is_none() {
        for line in [
            "bff-session=",
            "bff-session=\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"",
            "bff-session=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "bff-session=%41AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert_eq!(one_id(&[("cookie", line.as_bytes())]), Ok(Slot::Malformed));
        }
        for line in ["", "bff-session", "__Host-bff-session=x", "xbff-session=x"] {
            assert_eq!(one_id(&[("cookie", line.as_bytes())]), Ok(Slot::Missing));
        }
    }

    /// A neighbouring subdomain may set a cookie of such a name, where the browser would refuse the
    /// name itself.
    #[test]
    fn a_name_after_unicode_white_space_is_another_one() {
        let (own, planted) = (secret(), secret());
        let jar = CookieOptions::default().jar("");
        let id = |line: &str| {
            let presented = Presented::of(&request(&[("cookie", line.as_bytes())]), &jar, None);
            presented.map(|presented| presented.id)
        };
        for space in [
            "\u{85}", "\u{a0}", "\u{1680}", "\u{2000}", "\u{2028}", "\u{3000}", "\u{feff}",
        ] {
            for name in [
                format!("{space}{}", jar.id),
                format!(" {space}{}", jar.id),
                format!("{}{space}", jar.id),
            ] {
                let line = format!("{name}={}", *planted.to_cookie());
                assert_eq!(id(&line), Ok(Slot::Missing), "{name:?}");
                let line = format!("{line}; {}={}", jar.id, *own.to_cookie());
                assert_eq!(id(&line), Ok(Slot::Secret(own.clone())), "{name:?}");
            }
        }
        let line = format!("a=b;\t {} \t=\t{} \t;c", jar.id, *own.to_cookie());
        assert_eq!(id(&line), Ok(Slot::Secret(own)));
    }

    #[test]
    fn two_different_sessions_are_ambiguous() {
        let (one, other) = (secret().to_cookie(), secret().to_cookie());
        let line = format!("bff-session={}; bff-session={}", *one, *other);
        let ambiguous = Err(Unclear::Ambiguous);
        assert_eq!(one_id(&[("cookie", line.as_bytes())]), ambiguous);
        let line = format!("bff-session={}; bff-session=", *one);
        assert_eq!(one_id(&[("cookie", line.as_bytes())]), ambiguous);
        let cookie = format!("bff-session={}", *one);
        let by_both =
            |value: &str| one_id(&[("cookie", cookie.as_bytes()), ("x-ss-id", value.as_bytes())]);
        assert_eq!(by_both(&other), ambiguous);
        assert!(by_both(&one).is_ok());
        let lines: [(&str, &[u8]); 2] =
            [("x-ss-id", one.as_bytes()), ("x-ss-id", other.as_bytes())];
        assert_eq!(one_id(&lines), ambiguous);
        let lines: [(&str, &[u8]); 2] = [("x-ss-opt", b"temp"), ("x-ss-opts", b"perm")];
        assert_eq!(one_id(&lines), ambiguous);
    }

    #[test]
    fn more_cookies_than_anybody_reads_are_not_read() {
        let line = vec![b'a'; MAX_COOKIES_LEN];
        assert_eq!(one_id(&[("cookie", &line)]), Ok(Slot::Missing));
        let lines: [(&str, &[u8]); 2] = [("cookie", &line), ("cookie", b"a")];
        assert_eq!(one_id(&lines), Err(Unclear::TooLong));
    }

    #[test]
    fn the_choice_says_which_id_counts() {
        let (one, other) = (secret(), secret());
        let jar = CookieOptions::default()
            .with_temporary_and_permanent_ids()
            .jar("");
        let active = |choice: &str| {
            let line = format!(
                "__Host-ss-id={}; __Host-ss-pid={}; __Host-ss-opt={choice}",
                *one.to_cookie(),
                *other.to_cookie()
            );
            let request = request(&[("cookie", line.as_bytes())]);
            let presented = Presented::of(&request, &jar, None).unwrap();
            presented.active(&jar).secret().cloned().unwrap()
        };
        assert_eq!(active("temp"), one);
        assert_eq!(active("perm"), other);
        assert_eq!(active("something"), one);
    }

    #[test]
    fn headers_count_only_where_they_are_asked_for() {
        let secret = secret();
        let value = secret.to_cookie();
        let jar = CookieOptions::default().jar("");
        let names = SessionHeaders::default();
        let by = |name: &str, headers| {
            let lines: [(&str, &[u8]); 2] = [(name, value.as_bytes()), ("x-ss-opts", b"perm")];
            let presented = Presented::of(&request(&lines), &jar, headers).unwrap();
            (presented.by, presented.active(&jar).clone())
        };
        assert_eq!(
            by("x-ss-pid", Some(&names)),
            (Way::Headers, Slot::Secret(secret))
        );
        assert_eq!(by("x-ss-id", Some(&names)), (Way::Headers, Slot::Missing));
        assert_eq!(by("x-ss-pid", None), (Way::Cookies, Slot::Missing));
    }
}
