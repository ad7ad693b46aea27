//! The host, put together.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::middleware::from_fn;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use store_axum::openid_connect::{AccessTokens, BffEndpoints, OpenIdClient, OpenIdClients};
use store_axum::{CookieOptions, ServerSideSessions};
use store_core::{Clock, PartitionKey, SubjectId};
use store_seaorm::SeaOrmUserSessionStore;
use store_tickets::{
    RevocationOptions, ServerSideTicketStore, SessionCleanupWorker, SessionRevocation, StoredTicket,
};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::headers::{PAGE_POLICY, secured};
use crate::options::{Cookies, Mode, Options};
use crate::provider::{Client, DemonstrationProvider};
use crate::proxy::Upstream;
use crate::session::Visit;
use crate::{admin, api, keys, pages, session, upstream};

/// How long requests that are under way may take when the host stops.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who may see everybody's sessions at the demonstration provider.
const DEMONSTRATION_ADMIN: &str = "admin";

/// What the host's own handlers work with.
pub(crate) struct App {
    pub(crate) store: SeaOrmUserSessionStore,
    pub(crate) access_tokens: AccessTokens,
    pub(crate) upstream: Upstream,
    /// Where users sign out of the demonstration provider, if that is where they sign in.
    pub(crate) account: Option<String>,
    admins: HashSet<SubjectId>,
}

impl App {
    pub(crate) fn is_administrator(&self, session: &StoredTicket<Visit>) -> bool {
        let subject = session.ticket.subject_id();
        subject.is_some_and(|subject| self.admins.contains(subject))
    }
}

/// A host that is running.
#[derive(Debug)]
#[must_use]
pub struct Host {
    url: Url,
    issuer: String,
    tickets: ServerSideTicketStore<Visit>,
    revocation: SessionRevocation<Visit>,
    cleanup: SessionCleanupWorker,
    servers: Servers,
}

/// How the host stands with its provider.
struct Registration {
    issuer: String,
    client_id: String,
    client_secret: Option<String>,
}

impl Host {
    /// Starts it: the database migrated, the cleanup running, and, where no provider was named, one
    /// for demonstration.
    ///
    /// # Errors
    /// If the options do not fit each other, a port is taken, or the database is not to be had.
    pub async fn start(options: &Options, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let listener = bind(options.listen).await?;
        let url = options.public_url(listener.local_addr()?)?;
        let mode = options.mode(&url)?;
        let mut servers = Servers::default();

        let store = SeaOrmUserSessionStore::builder()
            .clock(Arc::clone(&clock))
            .connect(&options.database_url)
            .await?;
        store_migration::up(store.connection()).await?;
        let keys = keys::session_keys(options, mode)?;
        let registration = match &options.issuer {
            Some(issuer) => Registration {
                issuer: issuer.clone(),
                client_id: options.client_id.clone(),
                client_secret: options.client_secret.clone(),
            },
            None => demonstrate(options, &url, Arc::clone(&clock), &mut servers).await?,
        };
        let partition_key = registration.partition_key()?;
        let tickets = ServerSideTicketStore::<Visit>::builder(Arc::new(store.clone()), keys)
            .clock(Arc::clone(&clock))
            .build()
            .in_partition(partition_key.clone());
        let clients = OpenIdClients::builder()
            .client(partition_key, registration.client(options, &url, mode)?)
            .clock(clock)
            .build()?;
        let revocation = SessionRevocation::new(
            tickets.clone(),
            clients.refresh_token_revoker(),
            RevocationOptions::default(),
        );

        let upstream_url = match &options.upstream_url {
            Some(url) => url.clone(),
            None => {
                let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
                let url = Url::parse(&format!("http://{}", listener.local_addr()?))?;
                let router = upstream::router(http_client().build()?, &registration.issuer);
                servers.serve(listener, router);
                url
            }
        };
        let app = Arc::new(App {
            store: store.clone(),
            access_tokens: AccessTokens::new(clients.clone()),
            // An API behind the host is not behind somebody's proxy, which would see the tokens.
            upstream: Upstream::new(http_client().no_proxy().build()?, upstream_url),
            account: options
                .issuer
                .is_none()
                .then(|| registration.issuer.clone()),
            admins: admins(options)?,
        });

        let sessions = ServerSideSessions::new(tickets.clone())
            .revocation(revocation.clone())
            .cookie(match options.cookies(mode) {
                Cookies::Secure => CookieOptions::default(),
                Cookies::Development => CookieOptions::insecure_for_localhost(),
            });
        let router = Router::new()
            .merge(BffEndpoints::new(clients).sign_in(Visit::begin).router())
            .merge(session::router())
            .merge(admin::router())
            .merge(api::router())
            .with_state(app)
            .layer(from_fn(session::look_only))
            .layer(sessions)
            .merge(pages::router());
        servers.serve(listener, secured(router, PAGE_POLICY)?);

        let store = Arc::new(store);
        let cleanup = tickets.cleanup(store.clone()).lease(store).build().spawn();
        Ok(Self {
            url,
            issuer: registration.issuer,
            tickets,
            revocation,
            cleanup,
            servers,
        })
    }

