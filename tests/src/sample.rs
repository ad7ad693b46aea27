//! Sessions to try things with.

use chrono::{DateTime, Utc};
use store_core::{PartitionKey, UserKey, UserSession, UserSessionKey};

/// When sample sessions begin: with digits down to the microsecond.
pub const CREATED: &str = "2026-03-02T08:15:30.123456Z";

/// The point in time that RFC 3339 writes like this.
///
/// # Panics
/// Where it writes none like this.
pub fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time as RFC 3339 writes it")
}

/// The key of a session in the default partition.
///
/// # Panics
/// Where `user_key` is none.
pub fn key(user_key: &str) -> UserSessionKey {
    let user_key = UserKey::try_from(user_key).expect("a user key");
    UserSessionKey::new(PartitionKey::default(), user_key)
}

/// A session of `alice`, begun at [`CREATED`], with the session id `sid of {user_key}`, that never
/// expires.
///
/// # Panics
/// Where `user_key` is none, or too long to make a session id of.
pub fn session(user_key: &str) -> UserSession {
    let alice = "alice".parse().ok();
    UserSession::new(key(user_key), alice, at(CREATED), "ticket".into())
        .with_session_id(format!("sid of {user_key}").parse().expect("a session id"))
}
