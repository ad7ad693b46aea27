//! Connections of the store's own, made as a careful engineer would.

#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::time::Duration;

use sea_orm::{ConnectOptions, DatabaseConnection, DbErr, RuntimeErr};
use store_core::{Error, Result};

use crate::database::Database;
use crate::failure::Failure;

/// How long an operation waits for its turn.
pub(crate) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// After how long a connection that nobody needs is closed.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// After how long any connection is closed.
pub(crate) const MAX_LIFETIME: Duration = Duration::from_secs(30 * 60);
/// A ping before each statement is a round trip more. A connection that lay idle for longer may have
/// been cut by something on the way; one in use has not.
pub(crate) const PING_AFTER: Duration = Duration::from_secs(30);

/// The store's own connections, and one for whoever asks for it.
pub(crate) struct Connections {
    pub(crate) database: Database,
    pub(crate) connection: DatabaseConnection,
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

/// Connections for migrations and the host's own queries, which are made when they are needed.
const MAX_CONNECTIONS_BESIDE: u32 = 4;

/// What is the same on every database.
///
/// SeaORM traces the URL that it is given, and a server's has a password in it. So SeaORM gets one
/// without, and beside it what sqlx has read from the right one.
fn options(url: &str, max_connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(IDLE_TIMEOUT)
        .max_lifetime(MAX_LIFETIME)
        .test_before_acquire_if_idle_for(PING_AFTER)
        // Statements' values are tickets and keys.
        .sqlx_logging(false)
        .record_stmt_in_spans(false);
    options
}

/// What `connect` makes connections of beside the store's own: few, and none before one is needed.
#[cfg_attr(
    not(any(feature = "postgres", feature = "mysql", feature = "sqlite")),
    expect(dead_code, reason = "without a driver nothing connects")
)]
fn beside(url: &str, max_connections: u32) -> ConnectOptions {
    let mut options = options(url, max_connections.min(MAX_CONNECTIONS_BESIDE));
    options.connect_lazy(true);
    options
}

#[cfg_attr(
    not(any(feature = "postgres", feature = "mysql", feature = "sqlite")),
    expect(dead_code, reason = "without a driver nothing connects")
)]
async fn open(options: ConnectOptions) -> Result<DatabaseConnection> {
    sea_orm::Database::connect(options)
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
