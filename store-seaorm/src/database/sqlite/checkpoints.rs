//! Checkpoints, beside the writer: bringing what the log holds into the file.
//!
//! SQLite makes a checkpoint within a commit, every thousand pages, and whoever writes waits until
//! all of them are on the disk, in as many places: nothing else takes a write so long. Here another
//! connection does it, on a thread of its own. SQLite syncs the file at the end of a checkpoint if the
//! log has not grown since its beginning. So a first one copies while the writer goes on, and a second
//! one copies the rest while the writer holds still, for about as long as that takes. If it is let go
//! too early nothing is lost: the file is synced next time, and until then SQLite keeps the log.
//!
//! Before version 3.51.3 SQLite has a race: a log that a checkpoint has emptied must not begin anew
//! while the next checkpoint begins (<https://www.sqlite.org/wal.html#walresetbug>). So none begins
//! unless the log holds more than the last one can have seen: what a transaction wrote that began
//! after it. Such a log does not begin anew.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use store_core::Result as StoreResult;

use super::{Sqlite, start};

/// After how many pages there is one. What SQLite takes for a log by default.
const PAGES: u64 = 1000;

/// From how many in the log on the writer holds still until a checkpoint has ended: a log that grows
/// all the time has no end at which it could begin anew. 64 MB of pages of the usual size.
const MANY_PAGES: u64 = 16_000;

/// At how many a connection makes a checkpoint itself, as it commits: where none of these comes.
pub(crate) const MOST_PAGES: u32 = 64_000;

/// How long the writer holds still otherwise: what the first checkpoint took, within these bounds.
const SHORTEST_HOLD: Duration = Duration::from_millis(1);
const LONGEST_HOLD: Duration = Duration::from_millis(10);

/// How long it does at the most.
const LONGEST_CHECKPOINT: Duration = Duration::from_secs(10);

/// How long a checkpoint waits for the writer, and the writer for one that it was to wait for. No
/// transaction takes longer, unless the disk does.
const SOON: Duration = Duration::from_millis(100);

/// What the writer and the thread that makes checkpoints tell each other.
#[derive(Default)]
pub(super) struct Hold {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// How many checkpoints have ended.
    checkpoints: u64,
    /// How many had when the transaction under way began, if one is.
    began_after: Option<u64>,
    /// Whether one has written that began after all of them.
    has_grown: bool,
    /// Whether the writer is to hold still as soon as that is so.
    is_wanted: bool,
    holds_until: Option<Instant>,
}

/// What a checkpoint found.
#[derive(Clone, Copy)]
pub(super) struct Made {
    /// The log's length, in pages.
    pub(super) log: u64,
}

/// The writer's side.
pub(super) struct Checkpoints {
    hold: Arc<Hold>,
    due: flume::Sender<()>,
    /// Written since the last one, more or less.
    pages: u64,
}

impl Checkpoints {
    /// On a thread that ends when this is dropped.
    pub(super) fn start(connection: Sqlite) -> StoreResult<Self> {
        // One that is asked for while another is made comes right after it.
        let (due, is_due) = flume::bounded(1);
        let hold = Arc::new(Hold::default());
        let of_thread = Arc::clone(&hold);
        start("session checkpoints", move || {
            while let Ok(()) = is_due.recv() {
                let mut checkpoint = || connection.checkpoint();
                if let Err(error) = of_thread.make(&mut checkpoint) {
                    tracing::warn!(%error, "no checkpoint: the log grows");
                }
            }
        })?;
        Ok(Self {
            hold,
            due,
            pages: 0,
        })
    }

    /// The writer begins a transaction, once it may.
    pub(super) fn begin(&self) {
        self.hold.begin();
    }

    /// It has ended one that wrote so many pages; none exactly if it wrote nothing.
    pub(super) fn end(&mut self, pages: u64) {
        self.hold.end(pages > 0);
        self.pages += pages;
        if self.pages >= PAGES {
            self.pages = 0;
            // One is due already.
            let _ = self.due.try_send(());
        }
    }
}

