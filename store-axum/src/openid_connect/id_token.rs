//! ID tokens (OpenID Connect Core 1.0 sections 3.1.3.6 to 3.1.3.8, and 12.2).

use chrono::{DateTime, TimeDelta, Utc};
use openidconnect::core::{CoreIdToken, CoreJwsSigningAlgorithm};
use openidconnect::{
    AccessToken, AccessTokenHash, ClaimsVerificationError, Nonce, SignatureVerificationError,
};
use store_core::{BoxError, SubjectId};
use store_tickets::Claims;

use super::jws::claims_of_verified;
use super::provider::Provider;
use super::{OpenIdClient, SigningAlgorithm};

/// Who has signed in, as the provider's signature says.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) subject_id: SubjectId,
    pub(super) claims: Claims,
}

/// Why an ID token is not to be trusted.
#[derive(Debug, thiserror::Error)]
pub(super) enum IdTokenError {
    /// The provider may have a new key.
    #[error("no key of the provider's fits the ID token")]
    UnknownKey,
    #[error("the ID token is not to be trusted")]
    Untrusted(#[source] BoxError),
}

impl IdTokenError {
    fn new(why: impl Into<BoxError>) -> Self {
        Self::Untrusted(why.into())
    }
}

impl From<ClaimsVerificationError> for IdTokenError {
    fn from(error: ClaimsVerificationError) -> Self {
        match error {
            ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey,
            ) => Self::UnknownKey,
            error => Self::new(error),
        }
    }
}

/// What an ID token came with, and what it has to fit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    pub(super) provider: &'a Provider,
    pub(super) client: &'a OpenIdClient,
    pub(super) access_token: &'a AccessToken,
    /// `None`: the token came with a renewal, and was not asked for by a request with a nonce.
    pub(super) nonce: Option<&'a Nonce>,
    pub(super) now: DateTime<Utc>,
}

impl Expected<'_> {
    /// Checks an ID token: issuer, audience, signature, times and nonce by `openidconnect`, and what
    /// it leaves to its callers, the authorized party and the access token.
    pub(super) fn check(&self, id_token: &CoreIdToken) -> Result<Identity, IdTokenError> {
        let skew = TimeDelta::from_std(self.client.clock_skew).unwrap_or(TimeDelta::zero());
        let algorithms = self.client.algorithms.iter().copied();
        let verifier = self
            .provider
            .client
            .id_token_verifier()
            .set_allowed_algs(algorithms.map(SigningAlgorithm::to_core))
            .set_time_fn(|| self.now - skew)
            .set_issue_time_verifier_fn(|issued| match issued <= self.now + skew {
                true => Ok(()),
                false => Err("the token is from the future".to_owned()),
            });
        let claims = match self.nonce {
            Some(nonce) => id_token.claims(&verifier, nonce)?,
            None => id_token.claims(&verifier, |_: Option<&Nonce>| Ok(()))?,
        };
        if claims
            .authorized_party()
            .is_some_and(|party| *party != self.client.client_id)
        {
            return Err(IdTokenError::new("azp is another client"));
        }
        if let Some(hash) = claims.access_token_hash() {
            let algorithm: &CoreJwsSigningAlgorithm =
                id_token.signing_alg().map_err(IdTokenError::new)?;
            let key = id_token.signing_key(&verifier).map_err(IdTokenError::new)?;
            let actual = AccessTokenHash::from_token(self.access_token, algorithm, key)
                .map_err(IdTokenError::new)?;
            if actual != *hash {
                return Err(IdTokenError::new("at_hash is another access token's"));
            }
        }
        let subject_id = SubjectId::try_from(claims.subject().as_str());
        let claims = claims_of_verified(&id_token.to_string())
            .ok_or_else(|| IdTokenError::new("its claims are no object"))?;
        Ok(Identity {
            subject_id: subject_id.map_err(IdTokenError::new)?,
            claims,
        })
    }
}

#[cfg(test)]
mod tests;