    /// The address that browsers know it by.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The provider at which its users sign in.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Its sessions.
    pub fn tickets(&self) -> &ServerSideTicketStore<Visit> {
        &self.tickets
    }

    /// Stops it: requests that are under way are answered, refresh tokens revoked, observers told.
    pub async fn shut_down(self) {
        self.servers.stop().await;
        if timeout(PATIENCE, self.revocation.finish()).await.is_err() {
            tracing::warn!("some refresh tokens were not revoked before the end");
        }
        self.cleanup.shut_down().await;
        self.tickets.observers().flush().await;
    }
}

/// What is listening.
#[derive(Debug, Default)]
struct Servers {
    stop: CancellationToken,
    running: JoinSet<std::io::Result<()>>,
}

impl Servers {
    fn serve(&mut self, listener: TcpListener, router: Router) {
        let stop = self.stop.clone().cancelled_owned();
        let server = axum::serve(listener, router).with_graceful_shutdown(stop);
        self.running.spawn(async move { server.await });
    }

    async fn stop(mut self) {
        self.stop.cancel();
        let all = async { while self.running.join_next().await.is_some() {} };
        if timeout(PATIENCE, all).await.is_err() {
            tracing::warn!("some requests were not answered before the end");
        }
    }
}

impl Registration {
    /// Where the sessions of this provider are: whoever is called `admin` at the demonstration
    /// provider is nobody at a real one, on the same database.
    fn partition_key(&self) -> anyhow::Result<PartitionKey> {
        let digest = Sha256::digest(self.issuer.as_bytes());
        Ok(PartitionKey::try_from(
            URL_SAFE_NO_PAD.encode(&digest[..18]),
        )?)
    }

    fn client(&self, options: &Options, url: &Url, mode: Mode) -> anyhow::Result<OpenIdClient> {
        let client = match mode {
            Mode::Production => OpenIdClient::new,
            Mode::Development => OpenIdClient::insecure_for_localhost,
        };
        let client = client(&self.issuer, self.client_id.clone(), url.as_str())?
            .with_scopes(options.scope.split_whitespace())
            // Many providers say no more than `sub` in the ID token.
            .with_user_info(true);
        Ok(match &self.client_secret {
            Some(secret) => client.with_secret(secret),
            None => client,
        })
    }
}

/// Starts a provider that knows this host and nobody else.
async fn demonstrate(
    options: &Options,
    url: &Url,
    clock: Arc<dyn Clock>,
    servers: &mut Servers,
) -> anyhow::Result<Registration> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)?;
    let secret = URL_SAFE_NO_PAD.encode(secret);
    let client = Client {
        id: options.client_id.clone(),
        secret: secret.clone(),
        redirect_uri: url.join("/bff/callback")?,
        post_logout_redirect_uri: url.join("/bff/logout/callback")?,
        back_channel_logout_uri: url.join("/bff/backchannel")?,
    };
    let listener = bind(options.demonstration_listen).await?;
    let provider = DemonstrationProvider::new(&listener, client, clock)?;
    let issuer = provider.issuer().to_owned();
    servers.serve(listener, provider.router()?);
    tracing::warn!(
        issuer,
        "no --issuer: started a demonstration provider, at which anybody signs in as anybody"
    );
    Ok(Registration {
        issuer,
        client_id: options.client_id.clone(),
        client_secret: Some(secret),
    })
}

fn admins(options: &Options) -> anyhow::Result<HashSet<SubjectId>> {
    let demonstration = options.issuer.is_none() && options.admins.is_empty();
    let default = demonstration.then(|| DEMONSTRATION_ADMIN.to_owned());
    let named = options.admins.iter().cloned().chain(default);
    let admins = named.map(SubjectId::try_from).collect::<Result<_, _>>();
    admins.context("--admins")
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| format!("nobody can listen on {address}"))
}

fn http_client() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .timeout(Duration::from_secs(10))
        .redirect(reqwest::redirect::Policy::none())
}
