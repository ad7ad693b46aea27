//! What was found out about size: what `scale.json` holds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::operations::Operation;
use crate::statistics::Spread;

/// Of all databases; a run replaces those that it was on.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct ScaleResults {
    pub(crate) databases: BTreeMap<String, Scale>,
}

/// Of one database.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Scale {
    pub(crate) version: String,
    /// When it began, as RFC 3339 writes it.
    pub(crate) taken: String,
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) sizes: Option<Sizes>,
    /// One after the other, on the same table.
    #[serde(default)]
    pub(crate) cleanups: Vec<Cleanup>,
}

/// The same operations on tables of different sizes, in turn.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Sizes {
    pub(crate) tasks: usize,
    pub(crate) ticket_len: usize,
    pub(crate) rounds: u32,
    pub(crate) cells: Vec<SizeCell>,
    /// What the machine does with files as long, where the database is one. Older results have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) files: Vec<FileSize>,
}

/// One operation.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct SizeCell {
    pub(crate) operation: Operation,
    /// The smallest first.
    pub(crate) sizes: Vec<Size>,
}

/// One operation on one table.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Size {
    pub(crate) rows: u64,
    pub(crate) per_second: Spread,
    pub(crate) p50_micros: Spread,
    pub(crate) p99_micros: Spread,
    /// Throughput as a multiple of that with 100,000 rows, or else with the fewest.
    pub(crate) ratio: Spread,
    /// What the server wrote to its log for each operation, where it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) log_bytes: Option<Spread>,
}

/// A plain file, as long as that of a table.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct FileSize {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    /// Pages at random places, one after the other, from the system's memory.
    pub(crate) reads_per_second: Spread,
    /// As a multiple of those of the file of 100,000 rows, or else of the fewest.
    pub(crate) reads_ratio: Spread,
    /// Pages at random places, a thousand at a time brought to the disk.
    pub(crate) writes_per_second: Spread,
    pub(crate) writes_ratio: Spread,
}

/// Readers and renewals at a fixed rate, before, beside and after a cleanup.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Cleanup {
    pub(crate) rows: u64,
    pub(crate) removed: u64,
    pub(crate) ticket_len: usize,
    /// When it began, from the beginning of the measurement.
    pub(crate) began: f64,
    pub(crate) seconds: f64,
    pub(crate) batches: u64,
    /// Whether they were; in older results they are as few as it takes of the store's size.
    #[serde(default)]
    pub(crate) batches_were_counted: bool,
    pub(crate) reads_per_second: u64,
    pub(crate) renewals_per_second: u64,
    pub(crate) reads_idle: Latency,
    pub(crate) reads_beside: Latency,
    pub(crate) renewals_idle: Latency,
    pub(crate) renewals_beside: Latency,
    /// Of this process, before the cleanup and at most during it, in bytes.
    pub(crate) memory_before: u64,
    pub(crate) memory_peak: u64,
    pub(crate) slice_millis: u64,
    pub(crate) slices: Vec<Slice>,
}

impl Cleanup {
    /// How much longer the slowest hundredth of the reads took beside it.
    pub(crate) fn reads_ratio(&self) -> f64 {
        self.reads_beside.p99_micros / self.reads_idle.p99_micros
    }
}

impl Scale {
    /// The ratio of each cleanup.
    pub(crate) fn reads_ratio(&self) -> Option<Spread> {
        Spread::of(self.cleanups.iter().map(Cleanup::reads_ratio))
    }

    /// The cleanup in the midst of all, by what readers noticed of it.
    pub(crate) fn usual_cleanup(&self) -> Option<&Cleanup> {
        let mut sorted: Vec<_> = self.cleanups.iter().collect();
        sorted.sort_by(|one, other| one.reads_ratio().total_cmp(&other.reads_ratio()));
        sorted.get(sorted.len().checked_sub(1)? / 2).copied()
    }
}

/// How long operations took, from when they were due.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Latency {
    pub(crate) count: usize,
    pub(crate) p50_micros: f64,
    pub(crate) p99_micros: f64,
    pub(crate) max_micros: f64,
}

/// A piece of time.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Slice {
    /// Its end, in seconds from the beginning.
    pub(crate) at: f64,
    pub(crate) reads_p99_micros: Option<f64>,
    pub(crate) renewals_p99_micros: Option<f64>,
}
