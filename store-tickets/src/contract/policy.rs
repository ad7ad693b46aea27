//! How long sessions last, and how many there are.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures::future::join_all;
use store_core::{
    Clock, Error as StoreError, ManualClock, StartPolicy, UserSessionUpdate, WhenFull,
};

use super::TicketStoreBase;
use super::sample::*;
use crate::{
    AuthenticationTicket, Renewal, SessionKind, SessionLifetime, SessionPolicy, TicketError,
};

const MICROSECOND: Duration = Duration::from_micros(1);

/// A session is renewed when more than half of its window has passed, and not before: then it lasts
/// for a whole window again.
pub async fn renewal_is_due_after_half_the_window<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let recorder = Arc::default();
    let tickets = builder(&store, &clock)
        .policy(policy(2 * HOUR, 100 * HOUR))
        .observers(observed_by(&recorder))
        .build();
    let secret = log_in(&tickets, "alice").await;
    let renew = async || {
        let mut stored = session(&tickets, &secret).await;
        let renewal = tickets.renew(&mut stored).await.unwrap();
        let found = session(&tickets, &secret).await;
        assert_eq!(found.expires(), stored.expires());
        assert_eq!(found.renewed(), stored.renewed());
        assert_eq!(found.version(), stored.version());
        (renewal, stored.expires().unwrap() - clock.now())
    };

    assert_eq!(renew().await, (Renewal::NotDue, TimeDelta::hours(2)));
    clock.advance(HOUR);
    assert_eq!(renew().await, (Renewal::NotDue, TimeDelta::hours(1)));
    clock.advance(MICROSECOND);
    assert_eq!(renew().await, (Renewal::Renewed, TimeDelta::hours(2)));
    assert_eq!(renew().await, (Renewal::NotDue, TimeDelta::hours(2)));
    clock.advance(2 * HOUR - MICROSECOND);
    assert_eq!(renew().await, (Renewal::Renewed, TimeDelta::hours(2)));

    let mut stored = session(&tickets, &secret).await;
    clock.advance(2 * HOUR);
    assert_eq!(tickets.renew(&mut stored).await.unwrap(), Renewal::Ended);
    assert!(!is_live(&tickets, &secret).await);
    tickets.observers().flush().await;
    let renewals = recorder
        .told()
        .iter()
        .filter(|(_, told)| *told == Told::Renewed)
        .count();
    assert_eq!(renewals, 2);
}

/// The absolute limit stays where it was at login, whatever is renewed, changed or rotated, and
/// whatever the policy is by then.
pub async fn the_absolute_limit_never_moves<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let tickets = builder(&store, &clock)
        .policy(policy(HOUR, 3 * HOUR))
        .build();
    let generous = builder(&store, &clock)
        .policy(policy(HOUR, 300 * HOUR))
        .build();
    let mut secret = log_in(&tickets, "alice").await;
    let ends = clock.now() + TimeDelta::hours(3);
    for _ in 0..4 {
        clock.advance(HOUR * 2 / 3);
        let mut stored = session(&generous, &secret).await;
        let _ = generous.renew(&mut stored).await.unwrap();
        generous
            .modify(&secret, |ticket| ticket.data.number += 1)
            .await
            .unwrap();
        (secret, _) = generous.rotate(&secret).await.unwrap().unwrap();
        assert_eq!(session(&tickets, &secret).await.ends(), Some(ends));
    }
    let mut stored = session(&tickets, &secret).await;
    assert_eq!(stored.expires(), Some(ends));
    clock.set(ends - TimeDelta::microseconds(1));
    assert_eq!(tickets.renew(&mut stored).await.unwrap(), Renewal::NotDue);
    assert!(is_live(&tickets, &secret).await);
    clock.set(ends);
    assert!(!is_live(&tickets, &secret).await);
}

