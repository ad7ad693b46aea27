//! Reading sessions.

use chrono::DateTime;
use serde::Serialize;
use serde::de::DeserializeOwned;
use store_core::{
    Error as StoreError, Ticket, UserSession, UserSessionKey, UserSessionUpdate, UserSessionsFilter,
};

use super::{Retrieved, ServerSideTicketStore, StoredTicket, measured, uninterrupted};
use crate::error::store_error_kind;
use crate::events::Occurrence;
use crate::seal::OpenError;
use crate::{
    CookieSecret, EndReason, Result, SessionEvent, TicketError, Token, Unreadable, telemetry,
};

/// How often a broken row is read again because somebody has written it meanwhile.
const READ_ATTEMPTS: u32 = 4;

/// What became of a broken row.
enum Discarded {
    /// The session is over.
    Over,
    /// Somebody has written it since it was read, so nothing was done.
    Rewritten,
}

impl<T> ServerSideTicketStore<T>
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// The session that the browser's secret opens.
    ///
    /// A session whose ticket is broken, that is cut, corrupted, tampered with or moved to another
    /// row, is over: its row is removed, which is logged, counted and told, and this answers
    /// [`Retrieved::Absent`]. One that only this node cannot read stays: [`Retrieved::Unreadable`].
    ///
    /// # Errors
    /// [`TicketError::Store`] if the store below fails. That is no reason to think that there is no
    /// session.
    #[tracing::instrument(name = "tickets.retrieve", level = "debug", skip_all)]
    pub async fn retrieve(&self, secret: &CookieSecret) -> Result<Retrieved<T>> {
        measured("retrieve", self.load(&self.key(secret.user_key()))).await
    }

    /// The live sessions that match, ordered by when they began. Those whose tickets are broken
    /// are over, as in [`retrieve`](Self::retrieve); those that this node cannot read are left out
    /// and reported.
    ///
    /// # Errors
    /// [`TicketError::Store`] if the store below fails.
    #[tracing::instrument(name = "tickets.get_user_tickets", level = "debug", skip_all)]
    pub async fn get_user_tickets(
        &self,
        filter: &UserSessionsFilter,
    ) -> Result<Vec<StoredTicket<T>>> {
        measured("get_user_tickets", async {
            let sessions = self
                .shared
                .store
                .get_user_sessions(&self.partition_key, filter);
            let mut found = Vec::new();
            for session in sessions.await? {
                let key = session.key.clone();
                if let Retrieved::Session(stored) = self.open(Some(session), &key).await? {
                    found.push(*stored);
                }
            }
            Ok(found)
        })
        .await
    }

    pub(super) async fn load(&self, key: &UserSessionKey) -> Result<Retrieved<T>> {
        let session = self.shared.store.get_user_session(key).await?;
        self.open(session, key).await
    }

    /// Opens what was read of the session `key`, which is read again if it was broken and has been
    /// written meanwhile.
    async fn open(
        &self,
        mut session: Option<UserSession>,
        key: &UserSessionKey,
    ) -> Result<Retrieved<T>> {
        for _ in 0..READ_ATTEMPTS {
            let Some(found) = session else {
                return Ok(Retrieved::Absent);
            };
            match self.shared.sealer.open(&found) {
                // The store's column says so too, unless somebody has moved it.
                Ok(opened) if opened.ends.is_some_and(|ends| ends <= self.now()) => {
                    return Ok(Retrieved::Absent);
                }
                Ok(opened) => {
                    return Ok(Retrieved::Session(Box::new(StoredTicket::new(
                        &found, opened,
                    ))));
                }
                Err(OpenError::Unreadable(unreadable)) => {
                    report(&found, &unreadable);
                    return Ok(Retrieved::Unreadable(unreadable));
                }
                Err(OpenError::Undecipherable) => match self.discard(found).await {
                    Discarded::Over => return Ok(Retrieved::Absent),
                    Discarded::Rewritten => {}
                },
            }
            session = self.shared.store.get_user_session(key).await?;
        }
        Err(TicketError::Contended {
            attempts: READ_ATTEMPTS,
        })
    }

    /// The refresh token of a session whose row somebody has in hand.
    pub(crate) fn refresh_token_of(&self, session: &UserSession) -> Option<Token> {
        let opened = self.shared.sealer.open::<T>(session).ok()?;
        opened.ticket.tokens.refresh
    }

    /// Ends a session whose ticket is broken, unless somebody has written it since it was read.
    async fn discard(&self, session: UserSession) -> Discarded {
        telemetry::error("open", "undecipherable");
        tracing::warn!(
            session = ?session.key.user_key,
            len = session.ticket.len(),
            "a ticket is broken: its session is over"
        );
        let this = self.clone();
        let removed = uninterrupted(async move {
            this.claim_and_delete(&session, EndReason::Undecipherable)
                .await
        });
        match removed.await {
            Ok(_) => Discarded::Over,
            Err(StoreError::VersionMismatch) => Discarded::Rewritten,
            // Whatever the row is to become, there is no session in it.
            Err(error) => {
                telemetry::error("discard", store_error_kind(&error));
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a broken ticket was not removed"
                );
                Discarded::Over
            }
        }
    }

    /// Removes a session on condition that nobody has changed it since it was read, and tells. A
    /// store has no such deletion, so the row is first written as expired on that condition: to
    /// every clock, since 1970. From then on nobody can write it any more, only remove it.
    ///
    /// Whether this call has removed it. [`StoreError::VersionMismatch`] if it was changed.
    pub(super) async fn claim_and_delete(
        &self,
        session: &UserSession,
        reason: EndReason,
    ) -> Result<bool, StoreError> {
        let claim = UserSessionUpdate {
            expires: Some(DateTime::UNIX_EPOCH),
            ticket: Ticket::default(),
            ..UserSessionUpdate::from(session.clone()).with_if_version(session.version)
        };
        let store = &self.shared.store;
        if !store.update_user_session(&session.key, claim).await? {
            return Ok(false);
        }
        // If this fails, the cleanup removes it, and tells that it has expired.
        let removed = store.delete_user_session(&session.key).await?;
        if removed {
            self.tell(Occurrence::Ended(
                SessionEvent::of(session, self.now()),
                reason,
            ));
        }
        Ok(removed)
    }
}

fn report(session: &UserSession, unreadable: &Unreadable) {
    telemetry::error("open", unreadable.kind());
    tracing::error!(
        session = ?session.key.user_key,
        error = unreadable as &dyn std::error::Error,
        "this node cannot read a session, which stays where it is"
    );
}
