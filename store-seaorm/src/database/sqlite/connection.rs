//! A connection to a file, and its rows.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{OpenFlags, Statement, ToSql};
use store_core::BoxError;

use super::Options;
use super::checkpoints::{MOST_PAGES, Made};
use crate::bind::{Bind, StoredKey};
use crate::database::Connection;
use crate::failure::Failure;
use crate::locks::Locks;
use crate::row::Row;
use crate::statements::{Sql, Statements};

/// More than there are statements.
const STATEMENTS: usize = 100;

/// A connection: what it is asked, it answers at once.
pub(crate) struct Sqlite {
    pub(super) connection: rusqlite::Connection,
    in_operation: bool,
    /// Changed in this transaction, more or less; none exactly if nothing was.
    pages: u64,
    /// What of it was before the operation that is under way.
    pages_before: u64,
}

/// What a statement that changes a row changes: the row's page and those of its indexes.
const PAGES_OF_A_ROW: u64 = 4;

/// SQLite's default. A file may have others; it is the order of magnitude that matters.
const PAGE_LEN: usize = 4096;

impl Sqlite {
    /// And whether it has a log, so that readers do not wait for it, nor it for them.
    pub(super) fn open_writer(options: &Options) -> Result<(Self, bool), Failure> {
        let this = Self::open(options)?;
        let mode = this
            .connection
            .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))?;
        this.syncs()?;
        this.connection
            .pragma_update(None, "wal_autocheckpoint", MOST_PAGES)?;
        let has_log = mode == "wal";
        if !has_log {
            tracing::warn!(
                mode,
                "not in WAL mode: readers and the writer wait for each other"
            );
        }
        Ok((this, has_log))
    }

    pub(super) fn open_for_checkpoints(options: &Options) -> Result<Self, Failure> {
        let this = Self::open(options)?;
        this.syncs()?;
        Ok(this)
    }

    /// What was acknowledged survives a power cut. SQLite's own default in WAL mode too, but not that
    /// of every build of it.
    fn syncs(&self) -> rusqlite::Result<()> {
        self.connection.pragma_update(None, "synchronous", "FULL")
    }

    /// How long it waits for whoever has locked the file.
    pub(super) fn wait_for_others(&self, time: Duration) -> rusqlite::Result<()> {
        self.connection.busy_timeout(time)
    }

    pub(super) fn open_reader(options: &Options) -> Result<Self, Failure> {
        let this = Self::open(options)?;
        this.connection.pragma_update(None, "query_only", true)?;
        Ok(this)
    }

    fn open(options: &Options) -> Result<Self, Failure> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = rusqlite::Connection::open_with_flags(&options.uri, flags)?;
        connection.busy_timeout(options.busy_timeout)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(Self {
            connection,
            in_operation: false,
            pages: 0,
            pages_before: 0,
        })
    }

    pub(super) fn run(&self, command: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(command)?.raw_execute()?;
        Ok(())
    }

    /// Copies what the log holds into the file, as far as nobody who reads or writes has to wait.
    pub(super) fn checkpoint(&self) -> rusqlite::Result<Made> {
        let mut checkpoint = self
            .connection
            .prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?;
        // Where there is no log it is -1 pages long.
        checkpoint.query_row([], |row| {
            let log: i64 = row.get(1)?;
            Ok(Made {
                log: u64::try_from(log).unwrap_or(0),
            })
        })
    }

    /// How many pages it has changed since this was asked last, more or less.
    pub(super) fn take_pages(&mut self) -> u64 {
        std::mem::take(&mut self.pages)
    }

    fn count_pages(&mut self, rows: usize, values: &[Bind<'_>]) {
        if rows == 0 {
            return;
        }
        let tickets = values.iter().map(|value| match value {
            Bind::Bytes(ticket) => ticket.len(),
            _ => 0,
        });
        let tickets: usize = tickets.sum();
        self.pages += rows as u64 * PAGES_OF_A_ROW + (tickets / PAGE_LEN) as u64;
    }

    /// At most this many rows, of all there are.
    fn query(
        &mut self,
        sql: &Sql,
        values: &[Bind<'_>],
        most: usize,
    ) -> Result<Vec<SqliteRow>, Failure> {
        let mut statement = self.connection.prepare_cached(&sql.0)?;
        bind(&mut statement, values)?;
        let writes = !statement.readonly();
        let columns = statement.column_count();
        let mut found = Vec::new();
        let mut rows = statement.raw_query();
        while found.len() < most
            && let Some(row) = rows.next()?
        {
            let cells = (0..columns).map(|index| Ok(Cell::from(row.get_ref(index)?)));
            found.push(SqliteRow(cells.collect::<Result<_, rusqlite::Error>>()?));
        }
        drop(rows);
        drop(statement);
        if writes {
            self.count_pages(found.len(), &[]);
        }
        Ok(found)
    }
}

fn bind(statement: &mut Statement<'_>, values: &[Bind<'_>]) -> Result<(), Failure> {
    for (index, value) in values.iter().enumerate() {
        statement.raw_bind_parameter(index + 1, value)?;
    }
    Ok(())
}

impl Connection for Sqlite {
    type Row = SqliteRow;

