//! Several front ends behind one host process.

mod host;
mod prefix;

use axum::extract::OriginalUri;
use http::header::{ORIGIN, REFERER};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use store_core::PartitionKey;

pub(crate) use self::host::HostName;
pub(crate) use self::prefix::{PathPrefix, has_dots};

/// The longest that a path prefix can make a cookie's name longer.
#[cfg(test)]
pub(crate) const MAX_SUFFIX_LEN: usize = 1 + 3 * prefix::MAX_LEN;

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// Whose page has sent a request, by the Fetch Metadata that browsers add.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// One front end: where it is, and which sessions are its own.
///
/// ```
/// use store_axum::{FrontEnd, FrontEnds};
///
/// let front_ends = FrontEnds::new([
///     FrontEnd::at_host("shop.example.com", "shop".parse()?)?,
///     FrontEnd::at_host("admin.example.com", "admin".parse()?)?,
/// ])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrontEnd {
    host: Option<HostName>,
    path: Option<PathPrefix>,
    partition_key: PartitionKey,
}

/// Why a front end cannot be where it was to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidFrontEnd {
    /// A host is a name or an address, without a port: cookies do not tell ports apart.
    #[error("a front end's host is a name or an address, without a port")]
    Host,
    /// A path begins with `/`, is more than that, does not end with one, has no empty segments,
    /// none of dots, and nothing but the characters that need no escape.
    #[error("a front end's path is one like `/shop`")]
    Path,
    /// A path, in bytes, makes its cookie's name too long.
    #[error("the path is {len} bytes long, {} are allowed", prefix::MAX_LEN)]
    PathTooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// There are none.
    #[error("there are no front ends")]
    None,
    /// Two have the same host and the same path.
    #[error("two front ends are in the same place")]
    Twice,
}

impl FrontEnd {
    /// The one at this host name or address, compared without regard to case, port or a dot at the
    /// end.
    ///
    /// # Errors
    /// [`InvalidFrontEnd::Host`].
    pub fn at_host(host: &str, partition_key: PartitionKey) -> Result<Self, InvalidFrontEnd> {
        let host = HostName::without_port(host).ok_or(InvalidFrontEnd::Host)?;
        Ok(Self {
            host: Some(host),
            path: None,
            partition_key,
        })
    }

    /// The one below this path, at whichever host: `/shop` is `/shop` and `/shop/cart`, and
    /// neither `/shopping` nor `/Shop`.
    ///
    /// # Errors
    /// [`InvalidFrontEnd::Path`], [`InvalidFrontEnd::PathTooLong`].
    pub fn at_path(path: &str, partition_key: PartitionKey) -> Result<Self, InvalidFrontEnd> {
        Ok(Self {
            host: None,
            path: Some(PathPrefix::try_new(path)?),
            partition_key,
        })
    }

    /// The same front end, but only below this path.
    ///
    /// # Errors
    /// [`InvalidFrontEnd::Path`], [`InvalidFrontEnd::PathTooLong`].
    pub fn below(self, path: &str) -> Result<Self, InvalidFrontEnd> {
        Ok(Self {
            path: Some(PathPrefix::try_new(path)?),
            ..self
        })
    }

    /// Its host, in lower case. `None`: whichever.
    pub fn host(&self) -> Option<&str> {
        self.host.as_ref().map(HostName::as_str)
    }

    /// The path below which it is. `None`: all of its host.
    pub fn path(&self) -> Option<&str> {
        self.path.as_ref().map(PathPrefix::as_str)
    }

    /// Whose sessions are its own.
    pub fn partition_key(&self) -> &PartitionKey {
        &self.partition_key
    }

    /// What keeps its cookies apart from those of others on the same host.
    pub(crate) fn cookie_suffix(&self) -> String {
        self.path.as_ref().map_or(String::new(), PathPrefix::suffix)
    }
}

/// The front ends of one host process: the partition of a request is that of the front end at
/// which it arrives, by its host name, its path or both.
///
/// - A request that arrives at none of them is refused, 421 for its host and 404 for its path, and
///   never gets another's partition.
/// - A front end with a host comes before one without, and a longer path before a shorter one.
/// - **Cookies.** Front ends on one host have cookies of their own: the path, escaped, is part of
///   the name (`__Host-bff-session.shop`), and `Path` stays `/`, as the `__Host-` prefix asks.
///   Scripts of one front end can all the same call the other, since they are of one origin: where
///   front ends must not trust each other, give each a host of its own.
/// - **Paths** are compared as they came, before any router takes a prefix away. If any front end
///   has a path, a request whose path has segments of dots, escaped or not, is at none at all, 404:
///   a router that resolves the dots and one that does not would take it to different ones.
/// - A partition belongs to one issuer: front ends whose users come from different providers need
///   partitions of their own.
#[derive(Clone, Debug)]
pub struct FrontEnds {
    /// The most particular first.
    front_ends: Vec<FrontEnd>,
    trust_forwarded_host: bool,
}

