//! An SQLite file, by a writer and a few readers that have a thread each.
//!
//! SQLite has one writer at a time, and making its work durable takes a disk's time. So the writer
//! takes whatever waits, does it all in one transaction, and tells each caller once that is on the
//! disk. Readers neither wait for it nor keep it waiting.

mod connection;
mod writer;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use sea_orm::{ConnAcquireErr, DbErr};
use store_core::{Error, Result as StoreResult};
use tokio::sync::oneshot;

pub(crate) use self::connection::Sqlite;
use crate::connect::ACQUIRE_TIMEOUT;
use crate::failure::Failure;
use crate::retry::Attempt;

/// How a file is opened.
#[derive(Clone)]
pub(crate) struct Options {
    /// As SQLite reads one: <https://www.sqlite.org/uri.html>.
    pub(crate) uri: String,
    pub(crate) busy_timeout: Duration,
}

/// A file, and the threads that work on it. They end when this is dropped.
pub(crate) struct SqliteFile {
    reads: flume::Sender<Read>,
    writes: flume::Sender<writer::Write>,
}

type Read = Box<dyn FnOnce(&mut Sqlite) + Send>;

impl SqliteFile {
    /// Opens the file, the writer first: it may have to make it, and to change its journal mode.
    pub(crate) async fn open(options: Options, readers: u32) -> StoreResult<Self> {
        let (reads, to_read) = flume::unbounded::<Read>();
        let (writes, to_write) = flume::unbounded();
        let opened = options.clone();
        let writer = off_the_runtime(move || Sqlite::open_writer(&opened)).await?;
        start("session writer", move || writer::run(writer, &to_write))?;
        for _ in 0..readers {
            let (opened, to_read) = (options.clone(), to_read.clone());
            let mut reader = off_the_runtime(move || Sqlite::open_reader(&opened)).await?;
            start("session reader", move || {
                while let Ok(read) = to_read.recv() {
                    // A panic is its caller's: the channel's end tells. The reader goes on.
                    let _ = catch_unwind(AssertUnwindSafe(|| read(&mut reader)));
                }
            })?;
        }
        Ok(Self { reads, writes })
    }

    /// Runs an operation, on a reader or on the writer. It goes on if its answer is not waited for.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        what: Attempt,
        operation: impl FnOnce(&mut Sqlite) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let until = Instant::now() + ACQUIRE_TIMEOUT;
        let (answer, answered) = oneshot::channel();
        let is_sent = match what {
            Attempt::Read => {
                let read = move |reader: &mut Sqlite| {
                    let _ = answer.send(in_time(until).and_then(|()| operation(reader)));
                };
                self.reads.send(Box::new(read)).is_ok()
            }
            Attempt::Write => {
                let write = writer::write(until, operation, answer);
                self.writes.send(write).is_ok()
            }
        };
        match (is_sent, answered.await) {
            (true, Ok(answer)) => answer,
            // The operation has panicked, and its thread has reported that.
            _ => Err(Error::backend(NoAnswer).into()),
        }
    }
}

/// Whether the operation's turn has come soon enough.
fn in_time(until: Instant) -> Result<(), Failure> {
    if Instant::now() < until {
        Ok(())
    } else {
        Err(too_late())
    }
}

fn too_late() -> Failure {
    DbErr::ConnectionAcquire(ConnAcquireErr::Timeout).into()
}

/// The answer of a future that waits for nothing: what runs on a thread of SQLite's is there when
/// the statement returns.
pub(crate) fn at_once<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => unreachable!("an operation on SQLite's own thread waits for nothing"),
    }
}

async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> StoreResult<T> {
    let answer = tokio::task::spawn_blocking(work).await;
    Ok(answer.map_err(Error::backend)??)
}

fn start(name: &str, work: impl FnOnce() + Send + 'static) -> StoreResult<()> {
    let thread = thread::Builder::new().name(name.to_owned());
    thread.spawn(work).map(drop).map_err(Error::backend)
}

#[derive(Debug, thiserror::Error)]
#[error("the operation gave no answer")]
struct NoAnswer;
