//! [`rotate_user_key`](UserSessionStore::rotate_user_key).

use super::ask::*;
use super::sample::*;
use crate::{
    Clock, Error, ManualClock, Ticket, UserSession, UserSessionKey, UserSessionStore,
    UserSessionUpdate,
};

async fn rotate(
    store: &dyn UserSessionStore,
    key: &UserSessionKey,
    new: &str,
    update: UserSessionUpdate,
) -> bool {
    let answer = store.rotate_user_key(key, &user_key(new), update).await;
    answer.expect("nothing refuses the rotation")
}

/// A rotated session is found by its new key only, with its six fields replaced and one more
/// version.
pub async fn a_rotated_session_is_found_by_its_new_key(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let session = with_sid("sid", session(clock, "old"));
    given(store, [&session]).await;

    assert!(rotate(store, &session.key, "new", change(clock)).await);

    assert_absent(store, &session.key).await;
    let changed = changed(&session, &user_key("new"), &change(clock));
    assert_stored(store, [&changed]).await;
    assert!(!take_row(store, &session.key).await, "the old row is gone");
}

/// A session may keep its session id while its key changes, and leaves the old key free.
pub async fn a_session_id_may_be_kept_and_the_old_key_is_free(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let first = with_sid("sid", session(clock, "old"));
    given(store, [&first]).await;

    assert!(rotate(store, &first.key, "new", first.clone().into()).await);
    let second = session(clock, "old");
    given(store, [&second]).await;

    let rotated = changed(&first, &user_key("new"), &first.clone().into());
    assert_stored(store, [&rotated, &second]).await;
}

/// A rotation onto the session's own key is an update.
pub async fn onto_its_own_key_it_is_an_update(store: &dyn UserSessionStore, clock: &ManualClock) {
    let other = with_sid("other", session(clock, "other"));
    let session = with_sid("sid", session(clock, "key"));
    given(store, [&session, &other]).await;
    let own = session.key.user_key.clone();
    let onto_own_key = |update| store.rotate_user_key(&session.key, &own, update);

    let in_use = UserSessionUpdate {
        session_id: other.session_id.clone(),
        ..change(clock)
    };
    assert_refused!(onto_own_key(in_use).await, Error::AlreadyExists);
    assert_refused!(
        onto_own_key(change(clock).with_if_version(1)).await,
        Error::VersionMismatch
    );
    assert_stored(store, [&session, &other]).await;

    assert!(rotate(store, &session.key, "key", change(clock)).await);
    assert_stored(store, [&changed(&session, &own, &change(clock)), &other]).await;
}

/// A rotation never inserts: a session that was never there, or is no longer, stays away.
pub async fn an_absent_session_is_not_inserted(store: &dyn UserSessionStore, clock: &ManualClock) {
    let ended = session(clock, "ended");
    given(store, [&ended]).await;
    assert!(take_row(store, &ended.key).await, "it has a row");

    for key in [ended.key, key("unknown")] {
        assert!(!rotate(store, &key, "new", change(clock)).await);
        assert_absent(store, &key).await;
    }
    assert!(!take_row(store, &key("new")).await, "a row was inserted");
}

/// A session is rotated until the moment it expires; its row stays as it is from then on.
pub async fn an_expired_session_is_not_rotated(store: &dyn UserSessionStore, clock: &ManualClock) {
    let session = session(clock, "key");
    given(store, [&session]).await;
    let before = clock.now();
    let_expire(clock);

    assert!(!rotate(store, &session.key, "new", change(clock)).await);

    assert_absent(store, &key("new")).await;
    clock.set(before);
    assert_stored(store, [&session]).await;
}

/// A key or a session id that another live session holds is refused, and nothing changes.
pub async fn a_key_or_session_id_in_use_is_refused(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let one = with_sid("one", session(clock, "one"));
    let other = with_sid("other", session(clock, "other"));
    given(store, [&one, &other]).await;

    assert_refused!(
        store
            .rotate_user_key(&one.key, &other.key.user_key, change(clock))
            .await,
        Error::AlreadyExists
    );
    let in_use = UserSessionUpdate {
        session_id: other.session_id.clone(),
        ..change(clock)
    };
    assert_refused!(
        store
            .rotate_user_key(&one.key, &user_key("new"), in_use)
            .await,
        Error::AlreadyExists
    );

    assert_stored(store, [&one, &other]).await;
    assert_absent(store, &key("new")).await;
}

