//! `/bff/backchannel` (OpenID Connect Back-Channel Logout 1.0, sections 2.5 to 2.8).

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::json;
use store_tickets::TicketError;

use super::Bff;
use crate::openid_connect::logout_token::LogoutTokenError;
use crate::openid_connect::provider::NoProvider;
use crate::openid_connect::query::{Parameters, Repeated};
use crate::openid_connect::replay::NotNew;
use crate::{SessionContext, SessionData};

/// A logout token takes a few hundred bytes.
const MAX_BODY_LEN: usize = 64 * 1024;
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Why a logout request was not done.
#[derive(Debug, thiserror::Error)]
enum NotDone {
    #[error("the request is no form")]
    ContentType,
    #[error("the request is longer than {MAX_BODY_LEN} bytes, or was cut")]
    Body,
    #[error("the request holds not one logout_token")]
    NoToken,
    #[error("{0}")]
    Token(#[source] LogoutTokenError),
    /// Whoever sends it is to hear what comes of it, and not that it is none.
    #[error("the logout token is being acted on")]
    UnderWay,
    #[error("the logout token was used before")]
    Replayed,
    #[error("there is no OpenID client for this front end")]
    NoClient,
    #[error("the provider's keys are not to be had")]
    NoProvider(#[source] NoProvider),
    #[error("too many logout tokens at once")]
    TooMany,
    #[error("the sessions may not all have ended")]
    Store(#[source] TicketError),
}

/// `POST /bff/backchannel`: the provider says that a user has signed out.
pub(super) async fn backchannel<T: SessionData>(
    State(bff): State<Arc<Bff<T>>>,
    session: SessionContext<T>,
    request: Request,
) -> Response {
    match log_out(&bff, &session, request).await {
        Ok(()) => answer(StatusCode::OK, Body::empty()),
        Err(not_done) => not_done.into_response(),
    }
}

async fn log_out<T: SessionData>(
    bff: &Arc<Bff<T>>,
    session: &SessionContext<T>,
    request: Request,
) -> Result<(), NotDone> {
    let client = bff.client(session).map_err(|_| NotDone::NoClient)?;
    let token = token_of(request).await?;
    let verified = client.logout_token(&token).await;
    let verified = verified.map_err(NotDone::NoProvider)?;
    let token = verified.map_err(NotDone::Token)?;
    let partition_key = session.tickets().partition_key();
    let seen = &bff.seen_logout_tokens;
    let seen = seen.remember(partition_key, &token.id, token.refused_from, client.now());
    let seen = seen.map_err(|not_new| match not_new {
        NotNew::Done => NotDone::Replayed,
        NotNew::Pending => NotDone::UnderWay,
        NotNew::Full => NotDone::TooMany,
    })?;
    // As a task, since it must not be left half-way: neither a token that counts as used although
    // nothing was done, nor one that does not although it was.
    let work = {
        let (bff, revocation) = (Arc::clone(bff), session.revocation().clone());
        let partition_key = partition_key.clone();
        tokio::spawn(async move {
            bff.flights.note(&partition_key, &token.filter);
            let ended = revocation.back_channel_logout(&token.filter).await;
            if ended.is_ok() {
                seen.done();
            }
            ended
        })
    };
    match work.await {
        Ok(Ok(ended)) => {
            let (sessions, pending) = (ended.sessions.len(), ended.refresh_tokens_pending);
            tracing::info!(sessions, pending, "a provider has signed a user out");
            Ok(())
        }
        Ok(Err(error)) => Err(NotDone::Store(error)),
        Err(panic) => match panic.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down, and whoever waits with it.
            Err(_) => std::future::pending().await,
        },
    }
}

async fn token_of(request: Request) -> Result<String, NotDone> {
    if !is_form(request.headers()) {
        return Err(NotDone::ContentType);
    }
    let body: Result<Bytes, _> = to_bytes(request.into_body(), MAX_BODY_LEN).await;
    let form = Parameters::parse(&body.map_err(|_| NotDone::Body)?);
    match form.get("logout_token") {
        Ok(Some(token)) => Ok(token.to_owned()),
        Ok(None) | Err(Repeated) => Err(NotDone::NoToken),
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| {
        essence
            .trim()
            .eq_ignore_ascii_case("application/x-www-form-urlencoded")
    })
}

impl NotDone {
    fn status(&self) -> StatusCode {
        match self {
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Body => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoToken | Self::Token(_) | Self::Replayed => StatusCode::BAD_REQUEST,
            Self::NoClient => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NoProvider(_) | Self::TooMany | Self::UnderWay => StatusCode::SERVICE_UNAVAILABLE,
            Self::Store(error) if error.is_transient() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The answer of section 2.8: an error code, and for those who look for the reason, a text.
    fn into_response(self) -> Response {
        let error = &self as &dyn std::error::Error;
        let status = self.status();
        let code = if let Self::UnderWay = self {
            tracing::debug!(error, "a logout request came twice at once");
            "server_error"
        } else if status.is_server_error() {
            tracing::error!(error, "a logout that a provider asked for was not done");
            "server_error"
        } else {
            tracing::warn!(error, "a logout request was refused");
            "invalid_request"
        };
        let body = json!({ "error": code, "error_description": self.to_string() });
        let mut response = answer(status, Body::from(body.to_string()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from(TRY_AGAIN_AFTER.as_secs()));
        }
        response
    }
}

fn answer(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
