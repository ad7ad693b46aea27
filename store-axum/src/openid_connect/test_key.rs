//! A provider's key for tests.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use openidconnect::core::{CoreEdDsaPrivateSigningKey, CoreJsonWebKey, CoreJwsSigningAlgorithm};
use openidconnect::{JsonWebKeyId, PrivateSigningKey as _};
use serde_json::Value;

/// A provider's key: Ed25519, made of one byte.
pub(super) struct TestKey(CoreEdDsaPrivateSigningKey);

impl TestKey {
    pub(super) fn new(byte: u8, kid: &str) -> Self {
        // RFC 8410: what stands in front of the 32 bytes in PKCS#8.
        let mut der = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec();
        der.extend([byte; 32]);
        let der = STANDARD.encode(der);
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n");
        let kid = Some(JsonWebKeyId::new(kid.to_owned()));
        Self(CoreEdDsaPrivateSigningKey::from_ed25519_pem(&pem, kid).expect("a key"))
    }

    pub(super) fn public(&self) -> CoreJsonWebKey {
        self.0.as_verification_key()
    }

    pub(super) fn token(&self, header: &Value, claims: &Value) -> String {
        self.raw_token(&header.to_string(), &claims.to_string())
    }

    pub(super) fn raw_token(&self, header: &str, claims: &str) -> String {
        let signed = unsigned(header, claims);
        let signature = self
            .0
            .sign(&CoreJwsSigningAlgorithm::EdDsa, signed.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(signature.expect("a signature"));
        format!("{signed}.{signature}")
    }
}

pub(super) fn unsigned(header: &str, claims: &str) -> String {
    let (header, claims) = (
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims),
    );
    format!("{header}.{claims}")
}
