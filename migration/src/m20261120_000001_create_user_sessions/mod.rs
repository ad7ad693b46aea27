//! The table of sessions, its indexes and, where the store needs them, the rows that it locks.
//!
//! **Locks, up:** none on anything that was there before; some milliseconds. On SQLite the database
//! file has one writer, and this is it until the commit.
//!
//! **Locks, down:** the table exclusively, until the commit: it waits for the transactions that use
//! the table, and every statement that comes later waits behind it. Dropping takes milliseconds.
//!
//! Columns are not quoted: in quotes, SQLite takes a name that is no column's for a string.

mod mysql;
mod postgres;
mod sqlite;

use crate::{
    change::Change,
    dialect::Dialect,
    names::{Names, Table},
};

pub(crate) struct CreateUserSessions;

impl Change for CreateUserSessions {
    fn version(&self) -> &'static str {
        "m20261120_000001_create_user_sessions"
    }

    fn up(&self, names: &Names) -> Vec<String> {
        let mut statements = match names.dialect() {
            Dialect::Postgres => postgres::up(names),
            Dialect::MySql => mysql::up(names),
            Dialect::Sqlite => sqlite::up(names),
        };
        // Right behind the table: nothing more is made beside one that is not ours.
        statements.insert(1, expect_columns(names));
        statements
    }

    fn down(&self, names: &Names) -> Vec<String> {
        match names.dialect() {
            Dialect::Postgres => postgres::down(names),
            Dialect::MySql => mysql::down(names),
            Dialect::Sqlite => sqlite::down(names),
        }
    }
}

/// Fails if the name was taken by a table of another kind, which `IF NOT EXISTS` lets pass.
fn expect_columns(names: &Names) -> String {
    format!(
        "SELECT partition_key, user_key, subject_id, session_id, created, renewed, expires, \
         version, ticket FROM {} WHERE FALSE",
        names.table(Table::Sessions)
    )
}
