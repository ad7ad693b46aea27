//! The API behind the host, as another team would run it: it knows neither browser nor session,
//! only bearer tokens, and asks the provider whom they speak for.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::identity::Identity;
use crate::problem::Problem;

#[derive(Clone)]
struct Upstream {
    http: reqwest::Client,
    identity: Arc<Identity>,
}

/// The API, for tokens of this provider.
pub(crate) fn router(http: reqwest::Client, identity: Arc<Identity>) -> Router {
    Router::new()
        .route("/greeting", get(greeting))
        .with_state(Upstream { http, identity })
}

/// Says whom the token speaks for, and the names of the headers that came with it.
async fn greeting(
    State(upstream): State<Upstream>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Some(bearer) = headers.get(AUTHORIZATION) else {
        return Ok(unauthorized("Bearer"));
    };
    let answer = upstream
        .http
        .get(upstream.identity.user_info_endpoint().await?)
        .header(AUTHORIZATION, bearer)
        .send()
        .await?;
    if answer.status() == StatusCode::UNAUTHORIZED {
        return Ok(unauthorized("Bearer error=\"invalid_token\""));
    }
    let body = answer.error_for_status()?.bytes().await?;
    let user: Value = serde_json::from_slice(&body)?;
    let name = user["name"].as_str().or(user["sub"].as_str());
    let mut received: Vec<&str> = headers.keys().map(|name| name.as_str()).collect();
    received.sort_unstable();
    Ok(Json(json!({
        "greeting": format!("Hello {}, said the API.", name.unwrap_or("stranger")),
        "subject": user["sub"],
        "received": received,
    }))
    .into_response())
}

fn unauthorized(challenge: &'static str) -> Response {
    (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, challenge)]).into_response()
}
