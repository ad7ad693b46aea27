//! A comparison: everybody does the same work, one after the other, round after round.

use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressStyle};
use store_core::{Clock as _, SystemClock};
use store_tests::DatabaseKind;
use store_tests::servers;

use crate::contenders::{LineUp, STORE};
use crate::deadline::Deadline;
use crate::entrant::Entrant;
use crate::operations::Operation;
use crate::report;
use crate::results::{Cell, Comparison, Entry, Measure, Profile, Results};
use crate::samples::Samples;
use crate::settings::Settings;
use crate::tickets;

/// Compares on each database, and reports.
pub(crate) async fn run(settings: &Settings) -> Result<()> {
    let output = settings.output();
    let deadline = settings.deadline();
    let databases = &settings.database;
    for (at, &kind) in databases.iter().enumerate() {
        let deadline = deadline.of_one_of(databases.len() - at);
        let Some(comparison) = compare(kind, settings, deadline).await? else {
            continue;
        };
        println!("{}", report::table::of(kind.name(), &comparison));
        // After each, so that an error on the next costs nothing.
        report::add(&output, report::RESULTS, |results: &mut Results| {
            results.databases.insert(kind.name().to_owned(), comparison);
        })?;
    }
    println!("The report is in {}.", output.join("report.md").display());
    Ok(())
}

/// `None` where the database is not to be had.
async fn compare(
    kind: DatabaseKind,
    settings: &Settings,
    deadline: Deadline,
) -> Result<Option<Comparison>> {
    let Some(LineUp {
        mut entrants,
        connections,
        settings: database_settings,
    }) = LineUp::on(kind, &settings.contender).await?
    else {
        return Ok(None);
    };
    let operations = settings.operations();
    let mut comparison = Comparison {
        version: version(kind).await?,
        taken: now(),
        cores: available_parallelism()?.get(),
        quick: settings.quick,
        rows: settings.rows(),
        rounds: settings.rounds(),
        connections,
        settings: database_settings,
        contenders: Vec::new(),
        cells: Vec::new(),
        tickets: Vec::new(),
        dropped_out: Vec::new(),
    };
    println!("{}", report::table::heading(kind.name(), &comparison));
    let lens = settings.ticket_lens();
    for (index, &ticket_len) in lens.iter().enumerate() {
        let samples = Samples::new(ticket_len);
        fill(kind, &entrants, &samples, settings.rows()).await?;
        if index == 0 {
            comparison.contenders = profiles(&entrants, &operations).await?;
        }
        let of_tasks = settings.tasks().into_iter().flat_map(|tasks| {
            operations
                .iter()
                // A cleanup is one task's.
                .filter(move |&&operation| operation != Operation::Cleanup || tasks == 1)
                .map(move |&operation| (operation, tasks))
        });
        let mut conditions: Vec<_> = of_tasks.collect();
        if operations.contains(&Operation::Cleanup) && !settings.tasks().contains(&1) {
            conditions.push((Operation::Cleanup, 1));
        }
        let deadline = deadline.of_one_of(lens.len() - index);
        let measured = cells(
            kind,
            &mut entrants,
            &samples,
            &conditions,
            settings,
            deadline,
        );
        let (cells, dropped_out) = measured.await?;
        comparison.cells.extend(cells);
        comparison.dropped_out.extend(dropped_out);
        if index + 1 < lens.len() {
            for entrant in &entrants {
                entrant.empty().await?;
            }
        }
    }
    drop(entrants);
    if settings.contender.is_empty() {
        let measured = tickets::measure(kind, settings, deadline).await?;
        comparison.tickets = measured.unwrap_or_default();
    }
    Ok(Some(comparison))
}

async fn fill(
    kind: DatabaseKind,
    entrants: &[Box<dyn Entrant>],
    samples: &Samples,
    rows: u64,
) -> Result<()> {
    let bar = bar(rows * entrants.len() as u64);
    for entrant in entrants {
        bar.set_message(format!("{kind}: filling {}", entrant.name()));
        entrant
            .fill(samples, rows, &|more| bar.inc(more))
            .await
            .with_context(|| format!("{} on {kind} is to be filled", entrant.name()))?;
    }
    bar.finish_and_clear();
    Ok(())
}

