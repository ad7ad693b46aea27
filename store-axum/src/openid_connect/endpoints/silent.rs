//! What a silent login ends with.

use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use sha2::{Digest, Sha256};
use url::Url;

/// A page for the frame in which the login took place, which tells the page around it how it went:
/// `{ source: "bff-silent-login", isLoggedIn: … }`, to pages of the front end's own origin alone.
pub(super) fn page(status: StatusCode, is_logged_in: bool, base: &Url) -> Response {
    let origin = base.origin().ascii_serialization();
    // An origin holds nothing that would have to be escaped in a string.
    let script = format!(
        "window.parent.postMessage({{source:'bff-silent-login',isLoggedIn:{is_logged_in}}},'{origin}');"
    );
    let digest = STANDARD.encode(Sha256::digest(script.as_bytes()));
    let policy =
        format!("default-src 'none'; script-src 'sha256-{digest}'; frame-ancestors 'self'");
    let body = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Silent login</title>\
         <script>{script}</script></html>\n"
    );
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let policy = HeaderValue::from_str(&policy);
    headers.insert(
        CONTENT_SECURITY_POLICY,
        policy.expect("base64 and words are ASCII"),
    );
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
