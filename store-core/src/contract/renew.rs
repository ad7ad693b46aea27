//! [`renew_user_session`](UserSessionStore::renew_user_session).

use chrono::{DateTime, Utc};

use super::ask::*;
use super::sample::*;
use crate::{
    Clock, Error, ManualClock, UserSession, UserSessionKey, UserSessionStore, UserSessionUpdate,
};

async fn renew(
    store: &dyn UserSessionStore,
    key: &UserSessionKey,
    renewed: DateTime<Utc>,
    expires: Option<DateTime<Utc>>,
) -> bool {
    let answer = store.renew_user_session(key, renewed, expires).await;
    answer.expect("nothing refuses the renewal")
}

/// A renewal changes `renewed`, `expires` and the version, and leaves all else alone.
pub async fn a_renewal_changes_its_fields_only(store: &dyn UserSessionStore, clock: &ManualClock) {
    let session = UserSession {
        ticket: b"\0\xff'".as_slice().into(),
        ..older(5, with_sid("sid", session(clock, "key")))
    };
    given(store, [&session]).await;
    let renewed = clock.now() + MICROSECOND;
    let expires = Some(renewed + HOUR);

    assert!(renew(store, &session.key, renewed, expires).await);

    let session = UserSession {
        renewed,
        expires,
        version: 1,
        ..session
    };
    assert_stored(store, [&session]).await;
}

/// A renewed session outlives its first expiry, up to the one it was given.
pub async fn a_renewed_session_outlives_its_first_expiry(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let session = session(clock, "key");
    given(store, [&session]).await;
    let expires = clock.now() + HOUR * 2;
    assert!(renew(store, &session.key, clock.now(), Some(expires)).await);

    clock.set(expires - MICROSECOND);
    assert!(find(store, &session.key).await.is_some(), "it is live");

    clock.set(expires);
    assert_absent(store, &session.key).await;
}

/// A renewal may take the expiry away and give one again.
pub async fn an_expiry_may_come_and_go(store: &dyn UserSessionStore, clock: &ManualClock) {
    let session = session(clock, "key");
    given(store, [&session]).await;

    for (expires, version) in [(None, 1), (session.expires, 2)] {
        assert!(renew(store, &session.key, clock.now(), expires).await);
        let session = UserSession {
            expires,
            version,
            ..session.clone()
        };
        assert_stored(store, [&session]).await;
    }
}

/// A renewal to an expiry that has passed succeeds, and is the last.
pub async fn a_renewal_may_let_a_session_expire(store: &dyn UserSessionStore, clock: &ManualClock) {
    let session = session(clock, "key");
    given(store, [&session]).await;
    let now = clock.now();

    assert!(renew(store, &session.key, now, Some(now)).await);

    assert_absent(store, &session.key).await;
    assert!(!renew(store, &session.key, now, Some(now + HOUR)).await);
    assert_absent(store, &session.key).await;
}

/// A renewal never inserts: a session that was never there, or is no longer, stays away.
pub async fn an_absent_session_is_not_inserted(store: &dyn UserSessionStore, clock: &ManualClock) {
    let ended = session(clock, "ended");
    given(store, [&ended]).await;
    assert!(take_row(store, &ended.key).await, "it has a row");

    for key in [ended.key, key("unknown")] {
        assert!(!renew(store, &key, clock.now(), None).await);
        assert_absent(store, &key).await;
    }
}

/// A session is renewed until the moment it expires; its row stays as it is from then on.
pub async fn an_expired_session_is_not_renewed(store: &dyn UserSessionStore, clock: &ManualClock) {
    let session = session(clock, "key");
    given(store, [&session]).await;
    let before = clock.now();
    let_expire(clock);

    assert!(!renew(store, &session.key, clock.now(), None).await);

    clock.set(before);
    assert_stored(store, [&session]).await;
}

/// A renewal counts as a change: who read the session before it has another version.
pub async fn a_renewal_makes_what_was_read_before_it_stale(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let session = session(clock, "key");
    given(store, [&session]).await;
    let read = UserSessionUpdate::from(session.clone()).with_if_version(session.version);

    assert!(renew(store, &session.key, clock.now(), session.expires).await);

    assert_refused!(
        store.update_user_session(&session.key, read).await,
        Error::VersionMismatch
    );
}
