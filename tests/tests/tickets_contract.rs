//! What tickets promise, on every database.

use std::sync::Arc;

use store_core::ManualClock;
use store_seaorm::SeaOrmUserSessionStore;
use store_tests::{DatabaseKind, TestStore};
use store_tickets::contract::Guarded;

macro_rules! contract_on {
    ($($database:ident = $kind:ident),+ $(,)?) => {$(
        mod $database {
            use super::*;

            async fn store(clock: Arc<ManualClock>) -> Option<Guarded<SeaOrmUserSessionStore>> {
                let test = TestStore::create(DatabaseKind::$kind, clock).await?;
                Some(Guarded { store: Arc::new(test.store()), guard: Box::new(test) })
            }

            store_tickets::ticket_contract!(store);
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
