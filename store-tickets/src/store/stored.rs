//! A ticket as it stands in the store.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use store_core::{UserKey, UserSession, UserSessionKey};

use crate::policy::Standing;
use crate::seal::Opened;
use crate::{AuthenticationTicket, CookieSecret};

/// A ticket as it stands in the store, at one version of it.
#[derive(Clone)]
pub struct StoredTicket<T> {
    /// What the session keeps. Changes to it are this copy's alone until they are
    /// [saved](crate::ServerSideTicketStore::save).
    pub ticket: AuthenticationTicket<T>,
    pub(super) key: UserSessionKey,
    pub(super) created: DateTime<Utc>,
    pub(super) renewed: DateTime<Utc>,
    pub(super) expires: Option<DateTime<Utc>>,
    pub(super) ends: Option<DateTime<Utc>>,
    pub(super) version: u64,
    pub(super) with_newest_key: bool,
}

impl<T> StoredTicket<T> {
    pub(crate) fn new(session: &UserSession, opened: Opened<T>) -> Self {
        Self {
            ticket: opened.ticket,
            key: session.key.clone(),
            created: session.created,
            renewed: session.renewed,
            expires: session.expires,
            ends: opened.ends,
            version: session.version,
            with_newest_key: opened.with_newest_key,
        }
    }

    /// The session's name in the store. It opens nothing.
    pub fn key(&self) -> &UserSessionKey {
        &self.key
    }

    /// When the session began.
    pub fn created(&self) -> DateTime<Utc> {
        self.created
    }

    /// When it was last renewed.
    pub fn renewed(&self) -> DateTime<Utc> {
        self.renewed
    }

    /// From when on it is over if nobody renews it. `None`: never.
    pub fn expires(&self) -> Option<DateTime<Utc>> {
        self.expires
    }

    /// From when on it is over, renewed or not. `None`: never.
    pub fn ends(&self) -> Option<DateTime<Utc>> {
        self.ends
    }

    /// How long it lasts if nobody renews it. `None`: for ever.
    pub fn expires_in(&self, now: DateTime<Utc>) -> Option<TimeDelta> {
        self.expires
            .map(|expires| (expires - now).max(TimeDelta::zero()))
    }

    /// How often it was changed.
    pub fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn standing(&self) -> Standing {
        Standing {
            kind: self.ticket.kind(),
            renewed: self.renewed,
            expires: self.expires,
            ends: self.ends,
        }
    }
}

impl<T> fmt::Debug for StoredTicket<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredTicket")
            .field("ticket", &self.ticket)
            .field("key", &self.key)
            .field("created", &self.created)
            .field("renewed", &self.renewed)
            .field("expires", &self.expires)
            .field("ends", &self.ends)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// What leads to a session: the browser's secret, the session's key, or its ticket.
///
/// A key that came from outside opens nothing: no browser is to present one.
pub trait SessionHandle: sealed::Sealed + Sync {
    /// The session's key in its partition.
    fn user_key(&self) -> UserKey;
}

mod sealed {
    use super::*;

    pub trait Sealed {}
    impl Sealed for CookieSecret {}
    impl Sealed for UserKey {}
    impl<T> Sealed for StoredTicket<T> {}
}

impl SessionHandle for CookieSecret {
    fn user_key(&self) -> UserKey {
        CookieSecret::user_key(self)
    }
}

impl SessionHandle for UserKey {
    fn user_key(&self) -> UserKey {
        self.clone()
    }
}

impl<T: Sync> SessionHandle for StoredTicket<T> {
    fn user_key(&self) -> UserKey {
        self.key.user_key.clone()
    }
}
