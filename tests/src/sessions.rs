//! Sessions to try things with, and what has become of them.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::{DatabaseConnection, EntityTrait};
use store_core::{
    Clock, ManualClock, PartitionKey, SessionId, SubjectId, UserKey, UserSession, UserSessionKey,
    UserSessionsFilter,
};
use store_seaorm::entity;

/// How long after its beginning a [`session`] expires.
pub const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// A clock that stands still, always at the same time.
pub fn manual_clock() -> Arc<ManualClock> {
    let start = "2026-11-20T08:00:00Z"
        .parse()
        .expect("a time as RFC 3339 writes it");
    Arc::new(ManualClock::new(start))
}

/// A partition key.
pub fn partition(name: &str) -> PartitionKey {
    PartitionKey::try_from(name).expect("a valid partition key")
}

/// A user key.
pub fn user_key(name: &str) -> UserKey {
    UserKey::try_from(name).expect("a valid user key")
}

/// A subject id.
pub fn subject(name: &str) -> SubjectId {
    SubjectId::try_from(name).expect("a valid subject id")
}

/// A session id.
pub fn session_id(name: &str) -> SessionId {
    SessionId::try_from(name).expect("a valid session id")
}

/// Alice's session: begun now, for a [`LIFETIME`], without a session id; its ticket is its key.
pub fn session(clock: &dyn Clock, partition: &PartitionKey, name: &str) -> UserSession {
    let key = UserSessionKey::new(partition.clone(), user_key(name));
    UserSession::new(key, subject("alice"), clock.now(), name.into())
        .with_expires(clock.now() + LIFETIME)
}

/// What matches every [`session`] of Alice's.
pub fn of_alice() -> UserSessionsFilter {
    UserSessionsFilter::for_subject(subject("alice"))
}

/// Every row of the table as a session, expired or not, ordered by key.
///
/// # Panics
/// Where the table cannot be read, or a row is no session.
pub async fn rows(db: &DatabaseConnection) -> Vec<UserSession> {
    let rows = entity::Entity::find()
        .all(db)
        .await
        .expect("the table can be read");
    let sessions = rows.into_iter().map(UserSession::try_from);
    let mut sessions: Vec<_> = sessions
        .collect::<Result<_, _>>()
        .expect("every row is a session");
    sessions.sort_by(|one, other| one.key.cmp(&other.key));
    sessions
}
