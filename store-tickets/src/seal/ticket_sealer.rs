//! Encryption at rest for those who keep something else than tickets in a store.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use store_core::UserSession;

use super::{Form, OpenError, Protection, Sealer};
use crate::ticket::{decode, encode};
use crate::{KeyRing, TicketError};

/// Seals values into sessions' rows, and opens them: the encryption of a
/// [`ServerSideTicketStore`](crate::ServerSideTicketStore) for adapters whose sessions have a shape,
/// a lifetime or a cookie of their own.
///
/// What is sealed is bound to its purpose and to the row's partition, user key, subject and session
/// id: in any other row it is [`OpenError::Undecipherable`]. To a ticket store it is no broken ticket
/// but one that it does not read, so both may share a table. Values are written as MessagePack with
/// names. A clone has the same keys.
///
/// ```
/// use store_core::{PartitionKey, UserSession, UserSessionKey};
/// use store_tickets::{KeyRing, TicketKey, TicketSealer};
///
/// let sealer = TicketSealer::new("baskets", KeyRing::new(TicketKey::generate()?));
/// let key = UserSessionKey::new(PartitionKey::default(), "5f70bf18a0860070".parse()?);
/// let now = "2026-01-01T08:00:00Z".parse()?;
/// let mut session = UserSession::new(key, None, now, Default::default());
/// sealer.seal(&["bread", "milk"], &mut session)?;
/// assert_eq!(sealer.open::<Vec<String>>(&session)?, ["bread", "milk"]);
///
/// // As somebody else's it opens nothing.
/// session.subject_id = Some("mallory".parse()?);
/// assert!(sealer.open::<Vec<String>>(&session).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TicketSealer(Arc<Sealer>);

impl TicketSealer {
    /// Encrypts with these keys. Two tables, or two kinds of values, under the same keys need a
    /// purpose each.
    pub fn new(purpose: impl Into<String>, keys: KeyRing) -> Self {
        Self::with_protection(purpose.into(), Protection::encrypted(keys))
    }

    /// Does **not** encrypt: whoever reads the table or a backup of it reads the values. It does not
    /// open what an encrypting one sealed, nor the other way round.
    pub fn unencrypted(purpose: impl Into<String>) -> Self {
        Self::with_protection(purpose.into(), Protection::Plain)
    }

    fn with_protection(purpose: String, protection: Protection) -> Self {
        Self(Arc::new(Sealer {
            form: Form::Adapter,
            purpose,
            protection,
            compress_above: None,
            max_payload_len: 16 << 20,
        }))
    }

    /// Seals a value into the session, as its ticket. Whatever names the session or its user is to
    /// be as it will be stored.
    ///
    /// # Errors
    /// [`TicketError::Encode`], also for what is nested more than about 120 levels deep;
    /// [`TicketError::Random`]; [`TicketError::Store`] with `TicketTooLarge` above 16 MiB.
    pub fn seal<V>(&self, value: &V, session: &mut UserSession) -> Result<(), TicketError>
    where
        V: Serialize + ?Sized,
    {
        let row = (&*session).into();
        let ticket = self.0.seal_for(row, |buffer| encode(value, buffer))?;
        session.ticket = ticket;
        Ok(())
    }

    /// Opens what was sealed into the session.
    ///
    /// # Errors
    /// [`OpenError::Undecipherable`] if the session is over; [`OpenError::Unreadable`] if only this
    /// node cannot read it.
    pub fn open<V: DeserializeOwned>(&self, session: &UserSession) -> Result<V, OpenError> {
        let (value, _) = self.0.open_with(session, |bytes| decode(bytes))?;
        Ok(value)
    }

