//! A demonstration OpenID provider: **not for production**.
//!
//! Whoever knows its address signs in as whoever they like, without a password. It is there so that
//! `cargo run -p bff-host` alone gives something to click and the tests have a provider that starts
//! in no time. It listens on loopback addresses only, keeps everything in memory, knows one client,
//! and forgets everybody when it ends.
//!
//! What it speaks, it speaks as a real one does: discovery, the code flow with PKCE (S256 only) and
//! single sign-on, refresh tokens that are good for one use, user info, revocation (RFC 7009),
//! logout by the client and by the user, and back-channel logout with signed logout tokens.

mod authorize;
mod back_channel;
mod discovery;
mod keys;
mod logout;
mod page;
mod state;
#[cfg(test)]
mod tests;
mod token;
mod user;

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::routing::{get, post};
use store_core::Clock;
use tokio::net::TcpListener;
use url::Url;

use self::keys::SigningKey;
use self::state::State;
use crate::headers::{forms_policy, secured};

/// The one client that the provider knows.
#[derive(Clone)]
pub struct Client {
    /// Its name at the provider.
    pub id: String,
    /// What it proves itself with.
    pub secret: String,
    /// Where users come back to after signing in. Others are refused.
    pub redirect_uri: Url,
    /// Where users come back to after signing out. Others are refused.
    pub post_logout_redirect_uri: Url,
    /// Where logout tokens go.
    pub back_channel_logout_uri: Url,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .field("redirect_uri", &self.redirect_uri.as_str())
            .finish_non_exhaustive()
    }
}

/// A demonstration OpenID provider: **not for production**.
#[derive(Clone)]
pub struct DemonstrationProvider {
    state: Arc<State>,
}

impl DemonstrationProvider {
    /// A provider for what comes in at this listener.
    ///
    /// # Errors
    /// If the listener is not on a loopback address, and if no key can be made.
    pub fn new(
        listener: &TcpListener,
        client: Client,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let address = listener.local_addr()?;
        ensure!(
            address.ip().is_loopback(),
            "the demonstration provider signs in anybody as anybody: it listens on a loopback \
             address only, and {address} is none"
        );
        let issuer = Url::parse(&format!("http://{address}")).context("the issuer")?;
        let state = State::new(issuer, client, clock, SigningKey::generate()?)?;
        Ok(Self {
            state: Arc::new(state),
        })
    }

    /// Its name, which is also its address, without a slash at the end.
    pub fn issuer(&self) -> &str {
        &self.state.issuer
    }

    /// Its endpoints and pages.
    ///
    /// # Errors
    /// If the client's origin cannot stand in a header.
    pub fn router(&self) -> anyhow::Result<Router> {
        let client = self.state.client.redirect_uri.origin();
        // Browsers hold redirects that follow a form to this directive too.
        let form_targets = format!("'self' {}", client.ascii_serialization());
        let router = Router::new()
            .route("/", get(user::home))
            .route(
                "/.well-known/openid-configuration",
                get(discovery::metadata),
            )
            .route("/jwks", get(discovery::jwks))
            .route("/authorize", get(authorize::show).post(authorize::sign_in))
            .route("/token", post(token::issue))
            .route("/userinfo", get(user::info).post(user::info))
            .route("/revoke", post(token::revoke))
            .route(
                "/end_session",
                get(logout::by_client).post(logout::confirmed),
            )
            .route("/sign-out", post(logout::by_user))
            .route("/provider.css", get(page::stylesheet))
            .with_state(Arc::clone(&self.state));
        secured(router, &forms_policy(&form_targets))
    }
}

impl std::fmt::Debug for DemonstrationProvider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DemonstrationProvider")
            .field("issuer", &self.state.issuer)
            .finish_non_exhaustive()
    }
}
