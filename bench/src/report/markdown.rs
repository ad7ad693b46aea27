//! The report.

use std::fmt::Write as _;

use super::{chart_of_cleanup, chart_of_ratios, chart_of_sizes, table};
use crate::durability::is_durable;
use crate::instructions::{Counted, Instructions};
use crate::results::{Cell, Comparison, Profile, Results};
use crate::scale::results::{FileSize, Scale, ScaleResults};
use crate::targets;

const INTRODUCTION: &str = "\
# Benchmark

The same work done by this store, by its peers and by the bare drivers. `cargo xtask bench` makes \
the comparisons of this report anew, `cargo xtask bench --scale` its sizes and cleanups; `--help` says \
how to ask for less, or for more. A database's sections are replaced when it is measured again. Each \
names its server's settings: those that are started for tests forget what they have acknowledged when \
the machine stops, and a report on one says so.

**How to read it.** Only ratios and processor time hold; how many operations a machine does each \
second is its own affair. A ratio is that of this store to a contender within one round, and the \
median of the rounds is shown, with its quartiles. Contenders take turns within each round, on a \
database each, filled with the same sessions; each round is a fixed number of operations; one round \
more comes first and is thrown away. SQLite's files are read through before each round, so that none \
pays for pages that the system has taken back while others had their turn, and the memory that \
SQLite's connections share within a process is given back, their own too, so that none is lent that \
of others at rest. What a contender answers is checked, and after each round that what was created is \
there, what was updated or renewed has its new end, and what was deleted has gone. CPU is the \
processor time of the client process, which on SQLite is the database too.

**What is compared.** The bare drivers run this store's own statements on its own table, bound and \
decoded by hand, one for each operation. So the ratio to them is what the way through the store costs, \
and what it wins where operations that come at the same time go together. The peers run what \
they are made for, on tables that they make themselves, with one index; what stands for an operation \
is written down below. All have as many connections, unencrypted, on the same durability.
";

/// Of all that has been measured so far.
pub(super) fn of(results: &Results, instructions: &Instructions, scale: &ScaleResults) -> String {
    let mut text = INTRODUCTION.to_owned();
    of_targets(&mut text, results, scale);
    for (database, comparison) in &results.databases {
        of_comparison(&mut text, database, comparison);
    }
    for (database, counted) in &instructions.databases {
        of_instructions(&mut text, database, counted);
    }
    for (database, scale) in &scale.databases {
        of_scale(&mut text, database, scale);
    }
    text
}

/// All targets on all databases.
fn of_targets(text: &mut String, results: &Results, scale: &ScaleResults) {
    let compared = results.databases.iter().map(|(database, comparison)| {
        let targets = targets::of_comparison(database, comparison);
        (database, targets)
    });
    let sizes = scale.databases.iter().map(|(database, scale)| {
        let targets = targets::of_scale(scale);
        (database, targets)
    });
    let rows = compared.chain(sizes).flat_map(|(database, targets)| {
        let row = |target: &_| {
            let mut row = vec![database.clone()];
            row.extend(table::target_row(target));
            row
        };
        targets.iter().map(row).collect::<Vec<_>>()
    });
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(
        text,
        "\n## Targets\n\n16 tasks, tickets of 2,048 bytes; sizes and cleanups with tickets as long as \
         their own sections say. What is known of those that are missed is in \
         [Where the time goes](where-the-time-goes.md).\n"
    );
    let mut header = vec!["database"];
    header.extend(table::TARGET_COLUMNS);
    of_rows(text, &header, 4, rows);
}

fn of_comparison(text: &mut String, database: &str, comparison: &Comparison) {
    let Comparison {
        version,
        taken,
        cores,
        rows,
        connections,
        ..
    } = comparison;
    let _ = write!(
        text,
        "\n## {database}\n\n{version}; {taken}; {cores} cores; {rows} rows, {}, \
         {connections} connections each.{}\n\n{}\n",
        comparison.rounds_in_words(),
        if comparison.quick {
            " A quick run."
        } else {
            ""
        },
        settings(&comparison.settings),
    );
    warn_if_not_durable(text, &comparison.settings);
    if super::svg::ratios::of(database, comparison).is_some() {
        let _ = writeln!(
            text,
            "\n![Throughput of this store, as a multiple of each contender's]({})",
            chart_of_ratios(database)
        );
    }
    let _ = writeln!(text, "\n### Measurements\n");
    of_cells(text, &comparison.cells);
    for line in &comparison.dropped_out {
        let _ = writeln!(text, "\nLeft out: {line}.");
    }
    if !comparison.tickets.is_empty() {
        let _ = writeln!(
            text,
            "\n### The layer of tickets over the store\n\n`get` is `retrieve`, `create` is \
             `store`, which is a start below; beside it the store alone does the same on the same \
             table.\n"
        );
        of_cells(text, &comparison.tickets);
    }
    let _ = writeln!(text, "\n### Who takes part on {database}\n");
    for contender in &comparison.contenders {
        of_contender(text, contender);
    }
}

