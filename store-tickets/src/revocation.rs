//! Ending sessions together with what the provider has given for them.

use std::fmt::{self, Debug};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::{FutureExt, StreamExt, stream};
use serde::Serialize;
use serde::de::DeserializeOwned;
use store_core::{
    BoxError, Error as StoreError, PartitionKey, UserSession, UserSessionKey, UserSessionSummary,
    UserSessionsFilter,
};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::backoff::Backoff;
use crate::store::end::Content;
use crate::store::uninterrupted;
use crate::{EndReason, Result, ServerSideTicketStore, SessionHandle, Token, telemetry};

/// How many refresh tokens are revoked at a time.
const CONCURRENCY: usize = 8;
const FIRST_DELAY: Duration = Duration::from_secs(1);
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// Revokes refresh tokens at the provider: the host writes it, by OAuth 2.0 Token Revocation
/// (RFC 7009) for example.
///
/// # What an implementor owes
/// A token that is not valid any more is revoked: that is `Ok`. The same token may come more than
/// once. Failing, panicking and taking for ever delay nobody but themselves.
#[async_trait]
pub trait RefreshTokenRevoker: Debug + Send + Sync + 'static {
    /// Revokes a token of the session that had this key.
    async fn revoke_refresh_token(
        &self,
        token: &Token,
        session: &UserSessionKey,
    ) -> Result<(), BoxError>;
}

/// How [`SessionRevocation`] goes about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationOptions {
    /// Whether a back-channel logout that names one session ends all sessions of its subject.
    /// Default: false.
    pub back_channel_logout_ends_all_sessions: bool,
    /// How long the sessions live on, at most, while their refresh tokens are revoked. Default: 3
    /// seconds.
    pub patience: Duration,
    /// How often a token is tried in all, the first time included. Default: 5.
    pub attempts: u32,
    /// How long one later try may take. Default: 10 seconds.
    pub attempt_timeout: Duration,
}

impl Default for RevocationOptions {
    fn default() -> Self {
        Self {
            back_channel_logout_ends_all_sessions: false,
            patience: Duration::from_secs(3),
            attempts: 5,
            attempt_timeout: Duration::from_secs(10),
        }
    }
}

/// What a revocation has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Revoked {
    /// The sessions that this call has ended.
    pub sessions: Vec<UserSessionSummary>,
    /// How many refresh tokens have been revoked.
    pub refresh_tokens: usize,
    /// How many have not, and are being tried again in the background.
    pub refresh_tokens_pending: usize,
}

/// Ends sessions and revokes their refresh tokens.
///
/// First the tokens are revoked, all at once and within [`RevocationOptions::patience`]; then the
/// sessions end, **whatever has become of the tokens**; then those that could not be revoked are
/// tried again in the background, and what fails for good is logged and counted. Tokens that came
/// into a session while it was being revoked are revoked too. It all goes on if the caller's future
/// is dropped; what is pending when the process ends is not tried again.
pub struct SessionRevocation<T> {
    tickets: ServerSideTicketStore<T>,
    revoker: Option<Arc<dyn RefreshTokenRevoker>>,
    options: RevocationOptions,
    pending: TaskTracker,
}

