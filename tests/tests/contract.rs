//! The whole contract, in memory and on every database.

use std::sync::Arc;

use store_core::ManualClock;
use store_tests::{DatabaseKind, TestStore};

macro_rules! contract_on {
    ($($database:ident = $kind:ident),+ $(,)?) => {$(
        mod $database {
            use super::*;

            async fn store(clock: Arc<ManualClock>) -> Option<TestStore> {
                TestStore::create(DatabaseKind::$kind, clock).await
            }

            store_core::user_session_store_contract!(store);
            store_core::user_session_store_cleanup_contract!(store);
            store_core::user_session_directory_contract!(store);
        }
    )+};
}

contract_on!(
    sqlite = Sqlite,
    sqlite_memory = SqliteMemory,
    postgres = Postgres,
    mysql = MySql,
    mariadb = MariaDb,
);

mod memory {
    use super::*;
    use store_core::InMemoryUserSessionStore;

    async fn store(clock: Arc<ManualClock>) -> Arc<InMemoryUserSessionStore> {
        Arc::new(InMemoryUserSessionStore::with_clock(clock))
    }

    store_core::user_session_store_contract!(store);
    store_core::user_session_store_cleanup_contract!(store);
    store_core::user_session_directory_contract!(store);
}
