//! What an administrator sees and does: everybody's sessions, page by page.

use std::num::NonZeroU32;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::request::Parts;
use serde::Deserialize;
use serde_json::{Value, json};
use store_axum::{RequireAntiforgery, SessionContext};
use store_core::{
    Cursor, PageRequest, SubjectId, UserKey, UserSessionDirectory as _, UserSessionSummary,
    UserSessionsFilter,
};
use store_tickets::{EndReason, StoredTicket};

use crate::host::App;
use crate::problem::Problem;
use crate::session::{Refused, Visit, signed_in};

pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/admin/sessions", get(list))
        .route("/admin/sessions/end", post(end))
        .route("/admin/sessions/end-all", post(end_all))
}

/// An administrator's request, which comes from the host's own page. Others get 401 or 403.
struct Administrator {
    context: SessionContext<Visit>,
    session: StoredTicket<Visit>,
}

impl FromRequestParts<Arc<App>> for Administrator {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refused> {
        RequireAntiforgery::from_request_parts(parts, app).await?;
        let context = SessionContext::<Visit>::from_request_parts(parts, app).await?;
        let session = signed_in(&context).await?;
        if !app.is_administrator(&session) {
            return Err(Problem::forbidden("Only an administrator may do this.").into());
        }
        Ok(Self { context, session })
    }
}

#[derive(Deserialize)]
struct Page {
    subject: Option<SubjectId>,
    after: Option<String>,
    limit: Option<NonZeroU32>,
}

async fn list(
    State(app): State<Arc<App>>,
    administrator: Administrator,
    Query(page): Query<Page>,
) -> Result<Json<Value>, Refused> {
    let Administrator { context, session } = administrator;
    let after = page.after.as_deref().map(str::parse::<Cursor>).transpose();
    let request = PageRequest {
        subject: page.subject,
        after: after.map_err(|_| Problem::bad_request("The page to go on from is none."))?,
        limit: page.limit.unwrap_or(PageRequest::default().limit),
    };
    let partition = context.tickets().partition_key();
    let rejected = |error: store_core::Error| context.reject(error.into());
    let found = app.store.list_user_sessions(partition, &request).await;
    let found = found.map_err(rejected)?;
    let subject = request.subject.as_ref();
    let count = app.store.count_user_sessions(partition, subject).await;
    let sessions = found.sessions.iter().map(|one| summary(one, &session));
    Ok(Json(json!({
        "sessions": sessions.collect::<Vec<_>>(),
        "next": found.next.as_ref().map(Cursor::to_string),
        "count": count.map_err(rejected)?,
    })))
}

/// The id is the session's name in the store, which opens nothing.
fn summary(one: &UserSessionSummary, own: &StoredTicket<Visit>) -> Value {
    json!({
        "id": one.key.user_key.as_str(),
        "subject": one.subject_id,
        "created": one.created,
        "renewed": one.renewed,
        "expires": one.expires,
        "version": one.version,
        "current": one.key == *own.key(),
    })
}

#[derive(Deserialize)]
struct End {
    id: UserKey,
}

/// Ends one session, with its refresh token.
async fn end(administrator: Administrator, Json(end): Json<End>) -> Result<Json<Value>, Refused> {
    let context = &administrator.context;
    let ended = context.revocation().log_out(&end.id).await;
    let ended = ended.map_err(|error| context.reject(error))?;
    Ok(Json(json!({ "ended": ended.sessions.len() })))
}

#[derive(Deserialize)]
struct EndAll {
    subject: SubjectId,
}

/// Ends all of a subject's sessions, with their refresh tokens.
async fn end_all(
    administrator: Administrator,
    Json(end): Json<EndAll>,
) -> Result<Json<Value>, Refused> {
    let context = &administrator.context;
    let filter = UserSessionsFilter::for_subject(end.subject);
    let ended = context
        .revocation()
        .revoke(&filter, EndReason::Revoked)
        .await;
    let ended = ended.map_err(|error| context.reject(error))?;
    Ok(Json(json!({ "ended": ended.sessions.len() })))
}
