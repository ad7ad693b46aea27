//! Changing sessions.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use store_core::{Error as StoreError, UserSessionKey, UserSessionUpdate};

use super::{
    Renewal, Retrieved, Saved, ServerSideTicketStore, SessionHandle, StoredTicket, measured,
    uninterrupted,
};
use crate::backoff::Backoff;
use crate::events::Occurrence;
use crate::seal::Sealing;
use crate::{AuthenticationTicket, CookieSecret, Result, SessionEvent, TicketError};

const FIRST_DELAY: Duration = Duration::from_millis(2);
const LONGEST_DELAY: Duration = Duration::from_millis(100);

impl<T> ServerSideTicketStore<T>
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// Renews a session if that is due: at each request. `stored` shows it afterwards.
    ///
    /// It is due when more than half of the window has passed, so most requests write nothing, and
    /// it goes up to the absolute limit. It never makes a session shorter than `stored` shows it,
    /// whatever this node's clock says. A session that was sealed with an older key is sealed with the newest one then; what
    /// this copy of its ticket has changed is not written.
    ///
    /// # Errors
    /// [`TicketError::Store`] if the store below fails. Where the session is sealed anew, as
    /// [`modify`](Self::modify), but for `Contended`.
    #[tracing::instrument(name = "tickets.renew", level = "debug", skip_all)]
    pub async fn renew(&self, stored: &mut StoredTicket<T>) -> Result<Renewal> {
        measured("renew", self.renew_if_due(stored)).await
    }

    async fn renew_if_due(&self, stored: &mut StoredTicket<T>) -> Result<Renewal> {
        let now = self.now();
        let Some(expires) = self.shared.policy.renewal(&stored.standing(), now) else {
            return Ok(Renewal::NotDue);
        };
        let key = stored.key.clone();
        let mut renew = |fresh: &mut StoredTicket<T>| {
            fresh.renewed = now;
            fresh.expires = expires;
            Ok::<_, TicketError>(())
        };
        let resealed = if stored.with_newest_key {
            None
        } else {
            match self.rewrite_once(&key, &mut renew).await? {
                Rewrite::Written((), _) => Some(true),
                Rewrite::Ended => Some(false),
                // Whoever got in between has sealed it anew, or the next renewal does.
                Rewrite::Conflict => None,
            }
        };
        let renewed = match resealed {
            Some(renewed) => renewed,
            None => {
                let store = &self.shared.store;
                store.renew_user_session(&key, now, expires).await?
            }
        };
        if !renewed {
            return Ok(Renewal::Ended);
        }
        stored.renewed = now;
        stored.expires = expires;
        // Should somebody have changed the session meanwhile, it is at a later version than this,
        // and a `save` will find that out.
        stored.version += 1;
        stored.with_newest_key |= resealed.is_some();
        self.tell(Occurrence::Renewed(stored.event(now)));
        Ok(Renewal::Renewed)
    }

    /// Changes a session's ticket and answers what `change` answered, or `None` where there is no
    /// live session.
    ///
    /// If others change the session at the same time, `change` runs again on what they made of it,
    /// so it may run several times, each time on a fresh ticket; only the last one counts. Two
    /// requests never lose each other's change.
    ///
    /// # Errors
    /// [`TicketError::Contended`] if that did not help; [`TicketError::Unreadable`] if this node
    /// cannot read the session; [`TicketError::Encode`]; [`TicketError::Random`];
    /// [`TicketError::Store`] if the store below fails, where `Unavailable` does not say that
    /// nothing was written.
    #[tracing::instrument(name = "tickets.modify", level = "debug", skip_all)]
    pub async fn modify<R: Send>(
        &self,
        session: &impl SessionHandle,
        mut change: impl FnMut(&mut AuthenticationTicket<T>) -> R + Send,
    ) -> Result<Option<R>> {
        let key = self.key(session.user_key());
        measured("modify", async {
            let mut change =
                |stored: &mut StoredTicket<T>| Ok::<_, TicketError>(change(&mut stored.ticket));
            let written = self.rewrite(&key, &mut change).await?;
            Ok(written.map(|(answer, _)| answer))
        })
        .await
    }

    /// As [`modify`](Self::modify), but where `change` answers an error, nothing is written, and this
    /// answers the error.
    ///
    /// # Errors
    /// As [`modify`](Self::modify).
    #[tracing::instrument(name = "tickets.try_modify", level = "debug", skip_all)]
    pub async fn try_modify<R: Send, E: Send>(
        &self,
        session: &impl SessionHandle,
        mut change: impl FnMut(&mut AuthenticationTicket<T>) -> std::result::Result<R, E> + Send,
    ) -> Result<Option<std::result::Result<R, E>>> {
        let key = self.key(session.user_key());
        measured("modify", async {
            let mut change =
                |stored: &mut StoredTicket<T>| change(&mut stored.ticket).map_err(Stopped::Change);
            match self.rewrite(&key, &mut change).await {
                Ok(written) => Ok(written.map(|(answer, _)| Ok(answer))),
                Err(Stopped::Change(error)) => Ok(Some(Err(error))),
                Err(Stopped::Tickets(error)) => Err(error),
            }
        })
        .await
    }

    /// Writes a ticket back if nobody has changed the session since it was read: what a request has
    /// changed, at its end. `stored` is at the new version afterwards.
    ///
    /// # Errors
    /// [`TicketError::Encode`]; [`TicketError::Random`]; [`TicketError::Store`] if the store below
    /// fails.
    #[tracing::instrument(name = "tickets.save", level = "debug", skip_all)]
    pub async fn save(&self, stored: &mut StoredTicket<T>) -> Result<Saved> {
        measured("save", async {
            match self.write(&stored.key.clone(), stored).await? {
                Written::Yes => Ok(Saved::Written),
                Written::Conflict => Ok(Saved::Outdated),
                Written::Ended => Ok(Saved::Ended),
            }
        })
        .await
    }

    /// Gives a session a new secret, and with it a new key: whenever what it may do has changed.
    /// The old secret opens nothing any more. It stays the same session: who, since when, until
    /// when. `None` where there is no live session.
    ///
    /// The ticket is sealed anew for the new key in the one statement that changes the key.
    ///
    /// A [`remove`](Self::remove) with the old secret that comes later finds nothing, and the
    /// session lives on under the new one. Whoever is to end it whatever secret it has now ends it
    /// by its subject or its `sid`.
    ///
    /// # Errors
    /// As [`modify`](Self::modify).
    #[tracing::instrument(name = "tickets.rotate", level = "debug", skip_all)]
    pub async fn rotate(
        &self,
        session: &impl SessionHandle,
    ) -> Result<Option<(CookieSecret, StoredTicket<T>)>> {
        let key = self.key(session.user_key());
        measured("rotate", async {
            let secret = CookieSecret::generate()?;
            let new = secret.user_key();
            let this = self.clone();
            let written = uninterrupted(async move {
                let mut rotate = |stored: &mut StoredTicket<T>| {
                    stored.key.user_key = new.clone();
                    Ok::<_, TicketError>(())
                };
                let written = this.rewrite(&key, &mut rotate).await?;
                Ok::<_, TicketError>(written.map(|((), stored)| {
                    let event = stored.event(this.now());
                    this.tell(Occurrence::Rotated(event, key.user_key));
                    stored
                }))
            });
            Ok(written.await?.map(|stored| (secret, stored)))
        })
        .await
    }

    /// Reads, changes and writes a session until nobody gets in between.
    async fn rewrite<R: Send, E: From<TicketError> + Send>(
        &self,
        key: &UserSessionKey,
        change: &mut (impl FnMut(&mut StoredTicket<T>) -> std::result::Result<R, E> + Send),
    ) -> std::result::Result<Option<(R, StoredTicket<T>)>, E> {
        let attempts = self.shared.change_attempts.get();
        let mut backoff = Backoff::new(FIRST_DELAY, LONGEST_DELAY);
        let mut place_in_line = None;
        for _ in 0..attempts {
            match self.rewrite_once(key, change).await? {
                Rewrite::Written(answer, stored) => return Ok(Some((answer, *stored))),
                Rewrite::Ended => return Ok(None),
                Rewrite::Conflict if place_in_line.is_none() => {
                    place_in_line = Some(self.shared.lines.enter(key).await);
                }
                Rewrite::Conflict => tokio::time::sleep(backoff.next_delay()).await,
            }
        }
        Err(TicketError::Contended { attempts }.into())
    }

    async fn rewrite_once<R, E: From<TicketError>>(
        &self,
        key: &UserSessionKey,
        change: &mut (impl FnMut(&mut StoredTicket<T>) -> std::result::Result<R, E> + Send),
    ) -> std::result::Result<Rewrite<R, T>, E> {
        let mut stored = match self.load(key).await? {
            Retrieved::Session(stored) => stored,
            Retrieved::Absent => return Ok(Rewrite::Ended),
            Retrieved::Unreadable(unreadable) => {
                return Err(TicketError::Unreadable(unreadable).into());
            }
        };
        let answer = change(&mut stored)?;
        Ok(match self.write(key, &mut stored).await? {
            Written::Yes => Rewrite::Written(answer, stored),
            Written::Conflict => Rewrite::Conflict,
            Written::Ended => Rewrite::Ended,
        })
    }

    /// Writes a session that was read as `key`, under the key that it has now, if it still is at
    /// the version that it was read at.
    async fn write(&self, key: &UserSessionKey, stored: &mut StoredTicket<T>) -> Result<Written> {
        let ticket = self.shared.sealer.seal(&Sealing {
            ticket: &stored.ticket,
            ends: stored.ends,
            key: &stored.key,
        })?;
        let update = UserSessionUpdate {
            subject_id: stored.ticket.subject_id().cloned(),
            session_id: stored.ticket.session_id().cloned(),
            created: stored.created,
            renewed: stored.renewed,
            expires: stored.expires,
            ticket,
            if_version: Some(stored.version),
        };
        let store = &self.shared.store;
        let answer = if stored.key == *key {
            store.update_user_session(key, update).await
        } else {
            store
                .rotate_user_key(key, &stored.key.user_key, update)
                .await
        };
        match answer {
            Ok(true) => {
                stored.version += 1;
                stored.with_newest_key = true;
                Ok(Written::Yes)
            }
            Ok(false) => Ok(Written::Ended),
            Err(StoreError::VersionMismatch) => Ok(Written::Conflict),
            Err(error) => Err(error.into()),
        }
    }
}

/// Why nothing was written.
enum Stopped<E> {
    Change(E),
    Tickets(TicketError),
}

impl<E> From<TicketError> for Stopped<E> {
    fn from(error: TicketError) -> Self {
        Self::Tickets(error)
    }
}

enum Rewrite<R, T> {
    Written(R, Box<StoredTicket<T>>),
    Conflict,
    Ended,
}

enum Written {
    Yes,
    Conflict,
    Ended,
}

impl<T> StoredTicket<T> {
    fn event(&self, at: chrono::DateTime<chrono::Utc>) -> SessionEvent {
        SessionEvent {
            at,
            key: self.key.clone(),
            subject_id: self.ticket.subject_id().cloned(),
            session_id: self.ticket.session_id().cloned(),
            created: Some(self.created),
        }
    }
}
