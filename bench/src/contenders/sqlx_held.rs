//! sqlx without a pool: each task holds a connection.

use std::sync::Arc;

use anyhow::Result;
use tokio::sync::Mutex;

use super::bare;
use super::sqlx_backend::{Backend, Prepared};
use crate::contender::{Contender, Performer};
use crate::operations::{Answer, Step};
use crate::samples::Sample;
use crate::site::Site;
use crate::table::Table;

pub(crate) const NAME: &str = "sqlx-held";

/// Connections of sqlx's.
pub(crate) struct SqlxHeld<B: Backend> {
    connections: Vec<Arc<Mutex<B::Connection>>>,
    statements: Prepared,
}

impl<B: Backend> Contender for SqlxHeld<B> {
    const NAME: &'static str = NAME;
    const WHAT: &'static str = "sqlx 0.9 without a pool: a connection for each task, shared where there are more tasks \
         than connections";

    fn stands_for(step: Step) -> Option<&'static str> {
        bare::stands_for(step)
    }

    async fn open(site: &Site, connections: u32) -> Result<Self> {
        let statements = Prepared::of(site).await?;
        let mut held = Vec::new();
        for _ in 0..connections {
            held.push(Arc::new(Mutex::new(B::connect(site.url()).await?)));
        }
        Ok(Self {
            connections: held,
            statements,
        })
    }

    fn table(_: &Site) -> Table {
        Table::of_the_store()
    }
}

impl<B: Backend> Performer for SqlxHeld<B> {
    type Item = Sample;
    type Worker = Arc<Mutex<B::Connection>>;

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
        let mut connection = connection.lock().await;
        self.statements
            .perform::<B>(&mut connection, step, sample)
            .await
    }
}
