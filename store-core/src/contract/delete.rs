//! [`delete_user_session`](UserSessionStore::delete_user_session).

use super::ask::*;
use super::sample::*;
use crate::{ManualClock, UserSessionKey, UserSessionStore};

async fn delete(store: &dyn UserSessionStore, key: &UserSessionKey) -> bool {
    let answer = store.delete_user_session(key).await;
    answer.expect("nothing refuses the deletion")
}

/// A deleted session is gone, and the others stay.
pub async fn a_deleted_session_is_gone(store: &dyn UserSessionStore, clock: &ManualClock) {
    let [one, other] = ["one", "other"].map(|key| session(clock, key));
    given(store, [&one, &other]).await;

    assert!(delete(store, &one.key).await);

    assert_absent(store, &one.key).await;
    assert_stored(store, [&other]).await;
}

/// A deletion is answered with `true` once; what is not there is no error.
pub async fn a_deletion_is_answered_once(store: &dyn UserSessionStore, clock: &ManualClock) {
    let session = session(clock, "key");
    given(store, [&session]).await;

    assert!(delete(store, &session.key).await);
    assert!(!delete(store, &session.key).await);
    assert!(!delete(store, &key("unknown")).await);
}

/// An expired session is deleted as a live one is, and answered with `true` once.
pub async fn an_expired_session_is_deleted_too(store: &dyn UserSessionStore, clock: &ManualClock) {
    let session = session(clock, "key");
    given(store, [&session]).await;
    let_expire(clock);

    assert!(delete(store, &session.key).await);
    assert!(!delete(store, &session.key).await);
}
