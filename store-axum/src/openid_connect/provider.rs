//! What is known of a provider: its endpoints and its keys.

use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, TimeDelta, Utc};
use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClient, CoreClientAuthMethod, CoreGrantType,
    CoreJsonWebKey, CoreJsonWebKeySet, CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm, CoreResponseMode, CoreResponseType, CoreSubjectIdentifierType,
};
use openidconnect::{
    AdditionalProviderMetadata, AuthType, EndSessionUrl, EndpointMaybeSet, EndpointNotSet,
    EndpointSet, JsonWebKeySet, ProviderMetadata, RevocationUrl,
};
use serde::{Deserialize, Serialize};
use store_core::{BoxError, Clock};
use tokio::sync::Mutex;
use url::Url;

use super::OpenIdClient;
use super::http_client::HttpClient;

/// How long a provider that gave no answer is left alone.
const RETRY_AFTER: TimeDelta = TimeDelta::seconds(5);

/// What a provider says of itself (OpenID Connect Discovery 1.0 section 3).
pub(super) type Metadata = ProviderMetadata<
    MoreMetadata,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// The client of `openidconnect` at a provider that has been discovered.
pub(super) type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// What other standards add to the metadata.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct MoreMetadata {
    /// OpenID Connect RP-Initiated Logout 1.0 section 2.1.
    pub(super) end_session_endpoint: Option<EndSessionUrl>,
    /// RFC 8414 section 2, for RFC 7009.
    pub(super) revocation_endpoint: Option<RevocationUrl>,
    /// RFC 9207 section 3.
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

impl AdditionalProviderMetadata for MoreMetadata {}

/// A provider as it was when it was last asked.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) client: Client,
    pub(super) keys: CoreJsonWebKeySet,
    metadata: Metadata,
    metadata_since: DateTime<Utc>,
    keys_since: DateTime<Utc>,
}

/// The provider of a client: asked when it is first needed, again after a while, and for its keys
/// when a token names one that is not known.
#[derive(Debug)]
pub(super) struct Discovery {
    client: OpenIdClient,
    http: HttpClient,
    clock: Arc<dyn Clock>,
    known: RwLock<Option<Arc<Provider>>>,
    /// Held by the one who asks; says when it was last in vain.
    asking: Mutex<Option<DateTime<Utc>>>,
}

/// The provider gives no answer that can be used.
#[derive(Debug, thiserror::Error)]
#[error("the provider gives no answer that can be used")]
pub(super) struct NoProvider(#[source] BoxError);

impl Provider {
    pub(super) fn end_session_endpoint(&self) -> Option<&Url> {
        let more = self.metadata.additional_metadata();
        more.end_session_endpoint.as_ref().map(|url| url.url())
    }

    pub(super) fn revocation_endpoint(&self) -> Option<&Url> {
        let more = self.metadata.additional_metadata();
        more.revocation_endpoint.as_ref().map(|url| url.url())
    }

    pub(super) fn has_user_info(&self) -> bool {
        self.metadata.userinfo_endpoint().is_some()
    }

    /// Whether its answers always say whose they are (RFC 9207).
    pub(super) fn names_itself(&self) -> bool {
        let more = self.metadata.additional_metadata();
        more.authorization_response_iss_parameter_supported
    }

    fn with_keys(&self, keys: CoreJsonWebKeySet, now: DateTime<Utc>) -> Self {
        let metadata = self.metadata.clone().set_jwks(keys.clone());
        Self {
            client: self.client.clone(),
            keys,
            metadata,
            metadata_since: self.metadata_since,
            keys_since: now,
        }
    }
}

#[cfg(test)]
impl Provider {
    /// One that says nothing more of itself than its keys.
    pub(super) fn with_keys_alone(client: &OpenIdClient, keys: CoreJsonWebKeySet) -> Self {
        let issuer = client.issuer.as_str();
        let metadata = serde_json::json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/auth"),
            "jwks_uri": format!("{issuer}/jwks"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        });
        let metadata: Metadata = serde_json::from_value(metadata).expect("metadata");
        let metadata = metadata.set_jwks(keys.clone());
        let (id, secret) = (client.client_id.clone(), client.secret.clone());
        Self {
            client: CoreClient::from_provider_metadata(metadata.clone(), id, secret),
            keys,
            metadata,
            metadata_since: DateTime::UNIX_EPOCH,
            keys_since: DateTime::UNIX_EPOCH,
        }
    }
}

