//! Down, and up again.

use store_core::{Error, UserSessionStore as _};
use store_migration::Migrator;
use store_tests::{TestDatabase, TestStore, every_operation, on_every_database, sample};

use crate::support::{catalog, tables};

/// Down leaves nothing behind, and up makes the same again.
async fn leaves_nothing(db: TestDatabase) {
    let store = TestStore::new(db).await;
    let db = store.connection();
    let migrator = Migrator::new();
    let made = catalog(db).await;

    migrator.down(db).await.unwrap();
    assert!(tables(db).await.is_empty());
    assert!(!migrator.is_current(db).await.unwrap());
    migrator
        .down(db)
        .await
        .expect("nothing to undo is no error");

    migrator.up(db).await.unwrap();
    assert_eq!(catalog(db).await, made);
    assert!(migrator.is_current(db).await.unwrap());
}

/// A store that was there before, with its prepared statements, answers `NotMigrated` in between
/// and goes on afterwards, without the sessions of before.
async fn a_store_outlives_it(db: TestDatabase) {
    let store = TestStore::new(db).await;
    for (operation, outcome) in every_operation(&*store).await {
        outcome.unwrap_or_else(|error| panic!("{operation} before: {error:?}"));
    }
    let before = sample::session("before");
    store.create_user_session(before.clone()).await.unwrap();

    Migrator::new().down(store.connection()).await.unwrap();
    for (operation, outcome) in every_operation(&*store).await {
        assert!(
            matches!(outcome, Err(Error::NotMigrated)),
            "{operation} in between: {outcome:?}"
        );
    }

    Migrator::new().up(store.connection()).await.unwrap();
    assert_eq!(store.get_user_session(&before.key).await.unwrap(), None);
    for (operation, outcome) in every_operation(&*store).await {
        outcome.unwrap_or_else(|error| panic!("{operation} afterwards: {error:?}"));
    }
}

on_every_database!(leaves_nothing, a_store_outlives_it);
