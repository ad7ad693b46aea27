//! What the fuzz targets reach into. None of it may panic, and what it answers has to hold.

use http::header::COOKIE;
use http::{HeaderMap, HeaderName, HeaderValue};
use store_tickets::CookieSecret;

use crate::front_ends::{HostName, PathPrefix, has_dots};
use crate::presented::{Presented, Slot, Unclear};
use crate::{CookieOptions, SessionHeaders};

/// A request's headers by name, as a client chooses them.
pub type Lines<'a> = &'a [(u8, &'a [u8])];

/// Reads whatever a client may send.
pub fn present(lines: Lines<'_>, two_ids: bool, speaks_headers: bool) {
    let mut options = CookieOptions::insecure_for_localhost();
    if two_ids {
        options = options.with_temporary_and_permanent_ids();
    }
    let jar = options.jar("");
    let names = SessionHeaders::default();
    let names_or_none = speaks_headers.then_some(&names);
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name = match name % 6 {
            0 | 1 => COOKIE,
            2 => names.id.clone(),
            3 => names.permanent_id.clone(),
            other => names.choice[usize::from(other - 4)].clone(),
        };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    let presented = Presented::of(&headers, &jar, names_or_none);
    if let Ok(presented) = &presented {
        for secret in [&presented.id, &presented.permanent_id] {
            let Some(secret) = secret.secret() else {
                continue;
            };
            let text = secret.to_cookie();
            let stands_in = |(name, value): (&HeaderName, &HeaderValue)| match *name == COOKIE {
                true => {
                    let own = [Some(&jar.id), jar.permanent_id.as_ref()];
                    let mut own = own.into_iter().flatten();
                    own.any(|own| stands_behind(value.as_bytes(), own.as_bytes(), text.as_bytes()))
                }
                false => value.as_bytes() == text.as_bytes(),
            };
            assert!(
                headers.iter().any(stands_in),
                "a secret that nobody presented"
            );
        }
    }

    // Whatever else a client sends, a cookie is found, or nobody can say which it is.
    let own: CookieSecret = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        .parse()
        .expect("a secret");
    let cookie = format!("{}={}", jar.id, *own.to_cookie());
    headers.append(COOKIE, HeaderValue::try_from(cookie).expect("a header"));
    match Presented::of(&headers, &jar, names_or_none) {
        Ok(presented) => assert_eq!(presented.id, Slot::Secret(own), "a session was lost"),
        Err(Unclear::Ambiguous | Unclear::TooLong) => {}
    }
}

/// Whether a secret is the value of a cookie of this name: from the line's start or a semicolon,
/// with nothing but spaces and tabs around either. Told by looking around the name, where
/// [`Presented`] splits the line.
fn stands_behind(line: &[u8], name: &[u8], secret: &[u8]) -> bool {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let after_spaces = |text: &[u8]| -> Vec<u8> {
        let text = text.iter().skip_while(|byte| is_space(byte));
        text.copied().collect()
    };
    let places = line.windows(name.len()).enumerate();
    let places = places.filter(|(_, part)| *part == name);
    places.into_iter().any(|(at, _)| {
        let before = line[..at].iter().rev().find(|byte| !is_space(byte));
        let rest = after_spaces(&line[at + name.len()..]);
        let value = rest.strip_prefix(b"=").map(after_spaces);
        let after = value
            .as_deref()
            .and_then(|value| value.strip_prefix(secret));
        let is_last = |after: &[u8]| matches!(after_spaces(after).first(), None | Some(b';'));
        matches!(before, None | Some(b';')) && after.is_some_and(is_last)
    })
}

/// A host, as it is compared, and whether it is this machine.
pub fn host(text: &str) -> Option<(String, bool)> {
    let host = HostName::parse(text)?;
    let again = HostName::parse(host.as_str());
    assert_eq!(again.as_ref(), Some(&host), "it has two spellings");
    if let Some(without_port) = HostName::without_port(text) {
        assert_eq!(without_port, host);
    }
    Some((host.as_str().to_owned(), host.is_loopback()))
}

/// Whether a path without dots is below a prefix, if it is one, and what makes its cookie another's.
pub fn covers(prefix: &str, path: &str) -> Option<(bool, String)> {
    let prefix = PathPrefix::try_new(prefix).ok()?;
    Some((!has_dots(path) && prefix.covers(path), prefix.suffix()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_counts_only_behind_its_cookies_name() {
        for line in ["n=s", "a=b;\t n \t=\ts \t;c", "n=x;n=s"] {
            assert!(stands_behind(line.as_bytes(), b"n", b"s"), "{line:?}");
        }
        for line in [
            "",
            "n=st",
            "an=s",
            "n;=s",
            "na=s",
            "a=b n=s",
            "\u{2000}n=s",
            "\u{a0}n=s",
            "n\u{85}=s",
            "n=\u{3000}s",
            "n=s\u{3000}",
        ] {
            assert!(!stands_behind(line.as_bytes(), b"n", b"s"), "{line:?}");
        }
    }
}
