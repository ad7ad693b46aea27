//! How many instructions of the client an operation takes: what a machine that is busy, or slow, does
//! not change.
//!
//! One process does some operations and another one more of them, both under valgrind's callgrind, and
//! both prepare as many. What the second takes more, divided by how many it does more, is one
//! operation's: starting, filling the table and opening connections are in both. On a server it is the
//! client's part alone, on SQLite it is the database's too; the kernel's is in neither.

use std::collections::BTreeMap;
use std::env;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use store_tests::DatabaseKind;
use store_tests::servers;

use crate::contenders::LineUp;
use crate::operations::Operation;
use crate::report;
use crate::run::{bar, now, version};
use crate::samples::Samples;
use crate::settings::Settings;

/// What one process does, after which connections are open and statements prepared.
const FEW: usize = 800;
/// What the other does.
const MANY: usize = 4000;

/// Valgrind takes fifty times as long for everything, filling a table too.
const ROWS: u64 = 1000;

/// Of all databases; a run replaces those that it was on.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Instructions {
    pub(crate) databases: BTreeMap<String, Counted>,
}

/// On one database.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Counted {
    pub(crate) version: String,
    /// When it began, as RFC 3339 writes it.
    pub(crate) taken: String,
    pub(crate) rows: u64,
    pub(crate) tasks: usize,
    pub(crate) ticket_len: usize,
    /// So many operations less so many.
    pub(crate) many: usize,
    pub(crate) few: usize,
    /// This store first.
    pub(crate) contenders: Vec<CountedContender>,
}

/// Of one contender, for one of each operation that it has.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct CountedContender {
    pub(crate) name: String,
    pub(crate) operations: Vec<(Operation, f64)>,
}

/// Counts on each database, and reports.
pub(crate) async fn run(settings: &Settings) -> Result<()> {
    let output = settings.output();
    for &kind in &settings.database {
        let Some(counted) = count(kind, settings).await? else {
            continue;
        };
        println!("{}", report::table::of_instructions(&counted));
        report::add(
            &output,
            report::INSTRUCTIONS,
            |results: &mut Instructions| {
                results.databases.insert(kind.name().to_owned(), counted);
            },
        )?;
    }
    println!("The report is in {}.", output.join("report.md").display());
    Ok(())
}

/// `None` where the database is not to be had.
async fn count(kind: DatabaseKind, settings: &Settings) -> Result<Option<Counted>> {
    let Some(LineUp { entrants, .. }) = LineUp::on(kind, &settings.contender).await? else {
        return Ok(None);
    };
    let operations = settings.operations();
    let mut counted = Counted {
        version: version(kind).await?,
        taken: now(),
        rows: settings.rows.first().copied().unwrap_or(ROWS),
        tasks: settings.tasks()[0],
        ticket_len: settings.ticket_lens()[0],
        many: MANY,
        few: FEW,
        contenders: Vec::new(),
    };
    println!("\n{kind}: {}", counted.version);
    let bar = bar((entrants.len() * operations.len()) as u64);
    for entrant in &entrants {
        let mut of_contender = CountedContender {
            name: entrant.name().to_owned(),
            operations: Vec::new(),
        };
        for &operation in &operations {
            bar.set_message(format!("{kind}: {}, {}", operation.name(), entrant.name()));
            // A cleanup is one call.
            if operation != Operation::Cleanup && entrant.stands_for(operation).is_some() {
                let of = |steps| of_process(kind, &counted, entrant.name(), operation, steps);
                let (few, many) = (of(FEW).await?, of(MANY).await?);
                let more = many.checked_sub(few).context("more take less")?;
                let of_one = more as f64 / (MANY - FEW) as f64;
                of_contender.operations.push((operation, of_one));
            }
            bar.inc(1);
        }
        counted.contenders.push(of_contender);
    }
    bar.finish_and_clear();
    Ok(Some(counted))
}

/// The instructions of a process that does so many steps.
async fn of_process(
    kind: DatabaseKind,
    counted: &Counted,
    contender: &str,
    operation: Operation,
    steps: usize,
) -> Result<u64> {
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        // One thread at a time, each in its turn.
        .arg("--fair-sched=yes")
        .arg(env::current_exe()?)
        .args(["--database", kind.name(), "--contender", contender])
        .args(["--operation", operation.name()])
        .args(["--rows", &counted.rows.to_string()])
        .args(["--tasks", &counted.tasks.to_string()])
        .args(["--ticket-len", &counted.ticket_len.to_string()])
        .args(["--steps", &steps.to_string()])
        .stdin(Stdio::null());
    if let Some(server) = kind.server() {
        match servers::find(server).await {
            Ok(found) => valgrind.env(server.url_variable(), found.url()),
            Err(reason) => bail!("{reason:#}"),
        };
    }
    let output = tokio::task::spawn_blocking(move || valgrind.output())
        .await?
        .context("valgrind does not run; it is in the package of that name")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{contender} on {kind}, {}: {said}",
        operation.name()
    );
    collected(&said).with_context(|| format!("valgrind says no number: {said}"))
}

/// What callgrind has counted, of what it says at its end.
fn collected(said: &str) -> Option<u64> {
    let mut lines = said.lines().rev();
    let number = lines.find_map(|line| line.split_once("Collected : "))?.1;
    number.trim().parse().ok()
}

/// What such a process does.
pub(crate) async fn perform(settings: &Settings, steps: usize) -> Result<()> {
    let (kind, name) = (settings.database.first(), settings.contender.first());
    let (kind, name) = (kind.context("no database")?, name.context("no contender")?);
    let line_up = LineUp::on(*kind, &settings.contender).await?;
    let entrants = line_up.context("the database has gone")?.entrants;
    let entrant = entrants.iter().find(|entrant| entrant.name() == name);
    let entrant = entrant.context("no such contender")?;
    let (operation, tasks) = (settings.operations()[0], settings.tasks()[0]);
    let samples = Samples::new(settings.ticket_lens()[0]);
    entrant.fill(&samples, settings.rows(), &|_| ()).await?;
    let work = operation.work(&samples, settings.rows(), 0, tasks, MANY);
    entrant.perform(&work, steps).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_found_in_what_callgrind_says() {
        let said = "==7== Callgrind\n==7== Events    : Ir\n==7== Collected : 126621\n==7== \n\
                    ==7== I   refs:      126,621\n";
        assert_eq!(collected(said), Some(126_621));
        assert_eq!(collected("==7== Collected : \n"), None);
        assert_eq!(collected("no such tool"), None);
    }
}
