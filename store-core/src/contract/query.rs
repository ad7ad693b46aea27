//! [`get_user_sessions`](UserSessionStore::get_user_sessions).

use super::ask::*;
use super::sample::*;
use crate::{Clock, ManualClock, UserSession, UserSessionStore, UserSessionsFilter};

async fn query(store: &dyn UserSessionStore, filter: &UserSessionsFilter) -> Vec<UserSession> {
    let answer = store.get_user_sessions(&here(), filter).await;
    answer.expect("the store answers")
}

/// A query finds the sessions that match every field of its filter; an anonymous one matches no
/// subject.
pub async fn every_field_of_the_filter_must_match(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    given(store, &crowd(clock)).await;

    for (filter, expected) in filters() {
        let found = query(store, &filter).await;
        assert_eq!(names(&found), expected, "{filter:?}");
    }
}

/// Sessions come in full: with their tickets and their versions.
pub async fn sessions_come_in_full(store: &dyn UserSessionStore, clock: &ManualClock) {
    let session = UserSession {
        ticket: b"\0\xff'".as_slice().into(),
        ..older(5, with_sid("sid", session(clock, "key")))
    };
    given(store, [&session]).await;
    let update = session.clone().into();
    let updated = store.update_user_session(&session.key, update).await;
    assert!(updated.expect("nothing refuses the update"));

    let session = UserSession {
        version: 1,
        ..session
    };
    assert_eq!(query(store, &of_alice()).await, [session]);
}

/// Sessions are ordered by their creation, and those created at once by the bytes of their keys.
pub async fn sessions_are_ordered_by_creation_and_key(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let sorted_by_bytes = [
        "10", "9", "B", "a", "a ", "ab", "e\u{301}", "é", "\u{ffff}", "😀",
    ];
    let mut sessions: Vec<_> = sorted_by_bytes
        .iter()
        .map(|key| session(clock, key))
        .collect();
    sessions.insert(0, older(1, session(clock, "z")));
    sessions.insert(0, older(2, session(clock, "y")));
    given(store, sessions.iter().rev()).await;

    let found = query(store, &of_alice()).await;

    assert_eq!(names(&found), names(&sessions));
}

/// Only live sessions are found: until the moment they expire.
pub async fn only_live_sessions_are_found(store: &dyn UserSessionStore, clock: &ManualClock) {
    let forever = UserSession {
        expires: None,
        ..session(clock, "forever")
    };
    given(
        store,
        [
            &forever,
            &session(clock, "for an hour"),
            &expired(clock, "expired"),
        ],
    )
    .await;
    let_expire(clock);
    let expiry = clock.now();

    clock.set(expiry - MICROSECOND);
    let found = query(store, &of_alice()).await;
    assert_eq!(names(&found), ["for an hour", "forever"]);

    clock.set(expiry);
    let found = query(store, &of_alice()).await;
    assert_eq!(names(&found), ["forever"]);
}
