//! `/bff/sessions`: a user's devices.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, SecondsFormat, Utc};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use store_core::{SubjectId, UserKey, UserSession, UserSessionsFilter};
use store_tickets::{EndReason, StoredTicket, TicketError};

use super::user::json;
use super::{Bff, public_id};
use crate::openid_connect::refusal::Refusal;
use crate::openid_connect::signed_in::signed_in;
use crate::{RequireAntiforgery, SessionContext, SessionData, SessionRejection};

/// A session as its user gets to see it.
#[derive(Debug, Serialize)]
struct Device {
    id: String,
    current: bool,
    created: String,
    renewed: String,
    expires: Option<String>,
}

/// What an end of sessions has ended.
#[derive(Debug, Serialize)]
struct Ended {
    ended: usize,
}

/// The user who asks, and the session in which he does.
struct Asker {
    subject_id: SubjectId,
    user_key: UserKey,
}

/// `GET /bff/sessions`: all sessions of the user in this partition, the one that was renewed last first.
pub(super) async fn list<T: SessionData>(
    State(bff): State<Arc<Bff<T>>>,
    _: RequireAntiforgery,
    session: SessionContext<T>,
) -> Response {
    match devices(&bff, &session).await {
        Ok(devices) => json(&devices),
        Err(rejection) => rejection.into_response(),
    }
}

/// `DELETE /bff/sessions/{id}`: ends one of them.
pub(super) async fn end_one<T: SessionData>(
    State(bff): State<Arc<Bff<T>>>,
    _: RequireAntiforgery,
    session: SessionContext<T>,
    Path(id): Path<String>,
) -> Response {
    match end(&bff, &session, &id).await {
        Ok(()) => no_content(),
        Err(refusal) => refusal.into_problem(),
    }
}

/// `DELETE /bff/sessions`: ends all of them but the one in which the user asks.
pub(super) async fn end_others<T: SessionData>(
    State(bff): State<Arc<Bff<T>>>,
    _: RequireAntiforgery,
    session: SessionContext<T>,
) -> Response {
    match end_all_others(&bff, &session).await {
        Ok(ended) => json(&Ended { ended }),
        Err(rejection) => rejection.into_response(),
    }
}

async fn devices<T: SessionData>(
    bff: &Bff<T>,
    session: &SessionContext<T>,
) -> Result<Vec<Device>, SessionRejection> {
    let asker = Asker::of(bff, session).await?;
    let mut sessions = asker.sessions(session).await?;
    sessions.sort_by_key(|one| Reverse(one.renewed));
    Ok(sessions
        .iter()
        .map(|one| Device {
            id: public_id(&one.key.user_key),
            current: one.key.user_key == asker.user_key,
            created: rfc3339(one.created),
            renewed: rfc3339(one.renewed),
            expires: one.expires.map(rfc3339),
        })
        .collect())
}

async fn end<T: SessionData>(
    bff: &Bff<T>,
    session: &SessionContext<T>,
    id: &str,
) -> Result<(), Refusal> {
    let asker = Asker::of(bff, session).await?;
    // Looked for among his own, and nowhere else.
    let sessions = asker.sessions(session).await?;
    let one = sessions
        .into_iter()
        .find(|one| public_id(&one.key.user_key) == id)
        .ok_or(Refusal::NoSuchSession)?;
    if one.key.user_key == asker.user_key {
        session.sign_out().await?;
        return Ok(());
    }
    let revocation = session.revocation();
    let ended = match one.session_id {
        Some(session_id) => {
            let filter = UserSessionsFilter::for_subject(asker.subject_id).and_session(session_id);
            revocation.revoke(&filter, EndReason::Revoked).await
        }
        None => revocation.log_out(&one.key.user_key).await,
    };
    ended.map_err(|error| session.reject(error))?;
    Ok(())
}

async fn end_all_others<T: SessionData>(
    bff: &Bff<T>,
    session: &SessionContext<T>,
) -> Result<usize, SessionRejection> {
    let asker = Asker::of(bff, session).await?;
    let others = UserSessionsFilter::for_subject(asker.subject_id).except(asker.user_key);
    let revocation = session.revocation();
    let ended = revocation.revoke(&others, EndReason::Revoked).await;
    Ok(ended.map_err(|error| session.reject(error))?.sessions.len())
}

impl Asker {
    async fn of<T: SessionData>(
        bff: &Bff<T>,
        session: &SessionContext<T>,
    ) -> Result<Self, SessionRejection> {
        let asker = |stored: StoredTicket<T>| {
            Some(Self {
                subject_id: stored.ticket.subject_id()?.clone(),
                user_key: stored.key().user_key.clone(),
            })
        };
        let stored = signed_in(session, &bff.clients).await?;
        stored.and_then(asker).ok_or(SessionRejection::NotSignedIn)
    }

    /// His sessions as the store has them: also those whose tickets this node cannot read, which
    /// are to be seen and ended like the others.
    async fn sessions<T: SessionData>(
        &self,
        session: &SessionContext<T>,
    ) -> Result<Vec<UserSession>, SessionRejection> {
        let tickets = session.tickets();
        let filter = UserSessionsFilter::for_subject(self.subject_id.clone());
        let sessions = tickets
            .user_session_store()
            .get_user_sessions(tickets.partition_key(), &filter)
            .await;
        sessions.map_err(|error| session.reject(TicketError::from(error)))
    }
}

fn rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn no_content() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(
        http::header::CACHE_CONTROL,
        HeaderValue::from_static("no-store"),
    );
    response
}
