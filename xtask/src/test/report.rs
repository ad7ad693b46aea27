//! What a run ends with.

use std::fmt;

use comfy_table::{CellAlignment, LineStyle, Table, presets};
use store_tests::{Chromium, NoChromium};

use super::{
    databases::{Database, Databases},
    outcomes::{Ground, Outcome, Outcomes},
};

/// A table with a line per database and one for the browser, a line per skip, and the sums.
pub(crate) struct Report {
    rows: Vec<Row>,
}

struct Row {
    name: &'static str,
    version: String,
    origin: String,
    counts: Counts,
    /// The whole reason, where its tests were skipped.
    skipped: Option<String>,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Report {
    pub(crate) fn new(
        databases: &Databases,
        chromium: &Result<Chromium, NoChromium>,
        outcomes: &Outcomes,
    ) -> Self {
        let mut rows: Vec<Row> = databases
            .each()
            .map(|(kind, database)| {
                let counts = Counts::of(outcomes.on(Ground::Database(kind)));
                match database {
                    Database::Present { version, origin } => Row {
                        name: kind.name(),
                        version,
                        origin,
                        counts,
                        skipped: None,
                    },
                    Database::Missing(reason) => {
                        Row::missing(kind.name(), reason, format!("{reason:#}"), counts)
                    }
                }
            })
            .collect();
        let counts = Counts::of(outcomes.on(Ground::Chromium));
        rows.push(match chromium {
            Ok(found) => Row {
                name: Chromium::NAME,
                version: found.version.clone(),
                origin: found.browser.display().to_string(),
                counts,
                skipped: None,
            },
            Err(reason) => Row::missing(Chromium::NAME, reason, reason.to_string(), counts),
        });
        rows.push(Row {
            name: "memory or none",
            version: String::new(),
            origin: String::new(),
            counts: Counts::of(outcomes.on(Ground::Memory)),
            skipped: None,
        });
        Self { rows }
    }

    /// Whether there were tests, and none has failed.
    pub(crate) fn succeeded(&self) -> bool {
        let total = self.total();
        total.failed == 0 && total.passed > 0
    }

    fn total(&self) -> Counts {
        self.rows
            .iter()
            .fold(Counts::default(), |sum, row| sum.plus(row.counts))
    }
}

impl Row {
    /// A test whose database or browser is missing returns at once, and to its runner has passed.
    /// It was skipped.
    fn missing(
        name: &'static str,
        reason: impl fmt::Display,
        whole_reason: String,
        counts: Counts,
    ) -> Self {
        Self {
            name,
            version: "–".to_owned(),
            origin: format!("skipped: {reason}"),
            counts: Counts {
                passed: 0,
                skipped: counts.skipped + counts.passed,
                ..counts
            },
            skipped: Some(whole_reason),
        }
    }
}

impl Counts {
    fn of(outcomes: impl Iterator<Item = Outcome>) -> Self {
        outcomes.fold(Self::default(), |counts, outcome| match outcome {
            Outcome::Passed => Self {
                passed: counts.passed + 1,
                ..counts
            },
            Outcome::Failed => Self {
                failed: counts.failed + 1,
                ..counts
            },
            Outcome::Skipped => Self {
                skipped: counts.skipped + 1,
                ..counts
            },
        })
    }

    fn plus(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()));
        table.set_header(["on", "version", "from", "passed", "failed", "skipped"]);
        for column in table.column_iter_mut().skip(3) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        for Row {
            name,
            version,
            origin,
            counts,
            ..
        } in &self.rows
        {
            let counts = [counts.passed, counts.failed, counts.skipped].map(|n| n.to_string());
            table.add_row(
                [*name, version, origin]
                    .into_iter()
                    .chain(counts.iter().map(|n| &**n)),
            );
        }
        writeln!(f, "{table}\n")?;

        for row in &self.rows {
            if let Some(reason) = &row.skipped {
                writeln!(f, "skipped: {}: {reason}", row.name)?;
            }
        }
        let Counts {
            passed,
            failed,
            skipped,
        } = self.total();
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}
