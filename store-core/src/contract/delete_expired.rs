//! [`delete_expired_sessions`](UserSessionStoreCleanup::delete_expired_sessions).

use futures::future::FutureExt as _;

use super::ask::*;
use super::race::*;
use super::sample::*;
use crate::{
    Clock, MAX_LIMIT, ManualClock, UserSession, UserSessionStore, UserSessionStoreCleanup,
    UserSessionUpdate,
};

async fn clean(cleanup: &dyn UserSessionStoreCleanup) -> u64 {
    let answer = cleanup.delete_expired_sessions().await;
    answer.expect("nothing keeps the cleanup from its work")
}

/// A cleanup removes every expired session, in every partition, and says how many; the next one
/// finds none.
pub async fn every_expired_session_is_removed(
    store: &dyn UserSessionStore,
    cleanup: &dyn UserSessionStoreCleanup,
    clock: &ManualClock,
) {
    let elsewhere = partition("elsewhere");
    let mut sessions = ["1", "2", "3"].map(|key| session(clock, key)).to_vec();
    sessions.push(of(None, with_sid("sid", session(clock, "nobody"))));
    let copies = sessions.iter().cloned();
    let copies: Vec<_> = copies.map(|session| within(&elsewhere, session)).collect();
    sessions.extend(copies);
    given(store, &sessions).await;
    assert_eq!(clean(cleanup).await, 0);
    let_expire(clock);

    assert_eq!(clean(cleanup).await, 8);

    assert_eq!(clean(cleanup).await, 0);
    for session in &sessions {
        assert!(!take_row(store, &session.key).await, "the row is gone");
    }
}

/// A session is removed from the moment on at which it expires, and not before; one without an
/// expiry never is.
pub async fn live_sessions_stay(
    store: &dyn UserSessionStore,
    cleanup: &dyn UserSessionStoreCleanup,
    clock: &ManualClock,
) {
    let now = clock.now();
    let just_over = expired(clock, "just over");
    let live = session(clock, "live").with_expires(now + MICROSECOND);
    let forever = UserSession {
        expires: None,
        ..session(clock, "forever")
    };
    given(store, [&just_over, &live, &forever]).await;

    assert_eq!(clean(cleanup).await, 1);
    assert_stored(store, [&live, &forever]).await;

    clock.set(now + MICROSECOND);
    assert_eq!(clean(cleanup).await, 1);
    clock.set(at("9999-12-31T23:59:59.999999Z"));
    assert_eq!(clean(cleanup).await, 0);
    assert_stored(store, [&forever]).await;
}

/// A renewed session stays past its first expiry.
pub async fn a_renewed_session_stays(
    store: &dyn UserSessionStore,
    cleanup: &dyn UserSessionStoreCleanup,
    clock: &ManualClock,
) {
    let session = session(clock, "key");
    given(store, [&session]).await;
    let expires = Some(clock.now() + HOUR * 2);
    let renewed = store
        .renew_user_session(&session.key, clock.now(), expires)
        .await;
    assert!(renewed.expect("nothing refuses the renewal"));
    let_expire(clock);

    assert_eq!(clean(cleanup).await, 0);

    let session = UserSession {
        expires,
        version: 1,
        ..session
    };
    assert_stored(store, [&session]).await;
}

/// A session that was to live longer, and is made to expire earlier in whatever way, is removed from
/// then on.
pub async fn an_earlier_expiry_holds(
    store: &dyn UserSessionStore,
    cleanup: &dyn UserSessionStoreCleanup,
    clock: &ManualClock,
) {
    let sessions = ["renewed", "updated", "given to bob", "rotated"];
    let sessions = sessions.map(|key| session(clock, key).with_expires(clock.now() + HOUR * 2));
    given(store, &sessions).await;
    let [renewed, updated, given_to_bob, rotated] = &sessions;
    let expires = Some(clock.now() + HOUR);
    let earlier = |session: &UserSession| UserSessionUpdate {
        expires,
        ..session.clone().into()
    };
    let to_bob = UserSessionUpdate {
        subject_id: Some(subject("bob")),
        ..earlier(given_to_bob)
    };
    let new_key = user_key("new");
    let changes = [
        store.renew_user_session(&renewed.key, clock.now(), expires),
        store.update_user_session(&updated.key, earlier(updated)),
        store.update_user_session(&given_to_bob.key, to_bob),
        store.rotate_user_key(&rotated.key, &new_key, earlier(rotated)),
    ];
    for change in changes {
        assert!(change.await.expect("nothing refuses it"));
    }
    assert_eq!(clean(cleanup).await, 0);
    let_expire(clock);

    assert_eq!(clean(cleanup).await, 4);
}