impl<T> SessionRevocation<T>
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// For these sessions, whose refresh tokens this revoker revokes.
    pub fn new(
        tickets: ServerSideTicketStore<T>,
        revoker: Arc<dyn RefreshTokenRevoker>,
        options: RevocationOptions,
    ) -> Self {
        Self::with(tickets, Some(revoker), options)
    }

    /// For these sessions, whose refresh tokens stay as they are.
    pub fn without_refresh_tokens(
        tickets: ServerSideTicketStore<T>,
        options: RevocationOptions,
    ) -> Self {
        Self::with(tickets, None, options)
    }

    fn with(
        tickets: ServerSideTicketStore<T>,
        revoker: Option<Arc<dyn RefreshTokenRevoker>>,
        options: RevocationOptions,
    ) -> Self {
        Self {
            tickets,
            revoker,
            options,
            pending: TaskTracker::new(),
        }
    }

    /// The same service for another front end.
    #[must_use]
    pub fn in_partition(&self, partition_key: PartitionKey) -> Self {
        Self {
            tickets: self.tickets.in_partition(partition_key),
            ..self.clone()
        }
    }

    /// Ends one session: the user signs out.
    ///
    /// # Errors
    /// [`TicketError::Store`](crate::TicketError::Store) if the store below fails: the session may
    /// live on.
    pub async fn log_out(&self, session: &impl SessionHandle) -> Result<Revoked> {
        let this = self.clone();
        let key = self.tickets.key(session.user_key());
        uninterrupted(async move { this.end_one(key).await }).await
    }

    /// Ends the sessions that match: everywhere, or everywhere but here.
    ///
    /// # Errors
    /// [`TicketError::Store`](crate::TicketError::Store) if the store below fails: the sessions may
    /// live on.
    pub async fn revoke(&self, filter: &UserSessionsFilter, reason: EndReason) -> Result<Revoked> {
        let this = self.clone();
        let filter = filter.clone();
        uninterrupted(async move { this.end_matching(&filter, reason).await }).await
    }

    /// Ends what an OpenID logout token names: a session, all of a subject's, or, if that is
    /// configured, all of the subject's to whom the session belongs.
    ///
    /// # Errors
    /// [`TicketError::Store`](crate::TicketError::Store) if the store below fails: the sessions may
    /// live on.
    pub async fn back_channel_logout(&self, filter: &UserSessionsFilter) -> Result<Revoked> {
        let this = self.clone();
        let filter = filter.clone();
        uninterrupted(async move { this.end_at_the_back(filter).await }).await
    }

    /// Waits until nothing is pending: before the process ends, for example.
    pub async fn finish(&self) {
        self.pending.close();
        self.pending.wait().await;
        self.pending.reopen();
    }

    async fn end_at_the_back(&self, filter: UserSessionsFilter) -> Result<Revoked> {
        const REASON: EndReason = EndReason::BackChannel;
        if !self.options.back_channel_logout_ends_all_sessions {
            return self.end_matching(&filter, REASON).await;
        }
        if let Some(subject) = filter.subject_id() {
            let everywhere = UserSessionsFilter::for_subject(subject.clone());
            return self.end_matching(&everywhere, REASON).await;
        }
        // Only ending the session hands back its row even if it has expired, and with it the
        // subject.
        let mut revoked = self.end_matching(&filter, REASON).await?;
        let subject = revoked
            .sessions
            .iter()
            .find_map(|one| one.subject_id.clone());
        if let Some(subject) = subject {
            let everywhere = UserSessionsFilter::for_subject(subject);
            let others = self.end_matching(&everywhere, REASON).await?;
            revoked.sessions.extend(others.sessions);
            revoked.refresh_tokens += others.refresh_tokens;
            revoked.refresh_tokens_pending += others.refresh_tokens_pending;
        }
        Ok(revoked)
    }

    async fn end_one(&self, key: UserSessionKey) -> Result<Revoked> {
        const REASON: EndReason = EndReason::LoggedOut;
        if self.revoker.is_none() {
            let ended = self.tickets.end_one(key, REASON, Content::Any).await?;
            return Ok(self.summary(ended.last.as_slice(), Tokens::default()));
        }
        let session = self.tickets.user_session_store().get_user_session(&key);
        let before = read_before_the_end(session.await);
        let tokens = self.revoke_tokens_of(before.as_slice()).await;
        let ended = self.tickets.end_one(key, REASON, Content::Final).await?;
        Ok(self.summary(ended.last.as_slice(), tokens))
    }

    async fn end_matching(
        &self,
        filter: &UserSessionsFilter,
        reason: EndReason,
    ) -> Result<Revoked> {
        let tokens = match self.revoker {
            Some(_) => {
                let store = self.tickets.user_session_store();
                let sessions = store.get_user_sessions(self.tickets.partition_key(), filter);
                let before = read_before_the_end(sessions.await);
                self.revoke_tokens_of(&before).await
            }
            None => Tokens::default(),
        };
        let ended = self.tickets.end_matching(filter, reason).await?;
        Ok(self.summary(&ended, tokens))
    }

    /// Tries each token once, all of them within the patience that there is.
    async fn revoke_tokens_of(&self, sessions: &[UserSession]) -> Tokens {
        let mut tokens = Tokens {
            seen: self.tokens_of(sessions),
            revoked: Vec::new(),
        };
        let Some(revoker) = &self.revoker else {
            return tokens;
        };
        let patience = self.options.patience;
        let mut tried = stream::iter(tokens.seen.clone())
            .map(|token| async move {
                let outcome = try_to_revoke(&**revoker, &token, patience).await;
                (token, outcome)
            })
            .buffer_unordered(CONCURRENCY);
        let all = async {
            while let Some((token, outcome)) = tried.next().await {
                match outcome {
                    Ok(()) => tokens.revoked.push(token),
                    Err(error) => token.report("is tried again", &*error),
                }
            }
        };
        if timeout(patience, all).await.is_err() {
            tracing::warn!("refresh tokens take long to revoke: their sessions end first");
        }
        tokens
    }

    /// What has been done, after what is still to do has been begun: the tokens that could not be
    /// revoked, and those that were not there before the sessions ended.
    fn summary(&self, ended: &[UserSession], tokens: Tokens) -> Revoked {
        let Tokens { seen, revoked } = tokens;
        let mut pending: Vec<SessionToken> = Vec::new();
        for token in seen.into_iter().chain(self.tokens_of(ended)) {
            if !revoked.contains(&token) && !pending.contains(&token) {
                pending.push(token);
            }
        }
        let summary = Revoked {
            sessions: ended.iter().map(UserSessionSummary::from).collect(),
            refresh_tokens: revoked.len(),
            refresh_tokens_pending: pending.len(),
        };
        if let Some(revoker) = &self.revoker
            && !pending.is_empty()
        {
            let revoker = Arc::clone(revoker);
            let options = self.options.clone();
            self.pending.spawn(async move {
                stream::iter(pending)
                    .for_each_concurrent(CONCURRENCY, |token| try_again(&*revoker, token, &options))
                    .await;
            });
        }
        summary
    }

    fn tokens_of(&self, sessions: &[UserSession]) -> Vec<SessionToken> {
        if self.revoker.is_none() {
            return Vec::new();
        }
        let mut tokens = Vec::new();
        for session in sessions {
            if let Some(token) = self.tickets.refresh_token_of(session) {
                tokens.push(SessionToken {
                    session: session.key.clone(),
                    token,
                });
            }
        }
        tokens
    }
}

