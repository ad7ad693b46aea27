//! `cargo xtask test`: every test, on every database there is.

mod databases;
mod outcomes;
mod report;
mod runner;

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use store_tests::{Chromium, OpenIdProvider, RequiredBrowsers, RequiredDatabases};

use self::{databases::Databases, report::Report, runner::Runner};

/// Run all tests on all databases.
///
/// Finds or starts PostgreSQL, MySQL and MariaDB, runs the whole workspace's tests on them and on
/// SQLite, and reports on each. The environment may name servers (TEST_POSTGRES_URL, TEST_MYSQL_URL,
/// TEST_MARIADB_URL; `none` to leave one out), and databases that must not be missing
/// (REQUIRE_DATABASES: sqlite, postgres, mysql, mariadb, separated by commas). The OpenID provider
/// takes Node.js and npm; REQUIRE_OPENID_PROVIDER=1 says that it must not be missing. The tests of
/// the example host's page run in Chromium, which is looked for in PATH together with chromedriver
/// (or where CHROMIUM and CHROMEDRIVER say); REQUIRE_BROWSERS=chromium says that it must not be
/// missing.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Passed on to cargo nextest, or to cargo test where that is not installed. With them, the
    /// examples in the documentation are left out.
    #[arg(last = true)]
    runner: Vec<String>,
}

/// Succeeds if every test has passed, and no database or browser that is required was missing.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let required = RequiredDatabases::from_env().context(RequiredDatabases::VARIABLE)?;
    let databases = Databases::find().await?;
    print!("{databases}");
    let chromium = Chromium::find();
    match &chromium {
        Ok(found) => println!("{:<13}  {found}\n", Chromium::NAME),
        Err(reason) if RequiredBrowsers::from_env().chromium() => {
            eprintln!("error: chromium is required by REQUIRE_BROWSERS: {reason}");
            return Ok(ExitCode::FAILURE);
        }
        Err(reason) => println!("{:<13}  {:<8}  {reason}\n", Chromium::NAME, "–"),
    }
    if databases.refuse(&required) {
        return Ok(ExitCode::FAILURE);
    }

    let provider = OpenIdProvider::install().await;
    if let Err(reason) = &provider
        && OpenIdProvider::is_required()
    {
        let variable = OpenIdProvider::REQUIRED;
        println!("openid-provider is required by {variable}: {reason:#}");
        return Ok(ExitCode::FAILURE);
    }

    let run = Runner::installed().run(&databases, &arguments.runner)?;
    let report = Report::new(&databases, &chromium, &run.outcomes);
    println!("\n{report}");
    if let Err(reason) = provider {
        println!("skipped: openid-provider: {reason:#}");
    }
    let succeeded = run.succeeded && report.succeeded();
    Ok(if succeeded {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
