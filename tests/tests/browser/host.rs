//! The example host, with a demonstration provider, on ports of its own.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use bff_host::{Host, Options};
use clap::Parser as _;
use serde_json::json;
use store_core::SystemClock;
use store_tests::OpenIdProvider;
use tempfile::TempDir;

use crate::tab::Tab;

/// A host, and what it is to users.
pub(crate) struct Bff {
    pub(crate) host: Host,
    url: String,
    _directory: TempDir,
}

impl Bff {
    /// On an SQLite file of its own, with these options more.
    pub(crate) async fn start(options: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let database = directory.path().join("bff-host.db");
        let database = format!("sqlite://{}?mode=rwc", database.display());
        let port = options.contains(&"--listen");
        let listen = ["--listen", "127.0.0.1:0"];
        let listen = if port { &[][..] } else { &listen[..] };
        let usual = [
            "bff-host",
            "--demonstration-listen",
            "127.0.0.1:0",
            "--database-url",
            &database,
        ];
        let options = Options::try_parse_from([&usual, listen, options].concat()).expect("options");
        let host = Host::start(&options, Arc::new(SystemClock)).await;
        let host = host.expect("the host starts");
        let url = host.url().as_str().trim_end_matches('/').to_owned();
        Self {
            host,
            url,
            _directory: directory,
        }
    }

    /// At the certified provider, as one of its clients. `None` where that is not to be had.
    pub(crate) async fn start_at_certified_provider() -> Option<(Self, OpenIdProvider)> {
        let listen = free_address().to_string();
        let at = |path: &str| format!("http://{listen}{path}");
        let secret = "a secret that is long enough for the provider";
        let provider = OpenIdProvider::start(&json!({ "clients": [{
            "client_id": "bff-host",
            "client_secret": secret,
            "redirect_uris": [at("/bff/callback")],
            "post_logout_redirect_uris": [at("/bff/logout/callback")],
            "backchannel_logout_uri": at("/bff/backchannel"),
            "backchannel_logout_session_required": true,
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
        }] }))
        .await?;
        let issuer = provider.issuer();
        let options = [
            ["--listen", &listen],
            ["--issuer", issuer],
            ["--client-secret", secret],
            ["--scope", "openid profile email"],
            ["--admins", "admin"],
        ];
        let bff = Self::start(options.as_flattened()).await;
        Some((bff, provider))
    }

    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Signs a user in, from the front page to the session's page.
    pub(crate) async fn sign_in(&self, tab: &Tab, name: &str) {
        tab.open(&self.at("/")).await;
        tab.click("#sign-in").await;
        self.say_who(tab, name).await;
    }

    /// Says who one is, on the provider's page.
    pub(crate) async fn say_who(&self, tab: &Tab, name: &str) {
        tab.sees("h1", "Who are you?").await;
        assert!(tab.url().await.starts_with(self.host.issuer()));
        tab.submit("#name", name).await;
        tab.sees("#hello", &format!("Hello, {}", capitalized(name)))
            .await;
    }

    pub(crate) async fn shut_down(self) {
        self.host.shut_down().await;
    }
}

/// An address at which nobody listens at the moment.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

fn capitalized(name: &str) -> String {
    name[..1].to_uppercase() + &name[1..]
}
