//! The traits of tower-sessions.

use async_trait::async_trait;
use store_core::{UserSessionStore, UserSessionStoreCleanup};
use tower_sessions_core::session::{Id, Record};
use tower_sessions_core::session_store::{ExpiredDeletion, Result, SessionStore};

use super::TowerSessionStore;
use super::error::BridgeError;

#[async_trait]
impl<S: UserSessionStore + ?Sized> SessionStore for TowerSessionStore<S> {
    #[tracing::instrument(name = "tower_sessions.create", level = "debug", skip_all)]
    async fn create(&self, record: &mut Record) -> Result<()> {
        Ok(self.create_record(record).await?)
    }

    #[tracing::instrument(name = "tower_sessions.save", level = "debug", skip_all)]
    async fn save(&self, record: &Record) -> Result<()> {
        Ok(self.save_record(record).await?)
    }

    #[tracing::instrument(name = "tower_sessions.load", level = "debug", skip_all)]
    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        Ok(self.load_record(id).await?)
    }

    #[tracing::instrument(name = "tower_sessions.delete", level = "debug", skip_all)]
    async fn delete(&self, id: &Id) -> Result<()> {
        Ok(self.delete_record(id).await?)
    }
}

/// In every partition. [`SessionCleanup`](store_tickets::SessionCleanup) does it on a schedule, on one
/// node at a time, and tells observers.
#[async_trait]
impl<S> ExpiredDeletion for TowerSessionStore<S>
where
    S: UserSessionStore + UserSessionStoreCleanup,
{
    #[tracing::instrument(name = "tower_sessions.delete_expired", level = "debug", skip_all)]
    async fn delete_expired(&self) -> Result<()> {
        let deleted = self.user_session_store().delete_expired_sessions().await;
        deleted.map_err(BridgeError::from)?;
        Ok(())
    }
}
