//! Another try, where repeating is safe.

use std::time::Duration;

use tokio::time::Instant;

use crate::failure::{Failure, Kind};

/// What an attempt does to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// Finds a row by its key, or that there is none; otherwise as the others that read.
    ReadOne,
    /// Reads only: repeated also after a lost connection.
    Read,
    /// Writes: after a lost connection nobody knows whether it has happened, so not repeated then.
    Write,
}

const MAX_ATTEMPTS: u32 = 10;
/// A server that restarts leaves a pool full of broken connections, and an attempt takes out one.
const MAX_BROKEN_CONNECTIONS: u32 = 100;
/// An attempt may itself have waited long for a lock; then another would keep others waiting too.
pub(crate) const LONGEST: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(4);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Runs attempts until one succeeds, or fails in a way that another would, or there were enough.
/// Each attempt reads the clock anew.
///
/// A macro, because of a function that takes an `AsyncFn` today's compiler cannot tell that its
/// future may move between threads.
macro_rules! retrying {
    ($what:expr, $attempt:expr) => {{
        let mut retries = $crate::retry::Retries::of($what);
        loop {
            let failure = match $attempt.await {
                Ok(answer) => break Ok(answer),
                Err(failure) => failure,
            };
            if !retries.pause_after(&failure).await {
                break Err(failure);
            }
        }
    }};
}
pub(crate) use retrying;

/// How often something has been tried.
#[derive(Debug)]
pub(crate) struct Retries {
    what: Attempt,
    since: Instant,
    refused: u32,
    broken_connections: u32,
}

impl Retries {
    pub(crate) fn of(what: Attempt) -> Self {
        Self {
            what,
            since: Instant::now(),
            refused: 0,
            broken_connections: 0,
        }
    }

    /// Whether to try again; if so, after a pause.
    pub(crate) async fn pause_after(&mut self, failure: &Failure) -> bool {
        let kind = failure.kind();
        let (failures, most, pause) = match kind {
            Kind::Refused => {
                self.refused += 1;
                (self.refused, MAX_ATTEMPTS, pause_after(self.refused))
            }
            Kind::Lost if self.what == Attempt::Write => return false,
            Kind::Closed | Kind::Lost => {
                self.broken_connections += 1;
                (
                    self.broken_connections,
                    MAX_BROKEN_CONNECTIONS,
                    pause_after(1),
                )
            }
            _ => return false,
        };
        if failures == most || self.since.elapsed() >= LONGEST {
            return false;
        }
        tracing::debug!(failures, ?pause, ?kind, "trying again");
        tokio::time::sleep(pause).await;
        true
    }
}

/// Somewhere between nothing and a bound that doubles, so that those who collided spread out.
fn pause_after(attempts: u32) -> Duration {
    let bound = LONGEST_PAUSE.min(FIRST_PAUSE * 2u32.pow(attempts - 1));
    bound.mul_f64(fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sea_orm::{ConnAcquireErr, DbErr};

    async fn attempts_until_given_up(what: Attempt, failure: fn() -> Failure) -> u32 {
        let mut attempts = 0;
        let answer: Result<(), Failure> = retrying!(what, async {
            attempts += 1;
            Err(failure())
        });
        assert!(answer.is_err());
        attempts
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_is_safe_is_repeated() {
        let overtaken = || Failure::Overtaken;
        let exhausted = || Failure::Database(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout));
        assert_eq!(
            attempts_until_given_up(Attempt::Write, overtaken).await,
            MAX_ATTEMPTS
        );
        assert_eq!(attempts_until_given_up(Attempt::Read, exhausted).await, 1);
    }

    #[cfg(feature = "sqlite")]
    #[tokio::test(start_paused = true)]
    async fn a_lost_write_is_not_repeated() {
        let lost = || {
            let error = sea_orm::SqlxError::Io(std::io::ErrorKind::ConnectionReset.into());
            Failure::Database(DbErr::Exec(sea_orm::RuntimeErr::SqlxError(error.into())))
        };
        assert_eq!(attempts_until_given_up(Attempt::Write, lost).await, 1);
        assert_eq!(
            attempts_until_given_up(Attempt::Read, lost).await,
            MAX_BROKEN_CONNECTIONS
        );
    }

    #[tokio::test(start_paused = true)]
    async fn long_attempts_are_few() {
        let mut attempts = 0;
        let answer: Result<(), Failure> = retrying!(Attempt::Write, async {
            attempts += 1;
            tokio::time::sleep(Duration::from_secs(6)).await;
            Err(Failure::Overtaken)
        });
        assert!(answer.is_err());
        assert_eq!(attempts, 2);
    }

    #[test]
    fn pauses_stay_within_their_bound() {
        for attempts in 1..MAX_ATTEMPTS {
            assert!(pause_after(attempts) <= LONGEST_PAUSE);
        }
    }
}
