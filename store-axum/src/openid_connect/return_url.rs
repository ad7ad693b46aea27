//! Where a browser goes after login and logout.

use std::fmt;

use percent_encoding::percent_decode_str;
use url::{Position, Url};

use super::query::Parameters;
use super::refusal::Refusal;

/// A place in the front end: a path, with a query and a fragment if need be.
///
/// It is read as browsers read it (WHATWG URL), against the front end's own address, and has to stay
/// there. On top of that it is refused where anybody on the way, a proxy that decodes or a client
/// that normalizes, might read another host into it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct ReturnUrl(String);

/// The text is no place in the front end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the URL is no local one")]
pub(super) struct NotLocal;

impl ReturnUrl {
    /// What is longer does not fit into a cookie beside the rest.
    const MAX_LEN: usize = 1000;

    /// The root of the front end.
    pub(super) fn root_of(base: &Url) -> Self {
        Self(format!("{}/", base.path().trim_end_matches('/')))
    }

    /// Where a request asks to be sent in the end: the root, if it does not say.
    pub(super) fn asked_for(query: &Parameters, base: &Url) -> Result<Self, Refusal> {
        match query.get("returnUrl")? {
            Some(text) => Ok(Self::parse(text, base)?),
            None => Ok(Self::root_of(base)),
        }
    }

    pub(super) fn parse(text: &str, base: &Url) -> Result<Self, NotLocal> {
        if text.len() > Self::MAX_LEN || !text.starts_with('/') || text.contains(is_suspect) {
            return Err(NotLocal);
        }
        let url = base.join(text).map_err(|_| NotLocal)?;
        if url.origin() != base.origin() || !url.username().is_empty() || url.password().is_some() {
            return Err(NotLocal);
        }
        if !stays(path_of(text), base) {
            return Err(NotLocal);
        }
        Ok(Self(url[Position::BeforePath..].to_owned()))
    }

    /// The path, with query and fragment: nothing but visible ASCII, with one slash in front.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ReturnUrl {
    /// The path alone: what stands in a query is not for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReturnUrl").field(&path_of(&self.0)).finish()
    }
}

fn path_of(text: &str) -> &str {
    text.find(['?', '#']).map_or(text, |end| &text[..end])
}

/// Whether a path stays one if it is normalized and decoded again and again. Normalizing makes
/// "//evil" of "/.//evil", and decoding makes it of "/%2fevil".
fn stays(path: &str, base: &Url) -> bool {
    const ROUNDS: usize = 4;
    let mut path = path.to_owned();
    for _ in 0..ROUNDS {
        let normal = base.join(&path).ok();
        let normal = normal.filter(|url| url.origin() == base.origin() && is_plain(url.path()));
        if !is_plain(&path) || normal.is_none() {
            return false;
        }
        let decoded = percent_decode_str(&path).decode_utf8_lossy().into_owned();
        if decoded == path {
            return true;
        }
        path = decoded;
    }
    false
}

fn is_plain(path: &str) -> bool {
    path.starts_with('/') && !path.starts_with("//") && !path.contains(is_suspect)
}

/// Browsers drop tabs and newlines, and take backslashes for slashes, wherever they stand.
fn is_suspect(c: char) -> bool {
    c.is_control() || c == '\\'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, NotLocal> {
        let base = Url::parse("https://app.example").expect("a URL");
        ReturnUrl::parse(text, &base).map(|url| url.as_str().to_owned())
    }

    #[test]
    fn places_in_the_front_end_are_taken() {
        for (text, becomes) in [
            ("/", "/"),
            ("/orders", "/orders"),
            (
                "/orders/47?sort=asc&q=a%2Fb#top",
                "/orders/47?sort=asc&q=a%2Fb#top",
            ),
            ("/a/../b", "/b"),
            (
                "/find?q=https://evil.example//x",
                "/find?q=https://evil.example//x",
            ),
            ("/find?q=%5C%0A", "/find?q=%5C%0A"),
            ("/größe", "/gr%C3%B6%C3%9Fe"),
            ("/a b", "/a%20b"),
            ("/a//b", "/a//b"),
            ("/100%25", "/100%25"),
            ("/@evil.example", "/@evil.example"),
            ("/:80", "/:80"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(becomes), "{text}");
        }
    }

    #[test]
    fn other_places_are_refused() {
        for text in [
            "",
            "orders",
            "?a",
            "#a",
            "https://evil.example",
            "https:evil.example",
            "https:/evil.example",
            "HTTPS:/evil.example",
            "https://app.example/",
            "https://app.example.evil.example/",
            "javascript:alert(1)",
            "data:text/html,x",
            "//evil.example",
            "///evil.example",
            "////evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "\\\\evil.example",
            "/\\/evil.example",
            "/a\\b",
            "/%5cevil.example",
            "/%5Cevil.example",
            "/%255cevil.example",
            "/%25255cevil.example",
            "/%2fevil.example",
            "/%2F/evil.example",
            "/%252fevil.example",
            "/.//evil.example",
            "/..//evil.example",
            "/a/..//evil.example",
            "/%2e//evil.example",
            "/%2e%2e//evil.example",
            "/.%2e/%2fevil.example",
            "/./\\evil.example",
            "/a/%252e%252e//evil.example",
            "/a/%252e%252e/%252fevil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "/\r\n/evil.example",
            "\t//evil.example",
            " //evil.example",
            " /orders",
            "/%09/evil.example",
            "/%0d%0aSet-Cookie:a=b",
            "/\0",
            "/%00",
            "/a\u{7f}",
            "/a\u{85}b",
        ] {
            assert_eq!(parse(text), Err(NotLocal), "{text:?}");
        }
    }

    #[test]
    fn its_length_is_limited() {
        assert!(parse(&format!("/{}", "a".repeat(999))).is_ok());
        assert!(parse(&format!("/{}", "a".repeat(1000))).is_err());
    }

    #[test]
    fn the_root_is_the_front_ends() {
        for (base, root) in [
            ("https://app.example", "/"),
            ("https://app.example/shop", "/shop/"),
            ("https://app.example/shop/", "/shop/"),
        ] {
            let base = Url::parse(base).expect("a URL");
            assert_eq!(ReturnUrl::root_of(&base).as_str(), root);
        }
    }

    #[test]
    fn debug_shows_no_query() {
        let base = Url::parse("https://app.example").expect("a URL");
        let url = ReturnUrl::parse("/orders?code=secret", &base).expect("a local URL");
        assert_eq!(format!("{url:?}"), r#"ReturnUrl("/orders")"#);
    }
}
