//! A plain file as long as a table's: what the machine does for whoever keeps pages in it, without a
//! database.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result};

use super::base;
use super::results::FileSize;
use crate::statistics::Spread;

/// How long a page of SQLite's is, as it comes.
const PAGE_LEN: usize = 4096;

/// Read one after the other.
const READS: u32 = 50_000;

/// Written before they are brought to the disk: after so many SQLite makes a checkpoint.
const PAGES: u32 = 1000;

/// How often a round brings them there.
const SYNCS: u32 = 10;

/// A file, and what was found out about it in each round.
struct Plain {
    rows: u64,
    pages: u64,
    file: File,
    reads: Vec<f64>,
    writes: Vec<f64>,
}

/// Each table's, of its number of rows and its file.
pub(super) fn measure(
    tables: &[(u64, PathBuf)],
    rounds: u32,
    round_done: &dyn Fn(),
) -> Result<Vec<FileSize>> {
    let plain = tables
        .iter()
        .map(|(rows, path)| Plain::beside(*rows, path).with_context(|| path.display().to_string()));
    let mut plain = plain.collect::<Result<Vec<_>>>()?;
    let mut random = fastrand::Rng::with_seed(42);
    // The first warms up, and is thrown away.
    for round in 0..=rounds {
        for turn in 0..plain.len() {
            let turn = (turn + round as usize) % tables.len();
            let of_turn = &mut plain[turn];
            let (reads, writes) = (of_turn.read(&mut random)?, of_turn.write(&mut random)?);
            if round > 0 {
                of_turn.reads.push(reads);
                of_turn.writes.push(writes);
            }
        }
        round_done();
    }
    let rows: Vec<_> = tables.iter().map(|(rows, _)| *rows).collect();
    let base = plain.iter().find(|plain| Some(plain.rows) == base(&rows));
    let of = |plain: &Plain| {
        let base = base?;
        Some(FileSize {
            rows: plain.rows,
            bytes: plain.pages * PAGE_LEN as u64,
            reads_per_second: Spread::of(plain.reads.iter().copied())?,
            reads_ratio: ratio(&plain.reads, &base.reads)?,
            writes_per_second: Spread::of(plain.writes.iter().copied())?,
            writes_ratio: ratio(&plain.writes, &base.writes)?,
        })
    };
    Ok(plain.iter().filter_map(of).collect())
}

/// Of each round.
fn ratio(rounds: &[f64], base: &[f64]) -> Option<Spread> {
    Spread::of(rounds.iter().zip(base).map(|(one, base)| one / base))
}

impl Plain {
    /// On the same disk, and as long. It has no name, and is gone when it is dropped.
    fn beside(rows: u64, path: &Path) -> Result<Self> {
        const AT_ONCE: u64 = 256;
        let pages = fs::metadata(path)?.len() / PAGE_LEN as u64;
        let plain = path.with_extension("plain");
        let file = File::options()
            .create_new(true)
            .read(true)
            .write(true)
            .open(&plain)?;
        fs::remove_file(&plain)?;
        let mut random = fastrand::Rng::with_seed(rows);
        let mut some = vec![0; PAGE_LEN * AT_ONCE as usize];
        for page in (0..pages).step_by(AT_ONCE as usize) {
            random.fill(&mut some);
            let len = PAGE_LEN * AT_ONCE.min(pages - page) as usize;
            file.write_all_at(&some[..len], page * PAGE_LEN as u64)?;
        }
        file.sync_all()?;
        Ok(Self {
            rows,
            pages,
            file,
            reads: Vec::new(),
            writes: Vec::new(),
        })
    }

    fn random(&self, random: &mut fastrand::Rng) -> u64 {
        random.u64(..self.pages) * PAGE_LEN as u64
    }

    /// How many pages it reads in a second. It was written just now, so none comes from the disk.
    fn read(&self, random: &mut fastrand::Rng) -> Result<f64> {
        let mut page = [0; PAGE_LEN];
        let began = Instant::now();
        for _ in 0..READS {
            self.file.read_exact_at(&mut page, self.random(random))?;
        }
        Ok(f64::from(READS) / began.elapsed().as_secs_f64())
    }

    /// How many it writes in a second, and brings to the disk.
    fn write(&self, random: &mut fastrand::Rng) -> Result<f64> {
        let mut page = [0; PAGE_LEN];
        let began = Instant::now();
        for _ in 0..SYNCS {
            random.fill(&mut page);
            for _ in 0..PAGES {
                self.file.write_all_at(&page, self.random(random))?;
            }
            self.file.sync_data()?;
        }
        Ok(f64::from(PAGES * SYNCS) / began.elapsed().as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_file_as_long_as_a_tables_is_measured_beside_it_and_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let table = directory.path().join("table.db");
        fs::write(&table, [0; 3 * PAGE_LEN]).unwrap();
        let rounds = Cell::new(0);
        let found = measure(&[(7, table)], 2, &|| rounds.set(rounds.get() + 1)).unwrap();
        assert_eq!((found.len(), rounds.get()), (1, 3));
        assert_eq!((found[0].rows, found[0].bytes), (7, 3 * PAGE_LEN as u64));
        assert!(found[0].reads_per_second.median > 0.0);
        assert!(found[0].writes_per_second.median > 0.0);
        let itself = Spread::of([1.0]).unwrap();
        assert_eq!(
            (found[0].reads_ratio, found[0].writes_ratio),
            (itself, itself)
        );
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
