//! Tickets to envelopes and back.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;
use store_core::{BoxError, Ticket, UserSession, UserSessionKey};

use super::compression::{self, UnpackError};
use super::envelope::{self, Binding, EnvelopeError, Form, ROOM, RowIdentity};
use super::{KeyId, KeyRing};
use crate::ticket::{Payload, PayloadRef};
use crate::{AuthenticationTicket, TicketError};

/// Why this node cannot read a session that may be a good one to another node. Its row stays.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// Its key is not on this node's ring: this node has not got a new key yet, or an old one was
    /// taken away too early.
    #[error("the ticket is sealed with key {0}, which this node does not have")]
    UnknownKey(KeyId),
    /// Its envelope is of a form that this node does not know or is not to accept: a newer version
    /// of this crate wrote it, or a store that encrypts and one that does not share a table.
    #[error("the ticket's envelope is of version {0}, which this node does not read")]
    UnknownVersion(u8),
    /// It is intact, but not what this node takes a ticket for: another version of the host wrote
    /// it, whose data has another shape.
    #[error("the ticket's content is not of the type that this node expects")]
    Incompatible(#[source] BoxError),
}

impl Unreadable {
    /// What kind it is, as a metric's label says it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::UnknownKey(_) => "unknown_key",
            Self::UnknownVersion(_) => "unknown_version",
            Self::Incompatible(_) => "incompatible",
        }
    }
}

/// Why a ticket does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is broken for everybody, that is cut, changed, or moved from another row: its session is
    /// over.
    #[error("the ticket is broken: cut, changed, or moved from another row")]
    Undecipherable,
    /// It may be good to another node: its session stays.
    #[error("this node cannot read the ticket")]
    Unreadable(#[source] Unreadable),
}

/// A ticket that was opened.
#[derive(Debug)]
pub(crate) struct Opened<T> {
    pub(crate) ticket: AuthenticationTicket<T>,
    pub(crate) ends: Option<DateTime<Utc>>,
    /// Whether it was sealed with the key that this node writes with.
    pub(crate) with_newest_key: bool,
}

/// What is sealed, and for which row.
#[derive(Clone, Copy)]
pub(crate) struct Sealing<'a, T> {
    pub(crate) ticket: &'a AuthenticationTicket<T>,
    pub(crate) ends: Option<DateTime<Utc>>,
    pub(crate) key: &'a UserSessionKey,
}

/// Makes envelopes, and opens them.
pub(crate) struct Sealer {
    pub(crate) form: Form,
    pub(crate) purpose: String,
    pub(crate) protection: Protection,
    /// Payloads of more bytes than this are compressed. `None`: never.
    pub(crate) compress_above: Option<usize>,
    /// The longest payload, in bytes, before compression.
    pub(crate) max_payload_len: usize,
}

pub(crate) enum Protection {
    Encrypted(RwLock<Arc<KeyRing>>),
    Plain,
}

impl Protection {
    pub(crate) fn encrypted(keys: KeyRing) -> Self {
        Self::Encrypted(RwLock::new(Arc::new(keys)))
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.keys();
        f.debug_struct("Sealer")
            .field("purpose", &self.purpose)
            .field("keys", &keys)
            .field("compress_above", &self.compress_above)
            .finish_non_exhaustive()
    }
}

impl Sealer {
    /// The keys of now, for one operation. `None`: the plain mode.
    pub(crate) fn keys(&self) -> Option<Arc<KeyRing>> {
        match &self.protection {
            Protection::Encrypted(keys) => {
                let keys = keys.read().unwrap_or_else(PoisonError::into_inner);
                Some(Arc::clone(&keys))
            }
            Protection::Plain => None,
        }
    }

    /// Takes other keys from now on. Whether it uses any.
    pub(crate) fn replace_keys(&self, new: KeyRing) -> bool {
        match &self.protection {
            Protection::Encrypted(keys) => {
                *keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
                true
            }
            Protection::Plain => false,
        }
    }