/// Why a request is at no front end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nowhere {
    Host,
    Path,
}

impl FrontEnds {
    /// These.
    ///
    /// # Errors
    /// [`InvalidFrontEnd::None`], [`InvalidFrontEnd::Twice`].
    pub fn new(front_ends: impl IntoIterator<Item = FrontEnd>) -> Result<Self, InvalidFrontEnd> {
        let mut front_ends: Vec<_> = front_ends.into_iter().collect();
        if front_ends.is_empty() {
            return Err(InvalidFrontEnd::None);
        }
        for (index, one) in front_ends.iter().enumerate() {
            let same = |other: &FrontEnd| (&other.host, &other.path) == (&one.host, &one.path);
            if front_ends[..index].iter().any(same) {
                return Err(InvalidFrontEnd::Twice);
            }
        }
        front_ends.sort_by_key(|one| {
            let path_len = one.path().map_or(0, str::len);
            std::cmp::Reverse((one.host.is_some(), path_len))
        });
        Ok(Self {
            front_ends,
            trust_forwarded_host: false,
        })
    }

    /// Takes the host from `X-Forwarded-Host` where a request has it, for hosts behind a proxy
    /// that **always sets or removes** that header. Behind any other, whoever sends a request
    /// chooses its front end. More than one value is at no front end.
    #[must_use]
    pub fn trust_forwarded_host(self) -> Self {
        Self {
            trust_forwarded_host: true,
            ..self
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &FrontEnd> {
        self.front_ends.iter()
    }

    /// Which of them, in the order of [`iter`](Self::iter), is where a request arrives.
    pub(crate) fn find(&self, request: &Parts) -> Result<usize, Nowhere> {
        let uri = original_uri(request);
        let host = self.host_of(uri, &request.headers);
        self.at(host.as_ref(), uri.path())
    }

    fn host_of(&self, uri: &Uri, headers: &HeaderMap) -> Option<HostName> {
        if self.trust_forwarded_host && headers.contains_key(X_FORWARDED_HOST) {
            host::only(headers, &X_FORWARDED_HOST)
        } else {
            host::of(uri, headers)
        }
    }

    pub(crate) fn at(&self, host: Option<&HostName>, path: &str) -> Result<usize, Nowhere> {
        // Not even at one without a path: a router may still take it to the handlers of one that
        // has one, which would then work with another's sessions.
        let any_path = self.front_ends.iter().any(|one| one.path.is_some());
        if any_path && has_dots(path) {
            return Err(Nowhere::Path);
        }
        let mut nowhere = Nowhere::Host;
        for (index, one) in self.front_ends.iter().enumerate() {
            if one.host.is_some() && one.host.as_ref() != host {
                continue;
            }
            if one.path.as_ref().is_none_or(|prefix| prefix.covers(path)) {
                return Ok(index);
            }
            nowhere = Nowhere::Path;
        }
        Err(nowhere)
    }
}

/// Whether a request comes straight from this machine, as far as its headers say: its host is a
/// loopback one, no proxy has left a trace, and no page of another host has sent it.
pub(crate) fn is_local(request: &Parts) -> bool {
    let headers = &request.headers;
    let is_loopback = |host: HostName| host.is_loopback();
    !headers.keys().any(is_by_proxy)
        && host::of(original_uri(request), headers).is_some_and(is_loopback)
        && is_from_local_page(headers)
}

fn is_by_proxy(name: &HeaderName) -> bool {
    let name = name.as_str();
    matches!(name, "forwarded" | "via" | "x-real-ip") || name.starts_with("x-forwarded-")
}

/// Where a proxy says `localhost` for everybody, its pages still name the host that the browser
/// knows. A `Referer` of another site counts for nothing: it is that of a link to here, or of the
/// provider at which the user has signed in.
fn is_from_local_page(headers: &HeaderMap) -> bool {
    let is_cross_site = only_value(headers, &SEC_FETCH_SITE) == Some(b"cross-site");
    let is_local = |value: &HeaderValue| {
        // `Origin: null` says nothing.
        let uri = Uri::try_from(value.as_bytes()).ok();
        let authority = uri.as_ref().and_then(Uri::authority);
        let host = authority.and_then(|it| HostName::parse(it.as_str()));
        value.as_bytes() == b"null" || host.is_some_and(|host| host.is_loopback())
    };
    headers.get_all(ORIGIN).iter().all(is_local)
        && (is_cross_site || headers.get_all(REFERER).iter().all(is_local))
}

fn only_value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value.as_bytes()),
        _ => None,
    }
}

