//! tokio-postgres, everything prepared beforehand: the floor on PostgreSQL.

use std::sync::Arc;

use anyhow::Result;
use chrono::{DateTime, Utc};
use store_core::{Clock as _, SystemClock};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, NoTls, Row, Statement};

use super::bare::{self, Statements};
use crate::contender::{Contender, Performer, lacking};
use crate::operations::{Answer, Step};
use crate::samples::Sample;
use crate::site::Site;
use crate::table::Table;

/// Connections of tokio-postgres's.
pub(crate) struct TokioPostgres(Vec<Arc<Connection>>);

/// A connection and what is prepared on it.
pub(crate) struct Connection {
    client: Client,
    get: Statement,
    insert: Statement,
    update: Statement,
    cleanup_batch: i64,
    renew: Statement,
    delete: Statement,
    query: Statement,
    delete_matching: Statement,
    delete_expired: Statement,
}

impl Contender for TokioPostgres {
    const NAME: &'static str = "tokio-postgres";
    const WHAT: &'static str =
        "tokio-postgres, a connection for each task, everything prepared beforehand";

    /// Where tasks share a connection, a transaction would be that of several.
    fn stands_for(step: Step) -> Option<&'static str> {
        match step {
            Step::Start => None,
            step => bare::stands_for(step),
        }
    }

    async fn open(site: &Site, connections: u32) -> Result<Self> {
        let statements = Statements::of(site).await?;
        let mut held = Vec::new();
        for _ in 0..connections {
            held.push(Arc::new(Connection::open(site, &statements).await?));
        }
        Ok(Self(held))
    }

    fn table(_: &Site) -> Table {
        Table::of_the_store()
    }
}

impl Performer for TokioPostgres {
    type Item = Sample;
    type Worker = Arc<Connection>;

    fn item(&self, sample: &Sample) -> Sample {
        sample.clone()
    }

    fn worker(&self, task: usize) -> Self::Worker {
        Arc::clone(&self.0[task % self.0.len()])
    }

    async fn perform(
        &self,
        connection: &mut Self::Worker,
        step: Step,
        sample: Sample,
    ) -> Result<Answer> {
        connection.perform(step, &sample).await
    }
}

impl Connection {
    async fn open(site: &Site, statements: &Statements) -> Result<Self> {
        let (client, connection) = tokio_postgres::connect(site.url(), NoTls).await?;
        // It ends with the client.
        tokio::spawn(connection);
        Ok(Self {
            get: client.prepare(&statements.get).await?,
            insert: client.prepare(&statements.insert).await?,
            update: client.prepare(&statements.update).await?,
            cleanup_batch: statements.cleanup_batch,
            renew: client.prepare(&statements.renew).await?,
            delete: client.prepare(&statements.delete).await?,
            query: client.prepare(&statements.query).await?,
            delete_matching: client.prepare(&statements.delete_matching).await?,
            delete_expired: client
                .prepare_typed(
                    &statements.delete_expired,
                    &[
                        Type::TIMESTAMPTZ,
                        Type::TIMESTAMPTZ,
                        Type::INT8,
                        Type::TIMESTAMPTZ,
                    ],
                )
                .await?,
            client,
        })
    }

    async fn perform(&self, step: Step, sample: &Sample) -> Result<Answer> {
        let (now, ticket) = (SystemClock.now(), sample.ticket.as_bytes());
        let Sample {
            user_key,
            subject_id,
            session_id,
            created,
            expires,
            ..
        } = sample;
        let changed = |rows| Ok(Answer::Changed(rows));
        match step {
            Step::Get => self.found(&self.get, &[&"", user_key, &now], 0).await,
            Step::Query => self.found(&self.query, &[&"", subject_id, &now], 2).await,
            Step::Create => {
                let values: [&(dyn ToSql + Sync); 10] = [
                    &"", user_key, subject_id, session_id, created, created, expires, &0_i64,
                    &ticket, expires,
                ];
                changed(self.client.execute(&self.insert, &values).await?)
            }
            Step::Start => lacking(step),
            Step::Update => {
                let values: [&(dyn ToSql + Sync); 10] = [
                    subject_id, session_id, created, created, expires, &ticket, expires, &"",
                    user_key, &now,
                ];
                changed(self.client.execute(&self.update, &values).await?)
            }
            Step::Renew => {
                let values: [&(dyn ToSql + Sync); 6] =
                    [created, expires, expires, &"", user_key, &now];
                changed(self.client.execute(&self.renew, &values).await?)
            }
            Step::Delete => changed(self.client.execute(&self.delete, &[&"", user_key]).await?),
            Step::DeleteMatching => changed(
                self.client
                    .execute(&self.delete_matching, &[&"", subject_id])
                    .await?,
            ),
            Step::Cleanup => {
                let mut deleted = 0;
                loop {
                    let values: [&(dyn ToSql + Sync); 4] = [&now, &now, &self.cleanup_batch, &now];
                    match self.client.execute(&self.delete_expired, &values).await? {
                        0 => break changed(deleted),
                        batch => deleted += batch,
                    }
                }
            }
        }
    }

    async fn found(
        &self,
        statement: &Statement,
        values: &[&(dyn ToSql + Sync)],
        first: usize,
    ) -> Result<Answer> {
        let rows = self.client.query(statement, values).await?;
        let mut bytes = 0;
        for row in &rows {
            bytes += decoded(row, first)?.len();
        }
        Ok(Answer::Found {
            sessions: rows.len() as u64,
            bytes,
        })
    }
}

/// The ticket, and on the way all that a host would make of a row.
fn decoded(row: &Row, first: usize) -> Result<Vec<u8>> {
    let _: (Option<String>, Option<String>) = (row.try_get(first)?, row.try_get(first + 1)?);
    let _: (DateTime<Utc>, DateTime<Utc>) = (row.try_get(first + 2)?, row.try_get(first + 3)?);
    let _: (Option<DateTime<Utc>>, i64) = (row.try_get(first + 4)?, row.try_get(first + 5)?);
    Ok(row.try_get(first + 6)?)
}
