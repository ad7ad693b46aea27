//! A contender's table: how it is filled, and how its rows are counted and removed.
//!
//! That happens in bulk and beside the measurements, past the contender.

use anyhow::{Context as _, Result, ensure};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement, Value};
use store_seaorm::entity::Timestamp;
use store_tests::DatabaseKind;

use crate::samples::Sample;

/// Where sessions are kept.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// As it is written in SQL.
    pub(crate) name: String,
    pub(crate) columns: &'static [&'static str],
    /// What comes before the key in a condition, so that the index on it is used.
    pub(crate) within: &'static str,
    pub(crate) key: &'static str,
    /// The column that every update and renewal changes.
    pub(crate) expires: &'static str,
    /// The columns' values.
    pub(crate) row: fn(DbBackend, &Sample) -> Result<Vec<Value>>,
    /// The key's value.
    pub(crate) key_of: fn(DbBackend, &Sample) -> Value,
}

/// Enough to make the way to the server and the commit a small part of the time.
const ROWS_AT_ONCE: usize = 250;

impl Table {
    /// The table of the store's own migrations, at its defaults.
    pub(crate) fn of_the_store() -> Self {
        Self {
            name: "user_sessions".to_owned(),
            columns: &[
                "partition_key",
                "user_key",
                "subject_id",
                "session_id",
                "created",
                "renewed",
                "expires",
                "version",
                "ticket",
                "cleanup_at",
            ],
            within: "partition_key = '' AND ",
            key: "user_key",
            expires: "expires",
            row: |backend, sample| {
                let time = |at| Value::from(Timestamp::new(at, backend));
                Ok(vec![
                    key(backend, ""),
                    key(backend, &sample.user_key),
                    key(backend, &sample.subject_id),
                    key(backend, &sample.session_id),
                    time(sample.created),
                    time(sample.created),
                    time(sample.expires),
                    Value::BigInt(Some(0)),
                    Value::Bytes(Some(sample.ticket.as_bytes().to_vec())),
                    time(sample.expires),
                ])
            },
            key_of: |backend, sample| key(backend, &sample.user_key),
        }
    }

    pub(crate) async fn insert(
        &self,
        db: &DatabaseConnection,
        samples: impl IntoIterator<Item = Sample>,
    ) -> Result<()> {
        let mut samples = samples.into_iter().peekable();
        while samples.peek().is_some() {
            self.insert_some(db, samples.by_ref().take(ROWS_AT_ONCE))
                .await?;
        }
        Ok(())
    }

    async fn insert_some(
        &self,
        db: &DatabaseConnection,
        samples: impl Iterator<Item = Sample>,
    ) -> Result<()> {
        let backend = db.get_database_backend();
        let mut values = Vec::new();
        let mut rows = 0;
        for sample in samples {
            values.extend((self.row)(backend, &sample)?);
            rows += 1;
        }
        let row = vec!["?"; self.columns.len()].join(", ");
        let sql = format!(
            "INSERT INTO {} ({}) VALUES {}",
            self.name,
            self.columns.join(", "),
            vec![format!("({row})"); rows].join(", "),
        );
        let inserted = db.execute_raw(statement(backend, &sql, values)).await?;
        ensure!(
            inserted.rows_affected() == rows as u64,
            "{rows} rows were to be put into {}, {} were",
            self.name,
            inserted.rows_affected()
        );
        Ok(())
    }

    /// How many of these sessions have a row.
    pub(crate) async fn count(&self, db: &DatabaseConnection, samples: &[Sample]) -> Result<u64> {
        self.count_those(db, samples, "", None).await
    }

    /// How many of these sessions have a row that expires when they do. They all do at the same time.
    pub(crate) async fn count_changed(
        &self,
        db: &DatabaseConnection,
        samples: &[Sample],
    ) -> Result<u64> {
        let Some(sample) = samples.first() else {
            return Ok(0);
        };
        let mut columns = self.columns.iter();
        let expires = columns
            .position(|&column| column == self.expires)
            .context("a session expires")?;
        let end = (self.row)(db.get_database_backend(), sample)?.swap_remove(expires);
        let and = format!(" AND {} = ?", self.expires);
        self.count_those(db, samples, &and, Some(end)).await
    }

