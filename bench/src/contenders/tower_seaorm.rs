//! `tower-sessions-seaorm-store`, on a connection as its documentation makes it.

use std::time::Duration;

use anyhow::Result;
use tower_sessions_core::session::Record;
use tower_sessions_seaorm_store::PostgresStore;
use tower_sessions_seaorm_store::sea_orm::{ConnectOptions, Database};

use super::tower;
use crate::contender::{Contender, Performer};
use crate::operations::{Answer, Step};
use crate::samples::Sample;
use crate::site::Site;
use crate::table::Table;

/// Its store.
#[derive(Debug)]
pub(crate) struct TowerSeaOrm(PostgresStore);

impl Contender for TowerSeaOrm {
    const NAME: &'static str = "tower-sessions-seaorm-store";
    const WHAT: &'static str =
        "tower-sessions-seaorm-store 0.1 (SeaORM 1.1), its pool otherwise at its defaults";

    fn stands_for(step: Step) -> Option<&'static str> {
        tower::stands_for(step)
    }

    async fn open(site: &Site, connections: u32) -> Result<Self> {
        let mut options = ConnectOptions::new(site.url());
        options
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(60));
        let store = PostgresStore::new(Database::connect(options).await?);
        store.migrate().await?;
        Ok(Self(store))
    }

    fn table(_: &Site) -> Table {
        Table {
            name: r#""tower_sessions"."session""#.to_owned(),
            columns: tower::COLUMNS,
            within: "",
            key: "id",
            expires: "expiry_date",
            row: tower::row,
            key_of: tower::key,
        }
    }
}

impl Performer for TowerSeaOrm {
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
