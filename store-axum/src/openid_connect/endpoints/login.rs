//! `/bff/login` and `/bff/silent-login`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, LOCATION};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use url::Url;

use super::Bff;
use crate::openid_connect::Prompt;
use crate::openid_connect::attempt::{Attempt, AttemptMode};
use crate::openid_connect::attempt_cookies::AttemptCookies;
use crate::openid_connect::query::Parameters;
use crate::openid_connect::refusal::Refusal;
use crate::openid_connect::registration::Registration;
use crate::openid_connect::return_url::ReturnUrl;
use crate::{SessionContext, SessionData};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// `GET /bff/login`: off to the provider, and then to `returnUrl`.
pub(super) async fn login<T: SessionData>(
    State(bff): State<Arc<Bff<T>>>,
    session: SessionContext<T>,
    parts: Parts,
) -> Response {
    begin(&bff, &session, &parts, None).await
}

/// `GET /bff/silent-login`: the same with `prompt=none`, in a frame.
pub(super) async fn silent_login<T: SessionData>(
    State(bff): State<Arc<Bff<T>>>,
    session: SessionContext<T>,
    parts: Parts,
) -> Response {
    begin(&bff, &session, &parts, Some(Prompt::None)).await
}

async fn begin<T: SessionData>(
    bff: &Bff<T>,
    session: &SessionContext<T>,
    parts: &Parts,
    prompt: Option<Prompt>,
) -> Response {
    let client = match bff.client(session) {
        Ok(client) => client,
        Err(refusal) => return refusal.into_page("/"),
    };
    match bff.begin_login(&client, parts, prompt).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_page(&client.client.path_of("/")),
    }
}

impl<T: SessionData> Bff<T> {
    async fn begin_login(
        &self,
        client: &Registration,
        parts: &Parts,
        prompt: Option<Prompt>,
    ) -> Result<Response, Refusal> {
        let query = Parameters::of_query(parts.uri.query());
        let base = &client.client.base_url;
        let return_url = ReturnUrl::asked_for(&query, base)?;
        let prompt = match (prompt, query.get("prompt")?) {
            (Some(prompt), _) => Some(prompt),
            (None, Some(name)) => Some(Prompt::from_name(name).ok_or(Refusal::Prompt)?),
            (None, None) => None,
        };
        if prompt.is_some_and(|prompt| !self.options.prompts.contains(&prompt)) {
            return Err(Refusal::Prompt);
        }
        let mode = match prompt {
            Some(Prompt::None) => AttemptMode::Silent,
            _ => AttemptMode::Interactive,
        };
        if mode == AttemptMode::Silent && is_cross_site(&parts.headers) {
            return Err(Refusal::CrossSite);
        }
        let now = client.now();
        let attempt = Attempt::begin(mode, return_url, now, self.login_lifetime());
        let attempt = attempt.map_err(Refusal::Random)?;
        let callback = client.client.url_of(&self.options.paths.callback);
        let url = client
            .authorization_url(&attempt, &callback, prompt)
            .await?;
        let mut response = redirect(url.as_str());
        let state = attempt.state(&client.binding(callback.as_str()));
        let cookies = AttemptCookies::new(&client.client, &parts.headers);
        cookies.add(response.headers_mut(), &attempt, &state, now);
        Ok(response)
    }
}

/// Whether a browser that says so (Fetch Metadata) says that another site is behind the request.
fn is_cross_site(request: &HeaderMap) -> bool {
    request
        .get(SEC_FETCH_SITE)
        .is_some_and(|site| site == "cross-site")
}

/// Sends the browser on. What comes of it depends on cookies, and belongs into no cache.
pub(super) fn redirect(location: &str) -> Response {
    let mut response = StatusCode::FOUND.into_response();
    let location = HeaderValue::from_str(location);
    let headers = response.headers_mut();
    headers.insert(
        LOCATION,
        location.expect("URLs are visible ASCII once they are parsed"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Adds parameters to a URL that may have some.
pub(super) fn with_parameters(url: &Url, parameters: &[(&str, &str)]) -> Url {
    let mut url = url.clone();
    url.query_pairs_mut().extend_pairs(parameters);
    url
}
