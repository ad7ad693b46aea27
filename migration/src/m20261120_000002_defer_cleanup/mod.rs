//! On servers, an index of expiry that a renewal need not touch; on PostgreSQL, pages in which it
//! finds room. Nothing on SQLite, where the disk is what a write waits for.
//!
//! An index on `expires` is changed by every renewal, and on PostgreSQL all other indexes with it.
//! `cleanup_at` is when the cleanup is to look at a row again: never later than `expires`, so that
//! nothing expired is overlooked, but left where it is when a renewal moves `expires` onwards. What
//! the cleanup then finds alive it puts off. In rows that are there already it lies before all times
//! that a session can have: the next cleanup looks at each of them once.
//!
//! **Locks, up, PostgreSQL:** the table exclusively, until the commit: it waits for the transactions
//! that use the table, and every statement that comes later waits behind it. No row is rewritten;
//! making the index reads the table once, about a second for a million sessions. What is stored
//! already stays where it is until it is written again.
//!
//! **Locks, up, MySQL and MariaDB:** the table's metadata, for moments: at the beginning and at the end
//! of each statement, which wait for the transactions that use the table, and every statement that
//! comes later waits behind them. The column is added without a copy of the table; the index is made
//! while sessions are read and written, some seconds for a million.
//!
//! **Locks, down:** the same; MySQL and MariaDB may copy the table to take the column out, while
//! sessions are read and written. On PostgreSQL the column's bytes stay in a row until it is written again.
//!
//! Nodes of the version before go on working on the new table, and what they write is found: their
//! own cleanups read the whole table.

mod mysql;
mod postgres;

use crate::{change::Change, dialect::Dialect, names::Names};

pub(crate) struct DeferCleanup;

impl Change for DeferCleanup {
    fn version(&self) -> &'static str {
        "m20261120_000002_defer_cleanup"
    }

    fn up(&self, names: &Names) -> Vec<String> {
        match names.dialect() {
            Dialect::Postgres => postgres::up(names),
            Dialect::MySql => mysql::up(names),
            Dialect::Sqlite => Vec::new(),
        }
    }

    fn down(&self, names: &Names) -> Vec<String> {
        match names.dialect() {
            Dialect::Postgres => postgres::down(names),
            Dialect::MySql => mysql::down(names),
            Dialect::Sqlite => Vec::new(),
        }
    }
}
