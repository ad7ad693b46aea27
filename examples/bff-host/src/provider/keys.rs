//! The provider's key, and what is signed with it.

use anyhow::anyhow;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::{CoreJsonWebKey, CoreJwsSigningAlgorithm, CoreRsaPrivateSigningKey};
use openidconnect::{JsonWebKey as _, JsonWebKeyId, PrivateSigningKey as _};
use rsa::RsaPrivateKey;
use rsa::pkcs1::{EncodeRsaPrivateKey as _, LineEnding};
use rsa::rand_core::OsRng;
use serde_json::{Value, json};

const ALGORITHM: CoreJwsSigningAlgorithm = CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256;
const KEY_ID: &str = "demonstration";

/// An RSA key that lives as long as the provider does.
pub(super) struct SigningKey {
    private: CoreRsaPrivateSigningKey,
    public: CoreJsonWebKey,
}

impl SigningKey {
    pub(super) fn generate() -> anyhow::Result<Self> {
        let key = RsaPrivateKey::new(&mut OsRng, 2048)?;
        let pem = key.to_pkcs1_pem(LineEnding::LF)?;
        let id = JsonWebKeyId::new(KEY_ID.to_owned());
        let private = CoreRsaPrivateSigningKey::from_pem(&pem, Some(id))
            .map_err(|error| anyhow!("the key that was just made is none: {error}"))?;
        let public = private.as_verification_key();
        Ok(Self { private, public })
    }

    pub(super) fn jwks(&self) -> Value {
        json!({ "keys": [self.public] })
    }

    /// A JWT of this type with these claims.
    pub(super) fn sign(&self, typ: &str, claims: &Value) -> anyhow::Result<String> {
        let header = json!({ "alg": "RS256", "kid": KEY_ID, "typ": typ });
        let mut token = format!(
            "{}.{}",
            encode(header.to_string()),
            encode(claims.to_string())
        );
        let signature = self.private.sign(&ALGORITHM, token.as_bytes())?;
        token.push('.');
        token.push_str(&encode(signature));
        Ok(token)
    }

    /// The claims of a token that this key has signed, however long ago.
    pub(super) fn open(&self, token: &str) -> Option<Value> {
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        self.public
            .verify_signature(&ALGORITHM, signed.as_bytes(), &signature)
            .ok()?;
        let (_, claims) = signed.split_once('.')?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_opens_and_what_is_changed_does_not() {
        let key = SigningKey::generate().unwrap();
        let claims = json!({ "sub": "alice" });
        let token = key.sign("JWT", &claims).unwrap();
        assert_eq!(key.open(&token), Some(claims));

        let other = encode(json!({ "sub": "admin" }).to_string());
        let parts: Vec<&str> = token.split('.').collect();
        assert_eq!(key.open(&[parts[0], &other, parts[2]].join(".")), None);
        assert_eq!(key.open(&format!("{}.{}.", parts[0], parts[1])), None);
        assert_eq!(key.open("none"), None);
    }
}
