//! Every way in which a request is refused.

use std::error::Error as StdError;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use store_core::Error as StoreError;
use store_tickets::{BagError, TicketError};

/// Why a request was refused: the whole catalogue.
///
/// As a response each has its status, a JSON body after RFC 9457 (`application/problem+json`) with
/// `title`, `status` and `detail`, and `Cache-Control: no-store`. What the store said is logged
/// then and never sent.
///
/// | variant | status | |
/// |---|---|---|
/// | [`NotSignedIn`](Self::NotSignedIn) | 401 | nobody is signed in |
/// | [`Ended`](Self::Ended) | 401 | the session ended while the request ran, or before a script's request that writes; the change was not written |
/// | [`Antiforgery`](Self::Antiforgery) | 401 | the antiforgery header is missing, as Duende's BFF answers it |
/// | [`Ambiguous`](Self::Ambiguous) | 400 | the request presents two sessions |
/// | [`CookiesTooLarge`](Self::CookiesTooLarge) | 431 | more cookies than anybody reads |
/// | [`UnknownHost`](Self::UnknownHost) | 421 | no front end has this host |
/// | [`UnknownPath`](Self::UnknownPath) | 404 | no front end of this host has this path |
/// | [`Conflict`](Self::Conflict) | 409 | another request changed the same at the same time, and this change was not written |
/// | [`SessionLimitReached`](Self::SessionLimitReached) | 409 | the user has as many sessions as the policy allows |
/// | [`Unavailable`](Self::Unavailable) | 503, `Retry-After` | the store is not to be had |
/// | [`Unreadable`](Self::Unreadable) | 503, `Retry-After` | this node cannot read the session, which is there |
/// | [`NotLocalhost`](Self::NotLocalhost) | 500 | development cookies, but not on localhost |
/// | [`NoLayer`](Self::NoLayer) | 500 | the layer is missing, or is one for other data |
/// | [`ResponseSent`](Self::ResponseSent) | 500 | a new session, but its cookie can no longer be sent |
/// | [`Failed`](Self::Failed) | 500 | the store or the ticket failed for good |
/// | [`Bag`](Self::Bag) | 500 | a value of the bag is not of the type that the host asked for |
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionRejection {
    /// The request asks for a signed-in user, and there is none.
    #[error("nobody is signed in")]
    NotSignedIn,

    /// The session ended while this request ran. What the request changed was not written, and
    /// nothing brings the session back.
    #[error("the session has ended meanwhile")]
    Ended,

    /// The header that shows that a page of the host's own sent the request is missing.
    #[error("the antiforgery header is missing")]
    Antiforgery,

    /// The request presents two different sessions: two cookies of one name, or a cookie and a
    /// header.
    #[error("the request presents more than one session")]
    Ambiguous,

    /// The request's cookies are longer than anybody reads.
    #[error("the request's cookies are too long")]
    CookiesTooLarge,

    /// No front end has the host that the request names.
    #[error("no front end has this host")]
    UnknownHost,

    /// No front end of this host has the path that the request names.
    #[error("no front end has this path")]
    UnknownPath,

    /// Another request changed the same at the same time. What this request changed was not
    /// written; the same request may succeed if it is sent again.
    #[error("the session was changed by another request meanwhile")]
    Conflict,

    /// The user has as many sessions as the policy allows, and the policy is to reject.
    #[error("the user has as many sessions as is allowed")]
    SessionLimitReached,

    /// The store is not to be had. It is not known whether there is a session.
    #[error("the session store is not available")]
    Unavailable {
        /// When the client may try again.
        retry_after: Duration,
        /// What the store said.
        #[source]
        source: TicketError,
    },

    /// There is a session, but this node cannot read it, so it puts none over it.
    #[error("this node cannot read the session")]
    Unreadable {
        /// When the client may try again.
        retry_after: Duration,
    },

    /// [`CookieOptions::insecure_for_localhost`](crate::CookieOptions::insecure_for_localhost) on
    /// another host, or behind a proxy.
    #[error("insecure cookies are for development on localhost, and for no other host")]
    NotLocalhost,

    /// The request did not pass [`ServerSideSessions`](crate::ServerSideSessions), or passed one
    /// for other data.
    #[error("there is no `ServerSideSessions` layer for `{data}` on this route")]
    NoLayer {
        /// The type of the data that was asked for.
        data: &'static str,
    },

    /// A new session was to begin after the response had left, so that nobody would get its
    /// secret.
    #[error("the response has left, and a new session's cookie with it")]
    ResponseSent,

    /// The store or the ticket failed, and will again.
    #[error("the session could not be processed")]
    Failed(#[source] TicketError),

    /// A value of the bag is not of the type that the host asked for, or cannot be encoded.
    #[error("the session could not be processed")]
    Bag(#[from] BagError),
}

impl SessionRejection {
    /// What a failure of the tickets means for the request.
    pub fn from_error(error: TicketError, retry_after: Duration) -> Self {
        match error {
            TicketError::Unreadable(_) => Self::Unreadable { retry_after },
            TicketError::Store(StoreError::SessionLimitReached) => Self::SessionLimitReached,
            error if error.is_transient() => Self::Unavailable {
                retry_after,
                source: error,
            },
            error => Self::Failed(error),
        }
    }

    /// The status that it is answered with.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NotSignedIn | Self::Ended | Self::Antiforgery => StatusCode::UNAUTHORIZED,
            Self::Ambiguous => StatusCode::BAD_REQUEST,
            Self::CookiesTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::UnknownHost => StatusCode::MISDIRECTED_REQUEST,
            Self::UnknownPath => StatusCode::NOT_FOUND,
            Self::Conflict | Self::SessionLimitReached => StatusCode::CONFLICT,
            Self::Unavailable { .. } | Self::Unreadable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotLocalhost
            | Self::NoLayer { .. }
            | Self::ResponseSent
            | Self::Failed(_)
            | Self::Bag(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } | Self::Unreadable { retry_after } => {
                Some(*retry_after)
            }
            _ => None,
        }
    }

    fn report(&self) {
        match self {
            Self::Unavailable { source, .. } | Self::Failed(source) => tracing::error!(
                error = source as &dyn StdError,
                "a request was refused: {self}"
            ),
            Self::Bag(source) => tracing::error!(
                error = source as &dyn StdError,
                "a request was refused: {self}"
            ),
            Self::NotLocalhost | Self::NoLayer { .. } | Self::ResponseSent => {
                tracing::error!("a request was refused: {self}");
            }
            _ => tracing::debug!("a request was refused: {self}"),
        }
    }
}

impl IntoResponse for SessionRejection {
    fn into_response(self) -> Response {
        self.report();
        let status = self.status();
        let body = serde_json::json!({
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "detail": self.to_string(),
        });
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(retry_after) = self.retry_after() {
            // Whole seconds, and never 0, which would ask for a storm.
            let seconds = retry_after.as_secs().max(1);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
