//! The readers: a connection each, used where a read is asked for or by a thread.
//!
//! Finding a row by its key in a file that is in memory takes microseconds, less than waking a thread
//! and being woken by it. So such a read runs in its caller's task as long as that is so. What may
//! take longer runs on a thread, and so does everything where SQLite keeps no log: there readers wait
//! for the writer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use store_core::{Error, Result as StoreResult};
use tokio::sync::oneshot;
use tokio::task::coop::consume_budget;

use super::{NoAnswer, Sqlite, answer_to, in_time, start};
use crate::connect::ACQUIRE_TIMEOUT;
use crate::failure::{Failure, Kind};

/// From how long on a read has kept a thread of the runtime from its other tasks: it has waited for
/// the disk, or for a processor.
const TOO_LONG: Duration = Duration::from_micros(250);

/// Of such waits threads of the runtime get one of so many parts of the time.
const SHARE: u32 = 20;

/// How much of that may come at once: what waits for a processor now and then is not the disk.
const AT_ONCE: Duration = Duration::from_millis(20);

thread_local! {
    /// Apart for as many threads as there are readers.
    static HOME: usize = {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        THREADS.fetch_add(1, Ordering::Relaxed)
    };
}

type Read = Box<dyn FnOnce(&mut Sqlite) + Send>;

pub(super) struct Readers {
    connections: Arc<[Mutex<Sqlite>]>,
    to_threads: flume::Sender<Read>,
    opened: Instant,
    has_log: bool,
    /// How long a read on a thread waits for whoever has locked the file.
    patience: Duration,
    waits: Budget,
}

/// What is left of the time that threads of the runtime may wait.
#[derive(Default)]
struct Budget {
    /// When what was waited for will have become a fair share of the time, in microseconds.
    even_at: AtomicU64,
}

impl Budget {
    fn is_left(&self, now: Duration) -> bool {
        self.even_at.load(Ordering::Relaxed) <= micros(now + AT_ONCE * SHARE)
    }

    fn spend(&self, now: Duration, waited: Duration) {
        let more = micros(waited * SHARE);
        let _ = self
            .even_at
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |even_at| {
                Some(even_at.max(micros(now)).saturating_add(more))
            });
    }
}

impl Readers {
    /// A thread for each.
    pub(super) fn start(
        connections: Vec<Sqlite>,
        has_log: bool,
        patience: Duration,
    ) -> StoreResult<Self> {
        let connections: Arc<[_]> = connections.into_iter().map(Mutex::new).collect();
        let (to_threads, to_read) = flume::unbounded::<Read>();
        for reader in 0..connections.len() {
            let (connections, to_read) = (Arc::clone(&connections), to_read.clone());
            start("session reader", move || {
                while let Ok(read) = to_read.recv() {
                    read(&mut lock(&connections[reader]));
                }
            })?;
        }
        Ok(Self {
            connections,
            to_threads,
            opened: Instant::now(),
            has_log,
            patience,
            waits: Budget::default(),
        })
    }

    /// Reads what may be much.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Sqlite) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let until = Instant::now() + ACQUIRE_TIMEOUT;
        let (answer, answered) = oneshot::channel();
        let read = move |reader: &mut Sqlite| {
            let read = in_time(until).and_then(|()| caught(operation, reader));
            // Whoever has stopped waiting needs no answer.
            let _ = answer.send(read);
        };
        let is_sent = self.to_threads.send(Box::new(read)).is_ok();
        answer_to(is_sent, answered).await
    }

    /// Reads a row by its key.
    pub(super) async fn read_one<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Sqlite) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        // A task that does nothing else must let others run, too.
        consume_budget().await;
        let began = self.opened.elapsed();
        if self.has_log
            && self.waits.is_left(began)
            && let Some(mut reader) = self.free()
        {
            return self.read_here(operation, &mut reader, began);
        }
        self.read(operation).await
    }

    fn read_here<T>(
        &self,
        operation: impl FnOnce(&mut Sqlite) -> Result<T, Failure>,
        reader: &mut Sqlite,
        began: Duration,
    ) -> Result<T, Failure> {
        reader.wait_for_others(Duration::ZERO)?;
        let answer = caught(operation, reader);
        reader.wait_for_others(self.patience)?;
        let now = self.opened.elapsed();
        match &answer {
            // Whoever tries again waits on a thread.
            Err(failure) if failure.kind() == Kind::Refused => self.waits.spend(now, 2 * AT_ONCE),
            _ if now - began > TOO_LONG => self.waits.spend(now, now - began),
            _ => {}
        }
        answer
    }

    /// The one that this thread had last, if it is free: no other processor has touched it, and what
    /// it remembers of the file is what this one reads.
    fn free(&self) -> Option<MutexGuard<'_, Sqlite>> {
        let (before, from) = self
            .connections
            .split_at(HOME.with(|home| home % self.connections.len()));
        from.iter()
            .chain(before)
            .find_map(|reader| reader.try_lock().ok())
    }
}

