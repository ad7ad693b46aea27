//! [`get_user_session`](UserSessionStore::get_user_session).

use super::ask::*;
use super::sample::*;
use crate::{Clock, ManualClock, UserSession, UserSessionStore};

/// A key that no session has is answered with `None`.
pub async fn an_unknown_key_is_absent(store: &dyn UserSessionStore, clock: &ManualClock) {
    given(store, [&session(clock, "known")]).await;

    assert_absent(store, &key("unknown")).await;
}

/// A session is found until the moment it expires, and not at that moment.
pub async fn a_session_is_found_until_it_expires(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let session = session(clock, "key");
    given(store, [&session]).await;
    let_expire(clock);
    let expiry = clock.now();

    clock.set(expiry - MICROSECOND);
    assert_stored(store, [&session]).await;

    clock.set(expiry);
    assert_absent(store, &session.key).await;
}

/// A session without an expiry is found as long as there is time.
pub async fn a_session_without_expiry_stays(store: &dyn UserSessionStore, clock: &ManualClock) {
    let session = UserSession {
        expires: None,
        ..session(clock, "key")
    };
    given(store, [&session]).await;

    clock.set(at("9999-12-31T23:59:59.999999Z"));

    assert_stored(store, [&session]).await;
}

/// Reading changes nothing: neither a live session, nor that an expired one has a row.
pub async fn reading_changes_nothing(store: &dyn UserSessionStore, clock: &ManualClock) {
    let live = session(clock, "live");
    let old = expired(clock, "old");
    given(store, [&live, &old]).await;

    for _ in 0..2 {
        assert_stored(store, [&live]).await;
        assert_absent(store, &old.key).await;
        assert_eq!(names(&alices(store).await), ["live"]);
    }

    assert!(take_row(store, &old.key).await, "the expired row is there");
}
