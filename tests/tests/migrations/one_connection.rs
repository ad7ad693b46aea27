//! A pool of one connection is enough.

use std::time::Duration;

use store_migration::Migrator;
use store_seaorm::SeaOrmUserSessionStore;
use store_tests::{TestDatabase, every_operation, host_pool, on_every_database};
use tokio::time::timeout;

/// Every migration and every operation of the store gets by with it.
async fn is_enough(db: TestDatabase) {
    let one = host_pool(db.url(), 1, "").await;
    let all = async {
        let migrator = Migrator::new();
        assert!(!migrator.is_current(&one).await.unwrap());
        migrator.up(&one).await.unwrap();
        assert!(migrator.is_current(&one).await.unwrap());
        migrator.down(&one).await.unwrap();
        migrator.up(&one).await.unwrap();
        let store = SeaOrmUserSessionStore::new(one.clone());
        for (operation, outcome) in every_operation(&store).await {
            outcome.unwrap_or_else(|error| panic!("{operation}: {error:?}"));
        }
    };
    timeout(Duration::from_secs(15), all)
        .await
        .expect("nothing waits for a second connection");
}

on_every_database!(is_enough);
