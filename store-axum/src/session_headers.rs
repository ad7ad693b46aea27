//! Headers in place of cookies.

use http::HeaderName;

/// Session ids in headers, for clients that keep no cookies: `X-ss-id`, `X-ss-pid` and the
/// choice between them, `X-ss-opt` or `X-ss-opts`. Nothing of this happens unless it is asked for,
/// by [`ServerSideSessions::headers`](crate::ServerSideSessions::headers).
///
/// A request that has any of them and no session cookie **speaks headers**: its session is the one
/// that they name, what begins or changes is told in the response's headers, and no cookie is set.
/// That a session is over, by a logout or before, no header tells, and [`choose`] is not kept. Any
/// other request speaks cookies, and no response to it ever shows a secret in a header: a page's
/// script cannot get at what `HttpOnly` keeps from it.
///
/// A request with a session cookie may repeat in its headers what its cookies say, and choose
/// between them. If a header has an id that the cookie of the same meaning has not, it is refused,
/// as [`SessionRejection::Ambiguous`](crate::SessionRejection::Ambiguous).
///
/// [`choose`]: crate::SessionContext::choose
///
/// Another site's page cannot send these headers unless the host's CORS policy lets it, so a
/// request that speaks headers needs no further protection from forgery. A script of the page
/// itself can send and read them: where scripts are not to be trusted, leave this off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionHeaders {
    pub(crate) id: HeaderName,
    pub(crate) permanent_id: HeaderName,
    pub(crate) choice: [HeaderName; 2],
}

impl Default for SessionHeaders {
    fn default() -> Self {
        Self {
            id: HeaderName::from_static("x-ss-id"),
            permanent_id: HeaderName::from_static("x-ss-pid"),
            choice: [
                HeaderName::from_static("x-ss-opt"),
                HeaderName::from_static("x-ss-opts"),
            ],
        }
    }
}
