//! A database of a test's own.

use std::{
    collections::HashSet,
    io::{self, Write},
    process,
    sync::{
        LazyLock, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use sea_orm::{ConnectOptions, Database, DatabaseConnection};
use tempfile::TempDir;

use crate::{
    DatabaseKind, RequiredDatabases,
    servers::{self, NoServer, Server, ServerKind, admin},
};

/// A database of a test's own: empty, and removed when dropped.
#[derive(Debug)]
pub struct TestDatabase {
    kind: DatabaseKind,
    url: String,
    _remains: Remains,
}

/// What is left to remove when the test is over.
#[derive(Debug)]
#[expect(dead_code, reason = "they are held for what dropping them does")]
enum Remains {
    Nothing,
    Directory(TempDir),
    Database(ServerDatabase),
}

impl TestDatabase {
    /// Creates one. `None` where there is no server to be had: the test is skipped, which is said on
    /// standard error, once for each kind.
    ///
    /// # Panics
    /// Where `REQUIRE_DATABASES` names a database that is not to be had, where a server's URL in the
    /// environment leads to none, and where a server does not create a database.
    pub async fn create(kind: DatabaseKind) -> Option<TestDatabase> {
        match kind.server() {
            None if kind == DatabaseKind::SqliteMemory => Some(Self {
                kind,
                url: "sqlite::memory:".to_owned(),
                _remains: Remains::Nothing,
            }),
            None => {
                let directory = tempfile::tempdir().expect("a temporary directory");
                let url = format!(
                    "sqlite://{}?mode=rwc",
                    directory.path().join("test.db").display()
                );
                Some(Self {
                    kind,
                    url,
                    _remains: Remains::Directory(directory),
                })
            }
            Some(server_kind) => {
                let server = match servers::find(server_kind).await {
                    Ok(server) => server,
                    Err(reason) => {
                        skip(kind, reason);
                        return None;
                    }
                };
                let database = ServerDatabase::create(server)
                    .await
                    .unwrap_or_else(|error| panic!("{kind} creates no database: {error:?}"));
                let url = server.url_of(&database.name);
                Some(Self {
                    kind,
                    url,
                    _remains: Remains::Database(database),
                })
            }
        }
    }

    /// Which database it is.
    pub fn kind(&self) -> DatabaseKind {
        self.kind
    }

    /// What to connect to: `sqlite:…`, `postgres://…`, or `mysql://…`, for MariaDB too.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A plain pool, for what a test does beside the store.
    ///
    /// # Panics
    /// Where it does not connect.
    pub async fn connect(&self) -> DatabaseConnection {
        let mut options = ConnectOptions::new(&self.url);
        options.sqlx_logging(false);
        Database::connect(options)
            .await
            .unwrap_or_else(|error| panic!("{} does not connect: {error:?}", self.kind))
    }
}

/// Says on a line of its own that tests on `kind` are skipped, and why; once, or there would be as
/// many such lines as tests.
fn skip(kind: DatabaseKind, reason: &NoServer) {
    static SAID: LazyLock<Mutex<HashSet<DatabaseKind>>> = LazyLock::new(Mutex::default);

    if matches!(reason, NoServer::Unreachable { .. }) {
        panic!("{kind}: {reason:#}");
    }
    let required =
        RequiredDatabases::from_env().unwrap_or_else(|error| panic!("REQUIRE_DATABASES: {error}"));
    if required.contains(kind) {
        panic!("{kind} is required by REQUIRE_DATABASES: {reason:#}");
    }
    if SAID
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(kind)
    {
        // Not `eprintln!`, which the test harness keeps to itself when the test passes.
        let _ = writeln!(io::stderr(), "skipped: {kind}: {reason:#}");
    }
}

/// A database on a server, dropped when dropped.
#[derive(Debug)]
struct ServerDatabase {
    server: ServerKind,
    server_url: String,
    name: String,
}

impl ServerDatabase {
    async fn create(server: &Server) -> anyhow::Result<Self> {
        // Set up first, so that a test that is cut short in between leaves nothing behind.
        let database = Self {
            server: server.kind(),
            server_url: server.url().to_owned(),
            name: unique_name(),
        };
        admin::create_database(server.kind(), server.url(), &database.name).await?;
        Ok(database)
    }
}

impl Drop for ServerDatabase {
    /// Runs on a thread with a runtime of its own, which also works while a test panics.
    fn drop(&mut self) {
        let (server, url, name) = (self.server, &self.server_url, &self.name);
        let dropped = thread::scope(|scope| {
            let thread = scope.spawn(move || {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?
                    .block_on(admin::drop_database(server, url, name))
            });
            thread.join()
        });
        match dropped {
            Ok(Ok(())) => {}
            Ok(Err(error)) => eprintln!("database {name} is left behind: {error:?}"),
            Err(_) => eprintln!("database {name} is left behind: the thread to drop it panicked"),
        }
    }
}

/// A name that no other test has: not in this process, nor in another one on this machine, nor in
/// one on another machine that shares the server.
fn unique_name() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);

    let process = process::id();
    let counter = COUNTER.fetch_add(1, Ordering::Relaxed);
    let random = fastrand::u32(..);
    format!("test_{process}_{counter}_{random:08x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_repeat() {
        let names: HashSet<String> = (0..1_000).map(|_| unique_name()).collect();
        assert_eq!(names.len(), 1_000);
    }

    #[test]
    fn names_are_identifiers_that_need_no_quoting() {
        let name = unique_name();
        assert!(name.len() < 64);
        assert!(
            name.bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_')),
            "{name}"
        );
    }
}