impl Hold {
    fn make(
        &self,
        checkpoint: &mut impl FnMut() -> rusqlite::Result<Made>,
    ) -> rusqlite::Result<()> {
        if !self.state().has_grown {
            return Ok(());
        }
        let began = Instant::now();
        let first = checkpoint();
        self.has_ended();
        let hold = match first? {
            Made { log } if log >= MANY_PAGES => LONGEST_CHECKPOINT,
            _ => began.elapsed().clamp(SHORTEST_HOLD, LONGEST_HOLD),
        };
        if self.hold(hold) {
            let second = checkpoint();
            self.has_ended();
            second?;
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self) {
        let mut state = self.state();
        while let Some(until) = state.holds_until {
            let rest = until.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                state.holds_until = None;
            } else {
                let waited = self.changed.wait_timeout(state, rest);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        state.began_after = Some(state.checkpoints);
    }

    fn end(&self, has_written: bool) {
        let mut state = self.state();
        if state.began_after.take() == Some(state.checkpoints) && has_written {
            state.has_grown = true;
            if std::mem::take(&mut state.is_wanted) {
                state.holds_until = Some(Instant::now() + SOON);
            }
        }
        self.changed.notify_all();
    }

    /// Holds the writer for so long, once the log has grown again, and says whether it does.
    fn hold(&self, hold: Duration) -> bool {
        let mut state = self.state();
        state.is_wanted = true;
        let waited = self
            .changed
            .wait_timeout_while(state, SOON, |state| state.holds_until.is_none());
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.is_wanted = false;
        let holds = state.holds_until.is_some();
        if holds {
            state.holds_until = Some(Instant::now() + hold);
            // It waits until another time.
            self.changed.notify_all();
        }
        holds
    }

    /// A checkpoint has, and the writer goes on if it was held.
    fn has_ended(&self) {
        let mut state = self.state();
        state.checkpoints += 1;
        state.has_grown = false;
        state.holds_until = None;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;

    use super::*;

    fn transaction(hold: &Hold) {
        hold.begin();
        hold.end(true);
    }

    /// A writer on a thread of its own, which writes and writes, and counts, until nobody looks.
    fn writer(hold: &Arc<Hold>) -> Arc<AtomicU64> {
        let transactions = Arc::new(AtomicU64::new(0));
        let (hold, seen) = (Arc::clone(hold), Arc::downgrade(&transactions));
        thread::spawn(move || {
            while let Some(transactions) = seen.upgrade() {
                transaction(&hold);
                transactions.fetch_add(1, Ordering::Relaxed);
            }
        });
        transactions
    }

    #[test]
    fn no_checkpoint_begins_at_the_end_of_the_last_one() {
        let hold = Hold::default();
        let mut checkpoints = 0;
        let mut make = |hold: &Hold| {
            let mut checkpoint = || {
                checkpoints += 1;
                Ok(Made { log: 1 })
            };
            hold.make(&mut checkpoint).unwrap();
            checkpoints
        };
        assert_eq!(make(&hold), 0, "nothing was written");
        transaction(&hold);
        assert_eq!(make(&hold), 1, "nothing was written since the first");
        assert_eq!(make(&hold), 1, "nothing was written since the last");

        // The last one may have seen what was written beside it.
        hold.begin();
        hold.has_ended();
        hold.end(true);
        assert_eq!(make(&hold), 1, "it had begun before");
        hold.begin();
        hold.end(false);
        assert_eq!(make(&hold), 1, "it wrote nothing");
        transaction(&hold);
        assert_eq!(make(&hold), 2);
    }

    /// Whether the writer writes during the second checkpoint, of a log that is so long.
    fn writes_beside_the_second(log: u64) -> bool {
        let hold = Arc::new(Hold::default());
        let transactions = writer(&hold);
        let mut writes = None;
        // The writer may be late, and is not waited for then.
        while writes.is_none() {
            let mut is_first = true;
            let mut checkpoint = || {
                if !std::mem::take(&mut is_first) {
                    let before = transactions.load(Ordering::Relaxed);
                    let has_written = || transactions.load(Ordering::Relaxed) > before + 1;
                    // On a machine that is busy it may take its time to go on.
                    let patience = if log < MANY_PAGES { 1000 } else { 5 };
                    for _ in 0..patience {
                        thread::sleep(LONGEST_HOLD);
                        if has_written() {
                            break;
                        }
                    }
                    writes = Some(has_written());
                }
                Ok(Made { log })
            };
            hold.make(&mut checkpoint).unwrap();
        }
        writes.unwrap()
    }

    #[test]
    fn the_writer_holds_still_while_the_rest_is_copied_and_no_longer() {
        assert!(writes_beside_the_second(1));
        assert!(!writes_beside_the_second(MANY_PAGES));
    }

    #[test]
    fn a_writer_that_writes_nothing_more_is_not_waited_for() {
        let hold = Hold::default();
        assert!(!hold.hold(LONGEST_CHECKPOINT));
        transaction(&hold);
        hold.begin();
    }
}
