//! The session of one request.

mod answer;
mod change;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName};
use store_core::UserKey;
use store_tickets::{
    AuthenticationTicket, CookieSecret, EndReason, Retrieved, Revoked, ServerSideTicketStore,
    SessionKind, SessionRevocation, StoredTicket, TicketError, uninterrupted,
};

use crate::layer::Setup;
use crate::options::Place;
use crate::pending::Pending;
use crate::presented::{Presented, Slot, Unclear, Way};
use crate::state::{Answer, Current, Live, State};
use crate::{FrontEnd, SessionData, SessionRejection};

/// What kind of request it is, by the Fetch Metadata that browsers add.
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// The session of one request: what [`ServerSideSessions`](crate::ServerSideSessions) puts into the
/// request's extensions, and an extractor.
///
/// A clone is the same session of the same request. Nothing is loaded before it is asked for, and
/// then once. It may outlive its request, in a task or a web socket: what it does at once,
/// [`modify`](Self::modify) for example, it still does then, but nobody saves by itself any more,
/// and no session can begin whose secret could not be sent.
pub struct SessionContext<T>(Arc<Shared<T>>);

struct Shared<T> {
    setup: Arc<Setup<T>>,
    place: Arc<Place<T>>,
    presented: Presented,
    /// Why nobody can say which session is presented.
    unclear: Option<Unclear>,
    choice: Mutex<Option<SessionKind>>,
    renew: AtomicBool,
    asked: AtomicBool,
    /// Whether the response may make the browser forget a dead cookie.
    may_forget: bool,
    /// The response has left: nobody saves by himself any more.
    left: AtomicBool,
    state: tokio::sync::Mutex<State<T>>,
    pending: Mutex<Pending<T>>,
}

impl<T: SessionData> SessionContext<T> {
    pub(crate) fn open(setup: Arc<Setup<T>>, place: Arc<Place<T>>, request: &HeaderMap) -> Self {
        let headers = setup.options.headers.as_ref();
        let (presented, unclear) = match Presented::of(request, &place.jar, headers) {
            Ok(presented) => (presented, None),
            Err(unclear) => (Presented::nothing(), Some(unclear)),
        };
        let active = presented.active(&place.jar);
        let current = match active.secret() {
            Some(secret) => Current::Presented(secret.clone()),
            None => Current::None,
        };
        let answer = match active {
            Slot::Malformed => Answer::Forget,
            _ => Answer::Nothing,
        };
        Self(Arc::new(Shared {
            setup,
            place,
            presented,
            unclear,
            choice: Mutex::new(None),
            renew: AtomicBool::new(true),
            asked: AtomicBool::new(false),
            may_forget: is_no_fetch(request),
            left: AtomicBool::new(false),
            state: tokio::sync::Mutex::new(State {
                current,
                answer,
                closed: false,
            }),
            pending: Mutex::default(),
        }))
    }

    /// The tickets of this request's partition.
    pub fn tickets(&self) -> &ServerSideTicketStore<T> {
        &self.0.place.tickets
    }

    /// How sessions of this request's partition end with their refresh tokens.
    pub fn revocation(&self) -> &SessionRevocation<T> {
        &self.0.place.revocation
    }

    /// The front end at which this request arrives. `None` if there is but one.
    pub fn front_end(&self) -> Option<&FrontEnd> {
        self.0.place.front_end.as_ref()
    }

    /// The time, by the tickets' clock.
    pub fn now(&self) -> DateTime<Utc> {
        self.tickets().now()
    }

    /// The kind of a visitor's session that begins in this request: what the user has chosen, in
    /// `ss-opt` or in `X-ss-opt`, or else [`SessionKind::Temporary`]. A login takes it from here if
    /// it has nothing better: [`AuthenticationTicket::with_kind`].
    pub fn choice(&self) -> SessionKind {
        let chosen = *self.lock_choice();
        chosen.or(self.0.presented.choice).unwrap_or_default()
    }

    /// The user wants his next session to be of this kind. With
    /// [`with_temporary_and_permanent_ids`](crate::CookieOptions::with_temporary_and_permanent_ids)
    /// the browser keeps it, in `ss-opt`.
    pub fn choose(&self, kind: SessionKind) {
        *self.lock_choice() = Some(kind);
    }

