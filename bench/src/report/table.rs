//! What the terminal shows.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, LineStyle, Row, Table, presets};

use crate::contenders::STORE;
use crate::durability::is_durable;
use crate::instructions::{Counted, CountedContender};
use crate::operations::Operation;
use crate::results::{Cell, Comparison, Entry, Measure};
use crate::scale::results::{Cleanup, FileSize, Latency, Sizes};
use crate::statistics::Spread;
use crate::targets::{self, Quantity, Reached, Verdict};

const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// What is the same for all of a run.
pub(crate) fn heading(database: &str, comparison: &Comparison) -> String {
    format!(
        "\n{database}: {}\n{}\n{} rows, {} connections each, {} rounds, {} cores",
        comparison.version,
        settings(&comparison.settings),
        comparison.rows,
        comparison.connections,
        comparison.rounds,
        comparison.cores,
    )
}

/// A server's settings, with a warning where it is not durable.
pub(crate) fn settings(settings: &[(String, String)]) -> String {
    let each = settings
        .iter()
        .map(|(name, value)| format!("{name} = {value}"));
    let mut text = each.collect::<Vec<_>>().join(", ");
    if !is_durable(settings) {
        text += "\nwarning: this server may lose what it has acknowledged";
    }
    text
}

/// A table of all that was measured, and one of the targets.
pub(crate) fn of(database: &str, comparison: &Comparison) -> String {
    let mut text = measurements(&comparison.cells).to_string();
    if !comparison.tickets.is_empty() {
        let _ = write!(
            text,
            "\n\nThe layer of tickets over the store\n{}",
            measurements(&comparison.tickets)
        );
    }
    for line in &comparison.dropped_out {
        let _ = write!(text, "\nleft out: {line}");
    }
    let targets = of_targets(&targets::of_comparison(database, comparison));
    if !targets.is_empty() {
        let _ = write!(text, "\n\n{targets}");
    }
    text
}

