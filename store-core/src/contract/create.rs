//! [`create_user_session`](UserSessionStore::create_user_session).

use super::ask::*;
use super::sample::*;
use crate::{Clock, Error, ManualClock, UserSession, UserSessionStore};

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

    assert_stored(store, [&session]).await;
}

/// A session may do without a subject, a session id and an expiry.
pub async fn what_is_optional_may_be_absent(store: &dyn UserSessionStore, clock: &ManualClock) {
    let session = UserSession::new(key("key"), None, clock.now(), "ticket".into());

    given(store, [&session]).await;

    assert_stored(store, [&session]).await;
}

/// A live session with the same key refuses another, and stays as it is.
pub async fn a_live_session_with_the_same_key_is_in_the_way(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let first = with_sid("first", session(clock, "key"));
    let second = UserSession {
        ticket: "second".into(),
        ..with_sid("second", session(clock, "key"))
    };
    given(store, [&first]).await;

    let expired = second.clone().with_expires(clock.now());
    for second in [second, expired] {
        assert_refused!(
            store.create_user_session(second).await,
            Error::AlreadyExists
        );
        assert_stored(store, [&first]).await;
    }
}

/// A live session with the same session id refuses another, and stays as it is.
pub async fn a_live_session_with_the_same_session_id_is_in_the_way(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let first = with_sid("sid", session(clock, "first"));
    let second = of(subject("bob"), with_sid("sid", session(clock, "second")));
    given(store, [&first]).await;

    assert_refused!(
        store.create_user_session(second.clone()).await,
        Error::AlreadyExists
    );

    assert_stored(store, [&first]).await;
    assert_absent(store, &second.key).await;
}

/// A session is in the way until the moment it expires, and no longer.
pub async fn a_session_is_in_the_way_until_it_expires(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let first = with_sid("sid", session(clock, "key"));
    given(store, [&first]).await;
    let_expire(clock);
    let expiry = clock.now();
    let second = with_sid("sid", session(clock, "key"));

    clock.set(expiry - MICROSECOND);
    assert_refused!(
        store.create_user_session(second.clone()).await,
        Error::AlreadyExists
    );
    assert_stored(store, [&first]).await;

    clock.set(expiry);
    given(store, [&second]).await;
    assert_stored(store, [&second]).await;
}

/// Any number of sessions may be without a session id.
pub async fn sessions_without_a_session_id_are_not_in_each_others_way(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let [one, other] = ["one", "other"].map(|key| session(clock, key));

    given(store, [&one, &other]).await;

    assert_stored(store, [&one, &other]).await;
}

/// An expired row with the same key makes room.
pub async fn an_expired_row_with_the_same_key_is_displaced(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let old = with_sid("old", expired(clock, "key"));
    let new = UserSession {
        ticket: "new".into(),
        ..session(clock, "key")
    };
    given(store, [&old]).await;

    given(store, [&new]).await;

    assert_stored(store, [&new]).await;
    let holds_the_old_session_id = with_sid("old", session(clock, "other"));
    given(store, [&holds_the_old_session_id]).await;
}

/// An expired row with the same session id makes room.
pub async fn an_expired_row_with_the_same_session_id_is_displaced(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let old = with_sid("sid", expired(clock, "old"));
    let new = with_sid("sid", session(clock, "new"));
    given(store, [&old]).await;

    given(store, [&new]).await;

    assert_stored(store, [&new]).await;
    assert!(!take_row(store, &old.key).await, "the expired row is gone");
}

/// Two expired rows, one with the key and one with the session id, make room at once.
pub async fn two_expired_rows_are_displaced_at_once(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let same_key = expired(clock, "key");
    let same_session_id = with_sid("sid", expired(clock, "other"));
    let new = with_sid("sid", session(clock, "key"));
    given(store, [&same_key, &same_session_id]).await;

    given(store, [&new]).await;

    assert_stored(store, [&new]).await;
    assert!(
        !take_row(store, &same_session_id.key).await,
        "the expired row with the session id is gone"
    );
}

/// An expired row stays where it is if a live session refuses the new one.
pub async fn a_refused_creation_displaces_nothing(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let live = with_sid("live", session(clock, "live"));
    let old = with_sid("old", expired(clock, "old"));
    given(store, [&live, &old]).await;

    for (user_key, sid) in [("live", "old"), ("old", "live")] {
        let new = with_sid(sid, session(clock, user_key));
        assert_refused!(store.create_user_session(new).await, Error::AlreadyExists);
    }

    assert_stored(store, [&live]).await;
    assert!(take_row(store, &old.key).await, "the expired row is there");
}

/// A session that has expired already is accepted, and seen by nobody.
pub async fn a_session_that_has_expired_already_is_accepted(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let just_now = expired(clock, "just now");
    let long_ago = expired(clock, "long ago").with_expires(clock.now() - HOUR);

    given(store, [&just_now, &long_ago]).await;

    for session in [just_now, long_ago] {
        assert_absent(store, &session.key).await;
        assert!(take_row(store, &session.key).await, "it has a row");
    }
}

/// What a removed session was called, another may be.
pub async fn a_removed_session_leaves_its_key_and_session_id_free(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let session = with_sid("sid", session(clock, "key"));
    given(store, [&session]).await;
    assert!(take_row(store, &session.key).await, "it has a row");

    given(store, [&session]).await;

    assert_stored(store, [&session]).await;
}