async fn profiles(entrants: &[Box<dyn Entrant>], operations: &[Operation]) -> Result<Vec<Profile>> {
    let mut profiles = Vec::new();
    for entrant in entrants {
        let calls = operations
            .iter()
            .filter_map(|&operation| Some((operation, entrant.stands_for(operation)?)));
        profiles.push(Profile {
            name: entrant.name().to_owned(),
            what: entrant.what().to_owned(),
            stands_for: calls.collect(),
            table: entrant.schema().await?,
        });
    }
    Ok(profiles)
}

/// The measurements, and who could not go on.
async fn cells(
    kind: DatabaseKind,
    entrants: &mut Vec<Box<dyn Entrant>>,
    samples: &Samples,
    conditions: &[(Operation, usize)],
    settings: &Settings,
    deadline: Deadline,
) -> Result<(Vec<Cell>, Vec<String>)> {
    let (rows, rounds) = (settings.rows(), settings.rounds());
    let bar = bar(conditions.len() as u64 * u64::from(rounds + 1));
    let (mut cells, mut dropped_out) = (Vec::new(), Vec::new());
    for (at, &(operation, tasks)) in conditions.iter().enumerate() {
        bar.set_message(format!(
            "{kind}: {}, {tasks} tasks, {} bytes",
            operation.name(),
            samples.ticket_len
        ));
        let count = settings.count(operation, tasks);
        let deadline = deadline.of_one_of(conditions.len() - at);
        let mut all: Vec<Vec<Measure>> = vec![Vec::new(); entrants.len()];
        // The first warms up, and is thrown away.
        for round in 0..=rounds {
            // One counts, however late it is.
            if round > 1 && deadline.is_over() {
                bar.inc(u64::from(rounds + 1 - round));
                break;
            }
            // No two rounds of the whole run use the same new keys.
            let number = at as u64 * u64::from(rounds + 1) + u64::from(round);
            let work = operation.work(samples, rows, number, tasks, count);
            let mut failed = None;
            for turn in 0..entrants.len() {
                // Everybody is first, last and behind everybody else in turn.
                let turn = (turn + round as usize) % entrants.len();
                let entrant = &entrants[turn];
                if entrant.stands_for(operation).is_none() {
                    continue;
                }
                match entrant.round(&work).await {
                    Ok(measure) if round > 0 => all[turn].push(measure),
                    Ok(_) => {}
                    Err(error) if entrant.name() == STORE => return Err(error),
                    Err(error) => failed = Some((turn, error)),
                }
            }
            if let Some((turn, error)) = failed {
                // Its table is not what it should be any more.
                let line = format!("{error:#}");
                bar.suspend(|| eprintln!("left out from here on: {line}"));
                dropped_out.push(line);
                entrants.remove(turn);
                all.remove(turn);
            }
            bar.inc(1);
        }
        let mut entries = Vec::new();
        for (entrant, rounds) in entrants.iter().zip(all) {
            if entrant.stands_for(operation).is_some() {
                entrant.check_rows(rows).await?;
                entries.push(Entry {
                    contender: entrant.name().to_owned(),
                    rounds,
                });
            }
        }
        cells.push(Cell {
            operation,
            tasks,
            ticket_len: samples.ticket_len,
            count,
            entries,
        });
    }
    bar.finish_and_clear();
    Ok((cells, dropped_out))
}

/// What the server says of itself.
pub(crate) async fn version(kind: DatabaseKind) -> Result<String> {
    Ok(match kind.server() {
        None => servers::sqlite_version().await?,
        Some(server) => match servers::find(server).await {
            Ok(server) => server.version().to_owned(),
            Err(reason) => anyhow::bail!("{reason:#}"),
        },
    })
}

pub(crate) fn now() -> String {
    SystemClock.now().format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

pub(crate) fn bar(len: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {eta:>4}  {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(len).with_style(style)
}

/// For what takes as long as it takes.
pub(crate) fn spinner() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {elapsed:>4}  {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    let spinner = ProgressBar::new_spinner().with_style(style);
    spinner.enable_steady_tick(Duration::from_millis(200));
    spinner
}
