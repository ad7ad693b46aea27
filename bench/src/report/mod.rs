//! What becomes of the results: a table on the terminal, JSON, charts, a report that shows them.
//!
//! Charts and report are made of the JSON beside them, so that runs on different databases and of
//! different kinds add up.

mod json;
mod markdown;
mod svg;
pub(crate) mod table;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Serialize, de::DeserializeOwned};

use crate::instructions::Instructions;
use crate::results::Results;
use crate::scale::results::ScaleResults;

/// The file with the comparisons.
pub(crate) const RESULTS: &str = "results.json";

/// The file with what concerns size.
pub(crate) const SCALE: &str = "scale.json";

/// The file with instructions.
pub(crate) const INSTRUCTIONS: &str = "instructions.json";

/// What a measurement's line says, on the terminal and in the report.
const COLUMNS: [&str; 11] = [
    "operation",
    "tasks",
    "ticket",
    "contender",
    "each second",
    "p50 µs",
    "p99 µs",
    "CPU µs",
    "store ×",
    "quartiles",
    "CPU ×",
];

/// Adds to what earlier runs have left in one of the files, and makes the report anew.
pub(crate) fn add<R: Default + DeserializeOwned + Serialize>(
    directory: &Path,
    file: &str,
    add: impl FnOnce(&mut R),
) -> Result<()> {
    let path = directory.join(file);
    let mut results = json::read(&path)?;
    add(&mut results);
    fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    json::write(&path, &results)?;
    write(directory)
}

/// Makes the charts and the report from the JSON that is there.
fn write(directory: &Path) -> Result<()> {
    let results: Results = json::read(&directory.join(RESULTS))?;
    let scale: ScaleResults = json::read(&directory.join(SCALE))?;
    let instructions: Instructions = json::read(&directory.join(INSTRUCTIONS))?;
    let write = |name: &str, text: String| {
        let path = directory.join(name);
        fs::write(&path, text).with_context(|| path.display().to_string())
    };
    for (database, comparison) in &results.databases {
        if let Some(chart) = svg::ratios::of(database, comparison) {
            write(&chart_of_ratios(database), chart)?;
        }
    }
    for (database, scale) in &scale.databases {
        if let Some(sizes) = &scale.sizes {
            write(&chart_of_sizes(database), svg::sizes::of(database, sizes))?;
        }
        if let Some(cleanup) = scale.usual_cleanup() {
            write(
                &chart_of_cleanup(database),
                svg::cleanup::of(database, cleanup),
            )?;
        }
    }
    write("report.md", markdown::of(&results, &instructions, &scale))
}

fn chart_of_ratios(database: &str) -> String {
    format!("ratios-{database}.svg")
}

fn chart_of_sizes(database: &str) -> String {
    format!("sizes-{database}.svg")
}

fn chart_of_cleanup(database: &str) -> String {
    format!("cleanup-{database}.svg")
}