    async fn execute(&mut self, sql: &Sql, values: &[Bind<'_>]) -> Result<u64, Failure> {
        let mut statement = self.connection.prepare_cached(&sql.0)?;
        bind(&mut statement, values)?;
        let changed = statement.raw_execute()?;
        drop(statement);
        self.count_pages(changed, values);
        Ok(changed as u64)
    }

    async fn rows(&mut self, sql: &Sql, values: &[Bind<'_>]) -> Result<Vec<SqliteRow>, Failure> {
        self.query(sql, values, usize::MAX)
    }

    async fn one_row(
        &mut self,
        sql: &Sql,
        values: &[Bind<'_>],
    ) -> Result<Option<SqliteRow>, Failure> {
        Ok(self.query(sql, values, 1)?.pop())
    }

    /// The writer's transaction has begun, and has locked everything; this is a part of it that can
    /// be undone by itself.
    async fn begin(&mut self, _: &Statements, _: Locks) -> Result<(), Failure> {
        self.run("SAVEPOINT operation")?;
        self.in_operation = true;
        self.pages_before = self.pages;
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), Failure> {
        self.run("RELEASE operation")?;
        self.in_operation = false;
        Ok(())
    }

    async fn roll_back(&mut self) {
        self.undo_operation();
    }
}

impl Sqlite {
    /// Undoes the operation that has begun, if one has and was not committed.
    pub(super) fn undo_operation(&mut self) {
        if std::mem::take(&mut self.in_operation) {
            self.pages = self.pages_before;
            let undone = self.run("ROLLBACK TO operation");
            // If SQLite has undone the whole transaction, there is none of this name any more.
            if let Err(failure) = undone.and_then(|()| self.run("RELEASE operation")) {
                tracing::debug!(?failure, "an operation was undone with its transaction");
            }
        }
    }
}

impl ToSql for Bind<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match *self {
            Bind::Text(None) | Bind::Time(None) | Bind::Integer(None) => {
                ToSqlOutput::Borrowed(ValueRef::Null)
            }
            Bind::Text(Some(key)) => ToSqlOutput::Borrowed(ValueRef::Text(key.as_bytes())),
            Bind::Time(Some(at)) => at.timestamp_micros().into(),
            Bind::Integer(Some(integer)) => integer.into(),
            Bind::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            Bind::Stored(StoredKey::Text(key)) => {
                ToSqlOutput::Borrowed(ValueRef::Text(key.as_bytes()))
            }
            Bind::Stored(StoredKey::Bytes(key)) => ToSqlOutput::Borrowed(ValueRef::Blob(key)),
            Bind::Stored(StoredKey::Number(number)) => (*number).into(),
        })
    }
}

/// A row, taken out of SQLite.
pub(crate) struct SqliteRow(Vec<Cell>);

enum Cell {
    Null,
    Integer(i64),
    Real,
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

impl From<ValueRef<'_>> for Cell {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(integer) => Self::Integer(integer),
            ValueRef::Real(_) => Self::Real,
            ValueRef::Text(text) => Self::Text(text.to_vec()),
            ValueRef::Blob(bytes) => Self::Blob(bytes.to_vec()),
        }
    }
}

impl SqliteRow {
    fn take(&mut self, index: usize) -> Cell {
        std::mem::replace(&mut self.0[index], Cell::Null)
    }
}

impl Row for SqliteRow {
    fn text(&mut self, index: usize) -> Result<Option<String>, BoxError> {
        match self.take(index) {
            Cell::Null => Ok(None),
            Cell::Text(text) => match String::from_utf8(text) {
                Ok(text) => Ok(Some(text)),
                Err(error) => Err(error.utf8_error().into()),
            },
            other => Err(other.instead_of("text")),
        }
    }

    fn time(&mut self, index: usize) -> Result<Option<DateTime<Utc>>, BoxError> {
        let Some(micros) = self.integer(index)? else {
            return Ok(None);
        };
        let at = DateTime::from_timestamp_micros(micros);
        at.map(Some)
            .ok_or_else(|| "the time is beyond the calendar".into())
    }

    fn integer(&mut self, index: usize) -> Result<Option<i64>, BoxError> {
        match self.take(index) {
            Cell::Null => Ok(None),
            Cell::Integer(integer) => Ok(Some(integer)),
            other => Err(other.instead_of("an integer")),
        }
    }

    fn bytes(&mut self, index: usize) -> Result<Option<Vec<u8>>, BoxError> {
        match self.take(index) {
            Cell::Null => Ok(None),
            Cell::Blob(bytes) | Cell::Text(bytes) => Ok(Some(bytes)),
            other => Err(other.instead_of("a blob")),
        }
    }

    fn stored_key(&mut self, index: usize) -> Result<StoredKey, BoxError> {
        let number = self.integer(index)?;
        number
            .map(StoredKey::Number)
            .ok_or_else(|| Cell::Null.instead_of("a row's number"))
    }
}

impl Cell {
    fn instead_of(&self, expected: &str) -> BoxError {
        let found = match self {
            Self::Null => "NULL",
            Self::Integer(_) => "an integer",
            Self::Real => "a real number",
            Self::Text(_) => "text",
            Self::Blob(_) => "a blob",
        };
        format!("it is {found} instead of {expected}").into()
    }
}