/// What cannot be read is ended all the same, and what it kept is handed back then.
fn read_before_the_end<R: Default>(read: Result<R, StoreError>) -> R {
    read.unwrap_or_else(|error| {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "sessions could not be read before their end: their refresh tokens come after it"
        );
        R::default()
    })
}

/// The tokens of sessions that are about to end.
#[derive(Default)]
struct Tokens {
    seen: Vec<SessionToken>,
    revoked: Vec<SessionToken>,
}

#[derive(Clone, PartialEq)]
struct SessionToken {
    session: UserSessionKey,
    token: Token,
}

impl SessionToken {
    fn report(&self, what: &str, error: &(dyn std::error::Error + Send + Sync + 'static)) {
        tracing::warn!(
            session = ?self.session.user_key,
            error = error as &dyn std::error::Error,
            "a refresh token was not revoked: it {what}"
        );
    }
}

async fn try_to_revoke(
    revoker: &dyn RefreshTokenRevoker,
    token: &SessionToken,
    patience: Duration,
) -> Result<(), BoxError> {
    let work = AssertUnwindSafe(async {
        let SessionToken { session, token } = token;
        revoker.revoke_refresh_token(token, session).await
    });
    let outcome: Result<(), BoxError> = match timeout(patience, work.catch_unwind()).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err("the revoker panicked".into()),
        Err(elapsed) => Err(elapsed.into()),
    };
    if outcome.is_ok() {
        telemetry::refresh_token("revoked");
    }
    outcome
}

/// Tries a token until it is revoked or has been tried often enough.
async fn try_again(
    revoker: &dyn RefreshTokenRevoker,
    token: SessionToken,
    options: &RevocationOptions,
) {
    let mut backoff = Backoff::new(FIRST_DELAY, LONGEST_DELAY);
    for left in (0..options.attempts.saturating_sub(1)).rev() {
        tokio::time::sleep(backoff.next_delay()).await;
        match try_to_revoke(revoker, &token, options.attempt_timeout).await {
            Ok(()) => return,
            Err(error) if left > 0 => token.report("is tried again", &*error),
            Err(error) => token.report("is given up", &*error),
        }
    }
    telemetry::refresh_token("given_up");
    tracing::error!(
        session = ?token.session.user_key,
        attempts = options.attempts,
        "a refresh token is still good at the provider, though its session has ended"
    );
}

impl<T> Clone for SessionRevocation<T> {
    fn clone(&self) -> Self {
        Self {
            tickets: self.tickets.clone(),
            revoker: self.revoker.clone(),
            options: self.options.clone(),
            pending: self.pending.clone(),
        }
    }
}

impl<T> fmt::Debug for SessionRevocation<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionRevocation")
            .field("tickets", &self.tickets)
            .field("revoker", &self.revoker)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
