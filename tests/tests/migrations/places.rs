//! Other schemas, other tables.

use sea_orm::DatabaseConnection;
use store_core::{Error, PartitionKey, UserSessionDirectory as _, UserSessionStore as _};
use store_migration::Migrator;
use store_seaorm::SeaOrmUserSessionStore;
use store_tests::{
    DatabaseKind, TestDatabase, every_operation, host_pool, on_every_database, sample,
};

use crate::support::{MissingSchema, execute, tables};

/// A pool on which the schema can be made: of one connection on SQLite, where it is attached.
async fn pool(db: &TestDatabase, schema: &str) -> DatabaseConnection {
    match db.kind() {
        DatabaseKind::Sqlite | DatabaseKind::SqliteMemory => {
            let attach = format!("ATTACH DATABASE ':memory:' AS {schema}");
            host_pool(db.url(), 1, &attach).await
        }
        _ => host_pool(db.url(), 4, "").await,
    }
}

/// The store does everything in a schema and a table of other names.
async fn a_schema_and_a_table_of_ones_own(db: TestDatabase) {
    let schema = MissingSchema::beside(&db).await;
    let connection = pool(&db, &schema.name).await;
    let migrator = Migrator::new().schema(&schema.name).table("sessions");
    migrator.up(&connection).await.unwrap();
    assert!(migrator.is_current(&connection).await.unwrap());
    assert!(
        tables(&connection).await.is_empty(),
        "all of it is in the schema"
    );

    let store = SeaOrmUserSessionStore::builder()
        .schema(&schema.name)
        .table("sessions")
        .build(connection.clone());
    for (operation, outcome) in every_operation(&store).await {
        outcome.unwrap_or_else(|error| panic!("{operation}: {error:?}"));
    }

    migrator.down(&connection).await.unwrap();
    assert!(!migrator.is_current(&connection).await.unwrap());
    let counted = store
        .count_user_sessions(&PartitionKey::default(), None)
        .await;
    assert!(matches!(counted, Err(Error::NotMigrated)), "{counted:?}");
}

/// A store of its own connections finds the schema too.
async fn a_schema_is_found_by_connect(db: TestDatabase) {
    let missing = MissingSchema::beside(&db).await;
    let schema = match db.kind() {
        // What is attached is attached to one connection.
        DatabaseKind::Sqlite | DatabaseKind::SqliteMemory => "main",
        _ => &missing.name,
    };
    let store = SeaOrmUserSessionStore::builder()
        .schema(schema)
        .connect(db.url())
        .await
        .unwrap();
    let migrator = Migrator::new().schema(schema);
    migrator.up(store.connection()).await.unwrap();
    for (operation, outcome) in every_operation(&store).await {
        outcome.unwrap_or_else(|error| panic!("{operation}: {error:?}"));
    }
}

/// Two tables in one database know nothing of each other: the same keys, other sessions, and going
/// down with one leaves the other.
async fn two_tables_are_two_stores(db: TestDatabase) {
    let connection = host_pool(db.url(), 1, "").await;
    let (users, admins) = (Migrator::new(), Migrator::new().table("admin_sessions"));
    users.up(&connection).await.unwrap();
    assert!(!admins.is_current(&connection).await.unwrap());
    admins.up(&connection).await.unwrap();

    let of_users = SeaOrmUserSessionStore::new(connection.clone());
    let of_admins = SeaOrmUserSessionStore::builder()
        .table("admin_sessions")
        .build(connection.clone());
    let session = sample::session("shared");
    of_users.create_user_session(session.clone()).await.unwrap();
    assert_eq!(
        of_admins.get_user_session(&session.key).await.unwrap(),
        None
    );
    let mut other = session.clone();
    other.ticket = "of an admin".into();
    of_admins.create_user_session(other.clone()).await.unwrap();
    assert!(of_users.delete_user_session(&session.key).await.unwrap());
    assert_eq!(
        of_admins.get_user_session(&session.key).await.unwrap(),
        Some(other)
    );

    users.down(&connection).await.unwrap();
    assert!(admins.is_current(&connection).await.unwrap());
    assert!(!users.is_current(&connection).await.unwrap());
    for (operation, outcome) in every_operation(&of_users).await {
        assert!(
            matches!(outcome, Err(Error::NotMigrated)),
            "{operation}: {outcome:?}"
        );
    }
    assert!(of_admins.delete_user_session(&session.key).await.unwrap());
}

/// The longest names that are legal make tables, indexes and all.
async fn the_longest_names_are_not_cut_off(db: TestDatabase) {
    let connection = host_pool(db.url(), 1, "").await;
    let long = "t".repeat(40);
    let longer_by_one_letter = format!("{}u", "t".repeat(39));
    for table in [&long, &longer_by_one_letter] {
        let migrator = Migrator::new().table(table);
        migrator.up(&connection).await.unwrap();
        assert!(migrator.is_current(&connection).await.unwrap());
        let store = SeaOrmUserSessionStore::builder()
            .table(table)
            .build(connection.clone());
        for (operation, outcome) in every_operation(&store).await {
            outcome.unwrap_or_else(|error| panic!("{operation}: {error:?}"));
        }
    }
    let names = tables(&connection).await;
    assert!(
        names.contains(&long) && names.contains(&format!("{long}_migrations")),
        "{names:?}"
    );
    execute(&connection, &format!("SELECT * FROM {long}")).await;
}

on_every_database!(
    a_schema_and_a_table_of_ones_own,
    a_schema_is_found_by_connect,
    two_tables_are_two_stores,
    the_longest_names_are_not_cut_off,
);
