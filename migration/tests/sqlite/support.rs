//! A SQLite file in a folder that goes with the test.

use std::path::PathBuf;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Statement};
use tempfile::TempDir;

pub(crate) struct TestFile {
    folder: TempDir,
}

impl TestFile {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn url(&self) -> String {
        format!("sqlite://{}?mode=rwc", self.path("sessions.db").display())
    }

    /// A pool of its own, of one connection: what every test runs on, so that a second connection
    /// taken in the middle of a run would show as a time-out.
    pub(crate) async fn connect(&self) -> DatabaseConnection {
        let mut options = ConnectOptions::new(self.url());
        options
            .max_connections(1)
            .acquire_timeout(std::time::Duration::from_secs(10));
        Database::connect(options).await.unwrap()
    }
}

/// What is in the file, by kind and name, without what SQLite adds by itself.
pub(crate) async fn objects(db: &DatabaseConnection) -> Vec<String> {
    texts(
        db,
        "SELECT type || ' ' || name FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
         ORDER BY 1",
    )
    .await
}

pub(crate) async fn texts(db: &DatabaseConnection, sql: &str) -> Vec<String> {
    let rows = db
        .query_all_raw(Statement::from_string(db.get_database_backend(), sql))
        .await
        .unwrap();
    rows.iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect()
}
