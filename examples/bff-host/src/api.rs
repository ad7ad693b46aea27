//! `/api/…`: what the page calls, and an API behind the host answers.

use std::sync::Arc;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::StatusCode;
use store_axum::openid_connect::AccessTokenError;
use store_axum::{RequireAntiforgery, SessionContext};

use crate::host::App;
use crate::problem::Problem;
use crate::proxy::{Call, MAX_BODY};
use crate::session::{Refused, Visit};

pub(crate) fn router() -> Router<Arc<App>> {
    Router::new().route("/api/{*path}", any(pass))
}

/// Puts the session's access token on the call, renewed if it is about to end.
async fn pass(
    State(app): State<Arc<App>>,
    _: RequireAntiforgery,
    context: SessionContext<Visit>,
    Path(path): Path<String>,
    request: Request,
) -> Result<Response, Refused> {
    let token = match app.access_tokens.fresh(&context).await {
        Ok(token) => token,
        // Nobody has been signed out, so it is not 401.
        Err(AccessTokenError::SignInAgain) => {
            let text = "The provider gives no more access tokens to this session: sign in again.";
            return Err(Problem::forbidden(text).into());
        }
        Err(error) => return Ok(error.into_response()),
    };
    let (parts, body) = request.into_parts();
    let too_long = |_| Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "The request is too long.");
    let call = Call {
        method: parts.method,
        path,
        query: parts.uri.query().map(str::to_owned),
        headers: parts.headers,
        body: to_bytes(body, MAX_BODY).await.map_err(too_long)?,
    };
    Ok(app.upstream.pass(call, &token).await?)
}
