//! [`end_user_sessions`](UserSessionStore::end_user_sessions).

use super::ask::*;
use super::sample::*;
use crate::{ManualClock, UserSession, UserSessionStore, UserSessionsFilter};

async fn end(store: &dyn UserSessionStore, filter: &UserSessionsFilter) -> Vec<UserSession> {
    let answer = store.end_user_sessions(&here(), filter).await;
    answer.expect("nothing refuses the ending")
}

/// The sessions that match every field of the filter end, and only those, and are handed back; an
/// anonymous one matches no subject.
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

        let ended = end(store, &filter).await;

        assert_eq!(sorted_names(&ended), expected, "{filter:?}");
        for session in &matching {
            assert_absent(store, &session.key).await;
        }
        assert_stored(store, others).await;
        given(store, matching).await;
    }
}

/// Expired sessions end as live ones do, and are handed back.
pub async fn expired_sessions_end_too(store: &dyn UserSessionStore, clock: &ManualClock) {
    for (filter, expected) in filters() {
        let crowd = crowd(clock);
        given(store, &crowd).await;
        let_expire(clock);

        let ended = end(store, &filter).await;

        assert_eq!(sorted_names(&ended), expected, "{filter:?}");
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

/// Ended sessions come in full, as they were last: with their tickets and their versions.
pub async fn ended_sessions_come_in_full(store: &dyn UserSessionStore, clock: &ManualClock) {
    let session = older(5, session(clock, "key"));
    given(store, [&session]).await;
    let update = change(clock);
    let updated = store
        .update_user_session(&session.key, update.clone())
        .await;
    assert!(updated.expect("nothing refuses the update"));

    let ended = end(store, &UserSessionsFilter::for_subject(subject("bob"))).await;

    assert_eq!(ended, [changed(&session, &session.key.user_key, &update)]);
}

/// What has ended once is not handed back again.
pub async fn a_session_is_handed_back_once(store: &dyn UserSessionStore, clock: &ManualClock) {
    given(store, [&session(clock, "one"), &session(clock, "other")]).await;

    assert_eq!(end(store, &of_alice()).await.len(), 2);
    assert_eq!(end(store, &of_alice()).await, []);
}
