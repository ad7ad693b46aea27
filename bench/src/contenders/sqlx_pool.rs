//! sqlx with its pool, as bare as it gets: no ping before a connection is handed out.

use anyhow::Result;
use sqlx::Pool;

use super::bare;
use super::sqlx_backend::{Backend, Prepared};
use crate::contender::{Contender, Performer};
use crate::operations::{Answer, Step};
use crate::samples::Sample;
use crate::site::Site;
use crate::table::Table;

pub(crate) const NAME: &str = "sqlx-pool";

/// A pool of sqlx's.
#[derive(Debug)]
pub(crate) struct SqlxPool<B: Backend> {
    pool: Pool<B>,
    statements: Prepared,
}

impl<B: Backend> Contender for SqlxPool<B> {
    const NAME: &'static str = NAME;
    const WHAT: &'static str = "sqlx 0.9 and its pool, no ping before a connection is handed out";

    fn stands_for(step: Step) -> Option<&'static str> {
        bare::stands_for(step)
    }

    async fn open(site: &Site, connections: u32) -> Result<Self> {
        Ok(Self {
            statements: Prepared::of(site).await?,
            pool: B::pool(site.url(), connections).await?,
        })
    }

    fn table(_: &Site) -> Table {
        Table::of_the_store()
    }
}

impl<B: Backend> Performer for SqlxPool<B> {
    type Item = Sample;
    type Worker = ();

    fn item(&self, sample: &Sample) -> Sample {
        sample.clone()
    }

    fn worker(&self, _: usize) {}

    async fn perform(&self, (): &mut (), step: Step, sample: Sample) -> Result<Answer> {
        let mut connection = self.pool.acquire().await?;
        self.statements
            .perform::<B>(&mut connection, step, sample)
            .await
    }
}
