//! Signing out: as the client asks, and as the user does at the provider.

use std::sync::Arc;

use axum::Form;
use axum::extract::{self, Query};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use serde::Deserialize;
use url::Url;

use super::back_channel::{self, Whom};
use super::page;
use super::state::State;
use super::user::{cookie_of, from_own_page, remember};
use crate::problem::Problem;

#[derive(Default, Deserialize)]
pub(super) struct Request {
    id_token_hint: Option<String>,
    client_id: Option<String>,
    post_logout_redirect_uri: Option<String>,
    state: Option<String>,
}

/// What the user asks for on the provider's page.
#[derive(Deserialize)]
pub(super) struct Choice {
    /// `here`, or `everywhere`.
    #[serde(default)]
    what: String,
}

/// RP-initiated logout. With the session's ID token it is done at once; without, any page could
/// have sent the browser here, so the user is asked.
pub(super) async fn by_client(
    extract::State(state): extract::State<Arc<State>>,
    Query(request): Query<Request>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let back_to = request.back_to(&state)?;
    // One that cannot be read says as little as none: it may be from before the provider's key.
    let hint = request.id_token_hint.as_deref();
    let claims = hint.and_then(|hint| state.key.open(hint));
    let sid = claims.as_ref().and_then(|claims| claims["sid"].as_str());
    let Some(sid) = sid else {
        let signed_in = cookie_of(&headers).and_then(|cookie| state.session(&cookie));
        return match (signed_in, back_to) {
            (None, Some(target)) => Ok(page::redirect(target.as_str())),
            (session, _) => Ok(page::home(session.as_ref()).into_response()),
        };
    };
    end(&state, sid).await?;
    signed_out(back_to)
}

/// The same, asked for by a form.
pub(super) async fn confirmed(
    state: extract::State<Arc<State>>,
    headers: HeaderMap,
    Form(request): Form<Request>,
) -> Result<Response, Problem> {
    by_client(state, Query(request), headers).await
}

/// The user signs out at the provider: in this browser, or everywhere.
pub(super) async fn by_user(
    extract::State(state): extract::State<Arc<State>>,
    headers: HeaderMap,
    Form(choice): Form<Choice>,
) -> Result<Response, Problem> {
    from_own_page(&state, &headers)?;
    let session = cookie_of(&headers).and_then(|cookie| state.session(&cookie));
    if let Some(session) = session {
        if choice.what == "everywhere" {
            state.end_sessions(|one| one.sub == session.sub);
            back_channel::tell(&state, Whom::Subject(&session.sub)).await?;
        } else {
            end(&state, &session.sid).await?;
        }
    }
    signed_out(None)
}

async fn end(state: &State, sid: &str) -> Result<(), Problem> {
    for session in state.end_sessions(|session| session.sid == sid) {
        back_channel::tell(state, Whom::Session(&session)).await?;
    }
    Ok(())
}

fn signed_out(back_to: Option<Url>) -> Result<Response, Problem> {
    let mut response = match back_to {
        Some(target) => page::redirect(target.as_str()),
        None => page::home(None).into_response(),
    };
    remember("", &mut response)?;
    Ok(response)
}

impl Request {
    /// Where the browser goes afterwards: nowhere that was not registered.
    fn back_to(&self, state: &State) -> Result<Option<Url>, Problem> {
        let registered = &state.client.post_logout_redirect_uri;
        let other_client = self
            .client_id
            .as_ref()
            .is_some_and(|id| *id != state.client.id);
        match &self.post_logout_redirect_uri {
            _ if other_client => Err(Problem::bad_request("There is no such client.")),
            None => Ok(None),
            Some(asked) if asked == registered.as_str() => {
                let mut target = registered.clone();
                if let Some(state) = &self.state {
                    target.query_pairs_mut().append_pair("state", state);
                }
                Ok(Some(target))
            }
            Some(_) => Err(Problem::bad_request(
                "The post_logout_redirect_uri is not the one that was registered for this client.",
            )),
        }
    }
}
