//! [`update_user_session`](UserSessionStore::update_user_session).

use super::ask::*;
use super::sample::*;
use crate::{
    Clock, Error, ManualClock, Ticket, UserSession, UserSessionKey, UserSessionStore,
    UserSessionUpdate, UserSessionsFilter,
};

async fn update(
    store: &dyn UserSessionStore,
    key: &UserSessionKey,
    update: UserSessionUpdate,
) -> bool {
    let answer = store.update_user_session(key, update).await;
    answer.expect("nothing refuses the update")
}

/// An update replaces all six fields, keeps the key, and adds one to the version.
pub async fn an_update_replaces_the_six_fields(store: &dyn UserSessionStore, clock: &ManualClock) {
    let session = with_sid("sid", session(clock, "key"));
    given(store, [&session]).await;

    assert!(update(store, &session.key, change(clock)).await);

    let changed = changed(&session, &session.key.user_key, &change(clock));
    assert_stored(store, [&changed]).await;
}

/// An update that differs in one field from what is stored changes that field, with a condition on the
/// version and without one.
pub async fn a_field_may_change_by_itself(store: &dyn UserSessionStore, clock: &ManualClock) {
    let mut stored = with_sid("sid", session(clock, "key"));
    given(store, [&stored]).await;
    let kept = UserSessionUpdate::from(stored.clone());
    let (but, other) = (|| kept.clone(), change(clock));
    let changes = [
        UserSessionUpdate {
            subject_id: other.subject_id,
            ..but()
        },
        UserSessionUpdate {
            subject_id: None,
            ..but()
        },
        UserSessionUpdate {
            session_id: other.session_id,
            ..but()
        },
        UserSessionUpdate {
            session_id: None,
            ..but()
        },
        UserSessionUpdate {
            created: other.created,
            ..but()
        },
        UserSessionUpdate {
            renewed: other.renewed,
            ..but()
        },
        UserSessionUpdate {
            expires: other.expires,
            ..but()
        },
        UserSessionUpdate {
            expires: None,
            ..but()
        },
        UserSessionUpdate {
            ticket: other.ticket,
            ..but()
        },
    ];

    for change in changes {
        for is_conditional in [false, true] {
            for mut change in [change.clone(), but()] {
                change.if_version = is_conditional.then_some(stored.version);
                assert!(update(store, &stored.key, change.clone()).await);
                stored = changed(&stored, &stored.key.user_key, &change);
                assert_stored(store, [&stored]).await;
            }
        }
    }
}

/// An update may take away the subject, the session id and the expiry.
pub async fn what_is_optional_may_be_taken_away(store: &dyn UserSessionStore, clock: &ManualClock) {
    let session = with_sid("sid", session(clock, "key"));
    given(store, [&session]).await;
    let bare = UserSessionUpdate {
        subject_id: None,
        session_id: None,
        expires: None,
        ..change(clock)
    };

    assert!(update(store, &session.key, bare.clone()).await);

    assert_stored(store, [&changed(&session, &session.key.user_key, &bare)]).await;
    let holds_the_old_session_id = UserSession {
        key: key("other"),
        ..session
    };
    given(store, [&holds_the_old_session_id]).await;
}

/// An updated session is found under its new subject and session id, and no longer under the old.
pub async fn an_updated_session_is_found_by_its_new_fields(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let session = with_sid("sid", session(clock, "key"));
    given(store, [&session]).await;

    assert!(update(store, &session.key, change(clock)).await);

    for (filter, expected) in [
        (of_alice(), 0),
        (UserSessionsFilter::for_session(session_id("sid")), 0),
        (UserSessionsFilter::for_subject(subject("bob")), 1),
        (UserSessionsFilter::for_session(session_id("changed")), 1),
    ] {
        let found = store.get_user_sessions(&here(), &filter).await;
        let found = found.expect("the store answers").len();
        assert_eq!(found, expected, "{filter:?}");
    }
}

/// Every update adds one to the version, also one that changes no field.
pub async fn every_update_counts(store: &dyn UserSessionStore, clock: &ManualClock) {
    let session = session(clock, "key");
    given(store, [&session]).await;

    for version in 1..=3 {
        assert!(update(store, &session.key, session.clone().into()).await);
        let session = UserSession {
            version,
            ..session.clone()
        };
        assert_stored(store, [&session]).await;
    }
}

/// An update never inserts: a session that was never there, or is no longer, stays away.
pub async fn an_absent_session_is_not_inserted(store: &dyn UserSessionStore, clock: &ManualClock) {
    let ended = session(clock, "ended");
    given(store, [&ended]).await;
    assert!(take_row(store, &ended.key).await, "it has a row");

    for key in [ended.key, key("unknown")] {
        assert!(!update(store, &key, change(clock)).await);
        assert_absent(store, &key).await;
        assert!(!take_row(store, &key).await, "the update inserted a row");
    }
}

/// A session is updated until the moment it expires; its row stays as it is from then on.
pub async fn an_expired_session_is_not_updated(store: &dyn UserSessionStore, clock: &ManualClock) {
    let session = session(clock, "key");
    given(store, [&session]).await;
    let before = clock.now();
    let_expire(clock);

    assert!(!update(store, &session.key, change(clock)).await);

    clock.set(before);
    assert_stored(store, [&session]).await;
}

/// An update to an expiry that has passed succeeds, and is the last.
pub async fn an_update_may_let_a_session_expire(store: &dyn UserSessionStore, clock: &ManualClock) {
    let session = session(clock, "key");
    given(store, [&session]).await;
    let over = UserSessionUpdate::from(session.clone().with_expires(clock.now()));

    assert!(update(store, &session.key, over.clone()).await);

    assert_absent(store, &session.key).await;
    assert!(!update(store, &session.key, over).await);
}