/// As it came, whatever routers have taken away from it since.
fn original_uri(request: &Parts) -> &Uri {
    match request.extensions.get::<OriginalUri>() {
        Some(OriginalUri(uri)) => uri,
        None => &request.uri,
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    impl FrontEnds {
        fn partition_of(&self, request: &Request<()>) -> Result<String, Nowhere> {
            let found = self.find(&request.clone().into_parts().0)?;
            Ok(self.front_ends[found].partition_key.to_string())
        }
    }

    fn partition(name: &str) -> PartitionKey {
        name.try_into().unwrap()
    }

    fn two_hosts_and_a_path() -> FrontEnds {
        FrontEnds::new([
            FrontEnd::at_path("/shop", partition("anywhere")).unwrap(),
            FrontEnd::at_host("one.example", partition("one")).unwrap(),
            FrontEnd::at_host("two.example", partition("two"))
                .unwrap()
                .below("/app")
                .unwrap(),
            FrontEnd::at_host("two.example", partition("deeper"))
                .unwrap()
                .below("/app/admin")
                .unwrap(),
        ])
        .unwrap()
    }

    fn find(host: &str, path: &str) -> Result<String, Nowhere> {
        let request = Request::builder()
            .uri(path)
            .header("host", host)
            .body(())
            .unwrap();
        two_hosts_and_a_path().partition_of(&request)
    }

    #[test]
    fn the_most_particular_one_counts() {
        assert_eq!(find("one.example", "/"), Ok("one".into()));
        assert_eq!(find("one.example", "/shop"), Ok("one".into()));
        assert_eq!(find("three.example", "/shop"), Ok("anywhere".into()));
        assert_eq!(find("two.example", "/shop/x"), Ok("anywhere".into()));
        assert_eq!(find("two.example", "/app/x"), Ok("two".into()));
        assert_eq!(find("two.example", "/app/admin/x"), Ok("deeper".into()));
        assert_eq!(find("two.example", "/app/administrator"), Ok("two".into()));
    }

    #[test]
    fn a_host_is_the_same_in_other_spellings() {
        for host in [
            "one.example",
            "ONE.Example",
            "one.example:8443",
            "one.example.",
            "one.example.:443",
        ] {
            assert_eq!(find(host, "/"), Ok("one".into()), "{host}");
        }
    }

    #[test]
    fn a_stranger_is_nowhere() {
        for host in [
            "",
            "example",
            "two.example.evil.com",
            "evil.com#one.example",
            "user@one.example",
            "one.example, two.example",
            "one.example..",
            "one.example:port",
            " one.example",
        ] {
            // Where a path is at whichever host, only the path can be wrong.
            assert_eq!(find(host, "/"), Err(Nowhere::Path), "{host}");
        }
        let by_host = FrontEnds::new([FrontEnd::at_host("one.example", partition("1")).unwrap()]);
        let by_host = by_host.unwrap();
        assert_eq!(by_host.at(None, "/").unwrap_err(), Nowhere::Host);
        assert_eq!(find("two.example", "/application"), Err(Nowhere::Path));
    }

    #[test]
    fn two_hosts_in_one_request_are_none() {
        let front_ends = two_hosts_and_a_path();
        let mut request = Request::builder()
            .uri("http://one.example/")
            .header("host", "two.example")
            .body(())
            .unwrap();
        assert!(front_ends.partition_of(&request).is_err());
        request.headers_mut().remove("host");
        assert_eq!(front_ends.partition_of(&request), Ok("one".into()));
        request
            .headers_mut()
            .insert("host", "ONE.example:80".parse().unwrap());
        assert!(front_ends.partition_of(&request).is_ok());
        request
            .headers_mut()
            .append("host", "one.example".parse().unwrap());
        assert!(front_ends.partition_of(&request).is_err());
    }

    #[test]
    fn a_forwarded_host_is_believed_only_where_that_is_asked_for() {
        let request = |forwarded: &[&str]| {
            let mut request = Request::builder().uri("/").header("host", "one.example");
            for value in forwarded {
                request = request.header("x-forwarded-host", *value);
            }
            request.body(()).unwrap()
        };
        let front_ends = FrontEnds::new([
            FrontEnd::at_host("one.example", partition("one")).unwrap(),
            FrontEnd::at_host("two.example", partition("two")).unwrap(),
        ])
        .unwrap();
        let found = |front_ends: &FrontEnds, forwarded: &[&str]| {
            front_ends.partition_of(&request(forwarded))
        };
        assert_eq!(found(&front_ends, &["two.example"]), Ok("one".into()));
        let trusting = front_ends.trust_forwarded_host();
        assert_eq!(found(&trusting, &["two.example"]), Ok("two".into()));
        assert_eq!(found(&trusting, &[]), Ok("one".into()));
        for values in [
            &["two.example", "one.example"][..],
            &["two.example, one.example"],
            &[""],
        ] {
            assert_eq!(found(&trusting, values), Err(Nowhere::Host), "{values:?}");
        }
    }

    #[test]
    fn front_ends_that_cannot_be_told_apart_are_refused() {
        let one = || FrontEnd::at_host("a.example", partition("1")).unwrap();
        let same = || FrontEnd::at_host("A.example.", partition("2")).unwrap();
        assert_eq!(
            FrontEnds::new([one(), same()]).unwrap_err(),
            InvalidFrontEnd::Twice
        );
        assert!(FrontEnds::new([one(), same().below("/x").unwrap()]).is_ok());
        assert_eq!(FrontEnds::new([]).unwrap_err(), InvalidFrontEnd::None);
        for host in ["", "a.example:80", "a b", "a/b", "http://a.example", "é"] {
            assert_eq!(
                FrontEnd::at_host(host, partition("1")),
                Err(InvalidFrontEnd::Host),
                "{host}"
            );
        }
    }

    #[test]
    fn only_this_machine_is_local() {
        let local = |uri: &str, headers: &[(&str, &str)]| {
            let mut request = Request::builder().uri(uri);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            is_local(&request.body(()).unwrap().into_parts().0)
        };
        for host in [
            "localhost",
            "localhost:3000",
            "LOCALHOST:3000",
            "one.localhost:3000",
            "127.0.0.1:3000",
            "127.1.2.3",
            "[::1]:3000",
        ] {
            assert!(local("/", &[("host", host)]), "{host}");
        }
        for host in [
            "example.com",
            "localhost.example.com",
            "127.0.0.1.example.com",
            "[::2]",
            "10.0.0.1",
            "notlocalhost",
            "",
        ] {
            assert!(!local("/", &[("host", host)]), "{host}");
        }
        assert!(!local("/", &[]));
        assert!(local("http://localhost/", &[]));
        for proxied in [
            "forwarded",
            "via",
            "x-real-ip",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-port",
            "x-forwarded-prefix",
            "X-Forwarded-Scheme",
        ] {
            assert!(!local("/", &[("host", "localhost"), (proxied, "x")]));
        }
    }

    #[test]
    fn a_page_of_another_host_is_not_local() {
        let local = |headers: &[(&str, &str)]| {
            let mut request = Request::builder().header("host", "localhost:3000");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            is_local(&request.body(()).unwrap().into_parts().0)
        };
        for headers in [
            &[("origin", "http://localhost:3000")][..],
            &[("origin", "http://127.0.0.1:5173")],
            &[("origin", "null")],
            &[("referer", "http://[::1]:3000/a?b=c")],
            &[
                ("referer", "https://id.example/"),
                ("sec-fetch-site", "cross-site"),
            ],
        ] {
            assert!(local(headers), "{headers:?}");
        }
        for headers in [
            &[("origin", "https://shop.example")][..],
            &[
                ("origin", "https://shop.example"),
                ("sec-fetch-site", "cross-site"),
            ],
            &[
                ("origin", "http://localhost"),
                ("origin", "http://shop.example"),
            ],
            &[("origin", "")],
            &[("referer", "https://shop.example/cart")],
            &[
                ("referer", "https://shop.example/"),
                ("sec-fetch-site", "same-origin"),
            ],
            &[("referer", "https://localhost.shop.example/")],
            &[("referer", "/cart")],
        ] {
            assert!(!local(headers), "{headers:?}");
        }
    }
}
