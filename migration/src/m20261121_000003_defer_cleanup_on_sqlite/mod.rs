//! On SQLite too, an index of expiry that a renewal need not touch. Nothing on servers, which have had
//! it since [`m20261120_000002_defer_cleanup`](crate::m20261120_000002_defer_cleanup).
//!
//! An index on `expires` is changed by every renewal in two of its pages, which SQLite writes whole,
//! to its log and to the file, beside the one that the session is in. In rows that are there already
//! `cleanup_at` lies before all times that a session can have: the next cleanup looks at each of them
//! once.
//!
//! **Locks, up:** the whole file against writers, until the commit; readers go on. No row is
//! rewritten; making the index reads the table once, two seconds for a million sessions. The script
//! for an administrator makes the whole table anew instead: SQLite has no `ADD COLUMN IF NOT EXISTS`,
//! and a script may be run again.
//!
//! **Locks, down:** the same, but every row is rewritten to take the column out: half a minute for a
//! million with tickets of 2 KB, and as much room in the log as the table has, 4 GB.
//!
//! Nodes of the version before go on working on the new table, and what they write is found: their
//! own cleanups read the whole table.

mod sqlite;

use crate::{
    change::{Change, Once},
    dialect::Dialect,
    names::Names,
};

pub(crate) struct DeferCleanupOnSqlite;

impl Change for DeferCleanupOnSqlite {
    fn version(&self) -> &'static str {
        "m20261121_000003_defer_cleanup_on_sqlite"
    }

    fn up(&self, names: &Names) -> Vec<String> {
        match names.dialect() {
            Dialect::Postgres | Dialect::MySql => Vec::new(),
            Dialect::Sqlite => sqlite::up(names).to_vec(),
        }
    }

    fn once(&self, names: &Names) -> Option<Once> {
        match names.dialect() {
            Dialect::Postgres | Dialect::MySql => None,
            Dialect::Sqlite => Some(sqlite::once(names)),
        }
    }

    fn script(&self, names: &Names) -> Vec<String> {
        match names.dialect() {
            Dialect::Postgres | Dialect::MySql => Vec::new(),
            Dialect::Sqlite => sqlite::script(names),
        }
    }

    fn down(&self, names: &Names) -> Vec<String> {
        match names.dialect() {
            Dialect::Postgres | Dialect::MySql => Vec::new(),
            Dialect::Sqlite => sqlite::down(names),
        }
    }
}
