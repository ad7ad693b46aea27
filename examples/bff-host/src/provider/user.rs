//! Who the users are: whoever they say.

use std::sync::Arc;

use axum::Json;
use axum::extract;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, COOKIE, ORIGIN, SET_COOKIE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::page;
use super::state::{SESSION_LIFETIME, State};
use crate::problem::Problem;

/// Cookies know no ports: this name must not be one of the host's.
const COOKIE_NAME: &str = "demonstration-provider";

pub(super) const WHAT_A_NAME_IS: &str =
    "A name has 1 to 32 letters from a to z, digits, dots or hyphens.";

/// What the user typed, as a name.
pub(super) fn name(typed: &str) -> Option<String> {
    let name = typed.trim().to_ascii_lowercase();
    let letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-';
    ((1..=32).contains(&name.len()) && name.bytes().all(letters)).then_some(name)
}

/// What is said of a user.
pub(super) fn claims(sub: &str, scope: &str) -> Value {
    let mut claims = json!({ "sub": sub });
    let has = |wanted| scope.split(' ').any(|one| one == wanted);
    if has("profile") {
        claims["name"] = display_name(sub).into();
        claims["preferred_username"] = sub.into();
    }
    if has("email") {
        claims["email"] = format!("{sub}@example.test").into();
    }
    claims
}

/// `alice` is Alice.
pub(super) fn display_name(sub: &str) -> String {
    let mut letters = sub.chars();
    letters
        .next()
        .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
        .unwrap_or_default()
}

/// The user-info endpoint.
pub(super) async fn info(
    extract::State(state): extract::State<Arc<State>>,
    headers: HeaderMap,
) -> Response {
    let header = headers.get(AUTHORIZATION).and_then(|it| it.to_str().ok());
    let token = header.and_then(|header| header.strip_prefix("Bearer "));
    match token.and_then(|token| state.bearer(token)) {
        Some(grant) => Json(claims(&grant.session.sub, &grant.scope)).into_response(),
        None => {
            let challenge = [(WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")];
            (StatusCode::UNAUTHORIZED, challenge).into_response()
        }
    }
}

/// The user's own page at the provider.
pub(super) async fn home(
    extract::State(state): extract::State<Arc<State>>,
    headers: HeaderMap,
) -> Response {
    let session = cookie_of(&headers).and_then(|cookie| state.session(&cookie));
    page::home(session.as_ref()).into_response()
}

/// What the browser's cookie holds.
pub(super) fn cookie_of(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(COOKIE).iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE_NAME)
        .map(|(_, value)| value.to_owned())
}

/// Has the browser keep this, or forget what it has kept if this is empty.
pub(super) fn remember(cookie: &str, response: &mut Response) -> Result<(), Problem> {
    let seconds = if cookie.is_empty() {
        0
    } else {
        SESSION_LIFETIME.num_seconds()
    };
    let line = format!("{COOKIE_NAME}={cookie}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax");
    response
        .headers_mut()
        .append(SET_COOKIE, HeaderValue::try_from(line)?);
    Ok(())
}

/// Nobody else's page signs a user in or out: browsers say where a form comes from.
pub(super) fn from_own_page(state: &State, headers: &HeaderMap) -> Result<(), Problem> {
    let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
    if origin == Some(state.issuer.as_str()) {
        Ok(())
    } else {
        Err(Problem::forbidden("This form is not the provider's own."))
    }
}
