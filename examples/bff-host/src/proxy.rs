//! What goes through to the API behind the host: the call, with the user's access token; nothing of
//! the browser's own.

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCEPT, ACCEPT_LANGUAGE, AUTHORIZATION, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LANGUAGE,
    CONTENT_TYPE, ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH, LAST_MODIFIED, RETRY_AFTER,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use store_tickets::Token;
use url::Url;

use crate::problem::Problem;

/// The most that goes through, in either direction.
pub(crate) const MAX_BODY: usize = 1 << 20;

/// What of the browser's request the API gets to see. A list of what passes, rather than of what
/// does not: cookies, credentials and whatever is invented next stay here.
const TO_THE_API: [HeaderName; 5] = [
    ACCEPT,
    ACCEPT_LANGUAGE,
    CONTENT_TYPE,
    IF_MATCH,
    IF_NONE_MATCH,
];

/// The methods that go through: not TRACE, which would tell the browser the access token, nor
/// CONNECT.
const METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];

/// What of the API's answer the browser gets to see. Cookies of its own it cannot set, and where it
/// leads is an address that the browser does not know.
const TO_THE_BROWSER: [HeaderName; 8] = [
    CACHE_CONTROL,
    CONTENT_DISPOSITION,
    CONTENT_LANGUAGE,
    CONTENT_TYPE,
    ETAG,
    LAST_MODIFIED,
    RETRY_AFTER,
    HeaderName::from_static("x-content-type-options"),
];

/// A call on its way through.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The API behind the host.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    http: reqwest::Client,
    url: Url,
}

impl Upstream {
    pub(crate) fn new(http: reqwest::Client, url: Url) -> Self {
        Self { http, url }
    }

    /// Passes a call on, with this token, and answers what the API answers.
    pub(crate) async fn pass(&self, call: Call, token: &Token) -> Result<Response, Problem> {
        if !METHODS.contains(&call.method) {
            let text = "This method does not go through to the API.";
            return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, text));
        }
        let url = self.target(&call.path, call.query.as_deref());
        let url = url.ok_or(Problem::bad_request("There is no such path."))?;
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose()))?;
        bearer.set_sensitive(true);
        let answer = self
            .http
            .request(call.method, url)
            .headers(chosen(&call.headers, &TO_THE_API))
            .header(AUTHORIZATION, bearer)
            .body(call.body)
            .send()
            .await;
        match answer {
            Ok(answer) => passed_back(answer).await,
            Err(error) => {
                // What the browser has asked for stays out of the log.
                let error = error.without_url();
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the API is not there"
                );
                Err(bad_gateway("The API does not answer."))
            }
        }
    }

    /// A path below the API's own, and never beside it.
    fn target(&self, path: &str, query: Option<&str>) -> Option<Url> {
        let mut url = self.url.clone();
        let mut segments = url.path_segments_mut().ok()?;
        segments.pop_if_empty();
        for segment in path.split('/') {
            // Parsers of URLs drop tabs and line breaks, and then see dots.
            if matches!(segment, "." | "..") || segment.contains(char::is_control) {
                return None;
            }
            segments.push(segment);
        }
        drop(segments);
        url.set_query(query);
        Some(url)
    }
}

/// The API's answer, for the browser. That the API does not take the token does not sign the user
/// out, so it is not 401.
async fn passed_back(mut answer: reqwest::Response) -> Result<Response, Problem> {
    let status = answer.status();
    if status == StatusCode::UNAUTHORIZED {
        return Err(bad_gateway("The API does not take the access token."));
    }
    let headers = chosen(answer.headers(), &TO_THE_BROWSER);
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(bad_gateway("The API's answer is too long."));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((status, headers, Body::from(body)).into_response())
}

fn bad_gateway(text: &'static str) -> Problem {
    Problem::new(StatusCode::BAD_GATEWAY, text)
}

fn chosen(headers: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    let mut chosen = HeaderMap::new();
    for name in names {
        for value in headers.get_all(name) {
            chosen.append(name, value.clone());
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str) -> Option<String> {
        let base = Url::parse("http://api.test/v1/").unwrap();
        let upstream = Upstream::new(reqwest::Client::new(), base);
        upstream.target(path, Some("a=b")).map(String::from)
    }

    #[test]
    fn paths_stay_below_the_apis() {
        let at = |url: &str| Some(url.to_owned());
        assert_eq!(target("greeting"), at("http://api.test/v1/greeting?a=b"));
        assert_eq!(target("a/b"), at("http://api.test/v1/a/b?a=b"));
        assert_eq!(target("../admin"), None);
        assert_eq!(target("a/../../admin"), None);
        // Decoded once on the way in, encoded once on the way out.
        assert_eq!(target("%2e%2e"), at("http://api.test/v1/%252e%252e?a=b"));
        assert_eq!(
            target("/evil.test/x"),
            at("http://api.test/v1//evil.test/x?a=b")
        );
        assert_eq!(target("a?b#c"), at("http://api.test/v1/a%3Fb%23c?a=b"));
        assert_eq!(target(r"..\admin"), at("http://api.test/v1/..%5Cadmin?a=b"));
        // Whoever parses URLs drops these.
        for invisible in ["a/.\t./.\t./admin", ".\n./admin", "a\r", "a\0"] {
            assert_eq!(target(invisible), None, "{invisible:?}");
        }
    }

    #[tokio::test]
    async fn no_method_goes_through_that_tells_the_token() {
        let nobody = Url::parse("http://127.0.0.1:1").unwrap();
        let upstream = Upstream::new(reqwest::Client::new(), nobody);
        for (method, status) in [
            (Method::TRACE, StatusCode::METHOD_NOT_ALLOWED),
            (Method::CONNECT, StatusCode::METHOD_NOT_ALLOWED),
            (
                Method::from_bytes(b"TRACK").unwrap(),
                StatusCode::METHOD_NOT_ALLOWED,
            ),
            (Method::GET, StatusCode::BAD_GATEWAY),
        ] {
            let call = Call {
                method: method.clone(),
                path: "greeting".to_owned(),
                query: None,
                headers: HeaderMap::new(),
                body: Bytes::new(),
            };
            let passed = upstream.pass(call, &Token::new("secret")).await;
            let answer = passed.unwrap_or_else(IntoResponse::into_response);
            assert_eq!(answer.status(), status, "{method}");
        }
    }

    #[test]
    fn nothing_of_the_browsers_own_goes_through() {
        let mut headers = HeaderMap::new();
        for name in [
            "cookie",
            "authorization",
            "x-csrf",
            "x-ss-id",
            "forwarded",
            "host",
            "accept",
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static("x"));
        }
        let passed = chosen(&headers, &TO_THE_API);
        assert_eq!(passed.keys().collect::<Vec<_>>(), ["accept"]);

        headers.insert("set-cookie", HeaderValue::from_static("x"));
        headers.insert("location", HeaderValue::from_static("x"));
        assert!(chosen(&headers, &TO_THE_BROWSER).is_empty());
    }
}
