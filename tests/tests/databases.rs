//! Each test has a database of its own, and leaves nothing behind.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use sea_orm::{ConnectionTrait, DatabaseConnection, Statement, TransactionTrait};
use store_tests::{DatabaseKind, TestDatabase, on_every_database};

/// The number that `sql` selects.
async fn number(db: &DatabaseConnection, sql: &str) -> i64 {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    db.query_one_raw(statement)
        .await
        .unwrap()
        .unwrap()
        .try_get_by_index(0)
        .unwrap()
}

/// It can be connected to, and written to.
async fn takes_a_table(db: TestDatabase) {
    let connection = db.connect().await;
    connection
        .execute_unprepared("CREATE TABLE t (id int)")
        .await
        .unwrap();
    connection
        .execute_unprepared("INSERT INTO t VALUES (1), (2)")
        .await
        .unwrap();

    assert_eq!(number(&connection, "SELECT count(*) FROM t").await, 2);
}

/// Its URL says what kind of database it is.
async fn has_the_url_of_its_kind(db: TestDatabase) {
    let scheme = match db.kind() {
        DatabaseKind::Sqlite => "sqlite://",
        DatabaseKind::SqliteMemory => "sqlite::memory:",
        DatabaseKind::Postgres => "postgres",
        DatabaseKind::MySql | DatabaseKind::MariaDb => "mysql://",
    };
    assert!(db.url().starts_with(scheme), "{}", db.url());
}

/// What one test writes, another doesn't see.
async fn is_a_tests_own(db: TestDatabase) {
    let other = TestDatabase::create(db.kind()).await.unwrap();
    let (connection, other_connection) = (db.connect().await, other.connect().await);

    connection
        .execute_unprepared("CREATE TABLE t (id int)")
        .await
        .unwrap();

    other_connection
        .execute_unprepared("SELECT * FROM t")
        .await
        .unwrap_err();
    other_connection
        .execute_unprepared("CREATE TABLE t (id int)")
        .await
        .unwrap();
}

/// Whether the server of `db` still has the database that was at `url`.
async fn exists(db: &TestDatabase, url: &str) -> bool {
    let name = url.rsplit('/').next().unwrap();
    let sql = match db.kind() {
        DatabaseKind::Sqlite => {
            let file = url
                .trim_start_matches("sqlite://")
                .trim_end_matches("?mode=rwc");
            return Path::new(file).exists();
        }
        DatabaseKind::SqliteMemory => return false,
        DatabaseKind::Postgres => {
            format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'")
        }
        DatabaseKind::MySql | DatabaseKind::MariaDb => {
            format!("SELECT count(*) FROM information_schema.schemata WHERE schema_name = '{name}'")
        }
    };
    number(&db.connect().await, &sql).await > 0
}

/// Dropping it removes it, whatever is still going on in it.
async fn is_gone_when_dropped(db: TestDatabase) {
    let dropped = TestDatabase::create(db.kind()).await.unwrap();
    let url = dropped.url().to_owned();
    let connection = dropped.connect().await;
    connection
        .execute_unprepared("CREATE TABLE t (id int)")
        .await
        .unwrap();
    let transaction = connection.begin().await.unwrap();
    transaction
        .execute_unprepared("INSERT INTO t VALUES (1)")
        .await
        .unwrap();

    drop(dropped);

    assert!(!exists(&db, &url).await);
}

/// A test that panics leaves nothing behind either.
async fn is_gone_after_a_panic(db: TestDatabase) {
    let doomed = TestDatabase::create(db.kind()).await.unwrap();
    let url = doomed.url().to_owned();
    let panicking = tokio::spawn(async move {
        let _doomed = doomed;
        panic!("on purpose");
    });
    assert!(panicking.await.unwrap_err().is_panic());

    assert!(!exists(&db, &url).await);
}

on_every_database!(
    takes_a_table,
    has_the_url_of_its_kind,
    is_a_tests_own,
    is_gone_when_dropped,
    is_gone_after_a_panic,
);
