//! Metrics, through the `metrics` facade. Without the feature `metrics` nothing is measured.

use std::time::Duration;

use crate::EndReason;

/// Sessions that have begun. A counter.
pub const SESSION_STARTED: &str = "session.started";
/// Sessions that are over, by `reason`. A counter.
pub const SESSION_ENDED: &str = "session.ended";
/// How long operations took, in seconds, by `operation`. A histogram.
pub const OPERATION_DURATION: &str = "session.operation.duration";
/// Failures, by `operation` and `kind`; sessions that a node cannot read are among them. A counter.
pub const ERRORS: &str = "session.errors";
/// Events that were lost to an observer whose queue was full. A counter.
pub const EVENTS_DROPPED: &str = "session.events.dropped";
/// Events over which an observer failed, panicked or hung. A counter.
pub const OBSERVER_FAILURES: &str = "session.events.failed";
/// Refresh tokens that were revoked or given up, by `outcome`. A counter.
pub const REFRESH_TOKENS: &str = "session.refresh_tokens.revoked";
/// Expired sessions that the cleanup has removed. A counter.
pub const CLEANUP_REMOVED: &str = "session.cleanup.removed";
/// How long the cleanup's runs took, in seconds, by `outcome`. A histogram.
pub const CLEANUP_DURATION: &str = "session.cleanup.duration";

pub(crate) fn session_started() {
    #[cfg(feature = "metrics")]
    metrics::counter!(SESSION_STARTED).increment(1);
}

pub(crate) fn sessions_ended(reason: EndReason, count: u64) {
    #[cfg(feature = "metrics")]
    metrics::counter!(SESSION_ENDED, "reason" => reason.as_str()).increment(count);
    #[cfg(not(feature = "metrics"))]
    let _ = (reason, count);
}

pub(crate) fn error(operation: &'static str, kind: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!(ERRORS, "operation" => operation, "kind" => kind).increment(1);
    #[cfg(not(feature = "metrics"))]
    let _ = (operation, kind);
}

pub(crate) fn event_dropped() {
    #[cfg(feature = "metrics")]
    metrics::counter!(EVENTS_DROPPED).increment(1);
}

pub(crate) fn observer_failed() {
    #[cfg(feature = "metrics")]
    metrics::counter!(OBSERVER_FAILURES).increment(1);
}

pub(crate) fn refresh_token(outcome: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!(REFRESH_TOKENS, "outcome" => outcome).increment(1);
    #[cfg(not(feature = "metrics"))]
    let _ = outcome;
}

pub(crate) fn cleanup_removed(count: u64) {
    #[cfg(feature = "metrics")]
    metrics::counter!(CLEANUP_REMOVED).increment(count);
    #[cfg(not(feature = "metrics"))]
    let _ = count;
}

pub(crate) fn cleanup_run(outcome: &'static str, took: Duration) {
    #[cfg(feature = "metrics")]
    metrics::histogram!(CLEANUP_DURATION, "outcome" => outcome).record(took);
    #[cfg(not(feature = "metrics"))]
    let _ = (outcome, took);
}

/// Measures an operation until it is dropped.
pub(crate) struct Timer {
    #[cfg(feature = "metrics")]
    operation: &'static str,
    #[cfg(feature = "metrics")]
    started: std::time::Instant,
}

impl Timer {
    pub(crate) fn start(operation: &'static str) -> Self {
        #[cfg(not(feature = "metrics"))]
        let _ = operation;
        Self {
            #[cfg(feature = "metrics")]
            operation,
            #[cfg(feature = "metrics")]
            started: std::time::Instant::now(),
        }
    }
}

#[cfg(feature = "metrics")]
impl Drop for Timer {
    fn drop(&mut self) {
        metrics::histogram!(OPERATION_DURATION, "operation" => self.operation)
            .record(self.started.elapsed());
    }
}
