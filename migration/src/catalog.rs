//! What the database says is there. Reads only, and only what any role may read.

use sea_orm_migration::sea_orm::{ConnectionTrait, DbErr, Statement};

use crate::{
    dialect::Dialect,
    names::{Names, Table},
};

/// Whether the schema is there; without one, the connection's own is.
pub(crate) async fn has_schema(db: &impl ConnectionTrait, names: &Names) -> Result<bool, DbErr> {
    let Some(schema) = names.schema() else {
        return Ok(true);
    };
    let sql = match names.dialect() {
        Dialect::Postgres => {
            format!("SELECT COUNT(*) FROM pg_catalog.pg_namespace WHERE nspname = '{schema}'")
        }
        Dialect::MySql => format!(
            "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = '{schema}'"
        ),
        Dialect::Sqlite => format!(
            "SELECT COUNT(*) FROM pragma_database_list WHERE name = '{schema}' COLLATE NOCASE"
        ),
    };
    any(db, sql).await
}

/// Whether the table is there. On SQLite the schema has to be.
pub(crate) async fn has_table(
    db: &impl ConnectionTrait,
    names: &Names,
    table: Table,
) -> Result<bool, DbErr> {
    let name = names.bare(table);
    let sql = match names.dialect() {
        // Looks where statements look: a name without a schema along the search path.
        Dialect::Postgres => format!("SELECT COUNT(to_regclass('{}'))", names.table(table)),
        Dialect::MySql => {
            let schema = match names.schema() {
                Some(schema) => format!("'{schema}'"),
                None => "DATABASE()".to_owned(),
            };
            format!(
                "SELECT COUNT(*) FROM information_schema.tables \
                 WHERE table_schema = {schema} AND table_name = '{name}'"
            )
        }
        Dialect::Sqlite => format!(
            "SELECT COUNT(*) FROM {} WHERE type = 'table' AND name = '{name}' COLLATE NOCASE",
            names.qualified("sqlite_master"),
        ),
    };
    any(db, sql).await
}

/// Whether a `SELECT COUNT(…)` counts anything.
pub(crate) async fn any(db: &impl ConnectionTrait, sql: String) -> Result<bool, DbErr> {
    let row = db
        .query_one_raw(Statement::from_string(db.get_database_backend(), sql))
        .await?;
    match row {
        Some(row) => Ok(row.try_get_by_index::<i64>(0)? > 0),
        None => Ok(false),
    }
}
