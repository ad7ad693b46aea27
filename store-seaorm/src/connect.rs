//! Connections of the store's own, made as a careful engineer would.

#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::time::Duration;

use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr, RuntimeErr};
use store_core::{Error, Result};

use crate::failure::Failure;

/// Where a store reads and where it writes: often the same.
pub(crate) struct Connections {
    pub(crate) reads: DatabaseConnection,
    pub(crate) writes: DatabaseConnection,
}

impl Connections {
    #[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
    fn one(db: DatabaseConnection) -> Self {
        Self {
            reads: db.clone(),
            writes: db,
        }
    }
}

pub(crate) async fn connect(url: &str, max_connections: Option<u32>) -> Result<Connections> {
    if max_connections == Some(0) {
        return Err(Error::configuration("`max_connections` is 0"));
    }
    match url.split(':').next().unwrap_or_default() {
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => postgres::connect(url, max_connections).await,
        #[cfg(feature = "mysql")]
        "mysql" => mysql::connect(url, max_connections).await,
        #[cfg(feature = "sqlite")]
        "sqlite" => sqlite::connect(url, max_connections).await,
        _ => Err(Error::configuration(
            "the URL begins with none of `postgres://`, `mysql://` and `sqlite:` \
             that this build has the feature for",
        )),
    }
}

/// Connections to a server, when nothing else is said.
#[cfg(any(feature = "postgres", feature = "mysql"))]
const MAX_CONNECTIONS: u32 = 16;

/// What is the same on every database.
///
/// SeaORM traces the URL that it is given, and a server's has a password in it. So SeaORM gets one
/// without, and beside it what sqlx has read from the right one.
#[cfg_attr(
    not(any(feature = "postgres", feature = "mysql", feature = "sqlite")),
    expect(dead_code, reason = "without a driver nothing connects")
)]
fn options(url: &str, max_connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(max_connections)
        .acquire_timeout(Duration::from_secs(10))
        .idle_timeout(Duration::from_secs(10 * 60))
        .max_lifetime(Duration::from_secs(30 * 60))
        // A ping before each statement is a round trip more. A connection that lay idle for long
        // may have been cut by something on the way; one in use has not.
        .test_before_acquire_if_idle_for(Duration::from_secs(30))
        // Statements' values are tickets and keys.
        .sqlx_logging(false)
        .record_stmt_in_spans(false);
    options
}

#[cfg_attr(
    not(any(feature = "postgres", feature = "mysql", feature = "sqlite")),
    expect(dead_code, reason = "without a driver nothing connects")
)]
async fn open(options: ConnectOptions) -> Result<DatabaseConnection> {
    Database::connect(options)
        .await
        .map_err(|error| match error {
            // SeaORM quotes the URL in errors of its own.
            DbErr::Conn(RuntimeErr::Internal(_)) => cannot_be_understood(),
            error => Failure::Database(error).into(),
        })
}

/// The URL itself is not shown: it may hold a password.
#[cfg_attr(
    not(any(feature = "postgres", feature = "mysql", feature = "sqlite")),
    expect(dead_code, reason = "without a driver nothing connects")
)]
fn check_url<O: std::str::FromStr>(url: &str) -> Result<O> {
    url.parse().map_err(|_| cannot_be_understood())
}

fn cannot_be_understood() -> Error {
    Error::configuration("the URL cannot be understood")
}
