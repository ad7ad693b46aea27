//! What became of each test.

use std::io::BufRead;

use anyhow::Context;
use quick_junit::TestCaseStatus;
use store_tests::DatabaseKind;

/// What became of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed,
    Skipped,
}

/// The tests of a run, each with the database that it ran on, if it needs one.
#[derive(Debug, Default)]
pub(crate) struct Outcomes(Vec<(Option<DatabaseKind>, Outcome)>);

impl Outcomes {
    fn add(&mut self, test: &str, outcome: Outcome) {
        self.0.push((database_of(test), outcome));
    }

    /// What became of the tests on `database`; on none, of those that need none.
    pub(crate) fn on(&self, database: Option<DatabaseKind>) -> impl Iterator<Item = Outcome> {
        self.0
            .iter()
            .filter(move |(on, _)| *on == database)
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

/// The database that a test runs on, which is the name of one of the modules it is in.
fn database_of(test: &str) -> Option<DatabaseKind> {
    test.split("::").find_map(|module| module.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(outcomes: &Outcomes, database: Option<DatabaseKind>) -> Vec<Outcome> {
        outcomes.on(database).collect()
    }

    #[test]
    fn a_module_tells_the_database() {
        assert_eq!(
            database_of("sqlite_memory::get"),
            Some(DatabaseKind::SqliteMemory)
        );
        assert_eq!(
            database_of("races::mariadb::one_wins"),
            Some(DatabaseKind::MariaDb)
        );
        assert_eq!(database_of("keys::tests::postgres_keys"), None);
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
        let postgres = on(&outcomes, Some(DatabaseKind::Postgres));
        assert_eq!(postgres, [Outcome::Passed, Outcome::Failed]);
        assert_eq!(
            on(&outcomes, Some(DatabaseKind::Sqlite)),
            [Outcome::Skipped]
        );
        assert_eq!(on(&outcomes, None), [Outcome::Passed]);
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

        let mysql = on(&outcomes, Some(DatabaseKind::MySql));
        assert_eq!(mysql, [Outcome::Passed, Outcome::Failed]);
    }
}
