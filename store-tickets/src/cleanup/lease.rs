//! No cleanup waits for another.

use async_trait::async_trait;
use store_core::{CleanupLease, CleanupLeaseGuard, Result};

/// No lease: every node cleans up whenever its turn comes. Right for every store, since what the
/// nodes remove adds up.
#[derive(Clone, Copy, Debug, Default)]
pub struct EveryNode;

#[async_trait]
impl CleanupLease for EveryNode {
    async fn try_acquire(&self) -> Result<Option<Box<dyn CleanupLeaseGuard>>> {
        Ok(Some(Box::new(Self)))
    }
}

#[async_trait]
impl CleanupLeaseGuard for EveryNode {
    async fn release(self: Box<Self>) {}
}