    /// What links a browser's requests: a digest of its permanent id, `ss-pid` or `X-ss-pid`, which
    /// opens nothing. `None` where the request presents none.
    ///
    /// It is as the client says, and nobody has checked it: no proof of who it is. It stays through
    /// temporary sessions. Where a permanent session begins or gets a new secret, the permanent id
    /// is that secret, and so another one than before; the digest is then the key that the
    /// session has in the store.
    pub fn permanent_id(&self) -> Option<UserKey> {
        let secret = self.0.presented.permanent_id.secret();
        secret.map(CookieSecret::user_key)
    }

    /// The request's session. `None`: there is none, or this node cannot read it.
    ///
    /// It is loaded when this is first called, and is what this request knows of it afterwards:
    /// what other requests change meanwhile is not in it, nor what this one has not saved.
    ///
    /// # Errors
    /// [`SessionRejection::Unavailable`] and [`SessionRejection::Failed`] if the store fails;
    /// [`SessionRejection::Ambiguous`], [`SessionRejection::CookiesTooLarge`].
    pub async fn session(&self) -> Result<Option<StoredTicket<T>>, SessionRejection> {
        let state = self.loaded().await?;
        Ok(match &state.current {
            Current::Live(live) => Some((*live.stored).clone()),
            _ => None,
        })
    }

    /// The request's session as it is now: for what lives longer than a request, a web socket for
    /// example, which is to find out that the user has signed out. `None`: it has ended, there is
    /// none, or this node cannot read it.
    ///
    /// # Errors
    /// As [`session`](Self::session).
    pub async fn reload(&self) -> Result<Option<StoredTicket<T>>, SessionRejection> {
        let mut state = self.asked().await?;
        let Some(secret) = state.secret().cloned() else {
            return Ok(None);
        };
        self.load(&mut state, secret).await?;
        let Current::Live(live) = &state.current else {
            return Ok(None);
        };
        self.lock_pending().rebase(&live.stored.ticket.bag);
        Ok(Some((*live.stored).clone()))
    }

    /// The request's session, or else a visitor's new one, which is written at once.
    ///
    /// None begins in a request of a page's script (`Sec-Fetch-Mode`) whose cookie names a session
    /// that is not there: another tab may be signing in, and the visitor's cookie would overwrite
    /// the user's. That is [`SessionRejection::Ended`], and the next navigation begins anew.
    ///
    /// Once begun it is done, even if this future is dropped: the response waits for it.
    ///
    /// # Errors
    /// As [`session`](Self::session); [`SessionRejection::Unreadable`]; [`SessionRejection::Ended`];
    /// [`SessionRejection::ResponseSent`].
    pub async fn get_or_create(&self) -> Result<StoredTicket<T>, SessionRejection> {
        let this = self.clone();
        uninterrupted(async move { this.get_or_create_now().await }).await
    }

    async fn get_or_create_now(&self) -> Result<StoredTicket<T>, SessionRejection> {
        let mut state = self.loaded().await?;
        if let Current::None = &state.current {
            self.begin_visit(&mut state, T::default()).await?;
        }
        self.expect_live(&state).map(|live| (*live.stored).clone())
    }

    /// The key of the request's session, as [`typed_session_key`](crate::typed_session_key) writes
    /// it. `None` if there is no session.
    ///
    /// # Errors
    /// As [`session`](Self::session).
    pub async fn session_key(&self) -> Result<Option<String>, SessionRejection> {
        let state = self.loaded().await?;
        Ok(match &state.current {
            Current::Live(live) => Some(crate::typed_session_key(&live.secret)),
            _ => None,
        })
    }

    /// This request does not renew its session, however much it is used: for a page that only
    /// looks how long it still lasts.
    pub fn do_not_renew(&self) {
        self.0.renew.store(false, Ordering::Relaxed);
    }

    /// Begins a session for whoever has signed in, with a **new secret always**: whatever secret
    /// the browser presented, and whoever planted it, opens nothing afterwards. The session that
    /// the browser had before ends first, as [`EndReason::Replaced`], and what was not yet saved
    /// goes with it; its refresh token stays good at the provider. The response sets the cookie.
    ///
    /// Once begun it is done, even if this future is dropped: the response waits for it.
    ///
    /// # Errors
    /// As [`session`](Self::session); [`SessionRejection::SessionLimitReached`];
    /// [`SessionRejection::ResponseSent`].
    pub async fn sign_in(
        &self,
        ticket: AuthenticationTicket<T>,
    ) -> Result<StoredTicket<T>, SessionRejection> {
        let this = self.clone();
        uninterrupted(async move { this.sign_in_now(ticket).await }).await
    }

