//! The in-memory store keeps the contract: directly, in an `Arc` and in a `Box`.

use std::sync::Arc;

use crate::{InMemoryUserSessionStore, ManualClock};

mod plain {
    use super::*;

    async fn store(clock: Arc<ManualClock>) -> Option<Box<InMemoryUserSessionStore>> {
        Some(Box::new(InMemoryUserSessionStore::with_clock(clock)))
    }

    crate::user_session_store_contract!(store);
    crate::user_session_store_cleanup_contract!(store);
    crate::user_session_directory_contract!(store);
}
