//! The cleanup on stores that fail, panic or take their time.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use store_core::{
    Error, InMemoryUserSessionStore, PartitionKey, Result, UserKey, UserSession, UserSessionKey,
    UserSessionStoreCleanup,
};
use store_tickets::{
    EndReason, SessionCleanup, SessionCleanupBuilder, SessionEvent, SessionEvents, SessionObservers,
};
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, timeout};

#[derive(Debug, Default)]
struct Counter(AtomicU32);

#[async_trait]
impl SessionEvents for Counter {
    async fn ended(&self, _: &SessionEvent, reason: EndReason) -> Result<(), store_core::BoxError> {
        assert_eq!(reason, EndReason::Expired);
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

fn expired() -> UserSession {
    let key = UserKey::try_from("key").unwrap();
    let at = "2026-01-01T00:00:00Z".parse().unwrap();
    let key = UserSessionKey::new(PartitionKey::default(), key);
    UserSession::new(key, None, at, "".into()).with_expires(at)
}

/// Fails, then panics, then has a session to end, then nothing.
#[derive(Debug, Default)]
struct Troubled {
    called: AtomicU32,
}

#[async_trait]
impl UserSessionStoreCleanup for Troubled {
    async fn delete_expired_sessions(&self) -> Result<u64> {
        unreachable!("there are observers")
    }

    async fn end_expired_sessions(&self, _: NonZeroU32) -> Result<Vec<UserSession>> {
        match self.called.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => Err(Error::unavailable("no database")),
            2 => panic!("a bug in the store"),
            3 => Ok(vec![expired()]),
            _ => Ok(Vec::new()),
        }
    }
}

fn watched(
    store: Arc<dyn UserSessionStoreCleanup>,
) -> (SessionCleanupBuilder, Arc<Counter>, SessionObservers) {
    let counter = Arc::new(Counter::default());
    let observers = SessionObservers::builder().shared(counter.clone()).build();
    let cleanup = SessionCleanup::builder(store).observers(observers.clone());
    (cleanup, counter, observers)
}

#[tokio::test(start_paused = true)]
async fn a_worker_survives_errors_and_panics_and_backs_off() {
    let store = Arc::new(Troubled::default());
    let (cleanup, counter, _) = watched(store.clone());
    let started = Instant::now();
    let worker = cleanup.jitter(false).build().spawn();
    while counter.0.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // 1, 2 and 4 seconds, each between half of it and all of it.
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(3500), "{took:?}");
    assert!(took <= Duration::from_millis(7500), "{took:?}");

    // Then the interval counts again.
    let calls = store.called.load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(9 * 60)).await;
    assert!(store.called.load(Ordering::SeqCst) <= calls + 1);
    tokio::time::sleep(Duration::from_secs(2 * 60)).await;
    assert!(store.called.load(Ordering::SeqCst) > calls);
    worker.shut_down().await;
}

#[tokio::test(start_paused = true)]
async fn first_runs_are_spread_over_the_interval() {
    let mut early = 0;
    for _ in 0..64 {
        let store = Arc::new(Troubled::default());
        let (cleanup, ..) = watched(store.clone());
        let worker = cleanup.build().spawn();
        tokio::time::sleep(Duration::from_secs(5 * 60)).await;
        early += u32::from(store.called.load(Ordering::SeqCst) > 0);
        drop(worker);
    }
    assert!(
        (8..=56).contains(&early),
        "{early} of 64 came in the first half"
    );
}

/// Hands out a session whenever it is allowed to.
#[derive(Debug)]
struct Slow {
    begun: Notify,
    may_finish: Semaphore,
}

#[async_trait]
impl UserSessionStoreCleanup for Slow {
    async fn delete_expired_sessions(&self) -> Result<u64> {
        self.begun.notify_one();
        std::future::pending().await
    }

    async fn end_expired_sessions(&self, _: NonZeroU32) -> Result<Vec<UserSession>> {
        self.begun.notify_one();
        self.may_finish
            .acquire()
            .await
            .expect("it is open")
            .forget();
        Ok(vec![expired()])
    }
}

fn slow() -> Arc<Slow> {
    Arc::new(Slow {
        begun: Notify::new(),
        may_finish: Semaphore::new(0),
    })
}

#[tokio::test]
async fn a_shutdown_finishes_the_batch_and_no_more() {
    let store = slow();
    let (cleanup, counter, observers) = watched(store.clone());
    let worker = cleanup.jitter(false).build().spawn();
    store.begun.notified().await;
    let mut shutdown = Box::pin(worker.shut_down());
    let waited = timeout(Duration::from_millis(50), &mut shutdown).await;
    assert!(waited.is_err(), "the batch is not finished");
    store.may_finish.add_permits(10);
    shutdown.await;
    observers.flush().await;
    assert_eq!(counter.0.load(Ordering::SeqCst), 1);
    assert_eq!(store.may_finish.available_permits(), 9);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_a_store_that_is_at_it_but_not_for_ever() {
    let store = slow();
    let worker = SessionCleanup::builder(store.clone())
        .jitter(false)
        .shutdown_patience(Duration::from_secs(3))
        .build()
        .spawn();
    store.begun.notified().await;
    let started = Instant::now();
    worker.shut_down().await;
    assert_eq!(started.elapsed().as_secs(), 3);
}

#[tokio::test]
async fn a_worker_that_is_dropped_stops() {
    let store: Arc<InMemoryUserSessionStore> = Arc::default();
    let weak = Arc::downgrade(&store);
    let worker = SessionCleanup::builder(store).build().spawn();
    drop(worker);
    for _ in 0..100 {
        if weak.strong_count() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the worker still has its store");
}
