//! [`end_expired_sessions`](UserSessionStoreCleanup::end_expired_sessions).

use std::num::NonZeroU32;

use super::ask::*;
use super::race::*;
use super::sample::*;
use crate::{
    Clock, MAX_LIMIT, ManualClock, UserSession, UserSessionStore, UserSessionStoreCleanup,
};

fn limit(limit: u32) -> NonZeroU32 {
    NonZeroU32::new(limit).expect("a limit is not zero")
}

/// Takes batches until one is empty: only that means that there are no more.
async fn end_all(cleanup: &dyn UserSessionStoreCleanup, limit: NonZeroU32) -> Vec<UserSession> {
    let mut ended = Vec::new();
    loop {
        let batch = cleanup.end_expired_sessions(limit).await;
        let batch = batch.expect("nothing keeps the cleanup from its work");
        assert!(
            batch.len() <= limit.min(MAX_LIMIT).get() as usize,
            "{} sessions in one batch",
            batch.len()
        );
        if batch.is_empty() {
            return ended;
        }
        ended.extend(batch);
        assert!(ended.len() < 5000, "there is no end to expired sessions");
    }
}

/// Every expired session, of every partition, is removed and handed back in full.
pub async fn every_expired_session_is_handed_back(
    store: &dyn UserSessionStore,
    cleanup: &dyn UserSessionStoreCleanup,
    clock: &ManualClock,
) {
    let mut ended = vec![
        of(None, older(5, with_sid("sid", session(clock, "1")))),
        UserSession {
            ticket: b"\0\xff'".as_slice().into(),
            ..session(clock, "2")
        },
        within(&partition("elsewhere"), session(clock, "1")),
    ];
    given(store, &ended).await;
    let renewed = ended[0].renewed + MICROSECOND;
    let renewal = store.renew_user_session(&ended[0].key, renewed, ended[0].expires);
    assert!(renewal.await.expect("nothing refuses the renewal"));
    ended[0].renewed = renewed;
    ended[0].version = 1;
    assert_eq!(end_all(cleanup, limit(100)).await, []);
    let_expire(clock);

    assert_eq!(sorted(end_all(cleanup, limit(100)).await), ended);

    for session in &ended {
        assert!(!take_row(store, &session.key).await, "the row is gone");
    }
}

/// Batches are no larger than asked for, and together they are all that had expired.
pub async fn batches_keep_to_the_limit(
    store: &dyn UserSessionStore,
    cleanup: &dyn UserSessionStoreCleanup,
    clock: &ManualClock,
) {
    for most in [1, 2, 5, 6] {
        let sessions = ["1", "2", "3", "4", "5"].map(|key| expired(clock, key));
        given(store, &sessions).await;

        let ended = end_all(cleanup, limit(most)).await;

        assert_eq!(sorted_names(&ended), names(&sessions), "by {most}");
    }
}

/// No batch is larger than 1,000 sessions, whatever was asked for.
pub async fn a_batch_is_no_larger_than_a_thousand(
    store: &dyn UserSessionStore,
    cleanup: &dyn UserSessionStoreCleanup,
    clock: &ManualClock,
) {
    let count = MAX_LIMIT.get() + 50;
    let sessions: Vec<_> = (0..count).map(|i| expired(clock, &i.to_string())).collect();
    given_many(store, sessions.clone()).await;

    let ended = end_all(cleanup, NonZeroU32::MAX).await;

    assert_eq!(sorted_names(&ended), sorted_names(&sessions));
}

/// A session ends from the moment on at which it expires, and not before; one without an expiry
/// never does, and a renewed one not at its first.
pub async fn live_sessions_stay(
    store: &dyn UserSessionStore,
    cleanup: &dyn UserSessionStoreCleanup,
    clock: &ManualClock,
) {
    let now = clock.now();
    let just_over = expired(clock, "just over");
    let live = session(clock, "live").with_expires(now + MICROSECOND);
    let renewed = session(clock, "renewed").with_expires(now + MICROSECOND);
    let forever = UserSession {
        expires: None,
        ..session(clock, "forever")
    };
    given(store, [&just_over, &live, &renewed, &forever]).await;
    let renewal = store.renew_user_session(&renewed.key, now, Some(now + HOUR));
    assert!(renewal.await.expect("nothing refuses the renewal"));

    assert_eq!(end_all(cleanup, limit(100)).await, [just_over]);
    assert_stored(store, [&live, &forever]).await;

    clock.set(now + MICROSECOND);
    assert_eq!(end_all(cleanup, limit(100)).await, [live]);
    assert_eq!(names(&alices(store).await), ["forever", "renewed"]);
}

/// Each session is handed to exactly one of those that end it at the same time, be it a cleanup or
/// a logout.
pub async fn each_session_is_handed_to_one(
    store: &dyn UserSessionStore,
    cleanup: &dyn UserSessionStoreCleanup,
    clock: &ManualClock,
) {
    let sessions: Vec<_> = (0..16).map(|i| expired(clock, &i.to_string())).collect();
    given(store, &sessions).await;
    let (here, filter) = (here(), of_alice());
    let cleanups = (0..8).map(|_| cleanup.end_expired_sessions(limit(3)));
    let logouts = (0..2).map(|_| store.end_user_sessions(&here, &filter));

    let race = race(cleanups.chain(logouts)).await;

    race.assert_none_refused();
    let told = names(race.succeeded.iter().flatten());
    race.assert_each_told_once(told, names(&sessions));
    assert_eq!(
        end_all(cleanup, limit(100)).await,
        [],
        "the logouts left these"
    );
}
