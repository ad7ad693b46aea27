//! `tower-sessions-sqlx-store`, on a pool as its documentation makes it.

use std::str::FromStr as _;
use std::time::Duration;

use anyhow::Result;
use tower_sessions_core::ExpiredDeletion;
use tower_sessions_core::session::Record;
use tower_sessions_sqlx_store::sqlx::mysql::MySqlPoolOptions;
use tower_sessions_sqlx_store::sqlx::postgres::PgPoolOptions;
use tower_sessions_sqlx_store::sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use tower_sessions_sqlx_store::{MySqlStore, PostgresStore, SqliteStore};

use super::tower;
use crate::contender::{Contender, Performer};
use crate::durability::SQLITE_BUSY;
use crate::operations::{Answer, Step};
use crate::samples::Sample;
use crate::site::Site;
use crate::table::Table;

pub(crate) const NAME: &str = "tower-sessions-sqlx-store";

/// How long a task waits for its turn: all of the round, if need be.
const TURN: Duration = Duration::from_secs(60);

/// One of its stores.
#[derive(Debug)]
pub(crate) struct TowerSessions<S>(S);

impl<S: Peer> Contender for TowerSessions<S> {
    const NAME: &'static str = NAME;
    const WHAT: &'static str =
        "tower-sessions-sqlx-store 0.15 (sqlx 0.8), its pool otherwise at its defaults";

    fn stands_for(step: Step) -> Option<&'static str> {
        tower::stands_for(step)
    }

    async fn open(site: &Site, connections: u32) -> Result<Self> {
        Ok(Self(S::connect(site, connections).await?))
    }

    fn table(site: &Site) -> Table {
        Table {
            name: S::table(site),
            columns: tower::COLUMNS,
            within: "",
            key: "id",
            expires: "expiry_date",
            row: tower::row,
            key_of: tower::key,
        }
    }
}

impl<S: Peer> Performer for TowerSessions<S> {
    type Item = Record;
    type Worker = ();

    /// # Panics
    /// Never: a sample's times are within the centuries around 1970.
    fn item(&self, sample: &Sample) -> Record {
        tower::record(sample).expect("a record")
    }

    fn worker(&self, _: usize) {}

    async fn perform(&self, (): &mut (), step: Step, record: Record) -> Result<Answer> {
        tower::perform(&self.0, step, record).await
    }
}

/// A store for one of the databases.
pub(crate) trait Peer: ExpiredDeletion {
    fn connect(site: &Site, connections: u32) -> impl Future<Output = Result<Self>> + Send;

    fn table(site: &Site) -> String;
}

impl Peer for PostgresStore {
    async fn connect(site: &Site, connections: u32) -> Result<Self> {
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(TURN)
            .connect(site.url())
            .await?;
        let store = Self::new(pool);
        store.migrate().await?;
        Ok(store)
    }

    fn table(_: &Site) -> String {
        r#""tower_sessions"."session""#.to_owned()
    }
}

impl Peer for MySqlStore {
    async fn connect(site: &Site, connections: u32) -> Result<Self> {
        let pool = MySqlPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(TURN)
            .connect(site.url())
            .await?;
        // What it calls a schema is a database, and by default not the one that is connected to.
        let store = Self::new(pool)
            .with_schema_name(site.name()?)
            .map_err(anyhow::Error::msg)?;
        store.migrate().await?;
        Ok(store)
    }

    fn table(_: &Site) -> String {
        "session".to_owned()
    }
}

impl Peer for SqliteStore {
    async fn connect(site: &Site, connections: u32) -> Result<Self> {
        let options = SqliteConnectOptions::from_str(site.url())?
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(SQLITE_BUSY);
        let pool = SqlitePoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(TURN)
            .connect_with(options)
            .await?;
        let store = Self::new(pool);
        store.migrate().await?;
        Ok(store)
    }

    fn table(_: &Site) -> String {
        "tower_sessions".to_owned()
    }
}
