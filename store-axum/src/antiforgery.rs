//! The header that shows that a page of the host's own sent the request.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header that [`RequireAntiforgery`](crate::RequireAntiforgery) asks for, and its value.
/// Default: `X-CSRF: 1`, as Duende's BFF has it.
///
/// Its value is no secret. What protects is that another site's page cannot send a header of this
/// name without the host's leave by CORS, which the host is not to give to strangers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Antiforgery {
    name: HeaderName,
    value: HeaderValue,
}

impl Default for Antiforgery {
    fn default() -> Self {
        Self {
            name: HeaderName::from_static("x-csrf"),
            value: HeaderValue::from_static("1"),
        }
    }
}

impl Antiforgery {
    /// Another header.
    ///
    /// A form of another site's page can set none at all, but its scripts can set the ones that
    /// the Fetch standard calls safelisted: `Accept`, `Content-Type` and the like protect nobody.
    pub fn new(name: HeaderName, value: HeaderValue) -> Self {
        Self { name, value }
    }

    /// Whether the request has the header, once, with this value.
    pub fn is_satisfied(&self, request: &HeaderMap) -> bool {
        let mut values = request.get_all(&self.name).iter();
        values.next() == Some(&self.value) && values.next().is_none()
    }
}
