//! One run of the cleanup after the other.

use std::num::NonZeroU32;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures::FutureExt;
use store_core::{Result, floor_to_micros};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::SessionCleanup;
use crate::backoff::Backoff;
use crate::error::store_error_kind;
use crate::events::Occurrence;
use crate::{EndReason, SessionEvent, telemetry};

const FIRST_DELAY: Duration = Duration::from_secs(1);
/// How long a batch waits for an observer that is behind.
const OBSERVERS_PATIENCE: Duration = Duration::from_secs(30);
/// A rest between two batches is so many times as long as the batch was, so that others have the
/// database for most of the time also where a batch takes long.
const RESTS: u32 = 4;
const LONGEST_REST: Duration = Duration::from_secs(1);

/// What a run of the cleanup has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum CleanupRun {
    /// All that had expired is removed; this run has removed so many.
    Finished {
        /// How many sessions.
        removed: u64,
    },
    /// It was told to stop, and has removed so many.
    Stopped {
        /// How many sessions.
        removed: u64,
    },
    /// Another node was at it, so nothing was done.
    LeftToAnother,
}

impl SessionCleanup {
    /// One run, now: for hosts that have a scheduler of their own.
    ///
    /// # Errors
    /// Those of the store, or of the lease. What was removed before is removed and told.
    pub async fn run_once(&self) -> Result<CleanupRun> {
        self.run(&CancellationToken::new()).await
    }

    pub(super) async fn work(self, stop: CancellationToken) {
        let mut delay = match self.jitter {
            true => self.interval.mul_f64(fastrand::f64()),
            false => Duration::ZERO,
        };
        let mut backoff = self.backoff();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = sleep(delay) => {}
            }
            let run = AssertUnwindSafe(self.run(&stop)).catch_unwind().await;
            delay = match run {
                Ok(Ok(CleanupRun::Stopped { .. })) => return,
                Ok(Ok(_)) => {
                    backoff = self.backoff();
                    self.interval
                }
                Ok(Err(error)) => {
                    let delay = backoff.next_delay();
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        ?delay,
                        "the cleanup of sessions failed and is tried again"
                    );
                    delay
                }
                Err(_) => {
                    telemetry::error("cleanup", "panic");
                    tracing::error!("the cleanup of sessions panicked and is tried again");
                    backoff.next_delay()
                }
            };
        }
    }

    /// After errors: sooner than usual at first, never later.
    fn backoff(&self) -> Backoff {
        Backoff::new(FIRST_DELAY, self.interval)
    }

    #[tracing::instrument(name = "tickets.cleanup", level = "debug", skip_all)]
    async fn run(&self, stop: &CancellationToken) -> Result<CleanupRun> {
        let started = Instant::now();
        let run = self.run_with_lease(stop).await;
        let outcome = match &run {
            Ok(CleanupRun::Finished { .. }) => "finished",
            Ok(CleanupRun::Stopped { .. }) => "stopped",
            Ok(CleanupRun::LeftToAnother) => "left_to_another",
            Err(error) => {
                telemetry::error("cleanup", store_error_kind(error));
                "failed"
            }
        };
        telemetry::cleanup_run(outcome, started.elapsed());
        tracing::debug!(?run, "a cleanup of sessions has run");
        run
    }

    async fn run_with_lease(&self, stop: &CancellationToken) -> Result<CleanupRun> {
        let Some(lease) = self.lease.try_acquire().await? else {
            return Ok(CleanupRun::LeftToAnother);
        };
        let run = if self.observers.is_empty() {
            self.delete_expired(stop).await
        } else {
            self.end_expired(stop).await
        };
        lease.release().await;
        run
    }

    async fn delete_expired(&self, stop: &CancellationToken) -> Result<CleanupRun> {
        let give_up = async {
            stop.cancelled().await;
            sleep(self.shutdown_patience).await;
        };
        tokio::select! {
            biased;
            removed = self.store.delete_expired_sessions() => {
                let removed = removed?;
                telemetry::cleanup_removed(removed);
                telemetry::sessions_ended(EndReason::Expired, removed);
                Ok(CleanupRun::Finished { removed })
            }
            () = give_up => Ok(CleanupRun::Stopped { removed: 0 }),
        }
    }

    async fn end_expired(&self, stop: &CancellationToken) -> Result<CleanupRun> {
        let capacity = u32::try_from(self.observers.capacity()).unwrap_or(u32::MAX);
        let limit =
            NonZeroU32::new(capacity).map_or(self.batch_size, |room| room.min(self.batch_size));
        let mut removed = 0;
        while !stop.is_cancelled() {
            let room = self
                .observers
                .wait_for_room(limit.get() as usize, OBSERVERS_PATIENCE);
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = room => {}
            }
            let began = Instant::now();
            let batch = self.store.end_expired_sessions(limit).await?;
            let rest = (began.elapsed() * RESTS).min(LONGEST_REST).max(self.pause);
            if batch.is_empty() {
                return Ok(CleanupRun::Finished { removed });
            }
            let now = floor_to_micros(self.clock.now());
            for session in &batch {
                let event = SessionEvent::of(session, now);
                self.observers
                    .tell(Occurrence::Ended(event, EndReason::Expired));
            }
            telemetry::cleanup_removed(batch.len() as u64);
            removed += batch.len() as u64;
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = sleep(rest) => {}
            }
        }
        Ok(CleanupRun::Stopped { removed })
    }
}
