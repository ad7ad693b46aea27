//! The token endpoint, and the one at which tokens are taken back.

use std::sync::Arc;

use axum::extract;
use axum::response::{IntoResponse, Response};
use axum::{Form, Json};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::{AUTHORIZATION, CACHE_CONTROL};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use url::form_urlencoded;

use super::state::{ACCESS_TOKEN_LIFETIME, Grant, State};
use super::user;
use crate::problem::Problem;

#[derive(Deserialize)]
pub(super) struct Request {
    grant_type: Option<String>,
    code: Option<String>,
    code_verifier: Option<String>,
    redirect_uri: Option<String>,
    refresh_token: Option<String>,
    token: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

/// An error of RFC 6749, section 5.2.
struct Refused(&'static str);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = match self.0 {
            "invalid_client" => StatusCode::UNAUTHORIZED,
            _ => StatusCode::BAD_REQUEST,
        };
        (status, Json(json!({ "error": self.0 }))).into_response()
    }
}

pub(super) async fn issue(
    extract::State(state): extract::State<Arc<State>>,
    headers: HeaderMap,
    Form(request): Form<Request>,
) -> Result<Response, Problem> {
    if !authenticated(&state, &headers, &request) {
        return Ok(Refused("invalid_client").into_response());
    }
    let (grant, nonce) = match request.grant_type.as_deref() {
        Some("authorization_code") => match redeem_code(&state, &request) {
            Some(redeemed) => redeemed,
            None => return Ok(Refused("invalid_grant").into_response()),
        },
        Some("refresh_token") => {
            let token = request.refresh_token.as_deref().unwrap_or_default();
            match state.redeem_refresh_token(token) {
                Some(grant) => (grant, None),
                None => return Ok(Refused("invalid_grant").into_response()),
            }
        }
        _ => return Ok(Refused("unsupported_grant_type").into_response()),
    };
    let mut answer = json!({
        "access_token": state.issue_access_token(&grant)?,
        "token_type": "Bearer",
        "expires_in": ACCESS_TOKEN_LIFETIME.num_seconds(),
        "scope": grant.scope,
        "id_token": id_token(&state, &grant, nonce)?,
    });
    if grant
        .scope
        .split(' ')
        .any(|scope| scope == "offline_access")
    {
        answer["refresh_token"] = state.issue_refresh_token(&grant)?.into();
    }
    Ok(([(CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

pub(super) async fn revoke(
    extract::State(state): extract::State<Arc<State>>,
    headers: HeaderMap,
    Form(request): Form<Request>,
) -> Response {
    if !authenticated(&state, &headers, &request) {
        return Refused("invalid_client").into_response();
    }
    let Some(token) = &request.token else {
        return Refused("invalid_request").into_response();
    };
    // A token that nobody knows is as good as revoked: RFC 7009, section 2.2.
    state.revoke(token);
    StatusCode::OK.into_response()
}

fn redeem_code(state: &State, request: &Request) -> Option<(Grant, Option<String>)> {
    let code = state.redeem_code(request.code.as_deref()?)?;
    let verifier = request.code_verifier.as_deref()?;
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
    let expected = state.client.redirect_uri.as_str();
    let good =
        challenge == code.code_challenge && request.redirect_uri.as_deref() == Some(expected);
    good.then_some((code.grant, code.nonce))
}

fn id_token(state: &State, grant: &Grant, nonce: Option<String>) -> anyhow::Result<String> {
    let now = state.now().timestamp();
    let mut claims = user::claims(&grant.session.sub, &grant.scope);
    claims["iss"] = state.issuer.as_str().into();
    claims["aud"] = state.client.id.as_str().into();
    claims["iat"] = now.into();
    claims["exp"] = (now + 300).into();
    claims["auth_time"] = grant.session.began.timestamp().into();
    claims["sid"] = grant.session.sid.as_str().into();
    if let Some(nonce) = nonce {
        claims["nonce"] = Value::String(nonce);
    }
    state.key.sign("JWT", &claims)
}

/// By `client_secret_basic` or `client_secret_post`.
fn authenticated(state: &State, headers: &HeaderMap, request: &Request) -> bool {
    let posted = || Some((request.client_id.clone()?, request.client_secret.clone()?));
    let Some((id, secret)) = basic(headers).or_else(posted) else {
        return false;
    };
    // Digests are as long as each other, whatever was sent.
    let same = Sha256::digest(secret).ct_eq(&Sha256::digest(&state.client.secret));
    id == state.client.id && same.into()
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credentials) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(credentials).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((form_decoded(id), form_decoded(secret)))
}

/// RFC 6749 has both parts encoded as in a form before they are put together.
fn form_decoded(text: &str) -> String {
    form_urlencoded::parse(text.replace('&', "%26").replace('=', "%3D").as_bytes())
        .next()
        .map(|(text, _)| text.into_owned())
        .unwrap_or_default()
}
