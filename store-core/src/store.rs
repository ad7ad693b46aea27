//! The traits that a store implements.

use std::fmt::Debug;
use std::num::NonZeroU32;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{
    Error, Page, PageRequest, PartitionKey, Result, StartPolicy, SubjectId, UserKey, UserSession,
    UserSessionKey, UserSessionUpdate, UserSessionsFilter,
};

/// Where a host's sessions live.
///
/// A session has a **row** from its creation until something removes it, and is **live** while it
/// has a row and has not expired. To reads and changes, a session that is not live does not exist;
/// removal looks at rows. Whoever removes a row has ended the session, and nobody else has.
///
/// # What an implementor owes
/// - Every operation happens as a whole or not at all, also when its future is dropped.
/// - No operation sees, changes or counts another partition's sessions.
/// - Time comes from one injected [`Clock`](crate::Clock). Stored timestamps are those of
///   [`stored_timestamp`](crate::stored_timestamp).
/// - Input is checked first: [`UserSession::to_stored`] and [`UserSessionUpdate::to_stored`] do it.
/// - Any operation may answer [`Error::Unavailable`], [`Error::Backend`], [`Error::NotMigrated`] or
///   [`Error::Configuration`]; any that reads may answer [`Error::Corrupt`].
///
/// The crate's tests for stores (feature `contract`) show whether it does.
#[async_trait]
pub trait UserSessionStore: Debug + Send + Sync + 'static {
    /// The live session with this key.
    async fn get_user_session(&self, key: &UserSessionKey) -> Result<Option<UserSession>>;

    /// Inserts a session. Expired rows with its key or its session id make room without telling;
    /// [`start_user_session`](Self::start_user_session) is the one that tells.
    ///
    /// The `version` given is ignored. A session that has expired already is accepted.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] if a live session of the partition has the same user key or the
    /// same session id; [`Error::InvalidTimestamp`]; [`Error::TicketTooLarge`]. Nothing has changed
    /// then.
    async fn create_user_session(&self, session: UserSession) -> Result<()>;

    /// Replaces the six fields of a live session. Answers `true`, or `false` where there is none:
    /// it **never inserts**, so a renewal that races a logout cannot bring the session back.
    ///
    /// # Errors
    /// In this order: [`Error::InvalidTimestamp`] or [`Error::TicketTooLarge`];
    /// [`Error::VersionMismatch`] if `if_version` does not hold; [`Error::AlreadyExists`] if
    /// another live session of the partition has the session id. Nothing has changed then.
    async fn update_user_session(
        &self,
        key: &UserSessionKey,
        update: UserSessionUpdate,
    ) -> Result<bool>;

    /// Ends a session, expired or not. Whether there was one.
    async fn delete_user_session(&self, key: &UserSessionKey) -> Result<bool>;

    /// The live sessions that match, ordered by (`created`, `user_key`), keys by their bytes.
    async fn get_user_sessions(
        &self,
        partition: &PartitionKey,
        filter: &UserSessionsFilter,
    ) -> Result<Vec<UserSession>>;

    /// Ends the sessions that match, expired or not. How many this call has ended.
    async fn delete_user_sessions(
        &self,
        partition: &PartitionKey,
        filter: &UserSessionsFilter,
    ) -> Result<u64>;

    /// Begins a session, as one transaction: the session with the same session id ends; then, with
    /// a cap, as many of the subject's oldest live sessions as it takes to leave room; then the
    /// new one exists. Answers all that it displaced, expired or live, ordered by (`created`,
    /// `user_key`).
    ///
    /// The key of a session that this start ended may be used again. The cap holds however many
    /// starts race, and a start is serializable with the operations by filter: a logout everywhere
    /// that races a login either ends the new session or is ordered before it.
    ///
    /// # Errors
    /// [`Error::InvalidTimestamp`]; [`Error::TicketTooLarge`]; [`Error::SessionLimitReached`] if
    /// the policy is to reject; [`Error::AlreadyExists`] if another live session of the partition
    /// has the key, or the session id and the policy is not to replace it. Nothing has changed
    /// then.
    async fn start_user_session(
        &self,
        session: UserSession,
        policy: &StartPolicy,
    ) -> Result<Vec<UserSession>>;

    /// Gives a live session another user key and replaces its six fields, in place. Answers as
    /// [`update_user_session`](Self::update_user_session) does; onto its own key it is that.
    ///
    /// Never a deletion and an insertion: a racing [`end_user_sessions`](Self::end_user_sessions)
    /// would miss the session in between.
    ///
    /// # Errors
    /// As for an update; [`Error::AlreadyExists`] also if another live session has the key `new`.
    async fn rotate_user_key(
        &self,
        key: &UserSessionKey,
        new: &UserKey,
        update: UserSessionUpdate,
    ) -> Result<bool>;

    /// Changes only `renewed`, `expires` and `version` of a live session. Whether there was one.
    ///
    /// Provided by reading the session and writing it back on condition of its version, until no
    /// other change comes between. A store does better: the ticket has no part in it.
    ///
    /// # Errors
    /// [`Error::InvalidTimestamp`].
    async fn renew_user_session(
        &self,
        key: &UserSessionKey,
        renewed: DateTime<Utc>,
        expires: Option<DateTime<Utc>>,
    ) -> Result<bool> {
        loop {
            let Some(session) = self.get_user_session(key).await? else {
                return Ok(false);
            };
            let version = session.version;
            let session = UserSession {
                renewed,
                expires,
                ..session
            };
            let update = UserSessionUpdate::from(session).with_if_version(version);
            match self.update_user_session(key, update).await {
                Err(Error::VersionMismatch) => continue,
                answer => return answer,
            }
        }
    }

    /// Ends the sessions that match, expired or not, and hands back those that this call has ended:
    /// of any number of racing removals, exactly one answers for a session.
    ///
    /// Provided by a query and a deletion of each. That leaves expired rows to the cleanup, may miss
    /// a session that is started or rotated meanwhile, and is not one transaction: dropped half-way,
    /// it has ended some. The contract asks for more than that, so a store does better.
    async fn end_user_sessions(
        &self,
        partition: &PartitionKey,
        filter: &UserSessionsFilter,
    ) -> Result<Vec<UserSession>> {
        let mut ended = Vec::new();
        for session in self.get_user_sessions(partition, filter).await? {
            if self.delete_user_session(&session.key).await? {
                ended.push(session);
            }
        }
        Ok(ended)
    }
}

