//! The example host, with a demonstration provider, on ports of its own.

use std::sync::Arc;

use bff_host::{Host, Options};
use clap::Parser as _;
use store_core::SystemClock;
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
        let usual = [
            "bff-host",
            "--listen",
            "127.0.0.1:0",
            "--demonstration-listen",
            "127.0.0.1:0",
            "--database-url",
            &database,
        ];
        let options = Options::try_parse_from([&usual, options].concat()).expect("options");
        let host = Host::start(&options, Arc::new(SystemClock)).await;
        let host = host.expect("the host starts");
        let url = host.url().as_str().trim_end_matches('/').to_owned();
        Self {
            host,
            url,
            _directory: directory,
        }
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

pub(crate) fn capitalized(name: &str) -> String {
    name[..1].to_uppercase() + &name[1..]
}