/// An expired row that holds the new key makes room.
pub async fn an_expired_row_with_the_new_key_is_displaced(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let old = with_sid("old", expired(clock, "new"));
    let session = session(clock, "key");
    given(store, [&old, &session]).await;

    assert!(rotate(store, &session.key, "new", change(clock)).await);

    let changed = changed(&session, &user_key("new"), &change(clock));
    assert_stored(store, [&changed]).await;
    assert_absent(store, &session.key).await;
}

/// Two expired rows, one with the new key and one with the session id, make room at once.
pub async fn two_expired_rows_are_displaced_at_once(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let same_key = expired(clock, "new");
    let same_session_id = with_sid("changed", expired(clock, "other"));
    let session = session(clock, "key");
    given(store, [&same_key, &same_session_id, &session]).await;

    assert!(rotate(store, &session.key, "new", change(clock)).await);

    let changed = changed(&session, &user_key("new"), &change(clock));
    assert_stored(store, [&changed]).await;
    assert!(
        !take_row(store, &same_session_id.key).await,
        "the expired row with the session id is gone"
    );
}

/// A rotation that does not happen displaces nothing: neither an absent session's nor a refused
/// one.
pub async fn a_rotation_in_vain_displaces_nothing(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let same_key = expired(clock, "new");
    let same_session_id = with_sid("changed", expired(clock, "other"));
    let session = session(clock, "key");
    given(store, [&same_key, &same_session_id, &session]).await;

    assert!(!rotate(store, &key("unknown"), "new", change(clock)).await);
    assert_refused!(
        store
            .rotate_user_key(
                &session.key,
                &user_key("new"),
                change(clock).with_if_version(1)
            )
            .await,
        Error::VersionMismatch
    );

    for row in [same_key, same_session_id] {
        assert!(take_row(store, &row.key).await, "the expired row is there");
    }
}

/// A rotation on condition of the stored version succeeds; of any other it changes nothing.
pub async fn the_stored_version_is_the_condition(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let session = UserSession {
        version: 1,
        ..session(clock, "key")
    };
    given(store, [&session]).await;
    let update = UserSessionUpdate::from(session.clone());
    assert!(rotate(store, &session.key, "key", update.clone()).await);

    // Three of them would be the stored one if their upper bits were lost.
    for version in [
        0,
        2,
        1 | 1 << 8,
        1 | 1 << 32,
        1 | 1 << 63,
        i64::MAX as u64,
        u64::MAX,
    ] {
        let mismatch = change(clock).with_if_version(version);
        assert_refused!(
            store
                .rotate_user_key(&session.key, &user_key("new"), mismatch)
                .await,
            Error::VersionMismatch
        );
        assert_stored(store, [&session]).await;
    }

    assert!(rotate(store, &session.key, "new", update.with_if_version(1)).await);
}

/// Bad input is told first, then absence, then another version, then a key in use.
pub async fn checks_answer_in_order(store: &dyn UserSessionStore, clock: &ManualClock) {
    let other = session(clock, "other");
    let session = session(clock, "key");
    given(store, [&other, &session]).await;
    let onto_other =
        |key, update| async move { store.rotate_user_key(key, &user_key("other"), update).await };
    let mismatch = change(clock).with_if_version(1);
    let unknown = key("unknown");
    let [invalid, ..] = invalid_timestamps();

    for key in [&session.key, &unknown] {
        let bad_time = UserSessionUpdate {
            renewed: invalid,
            ..mismatch.clone()
        };
        let bad_ticket = UserSessionUpdate {
            ticket: Ticket::from(vec![0; Ticket::DEFAULT_MAX_LEN + 1]),
            ..mismatch.clone()
        };
        assert_refused!(onto_other(key, bad_time).await, Error::InvalidTimestamp);
        assert_refused!(
            onto_other(key, bad_ticket).await,
            Error::TicketTooLarge { .. }
        );
    }
    assert!(!rotate(store, &unknown, "other", mismatch.clone()).await);
    assert_refused!(
        onto_other(&session.key, mismatch).await,
        Error::VersionMismatch
    );
    assert_refused!(
        onto_other(&session.key, change(clock).with_if_version(0)).await,
        Error::AlreadyExists
    );

    assert_stored(store, [&other, &session]).await;
}
