//! Requests to the provider.

use std::pin::Pin;
use std::time::Duration;

use http::StatusCode;
use openidconnect::reqwest;
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use url::Url;

use super::client::is_local;

/// What a provider's answer may be long: key sets and discovery documents take a few KiB.
const MAX_BODY_LEN: usize = 1 << 20;

/// The process's client for requests to providers.
///
/// It follows no redirects, which could lead a request with a secret in it anywhere.
#[derive(Clone, Debug)]
pub(super) struct HttpClient {
    client: reqwest::Client,
    plain_http_on_this_machine: bool,
}

/// A request to the provider brought no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    #[error("the request would go over plain http")]
    Plain,
    #[error("the request failed")]
    Request(#[from] reqwest::Error),
    #[error("the answer is longer than {MAX_BODY_LEN} bytes")]
    TooLong,
    /// Whatever stands in its body.
    #[error("the provider is not able to answer just now: status {0}")]
    Unable(StatusCode),
    #[error("the answer cannot be read")]
    Http(#[from] http::Error),
}

impl HttpClient {
    pub(super) fn new(client: reqwest::Client, plain_http_on_this_machine: bool) -> Self {
        Self {
            client,
            plain_http_on_this_machine,
        }
    }

    /// One with time-outs: 5 seconds to connect, 10 in all.
    pub(super) fn default_client() -> Result<reqwest::Client, reqwest::Error> {
        reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(10))
            .build()
    }

    /// Sends a request, wherever the provider's metadata said that it is to go.
    pub(super) async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let request: reqwest::Request = request.try_into()?;
        if !self.may_be_sent_to(request.url()) {
            return Err(HttpError::Plain);
        }
        let mut response = self.client.execute(request).await?;
        let mut answer = http::Response::builder().status(response.status());
        for (name, value) in response.headers() {
            answer = answer.header(name, value);
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > MAX_BODY_LEN {
                return Err(HttpError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(answer.body(body)?)
    }

    /// Whether nobody on the way can read along.
    pub(super) fn may_be_sent_to(&self, url: &Url) -> bool {
        url.scheme() == "https"
            || (self.plain_http_on_this_machine && url.scheme() == "http" && is_local(url))
    }
}

/// The same client, to which "not just now" is no answer: 429 and 5xx, whatever comes with them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answers<'a>(pub(super) &'a HttpClient);

impl<'c> AsyncHttpClient<'c> for Answers<'_> {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let answer = self.0.send(request).await?;
            let status = answer.status();
            match status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
                true => Err(HttpError::Unable(status)),
                false => Ok(answer),
            }
        })
    }
}

impl<'c> AsyncHttpClient<'c> for HttpClient {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}
