//! The four strings that name things: partition, user key, subject and session id.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::str::FromStr;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// The longest key, in bytes of UTF-8.
///
/// OpenID Connect Core 1.0, section 2, allows a `sub` of 255 ASCII characters.
pub const MAX_KEY_LEN: usize = 255;

/// Why a string is not a key. Says which rule it broke and how long it was, never what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKey {
    /// Only a [`PartitionKey`] may be empty.
    #[error("the key is empty")]
    Empty,
    /// Longer than [`MAX_KEY_LEN`] bytes of UTF-8.
    #[error("the key is {len} bytes long, {MAX_KEY_LEN} are allowed")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// Contains a NUL, which not every database can hold.
    #[error("the key, {len} bytes long, contains a NUL")]
    ContainsNul {
        /// Its length in bytes.
        len: usize,
    },
}

fn check(value: &str, may_be_empty: bool) -> Result<(), InvalidKey> {
    let len = value.len();
    if len == 0 && !may_be_empty {
        return Err(InvalidKey::Empty);
    }
    if len > MAX_KEY_LEN {
        return Err(InvalidKey::TooLong { len });
    }
    if value.contains('\0') {
        return Err(InvalidKey::ContainsNul { len });
    }
    Ok(())
}

macro_rules! key {
    ($(#[$doc:meta])* $name:ident, may_be_empty: $may_be_empty:literal) => {
        $(#[$doc])*
        ///
        /// At most [`MAX_KEY_LEN`] bytes of UTF-8, without NUL. Compared byte for byte, on every
        /// database.
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The key as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidKey;

            fn try_from(value: String) -> Result<Self, InvalidKey> {
                check(&value, $may_be_empty)?;
                Ok(Self(value))
            }
        }

        impl TryFrom<&str> for $name {
            type Error = InvalidKey;

            fn try_from(value: &str) -> Result<Self, InvalidKey> {
                check(value, $may_be_empty)?;
                Ok(Self(value.to_owned()))
            }
        }

        impl FromStr for $name {
            type Err = InvalidKey;

            fn from_str(value: &str) -> Result<Self, InvalidKey> {
                Self::try_from(value)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl From<$name> for String {
            fn from(key: $name) -> String {
                key.0
            }
        }
    };
}

macro_rules! printable {
    ($($name:ident),+) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.0).finish()
            }
        }
    )+};
}

key!(
    /// Which application or front end a session belongs to.
    ///
    /// No operation that is given one partition sees another's sessions. A partition belongs to
    /// one issuer, since `sub` and `sid` are unique only within theirs. The default is the empty
    /// key, for a host that serves one front end.
    #[derive(Default)]
    PartitionKey,
    may_be_empty: true
);

key!(
    /// Names a session inside its partition. Not empty.
    ///
    /// **Never what the browser presents, but a digest of it** (SHA-256, for example): then a
    /// leaked table, log or cursor opens no session. It has no `Display`, and its `Debug` is a
    /// fingerprint, the same for equal keys within one process and different in the next.
    ///
    /// ```
    /// # use store_core::UserKey;
    /// let key = UserKey::try_from("5f70bf18a086007016e948b04aed3b82")?;
    /// assert!(!format!("{key:?}").contains("5f70bf18"));
    /// # Ok::<(), store_core::InvalidKey>(())
    /// ```
    UserKey,
    may_be_empty: false
);

impl fmt::Debug for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        static SALT: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        write!(f, "UserKey(#{:016x})", SALT.hash_one(&self.0))
    }
}

key!(
    /// Whom a session belongs to: the `sub` claim of OpenID Connect. Not empty.
    SubjectId,
    may_be_empty: false
);

key!(
    /// The session at the identity provider: the `sid` claim of OpenID Connect. Not empty, and
    /// held by one live session of a partition at a time.
    ///
    /// A host whose provider issues longer ones digests them, at login and at logout alike.
    SessionId,
    may_be_empty: false
);

printable!(PartitionKey, SubjectId, SessionId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_hold_at_their_edges() {
        assert_eq!(SubjectId::try_from("").unwrap_err(), InvalidKey::Empty);
        assert_eq!(PartitionKey::try_from("").unwrap(), PartitionKey::default());
        assert!(UserKey::try_from("k".repeat(255)).is_ok());
        assert_eq!(
            UserKey::try_from("k".repeat(256)).unwrap_err(),
            InvalidKey::TooLong { len: 256 }
        );
        // 128 characters of two bytes each: bytes count, not characters.
        assert_eq!(
            SessionId::from_str(&"é".repeat(128)).unwrap_err(),
            InvalidKey::TooLong { len: 256 }
        );
        assert_eq!(
            SessionId::try_from("a\0b").unwrap_err(),
            InvalidKey::ContainsNul { len: 3 }
        );
    }

    #[test]
    fn keys_that_look_alike_differ() {
        for (one, other) in [("Alice", "alice"), ("a", "a "), ("\u{e9}", "e\u{301}")] {
            assert_ne!(
                SubjectId::try_from(one).unwrap(),
                SubjectId::try_from(other).unwrap()
            );
        }
    }

    #[test]
    fn serde_is_a_plain_string_with_the_same_checks() {
        let key = SubjectId::try_from("alice").unwrap();
        assert_eq!(serde_json::to_string(&key).unwrap(), r#""alice""#);
        assert_eq!(
            serde_json::from_str::<SubjectId>(r#""alice""#).unwrap(),
            key
        );
        let error = serde_json::from_str::<SubjectId>(r#""se\u0000cret""#).unwrap_err();
        assert!(!error.to_string().contains("cret"), "{error}");
    }

    #[test]
    fn debug_of_a_user_key_is_a_stable_fingerprint() {
        let key = UserKey::try_from("secret").unwrap();
        let shown = format!("{key:?}");
        assert!(!shown.contains("secret"));
        assert_eq!(shown, format!("{:?}", key.clone()));
        assert_ne!(shown, format!("{:?}", UserKey::try_from("other").unwrap()));
    }
}
