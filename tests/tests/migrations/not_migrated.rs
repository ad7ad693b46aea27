//! A store on a database that was not migrated, or not far enough.

use sea_orm::{DatabaseConnection, DbBackend};
use store_core::{Error, UserSessionStore as _};
use store_seaorm::SeaOrmUserSessionStore;
use store_tests::{TestDatabase, every_operation, on_every_database, sample};

use crate::support::execute;

/// On an empty database every operation answers `NotMigrated`, and the answer says what to do.
async fn every_operation_says_so(db: TestDatabase) {
    let store = SeaOrmUserSessionStore::connect(db.url()).await.unwrap();
    for (operation, outcome) in every_operation(&store).await {
        let error = outcome.expect_err(operation);
        assert!(
            matches!(error, Error::NotMigrated),
            "{operation}: {error:?}"
        );
        assert!(
            error
                .to_string()
                .contains("store_migration::up(store.connection())"),
            "{operation}: {error}"
        );
    }
}

/// So does every operation on a schema that is missing.
async fn so_does_a_schema_that_is_missing(db: TestDatabase) {
    let store = SeaOrmUserSessionStore::builder()
        .schema("no_such_schema")
        .connect(db.url())
        .await
        .unwrap();
    for (operation, outcome) in every_operation(&store).await {
        assert!(
            matches!(outcome, Err(Error::NotMigrated)),
            "{operation}: {outcome:?}"
        );
    }
}

/// A table that lacks any one of the columns is an older one.
async fn an_older_table_is_not_migrated(db: TestDatabase) {
    let store = SeaOrmUserSessionStore::connect(db.url()).await.unwrap();
    let db = store.connection();
    for column in COLUMNS {
        table_without(column, db).await;
        let session = sample::session("older");
        let got = store.get_user_session(&session.key).await;
        assert!(
            matches!(got, Err(Error::NotMigrated)),
            "get, no {column}: {got:?}"
        );
        let created = store.create_user_session(session).await;
        assert!(
            matches!(created, Err(Error::NotMigrated)),
            "create, no {column}: {created:?}"
        );
        execute(db, "DROP TABLE user_sessions").await;
    }
}

const COLUMNS: [&str; 9] = [
    "partition_key",
    "user_key",
    "subject_id",
    "session_id",
    "created",
    "renewed",
    "expires",
    "version",
    "ticket",
];

async fn table_without(missing: &str, db: &DatabaseConnection) {
    let [text, time, bytes] = match db.get_database_backend() {
        DbBackend::Postgres => ["text", "timestamptz", "bytea"],
        DbBackend::MySql => ["varbinary(255)", "datetime(6)", "longblob"],
        _ => ["text", "integer", "blob"],
    };
    let columns: Vec<String> = COLUMNS
        .into_iter()
        .filter(|&column| column != missing)
        .map(|column| {
            let of_type = match column {
                "created" | "renewed" | "expires" => time,
                "version" => "bigint",
                "ticket" => bytes,
                _ => text,
            };
            format!("{column} {of_type}")
        })
        .collect();
    let columns = columns.join(", ");
    execute(db, &format!("CREATE TABLE user_sessions ({columns})")).await;
}

on_every_database!(
    every_operation_says_so,
    so_does_a_schema_that_is_missing,
    an_older_table_is_not_migrated,
);

mod locks {
    use super::*;
    use store_core::StartPolicy;
    use store_tests::{TestStore, on_databases};

    /// Without all the rows that it locks, nothing that needs the lock is done.
    async fn that_are_missing_are_not_migrated(db: TestDatabase) {
        let store = TestStore::new(db).await;
        let (policy, session) = (StartPolicy::default(), sample::session("locked"));
        for cut in [
            "DELETE FROM user_sessions_locks",
            "DROP TABLE user_sessions_locks",
        ] {
            execute(store.connection(), cut).await;
            let started = store.start_user_session(session.clone(), &policy).await;
            assert!(
                matches!(started, Err(Error::NotMigrated)),
                "{cut}: {started:?}"
            );
            assert_eq!(store.get_user_session(&session.key).await.unwrap(), None);
        }
    }

    on_databases!([mysql, mariadb]: that_are_missing_are_not_migrated);
}
