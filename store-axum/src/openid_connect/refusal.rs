//! Every way in which an endpoint refuses.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde_json::json;

use super::SignInRefused;
use super::provider::NoProvider;
use super::query::Repeated;
use super::registration::Failure;
use super::return_url::NotLocal;
use crate::SessionRejection;

/// How long clients are told to wait for a provider that does not answer.
const PROVIDER_RETRY_AFTER: Duration = Duration::from_secs(5);

/// Why one of the endpoints refuses a request: the catalogue, beside [`SessionRejection`].
///
/// Where a page's script asks, the answer is `application/problem+json` after RFC 9457; where a
/// browser navigates, it is a small page. Neither repeats anything of the request.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("a parameter is there more than once")]
    Repeated,
    #[error("returnUrl is no local URL")]
    ReturnUrl,
    #[error("prompt is not allowed")]
    Prompt,
    #[error("a silent login is for the front end's own pages")]
    CrossSite,
    #[error("there is no OpenID client for this front end")]
    NoClient,
    #[error("the identity provider is not available")]
    NoProvider(#[source] Option<Failure>),
    #[error("this login is unknown, over, or belongs to another browser")]
    UnknownAttempt,
    #[error("the answer is not the identity provider's")]
    Issuer,
    #[error("the identity provider's answer has neither a code nor an error")]
    NoCode,
    #[error("the identity provider has refused the login, with {0}")]
    Denied(&'static str),
    #[error("the identity provider has refused the code")]
    Code(#[source] Failure),
    #[error("the identity provider's answer is not to be trusted")]
    Untrusted(#[source] Failure),
    #[error("you may not use this application")]
    Forbidden,
    #[error("you cannot be signed in just now")]
    HostUnavailable,
    #[error("you have signed out meanwhile")]
    Overtaken,
    #[error("sid is missing, or is another session's")]
    SessionId,
    #[error("there is no such session of yours")]
    NoSuchSession,
    #[error("the operating system gave no random bits")]
    Random(#[source] getrandom::Error),
    #[error(transparent)]
    Session(#[from] SessionRejection),
}

impl Refusal {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Repeated
            | Self::ReturnUrl
            | Self::Prompt
            | Self::UnknownAttempt
            | Self::Issuer
            | Self::NoCode
            | Self::Code(_)
            | Self::SessionId => StatusCode::BAD_REQUEST,
            Self::CrossSite | Self::Denied(_) | Self::Forbidden | Self::Overtaken => {
                StatusCode::FORBIDDEN
            }
            Self::NoSuchSession => StatusCode::NOT_FOUND,
            Self::NoClient | Self::Random(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Untrusted(_) => StatusCode::BAD_GATEWAY,
            Self::NoProvider(_) | Self::HostUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Session(rejection) => rejection.status(),
        }
    }

    /// For a script.
    pub(super) fn into_problem(self) -> Response {
        self.report();
        let status = self.status();
        let detail = self.to_string();
        let Self::Session(rejection) = self else {
            let body = json!({
                "title": status.canonical_reason(),
                "status": status.as_u16(),
                "detail": detail,
            });
            return answer(status, "application/problem+json", body.to_string());
        };
        rejection.into_response()
    }

    /// For a browser that has navigated here; `again` is where the user may start anew.
    pub(super) fn into_page(self, again: &str) -> Response {
        self.report();
        let status = self.status();
        let reason = status.canonical_reason().unwrap_or_default();
        let (text, again) = (escape(&self.to_string()), escape(again));
        let body = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{reason}</title>\
             <h1>{reason}</h1><p>Signing in or out did not work: {text}.</p>\
             <p><a href=\"{again}\">Back to the application</a></p></html>\n"
        );
        let mut response = answer(status, "text/html; charset=utf-8", body);
        let headers = response.headers_mut();
        headers.insert(
            http::header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
        );
        // The address holds a code, perhaps.
        headers.insert(
            http::header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        );
        if let Self::Session(rejection) = self {
            let other = rejection.into_response();
            if let Some(retry_after) = other.headers().get(RETRY_AFTER) {
                headers.insert(RETRY_AFTER, retry_after.clone());
            }
        }
        response
    }

    pub(super) fn report(&self) {
        let error = self as &dyn std::error::Error;
        match self {
            // It reports itself.
            Self::Session(_) => {}
            Self::NoClient | Self::Random(_) => tracing::error!(error, "a request was refused"),
            Self::NoProvider(_) | Self::Untrusted(_) | Self::Code(_) | Self::Issuer => {
                tracing::warn!(error, "a request was refused");
            }
            _ => tracing::debug!(error, "a request was refused"),
        }
    }
}

fn answer(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(
            RETRY_AFTER,
            HeaderValue::from(PROVIDER_RETRY_AFTER.as_secs()),
        );
    }
    response
}

/// For text and attributes alike.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

impl From<Repeated> for Refusal {
    fn from(Repeated: Repeated) -> Self {
        Self::Repeated
    }
}

impl From<NotLocal> for Refusal {
    fn from(NotLocal: NotLocal) -> Self {
        Self::ReturnUrl
    }
}

impl From<NoProvider> for Refusal {
    fn from(error: NoProvider) -> Self {
        Self::NoProvider(Some(error.into()))
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NoProvider(_) | Failure::NoAnswer(_) => Self::NoProvider(Some(failure)),
            Failure::Refused(_) => Self::Code(failure),
            Failure::Untrusted(_) => Self::Untrusted(failure),
        }
    }
}

impl From<SignInRefused> for Refusal {
    fn from(refused: SignInRefused) -> Self {
        match refused {
            SignInRefused::Forbidden => Self::Forbidden,
            SignInRefused::Unavailable => Self::HostUnavailable,
        }
    }
}
