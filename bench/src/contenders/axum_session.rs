//! `axum_session_sqlx`, on a pool as its documentation makes it.

use std::time::Duration;

use anyhow::{Result, bail};
use axum_session::DatabasePool;
use axum_session_sqlx::{SessionMySqlPool, SessionPgPool, SessionSqlitePool};
use sea_orm::{DbBackend, Value};
use sqlx::mysql::MySqlPoolOptions;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::SqlitePoolOptions;
use store_tests::DatabaseKind;

use super::sqlx_backend::sqlite_options;
use crate::contender::{Contender, Performer, lacking};
use crate::operations::{Answer, Step};
use crate::samples::Sample;
use crate::site::Site;
use crate::table::Table;

pub(crate) const NAME: &str = "axum_session_sqlx";

const TABLE: &str = "sessions";

/// How long a task waits for its turn: all of the round, if need be.
const TURN: Duration = Duration::from_secs(60);

/// One of its pools.
pub(crate) struct AxumSession(Box<dyn DatabasePool + Send + Sync>);

/// A session as it is given to the pool.
#[derive(Debug)]
pub(crate) struct Item {
    id: String,
    session: String,
    expires: i64,
}

impl Contender for AxumSession {
    const NAME: &'static str = NAME;
    const WHAT: &'static str =
        "axum_session_sqlx 0.12 (sqlx 0.9), its pool otherwise at its defaults";

    /// It knows neither subjects nor session ids of a provider.
    fn stands_for(step: Step) -> Option<&'static str> {
        match step {
            Step::Get => Some("DatabasePool::load"),
            Step::Create | Step::Update => Some("DatabasePool::store"),
            Step::Renew => Some("DatabasePool::store, the whole session"),
            Step::Delete => Some("DatabasePool::delete_one_by_id"),
            Step::Cleanup => Some("DatabasePool::delete_by_expiry"),
            Step::Start | Step::Query | Step::DeleteMatching => None,
        }
    }

    async fn open(site: &Site, connections: u32) -> Result<Self> {
        let pool = connect(site, connections).await?;
        pool.initiate(TABLE).await?;
        Ok(Self(pool))
    }

    fn table(_: &Site) -> Table {
        Table {
            name: TABLE.to_owned(),
            columns: &["id", "session", "expires"],
            within: "",
            key: "id",
            expires: "expires",
            row: |_: DbBackend, sample| {
                let Item {
                    id,
                    session,
                    expires,
                } = Item::of(sample);
                Ok(vec![id.into(), session.into(), expires.into()])
            },
            key_of: |_: DbBackend, sample| Value::from(sample.user_key.as_str()),
        }
    }
}

impl Performer for AxumSession {
    type Item = Item;
    type Worker = ();

    fn item(&self, sample: &Sample) -> Item {
        Item::of(sample)
    }

    fn worker(&self, _: usize) {}

    async fn perform(&self, (): &mut (), step: Step, item: Item) -> Result<Answer> {
        let Item {
            id,
            session,
            expires,
        } = item;
        match step {
            Step::Get => {
                let loaded = self.0.load(&id, TABLE).await?;
                return Ok(Answer::Found {
                    sessions: loaded.is_some().into(),
                    bytes: loaded.map_or(0, |session| session.len()),
                });
            }
            Step::Create | Step::Update | Step::Renew => {
                self.0.store(&id, &session, expires, TABLE).await?;
            }
            Step::Delete => self.0.delete_one_by_id(&id, TABLE).await?,
            Step::Cleanup => {
                let deleted = self.0.delete_by_expiry(TABLE).await?;
                return Ok(Answer::Changed(deleted.len() as u64));
            }
            Step::Start | Step::Query | Step::DeleteMatching => return lacking(step),
        }
        Ok(Answer::Silent)
    }
}

impl Item {
    fn of(sample: &Sample) -> Self {
        Self {
            id: sample.user_key.clone(),
            session: sample.text().to_owned(),
            expires: sample.expires.timestamp(),
        }
    }
}

async fn connect(site: &Site, connections: u32) -> Result<Box<dyn DatabasePool + Send + Sync>> {
    let url = site.url();
    Ok(match site.kind {
        DatabaseKind::Postgres => {
            let options = PgPoolOptions::new().max_connections(connections);
            let pool = options.acquire_timeout(TURN).connect(url).await?;
            Box::new(SessionPgPool::from(pool))
        }
        DatabaseKind::MySql | DatabaseKind::MariaDb => {
            let options = MySqlPoolOptions::new().max_connections(connections);
            let pool = options.acquire_timeout(TURN).connect(url).await?;
            Box::new(SessionMySqlPool::from(pool))
        }
        DatabaseKind::Sqlite => {
            let options = SqlitePoolOptions::new().max_connections(connections);
            let file = sqlite_options(url)?;
            let pool = options.acquire_timeout(TURN).connect_with(file).await?;
            Box::new(SessionSqlitePool::from(pool))
        }
        DatabaseKind::SqliteMemory => bail!("a database in memory is no contender's"),
    })
}
