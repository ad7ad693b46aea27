//! What the example's own handlers answer when they refuse or fail.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::json;

/// A status and a sentence for whoever reads it, in the form that the session layer's answers have
/// (RFC 9457). What went wrong inside is logged, not told.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    text: &'static str,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, text: &'static str) -> Self {
        Self { status, text }
    }

    pub(crate) fn bad_request(text: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    pub(crate) fn forbidden(text: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, text)
    }
}

impl<E: Into<anyhow::Error>> From<E> for Problem {
    fn from(error: E) -> Self {
        let error: anyhow::Error = error.into();
        tracing::error!(
            error = &*error as &dyn std::error::Error,
            "a request failed"
        );
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Something went wrong here.",
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let problem = json!({
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
            "detail": self.text,
        });
        let headers = [(CONTENT_TYPE, "application/problem+json")];
        (self.status, headers, problem.to_string()).into_response()
    }
}
