//! A contender that has taken its place: on a database of its own, its table filled.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use async_trait::async_trait;
use sea_orm::ConnectionTrait as _;
use store_tests::DatabaseKind;

use crate::contender::Contender;
use crate::durability::log_position;
use crate::operations::{Operation, Work};
use crate::results::Measure;
use crate::round;
use crate::samples::Samples;
use crate::schema::Schema;
use crate::site::Site;
use crate::table::{Table, settle};

/// A contender of whatever type.
#[async_trait]
pub(crate) trait Entrant: Send + Sync {
    fn name(&self) -> &str;

    fn what(&self) -> &'static str;

    /// What of it stands for an operation; `None` where nothing does.
    fn stands_for(&self, operation: Operation) -> Option<String>;

    /// Its table, as the catalog has it.
    async fn schema(&self) -> Result<Schema>;

    /// Puts so many sessions into its table, and says after how many of them.
    async fn fill(
        &self,
        samples: &Samples,
        rows: u64,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<()>;

    /// Removes all its sessions.
    async fn empty(&self) -> Result<()>;

    /// Does the work once, measured, and checks what has become of it.
    async fn round(&self, work: &Work) -> Result<Measure>;

    /// Does so many steps of the work, and checks their answers and nothing else.
    async fn perform(&self, work: &Work, steps: usize) -> Result<()>;

    /// Checks that there are so many rows.
    async fn check_rows(&self, rows: u64) -> Result<()>;
}

/// A contender and its database.
#[derive(Debug)]
pub(crate) struct Seat<C> {
    name: String,
    contender: Arc<C>,
    table: Table,
    site: Site,
}

impl<C: Contender> Seat<C> {
    pub(crate) async fn take(site: Site, connections: u32) -> Result<Self> {
        let contender = C::open(&site, connections)
            .await
            .with_context(|| format!("{} on {}", C::NAME, site.kind))?;
        Ok(Self {
            name: C::NAME.to_owned(),
            contender: Arc::new(contender),
            table: C::table(&site),
            site,
        })
    }

    /// Under another name, where there are several of the same contender.
    pub(crate) fn named(mut self, name: String) -> Self {
        self.name = name;
        self
    }
}

#[async_trait]
impl<C: Contender> Entrant for Seat<C> {
    fn name(&self) -> &str {
        &self.name
    }

    fn what(&self) -> &'static str {
        C::WHAT
    }

    fn stands_for(&self, operation: Operation) -> Option<String> {
        let calls: Option<Vec<_>> = operation
            .steps()
            .iter()
            .copied()
            .map(C::stands_for)
            .collect();
        Some(calls?.join("; "))
    }

    async fn schema(&self) -> Result<Schema> {
        Schema::verified(&self.site, &self.table).await
    }

    async fn fill(
        &self,
        samples: &Samples,
        rows: u64,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<()> {
        const AT_ONCE: u64 = 1000;
        let mut from = 0;
        while from < rows {
            let to = rows.min(from + AT_ONCE);
            let some: Vec<_> = (from..to).map(|number| samples.live(number)).collect();
            self.table.insert(&self.site.admin, some).await?;
            progress(to - from);
            from = to;
        }
        settle(self.site.kind, &self.table, &self.site.admin).await
    }

    async fn empty(&self) -> Result<()> {
        self.table.remove_all(&self.site.admin).await
    }

    async fn round(&self, work: &Work) -> Result<Measure> {
        let (db, table) = (&self.site.admin, &self.table);
        let what = || {
            format!(
                "{} on {}: {}",
                self.name,
                self.site.kind,
                work.operation.name()
            )
        };
        table.insert(db, work.before.iter().cloned()).await?;
        if self.site.kind == DatabaseKind::Sqlite {
            // Everybody begins with an empty log.
            settle(self.site.kind, table, db).await?;
            // Where SQLite is as it comes, all connections of the process have one memory, and this one
            // would be lent that of contenders at rest. It begins with none of its own either.
            db.execute_unprepared("PRAGMA shrink_memory").await?;
        }
        self.site.quiet().await?;
        let log = log_position(&self.site).await?;
        let mut measure = round::measured(&self.contender, work)
            .await
            .with_context(what)?;
        if let (Some(before), Some(after)) = (log, log_position(&self.site).await?) {
            measure.log_bytes = Some((after - before) as f64 / work.count as f64);
        }
        let (changed, kept, left) = (
            table.count_changed(db, &work.changed).await?,
            table.count(db, &work.after).await?,
            table.count(db, &work.gone).await?,
        );
        ensure!(
            changed == work.changed.len() as u64 && kept == work.after.len() as u64 && left == 0,
            "{}: {changed} of {} sessions have changed, {kept} of {} new ones are there, {left} \
             that should have gone",
            what(),
            work.changed.len(),
            work.after.len()
        );
        table.remove(db, &work.after).await?;
        Ok(measure)
    }

    async fn perform(&self, work: &Work, steps: usize) -> Result<()> {
        let before = work.before.iter().cloned();
        self.table.insert(&self.site.admin, before).await?;
        let mut shares = round::shares(&*self.contender, work);
        let tasks = shares.len();
        for (task, (_, share)) in shares.iter_mut().enumerate() {
            share.truncate((steps + tasks - 1 - task) / tasks);
        }
        round::performed(&self.contender, shares).await?;
        Ok(())
    }

    async fn check_rows(&self, rows: u64) -> Result<()> {
        let found = self.table.count_all(&self.site.admin).await?;
        ensure!(
            found == rows,
            "{} on {} has {found} rows instead of {rows}",
            self.name,
            self.site.kind
        );
        Ok(())
    }
}
