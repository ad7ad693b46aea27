//! [`delete_user_sessions`](UserSessionStore::delete_user_sessions).

use super::ask::*;
use super::sample::*;
use crate::{ManualClock, UserSessionStore, UserSessionsFilter};

async fn delete(store: &dyn UserSessionStore, filter: &UserSessionsFilter) -> u64 {
    let answer = store.delete_user_sessions(&here(), filter).await;
    answer.expect("nothing refuses the deletion")
}

/// A deletion ends the sessions that match every field of its filter, and only those, and says how
/// many; an anonymous one matches no subject.
pub async fn every_field_of_the_filter_must_match(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let crowd = crowd(clock);
    given(store, &crowd).await;

    for (filter, expected) in filters() {
        let (matching, others): (Vec<_>, Vec<_>) = crowd
            .iter()
            .partition(|session| expected.contains(&session.key.user_key.as_str()));

        let deleted = delete(store, &filter).await;

        assert_eq!(deleted, expected.len() as u64, "{filter:?}");
        for session in &matching {
            assert_absent(store, &session.key).await;
        }
        assert_stored(store, others).await;
        given(store, matching).await;
    }
}

/// Expired sessions are deleted as live ones are, and counted.
pub async fn expired_sessions_are_deleted_too(store: &dyn UserSessionStore, clock: &ManualClock) {
    for (filter, expected) in filters() {
        let crowd = crowd(clock);
        given(store, &crowd).await;
        let_expire(clock);

        let deleted = delete(store, &filter).await;

        assert_eq!(deleted, expected.len() as u64, "{filter:?}");
        let mut left = Vec::new();
        for session in &crowd {
            if take_row(store, &session.key).await {
                left.push(session.key.user_key.as_str());
            }
        }
        let others = names(&crowd).into_iter();
        let others: Vec<_> = others.filter(|name| !expected.contains(name)).collect();
        assert_eq!(left, others, "the rows that {filter:?} leaves");
    }
}

/// What a deletion has ended, the next does not count again.
pub async fn a_session_is_counted_once(store: &dyn UserSessionStore, clock: &ManualClock) {
    given(store, [&session(clock, "live"), &expired(clock, "expired")]).await;

    assert_eq!(delete(store, &of_alice()).await, 2);
    assert_eq!(delete(store, &of_alice()).await, 0);
}
