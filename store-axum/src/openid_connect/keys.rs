//! Subjects and sessions as the provider names them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use store_core::{InvalidKey, SessionId};

/// The session that an OpenID `sid` names, at login and at logout alike: the `sid` itself, or its
/// SHA-256 where it is longer than a [`SessionId`] may be.
///
/// # Errors
/// [`InvalidKey`] if it is empty or holds a NUL.
pub fn session_id_of(sid: &str) -> Result<SessionId, InvalidKey> {
    match SessionId::try_from(sid) {
        Err(InvalidKey::TooLong { .. }) => SessionId::try_from(digest(sid)),
        other => other,
    }
}

fn digest(sid: &str) -> String {
    let digest = Sha256::digest(sid.as_bytes());
    format!("sha256:{}", URL_SAFE_NO_PAD.encode(digest))
}
