//! Servers that tests may use: found, or started for them.
//!
//! For each kind of server, in this order:
//!
//! 1. the server that the environment names: `TEST_POSTGRES_URL`, `TEST_MYSQL_URL`,
//!    `TEST_MARIADB_URL`, each the URL of a user who may create databases. `none` says that there is
//!    none, and that none is to be started;
//! 2. a container, where a Docker engine answers;
//! 3. a throw-away server in a temporary directory, where its binaries are installed.
//!
//! A server that was started here ends with this process, in whatever way the process ends: it lives
//! as long as a stream that the process holds open.

pub(crate) mod admin;
mod docker;
mod local;
mod url;

use std::{
    any::Any,
    fmt,
    path::PathBuf,
    sync::{LazyLock, Mutex},
};

use tokio::{
    runtime::{self, Runtime},
    sync::OnceCell,
};

pub use self::admin::sqlite_version;
use crate::DatabaseKind;

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServerKind {
    /// PostgreSQL.
    Postgres,
    /// MySQL.
    MySql,
    /// MariaDB.
    MariaDb,
}

impl ServerKind {
    /// All of them.
    pub const ALL: [ServerKind; 3] = [Self::Postgres, Self::MySql, Self::MariaDb];

    /// The database that it serves.
    pub fn database(self) -> DatabaseKind {
        match self {
            Self::Postgres => DatabaseKind::Postgres,
            Self::MySql => DatabaseKind::MySql,
            Self::MariaDb => DatabaseKind::MariaDb,
        }
    }

    /// The environment variable with the URL of one.
    pub fn url_variable(self) -> &'static str {
        match self {
            Self::Postgres => "TEST_POSTGRES_URL",
            Self::MySql => "TEST_MYSQL_URL",
            Self::MariaDb => "TEST_MARIADB_URL",
        }
    }

    /// The URL of a server that was started here, which has no passwords.
    fn url_at(self, host: &str, port: u16) -> String {
        match self {
            Self::Postgres => format!("postgres://postgres@{host}:{port}/postgres"),
            Self::MySql | Self::MariaDb => format!("mysql://root@{host}:{port}/mysql"),
        }
    }
}

impl fmt::Display for ServerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.database().fmt(f)
    }
}

/// A server that answers.
#[derive(Debug)]
pub struct Server {
    kind: ServerKind,
    url: String,
    version: String,
    origin: Origin,
    _lifeline: Option<Lifeline>,
}

impl Server {
    /// Which kind it is.
    pub fn kind(&self) -> ServerKind {
        self.kind
    }

    /// Where it is, for a user who may create databases.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it answers to `SELECT version()`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Where it comes from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The URL of one of its databases.
    pub(crate) fn url_of(&self, database: &str) -> String {
        url::of_database(&self.url, database)
    }
}

/// Where a server comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This environment variable names it.
    Environment(&'static str),
    /// A container of this image.
    Docker(String),
    /// The binaries in this directory.
    Local(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(variable) => f.write_str(variable),
            Self::Docker(image) => write!(f, "Docker, {image}"),
            Self::Local(directory) => write!(f, "local binaries {}", directory.display()),
        }
    }
}

/// Why there is no server of a kind. The alternate form, `{:#}`, goes into the causes.
#[derive(Debug)]
pub enum NoServer {
    /// The environment says that there is none.
    Declined {
        /// The variable that says so.
        variable: &'static str,
    },
    /// The environment names one that does not answer, or is of another kind. No other is looked
    /// for: tests that run elsewhere than they were told to would mislead.
    Unreachable {
        /// The variable that names it.
        variable: &'static str,
        /// What came of trying it.
        cause: anyhow::Error,
    },
    /// Nowhere was one found, and none could be started.
    Nowhere {
        /// The variable that could have named one.
        variable: &'static str,
        /// Why there is no container.
        docker: anyhow::Error,
        /// Why there is none from local binaries.
        local: anyhow::Error,
    },
}

impl fmt::Display for NoServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// The error, and after it in brackets, if it is wanted, what caused it.
        fn with_causes(f: &mut fmt::Formatter<'_>, error: &anyhow::Error) -> fmt::Result {
            write!(f, "{error}")?;
            let causes: Vec<_> = error.chain().skip(1).map(ToString::to_string).collect();
            if f.alternate() && !causes.is_empty() {
                write!(f, " ({})", causes.join(": "))?;
            }
            Ok(())
        }

        match self {
            Self::Declined { variable } => write!(f, "{variable} is `none`"),
            Self::Unreachable { variable, cause } => {
                write!(f, "{variable} leads to no server: ")?;
                with_causes(f, cause)
            }
            Self::Nowhere {
                variable,
                docker,
                local,
            } => {
                write!(f, "no server in {variable}, ")?;
                with_causes(f, docker)?;
                f.write_str(", ")?;
                with_causes(f, local)
            }
        }
    }
}

