//! Signed tokens in compact form (RFC 7515 section 3.1).
//!
//! `openidconnect` verifies ID tokens as a whole, and those alone. Of a logout token it verifies the
//! signature: what is done here is to take the token apart and to choose the key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::{CoreJsonWebKey, CoreJsonWebKeySet};
use openidconnect::{JsonWebKey as _, JsonWebKeyUse as _, JwsSigningAlgorithm as _};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::SigningAlgorithm;

/// A signed token whose signature nobody has looked at yet.
#[derive(Debug)]
pub(super) struct Jws<'a> {
    header: Header,
    signed: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// What a header may say. Keys that it brings along or points to are not even read.
#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    cty: Option<Value>,
    crit: Option<Value>,
}

/// Why a token is none that this provider has signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JwsError {
    /// Not three parts of base64url with a JSON header in front.
    Malformed,
    /// Five parts: encrypted.
    Encrypted,
    /// It holds another token, or asks for an extension.
    Unsupported,
    /// The algorithm is not among the allowed ones.
    Algorithm,
    /// No key of the provider's fits it. The provider may have a new one.
    UnknownKey,
    /// The signature is not that key's.
    Signature,
}

impl<'a> Jws<'a> {
    pub(super) fn parse(token: &'a str) -> Result<Self, JwsError> {
        let parts: Vec<&str> = token.split('.').collect();
        let [header, payload, signature] = parts[..] else {
            return Err(match parts.len() {
                5 => JwsError::Encrypted,
                _ => JwsError::Malformed,
            });
        };
        let decode = |part: &str| {
            URL_SAFE_NO_PAD
                .decode(part)
                .map_err(|_| JwsError::Malformed)
        };
        let signed = &token[..header.len() + 1 + payload.len()];
        let header: Header = from_object(&decode(header)?).ok_or(JwsError::Malformed)?;
        if header.cty.is_some() || header.crit.is_some() {
            return Err(JwsError::Unsupported);
        }
        Ok(Self {
            header,
            signed,
            payload: decode(payload)?,
            signature: decode(signature)?,
        })
    }

    /// What the header says that the token is.
    pub(super) fn typ(&self) -> Option<&str> {
        self.header.typ.as_deref()
    }

    /// The payload, once one of the keys has been found to have signed it.
    pub(super) fn verify(
        &self,
        keys: &CoreJsonWebKeySet,
        allowed: &[SigningAlgorithm],
    ) -> Result<&[u8], JwsError> {
        let algorithm = SigningAlgorithm::from_name(&self.header.alg)
            .filter(|algorithm| allowed.contains(algorithm))
            .ok_or(JwsError::Algorithm)?
            .to_core();
        let fits = |key: &&CoreJsonWebKey| {
            let kid = self.header.kid.as_deref();
            (kid.is_none() || kid == key.key_id().map(|kid| kid.as_str()))
                && key.key_use().is_none_or(|usage| usage.allows_signature())
                && algorithm.key_type().as_ref() == Some(key.key_type())
        };
        let mut fitting = keys.keys().iter().filter(fits);
        // Where several fit, the token has to say which one it is (OpenID Connect Core 10.1).
        let (Some(key), None) = (fitting.next(), fitting.next()) else {
            return Err(JwsError::UnknownKey);
        };
        key.verify_signature(&algorithm, self.signed.as_bytes(), &self.signature)
            .map_err(|_| JwsError::Signature)?;
        Ok(&self.payload)
    }
}

/// Reads a JSON object. `serde` would read a struct from an array, too.
pub(super) fn from_object<D: DeserializeOwned>(json: &[u8]) -> Option<D> {
    let is_object = json.trim_ascii_start().starts_with(b"{");
    is_object
        .then(|| serde_json::from_slice(json).ok())
        .flatten()
}

/// The claims of a token that has been verified as a whole.
pub(super) fn claims_of_verified(token: &str) -> Option<store_tickets::Claims> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}
