//! Reading a record.

use chrono::DateTime;
use store_core::{Error as StoreError, Ticket, UserSession, UserSessionStore, UserSessionUpdate};
use store_tickets::{EndReason, OpenError, SessionEvent, uninterrupted};
use tower_sessions_core::session::{Id, Record};

use super::TowerSessionStore;
use super::error::BridgeError;
use super::record::{Sealed, stored_expiry};

/// How often a broken row is read again because somebody has written it meanwhile.
const ATTEMPTS: u32 = 4;

impl<S: UserSessionStore + ?Sized> TowerSessionStore<S> {
    pub(super) async fn load_record(&self, id: &Id) -> Result<Option<Record>, BridgeError> {
        let key = self.key(id);
        for _ in 0..ATTEMPTS {
            let Some(found) = self.store.get_user_session(&key).await? else {
                return Ok(None);
            };
            match self.sealer.open::<Sealed>(&found) {
                Ok(sealed) => {
                    let record = sealed.into_record(*id, found.expires);
                    // The store's column says so too, unless somebody has moved it.
                    let is_live = stored_expiry(record.expiry_date) > self.now();
                    return Ok(is_live.then_some(record));
                }
                // The session may be a good one to another node. No new one is to take its place,
                // so this is not `None`.
                Err(OpenError::Unreadable(unreadable)) => {
                    return Err(BridgeError::Unreadable(unreadable));
                }
                Err(OpenError::Undecipherable) => {
                    if self.discard(found).await? {
                        return Ok(None);
                    }
                }
            }
        }
        Err(BridgeError::Contended { attempts: ATTEMPTS })
    }

    /// Ends a session whose row is broken, unless somebody has written it since it was read.
    /// Whether it is over.
    async fn discard(&self, session: UserSession) -> Result<bool, BridgeError> {
        tracing::warn!(
            session = ?session.key.user_key,
            len = session.ticket.len(),
            "a session's row is broken: it is over"
        );
        let this = self.clone();
        let removed = uninterrupted(async move { this.claim_and_delete(&session).await });
        match removed.await {
            Ok(()) => Ok(true),
            Err(StoreError::VersionMismatch) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a session on condition that nobody has changed it since it was read. A store has no
    /// such deletion, so the row is first written as expired on that condition: from then on nobody
    /// can write it any more, only remove it.
    async fn claim_and_delete(&self, session: &UserSession) -> Result<(), StoreError> {
        let claim = UserSessionUpdate {
            expires: Some(DateTime::UNIX_EPOCH),
            ticket: Ticket::default(),
            ..UserSessionUpdate::from(session.clone()).with_if_version(session.version)
        };
        let claimed = self.store.update_user_session(&session.key, claim).await?;
        if claimed && self.store.delete_user_session(&session.key).await? {
            let event = SessionEvent::of(session, self.now());
            self.observers.ended(event, EndReason::Undecipherable);
        }
        Ok(())
    }
}
