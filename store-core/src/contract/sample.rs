//! Sessions to try things with.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    Clock, ManualClock, PartitionKey, SessionId, SubjectId, UserKey, UserSession, UserSessionKey,
    UserSessionsFilter,
};

pub(super) fn user_key(key: &str) -> UserKey {
    UserKey::try_from(key).expect("a valid user key")
}

pub(super) fn partition(key: &str) -> PartitionKey {
    PartitionKey::try_from(key).expect("a valid partition key")
}

pub(super) fn subject(id: &str) -> SubjectId {
    SubjectId::try_from(id).expect("a valid subject id")
}

pub(super) fn session_id(id: &str) -> SessionId {
    SessionId::try_from(id).expect("a valid session id")
}

/// A key in the default partition.
pub(super) fn key(key: &str) -> UserSessionKey {
    UserSessionKey::new(PartitionKey::default(), user_key(key))
}

/// Alice's session in the default partition: begun now, for an hour, without a session id.
pub(super) fn session(clock: &ManualClock, user_key: &str) -> UserSession {
    let now = clock.now();
    UserSession::new(key(user_key), subject("alice"), now, "ticket".into()).with_expires(now + HOUR)
}

pub(super) const HOUR: TimeDelta = TimeDelta::hours(1);

/// Moves the clock past the expiry of every [`session`] made before.
pub(super) fn let_expire(clock: &ManualClock) {
    clock.advance(Duration::from_secs(60 * 60));
}

/// Alice's sessions.
pub(super) fn of_alice() -> UserSessionsFilter {
    UserSessionsFilter::for_subject(subject("alice"))
}

/// A time to write down.
pub(super) fn at(rfc3339: &str) -> DateTime<Utc> {
    rfc3339.parse().expect("a time as RFC 3339 writes it")
}
