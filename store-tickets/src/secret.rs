//! What the browser's cookie holds.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use store_core::UserKey;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::TicketError;

/// What the browser holds: 256 random bits from the operating system, and nothing else.
///
/// It never stands in a store: the session's [`UserKey`] is its SHA-256, from which nobody gets
/// back. `Debug` shows nothing, comparison takes the same time whatever differs, and the memory is
/// wiped when it is dropped.
///
/// ```
/// use store_tickets::CookieSecret;
///
/// let secret = CookieSecret::generate()?;
/// let cookie = secret.to_cookie();
/// assert_eq!(cookie.len(), 43);
/// assert_eq!(cookie.parse::<CookieSecret>()?, secret);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct CookieSecret(Zeroizing<[u8; Self::LEN]>);

/// The text is no [`CookieSecret`]. Says which rule it broke, never what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCookieSecret {
    /// Not as long as 256 bits are in base64url without padding.
    #[error("a cookie's secret is 43 characters long, this has {len}")]
    WrongLength {
        /// Its length in bytes.
        len: usize,
    },
    /// As long as it should be, but not base64url in its canonical form.
    #[error("a cookie's secret is base64url without padding")]
    NotBase64Url,
}

impl CookieSecret {
    const LEN: usize = 32;
    const TEXT_LEN: usize = 43;

    /// A new one.
    ///
    /// # Errors
    /// [`TicketError::Random`] if the operating system has no random bits to give.
    pub fn generate() -> Result<Self, TicketError> {
        let mut bytes = Zeroizing::new([0; Self::LEN]);
        getrandom::fill(bytes.as_mut_slice())?;
        Ok(Self(bytes))
    }

    /// The key of the session that it opens: SHA-256 of its bytes, as base64url.
    pub fn user_key(&self) -> UserKey {
        let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(self.0.as_slice()));
        UserKey::try_from(digest).expect("43 characters of base64url are a key")
    }

    /// The cookie's value: 43 characters of base64url. For the `Set-Cookie` header and nothing
    /// else.
    pub fn to_cookie(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(self.0.as_slice()))
    }
}

impl FromStr for CookieSecret {
    type Err = InvalidCookieSecret;

    fn from_str(text: &str) -> Result<Self, InvalidCookieSecret> {
        if text.len() != Self::TEXT_LEN {
            return Err(InvalidCookieSecret::WrongLength { len: text.len() });
        }
        let mut bytes = Zeroizing::new([0; Self::LEN]);
        match URL_SAFE_NO_PAD.decode_slice(text, bytes.as_mut_slice()) {
            Ok(Self::LEN) => Ok(Self(bytes)),
            _ => Err(InvalidCookieSecret::NotBase64Url),
        }
    }
}

impl PartialEq for CookieSecret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(other.0.as_slice()).into()
    }
}

impl Eq for CookieSecret {}

impl fmt::Debug for CookieSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CookieSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_the_digest_of_the_bytes() {
        let secret = CookieSecret(Zeroizing::new([0; 32]));
        // `head -c 32 /dev/zero | sha256sum | xxd -r -p | basenc --base64url`
        assert_eq!(
            secret.user_key().as_str(),
            "Zmh6rfhivXdsj8GLjp-OIAiXFIVu4jOzkCpZHQ1fKSU"
        );
    }

    #[test]
    fn other_texts_are_refused() {
        let len = |len| Err(InvalidCookieSecret::WrongLength { len });
        assert_eq!("".parse::<CookieSecret>(), len(0));
        assert_eq!("A".repeat(42).parse::<CookieSecret>(), len(42));
        assert_eq!("A".repeat(44).parse::<CookieSecret>(), len(44));
        let not_base64url = Err(InvalidCookieSecret::NotBase64Url);
        for text in [
            "+".repeat(43),
            "=".repeat(43),
            // Two bits too many are set: another spelling of the same bytes.
            format!("{}B", "A".repeat(42)),
            format!("{}é", "A".repeat(41)),
        ] {
            assert_eq!(text.parse::<CookieSecret>(), not_base64url, "{text}");
        }
    }

    #[test]
    fn no_two_are_alike_and_none_is_shown() {
        let one = CookieSecret::generate().unwrap();
        let other = CookieSecret::generate().unwrap();
        assert_ne!(one, other);
        assert_ne!(one.user_key(), other.user_key());
        assert_eq!(format!("{one:?}"), "CookieSecret(…)");
    }
}
