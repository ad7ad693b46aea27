//! Removing a record.

use store_core::UserSessionStore;
use store_tickets::{EndReason, SessionEvent, uninterrupted};
use tower_sessions_core::session::Id;

use super::TowerSessionStore;
use super::error::BridgeError;

impl<S: UserSessionStore + ?Sized> TowerSessionStore<S> {
    pub(super) async fn delete_record(&self, id: &Id) -> Result<(), BridgeError> {
        let key = self.key(id);
        let this = self.clone();
        uninterrupted(async move {
            let session = match this.observers.is_empty() {
                true => None,
                // For the observers alone: a row that cannot be read is removed all the same.
                false => this.store.get_user_session(&key).await.unwrap_or_default(),
            };
            if !this.store.delete_user_session(&key).await? {
                return Ok(());
            }
            let now = this.now();
            // A store cannot tell `flush` from `cycle_id`. Whoever cycles a visitor's id signs him
            // in; nobody needs to cycle a user's.
            let (event, reason) = match session {
                Some(session) if session.subject_id.is_some() => {
                    (SessionEvent::of(&session, now), EndReason::LoggedOut)
                }
                Some(session) => (SessionEvent::of(&session, now), EndReason::Replaced),
                None => (SessionEvent::of_key(key, now), EndReason::LoggedOut),
            };
            this.observers.ended(event, reason);
            Ok(())
        })
        .await
    }
}
