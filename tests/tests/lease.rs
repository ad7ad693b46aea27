//! One cleanup at a time in a cluster, as far as the database can say so.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::{ConnectionTrait as _, Statement};
use store_core::{CleanupLease, CleanupLeaseGuard, Error, UserSessionStoreCleanup as _};
use store_migration::Migrator;
use store_seaorm::SeaOrmUserSessionStore;
use store_tests::{DatabaseKind, TestDatabase, TestStore, on_databases};
use store_tickets::{CleanupRun, SessionCleanup};

type Guard = Box<dyn CleanupLeaseGuard>;

async fn lease_of(store: &SeaOrmUserSessionStore) -> Option<Guard> {
    store.try_acquire().await.expect("the store answers")
}

/// The lease, once it is free: a server takes a moment to see that a connection has gone.
async fn lease_in_a_moment(store: &SeaOrmUserSessionStore) -> Guard {
    for _ in 0..100 {
        if let Some(lease) = lease_of(store).await {
            return lease;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the lease is never free");
}

async fn second_node(store: &TestStore) -> SeaOrmUserSessionStore {
    let url = store.database().url();
    SeaOrmUserSessionStore::connect(url)
        .await
        .expect("the database is there")
}

/// One node has it, until it gives it back, drops it, or is gone.
async fn one_node_has_it(db: TestDatabase) {
    let one = TestStore::new(db).await;
    let other = second_node(&one).await;

    let lease = lease_of(&one).await.expect("nobody has it");
    assert!(lease_of(&other).await.is_none());
    assert!(
        lease_of(&one).await.is_none(),
        "its holder does not get it twice"
    );

    lease.release().await;
    let lease = lease_of(&other).await.expect("it was given back");
    assert!(lease_of(&one).await.is_none());

    drop(lease);
    let lease = lease_in_a_moment(&one).await;
    kill_others(&one).await;
    let after_the_crash = lease_in_a_moment(&other).await;
    lease.release().await;
    assert!(
        lease_of(&one).await.is_none(),
        "who has lost it does not take it from another"
    );
    after_the_crash.release().await;
}

/// Ends every connection to the database but the one that says so.
async fn kill_others(store: &TestStore) {
    let db = store.database().connect().await;
    let backend = db.get_database_backend();
    if store.database().kind() == DatabaseKind::Postgres {
        let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                    WHERE datname = current_database() AND pid <> pg_backend_pid()";
        db.execute_unprepared(kill)
            .await
            .expect("they can be ended");
        return;
    }
    let others = "SELECT CONCAT('KILL ', id) FROM information_schema.processlist \
                  WHERE db = database() AND id <> connection_id()";
    let others = db
        .query_all_raw(Statement::from_string(backend, others))
        .await;
    for other in others.expect("they can be listed") {
        let kill: String = other.try_get_by_index(0).expect("a statement");
        // It may have gone meanwhile, which is as good.
        let _ = db.execute_unprepared(&kill).await;
    }
}

/// Each table has a lease of its own, by whatever name a node knows it.
async fn each_table_has_its_own(db: TestDatabase) {
    let one = TestStore::new(db).await;
    let db = one.connection();
    Migrator::new()
        .table("sessions")
        .up(db)
        .await
        .expect("the tables can be made");
    let schema = match one.database().kind() {
        DatabaseKind::Postgres => "public".to_owned(),
        _ => {
            let select = Statement::from_string(db.get_database_backend(), "SELECT DATABASE()");
            let row = db
                .query_one_raw(select)
                .await
                .expect("it answers")
                .expect("a row");
            row.try_get_by_index(0).expect("a name")
        }
    };
    let builder = SeaOrmUserSessionStore::builder;

    let lease = lease_of(&one).await.expect("nobody has it");
    let others = lease_of(&builder().table("sessions").build(db.clone())).await;
    assert!(others.is_some(), "another table's");
    let same = lease_of(&builder().schema(schema).build(db.clone())).await;
    assert!(same.is_none(), "the same table, with its schema");
    lease.release().await;
}

/// A cleanup leaves it to the node that has the lease, and gives it back when it is done.
async fn cleanups_take_turns(db: TestDatabase) {
    let one = TestStore::new(db).await;
    let cleanup = || {
        let store = Arc::new(one.store());
        SessionCleanup::builder(Arc::clone(&store) as _)
            .lease(store)
            .build()
    };
    let lease = lease_of(&second_node(&one).await)
        .await
        .expect("nobody has it");
    let run = cleanup().run_once().await.expect("the store answers");
    assert_eq!(run, CleanupRun::LeftToAnother);

    lease.release().await;
    for _ in 0..2 {
        let run = cleanup().run_once().await.expect("the store answers");
        assert_eq!(run, CleanupRun::Finished { removed: 0 });
    }
}

/// Without a server there is nobody to ask: every process has it, and what they remove adds up.
async fn without_a_server_everybody_has_it(db: TestDatabase) {
    let store = TestStore::new(db).await;
    let (one, other) = (lease_of(&store).await, lease_of(&store).await);
    assert!(one.is_some() && other.is_some());
    assert_eq!(
        store
            .delete_expired_sessions()
            .await
            .expect("the store answers"),
        0
    );
}

/// A table that is not there has no lease.
async fn an_unmigrated_database_is_told(db: TestDatabase) {
    let store = SeaOrmUserSessionStore::connect(db.url())
        .await
        .expect("the database is there");
    assert!(matches!(store.try_acquire().await, Err(Error::NotMigrated)));
}

mod servers {
    use super::*;

    on_databases!(
        [postgres, mysql, mariadb]:
        one_node_has_it,
        each_table_has_its_own,
        cleanups_take_turns,
    );
}

mod files {
    use super::*;

    on_databases!([sqlite, sqlite_memory]: without_a_server_everybody_has_it);
}

mod names {
    use super::*;

    on_databases!([postgres]: an_unmigrated_database_is_told);
}
