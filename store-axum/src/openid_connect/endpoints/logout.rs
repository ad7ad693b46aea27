//! `/bff/logout` and `/bff/logout/callback`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use http::request::Parts;
use store_tickets::{StoredTicket, Token};

use super::login::{redirect, with_parameters};
use super::{Bff, public_id};
use crate::openid_connect::attempt::{Attempt, AttemptMode};
use crate::openid_connect::attempt_cookies::AttemptCookies;
use crate::openid_connect::query::Parameters;
use crate::openid_connect::refusal::Refusal;
use crate::openid_connect::registration::Registration;
use crate::openid_connect::return_url::ReturnUrl;
use crate::openid_connect::signed_in::signed_in;
use crate::{SessionContext, SessionData};

/// What `/bff/logout?sid=` has to say: the session at the provider, or what names this one where
/// the provider names none.
pub(super) fn logout_id<T>(stored: &StoredTicket<T>) -> String {
    match stored.ticket.session_id() {
        Some(session_id) => session_id.as_str().to_owned(),
        None => public_id(&stored.key().user_key),
    }
}

/// `GET /bff/logout`: ends the session, and then the one at the provider (OpenID Connect
/// RP-Initiated Logout 1.0).
pub(super) async fn logout<T: SessionData>(
    State(bff): State<Arc<Bff<T>>>,
    session: SessionContext<T>,
    parts: Parts,
) -> Response {
    let client = match bff.client(&session) {
        Ok(client) => client,
        Err(refusal) => return refusal.into_page("/"),
    };
    match bff.log_out(&client, &session, &parts).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_page(&client.client.path_of("/")),
    }
}

/// `GET /bff/logout/callback`: the provider sends the browser back.
pub(super) async fn logout_callback<T: SessionData>(
    State(bff): State<Arc<Bff<T>>>,
    session: SessionContext<T>,
    parts: Parts,
) -> Response {
    let client = match bff.client(&session) {
        Ok(client) => client,
        Err(refusal) => return refusal.into_page("/"),
    };
    let mut headers = HeaderMap::new();
    let return_url = bff.attempt_to_log_out(&client, &parts, &mut headers);
    // The session is over, whoever sends the browser here: it may go where there is nothing to see.
    let return_url = return_url.unwrap_or_else(|| ReturnUrl::root_of(&client.client.base_url));
    let mut response = redirect(return_url.as_str());
    response.headers_mut().extend(headers);
    response
}

impl<T: SessionData> Bff<T> {
    async fn log_out(
        &self,
        client: &Registration,
        session: &SessionContext<T>,
        parts: &Parts,
    ) -> Result<Response, Refusal> {
        let query = Parameters::of_query(parts.uri.query());
        let base = &client.client.base_url;
        let return_url = ReturnUrl::asked_for(&query, base)?;
        let sid = query.get("sid")?;
        // Nobody is signed in, so nobody can be signed out: a visitor keeps his session, and the
        // provider hears nothing of it.
        let Some(stored) = signed_in(session, &self.clients).await? else {
            return Ok(redirect(return_url.as_str()));
        };
        let is_meant = sid == Some(logout_id(&stored).as_str());
        if self.options.require_logout_session_id && !is_meant {
            return Err(Refusal::SessionId);
        }
        let id_token = stored.ticket.tokens.id;
        session.sign_out().await?;
        match self
            .end_session(client, parts, return_url.clone(), id_token)
            .await
        {
            Ok(response) => Ok(response),
            // The user has signed out here, whatever the provider says.
            Err(refusal) => {
                refusal.report();
                Ok(redirect(return_url.as_str()))
            }
        }
    }

    async fn end_session(
        &self,
        client: &Registration,
        parts: &Parts,
        return_url: ReturnUrl,
        id_token: Option<Token>,
    ) -> Result<Response, Refusal> {
        let provider = client.provider().await?;
        let Some(endpoint) = provider.end_session_endpoint() else {
            return Ok(redirect(return_url.as_str()));
        };
        let now = client.now();
        let attempt = Attempt::begin(AttemptMode::Logout, return_url, now, self.login_lifetime());
        let attempt = attempt.map_err(Refusal::Random)?;
        let callback = client.client.url_of(&self.options.paths.logout_callback);
        let state = attempt.state(&client.binding(callback.as_str()));
        let mut parameters = vec![
            ("client_id", client.client.client_id.as_str()),
            ("post_logout_redirect_uri", callback.as_str()),
            ("state", state.as_str()),
        ];
        if let Some(id_token) = &id_token {
            parameters.push(("id_token_hint", id_token.expose()));
        }
        let mut response = redirect(with_parameters(endpoint, &parameters).as_str());
        let cookies = AttemptCookies::new(&client.client, &parts.headers);
        cookies.add(response.headers_mut(), &attempt, &state, now);
        Ok(response)
    }

    fn attempt_to_log_out(
        &self,
        client: &Registration,
        parts: &Parts,
        response: &mut HeaderMap,
    ) -> Option<ReturnUrl> {
        let query = Parameters::of_query(parts.uri.query());
        let state = query.get("state").ok()??;
        let callback = client.client.url_of(&self.options.paths.logout_callback);
        let binding = client.binding(callback.as_str());
        let cookies = AttemptCookies::new(&client.client, &parts.headers);
        let attempt = cookies.take(response, state, &binding, client.now());
        let attempt = attempt.filter(|attempt| attempt.mode == AttemptMode::Logout)?;
        Some(attempt.return_url)
    }
}
