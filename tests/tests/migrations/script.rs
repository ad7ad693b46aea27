//! The script for a database administrator.

use store_core::UserSessionStore as _;
use store_migration::Migrator;
use store_seaorm::SeaOrmUserSessionStore;
use store_tests::{TestDatabase, every_operation, on_every_database, sample};

use crate::support::{MissingSchema, catalog, execute};

/// Run by the driver, it does what `up` does; run again, nothing.
async fn does_what_up_does(db: TestDatabase) {
    let by_up = TestDatabase::create(db.kind()).await.unwrap();
    let by_up = by_up.connect().await;
    let by_script = db.connect().await;
    let migrator = Migrator::new();
    migrator.up(&by_up).await.unwrap();

    let script = migrator.sql(by_script.get_database_backend()).unwrap();
    execute(&by_script, &script).await;
    assert!(migrator.is_current(&by_script).await.unwrap());
    let store = SeaOrmUserSessionStore::new(by_script.clone());
    let session = sample::session("kept");
    store.create_user_session(session.clone()).await.unwrap();

    execute(&by_script, &script).await;
    assert!(migrator.is_current(&by_script).await.unwrap());
    assert_eq!(catalog(&by_script).await, catalog(&by_up).await);
    let found = store.get_user_session(&session.key).await.unwrap();
    assert_eq!(found, Some(session));
    for (operation, outcome) in every_operation(&store).await {
        outcome.unwrap_or_else(|error| panic!("{operation}: {error:?}"));
    }
}

on_every_database!(does_what_up_does);

mod with_a_schema {
    use super::*;
    use store_tests::on_databases;

    /// It makes the schema as well.
    async fn does_what_up_does(db: TestDatabase) {
        let schema = MissingSchema::beside(&db).await;
        let connection = db.connect().await;
        let migrator = Migrator::new().schema(&schema.name).table("sessions");
        let script = migrator.sql(connection.get_database_backend()).unwrap();
        for _ in 0..2 {
            execute(&connection, &script).await;
        }
        assert!(migrator.is_current(&connection).await.unwrap());
    }

    on_databases!([postgres, mysql, mariadb]: does_what_up_does);
}
