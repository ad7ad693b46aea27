//! The API behind the host, as another team would run it: it knows neither browser nor session,
//! only bearer tokens, and asks the provider whom they speak for.

use std::sync::Arc;

use anyhow::Context as _;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::problem::Problem;

struct Upstream {
    http: reqwest::Client,
    issuer: String,
    /// Where the provider says whom a token speaks for.
    user_info: OnceCell<String>,
}

/// The API, for tokens of this provider.
pub(crate) fn router(http: reqwest::Client, issuer: &str) -> Router {
    Router::new()
        .route("/greeting", get(greeting))
        .with_state(Arc::new(Upstream {
            http,
            issuer: issuer.trim_end_matches('/').to_owned(),
            user_info: OnceCell::new(),
        }))
}

impl Upstream {
    /// Asks the provider once it is needed: it may not be there yet.
    async fn user_info(&self) -> anyhow::Result<&str> {
        let ask = || async {
            let metadata = format!("{}/.well-known/openid-configuration", self.issuer);
            let answer = self.http.get(metadata).send().await?.error_for_status()?;
            let metadata: Value = serde_json::from_slice(&answer.bytes().await?)?;
            let endpoint = metadata["userinfo_endpoint"].as_str();
            let endpoint = endpoint.context("the provider has no user-info endpoint")?;
            anyhow::Ok(endpoint.to_owned())
        };
        Ok(self.user_info.get_or_try_init(ask).await?)
    }
}

/// Says whom the token speaks for, and the names of the headers that came with it.
async fn greeting(
    State(upstream): State<Arc<Upstream>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Some(bearer) = headers.get(AUTHORIZATION) else {
        return Ok(unauthorized("Bearer"));
    };
    let answer = upstream
        .http
        .get(upstream.user_info().await?)
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
