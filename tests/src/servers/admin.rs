//! What is asked of a server itself, on a connection that lasts no longer.

use std::time::Duration;

use anyhow::{Context, bail};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Statement};

use super::ServerKind;

/// How long a server that is up may take to let a connection in.
pub(super) const CONNECTS_WITHIN: Duration = Duration::from_secs(10);

async fn connect(url: &str, within: Duration) -> anyhow::Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(1)
        .acquire_timeout(within)
        .sqlx_logging(false);
    Ok(Database::connect(options).await?)
}

/// What the server answers to `SELECT version()`.
///
/// # Errors
/// It does not answer, or is of another kind: MySQL and MariaDB share a URL's scheme.
pub(super) async fn version(
    kind: ServerKind,
    url: &str,
    within: Duration,
) -> anyhow::Result<String> {
    let db = connect(url, within).await.context("it does not answer")?;
    let statement = Statement::from_string(db.get_database_backend(), "SELECT version()");
    let row = db
        .query_one_raw(statement)
        .await?
        .context("it does not tell its version")?;
    let version: String = row.try_get_by_index(0)?;
    db.close().await?;

    if kind_of(&version) != kind {
        bail!("it is no {kind}: {version}");
    }
    Ok(version)
}

fn kind_of(version: &str) -> ServerKind {
    if version.contains("PostgreSQL") {
        ServerKind::Postgres
    } else if version.contains("MariaDB") {
        ServerKind::MariaDb
    } else {
        ServerKind::MySql
    }
}

/// Creates an empty database.
pub(crate) async fn create_database(kind: ServerKind, url: &str, name: &str) -> anyhow::Result<()> {
    let db = connect(url, CONNECTS_WITHIN).await?;
    db.execute_unprepared(&match kind {
        // `template1`, the default, can't be copied while anybody is connected to it.
        ServerKind::Postgres => format!("CREATE DATABASE {name} TEMPLATE template0"),
        ServerKind::MySql | ServerKind::MariaDb => format!("CREATE DATABASE {name}"),
    })
    .await?;
    db.close().await?;
    Ok(())
}

/// Drops a database if it exists, whoever is still connected to it.
pub(crate) async fn drop_database(kind: ServerKind, url: &str, name: &str) -> anyhow::Result<()> {
    let db = connect(url, CONNECTS_WITHIN).await?;
    match kind {
        ServerKind::Postgres => {
            db.execute_unprepared(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
                .await?;
        }
        ServerKind::MySql | ServerKind::MariaDb => {
            // A transaction that a test left open would keep the statement waiting for its locks.
            let kills = Statement::from_string(
                db.get_database_backend(),
                format!(
                    "SELECT CONCAT('KILL ', id) FROM information_schema.processlist \
                     WHERE db = '{name}'"
                ),
            );
            for row in db.query_all_raw(kills).await? {
                let kill: String = row.try_get_by_index(0)?;
                // The connection may have been closed meanwhile, which is as good.
                let _ = db.execute_unprepared(&kill).await;
            }
            db.execute_unprepared(&format!("DROP DATABASE IF EXISTS {name}"))
                .await?;
        }
    }
    db.close().await?;
    Ok(())
}

/// The version of the SQLite that is built in.
///
/// # Errors
/// It does not answer, which it always does.
pub async fn sqlite_version() -> anyhow::Result<String> {
    let db = connect("sqlite::memory:", CONNECTS_WITHIN).await?;
    let statement = Statement::from_string(db.get_database_backend(), "SELECT sqlite_version()");
    let row = db
        .query_one_raw(statement)
        .await?
        .context("it does not tell its version")?;
    Ok(row.try_get_by_index(0)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_apart_by_their_version() {
        for (version, kind) in [
            (
                "PostgreSQL 17.5 (Debian 17.5-1) on x86_64-pc-linux-gnu",
                ServerKind::Postgres,
            ),
            ("11.8.3-MariaDB-ubu2404", ServerKind::MariaDb),
            ("9.7.0", ServerKind::MySql),
        ] {
            assert_eq!(kind_of(version), kind, "{version}");
        }
    }
}
