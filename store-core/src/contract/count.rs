//! [`count_user_sessions`](UserSessionDirectory::count_user_sessions).

use super::ask::*;
use super::sample::*;
use crate::{
    Clock, ManualClock, PartitionKey, UserSession, UserSessionDirectory, UserSessionStore,
};

async fn count(
    directory: &dyn UserSessionDirectory,
    partition: &PartitionKey,
    subject_id: Option<&str>,
) -> u64 {
    let subject_id = subject_id.map(subject);
    let answer = directory.count_user_sessions(partition, subject_id.as_ref());
    answer.await.expect("the store answers")
}

/// Everybody's sessions are counted, or one subject's; an anonymous one is nobody's.
pub async fn everybodys_or_a_subjects_sessions_are_counted(
    store: &dyn UserSessionStore,
    directory: &dyn UserSessionDirectory,
    clock: &ManualClock,
) {
    assert_eq!(count(directory, &here(), None).await, 0);
    given(store, &crowd(clock)).await;
    given(store, [&of(subject("Alice"), session(clock, "Alice"))]).await;

    for (subject_id, expected) in [
        (None, 6),
        (Some("alice"), 3),
        (Some("Alice"), 1),
        (Some("alice "), 0),
        (Some("bob"), 1),
        (Some("carol"), 0),
    ] {
        let counted = count(directory, &here(), subject_id).await;
        assert_eq!(counted, expected, "{subject_id:?}");
    }
}

/// Only live sessions are counted: until the moment they expire.
pub async fn only_live_sessions_are_counted(
    store: &dyn UserSessionStore,
    directory: &dyn UserSessionDirectory,
    clock: &ManualClock,
) {
    let forever = UserSession {
        expires: None,
        ..session(clock, "forever")
    };
    let hour = session(clock, "for an hour");
    given(store, [&forever, &hour, &expired(clock, "expired")]).await;
    let_expire(clock);
    let expiry = clock.now();

    for (now, expected) in [(expiry - MICROSECOND, 2), (expiry, 1)] {
        clock.set(now);
        assert_eq!(count(directory, &here(), None).await, expected);
        assert_eq!(count(directory, &here(), Some("alice")).await, expected);
    }
}

/// Only the partition's own sessions are counted.
pub async fn partitions_are_counted_apart(
    store: &dyn UserSessionStore,
    directory: &dyn UserSessionDirectory,
    clock: &ManualClock,
) {
    for (i, key) in ["", "there", "There", "there "].into_iter().enumerate() {
        for session_key in 0..=i {
            let session = session(clock, &session_key.to_string());
            given(store, [&within(&partition(key), session)]).await;
        }
    }

    for (key, expected) in [
        ("", 1),
        ("there", 2),
        ("There", 3),
        ("there ", 4),
        ("elsewhere", 0),
    ] {
        let partition = partition(key);
        for subject_id in [None, Some("alice")] {
            let counted = count(directory, &partition, subject_id).await;
            assert_eq!(counted, expected, "{partition:?}");
        }
    }
}
