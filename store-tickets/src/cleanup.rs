//! The background worker that removes expired sessions.

mod lease;
mod run;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use store_core::{CleanupLease, Clock, SystemClock, UserSessionStoreCleanup};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use self::lease::EveryNode;
pub use self::run::CleanupRun;
use crate::SessionObservers;

/// Removes expired sessions, of every partition, every now and then.
///
/// With observers it removes them in batches and tells each end; without, it has the store remove
/// them, which loads none of them. Any number of nodes may do it at the same time: each expired
/// session is removed and told by one of them. A run that fails is reported and tried again sooner,
/// with growing delays. The first run comes at a random point within the first interval, so that
/// nodes that start together do not clean up together.
///
/// ```
/// # use std::sync::Arc;
/// # use store_core::InMemoryUserSessionStore;
/// # use store_tickets::{SessionCleanup, SessionObservers};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let store = Arc::new(InMemoryUserSessionStore::new());
/// let worker = SessionCleanup::builder(store).build().spawn();
/// // When the process is about to end:
/// worker.shut_down().await;
/// # }
/// ```
#[derive(Debug)]
pub struct SessionCleanup {
    store: Arc<dyn UserSessionStoreCleanup>,
    observers: SessionObservers,
    clock: Arc<dyn Clock>,
    lease: Arc<dyn CleanupLease>,
    interval: Duration,
    jitter: bool,
    batch_size: NonZeroU32,
    pause: Duration,
    shutdown_patience: Duration,
}

impl SessionCleanup {
    /// A cleanup of this store that tells nobody, everything else at its defaults.
    /// [`ServerSideTicketStore::cleanup`](crate::ServerSideTicketStore::cleanup) makes one that
    /// tells the ticket store's observers.
    pub fn builder(store: Arc<dyn UserSessionStoreCleanup>) -> SessionCleanupBuilder {
        const BATCH_SIZE: NonZeroU32 = NonZeroU32::new(100).unwrap();
        SessionCleanupBuilder(Self {
            store,
            observers: SessionObservers::none(),
            clock: Arc::new(SystemClock),
            lease: Arc::new(EveryNode),
            interval: Duration::from_secs(10 * 60),
            jitter: true,
            batch_size: BATCH_SIZE,
            pause: Duration::from_millis(10),
            shutdown_patience: Duration::from_secs(10),
        })
    }

    /// Starts the worker, on the Tokio runtime that this is called in.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn spawn(self) -> SessionCleanupWorker {
        let stop = CancellationToken::new();
        let task = tokio::spawn(self.work(stop.clone()));
        SessionCleanupWorker { stop, task }
    }
}

/// Makes a [`SessionCleanup`].
#[derive(Debug)]
#[must_use]
pub struct SessionCleanupBuilder(SessionCleanup);

impl SessionCleanupBuilder {
    /// Who is told which sessions have expired. Default: nobody.
    pub fn observers(mut self, observers: SessionObservers) -> Self {
        self.0.observers = observers;
        self
    }

    /// The clock that says when a session was found to have expired; which ones have, the store's
    /// own clock decides. Default: the system's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.0.clock = clock;
        self
    }

    /// Who may clean up, if not [every node](EveryNode) at any time: `store-seaorm`'s store is a
    /// lease as well.
    pub fn lease(mut self, lease: Arc<dyn CleanupLease>) -> Self {
        self.0.lease = lease;
        self
    }

    /// How long after the end of one run the next begins. Default: 10 minutes.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.0.interval = interval;
        self
    }

    /// Whether the first run comes at a random point within the first interval; if not, it comes at
    /// once. Default: true.
    pub fn jitter(mut self, jitter: bool) -> Self {
        self.0.jitter = jitter;
        self
    }

    /// How many sessions to remove at a time, when there are observers; the store has a limit too.
    /// Default: 100; SQLite lets nobody else write meanwhile.
    pub fn batch_size(mut self, batch_size: NonZeroU32) -> Self {
        self.0.batch_size = batch_size;
        self
    }

    /// How long to let others have the database between two batches, at the least: it is four times
    /// what the batch took, if that is longer, but no more than a second. Default: 10 ms.
    pub fn pause(mut self, pause: Duration) -> Self {
        self.0.pause = pause;
        self
    }

    /// How long a shutdown waits for the store to finish a removal without observers, which is not
    /// cut into batches here, before it is dropped; a store keeps what it has removed then. Default:
    /// 10 seconds.
    pub fn shutdown_patience(mut self, patience: Duration) -> Self {
        self.0.shutdown_patience = patience;
        self
    }

    /// The cleanup.
    pub fn build(self) -> SessionCleanup {
        self.0
    }
}

/// A [`SessionCleanup`] at work. It stops at its next batch when this is dropped.
#[derive(Debug)]
#[must_use = "the worker stops when this is dropped"]
pub struct SessionCleanupWorker {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl SessionCleanupWorker {
    /// Stops the worker, once it has finished the batch that it is at and told the ends in it, and
    /// waits for that.
    pub async fn shut_down(mut self) {
        self.stop.cancel();
        // Its panics are caught where they happen, so it ends in order or with the runtime.
        let _ = (&mut self.task).await;
    }
}

impl Drop for SessionCleanupWorker {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
