//! A session, its key, and a change to it.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};

use crate::{Error, PartitionKey, Result, SessionId, SubjectId, Ticket, UserKey, stored_timestamp};

/// Names a session: its partition, and its key inside it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserSessionKey {
    /// Which application or front end.
    pub partition_key: PartitionKey,
    /// Which session there.
    pub user_key: UserKey,
}

impl UserSessionKey {
    /// The key of the session `user_key` in `partition_key`.
    pub fn new(partition_key: PartitionKey, user_key: UserKey) -> Self {
        Self {
            partition_key,
            user_key,
        }
    }
}

/// A user's session.
///
/// It has no `serde`: that would carry its ticket into logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSession {
    /// Its name.
    pub key: UserSessionKey,
    /// Whom it belongs to. `None` is an anonymous session: no cap counts it and no subject's
    /// filter matches it.
    pub subject_id: Option<SubjectId>,
    /// The session at the identity provider.
    pub session_id: Option<SessionId>,
    /// When it began. Stores keep microseconds.
    pub created: DateTime<Utc>,
    /// When it was last renewed.
    pub renewed: DateTime<Utc>,
    /// From when on it is over. `None`: never.
    pub expires: Option<DateTime<Utc>>,
    /// The host's own payload.
    pub ticket: Ticket,
    /// Set by the store: 0 when created, one more at every update, renewal and rotation.
    pub version: u64,
}

impl UserSession {
    /// A session as it begins: without a session id, renewed when created, never expiring, at
    /// version 0.
    ///
    /// ```
    /// use store_core::{PartitionKey, SubjectId, UserKey, UserSession, UserSessionKey};
    ///
    /// let key = UserSessionKey::new(PartitionKey::default(), UserKey::try_from("3c1f…")?);
    /// let alice = SubjectId::try_from("alice")?;
    /// let session = UserSession::new(key, alice, "2026-01-01T08:00:00Z".parse()?, "ticket".into())
    ///     .with_session_id("sid-1".parse()?)
    ///     .with_expires("2026-01-01T18:00:00Z".parse()?);
    /// assert_eq!(session.renewed, session.created);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(
        key: UserSessionKey,
        subject_id: impl Into<Option<SubjectId>>,
        created: DateTime<Utc>,
        ticket: Ticket,
    ) -> Self {
        Self {
            key,
            subject_id: subject_id.into(),
            session_id: None,
            created,
            renewed: created,
            expires: None,
            ticket,
            version: 0,
        }
    }

    /// The same session with a session id.
    #[must_use]
    pub fn with_session_id(self, session_id: SessionId) -> Self {
        Self {
            session_id: Some(session_id),
            ..self
        }
    }

    /// The same session with an expiry.
    #[must_use]
    pub fn with_expires(self, expires: DateTime<Utc>) -> Self {
        Self {
            expires: Some(expires),
            ..self
        }
    }

    /// The same session, renewed at another time.
    #[must_use]
    pub fn with_renewed(self, renewed: DateTime<Utc>) -> Self {
        Self { renewed, ..self }
    }

    /// Whether it has expired: `expires == now` has.
    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// The order in which sessions are handed out: by (`created`, `user_key`), keys by their bytes.
    pub fn by_age(&self, other: &Self) -> Ordering {
        let place = (self.created, &self.key.user_key);
        place.cmp(&(other.created, &other.key.user_key))
    }

    /// The session as a store keeps it when it creates it: timestamps in microseconds, version 0.
    /// For those who write stores.
    ///
    /// # Errors
    /// [`Error::InvalidTimestamp`]; [`Error::TicketTooLarge`] above `max_ticket_len` bytes.
    pub fn to_stored(self, max_ticket_len: usize) -> Result<Self> {
        let key = self.key.clone();
        let update = UserSessionUpdate::from(self).to_stored(max_ticket_len)?;
        Ok(update.into_session(key, 0))
    }
}

/// A change to a session: the six fields that it replaces, and on which condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSessionUpdate {
    /// Whom the session belongs to from now on.
    pub subject_id: Option<SubjectId>,
    /// The session at the identity provider.
    pub session_id: Option<SessionId>,
    /// When the session began.
    pub created: DateTime<Utc>,
    /// When it was last renewed.
    pub renewed: DateTime<Utc>,
    /// From when on it is over. `None`: never.
    pub expires: Option<DateTime<Utc>>,
    /// The host's own payload.
    pub ticket: Ticket,
    /// `Some(v)`: only if the stored version still is `v`. `None`: whatever it is.
    pub if_version: Option<u64>,
}

impl UserSessionUpdate {
    /// The same change on the condition that the stored version still is `version`.
    #[must_use]
    pub fn with_if_version(self, version: u64) -> Self {
        Self {
            if_version: Some(version),
            ..self
        }
    }

    /// The change as a store keeps it: timestamps in microseconds. For those who write stores.
    ///
    /// # Errors
    /// [`Error::InvalidTimestamp`]; [`Error::TicketTooLarge`] above `max_ticket_len` bytes.
    pub fn to_stored(self, max_ticket_len: usize) -> Result<Self> {
        let len = self.ticket.len();
        if len > max_ticket_len {
            return Err(Error::TicketTooLarge {
                len,
                max: max_ticket_len,
            });
        }
        Ok(Self {
            created: stored_timestamp(self.created)?,
            renewed: stored_timestamp(self.renewed)?,
            expires: self.expires.map(stored_timestamp).transpose()?,
            ..self
        })
    }

    /// The session that has these six fields. For those who write stores.
    pub fn into_session(self, key: UserSessionKey, version: u64) -> UserSession {
        UserSession {
            key,
            subject_id: self.subject_id,
            session_id: self.session_id,
            created: self.created,
            renewed: self.renewed,
            expires: self.expires,
            ticket: self.ticket,
            version,
        }
    }
}

impl From<UserSession> for UserSessionUpdate {
    /// The session's six fields, without a condition on its version.
    fn from(session: UserSession) -> Self {
        Self {
            subject_id: session.subject_id,
            session_id: session.session_id,
            created: session.created,
            renewed: session.renewed,
            expires: session.expires,
            ticket: session.ticket,
            if_version: None,
        }
    }
}
