//! Access tokens that last.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use chrono::{DateTime, TimeDelta, Utc};
use store_core::{UserSessionKey, UserSessionsFilter};
use store_tickets::{AuthenticationTicket, StoredTicket, Token, Tokens};

use super::OpenIdClients;
use super::refusal::Refusal;
use super::registration::{Failure, Registration, Renewed};
use super::signed_in::signed_in;
use crate::{SessionContext, SessionData, SessionRejection};

/// Where a session says that somebody is renewing its tokens, and until when he may.
const CLAIM: &str = "store-axum.renewal";
/// How long whoever renews may take before others take over: longer than requests to the provider
/// may.
const CLAIM_LIFETIME: TimeDelta = TimeDelta::seconds(30);
/// How long, and how often, those look who wait for another node.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const LOOKS: u32 = 150;
/// How long a store that is not to be had is left alone before it is tried again.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(400),
    Duration::from_millis(1600),
    Duration::from_millis(3200),
];

/// Access tokens for calls of the user's APIs, renewed in time (RFC 6749 section 6).
///
/// However many requests of a session ask at once, on however many nodes, **one** renews and the
/// others get what it got: many providers take a refresh token that is used twice for a stolen one
/// and end everything that came of it. A renewal goes on if the browser hangs up, since what it
/// brings would otherwise be lost; a session that ends meanwhile stays over, and what was brought
/// is given back.
///
/// A clone is the same.
///
/// ```no_run
/// # use store_axum::SessionContext;
/// use store_axum::openid_connect::{AccessTokenError, AccessTokens};
///
/// async fn call(tokens: &AccessTokens, session: &SessionContext<()>) -> Result<String, AccessTokenError> {
///     let token = tokens.fresh(session).await?;
///     Ok(format!("Bearer {}", token.expose()))
/// }
/// ```
#[derive(Clone, Debug)]
pub struct AccessTokens {
    clients: OpenIdClients,
    margin: TimeDelta,
    lines: Arc<Lines>,
}

