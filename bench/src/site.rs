//! The database that a contender has to itself.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _};
use std::time::Duration;

use anyhow::{Context as _, Result};
use sea_orm::{ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection};
use store_tests::{DatabaseKind, TestDatabase};
use tokio_util::task::AbortOnDropHandle;

/// A scratch database, dropped when dropped, with a connection for what is done beside the
/// measurements.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) kind: DatabaseKind,
    pub(crate) admin: DatabaseConnection,
    url: String,
    _database: TestDatabase,
}

impl Site {
    /// `None` where there is no such server, which is said on a line of its own.
    pub(crate) async fn create(kind: DatabaseKind) -> Result<Option<Self>> {
        let Some(database) = TestDatabase::create(kind).await else {
            return Ok(None);
        };
        let url = unencrypted(kind, database.url());
        let mut options = ConnectOptions::new(&url);
        options.max_connections(1).sqlx_logging(false);
        let admin = Database::connect(options).await?;
        if kind == DatabaseKind::Sqlite {
            // The mode is the file's. What is put there beside the measurements need not survive.
            admin
                .execute_unprepared(
                    "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; \
                     PRAGMA busy_timeout = 60000",
                )
                .await?;
        }
        Ok(Some(Self {
            kind,
            admin,
            url,
            _database: database,
        }))
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Reads an SQLite file through, so that all of it is in the system's memory: what a server keeps
    /// in its own, the system takes back from a file that was not read for a while. And brings what was
    /// written beside the measurements to the disk, which would be somebody's wait in the next one.
    pub(crate) async fn quiet(&self) -> Result<()> {
        let Some(mut file) = self.file()? else {
            return Ok(());
        };
        tokio::task::spawn_blocking(move || {
            while let len @ 1.. = file.fill_buf()?.len() {
                file.consume(len);
            }
            Ok(file.get_ref().sync_all()?)
        })
        .await?
    }

    /// Reads an SQLite file through again and again, bit by bit, until it is stopped: so that during a
    /// measurement of minutes too its pages stay in memory.
    pub(crate) fn keep_in_memory(&self) -> Result<AbortOnDropHandle<Result<()>>> {
        const BETWEEN: Duration = Duration::from_millis(4);
        let file = self.file()?;
        Ok(AbortOnDropHandle::new(tokio::spawn(async move {
            let Some(mut file) = file else {
                return Ok(());
            };
            loop {
                file = tokio::task::spawn_blocking(move || {
                    match file.fill_buf()?.len() {
                        0 => file.rewind()?,
                        len => file.consume(len),
                    }
                    anyhow::Ok(file)
                })
                .await??;
                tokio::time::sleep(BETWEEN).await;
            }
        })))
    }

    fn file(&self) -> Result<Option<BufReader<File>>> {
        const AT_ONCE: usize = 1 << 20;
        if self.kind != DatabaseKind::Sqlite {
            return Ok(None);
        }
        let file = File::open(self.name()?)?;
        Ok(Some(BufReader::with_capacity(AT_ONCE, file)))
    }

    /// The database's name on its server, or the file's path.
    pub(crate) fn name(&self) -> Result<&str> {
        let url = self.url().split('?').next().unwrap_or_default();
        match url.strip_prefix("sqlite://") {
            Some(path) => Ok(path),
            None => Ok(url.rsplit_once('/').context("a URL with a path")?.1),
        }
    }
}

/// Some drivers would encrypt wherever the server offers it, others not: here nobody does.
fn unencrypted(kind: DatabaseKind, url: &str) -> String {
    let parameter = match kind {
        DatabaseKind::Postgres => "sslmode=disable",
        DatabaseKind::MySql | DatabaseKind::MariaDb => "ssl-mode=DISABLED",
        DatabaseKind::Sqlite | DatabaseKind::SqliteMemory => return url.to_owned(),
    };
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}{parameter}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_asked_for_no_encryption() {
        let url = |kind, url| unencrypted(kind, url);
        assert_eq!(
            url(DatabaseKind::Postgres, "postgres://me@db/a"),
            "postgres://me@db/a?sslmode=disable"
        );
        assert_eq!(
            url(DatabaseKind::MySql, "mysql://me@db/a?charset=utf8mb4"),
            "mysql://me@db/a?charset=utf8mb4&ssl-mode=DISABLED"
        );
    }
}
