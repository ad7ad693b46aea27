//! `RequireAntiforgery`.

use axum::extract::FromRequestParts;
use http::request::Parts;

use crate::{Antiforgery, SessionRejection};

/// Lets only requests in that have the antiforgery header, `X-CSRF: 1` unless the layer says
/// otherwise; others are refused, 401, as Duende's BFF refuses them.
///
/// For every route that a page of the host's own fetches, whatever its method. Cookies with
/// `SameSite` stop other sites; this stops other hosts of the same site too.
///
/// ```
/// use axum::{Router, routing::post};
/// use store_axum::RequireAntiforgery;
///
/// async fn order(_: RequireAntiforgery) -> &'static str {
///     "ordered"
/// }
/// let router: Router = Router::new().route("/api/orders", post(order));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RequireAntiforgery;

impl<S: Send + Sync> FromRequestParts<S> for RequireAntiforgery {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, SessionRejection> {
        let default = Antiforgery::default();
        let asked_for = parts.extensions.get().unwrap_or(&default);
        if asked_for.is_satisfied(&parts.headers) {
            Ok(Self)
        } else {
            Err(SessionRejection::Antiforgery)
        }
    }
}
