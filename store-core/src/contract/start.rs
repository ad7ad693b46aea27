//! [`start_user_session`](UserSessionStore::start_user_session).

use super::ask::*;
use super::sample::*;
use crate::{Clock, Error, ManualClock, StartPolicy, UserSession, UserSessionStore};

fn without_replacement() -> StartPolicy {
    StartPolicy {
        replace_same_session_id: false,
        ..StartPolicy::default()
    }
}

/// A started session is found as it was given, at version 0, and has displaced nothing.
pub async fn a_started_session_is_found(store: &dyn UserSessionStore, clock: &ManualClock) {
    let session = with_sid("sid", session(clock, "key"));
    let given = UserSession {
        version: 7,
        ..session.clone()
    };

    let displaced = start(store, &given, &StartPolicy::default()).await;

    assert_eq!(displaced, []);
    assert_stored(store, [&session]).await;
}

/// A session with the same session id ends, and is handed back in full, whoever's it was.
pub async fn the_session_with_the_same_session_id_ends(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let old = session(clock, "old");
    given(store, [&old]).await;
    let update = change(clock);
    let updated = store.update_user_session(&old.key, update.clone()).await;
    assert!(updated.expect("nothing refuses the update"));
    let new = with_sid("changed", session(clock, "new"));

    let displaced = start(store, &new, &StartPolicy::default()).await;

    assert_eq!(displaced, [changed(&old, &old.key.user_key, &update)]);
    assert_absent(store, &old.key).await;
    assert_stored(store, [&new]).await;
}

/// An expired session with the same session id is handed back too.
pub async fn an_expired_session_with_the_same_session_id_is_handed_back(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    for policy in [StartPolicy::default(), without_replacement()] {
        let old = with_sid("sid", expired(clock, "old"));
        let new = with_sid("sid", session(clock, "new"));
        given(store, [&old]).await;

        let displaced = start(store, &new, &policy).await;

        assert_eq!(displaced, std::slice::from_ref(&old), "{policy:?}");
        assert_stored(store, [&new]).await;
        assert!(!take_row(store, &old.key).await, "the expired row is gone");
        assert!(take_row(store, &new.key).await, "the new session has a row");
    }
}

/// Where the policy is not to replace it, a live session with the same session id is in the way.
pub async fn without_replacement_a_live_session_id_is_in_the_way(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let old = with_sid("sid", session(clock, "old"));
    let new = with_sid("sid", session(clock, "new"));
    given(store, [&old]).await;

    assert_refused!(
        store
            .start_user_session(new.clone(), &without_replacement())
            .await,
        Error::AlreadyExists
    );

    assert_stored(store, [&old]).await;
    assert_absent(store, &new.key).await;
}

/// Sessions without a session id do not replace each other, and none ends without a cap.
pub async fn without_a_session_id_and_a_cap_nothing_ends(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let sessions = ["1", "2", "3"].map(|key| session(clock, key));

    for session in &sessions {
        assert_eq!(start(store, session, &StartPolicy::default()).await, []);
    }

    assert_stored(store, &sessions).await;
}

/// The key of a session that this start has ended may be used again.
pub async fn the_key_of_an_ended_session_may_be_used_again(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let first = with_sid("sid", older(2, session(clock, "key")));
    let second = with_sid("sid", older(1, session(clock, "key")));
    let third = session(clock, "key");
    given(store, [&first]).await;

    let replaced = start(store, &second, &StartPolicy::default()).await;
    assert_eq!(replaced, [first]);
    assert_stored(store, [&second]).await;

    let oldest = start(store, &third, &at_most(1)).await;
    assert_eq!(oldest, [second]);
    assert_stored(store, [&third]).await;
}

