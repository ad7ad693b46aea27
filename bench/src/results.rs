//! What was found out: what `results.json` holds, and reports are made of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::operations::Operation;
use crate::schema::Schema;
use crate::statistics::Spread;

/// Of all databases; a run replaces those that it was on.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Results {
    pub(crate) databases: BTreeMap<String, Comparison>,
}

/// Of one database.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Comparison {
    pub(crate) version: String,
    /// When it began, as RFC 3339 writes it.
    pub(crate) taken: String,
    pub(crate) cores: usize,
    pub(crate) quick: bool,
    pub(crate) rows: u64,
    /// At most; a quick run may leave some out.
    pub(crate) rounds: u32,
    /// That each contender has.
    pub(crate) connections: u32,
    /// Durability above all.
    pub(crate) settings: Vec<(String, String)>,
    /// This store first.
    pub(crate) contenders: Vec<Profile>,
    pub(crate) cells: Vec<Cell>,
    /// The layer of tickets over this store, beside this store alone.
    #[serde(default)]
    pub(crate) tickets: Vec<Cell>,
    /// Who could not go on, and why.
    #[serde(default)]
    pub(crate) dropped_out: Vec<String>,
}

/// Who took part.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Profile {
    pub(crate) name: String,
    pub(crate) what: String,
    /// Which of its calls stands for which operation.
    pub(crate) stands_for: Vec<(Operation, String)>,
    pub(crate) table: Schema,
}

/// One operation under one set of conditions.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Cell {
    pub(crate) operation: Operation,
    pub(crate) tasks: usize,
    pub(crate) ticket_len: usize,
    /// How many operations a round had.
    pub(crate) count: usize,
    /// This store first; those that lack the operation not at all.
    pub(crate) entries: Vec<Entry>,
}

/// What one contender did there.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Entry {
    pub(crate) contender: String,
    pub(crate) rounds: Vec<Measure>,
}

/// One round of one contender.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Measure {
    pub(crate) per_second: f64,
    /// Processor time of this process, for each operation.
    pub(crate) cpu_micros: f64,
    pub(crate) p50_micros: f64,
    pub(crate) p99_micros: f64,
    /// What the server wrote to its log meanwhile, for each operation, where it tells; what it did
    /// for itself at the same time is among it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) log_bytes: Option<f64>,
}

impl Comparison {
    /// As "3 rounds", or "2 to 3 rounds" where some were left out.
    pub(crate) fn rounds_in_words(&self) -> String {
        let entries = self.cells.iter().flat_map(|cell| &cell.entries);
        match entries.map(|entry| entry.rounds.len()).min() {
            Some(least) if least < self.rounds as usize => {
                format!("{least} to {} rounds", self.rounds)
            }
            _ => format!("{} rounds", self.rounds),
        }
    }

    pub(crate) fn cell(
        &self,
        operation: Operation,
        tasks: usize,
        ticket_len: usize,
    ) -> Option<&Cell> {
        self.cells.iter().find(|cell| {
            (cell.operation, cell.tasks, cell.ticket_len) == (operation, tasks, ticket_len)
        })
    }
}

impl Cell {
    pub(crate) fn entry(&self, contender: &str) -> Option<&Entry> {
        self.entries
            .iter()
            .find(|entry| entry.contender == contender)
    }

    /// How much one contender has more than another of something, round by round.
    pub(crate) fn ratio(
        &self,
        one: &str,
        other: &str,
        of: impl Fn(&Measure) -> f64,
    ) -> Option<Spread> {
        let (one, other) = (self.entry(one)?, self.entry(other)?);
        let rounds = one.rounds.iter().zip(&other.rounds);
        Spread::of(rounds.map(|(one, other)| of(one) / of(other)))
    }
}

impl Entry {
    /// The middle of what the rounds had of something.
    pub(crate) fn spread(&self, of: impl Fn(&Measure) -> f64) -> Option<Spread> {
        Spread::of(self.rounds.iter().map(of))
    }
}