/// Removal of sessions that have expired, in every partition.
///
/// # What an implementor owes
/// Batches small enough that readers never wait, and writers no longer than for one of them. A
/// session renewed meanwhile stays. What several nodes' cleanups report adds up to what was removed.
#[async_trait]
pub trait UserSessionStoreCleanup: Debug + Send + Sync + 'static {
    /// Removes every session that had expired when it was called, and says how many this call has
    /// removed. Loads no tickets.
    ///
    /// If it fails half-way it answers what it has removed so far.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and the like, only if nothing was removed.
    async fn delete_expired_sessions(&self) -> Result<u64>;

    /// Removes one batch of expired sessions and hands it back: at most `limit`, which is clamped
    /// to [`MAX_LIMIT`](crate::MAX_LIMIT). It may be fewer; only an empty batch means that there
    /// are no more. It holds the batch's tickets: of large ones, ask for few.
    async fn end_expired_sessions(&self, limit: NonZeroU32) -> Result<Vec<UserSession>>;
}

/// A partition's live sessions without their tickets: for administrators.
#[async_trait]
pub trait UserSessionDirectory: Debug + Send + Sync + 'static {
    /// A page of the live sessions, newest first.
    ///
    /// Pages follow the order by (`created`, `user_key`), descending in both: a session that is
    /// there all the while is on exactly one of them, whatever begins or ends meanwhile.
    ///
    /// # Errors
    /// [`Error::InvalidTimestamp`] if the cursor's is one.
    async fn list_user_sessions(
        &self,
        partition: &PartitionKey,
        page: &PageRequest,
    ) -> Result<Page>;

    /// How many live sessions there are, of a subject or of everybody.
    async fn count_user_sessions(
        &self,
        partition: &PartitionKey,
        subject: Option<&SubjectId>,
    ) -> Result<u64>;
}
