//! What the fuzz targets reach into. None of it may panic or use memory without bounds.

use store_core::{PartitionKey, Ticket, UserKey, UserSession, UserSessionKey};

use super::compression;
use super::sealer::{Protection, Sealer};
use super::{Form, KeyRing, OpenError, TicketKey};
use crate::ticket::Payload;

const MAX_LEN: usize = 1 << 20;

/// Opens an envelope with a known key, whose id is put into it if `with_known_key`.
pub fn open(envelope: &[u8], with_known_key: bool) {
    let key = TicketKey::from_bytes([7; TicketKey::LEN]);
    let mut envelope = envelope.to_vec();
    if with_known_key && envelope.len() > 8 {
        envelope[0] = 1;
        envelope[1..9].copy_from_slice(key.id().as_bytes());
    }
    let opened = sealer(Protection::encrypted(KeyRing::new(key)))
        .open::<serde_json::Value>(&session(envelope.into()));
    assert!(
        !(with_known_key && opened.is_ok()),
        "nobody forges an envelope"
    );
}

/// Unpacks and decodes what somebody who has the key may have written.
pub fn decode(body: &[u8]) {
    let _ = compression::unpack(body, MAX_LEN, |payload| {
        assert!(payload.len() <= MAX_LEN);
        Payload::<serde_json::Value>::decode(payload).is_ok()
    });
    let _ = Payload::<Option<Vec<String>>>::decode(body);
}

/// Opens an envelope of the plain form, as it is.
pub fn open_plain(envelope: &[u8]) {
    match sealer(Protection::Plain).open::<serde_json::Value>(&session(envelope.into())) {
        Ok(_) | Err(OpenError::Undecipherable | OpenError::Unreadable(_)) => {}
    }
}

fn sealer(protection: Protection) -> Sealer {
    Sealer {
        form: Form::Ticket,
        purpose: String::new(),
        protection,
        compress_above: None,
        max_payload_len: MAX_LEN,
    }
}

fn session(ticket: Ticket) -> UserSession {
    let key = UserSessionKey::new(
        PartitionKey::default(),
        UserKey::try_from("key").expect("a key"),
    );
    UserSession::new(key, None, chrono::DateTime::UNIX_EPOCH, ticket)
}
