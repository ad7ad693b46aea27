//! What happens to sessions, and who is told.

mod audit;
mod observers;

use std::fmt::{self, Debug};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use store_core::{BoxError, SessionId, SubjectId, UserKey, UserSession, UserSessionKey};

pub use self::audit::AuditLog;
pub(crate) use self::observers::Occurrence;
pub use self::observers::{SessionObservers, SessionObserversBuilder};

/// Is told what happens to sessions. Every method does nothing unless it is written.
///
/// # What is promised
/// - **Each end is told once**, by the node that removed the row, however many nodes clean up,
///   revoke and log out at the same time. Never twice.
/// - **At most once**: what happened is told after the database has it. If the process ends in
///   between, if a commit's answer is lost, or if the observer is so far behind that its queue is
///   full, it stays untold. The audit of record is the database's own.
/// - Each observer is told in the order in which this node did things. Between nodes there is none.
///
/// # What an implementor owes
/// Nothing: an observer that fails, panics or hangs is reported and left behind after a while, and
/// neither requests nor other observers wait for it. It must not block its thread, though: that is
/// the runtime's, and nobody can take it back.
#[async_trait]
pub trait SessionEvents: Debug + Send + Sync + 'static {
    /// A session has begun.
    async fn created(&self, session: &SessionEvent) -> Result<(), BoxError> {
        let _ = session;
        Ok(())
    }

    /// A user has signed in: told after [`created`](Self::created) if the session has a subject.
    async fn authenticated(&self, session: &SessionEvent) -> Result<(), BoxError> {
        let _ = session;
        Ok(())
    }

    /// A session has been renewed.
    async fn renewed(&self, session: &SessionEvent) -> Result<(), BoxError> {
        let _ = session;
        Ok(())
    }

    /// A session has another key now; `from` is the one that it had.
    async fn rotated(&self, session: &SessionEvent, from: &UserKey) -> Result<(), BoxError> {
        let _ = (session, from);
        Ok(())
    }

    /// A session is over.
    async fn ended(&self, session: &SessionEvent, reason: EndReason) -> Result<(), BoxError> {
        let _ = (session, reason);
        Ok(())
    }
}

/// The session to which something happened, without what it keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionEvent {
    /// When it happened, by this node's clock.
    pub at: DateTime<Utc>,
    /// Its name.
    pub key: UserSessionKey,
    /// Whom it belongs to. `None` for a visitor's, and where [`created`](Self::created) is `None`.
    pub subject_id: Option<SubjectId>,
    /// The session at the identity provider. `None` if it has none, and where
    /// [`created`](Self::created) is `None`.
    pub session_id: Option<SessionId>,
    /// When it began. `None` if nothing but the key is known: the session had expired before a
    /// logout removed it.
    pub created: Option<DateTime<Utc>>,
}

impl SessionEvent {
    /// What happened to this session, for those who tell of it.
    pub fn of(session: &UserSession, at: DateTime<Utc>) -> Self {
        Self {
            at,
            key: session.key.clone(),
            subject_id: session.subject_id.clone(),
            session_id: session.session_id.clone(),
            created: Some(session.created),
        }
    }

    /// What happened to a session of which nothing but the key is known, for those who tell of it.
    pub fn of_key(key: UserSessionKey, at: DateTime<Utc>) -> Self {
        Self {
            at,
            key,
            subject_id: None,
            session_id: None,
            created: None,
        }
    }
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// The user signed out.
    LoggedOut,
    /// The user signed in again with the same session at the provider, or a visitor signed in.
    Replaced,
    /// The user, an administrator or the host ended it from elsewhere.
    Revoked,
    /// The provider said so.
    BackChannel,
    /// The user signed in somewhere else, and had as many sessions as the policy allows.
    OverCap,
    /// Its time was up.
    Expired,
    /// Its ticket was broken: cut, corrupted or tampered with.
    Undecipherable,
}

impl EndReason {
    /// As logs and metrics say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LoggedOut => "logged_out",
            Self::Replaced => "replaced",
            Self::Revoked => "revoked",
            Self::BackChannel => "back_channel",
            Self::OverCap => "over_cap",
            Self::Expired => "expired",
            Self::Undecipherable => "undecipherable",
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
