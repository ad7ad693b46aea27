//! The provider's tokens.

use std::fmt;

use chrono::{DateTime, Utc};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// What the provider gave to act for the user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// For calls of the user's APIs.
    pub access: Option<Token>,
    /// For new access tokens.
    pub refresh: Option<Token>,
    /// Says who the user is; a hint at logout.
    pub id: Option<Token>,
}

/// One token. `Debug` shows its expiry only, and its memory is wiped when it is dropped.
#[derive(Clone)]
pub struct Token {
    value: Zeroizing<String>,
    expires: Option<DateTime<Utc>>,
}

impl Token {
    /// A token that never expires as far as one knows.
    pub fn new(value: impl Into<String>) -> Self {
        Self {
            value: Zeroizing::new(value.into()),
            expires: None,
        }
    }

    /// The same token with an expiry, which is kept to the microsecond.
    #[must_use]
    pub fn with_expires(self, expires: DateTime<Utc>) -> Self {
        Self {
            expires: Some(store_core::floor_to_micros(expires)),
            ..self
        }
    }

    /// The token itself: for an `Authorization` header and nothing else.
    pub fn expose(&self) -> &str {
        &self.value
    }

    /// From when on it is of no use, as the provider said.
    pub fn expires(&self) -> Option<DateTime<Utc>> {
        self.expires
    }

    /// Whether it has expired: `expires == now` has.
    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        let same_value: bool = self.value.as_bytes().ct_eq(other.value.as_bytes()).into();
        same_value && self.expires == other.expires
    }
}

impl Eq for Token {}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}
