//! What became of each test.

use std::io::BufRead;

use anyhow::Context;
use quick_junit::TestCaseStatus;
use store_tests::{Chromium, DatabaseKind};

/// What became of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed,
    Skipped,
}

/// What a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ground {
    Database(DatabaseKind),
    Chromium,
    /// Nothing that could be missing.
    Memory,
}

/// The tests of a run, each with what it ran on.
#[derive(Debug, Default)]
pub(crate) struct Outcomes(Vec<(Ground, Outcome)>);

impl Outcomes {
    fn add(&mut self, test: &str, outcome: Outcome) {
        self.0.push((ground_of(test), outcome));
    }

    /// What became of the tests on `ground`.
    pub(crate) fn on(&self, ground: Ground) -> impl Iterator<Item = Outcome> {
        self.0
            .iter()
            .filter(move |(on, _)| *on == ground)
            .map(|(_, outcome)| *outcome)
    }

    /// Adds what `cargo nextest` reports, in JUnit's format.
    pub(crate) fn add_junit(&mut self, report: impl BufRead) -> anyhow::Result<()> {
        let report =
            quick_junit::Report::deserialize(report).context("the JUnit report does not parse")?;
        for test in report
            .test_suites
            .iter()
            .flat_map(|suite| &suite.test_cases)
        {
            let outcome = match test.status {
                TestCaseStatus::Success { .. } => Outcome::Passed,
                TestCaseStatus::NonSuccess { .. } => Outcome::Failed,
                TestCaseStatus::Skipped { .. } => Outcome::Skipped,
            };
            self.add(&test.name, outcome);
        }
        Ok(())
    }

    /// Adds what a line of `cargo test` says, if it tells of a test: `test postgres::get ... ok`.
    pub(crate) fn add_line(&mut self, line: &str) {
        let Some((test, outcome)) = line
            .strip_prefix("test ")
            .and_then(|line| line.rsplit_once(" ... "))
        else {
            return;
        };
        match outcome.split([' ', ',']).next() {
            Some("ok") => self.add(test, Outcome::Passed),
            Some("FAILED") => self.add(test, Outcome::Failed),
            Some("ignored") => self.add(test, Outcome::Skipped),
            _ => {}
        }
    }
}

/// What a test runs on, which is the name of one of the modules it is in.
fn ground_of(test: &str) -> Ground {
    let named = |module: &str| match module {
        Chromium::NAME => Some(Ground::Chromium),
        other => other.parse().ok().map(Ground::Database),
    };
    test.split("::").find_map(named).unwrap_or(Ground::Memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(outcomes: &Outcomes, ground: Ground) -> Vec<Outcome> {
        outcomes.on(ground).collect()
    }

    #[test]
    fn a_module_tells_what_a_test_runs_on() {
        assert_eq!(
            ground_of("sqlite_memory::get"),
            Ground::Database(DatabaseKind::SqliteMemory)
        );
        assert_eq!(
            ground_of("races::mariadb::one_wins"),
            Ground::Database(DatabaseKind::MariaDb)
        );
        assert_eq!(ground_of("chromium::sign_in"), Ground::Chromium);
        assert_eq!(ground_of("keys::tests::postgres_keys"), Ground::Memory);
    }

    #[test]
    fn lines_of_cargo_test_are_read() {
        let mut outcomes = Outcomes::default();
        for line in [
            "running 4 tests",
            "test postgres::get ... ok",
            "test postgres::update ... FAILED",
            "test sqlite::slow ... ignored, takes an hour",
            "test store-core/src/lib.rs - (line 7) - compile ... ok",
            "test result: FAILED. 2 passed; 1 failed; 1 ignored",
        ] {
            outcomes.add_line(line);
        }
        let postgres = on(&outcomes, Ground::Database(DatabaseKind::Postgres));
        assert_eq!(postgres, [Outcome::Passed, Outcome::Failed]);
        assert_eq!(
            on(&outcomes, Ground::Database(DatabaseKind::Sqlite)),
            [Outcome::Skipped]
        );
        assert_eq!(on(&outcomes, Ground::Memory), [Outcome::Passed]);
    }

    #[test]
    fn the_report_of_nextest_is_read() {
        let report = r#"<?xml version="1.0" encoding="UTF-8"?>
            <testsuites name="nextest-run" tests="2" failures="1" errors="0">
                <testsuite name="store-tests::contract" tests="2" disabled="0" errors="0" failures="1">
                    <testcase name="mysql::get" classname="store-tests::contract"></testcase>
                    <testcase name="mysql::update" classname="store-tests::contract">
                        <failure type="test failure">panicked</failure>
                    </testcase>
                </testsuite>
            </testsuites>"#;
        let mut outcomes = Outcomes::default();
        outcomes.add_junit(report.as_bytes()).unwrap();

        let mysql = on(&outcomes, Ground::Database(DatabaseKind::MySql));
        assert_eq!(mysql, [Outcome::Passed, Outcome::Failed]);
    }
}
