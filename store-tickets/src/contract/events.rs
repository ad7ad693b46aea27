//! Who is told what.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use store_core::{BoxError, ManualClock, StartPolicy, UserSessionsFilter, WhenFull};
use tokio::task::JoinSet;

use super::TicketStoreBase;
use super::sample::*;
use crate::{AuditLog, EndReason, SessionEvent, SessionEvents, SessionObservers, SessionPolicy};

/// Four nodes clean up, log out, revoke, replace and find broken tickets at the same time: each end
/// is told once, and every session that is gone was told.
pub async fn each_end_is_told_once_whatever_four_nodes_do<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let recorder = Arc::default();
    let nodes = four_nodes(&store, &clock, &recorder);
    let mut keys = Vec::new();
    let mut secrets = Vec::new();
    let begin = async |subject_id: &str, sid: String| {
        let ticket = ticket(subject_id).with_session_id(session_id(&sid));
        nodes[0].store(ticket).await.expect("a session begins")
    };
    for number in 0..16 {
        let (secret, stored) = begin("expired", format!("expired-{number}")).await;
        keys.push(stored.key().clone());
        secrets.push(secret);
    }
    clock.advance(HOUR);
    for subject_id in ["logged-out", "revoked", "replaced", "broken"] {
        for number in 0..8 {
            let (secret, stored) = begin(subject_id, format!("{subject_id}-{number}")).await;
            if subject_id == "broken" {
                tamper(&store, stored.key(), &b"\x01 broken"[..]).await;
            }
            keys.push(stored.key().clone());
            secrets.push(secret);
        }
    }

    let mut work = JoinSet::new();
    for tickets in nodes.clone() {
        let cleanup = tickets
            .cleanup(store.clone())
            .batch_size(NonZeroU32::new(3).expect("three"))
            .pause(Duration::ZERO)
            .build();
        work.spawn(async move {
            let _ = cleanup.run_once().await.expect("a cleanup");
        });
        let (node, all) = (tickets.clone(), secrets.clone());
        work.spawn(async move {
            for secret in all.iter().skip(16).take(8) {
                node.remove(secret, EndReason::LoggedOut)
                    .await
                    .expect("a logout");
            }
        });
        let node = tickets.clone();
        work.spawn(async move {
            for subject_id in ["revoked", "expired", "logged-out"] {
                let revoked = node.revoke(&of(subject_id), EndReason::Revoked).await;
                revoked.expect("a revocation");
            }
        });
        let (node, all) = (tickets.clone(), secrets.clone());
        work.spawn(async move {
            for secret in all.iter().rev().take(8) {
                assert!(!is_live(&node, secret).await);
            }
        });
    }
    let node = nodes[1].clone();
    work.spawn(async move {
        for number in 0..8 {
            let sid = session_id(&format!("replaced-{number}"));
            let again = ticket("again").with_session_id(sid);
            node.store(again).await.expect("a session begins");
        }
    });
    while let Some(done) = work.join_next().await {
        done.expect("nothing panics");
    }

    for tickets in &nodes {
        tickets.observers().flush().await;
    }
    let ends = recorder.ends();
    assert_eq!(ends.len(), keys.len(), "all have ended, and no others");
    for key in &keys {
        let reasons = ends.get(key).expect("its end was told");
        assert_eq!(reasons.len(), 1, "told more than once: {reasons:?}");
    }
}

