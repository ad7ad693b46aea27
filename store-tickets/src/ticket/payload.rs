//! A ticket as bytes.
//!
//! MessagePack with names, because the host's data outlives its type: a self-describing format
//! keeps `#[serde(default)]`, `flatten` and untagged enums working, which a positional one does
//! not. It is declared human-readable on both sides: types such as `IpAddr` ask for that, and
//! inside `flatten` serde always answers yes.

use std::fmt;
use std::marker::PhantomData;

use chrono::{DateTime, Utc};
use serde::de::{DeserializeOwned, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{AuthenticationTicket, Claims, SessionBag, Token, Tokens};
use crate::SessionKind;

pub(crate) fn encode<V: Serialize + ?Sized>(
    value: &V,
    into: &mut Vec<u8>,
) -> Result<(), rmp_serde::encode::Error> {
    let start = into.len();
    let mut serializer = rmp_serde::Serializer::new(&mut *into)
        .with_struct_map()
        .with_human_readable();
    value.serialize(&mut serializer)?;
    // What is nested too deep would be written and never read again.
    match decode::<IgnoredAny>(&into[start..]) {
        Ok(_) => Ok(()),
        Err(_) => Err(rmp_serde::encode::Error::DepthLimitExceeded),
    }
}

/// How deep values may be nested, as `serde_json` has it: more would be a matter of the stack's
/// size.
const MAX_DEPTH: usize = 128;

pub(crate) fn decode<'a, V: Deserialize<'a>>(
    bytes: &'a [u8],
) -> Result<V, rmp_serde::decode::Error> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes).with_human_readable();
    deserializer.set_max_depth(MAX_DEPTH);
    V::deserialize(&mut deserializer)
}

/// What is encoded of a ticket. Whom it belongs to stands in the store's columns, and the envelope
/// is bound to those.
pub(crate) struct PayloadRef<'a, T> {
    pub(crate) ticket: &'a AuthenticationTicket<T>,
    /// The absolute limit.
    pub(crate) ends: Option<DateTime<Utc>>,
}

impl<T: Serialize> PayloadRef<'_, T> {
    pub(crate) fn encode(&self, into: &mut Vec<u8>) -> Result<(), rmp_serde::encode::Error> {
        encode(self, into)
    }
}

/// What was decoded.
pub(crate) struct Payload<T> {
    pub(crate) kind: SessionKind,
    pub(crate) ends: Option<DateTime<Utc>>,
    pub(crate) claims: Claims,
    pub(crate) tokens: Tokens,
    pub(crate) data: T,
    pub(crate) bag: SessionBag,
    pub(crate) unknown: Vec<(String, rmpv::Value)>,
}

impl<T: DeserializeOwned> Payload<T> {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, rmp_serde::decode::Error> {
        decode(bytes)
    }
}

const KIND: &str = "kind";
const ENDS: &str = "ends";
const CLAIMS: &str = "claims";
const ACCESS: &str = "access";
const REFRESH: &str = "refresh";
const ID: &str = "id";
const BAG: &str = "bag";
const DATA: &str = "data";

/// What has nothing to say is left out, and read as nothing.
impl<T: Serialize> Serialize for PayloadRef<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let AuthenticationTicket {
            subject_id: _,
            session_id: _,
            kind,
            claims,
            tokens:
                Tokens {
                    access,
                    refresh,
                    id,
                },
            data,
            bag,
            unknown,
        } = self.ticket;
        let tokens = [(ACCESS, access), (REFRESH, refresh), (ID, id)];
        let tokens = tokens.map(|(name, token)| token.as_ref().map(|token| (name, token)));
        let tokens = || tokens.iter().flatten();

        let optional = [self.ends.is_some(), !claims.is_empty(), !bag.0.is_empty()];
        let optional = optional.iter().filter(|given| **given).count();
        let len = 2 + optional + tokens().count() + unknown.len();
        let mut map = serializer.serialize_map(Some(len))?;
        map.serialize_entry(KIND, kind.as_str())?;
        if let Some(ends) = self.ends {
            map.serialize_entry(ENDS, &ends.timestamp_micros())?;
        }
        if !claims.is_empty() {
            map.serialize_entry(CLAIMS, claims)?;
        }
        for (name, token) in tokens() {
            map.serialize_entry(name, &StoredToken::from(*token))?;
        }
        if !bag.0.is_empty() {
            map.serialize_entry(BAG, &bag.0)?;
        }
        for (name, value) in unknown {
            map.serialize_entry(name, value)?;
        }
        map.serialize_entry(DATA, data)?;
        map.end()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Payload<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PayloadVisitor(PhantomData))
    }
}

