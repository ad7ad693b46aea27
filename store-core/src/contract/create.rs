//! [`create_user_session`](UserSessionStore::create_user_session).

use super::sample::*;
use crate::{ManualClock, UserSession, UserSessionStore};

/// A created session is found by its key, with every field as it was given, at version 0.
pub async fn a_created_session_is_found(store: &dyn UserSessionStore, clock: &ManualClock) {
    let session = session(clock, "key")
        .with_session_id(session_id("sid"))
        .with_renewed(at("2026-03-02T08:16:00.000001Z"));
    let given = UserSession {
        version: 7,
        ..session.clone()
    };

    store
        .create_user_session(given)
        .await
        .expect("nothing is in its way");

    let found = store
        .get_user_session(&session.key)
        .await
        .expect("the store answers");
    assert_eq!(found, Some(session));
}
