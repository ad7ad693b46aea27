//! SQLite.

use std::time::Duration;

use sea_orm::ConnectOptions;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use store_core::{Error, Result};

use super::{Connections, beside, check_url, open, options};
use crate::database::Database;
use crate::database::host::Host;
use crate::database::sqlite::{MOST_PAGES, Options, SqliteFile};

const MAX_READERS: u32 = 4;

/// For another process's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) async fn connect(url: &str, max_connections: Option<u32>) -> Result<Connections> {
    check_url::<SqliteConnectOptions>(url)?;
    if parts(url).0.starts_with("file:") {
        return Err(Error::configuration(
            "the URL of an SQLite file is `sqlite:` and a path, not SQLite's own `file:`",
        ));
    }
    if is_in_memory(url) {
        // The database is gone with its connection: one, for as long as the store is there.
        let mut options = tuned(options(url, 1));
        options
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None);
        let connection = open(options).await?;
        return Ok(Connections {
            database: Database::Host(Host::new(connection.clone())),
            connection,
        });
    }
    let readers = max_connections.unwrap_or(MAX_READERS);
    let file = SqliteFile::open(
        Options {
            uri: uri(url),
            busy_timeout: BUSY_TIMEOUT,
        },
        readers,
    );
    Ok(Connections {
        database: Database::SqliteFile(file.await?),
        connection: open(tuned(beside(url, readers))).await?,
    })
}

fn tuned(mut options: ConnectOptions) -> ConnectOptions {
    options.map_sqlx_sqlite_opts(|sqlite| {
        sqlite
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            // There is a thread for checkpoints.
            .pragma("wal_autocheckpoint", MOST_PAGES.to_string())
    });
    options
}

/// The URL as SQLite reads one, <https://www.sqlite.org/uri.html>: the file is the same, but no file
/// is made unless the URL says so, and no cache is shared: in a shared one readers and the writer
/// wait for each other.
fn uri(url: &str) -> String {
    let (file, parameters) = parts(url);
    let root = if file.starts_with('/') { "//" } else { "" };
    let file = file.replace('#', "%23");
    let given = parameters.split('&');
    let given = given.filter(|one| !one.is_empty() && !one.starts_with("cache="));
    let mut parameters: Vec<_> = given.collect();
    if !parameters.iter().any(|one| one.starts_with("mode=")) {
        parameters.push("mode=rw");
    }
    format!("file:{root}{file}?{}", parameters.join("&"))
}

/// As sqlx reads the URL. A file without a name is a temporary one, which goes with its connection
/// as well.
fn is_in_memory(url: &str) -> bool {
    let (file, parameters) = parts(url);
    file.is_empty()
        || file == ":memory:"
        || parameters
            .split('&')
            .any(|parameter| parameter == "mode=memory")
}

/// The file, and the parameters.
fn parts(url: &str) -> (&str, &str) {
    let (file, parameters) = url.split_once('?').unwrap_or((url, ""));
    let file = file.trim_start_matches("sqlite:").trim_start_matches("//");
    (file, parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_in_memory_are_known_by_their_url() {
        for url in [
            "sqlite:",
            "sqlite://",
            "sqlite::memory:",
            "sqlite://:memory:",
            "sqlite://x?cache=shared&mode=memory",
        ] {
            assert!(is_in_memory(url), "{url}");
        }
        for url in [
            "sqlite://memory.db",
            "sqlite:memory?mode=rwc",
            "sqlite:///tmp/:memory:.db",
        ] {
            assert!(!is_in_memory(url), "{url}");
        }
    }

    #[test]
    fn sqlite_is_given_the_file_of_the_url() {
        for (url, expected) in [
            ("sqlite://sessions.db", "file:sessions.db?mode=rw"),
            ("sqlite:sessions.db?mode=rwc", "file:sessions.db?mode=rwc"),
            ("sqlite:///tmp/a%20b#.db", "file:///tmp/a%20b%23.db?mode=rw"),
            (
                "sqlite://x?cache=shared&immutable=1",
                "file:x?immutable=1&mode=rw",
            ),
        ] {
            assert_eq!(uri(url), expected);
        }
    }
}
