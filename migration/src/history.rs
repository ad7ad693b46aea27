//! `<table>_migrations`: which changes a session table has been through.
//!
//! One column and no time of day: the history says what was done, the server's log says when.

use sea_orm_migration::sea_orm::{ConnectionTrait, DbErr};

use crate::{
    catalog,
    dialect::Dialect,
    names::{Names, Table},
};

/// Makes the schema, where it may, and the history, where they are missing.
pub(crate) async fn install(db: &impl ConnectionTrait, names: &Names) -> Result<(), DbErr> {
    // `IF NOT EXISTS` asks for the right to create even where there is nothing to create.
    if !catalog::has_schema(db, names).await? {
        match create_schema(names) {
            Some(statement) => db.execute_unprepared(&statement).await?,
            None => return Err(not_attached()),
        };
    }
    db.execute_unprepared(&create_table(names)).await?;
    Ok(())
}

/// Drops the history once no change is recorded in it.
pub(crate) async fn uninstall_if_empty(
    db: &impl ConnectionTrait,
    names: &Names,
) -> Result<(), DbErr> {
    let history = names.table(Table::History);
    if !catalog::any(db, format!("SELECT COUNT(*) FROM {history}")).await? {
        db.execute_unprepared(&format!("DROP TABLE {history}"))
            .await?;
    }
    Ok(())
}

/// Whether there is a history at all. A schema that is missing has none.
pub(crate) async fn exists(db: &impl ConnectionTrait, names: &Names) -> Result<bool, DbErr> {
    Ok(catalog::has_schema(db, names).await?
        && catalog::has_table(db, names, Table::History).await?)
}

/// Whether the history, which has to be there, has this version.
pub(crate) async fn has(
    db: &impl ConnectionTrait,
    names: &Names,
    version: &str,
) -> Result<bool, DbErr> {
    let history = names.table(Table::History);
    catalog::any(
        db,
        format!("SELECT COUNT(*) FROM {history} WHERE version = '{version}'"),
    )
    .await
}

/// Creates the schema; `None` on SQLite, where schemas are attached by the host.
pub(crate) fn create_schema(names: &Names) -> Option<String> {
    let schema = names.quoted(names.schema()?);
    match names.dialect() {
        Dialect::Postgres => Some(format!("CREATE SCHEMA IF NOT EXISTS {schema}")),
        Dialect::MySql => Some(format!("CREATE DATABASE IF NOT EXISTS {schema}")),
        Dialect::Sqlite => None,
    }
}

pub(crate) fn create_table(names: &Names) -> String {
    let history = names.table(Table::History);
    match names.dialect() {
        Dialect::Postgres | Dialect::Sqlite => {
            format!(r#"CREATE TABLE IF NOT EXISTS {history} ("version" text NOT NULL PRIMARY KEY)"#)
        }
        Dialect::MySql => format!(
            "CREATE TABLE IF NOT EXISTS {history} \
             (version VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY) \
             ENGINE=InnoDB"
        ),
    }
}

pub(crate) fn record(names: &Names, version: &str) -> String {
    let history = names.table(Table::History);
    match names.dialect() {
        Dialect::Postgres | Dialect::Sqlite => {
            format!("INSERT INTO {history} VALUES ('{version}') ON CONFLICT DO NOTHING")
        }
        Dialect::MySql => format!("INSERT IGNORE INTO {history} VALUES ('{version}')"),
    }
}

pub(crate) fn forget(names: &Names, version: &str) -> String {
    format!(
        "DELETE FROM {} WHERE version = '{version}'",
        names.table(Table::History)
    )
}

pub(crate) fn not_attached() -> DbErr {
    DbErr::Migration(
        "no database is attached to SQLite under the name of the schema: \
         run ATTACH DATABASE on every connection first"
            .to_owned(),
    )
}
