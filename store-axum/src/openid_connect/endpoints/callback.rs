//! `/bff/callback`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use store_tickets::{AuthenticationTicket, SessionBag};

use super::login::redirect;
use super::{Bff, silent};
use crate::openid_connect::SignedInUser;
use crate::openid_connect::attempt::{Attempt, AttemptMode};
use crate::openid_connect::attempt_cookies::AttemptCookies;
use crate::openid_connect::flights::Flight;
use crate::openid_connect::query::Parameters;
use crate::openid_connect::refusal::Refusal;
use crate::openid_connect::registration::{LoggedIn, Registration};
use crate::openid_connect::unkept::Unkept;
use crate::{SessionContext, SessionData, SessionRejection};

/// What a provider may say instead of a code (RFC 6749 section 4.1.2.1, OpenID Connect Core 1.0
/// section 3.1.2.6, Initiating User Registration 1.0): what is not among them is not repeated.
const ERRORS: [&str; 15] = [
    "access_denied",
    "account_selection_required",
    "consent_required",
    "interaction_required",
    "invalid_request",
    "invalid_request_object",
    "invalid_request_uri",
    "invalid_scope",
    "login_required",
    "registration_not_supported",
    "request_not_supported",
    "request_uri_not_supported",
    "server_error",
    "unauthorized_client",
    "unsupported_response_type",
];

/// `GET /bff/callback`: the provider sends the browser back, with a code or an error.
pub(super) async fn callback<T: SessionData>(
    State(bff): State<Arc<Bff<T>>>,
    session: SessionContext<T>,
    parts: Parts,
) -> Response {
    let client = match bff.client(&session) {
        Ok(client) => client,
        Err(refusal) => return refusal.into_page("/"),
    };
    let mut headers = HeaderMap::new();
    let (mode, outcome) = match bff.attempt_of(&client, &parts, &mut headers) {
        Ok((attempt, query)) => {
            let outcome = bff.finish_login(&client, &session, &attempt, &query).await;
            let outcome = outcome.map(|()| attempt.return_url.clone());
            (attempt.mode, outcome)
        }
        Err(refusal) => (AttemptMode::Interactive, Err(refusal)),
    };
    let base = &client.client.base_url;
    let mut response = match (mode, outcome) {
        (AttemptMode::Silent, Ok(_)) => silent::page(StatusCode::OK, true, base),
        // That nobody is signed in there is what a silent login finds out, and no failure.
        (AttemptMode::Silent, Err(Refusal::Denied(_))) => silent::page(StatusCode::OK, false, base),
        (AttemptMode::Silent, Err(refusal)) => {
            refusal.report();
            silent::page(refusal.status(), false, base)
        }
        (_, Ok(return_url)) => redirect(return_url.as_str()),
        (_, Err(refusal)) => refusal.into_page(&client.client.path_of("/")),
    };
    response.headers_mut().extend(headers);
    response
}

impl<T: SessionData> Bff<T> {
    /// The attempt that this browser comes back from. It is over with this.
    fn attempt_of(
        &self,
        client: &Registration,
        parts: &Parts,
        response: &mut HeaderMap,
    ) -> Result<(Attempt, Parameters), Refusal> {
        let query = Parameters::of_query(parts.uri.query());
        let state = query.get("state")?.ok_or(Refusal::UnknownAttempt)?;
        let callback = client.client.url_of(&self.options.paths.callback);
        let binding = client.binding(callback.as_str());
        let cookies = AttemptCookies::new(&client.client, &parts.headers);
        let attempt = cookies.take(response, state, &binding, client.now());
        let attempt = attempt.filter(|attempt| attempt.mode != AttemptMode::Logout);
        Ok((attempt.ok_or(Refusal::UnknownAttempt)?, query))
    }

    async fn finish_login(
        &self,
        client: &Arc<Registration>,
        session: &SessionContext<T>,
        attempt: &Attempt,
        query: &Parameters,
    ) -> Result<(), Refusal> {
        // Before all else: whose answer it is (RFC 9207 section 2.4).
        match query.get("iss")? {
            Some(issuer) if issuer == client.client.issuer.as_str() => {}
            Some(_) => return Err(Refusal::Issuer),
            None if client.provider().await?.names_itself() => return Err(Refusal::Issuer),
            None => {}
        }
        if let Some(error) = query.get("error")? {
            if error == "temporarily_unavailable" {
                return Err(Refusal::NoProvider(None));
            }
            let known = ERRORS.iter().find(|known| **known == error);
            return Err(Refusal::Denied(known.unwrap_or(&"an error of its own")));
        }
        let code = query.get("code")?.filter(|code| !code.is_empty());
        let code = code.ok_or(Refusal::NoCode)?.to_owned();
        let callback = client.client.url_of(&self.options.paths.callback);
        let flight = self.flights.begin();
        let (logged_in, unkept) = client.log_in(attempt, &callback, code).await?;
        self.begin_session(client, session, &flight, logged_in)
            .await?;
        unkept.kept();
        Ok(())
    }

    async fn begin_session(
        &self,
        client: &Arc<Registration>,
        session: &SessionContext<T>,
        flight: &Flight<'_>,
        logged_in: LoggedIn,
    ) -> Result<(), Refusal> {
        let before = session.session().await?.map(|stored| stored.ticket);
        let before_here = before.as_ref().filter(|before| client.has_begun(before));
        let replaced = before_here.and_then(|before| before.tokens.refresh.clone());
        let bag = match &before {
            Some(visitor) if self.options.keep_visitors_bag && visitor.subject_id().is_none() => {
                visitor.bag.clone()
            }
            _ => SessionBag::default(),
        };
        let mut user = SignedInUser {
            partition_key: session.tickets().partition_key().clone(),
            subject_id: logged_in.subject_id.clone(),
            session_id: logged_in.session_id.clone(),
            claims: logged_in.claims,
            kind: session.choice(),
            bag,
        };
        let data = self.sign_in.sign_in(&mut user).await?;
        let marked = client.mark(&mut user.bag);
        marked.map_err(SessionRejection::from)?;
        let mut ticket = AuthenticationTicket::new(logged_in.subject_id, data)
            .with_kind(user.kind)
            .with_claims(user.claims)
            .with_tokens(logged_in.tokens)
            .with_bag(user.bag);
        if let Some(session_id) = logged_in.session_id {
            ticket = ticket.with_session_id(session_id);
        }
        // It has a new secret, whatever the browser presented: nobody can have planted it.
        let stored = session.sign_in(ticket).await?;
        drop(Unkept::new(client, replaced));
        let (ticket, key) = (&stored.ticket, stored.key());
        if let Some(subject_id) = ticket.subject_id()
            && flight.was_overtaken(&key.partition_key, subject_id, ticket.session_id())
        {
            session.sign_out().await?;
            return Err(Refusal::Overtaken);
        }
        Ok(())
    }
}
