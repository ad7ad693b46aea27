//! What takes part.

use std::future::Future;

use anyhow::Result;

use crate::operations::{Answer, Step};
use crate::samples::Sample;
use crate::site::Site;
use crate::table::Table;

/// Something that keeps sessions, by its own means.
///
/// A new one is a file in `contenders`, and a line in their list.
pub(crate) trait Contender: Performer {
    /// In reports and on the command line.
    const NAME: &'static str;
    /// What it is, in a sentence.
    const WHAT: &'static str;

    /// What of it stands for this step; `None` where nothing does.
    fn stands_for(step: Step) -> Option<&'static str>;

    /// Makes its tables, and connects. Its pool has as many connections as everybody's.
    fn open(site: &Site, connections: u32) -> impl Future<Output = Result<Self>> + Send;

    /// Where it keeps its sessions.
    fn table(site: &Site) -> Table;
}

/// Something that can be measured.
pub(crate) trait Performer: Send + Sync + Sized + 'static {
    /// A session as its interface takes it. Made before the clock starts.
    type Item: Send + 'static;
    /// What one task works with.
    type Worker: Send + 'static;

    fn item(&self, sample: &Sample) -> Self::Item;

    /// For the task of this number.
    fn worker(&self, task: usize) -> Self::Worker;

    /// Asked only for steps that it has something for.
    fn perform(
        &self,
        worker: &mut Self::Worker,
        step: Step,
        item: Self::Item,
    ) -> impl Future<Output = Result<Answer>> + Send;
}

/// That a contender was asked for what it does not have.
pub(crate) fn lacking<T>(step: Step) -> Result<T> {
    anyhow::bail!("nothing stands for {step:?}")
}
