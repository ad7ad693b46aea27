//! From values to places.

/// An axis on which equal ratios are equally far apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Logarithmic {
    from: f64,
    to: f64,
    start: f64,
    end: f64,
}

impl Logarithmic {
    /// For these values, from one place to the other, with a little room on both sides.
    pub(crate) fn over(values: impl IntoIterator<Item = f64>, start: f64, end: f64) -> Self {
        let (mut from, mut to) = (f64::MAX, f64::MIN);
        for value in values.into_iter().filter(|value| *value > 0.0) {
            from = from.min(value);
            to = to.max(value);
        }
        if from > to {
            (from, to) = (1.0, 1.0);
        }
        Self {
            from: (from / 1.15).ln(),
            to: (to * 1.15).ln(),
            start,
            end,
        }
    }

    pub(crate) fn place(&self, value: f64) -> f64 {
        let value = value.max(f64::MIN_POSITIVE).ln();
        let part = (value - self.from) / (self.to - self.from);
        self.start + part.clamp(0.0, 1.0) * (self.end - self.start)
    }

    /// Round values on it: these multiples of the powers of ten.
    pub(crate) fn ticks(&self, multiples: &[f64]) -> Vec<f64> {
        let powers = (-6..=12).map(|power| 10f64.powi(power));
        let ticks = powers.flat_map(|power| multiples.iter().map(move |multiple| multiple * power));
        ticks
            .filter(|tick| (self.from..=self.to).contains(&tick.ln()))
            .collect()
    }
}

/// An axis on which equal differences are equally far apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Linear {
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) start: f64,
    pub(crate) end: f64,
}

impl Linear {
    pub(crate) fn place(&self, value: f64) -> f64 {
        let part = (value - self.from) / (self.to - self.from);
        self.start + part * (self.end - self.start)
    }

    /// About so many round values on it.
    pub(crate) fn ticks(&self, about: f64) -> Vec<f64> {
        let rough = (self.to - self.from) / about;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|multiple| multiple * power)
            .into_iter()
            .find(|step| *step >= rough)
            .unwrap_or(power);
        let first = (self.from / step).ceil() as i64;
        let last = (self.to / step).floor() as i64;
        (first..=last).map(|tick| tick as f64 * step).collect()
    }
}

/// A time, in the unit that suits it.
pub(crate) fn duration(micros: f64) -> String {
    match micros {
        micros if micros < 1e3 => format!("{} µs", short(micros)),
        micros if micros < 1e6 => format!("{} ms", short(micros / 1e3)),
        micros => format!("{} s", short(micros / 1e6)),
    }
}

/// A number of rows.
pub(crate) fn rows(rows: f64) -> String {
    match rows {
        rows if rows < 1e3 => short(rows),
        rows if rows < 1e6 => format!("{}k", short(rows / 1e3)),
        rows => format!("{}M", short(rows / 1e6)),
    }
}

/// Without digits that say nothing.
fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_equally_far_apart() {
        let axis = Logarithmic::over([1.0, 4.0], 0.0, 100.0);
        let steps = [1.0, 2.0, 4.0].map(|value| axis.place(value));
        assert!((steps[1] - steps[0] - (steps[2] - steps[1])).abs() < 1e-9);
        assert_eq!(axis.ticks(&[1.0, 2.0, 5.0]), [1.0, 2.0]);
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(duration(1500.0), "1.5 ms");
        assert_eq!(rows(5e6), "5M");
        assert_eq!(rows(10_000.0), "10k");
    }
}