/// A clock that goes back, or a node whose clock is slow, neither renews nor shortens a session,
/// and one that is fast does not take from the others what is theirs.
pub async fn a_clock_that_goes_back_changes_nothing<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let lifetimes = policy(2 * HOUR, 24 * HOUR);
    let tickets = builder(&store, &clock).policy(lifetimes.clone()).build();
    let secret = log_in(&tickets, "alice").await;
    let mut stored = session(&tickets, &secret).await;
    let expires = stored.expires();
    let right = clock.now();
    for back in [1, 60 * 60, 365 * 24 * 60 * 60] {
        clock.set(right - TimeDelta::seconds(back));
        assert_eq!(tickets.renew(&mut stored).await.unwrap(), Renewal::NotDue);
        assert_eq!(session(&tickets, &secret).await.expires(), expires);
    }

    clock.set(right);
    let fast = Arc::new(ManualClock::new(right + TimeDelta::minutes(90)));
    let fast = builder(&store, &fast).policy(lifetimes).build();
    assert_eq!(fast.renew(&mut stored).await.unwrap(), Renewal::Renewed);
    let later = stored.expires();
    assert!(later > expires);
    // The others neither shorten it, nor renew it before its own half has passed: that is 90
    // minutes and an hour from now.
    for (advanced, expected) in [
        (HOUR, Renewal::NotDue),
        (HOUR, Renewal::NotDue),
        (HOUR / 2, Renewal::NotDue),
        (MICROSECOND, Renewal::Renewed),
    ] {
        clock.advance(advanced);
        let mut found = session(&tickets, &secret).await;
        assert_eq!(tickets.renew(&mut found).await.unwrap(), expected);
        assert!(session(&tickets, &secret).await.expires() >= later);
    }
}

/// A session is live until its expiry, and over at it.
pub async fn a_session_expires_at_its_end_and_not_before<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let tickets = builder(&store, &clock)
        .policy(policy(HOUR, 3 * HOUR))
        .build();
    let secret = log_in(&tickets, "alice").await;
    let stored = session(&tickets, &secret).await;
    assert_eq!(stored.expires_in(clock.now()), Some(TimeDelta::hours(1)));
    clock.advance(HOUR - MICROSECOND);
    assert!(is_live(&tickets, &secret).await);
    clock.advance(MICROSECOND);
    assert!(!is_live(&tickets, &secret).await);
    assert_eq!(stored.expires_in(clock.now()), Some(TimeDelta::zero()));
    clock.advance(HOUR);
    assert_eq!(stored.expires_in(clock.now()), Some(TimeDelta::zero()));
}

/// Remembered sessions have lifetimes of their own, and keep them.
pub async fn remembered_sessions_have_lifetimes_of_their_own<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let days = |days: u32| days * 24 * HOUR;
    let tickets = builder(&store, &clock)
        .policy(SessionPolicy {
            permanent: SessionLifetime {
                idle: Some(days(14)),
                absolute: Some(days(20)),
            },
            ..policy(HOUR, 12 * HOUR)
        })
        .build();
    let temporary = log_in(&tickets, "alice").await;
    let remembered = ticket("alice").with_kind(SessionKind::Permanent);
    let remembered = super::sample::store(&tickets, remembered).await;
    clock.advance(days(13));
    assert!(!is_live(&tickets, &temporary).await);
    let mut stored = session(&tickets, &remembered).await;
    assert_eq!(stored.ticket.kind(), SessionKind::Permanent);
    assert_eq!(tickets.renew(&mut stored).await.unwrap(), Renewal::Renewed);
    assert_eq!(
        stored.expires(),
        Some(stored.created() + TimeDelta::days(20))
    );

    // For ever, if that is the policy.
    let for_ever = builder(&store, &clock)
        .policy(SessionPolicy {
            permanent: SessionLifetime {
                idle: None,
                absolute: None,
            },
            ..SessionPolicy::default()
        })
        .build();
    let secret = ticket("bob").with_kind(SessionKind::Permanent);
    let secret = super::sample::store(&for_ever, secret).await;
    clock.advance(days(365_000));
    let mut stored = session(&for_ever, &secret).await;
    assert_eq!((stored.expires(), stored.ends()), (None, None));
    assert_eq!(for_ever.renew(&mut stored).await.unwrap(), Renewal::NotDue);
}