    async fn count_those(
        &self,
        db: &DatabaseConnection,
        samples: &[Sample],
        and: &str,
        value: Option<Value>,
    ) -> Result<u64> {
        let backend = db.get_database_backend();
        let mut count = 0;
        for chunk in samples.chunks(ROWS_AT_ONCE) {
            let (mut sql, mut values) = self.of_keys("SELECT COUNT(*)", backend, chunk);
            sql.push_str(and);
            values.extend(value.clone());
            count += self.number(db, statement(backend, &sql, values)).await?;
        }
        Ok(count)
    }

    /// How many rows there are in all.
    pub(crate) async fn count_all(&self, db: &DatabaseConnection) -> Result<u64> {
        let sql = format!("SELECT COUNT(*) FROM {}", self.name);
        self.number(db, Statement::from_string(db.get_database_backend(), sql))
            .await
    }

    pub(crate) async fn remove(&self, db: &DatabaseConnection, samples: &[Sample]) -> Result<()> {
        let backend = db.get_database_backend();
        for chunk in samples.chunks(ROWS_AT_ONCE) {
            let (sql, keys) = self.of_keys("DELETE", backend, chunk);
            db.execute_raw(statement(backend, &sql, keys)).await?;
        }
        Ok(())
    }

    pub(crate) async fn remove_all(&self, db: &DatabaseConnection) -> Result<()> {
        // What a server would clean up of so many rows afterwards would be measured with the rest.
        let what = match db.get_database_backend() {
            DbBackend::Sqlite => "DELETE FROM",
            _ => "TRUNCATE TABLE",
        };
        db.execute_unprepared(&format!("{what} {}", self.name))
            .await?;
        Ok(())
    }

    async fn number(&self, db: &DatabaseConnection, select: Statement) -> Result<u64> {
        let row = db.query_one_raw(select).await?;
        let count: i64 = row.map_or(Ok(0), |row| row.try_get_by_index(0))?;
        Ok(count.try_into()?)
    }

    /// What is asked of the rows of these sessions, and the values for it.
    fn of_keys(&self, what: &str, backend: DbBackend, samples: &[Sample]) -> (String, Vec<Value>) {
        let sql = format!(
            "{what} FROM {} WHERE {}{} IN ({})",
            self.name,
            self.within,
            self.key,
            vec!["?"; samples.len()].join(", ")
        );
        let keys = samples.iter().map(|sample| (self.key_of)(backend, sample));
        (sql, keys.collect())
    }
}

/// A key of the store's: bytes where its columns are.
fn key(backend: DbBackend, text: &str) -> Value {
    match backend {
        DbBackend::MySql => Value::Bytes(Some(text.as_bytes().to_vec())),
        _ => text.into(),
    }
}

/// With `?` for every value, on every database.
fn statement(backend: DbBackend, sql: &str, values: Vec<Value>) -> Statement {
    let sql = match backend {
        DbBackend::Postgres => {
            let mut number = 0;
            let numbered = sql
                .split_inclusive('?')
                .map(|part| match part.strip_suffix('?') {
                    Some(before) => {
                        number += 1;
                        format!("{before}${number}")
                    }
                    None => part.to_owned(),
                });
            numbered.collect()
        }
        _ => sql.to_owned(),
    };
    Statement::from_sql_and_values(backend, sql, values)
}

/// What makes room and plans right after so many rows.
pub(crate) async fn settle(
    kind: DatabaseKind,
    table: &Table,
    db: &DatabaseConnection,
) -> Result<()> {
    let name = &table.name;
    let sql = match kind {
        DatabaseKind::Postgres => format!("VACUUM (ANALYZE) {name}"),
        DatabaseKind::MySql | DatabaseKind::MariaDb => format!("ANALYZE TABLE {name}"),
        DatabaseKind::Sqlite | DatabaseKind::SqliteMemory => {
            "PRAGMA wal_checkpoint(TRUNCATE)".to_owned()
        }
    };
    db.execute_unprepared(&sql).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbered_for_postgres() {
        let sql = |backend| statement(backend, "a = ? AND b IN (?, ?)", Vec::new()).sql;
        assert_eq!(sql(DbBackend::Postgres), "a = $1 AND b IN ($2, $3)");
        assert_eq!(sql(DbBackend::Sqlite), "a = ? AND b IN (?, ?)");
    }
}
