//! The end of sessions.

use serde::Serialize;
use serde::de::DeserializeOwned;
use store_core::{
    Error as StoreError, UserSession, UserSessionKey, UserSessionSummary, UserSessionsFilter,
};

use super::{ServerSideTicketStore, SessionHandle, measured, uninterrupted};
use crate::events::Occurrence;
use crate::{EndReason, Result, SessionEvent};

/// How often a session that changes all the while is read again before it is removed as it is.
const END_ATTEMPTS: u32 = 4;

/// What ending one session has ended.
#[derive(Debug, Default)]
pub(crate) struct EndedOne {
    pub(crate) removed: bool,
    /// The row as it was when it was removed, where that is known.
    pub(crate) last: Option<UserSession>,
}

impl<T> ServerSideTicketStore<T>
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// Ends a session: at logout, for [`EndReason::LoggedOut`]. Whether this call has ended it.
    ///
    /// Its refresh token stays good at the provider: see
    /// [`SessionRevocation::log_out`](crate::SessionRevocation::log_out). It is done even if this
    /// future is dropped.
    ///
    /// # Errors
    /// [`TicketError::Store`](crate::TicketError::Store) if the store below fails.
    #[tracing::instrument(name = "tickets.remove", level = "debug", skip_all)]
    pub async fn remove(&self, session: &impl SessionHandle, reason: EndReason) -> Result<bool> {
        let key = self.key(session.user_key());
        let this = self.clone();
        let work = uninterrupted(async move { this.end_one(key, reason, Content::Any).await });
        let ended = measured("remove", work).await?;
        Ok(ended.removed)
    }

    /// Ends the sessions that match, expired or not, and answers those that this call has ended:
    /// everywhere, everywhere but here, or what a logout token names.
    ///
    /// Refresh tokens stay good at the provider: see
    /// [`SessionRevocation::revoke`](crate::SessionRevocation::revoke). It is done even if this
    /// future is dropped.
    ///
    /// # Errors
    /// [`TicketError::Store`](crate::TicketError::Store) if the store below fails.
    #[tracing::instrument(name = "tickets.revoke", level = "debug", skip_all)]
    pub async fn revoke(
        &self,
        filter: &UserSessionsFilter,
        reason: EndReason,
    ) -> Result<Vec<UserSessionSummary>> {
        let this = self.clone();
        let filter = filter.clone();
        let work = uninterrupted(async move { this.end_matching(&filter, reason).await });
        let ended = measured("revoke", work).await?;
        Ok(ended.iter().map(UserSessionSummary::from).collect())
    }

    pub(crate) async fn end_matching(
        &self,
        filter: &UserSessionsFilter,
        reason: EndReason,
    ) -> Result<Vec<UserSession>> {
        let store = &self.shared.store;
        let ended = store.end_user_sessions(&self.partition_key, filter).await?;
        let now = self.now();
        for session in &ended {
            self.tell(Occurrence::Ended(SessionEvent::of(session, now), reason));
        }
        Ok(ended)
    }

    pub(crate) async fn end_one(
        &self,
        mut key: UserSessionKey,
        reason: EndReason,
        content: Content,
    ) -> Result<EndedOne> {
        let store = &self.shared.store;
        let mut last = None;
        for _ in 0..END_ATTEMPTS {
            let found = match (store.get_user_session(&key).await?, &last) {
                (None, Some(last)) => self.rotated(last).await?,
                (found, _) => found,
            };
            let Some(session) = found else {
                break;
            };
            key = session.key.clone();
            let removed = match content {
                Content::Any => self.delete(&session, reason).await,
                Content::Final => self.claim_and_delete(&session, reason).await,
            };
            match removed {
                Ok(true) => {
                    return Ok(EndedOne {
                        removed: true,
                        last: Some(session),
                    });
                }
                Ok(false) | Err(StoreError::VersionMismatch) => last = Some(session),
                Err(error) => return Err(error.into()),
            }
        }
        // Expired rows too: this node's clock may be fast.
        let removed = store.delete_user_session(&key).await?;
        if removed {
            let now = self.now();
            let event = match &last {
                Some(session) => SessionEvent::of(session, now),
                None => SessionEvent::of_key(key, now),
            };
            self.tell(Occurrence::Ended(event, reason));
        }
        let last = last.filter(|_| removed);
        Ok(EndedOne { removed, last })
    }

    async fn delete(&self, session: &UserSession, reason: EndReason) -> Result<bool, StoreError> {
        let removed = self.shared.store.delete_user_session(&session.key).await?;
        if removed {
            let event = SessionEvent::of(session, self.now());
            self.tell(Occurrence::Ended(event, reason));
        }
        Ok(removed)
    }

    /// The session that was just there, under the key to which it was rotated meanwhile: a logout
    /// that races a rotation ends the session all the same. One that began later with the same
    /// session id is another.
    async fn rotated(&self, last: &UserSession) -> Result<Option<UserSession>> {
        let Some(session_id) = last.session_id.clone() else {
            return Ok(None);
        };
        let filter = UserSessionsFilter::for_session(session_id);
        let store = &self.shared.store;
        let found = store
            .get_user_sessions(&self.partition_key, &filter)
            .await?;
        let same = |session: &UserSession| {
            session.created == last.created && session.subject_id == last.subject_id
        };
        Ok(found.into_iter().find(same))
    }
}

/// Whether it matters what the session kept at its very end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Any,
    Final,
}
