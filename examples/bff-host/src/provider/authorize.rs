//! The authorization endpoint, and the page on which the user says who they are.

use std::sync::Arc;

use axum::Form;
use axum::extract::{self, RawQuery};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use url::Url;

use super::page;
use super::state::{Session, State};
use super::user::{self, cookie_of, from_own_page, remember};
use crate::problem::Problem;

/// What the client asks for. Each parameter once: a query that says two things is refused.
#[derive(Deserialize)]
struct Request {
    client_id: String,
    redirect_uri: String,
    response_type: Option<String>,
    scope: Option<String>,
    state: Option<String>,
    nonce: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
    prompt: Option<String>,
    max_age: Option<i64>,
}

#[derive(Deserialize)]
pub(super) struct SignIn {
    name: String,
}

/// The client's request in good order, or what to answer instead.
struct Checked {
    request: Request,
    scope: String,
    code_challenge: String,
}

pub(super) async fn show(
    extract::State(state): extract::State<Arc<State>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let checked = match check(&state, query.as_deref())? {
        Ok(checked) => checked,
        Err(redirect) => return Ok(redirect),
    };
    let prompts: Vec<&str> = checked
        .request
        .prompt
        .as_deref()
        .unwrap_or_default()
        .split(' ')
        .collect();
    let silent = prompts.contains(&"none");
    let anew = prompts
        .iter()
        .any(|prompt| ["login", "create", "select_account"].contains(prompt));

    let session = cookie_of(&headers).and_then(|cookie| state.session(&cookie));
    let session = session.filter(|session| checked.is_recent_enough(&state, session));
    match session {
        Some(session) if !anew => checked.grant(&state, session),
        _ if silent => Ok(checked.request.refuse(&state, "login_required")?),
        _ => {
            let query = query.unwrap_or_default();
            Ok(page::sign_in(&state.client.id, &query, None).into_response())
        }
    }
}

pub(super) async fn sign_in(
    extract::State(state): extract::State<Arc<State>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    Form(form): Form<SignIn>,
) -> Result<Response, Problem> {
    from_own_page(&state, &headers)?;
    let checked = match check(&state, query.as_deref())? {
        Ok(checked) => checked,
        Err(redirect) => return Ok(redirect),
    };
    let Some(name) = user::name(&form.name) else {
        let query = query.unwrap_or_default();
        let page = page::sign_in(&state.client.id, &query, Some(user::WHAT_A_NAME_IS));
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    };
    let (cookie, session) = state.begin_session(&name)?;
    let mut response = checked.grant(&state, session)?;
    remember(&cookie, &mut response)?;
    Ok(response)
}

/// Whoever sends a browser to an address that is not the client's own gets no redirect; all other
/// mistakes are told to the client.
fn check(state: &State, query: Option<&str>) -> Result<Result<Checked, Response>, Problem> {
    let request: Request = serde_urlencoded(query.unwrap_or_default())?;
    if request.client_id != state.client.id {
        return Err(Problem::bad_request("There is no such client."));
    }
    if request.redirect_uri != state.client.redirect_uri.as_str() {
        return Err(Problem::bad_request(
            "The redirect_uri is not the one that was registered for this client.",
        ));
    }
    if request.response_type.as_deref() != Some("code") {
        return Ok(Err(request.refuse(state, "unsupported_response_type")?));
    }
    let scope = request.scope.clone().unwrap_or_default();
    if !scope.split(' ').any(|one| one == "openid") {
        return Ok(Err(request.refuse(state, "invalid_scope")?));
    }
    let with_s256 = request.code_challenge_method.as_deref() == Some("S256");
    let Some(code_challenge) = request.code_challenge.clone().filter(|_| with_s256) else {
        return Ok(Err(request.refuse(state, "invalid_request")?));
    };
    Ok(Ok(Checked {
        request,
        scope,
        code_challenge,
    }))
}

fn serde_urlencoded(query: &str) -> Result<Request, Problem> {
    let uri = http::Uri::builder()
        .path_and_query(format!("/?{query}"))
        .build()
        .map_err(|_| Problem::bad_request("This is no authorization request."))?;
    let extract::Query(request) = extract::Query::try_from_uri(&uri)
        .map_err(|_| Problem::bad_request("This is no authorization request."))?;
    Ok(request)
}

impl Request {
    fn redirect(&self, state: &State, parameter: (&str, &str)) -> Result<Response, Problem> {
        let mut target = Url::parse(&self.redirect_uri)?;
        target
            .query_pairs_mut()
            .append_pair(parameter.0, parameter.1)
            .append_pair("iss", &state.issuer);
        if let Some(state) = &self.state {
            target.query_pairs_mut().append_pair("state", state);
        }
        Ok(page::redirect(target.as_str()))
    }

    fn refuse(&self, state: &State, error: &str) -> Result<Response, Problem> {
        self.redirect(state, ("error", error))
    }
}

impl Checked {
    fn is_recent_enough(&self, state: &State, session: &Session) -> bool {
        let age = state.now() - session.began;
        self.request
            .max_age
            .is_none_or(|most| age.num_seconds() <= most)
    }

    fn grant(self, state: &State, session: Session) -> Result<Response, Problem> {
        let nonce = self.request.nonce.clone();
        let code = state.issue_code(session, &self.scope, nonce, self.code_challenge)?;
        self.request.redirect(state, ("code", &code))
    }
}
