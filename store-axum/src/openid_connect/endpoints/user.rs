//! `/bff/user`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde_json::Value;
use store_tickets::StoredTicket;

use super::logout::logout_id;
use super::{Bff, login};
use crate::openid_connect::AnonymousUser;
use crate::openid_connect::query::Parameters;
use crate::openid_connect::refusal::Refusal;
use crate::openid_connect::registration::Registration;
use crate::openid_connect::signed_in::signed_in;
use crate::{RequireAntiforgery, SessionContext, SessionData, SessionRejection};

/// One of the claims that a page gets to see.
#[derive(Debug, Serialize)]
struct Claim {
    #[serde(rename = "type")]
    name: String,
    value: Value,
}

/// `GET /bff/user`: who is signed in, as an array of claims.
pub(super) async fn user<T: SessionData>(
    State(bff): State<Arc<Bff<T>>>,
    _: RequireAntiforgery,
    session: SessionContext<T>,
    parts: Parts,
) -> Response {
    match bff.user(&session, &parts).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_problem(),
    }
}

impl<T: SessionData> Bff<T> {
    async fn user(&self, session: &SessionContext<T>, parts: &Parts) -> Result<Response, Refusal> {
        let query = Parameters::of_query(parts.uri.query());
        if query.get("slide")? == Some("false") {
            session.do_not_renew();
        }
        match signed_in(session, &self.clients).await? {
            Some(stored) => {
                let client = self.client(session)?;
                Ok(json(&self.claims(session, &client, &stored)))
            }
            None => match self.options.anonymous_user {
                AnonymousUser::Unauthorized => Err(SessionRejection::NotSignedIn.into()),
                AnonymousUser::Null => Ok(json(&Value::Null)),
            },
        }
    }

    fn claims(
        &self,
        session: &SessionContext<T>,
        client: &Registration,
        stored: &StoredTicket<T>,
    ) -> Vec<Claim> {
        let ticket = &stored.ticket;
        let mut claims = Vec::new();
        let mut add = |name: &str, value: Value| {
            let name = name.to_owned();
            claims.push(Claim { name, value });
        };
        // Settled at login, whatever the host has made of the claims.
        let settled = [
            ("sub", ticket.subject_id().map(|subject| subject.as_str())),
            ("sid", ticket.session_id().map(|session| session.as_str())),
        ];
        for (name, value) in settled {
            if let Some(value) = value {
                add(name, value.into());
            }
        }
        let is_ours = |name: &str| matches!(name, "sub" | "sid") || name.starts_with("bff:");
        for (name, value) in ticket.claims.iter().filter(|(name, _)| !is_ours(name)) {
            match value {
                // As ASP.NET Core does: a claim for each.
                Value::Array(values) => values.iter().for_each(|value| add(name, value.clone())),
                value => add(name, value.clone()),
            }
        }
        let logout = client.client.url_of(&self.options.paths.logout);
        let logout = login::with_parameters(&logout, &[("sid", &logout_id(stored))]);
        add("bff:logout_url", logout[url::Position::BeforePath..].into());
        if let Some(expires_in) = stored.expires_in(session.now()) {
            add("bff:session_expires_in", expires_in.num_seconds().into());
        }
        claims
    }
}

/// An answer for a script.
pub(super) fn json(body: &impl Serialize) -> Response {
    let body = serde_json::to_vec(body).expect("claims and times are JSON");
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