/// Without sliding, a session lasts for its window from its beginning.
pub async fn without_sliding_nothing_is_renewed<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let tickets = builder(&store, &clock)
        .policy(SessionPolicy {
            sliding: false,
            ..policy(HOUR, 3 * HOUR)
        })
        .build();
    let secret = log_in(&tickets, "alice").await;
    clock.advance(HOUR - MICROSECOND);
    let mut stored = session(&tickets, &secret).await;
    assert_eq!(tickets.renew(&mut stored).await.unwrap(), Renewal::NotDue);
    clock.advance(MICROSECOND);
    assert!(!is_live(&tickets, &secret).await);
}

/// A subject has as many sessions as the policy allows, however many begin at the same time: the
/// oldest end, or the new one is refused.
pub async fn the_cap_ends_the_oldest_or_rejects<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let capped = |when_full| {
        let start = StartPolicy {
            max_sessions_per_subject: NonZeroU32::new(3),
            when_full,
            ..StartPolicy::default()
        };
        let policy = SessionPolicy {
            start,
            ..SessionPolicy::default()
        };
        builder(&store, &clock).policy(policy).build()
    };
    let tickets = capped(WhenFull::EndOldest);
    let oldest = log_in(&tickets, "alice").await;
    for _ in 0..3 {
        clock.advance(Duration::from_secs(1));
        assert!(is_live(&tickets, &oldest).await);
        log_in(&tickets, "alice").await;
    }
    assert!(!is_live(&tickets, &oldest).await);
    join_all((0..12).map(|_| log_in(&tickets, "alice"))).await;
    assert_eq!(
        tickets.get_user_tickets(&of("alice")).await.unwrap().len(),
        3
    );

    let strict = capped(WhenFull::Reject);
    let error = strict.store(ticket("alice")).await.unwrap_err();
    assert!(matches!(
        error,
        TicketError::Store(StoreError::SessionLimitReached)
    ));
    log_in(&strict, "bob").await;
}

/// Visitors who have not signed in have sessions, which no cap and no subject's filter knows.
pub async fn visitors_have_no_cap_and_no_subject<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let recorder = Arc::default();
    let start = StartPolicy {
        max_sessions_per_subject: NonZeroU32::new(1),
        ..StartPolicy::default()
    };
    let tickets = builder(&store, &clock)
        .policy(SessionPolicy {
            start,
            ..SessionPolicy::default()
        })
        .observers(observed_by(&recorder))
        .build();
    let mut secrets = Vec::new();
    for _ in 0..3 {
        let visitor = AuthenticationTicket::anonymous(Customer::default());
        secrets.push(super::sample::store(&tickets, visitor).await);
    }
    for secret in &secrets {
        assert_eq!(session(&tickets, secret).await.ticket.subject_id(), None);
    }
    tickets.observers().flush().await;
    let told = recorder.told();
    assert_eq!(told.len(), 3);
    assert!(told.iter().all(|(_, told)| *told == Told::Created));
}

/// Whoever moves the expiry in the table does not make a session last beyond its absolute limit.
pub async fn a_moved_expiry_does_not_outlive_the_absolute_limit<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let tickets = builder(&store, &clock)
        .policy(policy(HOUR, 2 * HOUR))
        .build();
    let secret = log_in(&tickets, "alice").await;
    let key = session(&tickets, &secret).await.key().clone();
    let moved = UserSessionUpdate {
        expires: None,
        ..row(&store, &key).await.into()
    };
    store.update_user_session(&key, moved).await.unwrap();
    clock.advance(2 * HOUR - MICROSECOND);
    assert!(is_live(&tickets, &secret).await);
    clock.advance(MICROSECOND);
    assert!(!is_live(&tickets, &secret).await);
}
