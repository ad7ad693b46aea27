//! How long a quick run may take, however slow the machine is.

use std::time::{Duration, Instant};

/// Half a minute less than three, for what cannot be left out on the last database.
const QUICK: Duration = Duration::from_secs(150);

/// From when on what need not be done is left out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    pub(crate) const NONE: Self = Self(None);

    pub(crate) fn of_a_quick_run() -> Self {
        Self(Some(Instant::now() + QUICK))
    }

    /// That of the first of so many, which share the time that is left.
    pub(crate) fn of_one_of(self, so_many: usize) -> Self {
        let now = Instant::now();
        let share = |until: Instant| {
            let left = until.saturating_duration_since(now);
            now + left.div_f64(so_many.max(1) as f64)
        };
        Self(self.0.map(share))
    }

    pub(crate) fn is_over(self) -> bool {
        self.0.is_some_and(|until| until <= Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_shared_by_those_who_are_left() {
        let all = Deadline(Some(Instant::now() + Duration::from_secs(60)));
        let left = |deadline: Deadline| {
            let left = deadline.0.unwrap().duration_since(Instant::now());
            left.as_secs_f64().round()
        };
        assert_eq!(
            (left(all.of_one_of(4)), left(all.of_one_of(1))),
            (15.0, 60.0)
        );
        assert!(!all.of_one_of(4).is_over());

        let past = Deadline(Some(Instant::now()));
        assert!(past.is_over() && past.of_one_of(4).is_over());
    }

    #[test]
    fn without_one_nothing_is_left_out() {
        assert!(!Deadline::NONE.is_over() && !Deadline::NONE.of_one_of(4).is_over());
    }
}
