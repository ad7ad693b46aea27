//! A store on a database of a test's own.

use std::ops::Deref;
use std::sync::Arc;

use store_core::{Clock, SystemClock};
use store_seaorm::SeaOrmUserSessionStore;

use crate::{DatabaseKind, TestDatabase};

/// A store, migrated and empty, on a [`TestDatabase`] that goes when it does.
#[derive(Debug)]
pub struct TestStore {
    store: SeaOrmUserSessionStore,
    database: TestDatabase,
}

impl TestStore {
    /// A store on a database of this kind, or none where [`TestDatabase::create`] has none.
    pub async fn create(kind: DatabaseKind, clock: Arc<dyn Clock>) -> Option<Self> {
        Some(Self::on(TestDatabase::create(kind).await?, clock).await)
    }

    /// A store on this database, on the system's clock.
    pub async fn new(database: TestDatabase) -> Self {
        Self::on(database, Arc::new(SystemClock)).await
    }

    /// A store on this database, on this clock.
    pub async fn on(database: TestDatabase, clock: Arc<dyn Clock>) -> Self {
        let builder = SeaOrmUserSessionStore::builder().clock(clock);
        let store = builder
            .connect(database.url())
            .await
            .expect("the database is there");
        store_migration::up(store.connection())
            .await
            .expect("the tables can be made");
        Self { store, database }
    }

    /// The database, for what a test does beside the store.
    pub fn database(&self) -> &TestDatabase {
        &self.database
    }

    /// The store itself, to share between tasks.
    pub fn store(&self) -> SeaOrmUserSessionStore {
        self.store.clone()
    }
}

impl Deref for TestStore {
    type Target = SeaOrmUserSessionStore;

    fn deref(&self) -> &Self::Target {
        &self.store
    }
}
