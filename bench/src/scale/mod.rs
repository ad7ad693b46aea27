//! Size: latency against the number of rows, and readers beside the cleanup of many.

mod cleanup;
mod file;
pub(crate) mod results;
mod sizes;

use anyhow::Result;
use store_tests::DatabaseKind;

use self::results::{Scale, ScaleResults};
use crate::operations::Operation;
use crate::report;
use crate::run::{now, version};
use crate::settings::Settings;
use crate::site::Site;
use crate::{durability, report::table, targets};

/// What tables of other sizes are compared with, if it is among them.
pub(crate) const USUAL: u64 = 100_000;

/// Each takes a minute, and the table has to be filled again.
const MOST_CLEANUPS: u32 = 3;

/// Measures on each database, and reports.
pub(crate) async fn run(settings: &Settings) -> Result<()> {
    let output = settings.output();
    for &kind in &settings.database {
        let Some(scale) = measure(kind, settings).await? else {
            continue;
        };
        println!("{}", table::of_targets(&targets::of_scale(&scale)));
        report::add(&output, report::SCALE, |results: &mut ScaleResults| {
            results.databases.insert(kind.name().to_owned(), scale);
        })?;
    }
    println!("The report is in {}.", output.join("report.md").display());
    Ok(())
}

/// `None` where the database is not to be had.
async fn measure(kind: DatabaseKind, settings: &Settings) -> Result<Option<Scale>> {
    let Some(site) = Site::create(kind).await? else {
        return Ok(None);
    };
    let mut scale = Scale {
        version: version(kind).await?,
        taken: now(),
        settings: durability::settings(&site).await?,
        sizes: None,
        cleanups: Vec::new(),
    };
    let ticket_len = settings.ticket_lens().first().copied().unwrap_or(2048);
    let rows = rows(kind, settings);
    println!(
        "\n{kind}: {}\n{}",
        scale.version,
        table::settings(&scale.settings)
    );
    if settings.operations().contains(&Operation::Cleanup) {
        let (most, rounds) = (rows.iter().copied().max(), settings.rounds());
        let rounds = rounds.min(MOST_CLEANUPS);
        scale.cleanups = cleanup::measure(site, most, ticket_len, rounds).await?;
    }
    if let Some(sizes) = sizes::measure(kind, &rows, ticket_len, settings).await? {
        println!("{}", table::of_sizes(&sizes));
        if !sizes.files.is_empty() {
            println!("Plain files as long:\n{}", table::of_files(&sizes.files));
        }
        scale.sizes = Some(sizes);
    }
    Ok(Some(scale))
}

fn rows(kind: DatabaseKind, settings: &Settings) -> Vec<u64> {
    let all = [10_000, 100_000, 1_000_000, 5_000_000];
    let mut rows = match (settings.rows.is_empty(), kind) {
        (false, _) => settings.rows.clone(),
        (true, DatabaseKind::MySql | DatabaseKind::MariaDb) => all[..3].to_vec(),
        (true, _) => all.to_vec(),
    };
    rows.sort_unstable();
    rows
}

/// The number of rows that others are compared with.
fn base(rows: &[u64]) -> Option<u64> {
    let usual = rows.iter().find(|rows| **rows == USUAL);
    usual.or(rows.first()).copied()
}