/// Any other live session with the key is in the way, and nothing has ended then.
pub async fn any_other_live_key_is_in_the_way(store: &dyn UserSessionStore, clock: &ManualClock) {
    let same_sid = with_sid("sid", older(3, session(clock, "same sid")));
    let oldest = older(2, session(clock, "oldest"));
    let same_key = older(1, session(clock, "key"));
    let new = with_sid("sid", session(clock, "key"));
    given(store, [&same_sid, &oldest, &same_key]).await;

    for policy in [StartPolicy::default(), at_most(2), at_most(10)] {
        assert_refused!(
            store.start_user_session(new.clone(), &policy).await,
            Error::AlreadyExists
        );
        assert_stored(store, [&same_sid, &oldest, &same_key]).await;
    }
}

/// An expired row with the same key makes room, and is handed back.
pub async fn an_expired_row_with_the_same_key_is_handed_back(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let old = of(subject("bob"), with_sid("old", expired(clock, "key")));
    let new = session(clock, "key");
    given(store, [&old]).await;

    let displaced = start(store, &new, &StartPolicy::default()).await;

    assert_eq!(displaced, [old]);
    assert_stored(store, [&new]).await;
}

/// What was displaced is ordered by creation, and what was created at once by the bytes of its key.
pub async fn displaced_sessions_are_ordered_by_creation_and_key(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let sessions = [
        older(4, session(clock, "4")),
        older(3, expired(clock, "new")),
        older(2, session(clock, "10")),
        older(2, session(clock, "9")),
        older(2, session(clock, "B")),
        older(2, session(clock, "a")),
        with_sid("sid", older(1, session(clock, "1"))),
    ];
    given(store, sessions.iter().rev()).await;
    let new = with_sid("sid", session(clock, "new"));

    let displaced = start(store, &new, &at_most(1)).await;

    assert_eq!(displaced, sessions);
    assert_eq!(alices(store).await, [new]);
}

/// A full subject loses its oldest session, no more, and none while there is room.
pub async fn a_full_subject_loses_its_oldest_session(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let forever = UserSession {
        expires: None,
        ..older(3, session(clock, "forever"))
    };
    let others = [older(2, session(clock, "2")), older(1, session(clock, "1"))];
    let fourth = session(clock, "0");

    for session in [&forever, &others[1], &others[0]] {
        assert_eq!(start(store, session, &at_most(3)).await, []);
    }
    assert_eq!(start(store, &fourth, &at_most(3)).await, [forever]);

    assert_eq!(names(&alices(store).await), ["2", "1", "0"]);
}

/// Of sessions created at once, those end first whose keys come first by their bytes.
pub async fn keys_decide_among_sessions_created_at_once(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let sessions = ["a", "é", "B", "10", "9"].map(|key| older(1, session(clock, key)));
    given(store, &sessions).await;

    let displaced = start(store, &session(clock, "new"), &at_most(3)).await;

    assert_eq!(names(&displaced), ["10", "9", "B"]);
    assert_eq!(names(&alices(store).await), ["a", "é", "new"]);
}

/// A cap that was lowered ends as many as it takes.
pub async fn a_lowered_cap_ends_several(store: &dyn UserSessionStore, clock: &ManualClock) {
    let sessions = [5, 4, 3, 2, 1].map(|age| older(age, session(clock, &age.to_string())));
    given(store, &sessions).await;
    let new = session(clock, "new");

    let displaced = start(store, &new, &at_most(2)).await;

    assert_eq!(displaced, sessions[..4]);
    assert_eq!(alices(store).await, [sessions[4].clone(), new]);
}

/// The largest of caps is no cap.
pub async fn the_largest_cap_ends_nothing(store: &dyn UserSessionStore, clock: &ManualClock) {
    for (key, policy) in [("1", at_most(u32::MAX)), ("2", at_most_or_reject(u32::MAX))] {
        assert_eq!(start(store, &session(clock, key), &policy).await, []);
    }
}

