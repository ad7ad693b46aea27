//! Host names, as they are compared.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::header::HOST;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, Uri};

/// A host name or address: lower case, without port, without the dot at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostName(String);

impl HostName {
    /// Out of `host` or `host:port`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let authority: Authority = text.parse().ok()?;
        // Digits and nothing else after the colon: `Authority` takes other text for a host.
        let rest = authority.as_str().strip_prefix(authority.host())?;
        let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        if !(rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port)) {
            return None;
        }
        Self::canonical(authority.host())
    }

    pub(crate) fn without_port(text: &str) -> Option<Self> {
        let authority: Authority = text.parse().ok()?;
        (authority.host() == text).then(|| Self::canonical(text))?
    }

    fn canonical(host: &str) -> Option<Self> {
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let address = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let is_host = match address {
            // The same address in other spellings is the same.
            Some(address) => {
                let address: Ipv6Addr = address.parse().ok()?;
                return Some(Self(format!("[{address}]")));
            }
            None => host.split('.').all(|label| {
                let in_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
                !label.is_empty() && label.bytes().all(in_name)
            }),
        };
        is_host.then_some(Self(host))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether browsers look for it on the machine that they run on, and nowhere else.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.0.as_str();
        let is_name = host == "localhost" || host.ends_with(".localhost");
        let is_address = |address: Ipv4Addr| address.is_loopback();
        is_name || host.parse().is_ok_and(is_address) || host == "[::1]"
    }
}

/// The one host of a request: that of its URI (HTTP/2, absolute form) and of its `Host` header,
/// where it has both the same.
pub(crate) fn of(uri: &Uri, headers: &HeaderMap) -> Option<HostName> {
    let by_header = headers.contains_key(HOST).then(|| only(headers, &HOST));
    let by_uri = uri.authority().map(|it| HostName::parse(it.as_str()));
    match (by_uri, by_header) {
        (Some(one), Some(other)) => one.filter(|one| Some(one) == other.as_ref()),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => None,
    }
}

/// The host that a header names, if it is there once and names one.
pub(crate) fn only(headers: &HeaderMap, name: &HeaderName) -> Option<HostName> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => HostName::parse(value.to_str().ok()?),
        _ => None,
    }
}