/// Every reason for an end is told as what it is, with the session's subject and session id.
pub async fn every_reason_is_told<S: TicketStoreBase>(store: Arc<S>, clock: Arc<ManualClock>) {
    let recorder = Arc::default();
    let policy = SessionPolicy {
        start: StartPolicy {
            max_sessions_per_subject: NonZeroU32::new(1),
            when_full: WhenFull::EndOldest,
            ..StartPolicy::default()
        },
        ..policy(HOUR, 2 * HOUR)
    };
    let tickets = builder(&store, &clock)
        .policy(policy)
        .observers(observed_by(&recorder))
        .build();
    let begin = async |sid: &str| {
        let ticket = ticket("alice").with_session_id(session_id(sid));
        super::sample::store(&tickets, ticket).await
    };
    let filter = UserSessionsFilter::for_session(session_id("d"));

    begin("a").await;
    begin("a").await;
    begin("b").await;
    let secret = begin("c").await;
    tickets.remove(&secret, EndReason::LoggedOut).await.unwrap();
    begin("d").await;
    tickets
        .revoke(&filter, EndReason::BackChannel)
        .await
        .unwrap();
    begin("d").await;
    tickets
        .revoke(&of("alice"), EndReason::Revoked)
        .await
        .unwrap();
    begin("e").await;
    clock.advance(HOUR);
    begin("e").await;
    clock.advance(HOUR);
    let _ = tickets
        .cleanup(store.clone())
        .build()
        .run_once()
        .await
        .unwrap();
    let secret = begin("f").await;
    clock.advance(HOUR);
    assert!(tickets.remove(&secret, EndReason::LoggedOut).await.unwrap());
    let secret = begin("g").await;
    tamper(&store, session(&tickets, &secret).await.key(), &b""[..]).await;
    assert!(!is_live(&tickets, &secret).await);

    tickets.observers().flush().await;
    assert_eq!(
        recorder.reasons(),
        [
            EndReason::Replaced,
            EndReason::OverCap,
            EndReason::OverCap,
            EndReason::LoggedOut,
            EndReason::BackChannel,
            EndReason::Revoked,
            EndReason::Expired,
            EndReason::Expired,
            EndReason::LoggedOut,
            EndReason::Undecipherable,
        ]
    );
    let told = recorder.told();
    assert_eq!(told[0].1, Told::Created);
    assert_eq!(told[1].1, Told::Authenticated);
    for (session, _) in told.iter().filter(|(session, _)| session.created.is_some()) {
        assert_eq!(session.subject_id, Some(subject("alice")));
        assert!(session.session_id.is_some());
    }
}

#[derive(Debug)]
struct Failing;

#[derive(Debug)]
struct Hanging;

#[derive(Debug)]
struct Panicking;

#[async_trait]
impl SessionEvents for Failing {
    async fn created(&self, _: &SessionEvent) -> Result<(), BoxError> {
        Err("this observer always fails".into())
    }
}

#[async_trait]
impl SessionEvents for Hanging {
    async fn created(&self, _: &SessionEvent) -> Result<(), BoxError> {
        std::future::pending().await
    }
}

#[async_trait]
impl SessionEvents for Panicking {
    async fn created(&self, _: &SessionEvent) -> Result<(), BoxError> {
        panic!("this observer always panics")
    }
}

/// Observers that fail, hang or panic keep neither requests nor other observers from going on, and
/// are told what comes after.
pub async fn observers_that_fail_hang_or_panic_harm_nobody<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let recorder: Arc<Recorder> = Arc::default();
    let observers = SessionObservers::builder()
        .observer(Failing)
        .observer(Hanging)
        .observer(Panicking)
        .shared(Arc::clone(&recorder) as Arc<dyn SessionEvents>)
        .observer(AuditLog::new())
        .timeout(Duration::from_millis(20))
        .build();
    let tickets = builder(&store, &clock).observers(observers).build();
    let mut secrets = Vec::new();
    for _ in 0..5 {
        secrets.push(log_in(&tickets, "alice").await);
    }
    for secret in &secrets {
        assert!(tickets.remove(secret, EndReason::LoggedOut).await.unwrap());
    }
    tickets.observers().flush().await;
    assert_eq!(recorder.told().len(), 15);
}

/// An observer that is too far behind loses events, and nobody waits for it.
pub async fn a_full_queue_loses_events_and_blocks_nobody<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let recorder: Arc<Recorder> = Arc::default();
    let observers = SessionObservers::builder()
        .observer(Hanging)
        .capacity(NonZeroUsize::new(2).expect("two"))
        .build();
    let tickets = builder(&store, &clock).observers(observers).build();
    let recorded = builder(&store, &clock)
        .observers(observed_by(&recorder))
        .build();
    let begun = tokio::time::timeout(Duration::from_secs(60), async {
        for _ in 0..50 {
            log_in(&tickets, "alice").await;
            log_in(&recorded, "bob").await;
        }
    });
    begun.await.expect("nobody waits for the observer");
    recorded.observers().flush().await;
    assert_eq!(recorder.told().len(), 100);
}

/// A logout whose request is dropped half-way ends the session, and is told.
pub async fn an_operation_that_is_dropped_goes_on<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let recorder = Arc::default();
    let [tickets, ..] = four_nodes(&store, &clock, &recorder);
    let secret = log_in(&tickets, "alice").await;
    // Polled once, and never again.
    let logout = tickets.remove(&secret, EndReason::LoggedOut);
    let polled = tokio::time::timeout(Duration::ZERO, logout).await;
    drop(polled);
    eventually("its end is told", async || {
        tickets.observers().flush().await;
        !recorder.ends().is_empty()
    })
    .await;
    assert!(!is_live(&tickets, &secret).await);
    assert_eq!(recorder.reasons(), [EndReason::LoggedOut]);
}
