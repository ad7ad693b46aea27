//! What a request presents: whose secret, and by which way.

use cookie::Cookie;
use http::HeaderMap;
use http::header::COOKIE;
use store_tickets::{CookieSecret, SessionKind};

use crate::SessionHeaders;
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
            // Another application's cookie that is not UTF-8 costs nobody his session.
            let line = String::from_utf8_lossy(line.as_bytes());
            for cookie in Cookie::split_parse(&*line).flatten() {
                let (name, value) = cookie.name_value();
                if name == jar.id {
                    presented.id = presented.id.and(Slot::of(value))?;
                } else if Some(name) == jar.permanent_id.as_deref() {
                    presented.permanent_id = presented.permanent_id.and(Slot::of(value))?;
                } else if Some(name) == jar.choice.as_deref() {
                    presented.choice = presented.choice.or(choice(value));
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
            let Some(one) = value.to_str().ok().and_then(choice) else {
                continue;
            };
            if chosen.is_some_and(|other| other != one) {
                return Err(Unclear::Ambiguous);
            }
            chosen = Some(one);
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
