//! A host that starts again, and the deletion that tower-sessions offers.

use std::sync::Arc;

use store_axum::TowerSessionStore;
use store_seaorm::SeaOrmUserSessionStore;
use store_tests::{TestDatabase, on_databases};
use time::Duration;
use tower_sessions::SessionStore as _;
use tower_sessions::session_store::ExpiredDeletion;

use crate::place::{keys, record};

async fn bridge(db: &TestDatabase) -> TowerSessionStore<SeaOrmUserSessionStore> {
    let store = SeaOrmUserSessionStore::connect(db.url()).await;
    let store = store.expect("the database is there");
    store_migration::up(store.connection())
        .await
        .expect("the tables can be made");
    TowerSessionStore::new(Arc::new(store), keys())
}

async fn sessions_outlive_the_process(db: TestDatabase) {
    let mut record = record([("n", 1.into())]);
    let before = bridge(&db).await;
    before.create(&mut record).await.expect("it is created");
    before
        .user_session_store()
        .connection()
        .clone()
        .close()
        .await
        .expect("it closes");
    drop(before);

    let after = bridge(&db).await;
    let loaded = after.load(&record.id).await.expect("it is loaded");
    assert_eq!(loaded, Some(record.clone()));
    record.data.insert("n".into(), 2.into());
    after.save(&record).await.expect("it is saved");
    let loaded = bridge(&db)
        .await
        .load(&record.id)
        .await
        .expect("it is loaded");
    assert_eq!(loaded, Some(record));
}

async fn expired_sessions_are_deleted_the_peers_way(db: TestDatabase) {
    let bridge = bridge(&db).await;
    let (mut expired, mut live) = (record([]), record([]));
    expired.expiry_date -= Duration::hours(2);
    bridge.create(&mut expired).await.expect("it is created");
    bridge.create(&mut live).await.expect("it is created");
    bridge.delete_expired().await.expect("they are deleted");
    let store = bridge.user_session_store();
    let removed = store_core::UserSessionStoreCleanup::delete_expired_sessions(&**store).await;
    assert_eq!(
        removed.expect("the store answers"),
        0,
        "nothing is left to delete"
    );
    assert!(bridge.load(&live.id).await.expect("it answers").is_some());
}

async fn a_missing_table_is_an_error_that_names_the_remedy(db: TestDatabase) {
    let store = SeaOrmUserSessionStore::connect(db.url()).await;
    let bridge = TowerSessionStore::new(Arc::new(store.expect("it connects")), keys());
    let error = bridge
        .create(&mut record([]))
        .await
        .expect_err("there is no table");
    assert!(error.to_string().contains("store_migration::up"), "{error}");
}

on_databases!([sqlite, postgres, mysql, mariadb]:
    sessions_outlive_the_process,
    expired_sessions_are_deleted_the_peers_way,
    a_missing_table_is_an_error_that_names_the_remedy,
);