    async fn sign_in_now(
        &self,
        ticket: AuthenticationTicket<T>,
    ) -> Result<StoredTicket<T>, SessionRejection> {
        let mut state = self.asked().await?;
        if state.closed {
            return Err(SessionRejection::ResponseSent);
        }
        for secret in self.secrets(&state) {
            let removed = self.tickets().remove(&secret, EndReason::Replaced).await;
            removed.map_err(|error| self.reject(error))?;
        }
        if !matches!(state.current, Current::None | Current::Absent) {
            state.current = Current::None;
            state.answer = Answer::SignedOut;
        }
        let stored = self.begin(&mut state, ticket).await?;
        self.lock_pending().start_over(stored.ticket.bag.clone());
        Ok(stored)
    }

    /// Ends the request's session with its refresh tokens; the response removes the cookie. What
    /// was not yet saved goes with it. `None` if the request presents none.
    ///
    /// It ends what this request's secret opens. Where another request has
    /// [given the session a new one](Self::rotate) meanwhile, that is nothing: the session lives on
    /// under the new secret, until a logout with that, or one by subject or `sid`.
    ///
    /// Once begun it is done, even if this future is dropped: the response waits for it.
    ///
    /// # Errors
    /// As [`session`](Self::session). The session may live on then, and the cookie stays.
    pub async fn sign_out(&self) -> Result<Option<Revoked>, SessionRejection> {
        let this = self.clone();
        uninterrupted(async move { this.sign_out_now().await }).await
    }

    async fn sign_out_now(&self) -> Result<Option<Revoked>, SessionRejection> {
        let mut state = self.asked().await?;
        let mut secrets = self.secrets(&state).into_iter();
        let mut revoked = None;
        if let Some(active) = secrets.next() {
            let ended = self.revocation().log_out(&active).await;
            revoked = Some(ended.map_err(|error| self.reject(error))?);
        }
        for other in secrets {
            let removed = self.tickets().remove(&other, EndReason::LoggedOut).await;
            removed.map_err(|error| self.reject(error))?;
        }
        state.current = Current::None;
        state.answer = Answer::SignedOut;
        self.lock_pending()
            .start_over(store_tickets::SessionBag::default());
        Ok(revoked)
    }

    /// Gives the session a new secret, whenever what it may do has changed; the old one opens
    /// nothing any more, and the response sets the cookie. `None` if there is no session.
    ///
    /// Other requests that are under way with the old secret find no session any more, a
    /// [`sign_out`](Self::sign_out) among them, which then ends nothing.
    ///
    /// Once begun it is done, even if this future is dropped: the response waits for it.
    ///
    /// # Errors
    /// As [`modify`](Self::modify); [`SessionRejection::ResponseSent`].
    pub async fn rotate(&self) -> Result<Option<StoredTicket<T>>, SessionRejection> {
        let this = self.clone();
        uninterrupted(async move { this.rotate_now().await }).await
    }

    async fn rotate_now(&self) -> Result<Option<StoredTicket<T>>, SessionRejection> {
        let mut state = self.loaded().await?;
        if state.closed {
            return Err(SessionRejection::ResponseSent);
        }
        let Current::Live(live) = &state.current else {
            return Ok(None);
        };
        let rotated = self.tickets().rotate(&live.secret).await;
        let Some((secret, stored)) = rotated.map_err(|error| self.reject(error))? else {
            state.current = Current::Ended;
            return Ok(None);
        };
        self.lock_pending().rebase(&stored.ticket.bag);
        state.begin(secret, stored.clone());
        Ok(Some(stored))
    }

    /// All the secrets that the browser has, the request's own first.
    fn secrets(&self, state: &State<T>) -> Vec<CookieSecret> {
        let Presented {
            id, permanent_id, ..
        } = &self.0.presented;
        let mut secrets: Vec<CookieSecret> = Vec::new();
        for secret in [state.secret(), id.secret(), permanent_id.secret()] {
            if let Some(secret) = secret
                && !secrets.contains(secret)
            {
                secrets.push(secret.clone());
            }
        }
        secrets
    }

    async fn begin_visit(&self, state: &mut State<T>, data: T) -> Result<(), SessionRejection> {
        let ticket = AuthenticationTicket::anonymous(data).with_kind(self.choice());
        let stored = self.begin(state, ticket).await?;
        self.lock_pending().rebase(&stored.ticket.bag);
        Ok(())
    }

