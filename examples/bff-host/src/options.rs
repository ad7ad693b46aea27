//! What the command line and the environment say.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};
use clap::{Parser, ValueEnum};
use url::{Host, Url};

/// A backend for a front end on server-side sessions.
///
/// Without any option it keeps its sessions in the file bff-host.db, serves plain http on loopback,
/// and starts a demonstration OpenID provider, at which anybody signs in as anybody. That is for
/// development. A public URL with https is production: then the issuer and the session keys have to
/// be given, and cookies are Secure.
#[derive(Clone, Parser)]
#[command(version)]
pub struct Options {
    /// Where to listen.
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:3000")]
    pub listen: SocketAddr,

    /// The address that browsers know the host by [default: http:// and where it listens]
    #[arg(long, env = "PUBLIC_URL")]
    pub public_url: Option<Url>,

    /// Where the sessions are: sqlite:, postgres: or mysql: (MariaDB too).
    #[arg(
        long,
        env = "DATABASE_URL",
        default_value = "sqlite://bff-host.db?mode=rwc",
        hide_env_values = true
    )]
    pub database_url: String,

    /// The OpenID provider [default: a demonstration provider of its own]
    #[arg(long, env = "ISSUER")]
    pub issuer: Option<String>,

    /// The host's name at the provider.
    #[arg(long, env = "CLIENT_ID", default_value = "bff-host")]
    pub client_id: String,

    /// What the host proves itself with at the provider.
    #[arg(long, env = "CLIENT_SECRET", hide_env_values = true)]
    pub client_secret: Option<String>,

    /// What the host asks of the provider.
    #[arg(
        long,
        env = "SCOPE",
        default_value = "openid profile email offline_access"
    )]
    pub scope: String,

    /// Who may see everybody's sessions, by their subject at the provider, separated by commas
    /// [default: nobody; at the demonstration provider, admin]
    #[arg(long = "admins", env = "ADMINS", value_delimiter = ',')]
    pub admins: Vec<String>,

    /// The API behind the host [default: one of its own]
    #[arg(long, env = "UPSTREAM_URL")]
    pub upstream_url: Option<Url>,

    /// A file with the keys that encrypt the sessions, the newest one first. SESSION_KEYS may hold
    /// the keys themselves instead [default in development: a file beside the database, which is
    /// made if it is not there]
    #[arg(long, env = "SESSION_KEYS_FILE")]
    pub session_keys_file: Option<PathBuf>,

    /// Which cookies: secure ones are for https, and browsers take them from localhost as well.
    #[arg(long, env = "COOKIES", value_enum)]
    pub cookies: Option<Cookies>,

    /// Where the demonstration provider listens. Its port is a part of its name: sessions are of no
    /// use to a provider on another one.
    #[arg(long, env = "DEMONSTRATION_LISTEN", default_value = "127.0.0.1:3001")]
    pub demonstration_listen: SocketAddr,
}

/// Which cookies the browser gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Cookies {
    /// `__Host-`, Secure.
    Secure,
    /// For plain http on localhost.
    Development,
}

/// Whether the host is in production.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The public URL is https.
    Production,
    /// It is http, on this machine.
    Development,
}

impl Options {
    /// The address that browsers know the host by, when it listens there.
    pub(crate) fn public_url(&self, listening: SocketAddr) -> anyhow::Result<Url> {
        match &self.public_url {
            Some(url) => Ok(url.clone()),
            None => Url::parse(&format!("http://{listening}")).context("the public URL"),
        }
    }

