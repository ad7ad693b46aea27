//! What the browser holds, and what the database holds instead.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use store_core::{InvalidKey, UserKey};

/// 256 bits from the operating system. Whoever has them is signed in.
pub(crate) struct Cookie([u8; 32]);

impl Cookie {
    pub(crate) fn new() -> Result<Self, getrandom::Error> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        Ok(Self(secret))
    }

    /// As it goes to the browser.
    pub(crate) fn secret(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// As it goes to the database, from which nobody gets back to the cookie.
    pub(crate) fn user_key(&self) -> Result<UserKey, InvalidKey> {
        UserKey::try_from(URL_SAFE_NO_PAD.encode(Sha256::digest(self.0)))
    }
}