/// Why there is no access token. As a response each has its status, and a body as
/// [`SessionRejection`] has.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessTokenError {
    /// Nobody is signed in: 401.
    #[error("nobody is signed in")]
    NotSignedIn,
    /// There is none, or it is over and cannot be renewed: the user is to sign in again, 401.
    #[error("the access token is over and cannot be renewed")]
    SignInAgain,
    /// The provider cannot be asked for another: 503 with `Retry-After`.
    #[error("the access token cannot be renewed just now")]
    Unavailable(#[source] store_core::BoxError),
    /// The session cannot be read or written.
    #[error(transparent)]
    Session(#[from] SessionRejection),
}

impl AccessTokens {
    /// Those that these clients' providers give.
    pub fn new(clients: OpenIdClients) -> Self {
        Self {
            clients,
            margin: TimeDelta::seconds(60),
            lines: Arc::default(),
        }
    }

    /// How long before its end a token is renewed. Default: 60 seconds.
    #[must_use]
    pub fn with_margin(self, margin: Duration) -> Self {
        const LONGEST: TimeDelta = TimeDelta::days(1);
        Self {
            margin: TimeDelta::from_std(margin).map_or(LONGEST, |one| one.min(LONGEST)),
            ..self
        }
    }

    /// The session's access token, renewed if it is about to end.
    ///
    /// # Errors
    /// [`AccessTokenError`]. A token that is still good is handed out even if it cannot be renewed.
    pub async fn fresh<T: SessionData>(
        &self,
        session: &SessionContext<T>,
    ) -> Result<Token, AccessTokenError> {
        let stored = signed_in(session).await?;
        let stored = stored.ok_or(AccessTokenError::NotSignedIn)?;
        if let Some(token) = self.lasting(&stored.ticket.tokens, session.now()) {
            return Ok(token);
        }
        let this = self.clone();
        let session = session.clone();
        let work = tokio::spawn(async move { this.renew(&session, &stored).await });
        match work.await {
            Ok(answer) => answer,
            Err(panic) => match panic.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is shutting down, and whoever waits with it.
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// The access token, if it is not about to end.
    fn lasting(&self, tokens: &Tokens, now: DateTime<Utc>) -> Option<Token> {
        let token = tokens.access.clone()?;
        (!token.is_expired(now + self.margin)).then_some(token)
    }

    async fn renew<T: SessionData>(
        &self,
        session: &SessionContext<T>,
        stored: &StoredTicket<T>,
    ) -> Result<Token, AccessTokenError> {
        // One at a time here; between nodes, what the session says.
        let _place = self.lines.enter(stored.key()).await;
        for _ in 0..LOOKS {
            let Some(tokens) = look(session, stored).await? else {
                return Err(AccessTokenError::NotSignedIn);
            };
            if let Some(token) = self.lasting(&tokens, session.now()) {
                return Ok(token);
            }
            if tokens.refresh.is_none() {
                return still_good(&tokens, session.now()).ok_or(AccessTokenError::SignInAgain);
            }
            match self.claim(session).await? {
                Claimed::Mine(refresh) => {
                    return self.renew_with(session, stored, &tokens, &refresh).await;
                }
                Claimed::Others => tokio::time::sleep(LOOK_EVERY).await,
                Claimed::NotNeeded => {}
            }
        }
        Err(AccessTokenError::Unavailable(
            "another node is at it, and does not get done".into(),
        ))
    }

    /// Says in the session that its tokens are being renewed, unless somebody else says so.
    async fn claim<T: SessionData>(
        &self,
        session: &SessionContext<T>,
    ) -> Result<Claimed, AccessTokenError> {
        let claimed = session.modify(|ticket| {
            let now = session.now();
            let until = ticket.bag.get::<i64>(CLAIM).ok().flatten();
            if until.is_some_and(|until| now.timestamp_micros() < until) {
                return Claimed::Others;
            }
            let is_lasting = self.lasting(&ticket.tokens, now).is_some();
            let Some(refresh) = ticket.tokens.refresh.clone().filter(|_| !is_lasting) else {
                return Claimed::NotNeeded;
            };
            let until = (now + CLAIM_LIFETIME).timestamp_micros();
            match ticket.bag.set(CLAIM, &until) {
                Ok(()) => Claimed::Mine(refresh),
                Err(_) => Claimed::NotNeeded,
            }
        });
        claimed.await?.ok_or(AccessTokenError::NotSignedIn)
    }

    async fn renew_with<T: SessionData>(
        &self,
        session: &SessionContext<T>,
        stored: &StoredTicket<T>,
        tokens: &Tokens,
        refresh: &Token,
    ) -> Result<Token, AccessTokenError> {
        let client = self.clients.of(&stored.key().partition_key);
        let client = client.ok_or(AccessTokenError::SignInAgain)?;
        let renewed = client.renew(refresh, stored.ticket.subject_id()).await;
        let kept = self.keep(session, refresh, &renewed).await;
        match (renewed, kept?) {
            (Ok(renewed), Some(true)) => Ok(renewed.access),
            // The session has ended, or has other tokens now: nobody keeps these.
            (Ok(renewed), _) => {
                give_back(client, renewed).await;
                Err(AccessTokenError::NotSignedIn)
            }
            (Err(_), None) => Err(AccessTokenError::NotSignedIn),
            (Err(failure), Some(_)) => {
                still_good(tokens, session.now()).ok_or_else(|| no_token(failure))
            }
        }
    }

    /// Writes down what a renewal has brought. What the provider has given is given, and the old
    /// refresh token may be good for nothing any more, so a store that is not to be had is tried
    /// again for a while.
    async fn keep<T: SessionData>(
        &self,
        session: &SessionContext<T>,
        used: &Token,
        renewed: &Result<Renewed, Failure>,
    ) -> Result<Option<bool>, SessionRejection> {
        let mut pauses = PAUSES.iter();
        loop {
            let kept = session.modify(|ticket| {
                ticket.bag.remove(CLAIM);
                keep(ticket, used, renewed)
            });
            match (kept.await, pauses.next()) {
                (Err(SessionRejection::Unavailable { .. }), Some(pause)) => {
                    tokio::time::sleep(*pause).await;
                }
                (kept, _) => return kept,
            }
        }
    }
}

enum Claimed {
    Mine(Token),
    Others,
    NotNeeded,
}

/// What the session keeps at the moment, which may be more than this request knows.
async fn look<T: SessionData>(
    session: &SessionContext<T>,
    stored: &StoredTicket<T>,
) -> Result<Option<Tokens>, AccessTokenError> {
    let ticket = &stored.ticket;
    let Some(subject_id) = ticket.subject_id() else {
        return Ok(None);
    };
    let filter = UserSessionsFilter::for_subject(subject_id.clone());
    let filter = match ticket.session_id() {
        Some(session_id) => filter.and_session(session_id.clone()),
        None => filter,
    };
    let found = session.tickets().get_user_tickets(&filter).await;
    let found = found.map_err(|error| session.reject(error))?;
    let same = found.into_iter().find(|one| one.key() == stored.key());
    Ok(same.map(|one| one.ticket.tokens))
}

/// Puts into the session what a renewal has brought, if it still is the session that was renewed.
fn keep<T>(
    ticket: &mut AuthenticationTicket<T>,
    used: &Token,
    renewed: &Result<Renewed, Failure>,
) -> bool {
    if let Ok(renewed) = renewed
        && ticket.tokens.access.as_ref() == Some(&renewed.access)
    {
        // An earlier try was said to have failed, and had not.
        return true;
    }
    if ticket.tokens.refresh.as_ref() != Some(used) {
        return false;
    }
    match renewed {
        Ok(renewed) => {
            ticket.tokens.access = Some(renewed.access.clone());
            if let Some(refresh) = &renewed.refresh {
                ticket.tokens.refresh = Some(refresh.clone());
            }
            if let Some(id) = &renewed.id {
                ticket.tokens.id = Some(id.clone());
            }
        }
        // It will never be of use again.
        Err(Failure::Refused(_)) => ticket.tokens.refresh = None,
        Err(_) => {}
    }
    true
}

fn still_good(tokens: &Tokens, now: DateTime<Utc>) -> Option<Token> {
    tokens.access.clone().filter(|token| !token.is_expired(now))
}

fn no_token(failure: Failure) -> AccessTokenError {
    match failure {
        Failure::Refused(_) => AccessTokenError::SignInAgain,
        failure => AccessTokenError::Unavailable(failure.into()),
    }
}

async fn give_back(client: &Registration, renewed: Renewed) {
    let Some(refresh) = renewed.refresh else {
        return;
    };
    if let Err(error) = client.revoke(&refresh).await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "a refresh token that no session keeps was not revoked"
        );
    }
}

impl IntoResponse for AccessTokenError {
    fn into_response(self) -> Response {
        match self {
            Self::NotSignedIn | Self::SignInAgain => SessionRejection::NotSignedIn.into_response(),
            Self::Unavailable(source) => {
                let failure = Failure::NoAnswer(source);
                Refusal::NoProvider(Some(failure)).into_problem()
            }
            Self::Session(rejection) => rejection.into_response(),
        }
    }
}

/// Who waits for whom in this process, by session.
#[derive(Debug, Default)]
struct Lines(Mutex<HashMap<UserSessionKey, Weak<tokio::sync::Mutex<()>>>>);

impl Lines {
    async fn enter(&self, key: &UserSessionKey) -> tokio::sync::OwnedMutexGuard<()> {
        let line = {
            let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match lines.get(key).and_then(Weak::upgrade) {
                Some(line) => line,
                None => {
                    // Where nobody stands any more.
                    lines.retain(|_, line| line.strong_count() > 0);
                    let line = Arc::default();
                    lines.insert(key.clone(), Arc::downgrade(&line));
                    line
                }
            }
        };
        line.lock_owned().await
    }
}
