//! The same operations on tables of different sizes, in turn.

use std::path::PathBuf;

use anyhow::Result;
use store_tests::DatabaseKind;

use super::results::{Size, SizeCell, Sizes};
use super::{base, file};
use crate::contenders::Store;
use crate::durability;
use crate::entrant::{Entrant, Seat};
use crate::operations::Operation;
use crate::results::{Cell, Entry};
use crate::run::bar;
use crate::samples::Samples;
use crate::settings::Settings;
use crate::site::Site;
use crate::statistics::Spread;

const OPERATIONS: [Operation; 4] = [
    Operation::Get,
    Operation::Create,
    Operation::Update,
    Operation::Renew,
];
const TASKS: usize = 16;

/// So many times as long as in a comparison: a round that is over before the larger table's pages are
/// in everybody's caches tells of the way there.
const LONGER: usize = 8;
/// Those of a whole comparison are longer already.
const LONGER_FOR_READS: usize = 2;

/// `None` where the database is not to be had, or none of the operations is asked for.
pub(super) async fn measure(
    kind: DatabaseKind,
    rows: &[u64],
    ticket_len: usize,
    settings: &Settings,
) -> Result<Option<Sizes>> {
    let asked = settings.operations();
    let mut operations = OPERATIONS.to_vec();
    operations.retain(|operation| asked.contains(operation));
    if operations.is_empty() {
        return Ok(None);
    }
    let samples = Samples::new(ticket_len);
    let mut seats: Vec<(u64, Box<dyn Entrant>)> = Vec::new();
    let mut tables = Vec::new();
    for &rows_of_it in rows {
        let Some(site) = Site::create(kind).await? else {
            return Ok(None);
        };
        if kind == DatabaseKind::Sqlite {
            tables.push((rows_of_it, PathBuf::from(site.name()?)));
        }
        let connections = durability::connections(&site, rows.len()).await?;
        let seat = Seat::<Store>::take(site, connections).await?;
        let seat = seat.named(rows_of_it.to_string());
        seat.schema().await?;
        let bar = bar(rows_of_it);
        bar.set_message(format!("{kind}: filling a table of {rows_of_it} rows"));
        seat.fill(&samples, rows_of_it, &|more| bar.inc(more))
            .await?;
        bar.finish_and_clear();
        seats.push((rows_of_it, Box::new(seat)));
    }

    let rounds = settings.rounds();
    let turns = u64::from(rounds + 1);
    let bar = bar(turns * (operations.len() + usize::from(!tables.is_empty())) as u64);
    let mut cells = Vec::new();
    for (at, operation) in operations.into_iter().enumerate() {
        bar.set_message(format!("{kind}: {}", operation.name()));
        let longer = if operation.writes() || settings.quick {
            LONGER
        } else {
            LONGER_FOR_READS
        };
        let count = settings.count(operation, TASKS) * longer;
        let mut entries: Vec<_> = seats
            .iter()
            .map(|(_, seat)| Entry {
                contender: seat.name().to_owned(),
                rounds: Vec::new(),
            })
            .collect();
        // The first warms up, and is thrown away.
        for round in 0..=rounds {
            let number = at as u64 * turns + u64::from(round);
            for turn in 0..seats.len() {
                let turn = (turn + round as usize) % seats.len();
                let (rows, seat) = &seats[turn];
                let work = operation.work(&samples, *rows, number, TASKS, count);
                let measure = seat.round(&work).await?;
                if round > 0 {
                    entries[turn].rounds.push(measure);
                }
            }
            bar.inc(1);
        }
        let cell = Cell {
            operation,
            tasks: TASKS,
            ticket_len,
            count,
            entries,
        };
        cells.push(SizeCell {
            operation,
            sizes: sizes(&cell, rows),
        });
    }
    let mut files = Vec::new();
    if !tables.is_empty() {
        bar.set_message(format!("{kind}: files as long"));
        files = file::measure(&tables, rounds, &|| bar.inc(1))?;
    }
    bar.finish_and_clear();
    for (rows, seat) in &seats {
        seat.check_rows(*rows).await?;
    }
    Ok(Some(Sizes {
        tasks: TASKS,
        ticket_len,
        rounds,
        cells,
        files,
    }))
}

fn sizes(cell: &Cell, rows: &[u64]) -> Vec<Size> {
    let base = base(rows).as_ref().map(u64::to_string).unwrap_or_default();
    rows.iter()
        .filter_map(|&rows| {
            let name = rows.to_string();
            let entry = cell.entry(&name)?;
            Some(Size {
                rows,
                per_second: entry.spread(|measure| measure.per_second)?,
                p50_micros: entry.spread(|measure| measure.p50_micros)?,
                p99_micros: entry.spread(|measure| measure.p99_micros)?,
                ratio: cell.ratio(&name, &base, |measure| measure.per_second)?,
                log_bytes: Spread::of(entry.rounds.iter().filter_map(|measure| measure.log_bytes)),
            })
        })
        .collect()
}