fn measurements(cells: &[Cell]) -> Table {
    let mut table = plain(&super::COLUMNS);
    for cell in cells {
        for (index, entry) in cell.entries.iter().enumerate() {
            let once = |text: String| if index == 0 { text } else { String::new() };
            let mut row = vec![
                once(cell.operation.name().to_owned()),
                once(cell.tasks.to_string()),
                once(cell.ticket_len.to_string()),
                entry.contender.clone(),
            ];
            row.extend(figures(cell, entry));
            table.add_row(row);
        }
    }
    for column in table.column_iter_mut().skip(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// What one contender did, and how much more the store did.
pub(crate) fn figures(cell: &Cell, entry: &Entry) -> [String; 7] {
    let median = |of: fn(&Measure) -> f64| {
        entry
            .spread(of)
            .map_or_else(String::new, |spread| number(spread.median))
    };
    let ratio = |of: fn(&Measure) -> f64| {
        let other = (entry.contender != STORE).then_some(entry.contender.as_str());
        cell.ratio(STORE, other?, of)
    };
    let throughput = ratio(|measure| measure.per_second);
    let cpu = ratio(|measure| measure.cpu_micros);
    [
        median(|measure| measure.per_second),
        median(|measure| measure.p50_micros),
        median(|measure| measure.p99_micros),
        median(|measure| measure.cpu_micros),
        throughput.map_or_else(String::new, |spread| format!("{:.2}", spread.median)),
        throughput.map_or_else(String::new, |spread| {
            format!("{:.2}–{:.2}", spread.lower_quartile, spread.upper_quartile)
        }),
        cpu.map_or_else(String::new, |spread| format!("{:.2}", spread.median)),
    ]
}

/// As many digits as mean something.
pub(crate) fn number(value: f64) -> String {
    match value {
        value if value < 100.0 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

/// Targets, and what was reached of them.
pub(crate) fn of_targets(targets: &[Reached]) -> String {
    if targets.is_empty() {
        return String::new();
    }
    let mut table = plain(&TARGET_COLUMNS);
    for target in targets {
        table.add_row(target_row(target));
    }
    format!("Targets\n{table}")
}

pub(crate) const TARGET_COLUMNS: [&str; 7] = [
    "operation",
    "against",
    "of",
    "must",
    "stretch",
    "reached",
    "",
];

pub(crate) fn target_row(target: &Reached) -> [String; 7] {
    let (sign, of) = match target.of {
        Quantity::Throughput => ("≥", "throughput"),
        Quantity::Cpu => ("≤", "CPU"),
        Quantity::P99 => ("≤", "p99"),
    };
    let wanted =
        |wanted: Option<f64>| wanted.map_or_else(String::new, |ratio| format!("{sign} {ratio}"));
    let verdict = match target.verdict() {
        Verdict::Stretch => "stretch",
        Verdict::Must => "must",
        Verdict::Missed => "missed",
    };
    [
        target.operation.clone(),
        target.against.clone(),
        of.to_owned(),
        wanted(target.must),
        wanted(target.stretch),
        spread(&target.ratio),
        verdict.to_owned(),
    ]
}

fn spread(of: &Spread) -> String {
    format!(
        "{:.2} ({:.2}–{:.2})",
        of.median, of.lower_quartile, of.upper_quartile
    )
}

/// Instructions for an operation.
pub(crate) fn of_instructions(counted: &Counted) -> String {
    let (header, rows) = instruction_rows(counted);
    let table = named_numbers(&header, rows);
    format!("{}\n{table}", instructions_in_words(counted))
}

pub(crate) fn instructions_in_words(counted: &Counted) -> String {
    format!(
        "Thousands of the client's instructions for an operation, as callgrind counts them: those of {} \
         operations less those of {}. {} tasks, tickets of {} bytes, {} rows. In brackets how many \
         times this store's they are",
        counted.many, counted.few, counted.tasks, counted.ticket_len, counted.rows
    )
}

/// A column for each operation, a row for each contender.
pub(crate) fn instruction_rows(counted: &Counted) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let of = |contender: &CountedContender, wanted: Operation| {
        let mut operations = contender.operations.iter();
        Some(operations.find(|(operation, _)| *operation == wanted)?.1)
    };
    let mut header = vec!["contender"];
    let store = counted.contenders.first();
    let operations = store.map_or(&[][..], |store| &store.operations);
    header.extend(operations.iter().map(|(operation, _)| operation.name()));
    let rows = counted.contenders.iter().map(|contender| {
        let mut row = vec![contender.name.clone()];
        row.extend(operations.iter().map(|&(operation, of_store)| {
            of(contender, operation).map_or_else(String::new, |instructions| {
                format!("{:.1} ({:.2})", instructions / 1e3, instructions / of_store)
            })
        }));
        row
    });
    (header, rows.collect())
}

/// Throughput and latency by the number of rows.
pub(crate) fn of_sizes(sizes: &Sizes) -> Table {
    named_numbers(&SIZE_COLUMNS, size_rows(sizes))
}

pub(crate) const SIZE_COLUMNS: [&str; 7] = [
    "operation",
    "rows",
    "each second",
    "p50 µs",
    "p99 µs",
    "log bytes",
    "throughput ×",
];

pub(crate) fn size_rows(sizes: &Sizes) -> Vec<[String; 7]> {
    let rows = sizes.cells.iter().flat_map(|cell| {
        cell.sizes.iter().map(|size| {
            [
                cell.operation.name().to_owned(),
                size.rows.to_string(),
                number(size.per_second.median),
                number(size.p50_micros.median),
                number(size.p99_micros.median),
                size.log_bytes
                    .map_or_else(String::new, |bytes| number(bytes.median)),
                spread(&size.ratio),
            ]
        })
    });
    rows.collect()
}

/// Files as long as tables.
pub(crate) fn of_files(files: &[FileSize]) -> Table {
    named_numbers(&FILE_COLUMNS, file_rows(files))
}

pub(crate) const FILE_COLUMNS: [&str; 6] = [
    "rows",
    "MiB",
    "pages read each second",
    "reads ×",
    "pages written each second",
    "writes ×",
];

pub(crate) fn file_rows(files: &[FileSize]) -> Vec<[String; 6]> {
    let rows = files.iter().map(|file| {
        [
            file.rows.to_string(),
            number(file.bytes as f64 / MEBIBYTE),
            number(file.reads_per_second.median),
            spread(&file.reads_ratio),
            number(file.writes_per_second.median),
            spread(&file.writes_ratio),
        ]
    });
    rows.collect()
}

/// Readers and renewals beside a cleanup.
pub(crate) fn of_cleanup(cleanup: &Cleanup) -> String {
    let table = named_numbers(&CLEANUP_COLUMNS, cleanup_rows(cleanup));
    format!("{}\n{table}", cleanup_in_words(cleanup))
}

pub(crate) const CLEANUP_COLUMNS: [&str; 6] =
    ["", "operations", "p50 µs", "p99 µs", "longest µs", "p99 ×"];

pub(crate) fn cleanup_rows(cleanup: &Cleanup) -> [[String; 6]; 4] {
    let row = |name: &str, latency: &Latency, idle: &Latency| {
        [
            name.to_owned(),
            latency.count.to_string(),
            number(latency.p50_micros),
            number(latency.p99_micros),
            number(latency.max_micros),
            format!("{:.2}", latency.p99_micros / idle.p99_micros),
        ]
    };
    let Cleanup {
        reads_idle,
        reads_beside,
        renewals_idle,
        renewals_beside,
        ..
    } = cleanup;
    [
        row("reads, idle", reads_idle, reads_idle),
        row("reads, beside the cleanup", reads_beside, reads_idle),
        row("renewals, idle", renewals_idle, renewals_idle),
        row(
            "renewals, beside the cleanup",
            renewals_beside,
            renewals_idle,
        ),
    ]
}

pub(crate) fn cleanup_in_words(cleanup: &Cleanup) -> String {
    format!(
        "{} expired of {} rows, with tickets of {} bytes, removed in {:.1} s, in {} batches{}; \
         {} reads and {} renewals were due each second; memory of the process {:.1} MiB before, \
         {:.1} MiB at most",
        cleanup.removed,
        cleanup.rows,
        cleanup.ticket_len,
        cleanup.seconds,
        cleanup.batches,
        if cleanup.batches_were_counted {
            ""
        } else {
            " or more"
        },
        cleanup.reads_per_second,
        cleanup.renewals_per_second,
        cleanup.memory_before as f64 / MEBIBYTE,
        cleanup.memory_peak as f64 / MEBIBYTE,
    )
}

/// A table whose columns are numbers, but for the first.
fn named_numbers(header: &[&str], rows: impl IntoIterator<Item: Into<Row>>) -> Table {
    let mut table = plain(header);
    table.add_rows(rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn plain(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()));
    table.set_header(header.to_vec());
    table
}