fn of_cells(text: &mut String, cells: &[Cell]) {
    let header = super::COLUMNS;
    let rows = cells.iter().flat_map(|cell| {
        cell.entries.iter().map(|entry| {
            let mut row = vec![
                cell.operation.name().to_owned(),
                cell.tasks.to_string(),
                cell.ticket_len.to_string(),
                entry.contender.clone(),
            ];
            row.extend(table::figures(cell, entry));
            row
        })
    });
    of_rows(text, &header, 4, rows);
}

fn of_contender(text: &mut String, contender: &Profile) {
    let _ = writeln!(text, "- **{}**: {}.", contender.name, contender.what);
    let calls = contender
        .stands_for
        .iter()
        .map(|(operation, call)| format!("{}: {call}", operation.name()));
    let _ = writeln!(text, "  {}.", calls.collect::<Vec<_>>().join(" · "));
    let table = &contender.table;
    let _ = writeln!(
        text,
        "  <details><summary>Its table, from the catalog</summary>\n\n  ```text"
    );
    for line in table
        .columns
        .iter()
        .chain(&table.indexes)
        .chain(&table.options)
    {
        let _ = writeln!(text, "  {line}");
    }
    let _ = writeln!(text, "  ```\n  </details>");
}

fn of_instructions(text: &mut String, database: &str, counted: &Counted) {
    let _ = writeln!(
        text,
        "\n## {database}: instructions\n\n{}; {}.\n\n{}.\n",
        counted.version,
        counted.taken,
        table::instructions_in_words(counted)
    );
    let (header, rows) = table::instruction_rows(counted);
    of_rows(text, &header, 1, rows);
}

fn of_scale(text: &mut String, database: &str, scale: &Scale) {
    let _ = write!(
        text,
        "\n## {database}: size\n\n{}; {}.\n\n{}\n",
        scale.version,
        scale.taken,
        settings(&scale.settings)
    );
    warn_if_not_durable(text, &scale.settings);
    if let Some(sizes) = &scale.sizes {
        let _ = writeln!(
            text,
            "\n### Latency against size\n\n![Latency against the number of rows]({})\n\n{} tasks, \
             tickets of {} bytes, {} rounds. Ratios are to 100,000 rows, where that is one of the \
             sizes.\n",
            chart_of_sizes(database),
            sizes.tasks,
            sizes.ticket_len,
            sizes.rounds
        );
        of_rows(text, &table::SIZE_COLUMNS, 1, table::size_rows(sizes));
        of_files(text, &sizes.files);
    }
    if let Some(cleanup) = scale.usual_cleanup() {
        let _ = writeln!(
            text,
            "\n### A cleanup beside readers\n\n![Latency beside a cleanup]({})\n\n{}. {}\n",
            chart_of_cleanup(database),
            table::cleanup_in_words(cleanup),
            match scale.cleanups.len() {
                1 => "It is the only one that was measured.".to_owned(),
                measured =>
                    format!("Of {measured} it is the one in the midst, by what readers noticed."),
            }
        );
        of_rows(
            text,
            &table::CLEANUP_COLUMNS,
            1,
            table::cleanup_rows(cleanup),
        );
    }
}

fn of_files(text: &mut String, files: &[FileSize]) {
    if files.is_empty() {
        return;
    }
    let _ = writeln!(
        text,
        "\n### Files as long, without a database\n\nWhat the machine does for whoever keeps pages of \
         4 KB in a file, one task alone: it reads them at random places, from the system's memory, and \
         it writes a thousand at random places and brings them to the disk, which is what SQLite does \
         with them at a checkpoint.\n"
    );
    of_rows(text, &table::FILE_COLUMNS, 0, table::file_rows(files));
}

fn warn_if_not_durable(text: &mut String, settings: &[(String, String)]) {
    if !is_durable(settings) {
        let _ = writeln!(text, "\n**This server may lose what it has acknowledged.**");
    }
}

fn settings(settings: &[(String, String)]) -> String {
    let settings = settings
        .iter()
        .map(|(name, value)| format!("`{name} = {value}`"));
    settings.collect::<Vec<_>>().join(", ")
}

/// A table whose columns are numbers from one of them on.
fn of_rows<R: AsRef<[String]>>(
    text: &mut String,
    header: &[&str],
    numbers_from: usize,
    rows: impl IntoIterator<Item = R>,
) {
    let rule = (0..header.len()).map(|at| if at < numbers_from { "---" } else { "---:" });
    let rule: Vec<_> = rule.collect();
    let _ = writeln!(text, "| {} |\n|{}|", header.join(" | "), rule.join("|"));
    for row in rows {
        let _ = writeln!(text, "| {} |", row.as_ref().join(" | "));
    }
}
