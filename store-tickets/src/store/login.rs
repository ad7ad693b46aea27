//! The beginning of a session.

use serde::Serialize;
use serde::de::DeserializeOwned;
use store_core::{Ticket, UserSession};

use super::{ServerSideTicketStore, StoredTicket, measured, uninterrupted};
use crate::policy::Begun;
use crate::seal::{Opened, Sealing};
use crate::{AuthenticationTicket, CookieSecret, Result, SessionEvent};

impl<T> ServerSideTicketStore<T>
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// Begins a session with a new secret: at login, or for a visitor. The session with the same
    /// session id ends, and with a cap the subject's oldest ones, as the policy says.
    ///
    /// A visitor's session does not become a user's: store a new one, with the visitor's
    /// [bag](AuthenticationTicket::with_bag) if need be, and remove his as
    /// [`EndReason::Replaced`](crate::EndReason::Replaced). So whoever planted a cookie before the login has nothing.
    ///
    /// It is done even if this future is dropped; the session that nobody has the secret of then
    /// expires.
    ///
    /// # Errors
    /// [`TicketError::Store`](crate::TicketError::Store): `SessionLimitReached` and `AlreadyExists`
    /// where the policy is to reject, `TicketTooLarge`, `Unavailable` and the like.
    /// [`TicketError::Encode`](crate::TicketError::Encode),
    /// [`TicketError::Random`](crate::TicketError::Random).
    #[tracing::instrument(name = "tickets.store", level = "debug", skip_all)]
    pub async fn store(
        &self,
        ticket: AuthenticationTicket<T>,
    ) -> Result<(CookieSecret, StoredTicket<T>)> {
        measured("store", self.begin(ticket)).await
    }

    async fn begin(
        &self,
        ticket: AuthenticationTicket<T>,
    ) -> Result<(CookieSecret, StoredTicket<T>)> {
        let secret = CookieSecret::generate()?;
        let now = self.now();
        let Begun { expires, ends } = self.shared.policy.begin(ticket.kind(), now);
        let key = self.key(secret.user_key());
        let sealed = self.shared.sealer.seal(&Sealing {
            ticket: &ticket,
            ends,
            key: &key,
        })?;
        let session = UserSession {
            session_id: ticket.session_id().cloned(),
            expires,
            ..UserSession::new(key, ticket.subject_id().cloned(), now, sealed)
        };
        let without_ticket = UserSession {
            ticket: Ticket::default(),
            ..session.clone()
        };
        let this = self.clone();
        uninterrupted(async move { this.start(session).await }).await?;
        let opened = Opened {
            ticket,
            ends,
            with_newest_key: true,
        };
        Ok((secret, StoredTicket::new(&without_ticket, opened)))
    }

    async fn start(&self, session: UserSession) -> Result<()> {
        let begun = SessionEvent::of(&session, session.created);
        let policy = &self.shared.policy.start;
        let displaced = self
            .shared
            .store
            .start_user_session(session, policy)
            .await?;
        let now = self.now();
        self.shared.observers.displaced(&displaced, &begun, now);
        self.shared.observers.created(begun);
        Ok(())
    }
}
