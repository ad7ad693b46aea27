//! An SQLite file, by a writer and a few readers that have a thread each, and one for checkpoints.
//!
//! SQLite has one writer at a time, and making its work durable takes a disk's time. So the writer
//! takes whatever waits, does it all in one transaction, and tells each caller once that is on the
//! disk. Readers neither wait for it nor keep it waiting.

mod checkpoints;
mod connection;
mod readers;
mod writer;

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use sea_orm::{ConnAcquireErr, DbErr};
use store_core::{Error, Result as StoreResult};
use tokio::sync::oneshot;

use self::checkpoints::Checkpoints;
pub(crate) use self::checkpoints::MOST_PAGES;
pub(crate) use self::connection::Sqlite;
use self::readers::Readers;
use crate::connect::ACQUIRE_TIMEOUT;
use crate::failure::Failure;
use crate::retry::Attempt;

/// How a file is opened.
pub(crate) struct Options {
    /// As SQLite reads one: <https://www.sqlite.org/uri.html>.
    pub(crate) uri: String,
    pub(crate) busy_timeout: Duration,
}

/// A file, and the threads that work on it. They end when this is dropped.
pub(crate) struct SqliteFile {
    readers: Readers,
    writes: flume::Sender<writer::Write>,
}

impl SqliteFile {
    /// Opens the file, the writer first: it may have to make it, and to change its journal mode.
    pub(crate) async fn open(options: Options, readers: u32) -> StoreResult<Self> {
        let (writes, to_write) = flume::unbounded();
        let patience = options.busy_timeout;
        let (writer, has_log, checkpoints, connections) = off_the_runtime(move || {
            let (writer, has_log) = Sqlite::open_writer(&options)?;
            let checkpoints = Sqlite::open_for_checkpoints(&options)?;
            let readers = (0..readers).map(|_| Sqlite::open_reader(&options));
            let readers = readers.collect::<Result<_, _>>()?;
            Ok((writer, has_log, checkpoints, readers))
        })
        .await?;
        let readers = Readers::start(connections, has_log, patience)?;
        let checkpoints = Checkpoints::start(checkpoints)?;
        start("session writer", move || {
            writer::run(writer, checkpoints, &to_write);
        })?;
        Ok(Self { readers, writes })
    }

    /// Runs an operation, on a reader or on the writer. It goes on if its answer is not waited for.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        what: Attempt,
        operation: impl FnOnce(&mut Sqlite) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        match what {
            Attempt::ReadOne => self.readers.read_one(operation).await,
            Attempt::Read => self.readers.read(operation).await,
            Attempt::Write => {
                let until = Instant::now() + ACQUIRE_TIMEOUT;
                let (answer, answered) = oneshot::channel();
                let write = writer::write(until, operation, answer);
                let is_sent = self.writes.send(write).is_ok();
                answer_to(is_sent, answered).await
            }
        }
    }
}

/// What a thread answers.
async fn answer_to<T>(
    is_sent: bool,
    answered: oneshot::Receiver<Result<T, Failure>>,
) -> Result<T, Failure> {
    match (is_sent, answered.await) {
        (true, Ok(answer)) => answer,
        // The operation has panicked, and its thread has reported that.
        _ => Err(Error::backend(NoAnswer).into()),
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

/// The answer of a future that waits for nothing: what SQLite is asked for is there when the
/// statement returns.
pub(crate) fn at_once<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => unreachable!("an operation on SQLite waits for nothing"),
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
