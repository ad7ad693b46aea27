//! What a session keeps, and what its user may see and do with it.

use std::sync::Arc;

use axum::extract::{Query, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use store_axum::openid_connect::{SignInRefused, SignedInUser};
use store_axum::{RequireAntiforgery, SessionContext, SessionRejection};
use store_tickets::{BagError, SessionBag, SessionKind, StoredTicket};

use crate::host::App;
use crate::problem::Problem;

/// The host's own data in a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visit {
    /// What the user is called, as the provider said at login.
    pub name: String,
}

impl Visit {
    /// What a session begins with, at login.
    pub(crate) fn begin(user: &mut SignedInUser) -> Result<Self, SignInRefused> {
        let name = user.claims.get("name").and_then(Value::as_str);
        let name = name.unwrap_or(user.subject_id.as_str()).to_owned();
        Ok(Self { name })
    }
}

/// What names begin with under which the session layer keeps something of its own.
const RESERVED: &str = "store-axum.";

/// Where the counter stands in the bag.
const COUNT: &str = "count";

pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/session", get(show))
        .route("/session/count", post(count))
}

#[derive(Default, Deserialize)]
struct Look {
    slide: Option<bool>,
}

/// With `?slide=false`, a page only looks: what it asks by itself does not keep a session alive.
pub(crate) async fn look_only(
    context: SessionContext<Visit>,
    request: Request,
    next: Next,
) -> Response {
    let look: Result<Query<Look>, _> = Query::try_from_uri(request.uri());
    if look.is_ok_and(|look| look.slide == Some(false)) {
        context.do_not_renew();
    }
    next.run(request).await
}

/// What is in the session. Of the tokens it says that they are there, and until when.
#[derive(Serialize)]
struct Shown<'a> {
    created: DateTime<Utc>,
    renewed: DateTime<Utc>,
    expires: Option<DateTime<Utc>>,
    ends: Option<DateTime<Utc>>,
    kind: &'static str,
    name: &'a str,
    bag: Map<String, Value>,
    tokens: Value,
    administrator: bool,
    /// The user's page at the demonstration provider.
    account: Option<&'a str>,
}

async fn show(
    State(app): State<Arc<App>>,
    _: RequireAntiforgery,
    context: SessionContext<Visit>,
) -> Result<Json<Value>, Refused> {
    let session = signed_in(&context).await?;
    let ticket = &session.ticket;
    let tokens = json!({
        "access": ticket.tokens.access.as_ref().map(|token| json!({ "expires": token.expires() })),
        "refresh": ticket.tokens.refresh.is_some(),
    });
    let shown = Shown {
        created: session.created(),
        renewed: session.renewed(),
        expires: session.expires(),
        ends: session.ends(),
        kind: match ticket.kind() {
            SessionKind::Temporary => "temporary",
            SessionKind::Permanent => "permanent",
        },
        name: &ticket.data.name,
        bag: values(&ticket.bag)?,
        tokens,
        administrator: app.is_administrator(&session),
        account: app.account.as_deref(),
    };
    Ok(Json(serde_json::to_value(shown)?))
}

/// Two tabs at once: both count.
async fn count(
    _: RequireAntiforgery,
    context: SessionContext<Visit>,
) -> Result<Json<Value>, Refused> {
    signed_in(&context).await?;
    let counted = context.modify(|ticket| {
        let count: u64 = ticket.bag.get(COUNT)?.unwrap_or_default();
        ticket.bag.set(COUNT, &(count + 1))?;
        Ok::<_, BagError>(count + 1)
    });
    let count = counted.await?.ok_or(SessionRejection::Ended)??;
    Ok(Json(json!({ "count": count })))
}

/// The session of whoever has signed in.
pub(crate) async fn signed_in(
    context: &SessionContext<Visit>,
) -> Result<StoredTicket<Visit>, SessionRejection> {
    let session = context.session().await?;
    let session = session.filter(|session| session.ticket.subject_id().is_some());
    session.ok_or(SessionRejection::NotSignedIn)
}

fn values(bag: &SessionBag) -> Result<Map<String, Value>, BagError> {
    let mut values = Map::new();
    let own = |name: &&str| !name.starts_with(RESERVED);
    for name in bag.keys().filter(own) {
        let value: Option<Value> = bag.get(name)?;
        values.insert(name.to_owned(), value.unwrap_or_default());
    }
    Ok(values)
}

/// Refused by the session layer, or by the host itself.
pub(crate) enum Refused {
    Session(SessionRejection),
    Host(Problem),
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Session(rejection) => rejection.into_response(),
            Self::Host(problem) => problem.into_response(),
        }
    }
}

impl From<SessionRejection> for Refused {
    fn from(rejection: SessionRejection) -> Self {
        Self::Session(rejection)
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Host(problem)
    }
}

impl From<BagError> for Refused {
    fn from(error: BagError) -> Self {
        Self::Host(error.into())
    }
}

impl From<serde_json::Error> for Refused {
    fn from(error: serde_json::Error) -> Self {
        Self::Host(error.into())
    }
}
