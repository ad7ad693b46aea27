//! The whole contract on PostgreSQL on a partitioned table, made as `docs/scaling.md` says; and the
//! cleanup, which finds rows by their places: partitions number theirs each for itself.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, FromQueryResult, Statement};
use store_core::{
    Clock, ManualClock, UserSession, UserSessionKey, UserSessionStore, UserSessionStoreCleanup,
};
use store_tests::sessions::{LIFETIME, manual_clock, partition, rows, session, user_key};
use store_tests::{DatabaseKind, TestDatabase, TestStore, on_databases};

mod postgres_contract {
    use super::*;

    async fn store(clock: Arc<ManualClock>) -> Option<TestStore> {
        let database = TestDatabase::create(DatabaseKind::Postgres).await?;
        Some(partitioned(database, clock).await)
    }

    store_core::user_session_store_contract!(store);
    store_core::user_session_store_cleanup_contract!(store);
    store_core::user_session_directory_contract!(store);
}

const SCALING: &str = include_str!("../../docs/scaling.md");

/// A store on a table that an administrator has partitioned, word for word as the document says.
async fn partitioned(database: TestDatabase, clock: Arc<ManualClock>) -> TestStore {
    let store = TestStore::on(database, clock).await;
    partition_table(store.connection()).await;
    store
}

async fn partition_table(db: &DatabaseConnection) {
    let (_, section) = SCALING
        .split_once("\n## PostgreSQL: declarative partitioning\n")
        .expect("the document has the section");
    let (_, sql) = section
        .split_once("```sql\n")
        .expect("there is SQL in the section");
    let (sql, _) = sql.split_once("```").expect("the SQL ends");
    db.execute_unprepared(sql)
        .await
        .expect("the table can be partitioned");
}

/// Nothing is lost when a table in use is partitioned, each partition has what the migration gave the
/// whole table, and another migration finds nothing to do.
async fn a_table_in_use_is_partitioned(db: TestDatabase) {
    let clock = manual_clock();
    let store = TestStore::on(db, clock.clone()).await;
    let before = given(&store, &clock, 40).await;
    // The statements are prepared on the whole table.
    for session in &before {
        let found = store.get_user_session(&session.key).await.unwrap();
        assert_eq!(found.as_ref(), Some(session));
    }

    partition_table(store.connection()).await;
    store_migration::up(store.connection()).await.unwrap();

    for session in &before {
        let found = store.get_user_session(&session.key).await.unwrap();
        assert_eq!(found.as_ref(), Some(session));
    }
    assert_eq!(rows(store.connection()).await.len(), before.len());
    let partitions: Vec<Partition> = all(
        store.connection(),
        "SELECT relname::text AS name, array_to_string(reloptions, ' ') AS options, \
         (SELECT COUNT(*) FROM pg_index WHERE indrelid = pg_class.oid) AS indexes, \
         (SELECT attstorage::text FROM pg_attribute \
          WHERE attrelid = pg_class.oid AND attname = 'ticket') AS storage \
         FROM pg_class WHERE relispartition AND relkind = 'r' ORDER BY relname",
    )
    .await;
    let expected = ["0", "1", "2", "3"].map(|number| Partition {
        name: format!("user_sessions_{number}"),
        options: "fillfactor=70 toast_tuple_target=3072".to_owned(),
        indexes: 5,
        storage: "e".to_owned(),
    });
    assert_eq!(partitions, expected);
}

#[derive(Debug, PartialEq, FromQueryResult)]
struct Partition {
    name: String,
    options: String,
    indexes: i64,
    storage: String,
}

/// What has expired is handed back once, in batches that are no larger than was asked for, by
/// whichever of four cleanups; what lives stays, and is put off only where it was due.
async fn a_cleanup_over_partitions_takes_exactly_what_has_expired(db: TestDatabase) {
    let clock = manual_clock();
    let store = partitioned(db, clock.clone()).await;
    let all_of_them = given(&store, &clock, 300).await;
    let (mut expired, mut live, mut never) = (Vec::new(), Vec::new(), Vec::new());
    for (number, session) in all_of_them.iter().enumerate() {
        let expires = match number % 3 {
            0 => {
                expired.push(session.key.clone());
                continue;
            }
            1 => {
                live.push(session.key.clone());
                Some(clock.now() + 3 * LIFETIME)
            }
            _ => {
                never.push(session.key.clone());
                None
            }
        };
        let renewal = store.renew_user_session(&session.key, clock.now(), expires);
        assert!(renewal.await.unwrap());
    }
    // As if they had been made without expiry: the cleanup is to look at them tomorrow.
    let db = store.connection();
    db.execute_unprepared(
        "UPDATE user_sessions SET cleanup_at = cleanup_at + interval '1 day' WHERE expires IS NULL",
    )
    .await
    .unwrap();
    // Each partition is written anew from its first place on.
    db.execute_unprepared("VACUUM FULL user_sessions")
        .await
        .unwrap();
    assert_coincident(db).await;
    let put_off = "SELECT cleanup_at::text || ' ' || xmin::text AS text FROM user_sessions \
                   WHERE expires IS NULL ORDER BY partition_key, user_key";
    let not_due: Vec<Text> = all(db, put_off).await;
    clock.advance(LIFETIME);

    let cleanups = (0..4).map(|_| {
        let store = store.store();
        tokio::spawn(async move {
            let mut ended = Vec::new();
            loop {
                let limit = NonZeroU32::new(7).unwrap();
                let batch = store.end_expired_sessions(limit).await.unwrap();
                assert!(batch.len() <= 7, "a batch of {}", batch.len());
                if batch.is_empty() {
                    return ended;
                }
                ended.extend(batch);
            }
        })
    });
    let cleanups: Vec<_> = cleanups.collect();
    let mut ended = Vec::new();
    for cleanup in cleanups {
        ended.extend(cleanup.await.unwrap());
    }

    assert_eq!(keys(&ended), sorted(expired));
    let left = rows(store.connection()).await;
    assert_eq!(keys(&left), sorted([live, never].concat()));
    assert_eq!(all::<Text>(db, put_off).await, not_due);
    let due: Vec<Text> = all(
        db,
        "SELECT user_key AS text FROM user_sessions WHERE cleanup_at <> expires",
    )
    .await;
    assert_eq!(due, []);
}