/// One call removes all there is, however many batches that takes.
pub async fn one_call_removes_more_than_a_batch(
    store: &dyn UserSessionStore,
    cleanup: &dyn UserSessionStoreCleanup,
    clock: &ManualClock,
) {
    let count = MAX_LIMIT.get() + 50;
    let sessions = (0..count).map(|i| expired(clock, &i.to_string()));
    given_many(store, sessions.collect()).await;

    assert_eq!(clean(cleanup).await, u64::from(count));
    assert_eq!(clean(cleanup).await, 0);
}

/// What cleanups at the same time say that they have removed adds up, with what others remove.
pub async fn what_is_removed_at_once_adds_up(
    store: &dyn UserSessionStore,
    cleanup: &dyn UserSessionStoreCleanup,
    clock: &ManualClock,
) {
    let sessions: Vec<_> = (0..16).map(|i| expired(clock, &i.to_string())).collect();
    given(store, &sessions).await;
    let (here, filter) = (here(), of_alice());
    let cleanups = (0..4).map(|_| cleanup.delete_expired_sessions());
    let deletions = sessions[..4].iter().map(|session| {
        async {
            let deleted = store.delete_user_session(&session.key).await?;
            Ok(u64::from(deleted))
        }
        .boxed()
    });
    let by_filter = [store.delete_user_sessions(&here, &filter)];

    let race = race(cleanups.chain(deletions).chain(by_filter)).await;

    race.assert_none_refused();
    // A cleanup that fails half-way answers what it has done so far: others do the rest.
    let rest = clean(cleanup).await;
    let told = (race.succeeded.iter().sum::<u64>() + rest) as usize;
    race.assert_told(told, sessions.len(), "removals");
}

/// A session that is renewed in time stays, however close a cleanup comes.
pub async fn a_session_renewed_meanwhile_stays(
    store: &dyn UserSessionStore,
    cleanup: &dyn UserSessionStoreCleanup,
    clock: &ManualClock,
) {
    let sessions: Vec<_> = (0..16).map(|i| session(clock, &i.to_string())).collect();
    given(store, &sessions).await;
    let now = clock.now();
    let expires = Some(now + HOUR * 2);
    let renewals = sessions.iter().map(|session| {
        async move {
            let renewal = store.renew_user_session(&session.key, now, expires);
            Ok((renewal.await?.then_some(session), 0))
        }
        .boxed()
    });
    let mut calls: Vec<_> = renewals.collect();
    for place in [5, 10] {
        let cleaning = async {
            clock.set(now + HOUR);
            Ok((None, cleanup.delete_expired_sessions().await?))
        };
        calls.insert(place, cleaning.boxed());
    }

    let race = race(calls).await;

    race.assert_none_refused();
    let rest = clean(cleanup).await;
    let live = alices(store).await;
    let renewed: Vec<_> = race.succeeded.iter().filter_map(|told| told.0).collect();
    for session in &renewed {
        let name = session.key.user_key.as_str();
        let is_live = names(&live).contains(&name);
        assert!(is_live, "{name} was renewed and removed");
    }
    race.assert_told(renewed.len(), live.len(), "renewals");
    let removed = race.succeeded.iter().map(|told| told.1).sum::<u64>() + rest;
    race.assert_told(removed as usize, sessions.len() - live.len(), "removals");
}
