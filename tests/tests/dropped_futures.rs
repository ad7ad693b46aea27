//! Futures that are dropped before they complete leave the store as it was before or as it is
//! after, and return their connection in order.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::poll_fn;
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, SqliteTransactionMode, Statement, TransactionOptions,
    TransactionTrait,
};
use store_core::{
    Clock, ManualClock, Result, UserSession, UserSessionStore, UserSessionStoreCleanup,
};
use store_seaorm::SeaOrmUserSessionStore;
use store_tests::sessions::{manual_clock, partition, rows, session};
use store_tests::transitions::{Attempt, Place, Transition, check_attempts, settle};
use store_tests::{DatabaseKind, TestDatabase, on_every_database};
use tokio::time::{Instant, sleep, timeout};

/// As few as there can be, so that one that is lost is missed.
const CONNECTIONS: u32 = 2;

/// Each operation is dropped after no poll, after one, after two, until it completes.
async fn each_operation_happens_as_a_whole(db: TestDatabase) {
    const ROUNDS: usize = 8;

    let bench = Bench::new(db).await;
    let mut attempts = Vec::new();
    let mut drops = 0;
    for round in 0..ROUNDS {
        for transition in Transition::ALL {
            for polls in 0.. {
                let attempt = bench
                    .attempt(transition, &format!("{polls} polls, {round}"))
                    .await;
                let call = transition.call(&bench.store, &attempt.place);
                let answer = drop_after(polls, call).await;
                let completed = answer.is_some();
                attempts.push(answered(attempt, answer));
                bench.check_a_known_session().await;
                if completed {
                    break;
                }
                drops += 1;
            }
        }
    }
    assert!(drops >= 200, "only {drops} futures were dropped");
    bench.check(attempts).await;
}

/// Tasks in the middle of whatever they do are aborted, at any moment.
async fn a_storm_of_aborted_tasks_leaves_nothing_between(db: TestDatabase) {
    const TASKS: usize = 200;

    let bench = Bench::new(db).await;
    let mut attempts = Vec::new();
    for task in 0..TASKS {
        let transition = &Transition::ALL[task % Transition::ALL.len()];
        attempts.push(bench.attempt(transition, &format!("task {task}")).await);
    }
    let tasks = attempts.into_iter().map(|attempt| {
        let call = attempt.transition.call(&bench.store, &attempt.place);
        let task = tokio::spawn(call);
        let handle = task.abort_handle();
        tokio::spawn(async move {
            // Most soon, some late.
            sleep(Duration::from_millis(100).mul_f64(fastrand::f64().powi(3))).await;
            handle.abort();
        });
        (attempt, task)
    });
    let tasks: Vec<_> = tasks.collect();
    let mut aborted = 0;
    let mut attempts = Vec::new();
    for (attempt, task) in tasks {
        bench.check_a_known_session().await;
        let answer = match task.await {
            Ok(answer) => Some(answer),
            Err(error) if error.is_cancelled() => None,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        aborted += usize::from(answer.is_none());
        attempts.push(answered(attempt, answer));
    }
    assert!(aborted >= 10, "only {aborted} tasks were aborted");
    bench.check(attempts).await;
}

/// A cleanup that is dropped has removed its batch, or nothing of it; the next one does the rest.
async fn a_cleanup_happens_batch_by_batch(db: TestDatabase) {
    const EXPIRED: usize = 10;
    const LIMIT: usize = 4;

    let bench = Bench::new(db).await;
    let place = partition("expired");
    for polls in (0..4).cycle().take(24) {
        let now = bench.clock.now();
        for i in 0..EXPIRED {
            let session = session(&*bench.clock, &place, &format!("{i}")).with_expires(now);
            bench.store.create_user_session(session).await.unwrap();
        }
        let limit = NonZeroU32::new(LIMIT as u32).unwrap();
        let ended = drop_after(polls, bench.store.end_expired_sessions(limit)).await;
        bench.settle().await;
        let left = bench.rows_of(&place).await.len();
        match ended {
            Some(ended) => assert_eq!(left, EXPIRED - ended.unwrap().len()),
            None => assert!(
                [EXPIRED, EXPIRED - LIMIT].contains(&left),
                "{left} are left"
            ),
        }

        let deleted = drop_after(polls, bench.store.delete_expired_sessions()).await;
        bench.settle().await;
        let left_then = bench.rows_of(&place).await.len();
        match deleted {
            Some(deleted) => assert_eq!((deleted.unwrap() as usize, left_then), (left, 0)),
            None => assert!(
                [left, 0].contains(&left_then),
                "{left_then} of {left} are left"
            ),
        }
        assert_eq!(
            bench.store.delete_expired_sessions().await.unwrap(),
            left_then as u64
        );
        bench.check_a_known_session().await;
    }
    bench.check(Vec::new()).await;
}

/// Polls a future up to so many times, waiting for its waker in between, and drops it. Its answer,
/// if it has come by then.
async fn drop_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    let polled = poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    });
    timeout(Duration::from_secs(30), polled)
        .await
        .expect("who is not dropped is woken")
}