/// Where the policy is to reject, a full subject starts no session, and nothing changes.
pub async fn a_full_subject_may_be_refused(store: &dyn UserSessionStore, clock: &ManualClock) {
    let sessions = [
        with_sid("sid", older(2, session(clock, "same sid"))),
        older(1, session(clock, "1")),
        older(1, session(clock, "2")),
    ];
    let same_key = with_sid("old", expired(clock, "new"));
    given(store, sessions.iter().chain([&same_key])).await;
    let new = with_sid("sid", session(clock, "new"));

    for max in [1, 2] {
        assert_refused!(
            store
                .start_user_session(new.clone(), &at_most_or_reject(max))
                .await,
            Error::SessionLimitReached
        );
        assert_stored(store, &sessions).await;
        assert_absent(store, &new.key).await;
    }
    assert!(take_row(store, &new.key).await, "the expired row is there");

    let displaced = start(store, &new, &at_most_or_reject(3)).await;
    assert_eq!(names(&displaced), ["same sid"]);
}

/// The session that is replaced does not count toward the cap.
pub async fn the_replaced_session_does_not_count(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let other = older(9, session(clock, "other"));
    let first = with_sid("sid", older(3, session(clock, "1")));
    let second = with_sid("sid", older(2, session(clock, "2")));
    let third = with_sid("sid", older(1, session(clock, "3")));
    given(store, [&other, &first]).await;

    assert_eq!(start(store, &second, &at_most(2)).await, [first]);
    assert_eq!(start(store, &third, &at_most_or_reject(2)).await, [second]);

    assert_stored(store, [&other, &third]).await;
}

/// Expired sessions neither count toward the cap nor end because of it.
pub async fn expired_sessions_do_not_count(store: &dyn UserSessionStore, clock: &ManualClock) {
    let old = ["old 1", "old 2"].map(|key| older(5, expired(clock, key)));
    given(store, &old).await;
    let first = older(1, session(clock, "1"));
    let second = session(clock, "2");

    assert_eq!(start(store, &first, &at_most_or_reject(1)).await, []);
    assert_eq!(start(store, &second, &at_most(1)).await, [first]);

    for row in old {
        assert!(take_row(store, &row.key).await, "the expired row is there");
    }
}

/// Anonymous sessions have no cap.
pub async fn anonymous_sessions_have_no_cap(store: &dyn UserSessionStore, clock: &ManualClock) {
    let sessions = ["1", "2", "3"].map(|key| of(None, session(clock, key)));

    for session in &sessions {
        assert_eq!(start(store, session, &at_most_or_reject(1)).await, []);
    }

    assert_stored(store, &sessions).await;
}

/// Sessions of another subject, or of nobody, neither count toward the cap nor end because of it.
pub async fn others_sessions_do_not_count(store: &dyn UserSessionStore, clock: &ManualClock) {
    let others = [
        of(subject("bob"), older(1, session(clock, "bob"))),
        of(subject("Alice"), older(1, session(clock, "Alice"))),
        of(subject("alice "), older(1, session(clock, "alice "))),
        of(None, older(1, session(clock, "nobody"))),
    ];
    given(store, &others).await;
    let first = older(1, session(clock, "1"));
    let second = session(clock, "2");

    assert_eq!(start(store, &first, &at_most_or_reject(1)).await, []);
    assert_eq!(start(store, &second, &at_most(1)).await, [first]);

    assert_stored(store, &others).await;
}

/// A session is in the way, or counts, until the moment it expires.
pub async fn a_session_counts_until_it_expires(store: &dyn UserSessionStore, clock: &ManualClock) {
    let first = session(clock, "key");
    given(store, [&first]).await;
    let_expire(clock);
    let expiry = clock.now();
    let (same_key, other) = (session(clock, "key"), session(clock, "other"));

    clock.set(expiry - MICROSECOND);
    assert_refused!(
        store
            .start_user_session(same_key.clone(), &StartPolicy::default())
            .await,
        Error::AlreadyExists
    );
    assert_refused!(
        store
            .start_user_session(other.clone(), &at_most_or_reject(1))
            .await,
        Error::SessionLimitReached
    );

    clock.set(expiry);
    assert_eq!(
        start(store, &same_key, &StartPolicy::default()).await,
        [first]
    );
    assert_eq!(start(store, &other, &at_most_or_reject(2)).await, []);
}
