//! A table of another kind that has the name already.

use sea_orm::ConnectionTrait as _;
use store_core::Error;
use store_migration::Migrator;
use store_seaorm::SeaOrmUserSessionStore;
use store_tests::{TestDatabase, every_operation, on_every_database};

use crate::support::{catalog, execute, texts};

/// Up fails, down does nothing, and the table stays as it was, with what is in it.
async fn stays_as_it_was(db: TestDatabase) {
    let db = db.connect().await;
    execute(
        &db,
        "CREATE TABLE user_sessions (id int, user_key varchar(9))",
    )
    .await;
    execute(&db, "INSERT INTO user_sessions VALUES (1, 'mine')").await;
    let of_the_table = |catalog: Vec<String>| -> Vec<String> {
        let is_its_own =
            |line: &String| line.starts_with("user_sessions.") || line.contains(" user_sessions ");
        catalog.into_iter().filter(is_its_own).collect()
    };
    let before = of_the_table(catalog(&db).await);
    assert!(!before.is_empty());

    let migrator = Migrator::new();
    migrator.up(&db).await.unwrap_err();
    assert!(!migrator.is_current(&db).await.unwrap());
    migrator.down(&db).await.unwrap();
    assert_eq!(of_the_table(catalog(&db).await), before);
    assert_eq!(
        texts(&db, "SELECT user_key FROM user_sessions").await,
        ["mine"]
    );
    db.execute_unprepared("INSERT INTO user_sessions VALUES (2, 'too')")
        .await
        .expect("no lock and no transaction stays behind");

    for (operation, outcome) in every_operation(&SeaOrmUserSessionStore::new(db.clone())).await {
        assert!(
            matches!(outcome, Err(Error::NotMigrated)),
            "{operation}: {outcome:?}"
        );
    }
}

on_every_database!(stays_as_it_was);
