//! One cleanup at a time in a cluster.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::Result;

/// Says whether this node may clean up now: a store offers it whose database can say that of a
/// whole cluster.
///
/// It only saves work. That each session is removed by one node is the store's own promise, with a
/// lease or without: so a lease that is lost half-way does no harm, and a clock has no part in it.
///
/// # What an implementor owes
/// At most one node has the lease at a time, as far as its database can say so. It does not outlive
/// the node: it ends with a connection, not at a time.
#[async_trait]
pub trait CleanupLease: Debug + Send + Sync + 'static {
    /// The lease, until the guard is released; `None` if another node has it.
    ///
    /// # Errors
    /// Those of the store. Whoever asked may ask again later.
    async fn try_acquire(&self) -> Result<Option<Box<dyn CleanupLeaseGuard>>>;
}

/// A lease that was given. Dropping it gives it back as well, sooner or later: a node that is gone
/// cannot say so.
#[async_trait]
pub trait CleanupLeaseGuard: Debug + Send + 'static {
    /// Gives the lease back.
    async fn release(self: Box<Self>);
}
