//! The writer: whatever waits, in one transaction.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use rusqlite::ffi;
use tokio::sync::oneshot;

use super::checkpoints::Checkpoints;
use super::{Sqlite, in_time, too_late};
use crate::failure::Failure;

/// The most operations in one transaction: those that come meanwhile are the next one's.
const MOST: usize = 64;

/// After how long no more are taken into a transaction. Other processes wait for their turn.
const LONGEST: Duration = Duration::from_millis(5);

/// An operation that waits for its turn, and whoever waits for it.
pub(super) type Write = Box<dyn Operation>;

pub(super) trait Operation: Send {
    /// Whether its turn has come too late.
    fn is_late(&self) -> bool;

    /// Runs it within the transaction. Its answer waits for the commit.
    fn run(&mut self, writer: &mut Sqlite);

    /// What SQLite refused it for, if it did.
    fn refusal(&self) -> Option<&rusqlite::Error>;

    /// Gives the answer, or that of the transaction if it was not committed.
    fn settle(self: Box<Self>, transaction: Result<(), Failure>);
}

struct Waiting<T, F> {
    until: Instant,
    operation: Option<F>,
    answer: Option<Result<T, Failure>>,
    answered: oneshot::Sender<Result<T, Failure>>,
}

pub(super) fn write<T, F>(
    until: Instant,
    operation: F,
    answered: oneshot::Sender<Result<T, Failure>>,
) -> Write
where
    T: Send + 'static,
    F: FnOnce(&mut Sqlite) -> Result<T, Failure> + Send + 'static,
{
    Box::new(Waiting {
        until,
        operation: Some(operation),
        answer: None,
        answered,
    })
}

impl<T, F> Operation for Waiting<T, F>
where
    T: Send + 'static,
    F: FnOnce(&mut Sqlite) -> Result<T, Failure> + Send + 'static,
{
    fn is_late(&self) -> bool {
        in_time(self.until).is_err()
    }

    fn run(&mut self, writer: &mut Sqlite) {
        if let Some(operation) = self.operation.take() {
            self.answer = Some(in_time(self.until).and_then(|()| operation(writer)));
            writer.undo_operation();
        }
    }

    fn refusal(&self) -> Option<&rusqlite::Error> {
        match &self.answer {
            Some(Err(Failure::Sqlite(error))) => Some(error),
            _ => None,
        }
    }

    fn settle(self: Box<Self>, transaction: Result<(), Failure>) {
        let answer = match (transaction, self.answer) {
            (Ok(()), Some(answer)) => answer,
            (Err(failure), _) => Err(failure),
            // It has panicked: whoever waits is told by the channel's end.
            (Ok(()), None) => return,
        };
        // Whoever has stopped waiting needs no answer.
        let _ = self.answered.send(answer);
    }
}

/// Writes until nobody is left who could ask for it.
pub(super) fn run(
    mut writer: Sqlite,
    mut checkpoints: Checkpoints,
    waiting: &flume::Receiver<Write>,
) {
    let mut taken: Vec<Write> = Vec::with_capacity(MOST);
    while let Ok(first) = waiting.recv() {
        // While another process held the file, the queue may have grown long.
        if first.is_late() {
            first.settle(Err(too_late()));
            continue;
        }
        taken.push(first);
        checkpoints.begin();
        let outcome = transaction(&mut writer, &mut taken, waiting);
        let pages = writer.take_pages();
        checkpoints.end(if outcome.is_ok() { pages } else { 0 });
        for write in taken.drain(..) {
            write.settle(again(&outcome));
        }
    }
}

/// Runs `taken`, and what comes meanwhile, in one transaction.
fn transaction(
    writer: &mut Sqlite,
    taken: &mut Vec<Write>,
    waiting: &flume::Receiver<Write>,
) -> rusqlite::Result<()> {
    // Outside of `begin`: a commit that failed may have left its transaction open.
    if !writer.connection.is_autocommit() {
        writer.run("ROLLBACK")?;
    }
    writer.run("BEGIN IMMEDIATE")?;
    let since = Instant::now();
    let mut next = 0;
    loop {
        let write = &mut taken[next];
        // A panic is its caller's: the channel's end tells. The others go on.
        if catch_unwind(AssertUnwindSafe(|| write.run(writer))).is_err() {
            writer.undo_operation();
        }
        // SQLite undoes everything when a disk is full, for example.
        if writer.connection.is_autocommit() {
            return Err(copy(write.refusal()));
        }
        next += 1;
        if next < MOST
            && since.elapsed() < LONGEST
            && let Ok(write) = waiting.try_recv()
        {
            taken.push(write);
        } else {
            break;
        }
    }
    let committed = writer.run("COMMIT");
    if committed.is_err() && !writer.connection.is_autocommit() {
        // Whoever waits for the file must not wait for the next write.
        writer.run("ROLLBACK")?;
    }
    committed
}

/// The same outcome once more: everyone in the transaction is told.
fn again(outcome: &rusqlite::Result<()>) -> Result<(), Failure> {
    match outcome {
        Ok(()) => Ok(()),
        Err(error) => Err(copy(Some(error)).into()),
    }
}

fn copy(error: Option<&rusqlite::Error>) -> rusqlite::Error {
    let code = error.and_then(rusqlite::Error::sqlite_error).copied();
    rusqlite::Error::SqliteFailure(
        code.unwrap_or(ffi::Error::new(ffi::SQLITE_ABORT)),
        error.map(ToString::to_string),
    )
}
