//! `SessionBag`.

use std::fmt;

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::Serialize;
use serde::de::DeserializeOwned;
use store_tickets::{BagError, SessionBag as Bag};

use super::AnyContext;
use crate::SessionRejection;
use crate::pending::{PendingBag, Update};

/// The session's bag: named values of any type, whatever the type of the session's data. A visitor
/// has one too: his session begins when something is put into it.
///
/// What changed is saved when the response leaves, on top of what other requests have made of the
/// session meanwhile, name by name:
///
/// - [`update`](Self::update) runs again on the value that it finds there: two tabs that count at
///   once **both count**.
/// - [`set`](Self::set) and [`remove`](Self::remove) of a name that this request has not looked at
///   overwrite.
/// - After a [`get`](Self::get) of the same name they depend on what was read. If another request
///   changed it meanwhile, nothing is saved and the answer is
///   [`SessionRejection::Conflict`], 409: use `update`.
///
/// What changes after the response has left, in a task or in a body that streams, needs a
/// [`save`](Self::save); the log warns of it.
///
/// All extractors of one request see one bag. What a ticket keeps, whole, is
/// [`store_tickets::SessionBag`], a type of its own.
///
/// ```
/// use store_axum::{SessionBag, SessionRejection};
///
/// async fn count(bag: SessionBag) -> Result<String, SessionRejection> {
///     let visits: u32 = bag.update("visits", |visits: Option<u32>| visits.unwrap_or(0) + 1)?;
///     Ok(format!("{visits} visits"))
/// }
/// # let _ = count;
/// ```
#[derive(Clone)]
pub struct SessionBag(AnyContext);

impl SessionBag {
    /// The value of this name, as this request sees it.
    ///
    /// # Errors
    /// [`BagError::Decode`] if it is of another type.
    pub fn get<V: DeserializeOwned>(&self, name: &str) -> Result<Option<V>, BagError> {
        self.with(|bag| bag.get(name))
    }

    /// Puts a value in, in place of one of the same name.
    ///
    /// # Errors
    /// [`BagError::Encode`].
    pub fn set<V: Serialize + ?Sized>(
        &self,
        name: impl Into<String>,
        value: &V,
    ) -> Result<(), BagError> {
        self.expect_a_response();
        let mut name = Some(name.into());
        self.with(|bag| bag.set(name.take().unwrap_or_default(), value))
    }

    /// Takes the value of this name out. Whether there was one.
    pub fn remove(&self, name: &str) -> bool {
        self.expect_a_response();
        self.with(|bag| bag.remove(name))
    }

    /// Makes a new value of the one of this name, and answers it as this request sees it. When it
    /// is saved, `change` runs again on the value that is there then.
    ///
    /// # Errors
    /// [`BagError`]: the value is of another type, or the new one cannot be encoded.
    pub fn update<V>(
        &self,
        name: impl Into<String>,
        mut change: impl FnMut(Option<V>) -> V + Send + 'static,
    ) -> Result<V, BagError>
    where
        V: Serialize + DeserializeOwned + 'static,
    {
        self.expect_a_response();
        let name = name.into();
        let own_name = name.clone();
        let mut update = move |bag: &mut Bag| {
            let value = change(bag.get(&own_name)?);
            bag.set(own_name.as_str(), &value)?;
            Ok(value)
        };
        // Outside of the lock: the host's closure may look at the bag as well.
        let mut working = self.with(|bag| bag.working());
        let value = update(&mut working)?;
        let update: Update = Box::new(move |bag| update(bag).map(drop));
        self.with_once(|bag| bag.update(name, &working, update));
        Ok(value)
    }

    /// Changes the session's bag in the database at once, and answers what `change` answered. It
    /// may run several times, as with [`SessionContext::modify`](crate::SessionContext::modify).
    ///
    /// # Errors
    /// As [`SessionContext::get_or_create`](crate::SessionContext::get_or_create).
    pub async fn modify<R: Send>(
        &self,
        mut change: impl FnMut(&mut Bag) -> R + Send,
    ) -> Result<R, SessionRejection> {
        let mut answer = None;
        let mut change = |bag: &mut Bag| answer = Some(change(bag));
        self.0.get().modify(&mut change).await?;
        answer.ok_or(SessionRejection::Ended)
    }

    /// The names, in order.
    pub fn keys(&self) -> Vec<String> {
        self.with(|bag| bag.keys())
    }

    /// Saves what changed, without waiting for the response to leave.
    ///
    /// # Errors
    /// As [`SessionContext::save`](crate::SessionContext::save).
    pub async fn save(&self) -> Result<(), SessionRejection> {
        self.0.get().save().await
    }

    fn expect_a_response(&self) {
        if self.0.get().has_left() {
            tracing::warn!(
                "a session's bag is changed after its response has left: only `save` saves that"
            );
        }
    }

    fn with<R>(&self, mut look: impl FnMut(&mut PendingBag) -> R) -> R {
        self.with_once(|bag| look(bag))
    }

    fn with_once<R>(&self, look: impl FnOnce(&mut PendingBag) -> R) -> R {
        let mut look = Some(look);
        let mut answer = None;
        self.0.get().with(&mut |bag| {
            answer = look.take().map(|look| look(bag));
        });
        answer.expect("it is looked at once")
    }
}

/// The names only.
impl fmt::Debug for SessionBag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.keys()).finish()
    }
}

/// Refused where [`SessionContext::get_or_create`](crate::SessionContext::get_or_create) would be.
impl<S: Send + Sync> FromRequestParts<S> for SessionBag {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, SessionRejection> {
        let context = parts.extensions.get::<AnyContext>().cloned();
        let context = context.ok_or(SessionRejection::NoLayer { data: "any data" })?;
        context.get().read().await?;
        Ok(Self(context))
    }
}
