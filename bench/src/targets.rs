//! What the store is to reach.

use crate::contenders::{SQLX_HELD, SQLX_POOL, STORE, TOWER_SESSIONS};
use crate::operations::Operation;
use crate::results::{Comparison, Measure};
use crate::scale::USUAL;
use crate::scale::results::Scale;
use crate::statistics::Spread;

/// A ratio to be reached: 16 tasks, 2 KB tickets.
#[derive(Clone, Copy, Debug)]
struct Target {
    operation: Operation,
    against: &'static str,
    of: Quantity,
    must: Option<f64>,
    stretch: Option<f64>,
}

/// A ratio that was to be reached, and what was.
#[derive(Clone, Debug)]
pub(crate) struct Reached {
    pub(crate) operation: String,
    pub(crate) against: String,
    pub(crate) of: Quantity,
    pub(crate) must: Option<f64>,
    pub(crate) stretch: Option<f64>,
    pub(crate) ratio: Spread,
}

/// How far it got.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    Stretch,
    Must,
    Missed,
}

/// What the ratio is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Quantity {
    /// Operations each second: more is better.
    Throughput,
    /// This process's processor time for each: less is better.
    Cpu,
    /// How long the slowest hundredth takes: less is better.
    P99,
}

const TASKS: usize = 16;
const TICKET_LEN: usize = 2048;

/// What a comparison on a database says of its targets.
pub(crate) fn of_comparison(database: &str, comparison: &Comparison) -> Vec<Reached> {
    let reached = of(database).into_iter().filter_map(|target| {
        Some(Reached {
            operation: target.operation.name().to_owned(),
            against: target.against.to_owned(),
            of: target.of,
            must: target.must,
            stretch: target.stretch,
            ratio: target.reached(comparison)?,
        })
    });
    reached.collect()
}

/// What the measurements of size say of theirs, which are the same on every database.
pub(crate) fn of_scale(scale: &Scale) -> Vec<Reached> {
    let mut all = Vec::new();
    let cells = scale.sizes.iter().flat_map(|sizes| &sizes.cells);
    for cell in cells.filter(|cell| cell.sizes.iter().any(|size| size.rows == USUAL)) {
        for size in &cell.sizes {
            let must = match size.rows {
                1_000_000 => 0.9,
                5_000_000 => 0.85,
                _ => continue,
            };
            all.push(Reached {
                operation: format!("{}, {} rows", cell.operation.name(), size.rows),
                against: format!("{USUAL} rows"),
                of: Quantity::Throughput,
                must: Some(must),
                stretch: None,
                ratio: size.ratio,
            });
        }
    }
    if let Some(ratio) = scale.reads_ratio() {
        all.push(Reached {
            operation: "get, beside a cleanup".to_owned(),
            against: "idle".to_owned(),
            of: Quantity::P99,
            must: Some(1.5),
            stretch: Some(1.2),
            ratio,
        });
    }
    all
}

/// The targets on a database.
fn of(database: &str) -> Vec<Target> {
    use Operation::{Create, Delete, Get, Mix, Renew, Update};

    let faster = |operation, against, must: f64, stretch: f64| Target {
        operation,
        against,
        of: Quantity::Throughput,
        must: Some(must),
        stretch: Some(stretch),
    };
    match database {
        "postgres" => {
            let mut targets = Vec::new();
            for operation in [Get, Create, Update] {
                targets.push(Target {
                    stretch: None,
                    ..faster(operation, SQLX_POOL, 1.3, 0.0)
                });
                targets.push(Target {
                    must: None,
                    ..faster(operation, SQLX_HELD, 0.0, 0.9)
                });
            }
            targets.extend([
                faster(Get, TOWER_SESSIONS, 1.8, 2.2),
                faster(Create, TOWER_SESSIONS, 2.3, 2.9),
                faster(Update, TOWER_SESSIONS, 1.8, 2.2),
                faster(Renew, TOWER_SESSIONS, 2.0, 3.0),
                Target {
                    of: Quantity::Cpu,
                    ..faster(Get, SQLX_POOL, 0.75, 0.6)
                },
            ]);
            targets
        }
        "mysql" | "mariadb" => vec![
            faster(Get, TOWER_SESSIONS, 1.3, 1.8),
            faster(Create, TOWER_SESSIONS, 1.8, 2.3),
            faster(Update, TOWER_SESSIONS, 1.3, 1.8),
        ],
        "sqlite" => vec![
            faster(Get, TOWER_SESSIONS, 1.5, 2.0),
            faster(Create, TOWER_SESSIONS, 1.5, 2.0),
            faster(Update, TOWER_SESSIONS, 1.2, 2.0),
            faster(Delete, TOWER_SESSIONS, 1.8, 2.0),
            faster(Mix, SQLX_POOL, 1.5, 2.0),
        ],
        _ => Vec::new(),
    }
}

impl Target {
    /// What was reached, where it was measured.
    fn reached(&self, comparison: &Comparison) -> Option<Spread> {
        let cell = comparison.cell(self.operation, TASKS, TICKET_LEN)?;
        cell.ratio(STORE, self.against, |measure: &Measure| match self.of {
            Quantity::Throughput => measure.per_second,
            Quantity::Cpu => measure.cpu_micros,
            Quantity::P99 => measure.p99_micros,
        })
    }
}

impl Reached {
    pub(crate) fn verdict(&self) -> Verdict {
        let meets = |wanted: Option<f64>| {
            wanted.is_some_and(|wanted| match self.of {
                Quantity::Throughput => self.ratio.median >= wanted,
                Quantity::Cpu | Quantity::P99 => self.ratio.median <= wanted,
            })
        };
        if meets(self.stretch) {
            Verdict::Stretch
        } else if meets(self.must) {
            Verdict::Must
        } else {
            Verdict::Missed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_is_better_of_what_takes_time() {
        let verdict = |of, median| {
            let reached = Reached {
                operation: String::new(),
                against: String::new(),
                of,
                must: Some(1.5),
                stretch: Some(if of == Quantity::Throughput { 2.0 } else { 1.2 }),
                ratio: Spread {
                    lower_quartile: 0.0,
                    median,
                    upper_quartile: 9.0,
                },
            };
            reached.verdict()
        };
        let verdicts = |of, medians: [f64; 3]| medians.map(|median| verdict(of, median));
        let wanted = [Verdict::Stretch, Verdict::Must, Verdict::Missed];
        assert_eq!(verdicts(Quantity::Throughput, [2.0, 1.5, 1.49]), wanted);
        assert_eq!(verdicts(Quantity::P99, [1.2, 1.5, 1.51]), wanted);
        assert_eq!(verdicts(Quantity::Cpu, [1.2, 1.5, 1.51]), wanted);
    }
}