impl Discovery {
    pub(super) fn new(client: OpenIdClient, http: HttpClient, clock: Arc<dyn Clock>) -> Self {
        Self {
            client,
            http,
            clock,
            known: RwLock::new(None),
            asking: Mutex::new(None),
        }
    }

    /// The provider, as far as it is known. What is too old is used if nothing newer is to be had.
    pub(super) async fn provider(&self) -> Result<Arc<Provider>, NoProvider> {
        if let Some(known) = self.known().filter(|known| self.is_fresh(known)) {
            return Ok(known);
        }
        let mut failed = match (self.asking.try_lock(), self.known()) {
            (Ok(failed), _) => failed,
            // Somebody is asking already, and what is known will do until then.
            (Err(_), Some(known)) => return Ok(known),
            (Err(_), None) => self.asking.lock().await,
        };
        let known = self.known();
        if let Some(known) = known.clone().filter(|known| self.is_fresh(known)) {
            return Ok(known);
        }
        if failed.is_some_and(|failed| self.clock.now() < failed + RETRY_AFTER) {
            return known.ok_or_else(|| NoProvider("it gave none a moment ago".into()));
        }
        match self.discover().await {
            Ok(provider) => {
                *failed = None;
                Ok(self.remember(provider))
            }
            Err(error) => {
                *failed = Some(self.clock.now());
                tracing::warn!(
                    issuer = self.client.issuer.as_str(),
                    error = &error as &dyn std::error::Error,
                    "an OpenID provider cannot be asked about itself"
                );
                known.ok_or(error)
            }
        }
    }

    /// The provider with the keys that it has now, after a token has named one that is not among
    /// those of `outdated`. The same again if it has been asked a short while ago: whoever sends
    /// tokens with made-up keys gets no request out of this host for each.
    pub(super) async fn with_new_keys(&self, outdated: &Arc<Provider>) -> Arc<Provider> {
        let _asking = self.asking.lock().await;
        let known = self.known().unwrap_or_else(|| Arc::clone(outdated));
        let now = self.clock.now();
        let interval = TimeDelta::from_std(self.client.key_refetch_interval);
        let next = interval
            .ok()
            .and_then(|interval| known.keys_since.checked_add_signed(interval));
        if !Arc::ptr_eq(&known, outdated) || next.is_none_or(|next| now < next) {
            return known;
        }
        let keys = match JsonWebKeySet::fetch_async(known.metadata.jwks_uri(), &self.http).await {
            Ok(keys) => keys,
            Err(error) => {
                tracing::warn!(
                    issuer = self.client.issuer.as_str(),
                    error = &error as &dyn std::error::Error,
                    "an OpenID provider's keys cannot be fetched"
                );
                // The same keys, but asked for just now.
                known.keys.clone()
            }
        };
        let mut provider = known.with_keys(keys, now);
        provider.client = self.client_at(&provider.metadata);
        self.remember(provider)
    }

    async fn discover(&self) -> Result<Provider, NoProvider> {
        let now = self.clock.now();
        let metadata = Metadata::discover_async(self.client.issuer.clone(), &self.http)
            .await
            .map_err(|error| NoProvider(error.into()))?;
        let end_session = &metadata.additional_metadata().end_session_endpoint;
        let may_go_to = |url: &Url| self.http.may_be_sent_to(url);
        if !may_go_to(metadata.authorization_endpoint().url())
            || !end_session.as_ref().is_none_or(|url| may_go_to(url.url()))
        {
            return Err(NoProvider("it sends browsers over plain http".into()));
        }
        Ok(Provider {
            client: self.client_at(&metadata),
            keys: metadata.jwks().clone(),
            metadata,
            metadata_since: now,
            keys_since: now,
        })
    }

    fn client_at(&self, metadata: &Metadata) -> Client {
        let OpenIdClient {
            client_id,
            secret,
            secret_in_body,
            ..
        } = &self.client;
        let client =
            CoreClient::from_provider_metadata(metadata.clone(), client_id.clone(), secret.clone());
        client.set_auth_type(match secret_in_body {
            true => AuthType::RequestBody,
            false => AuthType::BasicAuth,
        })
    }

    fn known(&self) -> Option<Arc<Provider>> {
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn remember(&self, provider: Provider) -> Arc<Provider> {
        let provider = Arc::new(provider);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        *known = Some(Arc::clone(&provider));
        provider
    }

    fn is_fresh(&self, provider: &Provider) -> bool {
        let age = self.clock.now() - provider.metadata_since;
        age.to_std().is_ok_and(|age| age < self.client.metadata_max_age)
            // A clock that went back tells nothing.
            || age < TimeDelta::zero()
    }
}
