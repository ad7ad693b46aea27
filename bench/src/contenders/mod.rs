//! Who takes part, a file for each.

mod axum_session;
mod bare;
mod rusqlite;
mod sqlx_backend;
mod sqlx_held;
mod sqlx_pool;
mod store;
mod tokio_postgres;
mod tower;
mod tower_seaorm;
mod tower_sessions;

use anyhow::Result;
use futures::future::BoxFuture;
use sqlx::{MySql, Postgres, Sqlite};
use store_tests::DatabaseKind;
use tower_sessions_sqlx_store::{MySqlStore, PostgresStore, SqliteStore};

pub(crate) use self::store::{NAME as STORE, Store, connect, session};
use self::{
    axum_session::AxumSession, rusqlite::Rusqlite, sqlx_held::SqlxHeld, sqlx_pool::SqlxPool,
    tokio_postgres::TokioPostgres, tower_seaorm::TowerSeaOrm, tower_sessions::TowerSessions,
};
use crate::contender::Contender;
use crate::durability;
use crate::entrant::{Entrant, Seat};
use crate::site::Site;

pub(crate) const SQLX_POOL: &str = sqlx_pool::NAME;
pub(crate) const SQLX_HELD: &str = sqlx_held::NAME;
pub(crate) const TOWER_SESSIONS: &str = tower_sessions::NAME;

/// Those who take part on one database, each in its place, and how many connections each has.
pub(crate) struct LineUp {
    pub(crate) entrants: Vec<Box<dyn Entrant>>,
    pub(crate) connections: u32,
    pub(crate) settings: Vec<(String, String)>,
}

/// Everybody who could take part on a database, this store first. A new contender is a line here.
fn candidates(kind: DatabaseKind) -> Vec<Candidate> {
    match kind {
        DatabaseKind::Postgres => vec![
            candidate::<Store>(),
            candidate::<TokioPostgres>(),
            candidate::<SqlxHeld<Postgres>>(),
            candidate::<SqlxPool<Postgres>>(),
            candidate::<TowerSessions<PostgresStore>>(),
            candidate::<AxumSession>(),
            candidate::<TowerSeaOrm>(),
        ],
        DatabaseKind::MySql | DatabaseKind::MariaDb => vec![
            candidate::<Store>(),
            candidate::<SqlxHeld<MySql>>(),
            candidate::<SqlxPool<MySql>>(),
            candidate::<TowerSessions<MySqlStore>>(),
            candidate::<AxumSession>(),
        ],
        DatabaseKind::Sqlite | DatabaseKind::SqliteMemory => vec![
            candidate::<Store>(),
            candidate::<Rusqlite>(),
            candidate::<SqlxHeld<Sqlite>>(),
            candidate::<SqlxPool<Sqlite>>(),
            candidate::<TowerSessions<SqliteStore>>(),
            candidate::<AxumSession>(),
        ],
    }
}

struct Candidate {
    name: &'static str,
    take_place: fn(Site, u32) -> Seating,
}

type Seating = BoxFuture<'static, Result<Box<dyn Entrant>>>;

fn candidate<C: Contender>() -> Candidate {
    Candidate {
        name: C::NAME,
        take_place: |site, connections| {
            Box::pin(async move {
                let seat = Seat::<C>::take(site, connections).await?;
                Ok(Box::new(seat) as Box<dyn Entrant>)
            })
        },
    }
}

impl LineUp {
    /// This store first. `only`, unless it is empty, leaves out all others that it does not name.
    /// `None` where the database is not to be had.
    pub(crate) async fn on(kind: DatabaseKind, only: &[String]) -> Result<Option<Self>> {
        let mut candidates = candidates(kind);
        candidates.retain(|candidate| {
            candidate.name == STORE
                || only.is_empty()
                || only.iter().any(|name| name == candidate.name)
        });
        let mut sites = Vec::new();
        for _ in &candidates {
            match Site::create(kind).await? {
                Some(site) => sites.push(site),
                None => return Ok(None),
            }
        }
        let Some(site) = sites.first() else {
            return Ok(None);
        };
        let connections = durability::connections(site, candidates.len()).await?;
        let settings = durability::settings(site).await?;
        let mut entrants = Vec::new();
        for (candidate, site) in candidates.iter().zip(sites) {
            entrants.push((candidate.take_place)(site, connections).await?);
        }
        Ok(Some(Self {
            entrants,
            connections,
            settings,
        }))
    }
}
