//! rusqlite, called where it stands: the floor on SQLite.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use rusqlite::{Connection, Row, params};
use store_core::{Clock as _, SystemClock};

use super::bare::{self, Statements};
use crate::contender::{Contender, Performer};
use crate::durability::SQLITE_BUSY;
use crate::operations::{Answer, Step};
use crate::samples::Sample;
use crate::site::Site;
use crate::table::Table;

/// Connections of rusqlite's.
#[derive(Debug)]
pub(crate) struct Rusqlite {
    connections: Vec<Arc<Mutex<Connection>>>,
    statements: Statements,
}

impl Contender for Rusqlite {
    const NAME: &'static str = "rusqlite";
    const WHAT: &'static str =
        "rusqlite, called inline by the task, which blocks its thread meanwhile";

    fn stands_for(step: Step) -> Option<&'static str> {
        bare::stands_for(step)
    }

    async fn open(site: &Site, connections: u32) -> Result<Self> {
        let statements = Statements::of(site).await?;
        let path = site.name()?;
        let open = |_| {
            let connection = Connection::open(path)?;
            connection.busy_timeout(SQLITE_BUSY)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            Ok(Arc::new(Mutex::new(connection)))
        };
        Ok(Self {
            connections: (0..connections).map(open).collect::<Result<_>>()?,
            statements,
        })
    }

    fn table(_: &Site) -> Table {
        Table::of_the_store()
    }
}

impl Performer for Rusqlite {
    type Item = Sample;
    type Worker = Arc<Mutex<Connection>>;

    fn item(&self, sample: &Sample) -> Sample {
        sample.clone()
    }

    fn worker(&self, task: usize) -> Self::Worker {
        Arc::clone(&self.connections[task % self.connections.len()])
    }

    async fn perform(
        &self,
        connection: &mut Self::Worker,
        step: Step,
        sample: Sample,
    ) -> Result<Answer> {
        let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
        self.inline(&mut connection, step, &sample)
    }
}

impl Rusqlite {
    fn inline(&self, connection: &mut Connection, step: Step, sample: &Sample) -> Result<Answer> {
        let statements = &self.statements;
        let now = SystemClock.now().timestamp_micros();
        let (created, expires) = (
            sample.created.timestamp_micros(),
            sample.expires.timestamp_micros(),
        );
        let changed = |rows: usize| Ok(Answer::Changed(rows as u64));
        match step {
            Step::Get => {
                let mut get = connection.prepare_cached(&statements.get)?;
                found(&mut get, params!["", sample.user_key, now], 0)
            }
            Step::Query => {
                let mut query = connection.prepare_cached(&statements.query)?;
                found(&mut query, params!["", sample.subject_id, now], 2)
            }
            Step::Create => changed(insert(connection, &statements.insert, sample)?),
            Step::Start => {
                connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
                let mut end = connection.prepare_cached(&statements.end_by_session_id)?;
                let ended = end
                    .query_map(params!["", sample.session_id], |row| ticket(row, 2))?
                    .count();
                drop(end);
                insert(connection, &statements.insert, sample)?;
                connection.prepare_cached("COMMIT")?.execute([])?;
                changed(ended)
            }
            Step::Update => changed(connection.prepare_cached(&statements.update)?.execute(
                params![
                    sample.subject_id,
                    sample.session_id,
                    created,
                    created,
                    expires,
                    sample.ticket.as_bytes(),
                    expires,
                    "",
                    sample.user_key,
                    now
                ],
            )?),
            Step::Renew => changed(
                connection
                    .prepare_cached(&statements.renew)?
                    .execute(params![created, expires, expires, "", sample.user_key, now])?,
            ),
            Step::Delete => changed(
                connection
                    .prepare_cached(&statements.delete)?
                    .execute(params!["", sample.user_key])?,
            ),
            Step::DeleteMatching => changed(
                connection
                    .prepare_cached(&statements.delete_matching)?
                    .execute(params!["", sample.subject_id])?,
            ),
            Step::Cleanup => {
                let mut delete = connection.prepare_cached(&statements.delete_expired)?;
                let mut deleted = 0;
                loop {
                    match delete.execute(params![now, now, statements.cleanup_batch, now])? {
                        0 => break changed(deleted),
                        batch => deleted += batch,
                    }
                }
            }
        }
    }
}

fn insert(connection: &Connection, sql: &str, sample: &Sample) -> rusqlite::Result<usize> {
    connection.prepare_cached(sql)?.execute(params![
        "",
        sample.user_key,
        sample.subject_id,
        sample.session_id,
        sample.created.timestamp_micros(),
        sample.created.timestamp_micros(),
        sample.expires.timestamp_micros(),
        0_i64,
        sample.ticket.as_bytes(),
        sample.expires.timestamp_micros()
    ])
}

fn found(
    statement: &mut rusqlite::Statement<'_>,
    values: &[&dyn rusqlite::ToSql],
    first: usize,
) -> Result<Answer> {
    let (mut sessions, mut bytes) = (0, 0);
    for found in statement.query_map(values, |row| ticket(row, first))? {
        sessions += 1;
        bytes += found?.len();
    }
    Ok(Answer::Found { sessions, bytes })
}

/// The ticket, and on the way all that a host would make of a row.
fn ticket(row: &Row<'_>, first: usize) -> rusqlite::Result<Vec<u8>> {
    let _: (Option<String>, Option<String>) = (row.get(first)?, row.get(first + 1)?);
    let _: (i64, i64) = (row.get(first + 2)?, row.get(first + 3)?);
    let _: (Option<i64>, i64) = (row.get(first + 4)?, row.get(first + 5)?);
    row.get(first + 6)
}