    /// Takes other keys from now on, in all clones: the first one writes, all of them read. Whether
    /// this one encrypts at all.
    pub fn replace_keys(&self, keys: KeyRing) -> bool {
        self.0.replace_keys(keys)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use store_core::{PartitionKey, Ticket, UserKey, UserSessionKey};

    use super::*;
    use crate::{TicketKey, Unreadable};

    fn session() -> UserSession {
        let key = UserSessionKey::new(
            PartitionKey::default(),
            UserKey::try_from("key").expect("a key"),
        );
        let begun = chrono::DateTime::UNIX_EPOCH;
        UserSession::new(key, "alice".parse().ok(), begun, Ticket::default())
            .with_session_id("sid".parse().expect("a session id"))
    }

    fn ring(number: u8) -> KeyRing {
        KeyRing::new(TicketKey::from_bytes([number; TicketKey::LEN]))
    }

    fn sealed(sealer: &TicketSealer, value: &Value) -> UserSession {
        let mut session = session();
        sealer.seal(value, &mut session).expect("it is sealed");
        session
    }

    #[test]
    fn a_value_comes_back_and_does_not_stand_in_the_row() {
        let value = json!({ "user": "alice", "n": [1, -1, u64::MAX, 0.1, null, true, {}] });
        let encrypted = TicketSealer::new("p", ring(1));
        let plain = TicketSealer::unencrypted("p");
        for (sealer, shows) in [(&encrypted, false), (&plain, true)] {
            let session = sealed(sealer, &value);
            assert_eq!(
                sealer.open::<Value>(&session).expect("it opens"),
                value,
                "{sealer:?}"
            );
            let found = session.ticket.as_bytes().windows(5).any(|w| w == b"alice");
            assert_eq!(found, shows);
        }
        let session = sealed(&encrypted, &value);
        assert!(matches!(
            plain.open::<Value>(&session),
            Err(OpenError::Unreadable(Unreadable::UnknownVersion(3)))
        ));
    }

    #[test]
    fn it_opens_in_its_row_and_for_its_purpose_only() {
        let value = json!("secret");
        let other_row: [fn(&mut UserSession); 5] = [
            |row| row.key.user_key = "other".parse().expect("a key"),
            |row| row.key.partition_key = "other".parse().expect("a key"),
            |row| row.subject_id = None,
            |row| row.session_id = "other".parse().ok(),
            |row| row.ticket = Ticket::from(&row.ticket.as_bytes()[1..]),
        ];
        for sealer in [
            TicketSealer::new("p", ring(1)),
            TicketSealer::unencrypted("p"),
        ] {
            for (which, change) in other_row.iter().enumerate() {
                let mut session = sealed(&sealer, &value);
                change(&mut session);
                assert!(sealer.open::<Value>(&session).is_err(), "change {which}");
            }
        }
        let session = sealed(&TicketSealer::new("p", ring(1)), &value);
        let other = TicketSealer::new("q", ring(1)).open::<Value>(&session);
        assert!(matches!(other, Err(OpenError::Undecipherable)));
    }

    #[test]
    fn keys_are_replaced_in_all_clones() {
        let sealer = TicketSealer::new("p", ring(1));
        let session = sealed(&sealer, &json!(1));
        assert!(sealer.clone().replace_keys(ring(2)));
        assert!(matches!(
            sealer.open::<Value>(&session),
            Err(OpenError::Unreadable(Unreadable::UnknownKey(_)))
        ));
        let both = ring(2).with_older(TicketKey::from_bytes([1; TicketKey::LEN]));
        sealer.replace_keys(both.expect("two keys"));
        assert_eq!(sealer.open::<Value>(&session).expect("it opens"), json!(1));
        assert!(!TicketSealer::unencrypted("p").replace_keys(ring(1)));
    }

    #[test]
    fn what_has_another_shape_stays() {
        let sealer = TicketSealer::new("p", ring(1));
        let session = sealed(&sealer, &json!("text"));
        assert!(matches!(
            sealer.open::<u32>(&session),
            Err(OpenError::Unreadable(Unreadable::Incompatible(_)))
        ));
    }

    #[test]
    fn what_is_too_deep_or_too_long_is_not_written() {
        let deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
        let sealer = TicketSealer::new("p", ring(1));
        let mut session = session();
        assert!(matches!(
            sealer.seal(&deep, &mut session),
            Err(TicketError::Encode(_))
        ));
        let long = "x".repeat(17 << 20);
        assert!(matches!(
            sealer.seal(&long, &mut session),
            Err(TicketError::Store(store_core::Error::TicketTooLarge { .. }))
        ));
        assert!(session.ticket.is_empty());
    }
}
