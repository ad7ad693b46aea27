//! What the store is to reach.

use crate::contenders::{SQLX_HELD, SQLX_POOL, STORE, TOWER_SESSIONS};
use crate::operations::Operation;
use crate::results::{Comparison, Measure};
use crate::statistics::Spread;

/// A ratio to be reached: 16 tasks, 2 KB tickets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) operation: Operation,
    pub(crate) against: &'static str,
    pub(crate) of: Quantity,
    pub(crate) must: Option<f64>,
    pub(crate) stretch: Option<f64>,
}

/// What the ratio is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Quantity {
    /// Operations each second: more is better.
    Throughput,
    /// This process's processor time for each: less is better.
    Cpu,
}

const TASKS: usize = 16;
const TICKET_LEN: usize = 2048;

/// The targets on a database.
pub(crate) fn of(database: &str) -> Vec<Target> {
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
    pub(crate) fn reached(&self, comparison: &Comparison) -> Option<Spread> {
        let cell = comparison.cell(self.operation, TASKS, TICKET_LEN)?;
        cell.ratio(STORE, self.against, |measure: &Measure| match self.of {
            Quantity::Throughput => measure.per_second,
            Quantity::Cpu => measure.cpu_micros,
        })
    }

    /// Whether a ratio is as good as this.
    pub(crate) fn is_met(&self, reached: f64, wanted: f64) -> bool {
        match self.of {
            Quantity::Throughput => reached >= wanted,
            Quantity::Cpu => reached <= wanted,
        }
    }
}
