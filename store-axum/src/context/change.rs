//! Writing what a request has changed.

use store_tickets::{AuthenticationTicket, Saved, SessionBag as Bag, uninterrupted};

use super::SessionContext;
use crate::pending::{Changes, Clash, Turn};
use crate::state::{Current, State};
use crate::{SessionData, SessionRejection};

impl<T: SessionData> SessionContext<T> {
    /// Changes the session's ticket at once, and answers what `change` answered; `None` if there is
    /// no session. Two requests never lose each other's change: where others change the session at
    /// the same time, `change` runs again on what they made of it, so it may run several times.
    ///
    /// # Errors
    /// As [`session`](Self::session), and [`SessionRejection::Unreadable`].
    pub async fn modify<R: Send>(
        &self,
        mut change: impl FnMut(&mut AuthenticationTicket<T>) -> R + Send,
    ) -> Result<Option<R>, SessionRejection> {
        let mut state = self.loaded().await?;
        self.modify_in(&mut state, &mut change).await
    }

    /// As [`modify`](Self::modify), but a visitor without a session gets one.
    ///
    /// # Errors
    /// As [`get_or_create`](Self::get_or_create).
    pub(crate) async fn modify_or_create<R: Send>(
        &self,
        mut change: impl FnMut(&mut AuthenticationTicket<T>) -> R + Send,
    ) -> Result<R, SessionRejection> {
        if matches!(self.loaded().await?.current, Current::None) {
            self.get_or_create().await?;
        }
        let mut state = self.loaded().await?;
        let answer = self.modify_in(&mut state, &mut change).await?;
        answer.ok_or(SessionRejection::Ended)
    }

    async fn modify_in<R: Send>(
        &self,
        state: &mut State<T>,
        change: &mut (impl FnMut(&mut AuthenticationTicket<T>) -> R + Send),
    ) -> Result<Option<R>, SessionRejection> {
        let live = match &mut state.current {
            Current::Live(live) => live,
            Current::Unreadable(_) => return Err(self.unreadable()),
            Current::Presented(_) | Current::Absent | Current::None | Current::Ended => {
                return Ok(None);
            }
        };
        let mut written = None;
        let answer = self.tickets().modify(&live.secret, |ticket| {
            let answer = change(ticket);
            written = Some(ticket.clone());
            answer
        });
        let answer = answer.await.map_err(|error| self.reject(error))?;
        match written {
            // Its version is an old one now, which `save` finds out.
            Some(ticket) if answer.is_some() => {
                self.lock_pending().rebase(&ticket.bag);
                live.stored.ticket = ticket;
            }
            _ => state.current = Current::Ended,
        }
        Ok(answer)
    }

    /// Saves what this request has changed and not yet written, as the layer does when the response
    /// leaves.
    ///
    /// Once begun it is done, even if this future is dropped: the response waits for it.
    ///
    /// # Errors
    /// As [`get_or_create`](Self::get_or_create). [`SessionRejection::Conflict`] if another request
    /// changed the same meanwhile: nothing was written. In any case the changes are not tried again.
    pub async fn save(&self) -> Result<(), SessionRejection> {
        if self.lock_pending().is_empty() {
            return Ok(());
        }
        let this = self.clone();
        uninterrupted(async move {
            let mut state = this.loaded().await?;
            this.save_in(&mut state).await
        })
        .await
    }

    async fn save_in(&self, state: &mut State<T>) -> Result<(), SessionRejection> {
        let mut changes = {
            let mut pending = self.lock_pending();
            if pending.is_empty() {
                return Ok(());
            }
            pending.take()
        };
        let bag = match &state.current {
            Current::Live(_) => self.write(state, &mut changes).await?,
            Current::None => {
                let mut ticket =
                    AuthenticationTicket::anonymous(T::default()).with_kind(self.choice());
                let applied = changes.apply(&mut ticket);
                applied.map_err(|_| SessionRejection::Conflict)?;
                self.begin(state, ticket).await?.ticket.bag
            }
            Current::Unreadable(_) => return Err(self.unreadable()),
            Current::Presented(_) | Current::Absent | Current::Ended => {
                return Err(SessionRejection::Ended);
            }
        };
        self.lock_pending().settle(&bag);
        Ok(())
    }

    /// First as if nobody had come in between, which takes one statement; then on top of what
    /// others have made of the session.
    async fn write(
        &self,
        state: &mut State<T>,
        changes: &mut Changes<T>,
    ) -> Result<Bag, SessionRejection> {
        let Current::Live(live) = &mut state.current else {
            return Err(SessionRejection::Ended);
        };
        let mut stored = live.stored.clone();
        if changes.apply(&mut stored.ticket).is_ok() {
            let saved = self.tickets().save(&mut stored).await;
            match saved.map_err(|error| self.reject(error))? {
                Saved::Written => {
                    live.stored = stored;
                    return Ok(live.stored.ticket.bag.clone());
                }
                Saved::Outdated => {}
                Saved::Ended => {
                    state.current = Current::Ended;
                    return Err(SessionRejection::Ended);
                }
            }
        }
        let mut written = None;
        let answer = self.tickets().try_modify(&live.secret, |ticket| {
            changes.apply(ticket)?;
            written = Some(ticket.clone());
            Ok(())
        });
        match answer.await.map_err(|error| self.reject(error))? {
            None => {
                state.current = Current::Ended;
                Err(SessionRejection::Ended)
            }
            Some(Err(Clash)) => Err(SessionRejection::Conflict),
            Some(Ok(())) => {
                if let Some(ticket) = written {
                    live.stored.ticket = ticket;
                }
                Ok(live.stored.ticket.bag.clone())
            }
        }
    }

    /// The data as this request sees it, and when that was; with the session, if there is one.
    pub(crate) async fn read_data(
        &self,
    ) -> Result<(Option<Box<store_tickets::StoredTicket<T>>>, T, Turn), SessionRejection> {
        let state = self.loaded().await?;
        let stored = match &state.current {
            Current::Live(live) => Some(live.stored.clone()),
            Current::Absent | Current::None => None,
            Current::Unreadable(_) => return Err(self.unreadable()),
            Current::Presented(_) | Current::Ended => return Err(SessionRejection::Ended),
        };
        let default;
        let base = match &stored {
            Some(stored) => &stored.ticket.data,
            None => {
                default = T::default();
                &default
            }
        };
        let (data, turn) = self.lock_pending().data(base);
        Ok((stored, data, turn))
    }

    /// Makes the bag readable.
    pub(crate) async fn read_bag(&self) -> Result<(), SessionRejection> {
        let state = self.loaded().await?;
        let mut pending = self.lock_pending();
        match &state.current {
            Current::Live(live) => pending.bag().begin(&live.stored.ticket.bag),
            Current::Absent | Current::None => pending.bag().begin(&Bag::default()),
            Current::Unreadable(_) => return Err(self.unreadable()),
            Current::Presented(_) | Current::Ended => return Err(SessionRejection::Ended),
        }
        Ok(())
    }
}