struct PayloadVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for PayloadVisitor<T> {
    type Value = Payload<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a ticket")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Payload<T>, A::Error> {
        let mut kind = None;
        let mut ends = None;
        let mut claims = Claims::new();
        let mut tokens = Tokens::default();
        let mut data = None;
        let mut bag = SessionBag::default();
        let mut unknown = Vec::new();
        while let Some(name) = map.next_key::<&str>()? {
            match name {
                KIND => {
                    let name: &str = map.next_value()?;
                    let known = SessionKind::from_name(name);
                    kind = Some(known.ok_or_else(|| A::Error::custom("unknown session kind"))?);
                }
                ENDS => ends = Some(timestamp(map.next_value()?)?),
                CLAIMS => claims = map.next_value()?,
                ACCESS => tokens.access = Some(map.next_value::<StoredToken<'_>>()?.into_token()?),
                REFRESH => {
                    tokens.refresh = Some(map.next_value::<StoredToken<'_>>()?.into_token()?);
                }
                ID => tokens.id = Some(map.next_value::<StoredToken<'_>>()?.into_token()?),
                DATA => data = Some(map.next_value()?),
                BAG => bag = SessionBag(map.next_value()?),
                _ => unknown.push((name.to_owned(), map.next_value()?)),
            }
        }
        Ok(Payload {
            kind: kind.ok_or_else(|| A::Error::missing_field(KIND))?,
            ends,
            claims,
            tokens,
            data: data.ok_or_else(|| A::Error::missing_field(DATA))?,
            bag,
            unknown,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct StoredToken<'a> {
    value: &'a str,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<i64>,
}

impl<'a> From<&'a Token> for StoredToken<'a> {
    fn from(token: &'a Token) -> Self {
        Self {
            value: token.expose(),
            expires: token.expires().map(|at| at.timestamp_micros()),
        }
    }
}

impl StoredToken<'_> {
    fn into_token<E: serde::de::Error>(self) -> Result<Token, E> {
        let token = Token::new(self.value);
        Ok(match self.expires {
            Some(expires) => token.with_expires(timestamp(expires)?),
            None => token,
        })
    }
}

fn timestamp<E: serde::de::Error>(micros: i64) -> Result<DateTime<Utc>, E> {
    DateTime::from_timestamp_micros(micros).ok_or_else(|| E::custom("a time outside the calendar"))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn encoded<T: Serialize>(ticket: &AuthenticationTicket<T>) -> Vec<u8> {
        let mut bytes = Vec::new();
        PayloadRef { ticket, ends: None }
            .encode(&mut bytes)
            .unwrap();
        bytes
    }

    /// As a later version of this crate would write it.
    fn with_a_later_field() -> Vec<u8> {
        let mut payload = rmpv::decode::read_value(&mut &encoded(&ticket(7_u32))[..]).unwrap();
        let rmpv::Value::Map(fields) = &mut payload else {
            panic!("a ticket is a map");
        };
        let later = rmpv::Value::Map(vec![("a".into(), rmpv::Value::Binary(vec![0xff]))]);
        fields.insert(0, ("later".into(), later));
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, &payload).unwrap();
        bytes
    }

    fn ticket<T>(data: T) -> AuthenticationTicket<T> {
        AuthenticationTicket::anonymous(data)
    }

    #[test]
    fn what_a_later_version_wrote_survives_this_one() {
        let payload = Payload::<u32>::decode(&with_a_later_field()).unwrap();
        assert_eq!(payload.data, 7);
        let again = encoded(&AuthenticationTicket {
            unknown: payload.unknown.clone(),
            ..ticket(8_u32)
        });
        let again = Payload::<u32>::decode(&again).unwrap();
        assert_eq!(again.data, 8);
        assert_eq!(again.unknown, payload.unknown);
        assert_eq!(again.unknown.len(), 1);
    }

    #[test]
    fn data_that_asks_for_a_self_describing_format_is_carried() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        #[serde(untagged)]
        enum Where {
            Address { ip: IpAddr },
            Name(String),
        }
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Inner {
            ip: IpAddr,
            bytes: Vec<u8>,
            by_number: std::collections::BTreeMap<u8, f64>,
        }
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Data {
            #[serde(flatten)]
            inner: Inner,
            from: Vec<Where>,
            nothing: Option<()>,
        }

        let data = || Data {
            inner: Inner {
                ip: IpAddr::from([127, 0, 0, 1]),
                bytes: vec![0, 255],
                by_number: [(7, f64::INFINITY)].into(),
            },
            from: vec![
                Where::Address {
                    ip: IpAddr::from([0; 16]),
                },
                Where::Name("here".into()),
            ],
            nothing: None,
        };
        let decoded = Payload::<Data>::decode(&encoded(&ticket(data()))).unwrap();
        assert_eq!(decoded.data, data());
    }

    #[test]
    fn nonsense_is_an_error() {
        let good = encoded(&ticket("data".to_owned()));
        for len in 0..good.len() {
            assert!(Payload::<String>::decode(&good[..len]).is_err());
        }
        for bytes in [
            &[0xc0][..],
            &[0x80],
            &[0xdf, 0xff, 0xff, 0xff, 0xff],
            &[0x91; 5000],
        ] {
            assert!(Payload::<String>::decode(bytes).is_err());
        }
    }

    #[test]
    fn what_could_not_be_read_is_not_written() {
        let nested = |depth| {
            (0..depth).fold(serde_json::Value::Null, |inner, _| {
                serde_json::json!([inner])
            })
        };
        let mut refused = 0;
        for depth in 100..140 {
            let ticket = ticket(nested(depth));
            let mut bytes = Vec::new();
            let payload = PayloadRef {
                ticket: &ticket,
                ends: None,
            };
            match payload.encode(&mut bytes) {
                Ok(()) => drop(Payload::<serde_json::Value>::decode(&bytes).unwrap()),
                Err(_) => refused += 1,
            }
        }
        assert!((1..40).contains(&refused), "{refused}");
    }

    #[test]
    fn nesting_without_end_is_an_error() {
        for name in [DATA, "later", CLAIMS] {
            let mut bytes = vec![0x81, 0xa0 | name.len() as u8];
            bytes.extend_from_slice(name.as_bytes());
            for nesting in [&b"\x91"[..], b"\x81\xa1a"] {
                let deep = [&bytes[..], &nesting.repeat(100_000)].concat();
                assert!(Payload::<serde_json::Value>::decode(&deep).is_err());
            }
        }
    }
}
