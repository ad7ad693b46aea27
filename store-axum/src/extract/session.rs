//! `Session`, `OptionalSession`, `RequireSession`.

use std::fmt;
use std::ops::{Deref, DerefMut};

use axum::extract::FromRequestParts;
use http::request::Parts;
use store_core::SubjectId;
use store_tickets::StoredTicket;

use crate::pending::Turn;
use crate::{SessionContext, SessionData, SessionRejection};

/// The request's session, or a visitor's that begins when something is written into it: typed.
///
/// It is the data, by `Deref`. **What was changed through `DerefMut` is saved** when the response
/// leaves, by [`save`](Self::save) before that; a session that only was read is not written. If
/// another request has changed the *data* meanwhile, nothing is written, and `save` or else the
/// response is [`SessionRejection::Conflict`], 409: nobody's change is lost without a word. What
/// others did to the bag or to tokens, or a renewal, is no conflict. To change data that several
/// requests change at once, use [`modify`](Self::modify).
///
/// Data are compared as they are encoded, so a `BTreeMap` in them is better than a `HashMap`,
/// whose order may differ where nothing else does.
///
/// ```
/// use store_axum::Session;
///
/// #[derive(Clone, Default, serde::Serialize, serde::Deserialize)]
/// struct Customer {
///     cart: Vec<String>,
/// }
///
/// async fn add(mut session: Session<Customer>) -> String {
///     session.cart.push("apples".into());
///     format!("{} things", session.cart.len())
/// }
/// # let _ = add;
/// ```
///
/// One that lives longer than its response, in a body that streams or in a task, has to
/// [`save`](Self::save) itself.
pub struct Session<T: SessionData> {
    context: SessionContext<T>,
    stored: Option<Box<StoredTicket<T>>>,
    base: T,
    data: T,
    turn: Turn,
    changed: bool,
}

impl<T: SessionData> Session<T> {
    async fn read(context: SessionContext<T>) -> Result<Self, SessionRejection> {
        let (stored, data, turn) = context.read_data().await?;
        Ok(Self {
            context,
            stored,
            base: data.clone(),
            data,
            turn,
            changed: false,
        })
    }

    /// The session as it was when it was read: claims, tokens, times. `None`: there is none yet.
    pub fn stored(&self) -> Option<&StoredTicket<T>> {
        self.stored.as_deref()
    }

    /// Who is signed in.
    pub fn subject_id(&self) -> Option<&SubjectId> {
        self.stored()?.ticket.subject_id()
    }

    /// The session of the request, for what is not about the data.
    pub fn context(&self) -> &SessionContext<T> {
        &self.context
    }

    /// Saves what this request has changed, without waiting for the response to leave. A visitor
    /// who has no session gets one, whether anything has changed or not.
    ///
    /// # Errors
    /// As [`SessionContext::save`]. The change is not tried again.
    pub async fn save(&mut self) -> Result<(), SessionRejection> {
        self.hand_over();
        self.context.save().await?;
        let stored = self.context.get_or_create().await?;
        self.show(stored);
        Ok(())
    }

    /// Changes the data in the database at once, on top of what other requests have made of them,
    /// and answers what `change` answered. It may run several times, as with
    /// [`SessionContext::modify`]. What was changed here before is saved first.
    ///
    /// # Errors
    /// As [`SessionContext::save`].
    pub async fn modify<R: Send>(
        &mut self,
        mut change: impl FnMut(&mut T) -> R + Send,
    ) -> Result<R, SessionRejection> {
        self.save().await?;
        let changed = self.context.modify(|ticket| change(&mut ticket.data));
        let answer = changed.await?.ok_or(SessionRejection::Ended)?;
        let stored = self.context.session().await?;
        self.show(stored.ok_or(SessionRejection::Ended)?);
        Ok(answer)
    }

    fn show(&mut self, stored: StoredTicket<T>) {
        self.base = stored.ticket.data.clone();
        self.data = self.base.clone();
        self.stored = Some(Box::new(stored));
        self.turn = self.context.lock_pending().turn();
    }

    fn hand_over(&mut self) {
        if std::mem::take(&mut self.changed) {
            let mut pending = self.context.lock_pending();
            pending.put_data(self.turn, &self.base, self.data.clone());
            self.turn = pending.turn();
        }
    }
}

impl<T: SessionData> Deref for Session<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.data
    }
}

impl<T: SessionData> DerefMut for Session<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.changed = true;
        &mut self.data
    }
}

/// Hands what changed over to the layer, unless the handler panics.
impl<T: SessionData> Drop for Session<T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        if self.changed && self.context.has_left() {
            tracing::warn!("a session was changed after its response had left, and never saved");
        }
        self.hand_over();
    }
}

/// Not the data.
impl<T: SessionData> fmt::Debug for Session<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("stored", &self.stored)
            .field("changed", &self.changed)
            .finish_non_exhaustive()
    }
}

/// Refused where [`SessionContext::session`] is, and where there is a session that cannot be read:
/// none is put over it.
impl<T: SessionData, S: Send + Sync> FromRequestParts<S> for Session<T> {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, SessionRejection> {
        Self::read(SessionContext::from_request_parts(parts, state).await?).await
    }
}

/// The request's session, a visitor's or a user's, if there is one and this node can read it.
/// None begins.
#[derive(Debug)]
pub struct OptionalSession<T: SessionData>(pub Option<Session<T>>);

/// Refused where [`SessionContext::session`] is.
impl<T: SessionData, S: Send + Sync> FromRequestParts<S> for OptionalSession<T> {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, SessionRejection> {
        let context = SessionContext::<T>::from_request_parts(parts, state).await?;
        if context.session().await?.is_none() {
            return Ok(Self(None));
        }
        match Session::read(context).await {
            Ok(session) => Ok(Self(session.stored.is_some().then_some(session))),
            Err(SessionRejection::Ended) => Ok(Self(None)),
            Err(rejection) => Err(rejection),
        }
    }
}

/// The session of a user who has signed in. A visitor is refused, 401; a session that this node
/// cannot read, 503.
///
/// For many routes at once, as a layer inside of [`ServerSideSessions`](crate::ServerSideSessions):
///
/// ```
/// use axum::{Router, middleware::from_extractor, routing::get};
/// use store_axum::{RequireAntiforgery, RequireSession};
///
/// let api: Router = Router::new()
///     .route("/api/orders", get(|| async { "orders" }))
///     .route_layer(from_extractor::<RequireSession<()>>())
///     .route_layer(from_extractor::<RequireAntiforgery>());
/// ```
#[derive(Debug)]
pub struct RequireSession<T: SessionData>(pub Session<T>);

impl<T: SessionData> Deref for RequireSession<T> {
    type Target = Session<T>;

    fn deref(&self) -> &Session<T> {
        &self.0
    }
}

impl<T: SessionData> DerefMut for RequireSession<T> {
    fn deref_mut(&mut self) -> &mut Session<T> {
        &mut self.0
    }
}

/// Refused where [`Session`] is, and [`SessionRejection::NotSignedIn`]. A session that this node
/// cannot read is [`SessionRejection::Unreadable`], 503: whoever took the user for a stranger would
/// send him to sign in, which ends the session that another node can read.
impl<T: SessionData, S: Send + Sync> FromRequestParts<S> for RequireSession<T> {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, SessionRejection> {
        match Session::<T>::from_request_parts(parts, state).await {
            Ok(session) if session.subject_id().is_some() => Ok(Self(session)),
            Ok(_) | Err(SessionRejection::Ended) => Err(SessionRejection::NotSignedIn),
            Err(rejection) => Err(rejection),
        }
    }
}
