//! What is asked for on the command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum as _};
use store_tests::DatabaseKind;

use crate::deadline::Deadline;
use crate::operations::Operation;

/// Do the same work with this store, its peers and the bare drivers, side by side.
///
/// Servers are found or started as for `cargo xtask test`: TEST_POSTGRES_URL, TEST_MYSQL_URL,
/// TEST_MARIADB_URL (`none` leaves one out), then Docker, then installed binaries. Every contender
/// gets a scratch database of its own, dropped at the end.
#[derive(Clone, Debug, Parser)]
#[command(name = "cargo xtask bench")]
pub(crate) struct Settings {
    /// Databases, separated by commas: sqlite, postgres, mysql, mariadb.
    #[arg(long, value_delimiter = ',', value_parser = database, default_values = ["sqlite", "postgres", "mysql", "mariadb"])]
    pub(crate) database: Vec<DatabaseKind>,

    /// In under three minutes: 16 tasks, 2 KB tickets, fewer rows and rounds, of which a slow machine
    /// leaves some out. Goes to target/benchmark unless --output says otherwise.
    #[arg(long)]
    pub(crate) quick: bool,

    /// Instead: latency against the number of rows, and readers beside a cleanup.
    #[arg(long)]
    pub(crate) scale: bool,

    /// Instead: how many instructions of the client an operation takes, counted by valgrind, which has
    /// to be installed. 1,000 rows, 16 tasks, 2 KB tickets unless asked otherwise; takes minutes.
    #[arg(long, conflicts_with = "scale")]
    pub(crate) instructions: bool,

    /// What a process that is counted does.
    #[arg(long, hide = true)]
    pub(crate) steps: Option<usize>,

    /// Operations, separated by commas. Default: all; of --scale get, create, update, renew and
    /// cleanup; of --instructions all but cleanup. What a database's report had of others goes with
    /// its old section.
    #[arg(long, value_delimiter = ',')]
    operation: Vec<Operation>,

    /// Only these contenders beside the store, separated by commas. Default: all.
    #[arg(long, value_delimiter = ',')]
    pub(crate) contender: Vec<String>,

    /// How many tasks work at once. Default: 1,16,64; of --quick and
    /// --instructions 16.
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..))]
    tasks: Vec<u16>,

    /// How long tickets are, in bytes. Default: 2048,16384; of --quick 2048.
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=65_000))]
    ticket_len: Vec<u32>,

    /// How many sessions a table has. Default: 100000; of --quick 10000; of --scale
    /// 10000,100000,1000000,5000000, on MySQL and MariaDB up to 1000000.
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u64).range(100..))]
    pub(crate) rows: Vec<u64>,

    /// How many rounds count; one more comes before them, and is thrown away. Default: 11; of
    /// --quick 3, or as many of them as there is time for.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,

    /// How many operations a contender does in a round, instead of what suits each of them.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    count: Option<u32>,

    /// Where the report goes. Default: docs/benchmark; of --quick target/benchmark.
    #[arg(long)]
    output: Option<PathBuf>,
}

impl Settings {
    pub(crate) fn operations(&self) -> Vec<Operation> {
        or(&self.operation, Operation::value_variants())
    }

    pub(crate) fn tasks(&self) -> Vec<usize> {
        let default: &[u16] = if self.quick || self.instructions {
            &[16]
        } else {
            &[1, 16, 64]
        };
        or(&self.tasks, default)
            .into_iter()
            .map(usize::from)
            .collect()
    }

    pub(crate) fn ticket_lens(&self) -> Vec<usize> {
        let default: &[u32] = if self.quick { &[2048] } else { &[2048, 16384] };
        let lens = or(&self.ticket_len, default).into_iter();
        lens.map(|len| len as usize).collect()
    }

    /// Of a comparison, which has one number of rows.
    pub(crate) fn rows(&self) -> u64 {
        let default = if self.quick { 10_000 } else { 100_000 };
        self.rows.first().copied().unwrap_or(default)
    }

    pub(crate) fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.quick { 3 } else { 11 })
    }

    /// Of a comparison that begins now: none where the number of rounds was asked for.
    pub(crate) fn deadline(&self) -> Deadline {
        if self.quick && self.rounds.is_none() {
            Deadline::of_a_quick_run()
        } else {
            Deadline::NONE
        }
    }

    /// How often an operation is done in a round: what waits for the disk, or for nobody else,
    /// less often.
    pub(crate) fn count(&self, operation: Operation, tasks: usize) -> usize {
        if let Some(count) = self.count {
            return count as usize;
        }
        let count = match (operation, self.quick) {
            (Operation::Cleanup, true) => return 2000,
            (Operation::Cleanup, false) => return 10_000,
            // Each brings several sessions.
            (Operation::Query, true) => 64,
            (Operation::Query, false) => 1600,
            (operation, true) if operation.writes() => 256,
            (_, true) => 1280,
            (operation, false) if operation.writes() => 1600,
            // Fewer are over before SQLite has read the upper pages of its indexes again.
            (Operation::Get, false) => 25_600,
            (_, false) => 6400,
        };
        if tasks < 4 { count / 4 } else { count }
    }

    pub(crate) fn output(&self) -> PathBuf {
        let default = if self.quick {
            "target/benchmark"
        } else {
            "docs/benchmark"
        };
        self.output.clone().unwrap_or_else(|| default.into())
    }
}

fn or<T: Clone>(asked: &[T], default: &[T]) -> Vec<T> {
    if asked.is_empty() { default } else { asked }.to_vec()
}

fn database(name: &str) -> Result<DatabaseKind, String> {
    match name.parse() {
        Ok(DatabaseKind::SqliteMemory) => Err("no two contenders see it".to_owned()),
        Ok(kind) => Ok(kind),
        Err(error) => Err(error.to_string()),
    }
}
