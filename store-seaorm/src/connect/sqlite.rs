//! SQLite.

use std::time::Duration;

use sea_orm::ConnectOptions;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use store_core::Result;

use super::{Connections, check_url, open, options};

const MAX_READERS: u32 = 4;

pub(super) async fn connect(url: &str, max_connections: Option<u32>) -> Result<Connections> {
    check_url::<SqliteConnectOptions>(url)?;
    if is_in_memory(url) {
        // The database is gone with its connection: one, for as long as the store is there.
        let mut options = tuned(url, 1);
        options
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None);
        return Ok(Connections::one(open(options).await?));
    }
    // The writer first: it may have to make the file, and to change its journal mode.
    let writes = open(tuned(url, 1)).await?;
    let reads = open(tuned(url, max_connections.unwrap_or(MAX_READERS))).await?;
    Ok(Connections { reads, writes })
}

fn tuned(url: &str, max_connections: u32) -> ConnectOptions {
    let mut options = options(url, max_connections);
    options.map_sqlx_sqlite_opts(|sqlite| {
        sqlite
            // Readers do not wait for the writer, nor it for them.
            .journal_mode(SqliteJournalMode::Wal)
            // What was acknowledged survives a power cut. SQLite's own default in WAL mode too, but
            // not that of every build of it.
            .synchronous(SqliteSynchronous::Full)
            // For another process's write.
            .busy_timeout(Duration::from_secs(10))
    });
    options
}

/// As sqlx reads the URL. A file without a name is a temporary one, which goes with its connection
/// as well.
fn is_in_memory(url: &str) -> bool {
    let (file, parameters) = url.split_once('?').unwrap_or((url, ""));
    let file = file.trim_start_matches("sqlite:").trim_start_matches("//");
    file.is_empty()
        || file == ":memory:"
        || parameters
            .split('&')
            .any(|parameter| parameter == "mode=memory")
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
}
