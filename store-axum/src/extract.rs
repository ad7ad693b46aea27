//! What handlers ask for.

mod antiforgery;
mod any;
mod bag;
mod session;

use axum::extract::FromRequestParts;
use http::request::Parts;

pub use self::antiforgery::RequireAntiforgery;
pub(crate) use self::any::AnyContext;
pub use self::bag::SessionBag;
pub use self::session::{OptionalSession, RequireSession, Session};
use crate::{SessionContext, SessionData, SessionRejection};

/// Refused, 500, if the layer is missing or is one for other data.
impl<T: SessionData, S: Send + Sync> FromRequestParts<S> for SessionContext<T> {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, SessionRejection> {
        let context = parts.extensions.get::<Self>().cloned();
        context.ok_or(SessionRejection::NoLayer {
            data: std::any::type_name::<T>(),
        })
    }
}