/// So is what a cleanup that hands nothing back removes and counts.
async fn a_cleanup_over_partitions_counts_what_it_removes(db: TestDatabase) {
    let clock = manual_clock();
    let store = partitioned(db, clock.clone()).await;
    let sessions = given(&store, &clock, 1_200).await;
    let stays = &sessions[..100];
    for session in stays {
        let renewal = store.renew_user_session(&session.key, clock.now(), None);
        assert!(renewal.await.unwrap());
    }
    assert_coincident(store.connection()).await;
    clock.advance(LIFETIME);

    assert_eq!(store.delete_expired_sessions().await.unwrap(), 1_100);

    assert_eq!(keys(&rows(store.connection()).await), keys(stays));
    assert_eq!(store.delete_expired_sessions().await.unwrap(), 0);
}

/// A cleanup passes over a row that somebody holds, and does not wait for it because a row in another
/// partition has the same place.
async fn a_row_that_is_held_keeps_nobody_in_another_partition_waiting(db: TestDatabase) {
    let clock = manual_clock();
    let store = partitioned(db, clock.clone()).await;
    given(&store, &clock, 40).await;
    clock.advance(LIFETIME);
    let db = store.connection();
    let pair: Vec<Pair> = all(
        db,
        "SELECT one.partition_key AS held, other.partition_key AS free \
         FROM user_sessions AS one JOIN user_sessions AS other \
         ON one.ctid = other.ctid AND one.tableoid < other.tableoid LIMIT 1",
    )
    .await;
    let Pair { held, free } = &pair[0];
    db.execute_unprepared(&format!(
        "DELETE FROM user_sessions WHERE partition_key NOT IN ('{held}', '{free}')"
    ))
    .await
    .unwrap();
    let holder = sea_orm::TransactionTrait::begin(db).await.unwrap();
    holder
        .execute_unprepared(&format!(
            "SELECT FROM user_sessions WHERE partition_key = '{held}' FOR UPDATE"
        ))
        .await
        .unwrap();

    let limit = NonZeroU32::new(10).unwrap();
    // It would wait for ten seconds and fail.
    let batch = tokio::time::timeout(Duration::from_secs(5), store.end_expired_sessions(limit));
    let batch = batch.await.expect("nobody waits").unwrap();

    assert_eq!(keys(&batch), [key(free)]);
    holder.rollback().await.unwrap();
    let batch = store.end_expired_sessions(limit).await.unwrap();
    assert_eq!(keys(&batch), [key(held)]);
}

#[derive(Debug, FromQueryResult)]
struct Pair {
    held: String,
    free: String,
}

#[derive(Debug, PartialEq, FromQueryResult)]
struct Text {
    text: String,
}

/// One session for each of so many partition keys, which spread over the table's partitions.
async fn given(store: &TestStore, clock: &ManualClock, count: usize) -> Vec<UserSession> {
    let mut given = Vec::with_capacity(count);
    for number in 0..count {
        let session = session(clock, &partition(&format!("tenant {number:04}")), "key");
        store.create_user_session(session.clone()).await.unwrap();
        given.push(session);
    }
    given
}

fn key(partition_key: &str) -> UserSessionKey {
    UserSessionKey::new(partition(partition_key), user_key("key"))
}

/// Checks that all partitions have rows, and of every two some with the same place.
async fn assert_coincident(db: &DatabaseConnection) {
    let pairs: Vec<Text> = all(
        db,
        "SELECT DISTINCT one.tableoid::text || ' ' || other.tableoid::text AS text \
         FROM user_sessions AS one JOIN user_sessions AS other \
         ON one.ctid = other.ctid AND one.tableoid < other.tableoid",
    )
    .await;
    assert_eq!(pairs.len(), 6, "{pairs:?}");
}

async fn all<T: FromQueryResult>(db: &DatabaseConnection, sql: &str) -> Vec<T> {
    T::find_by_statement(Statement::from_string(DbBackend::Postgres, sql))
        .all(db)
        .await
        .expect("the query runs")
}

fn keys<'a>(sessions: impl IntoIterator<Item = &'a UserSession>) -> Vec<UserSessionKey> {
    sorted(sessions.into_iter().map(|session| session.key.clone()))
}

fn sorted(keys: impl IntoIterator<Item = UserSessionKey>) -> Vec<UserSessionKey> {
    let mut keys: Vec<_> = keys.into_iter().collect();
    keys.sort();
    let distinct = keys.iter().collect::<BTreeSet<_>>().len();
    assert_eq!(distinct, keys.len(), "some are there twice");
    keys
}

on_databases!(
    [postgres]:
    a_table_in_use_is_partitioned,
    a_cleanup_over_partitions_takes_exactly_what_has_expired,
    a_cleanup_over_partitions_counts_what_it_removes,
    a_row_that_is_held_keeps_nobody_in_another_partition_waiting,
);
