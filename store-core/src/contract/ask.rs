//! What behaviours ask of a store on the way to what they are about.

use futures::{StreamExt as _, stream};

use super::sample::*;
use crate::{StartPolicy, UserSession, UserSessionKey, UserSessionStore};

/// Checks that a call was refused with this error.
macro_rules! assert_refused {
    ($answer:expr, $error:pat) => {
        match $answer {
            Err($error) => {}
            other => panic!("expected {}, not {other:?}", stringify!($error)),
        }
    };
}
pub(super) use assert_refused;

/// Creates sessions that nothing is in the way of.
pub(super) async fn given<'a>(
    store: &dyn UserSessionStore,
    sessions: impl IntoIterator<Item = &'a UserSession>,
) {
    for session in sessions {
        store
            .create_user_session(session.clone())
            .await
            .expect("nothing is in the way of the new session");
    }
}

/// Creates many sessions, several at a time.
pub(super) async fn given_many(store: &dyn UserSessionStore, sessions: Vec<UserSession>) {
    let creations = sessions.into_iter().map(|session| async move {
        let answer = store.create_user_session(session).await;
        answer.expect("nothing is in the way of the new session");
    });
    stream::iter(creations)
        .buffer_unordered(16)
        .collect::<()>()
        .await;
}

/// The live session with this key.
pub(super) async fn find(
    store: &dyn UserSessionStore,
    key: &UserSessionKey,
) -> Option<UserSession> {
    let answer = store.get_user_session(key).await;
    answer.expect("the store answers")
}

/// Checks that these sessions are live and just so.
pub(super) async fn assert_stored<'a>(
    store: &dyn UserSessionStore,
    sessions: impl IntoIterator<Item = &'a UserSession>,
) {
    for session in sessions {
        let name = session.key.user_key.as_str();
        let found = find(store, &session.key).await;
        assert_eq!(found.as_ref(), Some(session), "the session {name:?}");
    }
}

/// Checks that no live session has this key.
pub(super) async fn assert_absent(store: &dyn UserSessionStore, key: &UserSessionKey) {
    let name = key.user_key.as_str();
    let found = find(store, key).await;
    assert_eq!(found, None, "there should be no live session {name:?}");
}

/// Whether there is a row with this key, live or expired. Looking removes it.
pub(super) async fn take_row(store: &dyn UserSessionStore, key: &UserSessionKey) -> bool {
    let answer = store.delete_user_session(key).await;
    answer.expect("the store answers")
}

/// Alice's live sessions in the default partition.
pub(super) async fn alices(store: &dyn UserSessionStore) -> Vec<UserSession> {
    let answer = store.get_user_sessions(&here(), &of_alice()).await;
    answer.expect("the store answers")
}

/// Starts a session that nothing is in the way of, and answers what it displaced.
pub(super) async fn start(
    store: &dyn UserSessionStore,
    session: &UserSession,
    policy: &StartPolicy,
) -> Vec<UserSession> {
    let answer = store.start_user_session(session.clone(), policy).await;
    answer.expect("nothing is in the way of the new session")
}
