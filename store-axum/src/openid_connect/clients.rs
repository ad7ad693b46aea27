//! The clients of all partitions.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use openidconnect::reqwest;
use store_core::{BoxError, Clock, PartitionKey, SystemClock, UserSessionKey};
use store_tickets::{RefreshTokenRevoker, Token};

use super::OpenIdClient;
use super::http_client::HttpClient;
use super::registration::Registration;

/// The clients of a host: one in each partition, since a partition belongs to one issuer.
///
/// A clone is the same clients, and shares what is known of their providers. Nobody is asked
/// anything before the first request that needs it.
///
/// ```
/// use store_axum::openid_connect::{OpenIdClient, OpenIdClients};
///
/// let client = OpenIdClient::new("https://id.example", "shop", "https://shop.example")?;
/// let clients = OpenIdClients::builder().client("shop".parse()?, client).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct OpenIdClients(Arc<HashMap<PartitionKey, Arc<Registration>>>);

/// Makes [`OpenIdClients`].
#[must_use]
pub struct OpenIdClientsBuilder {
    clients: HashMap<PartitionKey, OpenIdClient>,
    clock: Arc<dyn Clock>,
    http: Option<reqwest::Client>,
}

/// The client for requests to providers cannot be made: the system's TLS, for example, is not in
/// order.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client for OpenID providers cannot be made")]
pub struct NoHttpClient(#[source] reqwest::Error);

impl OpenIdClients {
    /// None yet.
    pub fn builder() -> OpenIdClientsBuilder {
        OpenIdClientsBuilder {
            clients: HashMap::new(),
            clock: Arc::new(SystemClock),
            http: None,
        }
    }

    /// The client of a host with one front end, in the default partition, "".
    ///
    /// # Errors
    /// [`NoHttpClient`].
    pub fn single(client: OpenIdClient) -> Result<Self, NoHttpClient> {
        Self::builder()
            .client(PartitionKey::default(), client)
            .build()
    }

    /// Revokes refresh tokens at the provider of the partition that they come from (RFC 7009): for
    /// [`SessionRevocation::new`](store_tickets::SessionRevocation::new).
    pub fn refresh_token_revoker(&self) -> Arc<dyn RefreshTokenRevoker> {
        Arc::new(ProviderRevoker(self.clone()))
    }

    pub(super) fn of(&self, partition_key: &PartitionKey) -> Option<&Arc<Registration>> {
        self.0.get(partition_key)
    }
}

impl OpenIdClientsBuilder {
    /// The client of this partition, in place of one that it may have had.
    pub fn client(mut self, partition_key: PartitionKey, client: OpenIdClient) -> Self {
        self.clients.insert(partition_key, client);
        self
    }

    /// The clock, which is to be the tickets'. Default: the system's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The process's client for requests to providers: with a proxy, or with certificate
    /// authorities of one's own. **It must not follow redirects**, and it should have time-outs.
    /// Default: one without redirects, with 5 seconds to connect and 10 in all, that trusts
    /// Mozilla's certificate authorities.
    pub fn http_client(mut self, client: reqwest::Client) -> Self {
        self.http = Some(client);
        self
    }

    /// The clients.
    ///
    /// # Errors
    /// [`NoHttpClient`].
    pub fn build(self) -> Result<OpenIdClients, NoHttpClient> {
        let http = match self.http {
            Some(client) => client,
            None => HttpClient::default_client().map_err(NoHttpClient)?,
        };
        let registration = |(partition_key, client): (PartitionKey, OpenIdClient)| {
            // Where the issuer itself is asked over http, on this machine, its endpoints may be, too.
            let may_be_plain = client.issuer.url().scheme() == "http";
            let http = HttpClient::new(http.clone(), may_be_plain);
            let clock = Arc::clone(&self.clock);
            let registration = Registration::new(client, partition_key.clone(), http, clock);
            (partition_key, Arc::new(registration))
        };
        let clients = self.clients.into_iter().map(registration).collect();
        Ok(OpenIdClients(Arc::new(clients)))
    }
}

impl fmt::Debug for OpenIdClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clients = self.0.iter();
        f.debug_map()
            .entries(clients.map(|(partition_key, one)| (partition_key, &one.client)))
            .finish()
    }
}

impl fmt::Debug for OpenIdClientsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.clients).finish()
    }
}

/// Revokes refresh tokens where they come from.
#[derive(Debug)]
struct ProviderRevoker(OpenIdClients);

#[async_trait]
impl RefreshTokenRevoker for ProviderRevoker {
    async fn revoke_refresh_token(
        &self,
        token: &Token,
        session: &UserSessionKey,
    ) -> Result<(), BoxError> {
        let client = self.0.of(&session.partition_key);
        let client = client.ok_or("its partition has no OpenID client any more")?;
        Ok(client.revoke(token).await?)
    }
}