    async fn begin(
        &self,
        state: &mut State<T>,
        ticket: AuthenticationTicket<T>,
    ) -> Result<StoredTicket<T>, SessionRejection> {
        if state.closed {
            return Err(SessionRejection::ResponseSent);
        }
        let begun = self.tickets().store(ticket).await;
        let (secret, stored) = begun.map_err(|error| self.reject(error))?;
        state.begin(secret, stored.clone());
        Ok(stored)
    }

    /// Somebody asks for the session, which is not loaded by this.
    async fn asked(&self) -> Result<tokio::sync::MutexGuard<'_, State<T>>, SessionRejection> {
        self.0.asked.store(true, Ordering::Relaxed);
        match self.0.unclear {
            Some(Unclear::Ambiguous) => Err(SessionRejection::Ambiguous),
            Some(Unclear::TooLong) => Err(SessionRejection::CookiesTooLarge),
            None => Ok(self.0.state.lock().await),
        }
    }

    async fn loaded(&self) -> Result<tokio::sync::MutexGuard<'_, State<T>>, SessionRejection> {
        let mut state = self.asked().await?;
        if let Current::Presented(secret) = &state.current {
            let secret = secret.clone();
            self.load(&mut state, secret).await?;
        }
        Ok(state)
    }

    async fn load(
        &self,
        state: &mut State<T>,
        secret: CookieSecret,
    ) -> Result<(), SessionRejection> {
        let found = self.tickets().retrieve(&secret).await;
        match found.map_err(|error| self.reject(error))? {
            Retrieved::Session(stored) => state.current = Current::Live(Live { secret, stored }),
            Retrieved::Absent if matches!(state.current, Current::Presented(_)) => {
                // Where ids travel in headers, no tab gets another's.
                state.current = match self.0.may_forget || self.speaks_headers() {
                    true => Current::None,
                    false => Current::Absent,
                };
                state.answer = Answer::Forget;
            }
            // Whoever ended it has told the browser.
            Retrieved::Absent => state.current = Current::Ended,
            Retrieved::Unreadable(_) => state.current = Current::Unreadable(secret),
        }
        Ok(())
    }

    fn expect_live<'a>(&self, state: &'a State<T>) -> Result<&'a Live<T>, SessionRejection> {
        match &state.current {
            Current::Live(live) => Ok(live),
            Current::Unreadable(_) => Err(self.unreadable()),
            Current::Presented(_) | Current::Absent | Current::None | Current::Ended => {
                Err(SessionRejection::Ended)
            }
        }
    }

    fn unreadable(&self) -> SessionRejection {
        SessionRejection::Unreadable {
            retry_after: self.0.setup.options.retry_after,
        }
    }

    /// What a failure of the tickets means for this request, with the layer's own `Retry-After`.
    pub fn reject(&self, error: TicketError) -> SessionRejection {
        SessionRejection::from_error(error, self.0.setup.options.retry_after)
    }

    pub(crate) fn lock_pending(&self) -> MutexGuard<'_, Pending<T>> {
        lock(&self.0.pending)
    }

    fn lock_choice(&self) -> MutexGuard<'_, Option<SessionKind>> {
        lock(&self.0.choice)
    }

    /// Whether this is the session that a layer of this setup has put there.
    pub(crate) fn is_of(&self, setup: &Arc<Setup<T>>) -> bool {
        Arc::ptr_eq(&self.0.setup, setup)
    }

    pub(crate) fn has_left(&self) -> bool {
        self.0.left.load(Ordering::Relaxed)
    }

    fn speaks_headers(&self) -> bool {
        self.0.presented.by == Way::Headers
    }
}

/// Whether a request is none that a page sends beside others. While such a one runs, another tab's
/// login may set a new cookie, which must not go with the dead one.
fn is_no_fetch(request: &HeaderMap) -> bool {
    let mode = request.get(SEC_FETCH_MODE);
    mode.is_none_or(|mode| mode.as_bytes() == b"navigate")
}

/// What is behind it is whole at any time.
fn lock<D>(mutex: &Mutex<D>) -> MutexGuard<'_, D> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Clone for SessionContext<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for SessionContext<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionContext")
            .field("partition_key", self.0.place.tickets.partition_key())
            .finish_non_exhaustive()
    }
}
