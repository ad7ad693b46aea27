//! Nodes that share a database, tasks that begin together, and a tally of what they were answered.

use std::ops::Deref;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use store_core::{Error, ManualClock, PartitionKey, Result, UserSession, UserSessionStore};
use store_seaorm::SeaOrmUserSessionStore;
use store_tests::sessions::{manual_clock, partition, rows};
use store_tests::{DatabaseKind, TestDatabase};
use tokio::sync::Barrier;

/// How far ahead of the first node's clock that of a fast one is.
pub(crate) const AHEAD: Duration = Duration::from_secs(60 * 60);

/// Servers have a hundred connections or so, and other tests want some of them.
const CONNECTIONS_OF_A_NODE: u32 = 10;

/// Two nodes of a host, each with a store and a pool of its own, on one database. (A database in
/// memory has but one connection, which they share.)
pub(crate) struct Nodes {
    clock: Arc<ManualClock>,
    nodes: [Node; 2],
    began: Instant,
    // Dropped last: the others are connected to it.
    database: TestDatabase,
}

impl Nodes {
    /// Nodes whose clocks agree.
    pub(crate) async fn new(database: TestDatabase) -> Self {
        Self::second_ahead_by(Duration::ZERO, database).await
    }

    /// Nodes of which the second's clock is [`AHEAD`].
    pub(crate) async fn with_a_fast_one(database: TestDatabase) -> Self {
        Self::second_ahead_by(AHEAD, database).await
    }

    async fn second_ahead_by(ahead: Duration, database: TestDatabase) -> Self {
        let (clock, fast_clock) = (manual_clock(), manual_clock());
        fast_clock.advance(ahead);
        let builder = || {
            let builder = SeaOrmUserSessionStore::builder();
            builder.max_connections(CONNECTIONS_OF_A_NODE)
        };
        let first = builder().clock(clock.clone());
        let first = first.connect(database.url()).await.unwrap();
        store_migration::up(first.connection()).await.unwrap();
        let second = builder().clock(fast_clock);
        let second = match database.kind() {
            DatabaseKind::SqliteMemory => second.build(first.connection().clone()),
            _ => second.connect(database.url()).await.unwrap(),
        };
        let tally = Arc::new(Tally::default());
        let nodes = [first, second].map(|store| Node {
            store,
            tally: Arc::clone(&tally),
        });
        Self {
            clock,
            nodes,
            began: Instant::now(),
            database,
        }
    }

    /// The first node's clock.
    pub(crate) fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// The node that the task of this number is on: neighbours are on different ones.
    pub(crate) fn of_task(&self, task: usize) -> Node {
        self.nodes[task % self.nodes.len()].clone()
    }

    /// The node with the clock that is right.
    pub(crate) fn first(&self) -> Node {
        self.of_task(0)
    }

    /// The node with the clock that may be fast.
    pub(crate) fn second(&self) -> Node {
        self.of_task(1)
    }

    /// Puts sessions there, before a race.
    pub(crate) async fn given(&self, sessions: impl IntoIterator<Item = &UserSession>) {
        for session in sessions {
            self.first()
                .create_user_session(session.clone())
                .await
                .unwrap();
        }
    }

    /// The rows of a partition, whether they have expired or not, ordered by key.
    pub(crate) async fn rows(&self, partition: &PartitionKey) -> Vec<UserSession> {
        let mut rows = rows(self.first().connection()).await;
        rows.retain(|session| session.key.partition_key == *partition);
        rows
    }

    /// Checks that the database was there for nearly all of the calls, and says how long they took.
    pub(crate) fn finish(self) {
        let kind = self.database.kind();
        let (calls, unavailable) = self.nodes[0].tally.counts();
        println!(
            "{} on {kind}: {calls} calls, {unavailable} unavailable, {:.1?}",
            thread::current().name().unwrap_or("a race"),
            self.began.elapsed()
        );
        assert!(calls > 0, "no answer was looked at");
        assert!(
            unavailable * 50 <= calls,
            "{unavailable} of {calls} calls were unavailable on {kind}, more than 1 in 50"
        );
    }
}

/// A node: its store, and where it keeps count of the answers.
#[derive(Clone)]
pub(crate) struct Node {
    store: SeaOrmUserSessionStore,
    tally: Arc<Tally>,
}

impl Node {
    /// An answer to a call that nothing refuses. None if the database was unavailable: on a healthy
    /// server that is a refusal, and nothing has happened.
    pub(crate) fn answered<T>(&self, answer: Result<T>) -> Option<T> {
        match self.outcome(answer) {
            Outcome::Done(answer) => Some(answer),
            Outcome::Refused(error) => panic!("nothing refuses this call, but: {error:?}"),
            Outcome::Unavailable => None,
        }
    }

    /// How a call came off.
    ///
    /// # Panics
    /// At an error that is neither a refusal nor `Unavailable`.
    pub(crate) fn outcome<T>(&self, answer: Result<T>) -> Outcome<T> {
        self.tally.calls.fetch_add(1, Relaxed);
        match answer {
            Ok(answer) => Outcome::Done(answer),
            Err(
                error
                @ (Error::AlreadyExists | Error::VersionMismatch | Error::SessionLimitReached),
            ) => Outcome::Refused(error),
            Err(error) if error.is_transient() => {
                self.tally.unavailable.fetch_add(1, Relaxed);
                eprintln!("unavailable: {error:?}");
                Outcome::Unavailable
            }
            Err(error) => panic!("a race is no reason for {error:?}"),
        }
    }
}

impl Deref for Node {
    type Target = SeaOrmUserSessionStore;

    fn deref(&self) -> &Self::Target {
        &self.store
    }
}

#[derive(Debug)]
pub(crate) enum Outcome<T> {
    Done(T),
    Refused(Error),
    Unavailable,
}

#[derive(Debug, Default)]
struct Tally {
    calls: AtomicUsize,
    unavailable: AtomicUsize,
}

impl Tally {
    fn counts(&self) -> (usize, usize) {
        (self.calls.load(Relaxed), self.unavailable.load(Relaxed))
    }
}

/// Runs each of the futures in a task, all from the same moment on. What they answer, in order.
pub(crate) async fn race<T, F>(futures: impl IntoIterator<Item = F>) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let futures: Vec<F> = futures.into_iter().collect();
    let start = Arc::new(Barrier::new(futures.len()));
    let tasks: Vec<_> = futures
        .into_iter()
        .map(|future| {
            let start = Arc::clone(&start);
            tokio::spawn(async move {
                start.wait().await;
                future.await
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        match task.await {
            Ok(answer) => answers.push(answer),
            Err(error) => resume_unwind(error.into_panic()),
        }
    }
    answers
}

/// A partition of a round's own.
pub(crate) fn round() -> PartitionKey {
    partition(&format!("round {:016x}", fastrand::u64(..)))
}

/// Waits no time or a short one, so that what comes next falls into all kinds of places.
pub(crate) async fn dither(up_to: Duration) {
    tokio::time::sleep(up_to.mul_f64(fastrand::f64())).await;
}

/// The user keys of sessions, sorted.
pub(crate) fn names<'a>(sessions: impl IntoIterator<Item = &'a UserSession>) -> Vec<&'a str> {
    let keys = sessions
        .into_iter()
        .map(|session| session.key.user_key.as_str());
    let mut names: Vec<_> = keys.collect();
    names.sort_unstable();
    names
}
