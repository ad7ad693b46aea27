//! How a store is built.

use std::sync::Arc;

use sea_orm::DatabaseConnection;
use store_core::{Clock, Result, SystemClock, Ticket};

use crate::connect;
use crate::database::Database;
use crate::database::host::Host;
use crate::names::DEFAULT_TABLE;
use crate::store::SeaOrmUserSessionStore;

/// Options of a [`SeaOrmUserSessionStore`].
///
/// ```no_run
/// # async fn example() -> store_core::Result<()> {
/// let store = store_seaorm::SeaOrmUserSessionStore::builder()
///     .schema("auth")
///     .table("sessions")
///     .max_ticket_len(1 << 20)
///     .connect("postgres://localhost/app")
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Builder {
    pub(crate) schema: Option<String>,
    pub(crate) table: String,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) max_ticket_len: usize,
    pub(crate) max_connections: Option<u32>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            schema: None,
            table: DEFAULT_TABLE.to_owned(),
            clock: Arc::new(SystemClock),
            max_ticket_len: Ticket::DEFAULT_MAX_LEN,
            max_connections: None,
        }
    }
}

impl Builder {
    /// The schema of the table: on MySQL and MariaDB a database, on SQLite one that the host has
    /// attached to every connection of its own pool. Default: the connection's own.
    ///
    /// A name is a letter or `_`, then letters, digits and `_`, at most 63 bytes.
    #[must_use]
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = Some(schema.into());
        self
    }

    /// The table's name. Default: `user_sessions`.
    ///
    /// A name is a letter or `_`, then letters, digits and `_`, at most 40 bytes; it does not begin
    /// with `sqlite_`.
    #[must_use]
    pub fn table(mut self, table: impl Into<String>) -> Self {
        self.table = table.into();
        self
    }

    /// The clock that says what has expired. Default: [`SystemClock`].
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The longest ticket, in bytes. Default: [`Ticket::DEFAULT_MAX_LEN`].
    ///
    /// MySQL and MariaDB take no statement longer than their `max_allowed_packet` (64 MiB and
    /// 16 MiB by default), SQLite no value longer than 1 GB.
    #[must_use]
    pub fn max_ticket_len(mut self, max_ticket_len: usize) -> Self {
        self.max_ticket_len = max_ticket_len;
        self
    }

    /// How many connections [`connect`](Self::connect) may open for the store. Default: 16 to a
    /// server, 4 readers of an SQLite file, to which one writer is added and one for checkpoints; each of
    /// those has a thread. Of an SQLite database in memory there is always one.
    ///
    /// Beside them, [`connection`](SeaOrmUserSessionStore::connection) opens up to 4, and none before
    /// it is used.
    #[must_use]
    pub fn max_connections(mut self, max_connections: u32) -> Self {
        self.max_connections = Some(max_connections);
        self
    }

    /// Connects to a database, by connections tuned for it: no ping before or after a statement, no
    /// logging of statements, 10 seconds at most to wait for a connection or a lock; what comes to a
    /// server at the same time in one statement; SQLite files in WAL mode with full durability, one
    /// writer that puts what waits into one transaction, and checkpoints beside it.
    ///
    /// # Errors
    /// As [`SeaOrmUserSessionStore::connect`]; [`Error::Configuration`](store_core::Error) also for
    /// no connections at all.
    pub async fn connect(self, url: &str) -> Result<SeaOrmUserSessionStore> {
        let connect::Connections {
            database,
            connection,
        } = connect::connect(url, self.max_connections).await?;
        Ok(SeaOrmUserSessionStore::from_parts(
            database, connection, self,
        ))
    }

    /// A store on the host's own connection. Does no I/O, and cannot fail: a bad name comes out of
    /// the first operation, as [`Error::Configuration`](store_core::Error::Configuration).
    pub fn build(self, db: DatabaseConnection) -> SeaOrmUserSessionStore {
        let database = Database::Host(Host::new(db.clone()));
        SeaOrmUserSessionStore::from_parts(database, db, self)
    }
}
