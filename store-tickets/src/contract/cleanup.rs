//! [`SessionCleanup`].

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use store_core::{CleanupLease, CleanupLeaseGuard, ManualClock};

use super::TicketStoreBase;
use super::sample::*;
use crate::{CleanupRun, EndReason, SessionCleanup};

/// Expired sessions are removed, in every partition, and each is told; live ones stay.
pub async fn expired_sessions_are_removed_and_told<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let recorder = Arc::default();
    let [tickets, ..] = four_nodes(&store, &clock, &recorder);
    let elsewhere = tickets.in_partition("elsewhere".parse().expect("a partition"));
    for _ in 0..7 {
        log_in(&tickets, "alice").await;
        log_in(&elsewhere, "alice").await;
    }
    clock.advance(HOUR);
    let live = log_in(&tickets, "bob").await;

    let cleanup = tickets
        .cleanup(store.clone())
        .batch_size(NonZeroU32::new(3).expect("three"))
        .build();
    let run = cleanup.run_once().await.unwrap();
    assert_eq!(run, CleanupRun::Finished { removed: 14 });
    let run = cleanup.run_once().await.unwrap();
    assert_eq!(run, CleanupRun::Finished { removed: 0 });
    assert!(is_live(&tickets, &live).await);
    tickets.observers().flush().await;
    assert_eq!(recorder.ends().len(), 14);
    assert_eq!(recorder.reasons(), [EndReason::Expired; 14]);
}

/// Where nobody is told, the store removes them by itself.
pub async fn without_observers_the_store_removes_them<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let tickets = node(&store, &clock);
    for _ in 0..5 {
        log_in(&tickets, "alice").await;
    }
    clock.advance(HOUR);
    let live = log_in(&tickets, "bob").await;
    let run = SessionCleanup::builder(store).build().run_once().await;
    assert_eq!(run.unwrap(), CleanupRun::Finished { removed: 5 });
    assert!(is_live(&tickets, &live).await);
}

/// Four cleanups at the same time remove and tell each session once.
pub async fn four_cleanups_tell_each_end_once<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let recorder = Arc::default();
    let nodes = four_nodes(&store, &clock, &recorder);
    for _ in 0..50 {
        log_in(&nodes[0], "alice").await;
    }
    clock.advance(HOUR);
    let runs = nodes.iter().map(|tickets| {
        let cleanup = tickets
            .cleanup(store.clone())
            .batch_size(NonZeroU32::new(4).expect("four"))
            .pause(Duration::ZERO)
            .build();
        tokio::spawn(async move { cleanup.run_once().await })
    });
    let mut sum = 0;
    for run in join_all(runs).await {
        match run.expect("no panic").expect("no failure") {
            CleanupRun::Finished { removed } => sum += removed,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(sum, 50);
    for tickets in &nodes {
        tickets.observers().flush().await;
    }
    let ends = recorder.ends();
    assert_eq!(ends.len(), 50);
    assert!(
        ends.values()
            .all(|reasons| reasons[..] == [EndReason::Expired])
    );
}

/// The worker removes what expires, and what it has removed when it is shut down has been told.
pub async fn the_worker_runs_and_shuts_down<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let recorder = Arc::default();
    let [tickets, ..] = four_nodes(&store, &clock, &recorder);
    let worker = tickets
        .cleanup(store.clone())
        .interval(Duration::from_millis(20))
        .batch_size(NonZeroU32::new(2).expect("two"))
        .build()
        .spawn();
    for _ in 0..20 {
        log_in(&tickets, "alice").await;
    }
    clock.advance(HOUR);
    eventually("the worker has come by", async || {
        !recorder.ends().is_empty()
    })
    .await;
    worker.shut_down().await;
    tickets.observers().flush().await;
    let told = recorder.ends().len();
    let cleanup = SessionCleanup::builder(store).build();
    let rest = cleanup.run_once().await.unwrap();
    let removed = 20 - told as u64;
    assert_eq!(rest, CleanupRun::Finished { removed }, "no end is untold");
}

/// A lease that one node at a time may have, within this process.
#[derive(Clone, Debug, Default)]
struct OneAtATime(Arc<AtomicBool>);

#[async_trait]
impl CleanupLease for OneAtATime {
    async fn try_acquire(&self) -> store_core::Result<Option<Box<dyn CleanupLeaseGuard>>> {
        let taken = self.0.swap(true, Ordering::SeqCst);
        Ok((!taken).then(|| Box::new(self.clone()) as Box<dyn CleanupLeaseGuard>))
    }
}

#[async_trait]
impl CleanupLeaseGuard for OneAtATime {
    async fn release(self: Box<Self>) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// Where the database says that another node is at it, nothing is done, and it is done once that
/// node has finished.
pub async fn a_lease_that_another_has_leaves_it_to_him<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let tickets = node(&store, &clock);
    log_in(&tickets, "alice").await;
    clock.advance(HOUR);
    let lease = OneAtATime::default();
    let cleanup = SessionCleanup::builder(store)
        .lease(Arc::new(lease.clone()))
        .build();
    let anothers = lease.try_acquire().await.unwrap().expect("nobody has it");
    let run = cleanup.run_once().await.unwrap();
    assert_eq!(run, CleanupRun::LeftToAnother);
    anothers.release().await;
    for removed in [1, 0] {
        let run = cleanup.run_once().await.unwrap();
        assert_eq!(run, CleanupRun::Finished { removed });
    }
}