    /// Production where the public URL is https. Plain http that leaves the machine is refused.
    pub(crate) fn mode(&self, public_url: &Url) -> anyhow::Result<Mode> {
        let at_the_root = public_url.path() == "/" && public_url.query().is_none();
        ensure!(at_the_root, "the public URL has no path");
        if let Some(upstream) = &self.upstream_url {
            ensure!(
                upstream.scheme() == "https"
                    || (upstream.scheme() == "http" && is_loopback(upstream)),
                "access tokens go over https, or stay on this machine: --upstream-url"
            );
        }
        match public_url.scheme() {
            "https" => {
                ensure!(
                    self.issuer.is_some(),
                    "an https host needs a real provider: --issuer"
                );
                ensure!(
                    self.cookies != Some(Cookies::Development),
                    "an https host has secure cookies"
                );
                Ok(Mode::Production)
            }
            "http" if is_loopback(public_url) => {
                ensure!(
                    self.listen.ip().is_loopback(),
                    "with a public URL of plain http it listens on this machine alone"
                );
                Ok(Mode::Development)
            }
            "http" => bail!("plain http is for this machine alone: give an https --public-url"),
            other => bail!("the public URL is http or https, not {other}"),
        }
    }

    pub(crate) fn cookies(&self, mode: Mode) -> Cookies {
        self.cookies.unwrap_or(match mode {
            Mode::Production => Cookies::Secure,
            Mode::Development => Cookies::Development,
        })
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Neither the client's secret nor the database's password.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("listen", &self.listen)
            .field("public_url", &self.public_url.as_ref().map(Url::as_str))
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(arguments: &[&str]) -> anyhow::Result<Mode> {
        let options = Options::try_parse_from([&["bff-host"], arguments].concat())?;
        let listening = "127.0.0.1:3000".parse()?;
        options.mode(&options.public_url(listening)?)
    }

    #[test]
    fn without_options_it_is_for_development() {
        assert_eq!(mode(&[]).unwrap(), Mode::Development);
        assert_eq!(
            mode(&["--public-url", "http://localhost:3000"]).unwrap(),
            Mode::Development
        );
        assert_eq!(
            mode(&["--public-url", "http://[::1]:3000/"]).unwrap(),
            Mode::Development
        );
    }

    #[test]
    fn https_is_production_and_needs_a_provider() {
        let https = ["--public-url", "https://bff.example"];
        assert!(mode(&https).is_err());
        let with_issuer = [&https[..], &["--issuer", "https://op.example"]].concat();
        assert_eq!(mode(&with_issuer).unwrap(), Mode::Production);
        let with_open_cookies = [&with_issuer[..], &["--cookies", "development"]].concat();
        assert!(mode(&with_open_cookies).is_err());
    }

    #[test]
    fn plain_http_does_not_leave_the_machine() {
        for url in [
            "http://bff.example",
            "http://10.0.0.1:3000",
            "http://localhost.example",
            "ftp://localhost",
            "http://localhost/bff",
        ] {
            assert!(mode(&["--public-url", url]).is_err(), "{url}");
        }
    }

    #[test]
    fn plain_http_is_not_served_beyond_the_machine() {
        for listen in ["0.0.0.0:3000", "10.0.0.1:3000", "[::]:3000"] {
            let plain = ["--listen", listen, "--public-url", "http://localhost:3000"];
            assert!(mode(&plain).is_err(), "{listen}");
            let https = [
                "--public-url",
                "https://bff.example",
                "--issuer",
                "https://op",
            ];
            let https = [&["--listen", listen], &https[..]].concat();
            assert_eq!(mode(&https).unwrap(), Mode::Production, "{listen}");
        }
    }

    #[test]
    fn access_tokens_do_not_leave_the_machine_over_plain_http() {
        for url in [
            "http://api.example",
            "http://10.0.0.1/api",
            "ftp://localhost",
        ] {
            assert!(mode(&["--upstream-url", url]).is_err(), "{url}");
        }
        for url in ["https://api.example", "http://127.0.0.1:4000/api"] {
            assert!(mode(&["--upstream-url", url]).is_ok(), "{url}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let secrets = [
            "--client-secret",
            "s1cret",
            "--database-url",
            "postgres://a:s2cret@b/c",
        ];
        let options = Options::try_parse_from([&["bff-host"], &secrets[..]].concat()).unwrap();
        let shown = format!("{options:?}");
        assert!(
            !shown.contains("s1cret") && !shown.contains("s2cret"),
            "{shown}"
        );
    }
}
