//! Waiting a little longer each time.

use std::time::Duration;

/// Delays that double up to a limit, each somewhere between half of it and all of it, so that those
/// who collided once do not do so again.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    next: Duration,
    limit: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, limit: Duration) -> Self {
        Self {
            next: first.min(limit),
            limit,
        }
    }

    pub(crate) fn next_delay(&mut self) -> Duration {
        let delay = self.next;
        self.next = delay.saturating_mul(2).min(self.limit);
        delay.mul_f64(0.5 + 0.5 * fastrand::f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_limit() {
        let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(35));
        for whole in [10, 20, 35, 35] {
            let whole = Duration::from_millis(whole);
            let delay = backoff.next_delay();
            assert!(delay >= whole / 2 && delay <= whole, "{delay:?}");
        }
    }
}