/// The attempt, with its answer if it was not dropped before.
fn answered(attempt: Attempt, answer: Option<Result<()>>) -> Attempt {
    if let Some(Err(error)) = &answer {
        panic!("{}: {error:?}", attempt.transition.name);
    }
    let completed = answer.is_some();
    Attempt {
        completed,
        ..attempt
    }
}

/// A store with few connections, sessions that stay what they are, and a look at the database from
/// outside.
struct Bench {
    store: SeaOrmUserSessionStore,
    clock: Arc<ManualClock>,
    known: Vec<UserSession>,
    observer: DatabaseConnection,
    // Dropped last: the others are connected to it.
    db: TestDatabase,
}

impl Bench {
    async fn new(db: TestDatabase) -> Self {
        let clock = manual_clock();
        let builder = SeaOrmUserSessionStore::builder().clock(clock.clone());
        let store = builder
            .max_connections(CONNECTIONS)
            .connect(db.url())
            .await
            .unwrap();
        store_migration::up(store.connection()).await.unwrap();
        let place = partition("known");
        let known = (0..10).map(|i| session(&*clock, &place, &format!("known {i}")));
        let known: Vec<_> = known.collect();
        for session in &known {
            store.create_user_session(session.clone()).await.unwrap();
        }
        let observer = match db.kind() {
            // It has one connection.
            DatabaseKind::SqliteMemory => store.connection().clone(),
            _ => db.connect().await,
        };
        Self {
            store,
            clock,
            known,
            observer,
            db,
        }
    }

    async fn attempt(&self, transition: &'static Transition, name: &str) -> Attempt {
        let place = Place::new(&format!("{}: {name}", transition.name));
        for session in transition.before(&place) {
            self.store.create_user_session(session).await.unwrap();
        }
        Attempt {
            transition,
            place,
            completed: false,
        }
    }

    /// An answer to a call that was dropped must not be taken for one to the next.
    async fn check_a_known_session(&self) {
        let known = &self.known[fastrand::usize(..self.known.len())];
        let found = self.store.get_user_session(&known.key).await.unwrap();
        assert_eq!(found.as_ref(), Some(known));
    }

    async fn settle(&self) {
        settle(&self.observer, Duration::from_millis(150)).await;
    }

    async fn rows_of(&self, partition: &store_core::PartitionKey) -> Vec<UserSession> {
        let mut rows = rows(&self.observer).await;
        rows.retain(|session| session.key.partition_key == *partition);
        rows
    }

    /// Checks that each attempt has happened as a whole or not at all, that there is every
    /// connection, and none with work half done.
    async fn check(self, attempts: Vec<Attempt>) {
        self.settle().await;
        check_attempts(&self.observer, attempts).await;
        self.check_connections().await;
        for _ in 0..20 {
            self.check_a_known_session().await;
        }
        let new = session(&*self.clock, &partition("afterwards"), "new");
        within_a_moment(self.store.create_user_session(new))
            .await
            .unwrap();
    }

    async fn check_connections(&self) {
        let connection = self.store.connection();
        let connections = match self.db.kind() {
            DatabaseKind::SqliteMemory => 1,
            _ => CONNECTIONS,
        };
        let mut held = Vec::new();
        for _ in 0..connections {
            held.push(within_a_moment(connection.begin()).await.unwrap());
        }
        drop(held);

        let transactions = match self.db.kind() {
            DatabaseKind::Sqlite | DatabaseKind::SqliteMemory => {
                let immediate = TransactionOptions {
                    sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                    ..TransactionOptions::default()
                };
                let begun = within_a_moment(self.observer.begin_with_options(immediate)).await;
                begun.unwrap().rollback().await.unwrap();
                return;
            }
            DatabaseKind::Postgres => {
                "SELECT (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                 AND state LIKE 'idle in transaction%') + (SELECT count(*) FROM pg_locks \
                 JOIN pg_database d ON d.oid = database \
                 WHERE locktype = 'advisory' AND datname = current_database())"
            }
            DatabaseKind::MySql | DatabaseKind::MariaDb => {
                "SELECT count(*) FROM information_schema.innodb_trx \
                 JOIN information_schema.processlist ON id = trx_mysql_thread_id \
                 WHERE db = database()"
            }
        };
        // Those that were held above are being rolled back.
        let deadline = Instant::now() + Duration::from_secs(2);
        loop {
            let count = Statement::from_string(self.observer.get_database_backend(), transactions);
            let row = self.observer.query_one_raw(count).await.unwrap().unwrap();
            match row.try_get_by_index::<i64>(0).unwrap() {
                0 => return,
                open => assert!(
                    Instant::now() < deadline,
                    "{open} transactions or locks are open"
                ),
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn within_a_moment<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(2), future)
        .await
        .expect("it is done within a moment")
}

on_every_database!(
    each_operation_happens_as_a_whole,
    a_storm_of_aborted_tasks_leaves_nothing_between,
    a_cleanup_happens_batch_by_batch,
);
