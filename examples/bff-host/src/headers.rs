//! What every response says to the browser about what it may do with it.

use axum::Router;
use axum::middleware::map_response;
use axum::response::Response;
use http::HeaderValue;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};

/// For the host's page: its own scripts and styles, its own API, nothing inline, nobody's frame.
pub(crate) const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// For pages without scripts whose forms lead to `form_targets`.
pub(crate) fn forms_policy(form_targets: &str) -> String {
    format!(
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action {form_targets}; \
         frame-ancestors 'none'"
    )
}

/// The same router with security headers on every response. What a handler has set itself stays:
/// the end of a silent login may stand in a frame of the host's own page.
///
/// # Errors
/// If the policy cannot be a header.
pub(crate) fn secured(router: Router, policy: &str) -> anyhow::Result<Router> {
    let policy = HeaderValue::try_from(policy)?;
    let secure = move |mut response: Response| {
        let fixed = HeaderValue::from_static;
        let defaults = [
            (CONTENT_SECURITY_POLICY, policy.clone()),
            (X_CONTENT_TYPE_OPTIONS, fixed("nosniff")),
            // Not `no-referrer`, with which browsers do not say any more where a form comes from.
            (REFERRER_POLICY, fixed("same-origin")),
            (OPENER_POLICY, fixed("same-origin")),
            (RESOURCE_POLICY, fixed("same-origin")),
            (CACHE_CONTROL, fixed("no-store")),
        ];
        for (name, value) in defaults {
            response.headers_mut().entry(name).or_insert(value);
        }
        std::future::ready(response)
    };
    Ok(router.layer(map_response(secure)))
}