    pub(crate) fn seal<T: Serialize>(&self, what: &Sealing<'_, T>) -> Result<Ticket, TicketError> {
        let Sealing { ticket, ends, key } = *what;
        let row = RowIdentity {
            partition_key: key.partition_key.as_str(),
            user_key: key.user_key.as_str(),
            subject_id: ticket.subject_id().map(AsRef::as_ref),
            session_id: ticket.session_id().map(AsRef::as_ref),
        };
        self.seal_for(row, |buffer| PayloadRef { ticket, ends }.encode(buffer))
    }

    /// Seals what `encode` writes, for one row.
    pub(super) fn seal_for(
        &self,
        row: RowIdentity<'_>,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), rmp_serde::encode::Error>,
    ) -> Result<Ticket, TicketError> {
        // Most tickets fit, and then their plain text never moves to another place in memory.
        const USUAL_LEN: usize = 4096;

        let mut buffer = compression::buffer(ROOM, USUAL_LEN);
        encode(&mut buffer).map_err(TicketError::Encode)?;
        let len = buffer.len() - ROOM - 1;
        if len > self.max_payload_len {
            return Err(TicketError::too_large(len, self.max_payload_len));
        }
        let compress = self.compress_above.is_some_and(|limit| len > limit);
        let buffer = compression::pack(buffer, ROOM, compress);
        let binding = self.binding(row);
        let envelope = match self.keys() {
            Some(keys) => envelope::seal(keys.newest(), &binding, buffer)?,
            None => envelope::wrap(&binding, &buffer[ROOM..]),
        };
        Ok(envelope.into())
    }

    pub(crate) fn open<T: DeserializeOwned>(
        &self,
        session: &UserSession,
    ) -> Result<Opened<T>, OpenError> {
        let (payload, with_newest_key) = self.open_with(session, Payload::decode)?;
        let Payload {
            kind,
            ends,
            claims,
            tokens,
            data,
            bag,
            unknown,
        } = payload;
        let ticket = AuthenticationTicket {
            subject_id: session.subject_id.clone(),
            session_id: session.session_id.clone(),
            kind,
            claims,
            tokens,
            data,
            bag,
            unknown,
        };
        Ok(Opened {
            ticket,
            ends,
            with_newest_key,
        })
    }

    /// Gives what a session's row holds to `decode`. Its answer, and whether the row was sealed with
    /// the newest key.
    pub(super) fn open_with<R>(
        &self,
        session: &UserSession,
        decode: impl FnOnce(&[u8]) -> Result<R, rmp_serde::decode::Error>,
    ) -> Result<(R, bool), OpenError> {
        let binding = self.binding(session.into());
        let envelope = session.ticket.as_bytes();
        match self.keys() {
            Some(keys) => {
                let (id, body) = envelope::open(&keys, &binding, envelope)?;
                Ok((self.decode(&body, decode)?, id == keys.newest().id()))
            }
            None => {
                let body = envelope::unwrap(&binding, envelope)?;
                Ok((self.decode(body, decode)?, true))
            }
        }
    }

    /// What does not decode here was written by somebody who had the key, and may be decoded by
    /// another version of the host: it is no reason to end a session.
    fn decode<R>(
        &self,
        body: &[u8],
        decode: impl FnOnce(&[u8]) -> Result<R, rmp_serde::decode::Error>,
    ) -> Result<R, OpenError> {
        let incompatible =
            |source: BoxError| OpenError::Unreadable(Unreadable::Incompatible(source));
        match compression::unpack(body, self.max_payload_len, decode) {
            Ok(Ok(payload)) => Ok(payload),
            Ok(Err(error)) => Err(incompatible(error.into())),
            Err(error) => Err(incompatible(UnpackError::into(error))),
        }
    }

    fn binding<'a>(&'a self, session: RowIdentity<'a>) -> Binding<'a> {
        Binding {
            form: self.form,
            purpose: &self.purpose,
            session,
        }
    }
}

impl From<EnvelopeError> for OpenError {
    fn from(error: EnvelopeError) -> Self {
        match error {
            EnvelopeError::Broken => Self::Undecipherable,
            EnvelopeError::UnknownKey(id) => Self::Unreadable(Unreadable::UnknownKey(id)),
            EnvelopeError::UnknownVersion(version) => {
                Self::Unreadable(Unreadable::UnknownVersion(version))
            }
        }
    }
}
