//! How statements reach a database.
//!
//! On connections of its own the store speaks to the drivers directly: to servers by [`server`], to
//! an SQLite file by [`sqlite`]. On a connection of the host's it speaks to SeaORM, by [`host`].

pub(crate) mod host;
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) mod server;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;

use sea_orm::DbBackend;

use crate::bind::Bind;
use crate::failure::Failure;
use crate::locks::Locks;
use crate::row::Row;
use crate::statements::{Sql, Statements};
use crate::together::{AT_ONCE, Companies};

/// Where the sessions are.
pub(crate) enum Database {
    Host(host::Host),
    #[cfg(feature = "postgres")]
    Postgres(server::Pool<server::postgres::Postgres>),
    #[cfg(feature = "mysql")]
    MySql(server::Pool<server::mysql::MySql>),
    #[cfg(feature = "sqlite")]
    SqliteFile(sqlite::SqliteFile),
}

impl Database {
    pub(crate) fn backend(&self) -> DbBackend {
        match self {
            Self::Host(host) => host.backend(),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => DbBackend::Postgres,
            #[cfg(feature = "mysql")]
            Self::MySql(_) => DbBackend::MySql,
            #[cfg(feature = "sqlite")]
            Self::SqliteFile(_) => DbBackend::Sqlite,
        }
    }
}

impl Database {
    /// How operations go together, where that pays and the connections are the store's own.
    pub(crate) fn companies(&self) -> Companies {
        let (connections, of_one_partition) = match self {
            Self::Host(_) => (0, false),
            #[cfg(feature = "postgres")]
            Self::Postgres(pool) => (pool.max_connections(), false),
            #[cfg(feature = "mysql")]
            Self::MySql(pool) => (pool.max_connections(), true),
            // Its writer does together whatever waits.
            #[cfg(feature = "sqlite")]
            Self::SqliteFile(_) => (0, false),
        };
        Companies {
            at_once: connections.min(AT_ONCE),
            of_one_partition,
        }
    }
}

/// What an operation runs its statements on.
///
/// Between [`begin`](Self::begin) and [`commit`](Self::commit) they are one transaction; before and
/// after, each is one by itself. Who runs the operation calls [`roll_back`](Self::roll_back) at its
/// end, whatever its answer: it undoes what was not committed.
pub(crate) trait Connection: Send {
    type Row: Row + Send;

    /// Runs a statement, and says how many rows it changed.
    fn execute(
        &mut self,
        sql: &Sql,
        values: &[Bind<'_>],
    ) -> impl Future<Output = Result<u64, Failure>> + Send;

    /// Runs a statement, and hands back its rows.
    fn rows(
        &mut self,
        sql: &Sql,
        values: &[Bind<'_>],
    ) -> impl Future<Output = Result<Vec<Self::Row>, Failure>> + Send;

    /// Runs a statement, and hands back its only row.
    fn one_row(
        &mut self,
        sql: &Sql,
        values: &[Bind<'_>],
    ) -> impl Future<Output = Result<Option<Self::Row>, Failure>> + Send;

    /// Begins a transaction, and holds these locks until its end.
    ///
    /// Every operation that takes locks takes them here, all at once and first of all, so that none
    /// waits for another in a circle.
    fn begin(
        &mut self,
        statements: &Statements,
        locks: Locks,
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    fn commit(&mut self) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Undoes the transaction, if one has begun and was not committed.
    fn roll_back(&mut self) -> impl Future<Output = ()> + Send;
}
