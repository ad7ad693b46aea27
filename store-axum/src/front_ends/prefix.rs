//! Path prefixes, as they are compared.

use std::fmt::Write;

use super::InvalidFrontEnd;

/// The longest, in bytes.
pub(crate) const MAX_LEN: usize = 255;

/// One like `/shop`: `/` and at least one segment, none of them empty or of dots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathPrefix(String);

impl PathPrefix {
    pub(crate) fn try_new(path: &str) -> Result<Self, InvalidFrontEnd> {
        let len = path.len();
        if len > MAX_LEN {
            return Err(InvalidFrontEnd::PathTooLong { len });
        }
        let in_segment = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let is_segment = |segment: &str| {
            !segment.is_empty() && segment.bytes().all(in_segment) && !is_dots(segment)
        };
        match path.strip_prefix('/') {
            Some(segments) if segments.split('/').all(is_segment) => Ok(Self(path.to_owned())),
            _ => Err(InvalidFrontEnd::Path),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a path is this one or below it. For whoever resolves dots too, if it
    /// [has none](has_dots).
    pub(crate) fn covers(&self, path: &str) -> bool {
        let rest = path.strip_prefix(self.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// For a cookie's name: another one for every path, and nothing that a name may not have.
    pub(crate) fn suffix(&self) -> String {
        let mut suffix = String::new();
        for byte in self.0.bytes() {
            match byte {
                b'/' => suffix.push('.'),
                b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => suffix.push(char::from(byte)),
                _ => write!(suffix, "_{byte:02X}").expect("a String takes everything"),
            }
        }
        suffix
    }
}

/// Whether somebody may find segments of dots in a path: whoever unescapes it, too, who may find
/// more segments, and whoever takes `\` for `/`.
pub(crate) fn has_dots(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    let path = path.replace("%2f", "/").replace("%5c", "\\");
    path.split(['/', '\\']).any(is_dots)
}

/// Whether a segment is `.` or `..`, escaped or not.
fn is_dots(segment: &str) -> bool {
    let dots = segment.to_ascii_lowercase().replace("%2e", ".");
    dots == "." || dots == ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(path: &str) -> PathPrefix {
        PathPrefix::try_new(path).unwrap()
    }

    #[test]
    fn a_prefix_ends_where_a_segment_does() {
        let shop = prefix("/shop");
        for path in ["/shop", "/shop/", "/shop/cart", "/shop/a.b/..c", "/shop//x"] {
            assert!(shop.covers(path), "{path}");
        }
        for path in [
            "/",
            "",
            "/shopping",
            "/Shop",
            "/sho",
            "//shop",
            "/%73hop",
            "/shop%2fcart",
        ] {
            assert!(!shop.covers(path), "{path}");
        }
    }

    #[test]
    fn dots_are_found_however_they_are_written() {
        for path in [
            "/shop/../admin",
            "/shop/%2e%2E/admin",
            "/shop/.%2e",
            "/shop/./cart",
            "/shop/..\\admin",
            "/shop/..%2Fadmin",
            "/shop/x%2F..%2Fy",
            "/shop/x%5c%2e.",
            "/..",
            "/.",
        ] {
            assert!(has_dots(path), "{path}");
        }
        for path in [
            "",
            "/",
            "/shop",
            "/a.b/..c/...",
            "/x/.well-known",
            "/%2e%2e%2e",
        ] {
            assert!(!has_dots(path), "{path}");
        }
    }

    #[test]
    fn others_are_no_prefixes() {
        for path in [
            "", "/", "shop", "/shop/", "//", "/a//b", "/..", "/a/.", "/a b", "/é", "/%41",
        ] {
            assert_eq!(
                PathPrefix::try_new(path),
                Err(InvalidFrontEnd::Path),
                "{path}"
            );
        }
        let len = MAX_LEN + 1;
        assert_eq!(
            PathPrefix::try_new(&"/".repeat(len)),
            Err(InvalidFrontEnd::PathTooLong { len })
        );
    }

    #[test]
    fn no_two_prefixes_share_a_suffix() {
        let mut suffixes = std::collections::BTreeSet::new();
        let paths = ["/a", "/A", "/a/b", "/a.b", "/a_b", "/a-b", "/a~b", "/a_2Eb"];
        for path in paths {
            let suffix = prefix(path).suffix();
            assert!(suffix.bytes().all(crate::cookies::is_token), "{suffix}");
            assert!(suffixes.insert(suffix), "{path}");
        }
        assert_eq!(prefix("/shop").suffix(), ".shop");
        let longest = prefix(&format!("/{}", "~".repeat(MAX_LEN - 1)));
        assert!(longest.suffix().len() <= super::super::MAX_SUFFIX_LEN);
    }
}