/// Its panic is its caller's. The reader goes on.
fn caught<T>(
    operation: impl FnOnce(&mut Sqlite) -> Result<T, Failure>,
    reader: &mut Sqlite,
) -> Result<T, Failure> {
    let answer = catch_unwind(AssertUnwindSafe(|| operation(reader)));
    answer.unwrap_or_else(|_| Err(Error::backend(NoAnswer).into()))
}

fn lock(reader: &Mutex<Sqlite>) -> MutexGuard<'_, Sqlite> {
    reader.lock().unwrap_or_else(PoisonError::into_inner)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::super::Options;
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    fn readers(connections: usize, has_log: bool) -> Readers {
        let options = Options {
            uri: "file::memory:".to_owned(),
            busy_timeout: Duration::ZERO,
        };
        let open = |_| Sqlite::open_reader(&options).map_err(Error::from);
        let connections = (0..connections).map(open).collect::<Result<_, _>>();
        Readers::start(connections.unwrap(), has_log, Duration::ZERO).unwrap()
    }

    async fn runs_here(readers: &Readers) -> bool {
        let here = thread::current().id();
        let read = readers.read_one(move |_| Ok(thread::current().id() == here));
        read.await.map_err(Error::from).unwrap()
    }

    #[test]
    fn waits_are_a_share_of_the_time() {
        let (waits, mut now) = (Budget::default(), Duration::from_secs(1));
        assert!(waits.is_left(now));
        waits.spend(now, AT_ONCE);
        assert!(waits.is_left(now), "so much may come at once");
        waits.spend(now, MILLISECOND);
        assert!(!waits.is_left(now), "no more");
        now += MILLISECOND * SHARE;
        assert!(waits.is_left(now));
        waits.spend(now, MILLISECOND);
        assert!(!waits.is_left(now), "what was spent stays so");
        now += Duration::from_secs(60);
        waits.spend(now, 2 * AT_ONCE);
        assert!(!waits.is_left(now), "what was not spent long ago is gone");
    }

    #[tokio::test]
    async fn reads_that_wait_for_the_disk_send_those_behind_them_to_threads() {
        let readers = readers(1, true);
        let slow = readers.read_one(|_| {
            thread::sleep(2 * AT_ONCE);
            Ok(())
        });
        slow.await.map_err(Error::from).unwrap();
        assert!(
            !runs_here(&readers).await,
            "the next one waits here as well"
        );
        readers.waits.even_at.store(0, Ordering::Relaxed);
        assert!(runs_here(&readers).await);
    }

    #[tokio::test]
    async fn without_a_log_reads_run_on_threads() {
        assert!(!runs_here(&readers(1, false)).await);
    }

    #[tokio::test]
    async fn nobody_waits_here_for_a_connection() {
        let readers = readers(1, true);
        let held = lock(&readers.connections[0]);
        let mut waits = Box::pin(runs_here(&readers));
        assert!(polled(&mut waits).is_pending(), "it has one");
        drop(held);
        assert!(!waits.await, "it went to a thread");
    }

    fn polled<F: Future + Unpin>(future: &mut F) -> std::task::Poll<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        std::pin::Pin::new(future).poll(&mut context)
    }

    #[tokio::test]
    async fn a_panic_is_its_callers_own() {
        let readers = readers(1, true);
        let panics = |_: &mut Sqlite| -> Result<(), Failure> { panic!("as it should") };
        for answer in [readers.read(panics).await, readers.read_one(panics).await] {
            let answer = answer.map_err(Error::from);
            assert!(matches!(answer, Err(Error::Backend { .. })));
        }
        runs_here(&readers).await;
    }

    #[tokio::test]
    async fn what_is_refused_here_is_tried_again_on_a_thread() {
        let readers = readers(1, true);
        let refused = readers.read_one(|_| Err::<(), _>(Failure::Overtaken));
        assert!(refused.await.is_err());
        assert!(!runs_here(&readers).await);
    }

    #[tokio::test]
    async fn a_task_that_only_reads_lets_others_run() {
        let readers = readers(1, true);
        let other = tokio::spawn(async {});
        let mut reads = 0;
        while !other.is_finished() {
            runs_here(&readers).await;
            reads += 1;
            assert!(reads < 10_000, "it keeps its thread to itself");
        }
    }
}