/// What a started server lives as long as.
#[expect(dead_code, reason = "they are held for what dropping them does")]
struct Lifeline(Mutex<Box<dyn Any + Send>>);

impl Lifeline {
    fn new(held: impl Any + Send) -> Self {
        Self(Mutex::new(Box::new(held)))
    }
}

impl fmt::Debug for Lifeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lifeline")
    }
}

/// The runtime that servers are started on. Each test has a runtime of its own, and ends it; what a
/// server lives on must outlast them all.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("servers")
        .enable_all()
        .build()
        .expect("a runtime for the servers")
});

/// Finds or starts a server of `kind`. It is done once per process; later calls are answered from
/// memory.
///
/// # Errors
/// The reason there is none.
pub async fn find(kind: ServerKind) -> Result<&'static Server, &'static NoServer> {
    static POSTGRES: OnceCell<Result<Server, NoServer>> = OnceCell::const_new();
    static MYSQL: OnceCell<Result<Server, NoServer>> = OnceCell::const_new();
    static MARIADB: OnceCell<Result<Server, NoServer>> = OnceCell::const_new();

    let found = match kind {
        ServerKind::Postgres => &POSTGRES,
        ServerKind::MySql => &MYSQL,
        ServerKind::MariaDb => &MARIADB,
    };
    found
        .get_or_init(|| async move {
            RUNTIME
                .spawn(look_for(kind))
                .await
                .expect("the look-up does not panic")
        })
        .await
        .as_ref()
}

/// Finds or starts one server of each kind, all at the same time, and answers in the order of
/// [`ServerKind::ALL`].
pub async fn find_all() -> Vec<(ServerKind, Result<&'static Server, &'static NoServer>)> {
    // A task for each: containers that are awaited together in one task hang now and then.
    let lookups = ServerKind::ALL.map(|kind| (kind, tokio::spawn(find(kind))));
    let mut found = Vec::new();
    for (kind, lookup) in lookups {
        found.push((kind, lookup.await.expect("the look-up does not panic")));
    }
    found
}

async fn look_for(kind: ServerKind) -> Result<Server, NoServer> {
    let variable = kind.url_variable();
    match url::from_env(kind) {
        url::Named::None => return Err(NoServer::Declined { variable }),
        url::Named::Url(url) => {
            let version = admin::version(kind, &url, admin::CONNECTS_WITHIN)
                .await
                .map_err(|cause| NoServer::Unreachable { variable, cause })?;
            let origin = Origin::Environment(variable);
            return Ok(Server {
                kind,
                url,
                version,
                origin,
                _lifeline: None,
            });
        }
        url::Named::Nothing => {}
    }
    let docker = match docker::start(kind).await {
        Ok(server) => return Ok(server),
        Err(error) => error,
    };
    let local = match local::start(kind).await {
        Ok(server) => return Ok(server),
        Err(error) => error,
    };
    Err(NoServer::Nowhere {
        variable,
        docker,
        local,
    })
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    fn nowhere() -> NoServer {
        NoServer::Nowhere {
            variable: "TEST_MYSQL_URL",
            docker: anyhow!("connection refused").context("no Docker engine"),
            local: anyhow!("no local binaries"),
        }
    }

    #[test]
    fn a_reason_names_every_place_that_was_looked_in() {
        assert_eq!(
            nowhere().to_string(),
            "no server in TEST_MYSQL_URL, no Docker engine, no local binaries",
        );
    }

    #[test]
    fn the_alternate_form_of_a_reason_has_its_causes() {
        assert_eq!(
            format!("{:#}", nowhere()),
            "no server in TEST_MYSQL_URL, no Docker engine (connection refused), no local binaries",
        );
    }

    #[test]
    fn an_origin_says_what_to_look_at() {
        let local = Origin::Local(PathBuf::from("/usr/lib/postgresql/17/bin"));
        assert_eq!(
            local.to_string(),
            "local binaries /usr/lib/postgresql/17/bin"
        );
        assert_eq!(
            Origin::Docker("mysql:9.7".to_owned()).to_string(),
            "Docker, mysql:9.7"
        );
    }
}