/// An update on condition of the stored version succeeds.
pub async fn the_stored_version_is_the_condition(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let session = session(clock, "key");
    given(store, [&session]).await;

    for version in 0..3 {
        let change = change(clock).with_if_version(version);
        assert!(
            update(store, &session.key, change).await,
            "version {version}"
        );
    }
}

/// An update on condition of any other version changes nothing, also of one that no database holds.
pub async fn another_version_is_a_mismatch(store: &dyn UserSessionStore, clock: &ManualClock) {
    let created = session(clock, "key");
    given(store, [&created]).await;
    let twice = UserSession {
        version: 2,
        ..created.clone()
    };
    for _ in 0..twice.version {
        assert!(update(store, &created.key, created.clone().into()).await);
    }

    // Three of them would be the stored one if their upper bits were lost.
    for version in [
        0,
        1,
        3,
        2 | 1 << 8,
        2 | 1 << 32,
        2 | 1 << 63,
        i64::MAX as u64,
        u64::MAX,
    ] {
        let change = change(clock).with_if_version(version);
        assert_refused!(
            store.update_user_session(&created.key, change).await,
            Error::VersionMismatch
        );
        assert_stored(store, [&twice]).await;
    }
}

/// A session id that another live session holds is refused, and nothing changes.
pub async fn a_session_id_in_use_is_refused(store: &dyn UserSessionStore, clock: &ManualClock) {
    let one = with_sid("one", session(clock, "one"));
    let other = with_sid("other", session(clock, "other"));
    given(store, [&one, &other]).await;
    let change = UserSessionUpdate {
        session_id: other.session_id.clone(),
        ..change(clock)
    };

    assert_refused!(
        store.update_user_session(&one.key, change).await,
        Error::AlreadyExists
    );

    assert_stored(store, [&one, &other]).await;
}

/// A session's own session id is not in its way.
pub async fn its_own_session_id_may_be_kept(store: &dyn UserSessionStore, clock: &ManualClock) {
    let session = with_sid("sid", session(clock, "key"));
    given(store, [&session]).await;
    let kept = with_ticket("changed", &session);

    assert!(update(store, &session.key, kept.clone()).await);

    assert_stored(store, [&changed(&session, &session.key.user_key, &kept)]).await;
}

/// An expired row that holds the session id makes room.
pub async fn an_expired_row_with_the_session_id_is_displaced(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let old = with_sid("changed", expired(clock, "old"));
    let session = session(clock, "key");
    given(store, [&old, &session]).await;

    assert!(update(store, &session.key, change(clock)).await);

    let changed = changed(&session, &session.key.user_key, &change(clock));
    assert_stored(store, [&changed]).await;
    assert!(!take_row(store, &old.key).await, "the expired row is gone");
}

/// An update that does not happen displaces nothing: neither an absent session's nor a refused one.
pub async fn an_update_in_vain_displaces_nothing(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let old = with_sid("changed", expired(clock, "old"));
    let session = session(clock, "key");
    given(store, [&old, &session]).await;

    assert!(!update(store, &key("unknown"), change(clock)).await);
    assert_refused!(
        store
            .update_user_session(&session.key, change(clock).with_if_version(1))
            .await,
        Error::VersionMismatch
    );

    assert!(take_row(store, &old.key).await, "the expired row is there");
}

/// Bad input is told first, also of an absent session and at another version.
pub async fn bad_input_is_told_first(store: &dyn UserSessionStore, clock: &ManualClock) {
    let session = session(clock, "key");
    given(store, [&session]).await;
    let [invalid, ..] = invalid_timestamps();

    for key in [&session.key, &key("unknown")] {
        let bad_time = UserSessionUpdate {
            renewed: invalid,
            ..change(clock).with_if_version(1)
        };
        let bad_ticket = UserSessionUpdate {
            ticket: Ticket::from(vec![0; Ticket::DEFAULT_MAX_LEN + 1]),
            ..change(clock).with_if_version(1)
        };
        assert_refused!(
            store.update_user_session(key, bad_time).await,
            Error::InvalidTimestamp
        );
        assert_refused!(
            store.update_user_session(key, bad_ticket).await,
            Error::TicketTooLarge { .. }
        );
    }
}

/// Absence is told before a version or a session id that does not fit.
pub async fn absence_is_told_second(store: &dyn UserSessionStore, clock: &ManualClock) {
    let other = with_sid("changed", session(clock, "other"));
    let old = expired(clock, "old");
    given(store, [&other, &old]).await;

    for key in [&old.key, &key("unknown")] {
        for if_version in [None, Some(0), Some(1)] {
            let change = UserSessionUpdate {
                if_version,
                ..change(clock)
            };
            assert!(!update(store, key, change).await, "{if_version:?}");
        }
    }
}

/// Another version is told before a session id that is in use.
pub async fn a_mismatch_is_told_before_a_session_id_in_use(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let other = with_sid("changed", session(clock, "other"));
    let session = session(clock, "key");
    given(store, [&other, &session]).await;

    let [mismatch, holds] = [1, 0].map(|version| change(clock).with_if_version(version));
    assert_refused!(
        store.update_user_session(&session.key, mismatch).await,
        Error::VersionMismatch
    );
    assert_refused!(
        store.update_user_session(&session.key, holds).await,
        Error::AlreadyExists
    );

    assert_stored(store, [&other, &session]).await;
}
