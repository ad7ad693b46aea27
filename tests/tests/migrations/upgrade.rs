//! Migrations of a table that is in use.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ActiveModelTrait as _, ActiveValue::Set, DatabaseConnection};
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use store_core::{
    Clock, ManualClock, PartitionKey, SubjectId, UserSession, UserSessionKey,
    UserSessionStore as _, UserSessionStoreCleanup as _, UserSessionsFilter,
};
use store_migration::{Options, migrations};
use store_seaorm::SeaOrmUserSessionStore;
use store_seaorm::entity::{self, Timestamp};
use store_tests::{TestDatabase, on_every_database};

/// What the first release made.
struct FirstRelease;

impl MigratorTrait for FirstRelease {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let mut list = migrations(&Options::new());
        list.truncate(1);
        list
    }
}

/// Sessions of an older table are there afterwards, with all that they had, and the cleanup finds
/// those of them that expire.
async fn keeps_every_session(db: TestDatabase) {
    is_kept(db, async |connection| {
        store_migration::up(connection).await.unwrap();
    })
    .await;
}

/// So does the script.
async fn by_script_keeps_every_session(db: TestDatabase) {
    is_kept(db, async |connection| {
        let migrator = store_migration::Migrator::new();
        let script = migrator.sql(connection.get_database_backend()).unwrap();
        crate::support::execute(connection, &script).await;
    })
    .await;
}

async fn is_kept(db: TestDatabase, upgrade: impl AsyncFnOnce(&DatabaseConnection)) {
    let connection = db.connect().await;
    FirstRelease::up(&connection, None).await.unwrap();
    let clock = clock();
    let now = clock.now();
    let sessions = [
        session("expired", now).with_expires(now),
        session("soon", now).with_expires(now + TimeDelta::minutes(5)),
        session("late", now).with_expires(now + TimeDelta::days(30)),
        session("never", now),
    ];
    for session in &sessions {
        insert(&connection, session).await;
    }

    upgrade(&connection).await;
    let store = store(connection, &clock);
    let [expired, soon, late, never] = &sessions;
    for session in [soon, late, never] {
        let found = store.get_user_session(&session.key).await.unwrap();
        assert_eq!(found.as_ref(), Some(session));
    }
    assert_eq!(store.get_user_session(&expired.key).await.unwrap(), None);
    assert_eq!(store.delete_expired_sessions().await.unwrap(), 1);
    assert_eq!(store.delete_expired_sessions().await.unwrap(), 0);

    clock.advance(TimeDelta::minutes(5).to_std().unwrap());
    let ended = store.end_expired_sessions(ALL).await.unwrap();
    assert_eq!(ended, std::slice::from_ref(soon));
    clock.advance(TimeDelta::days(30).to_std().unwrap());
    assert_eq!(store.delete_expired_sessions().await.unwrap(), 1);
    let found = store.get_user_session(&never.key).await.unwrap();
    assert_eq!(found.as_ref(), Some(never));
}

/// However few the cleanup may end at once, and however many are to be looked at that are alive.
async fn what_is_over_is_found_behind_what_is_alive(db: TestDatabase) {
    let connection = db.connect().await;
    FirstRelease::up(&connection, None).await.unwrap();
    let clock = clock();
    let now = clock.now();
    let alive = ["1", "2", "3"].map(|name| session(name, now));
    let over = session("over", now).with_expires(now);
    for session in alive.iter().chain([&over]) {
        insert(&connection, session).await;
    }
    store_migration::up(&connection).await.unwrap();

    let store = store(connection, &clock);
    let ended = store.end_expired_sessions(std::num::NonZeroU32::MIN).await;
    assert_eq!(ended.unwrap(), [over]);
}

/// The cleanup finds what a node of an older release wrote meanwhile, or the host's own hand.
async fn what_others_write_expires_too(db: TestDatabase) {
    let connection = db.connect().await;
    store_migration::up(&connection).await.unwrap();
    let clock = clock();
    let now = clock.now();
    let written = session("written", now).with_expires(now + TimeDelta::hours(1));
    insert(&connection, &written).await;
    let changed = session("changed", now).with_expires(now + TimeDelta::days(30));
    let by_hand = entity::ActiveModel {
        expires: Set(Some(Timestamp::new(now, connection.get_database_backend()))),
        ..model(&connection, &changed)
    };
    let store = store(connection.clone(), &clock);
    store.create_user_session(changed).await.unwrap();
    by_hand.update(&connection).await.unwrap();

    clock.advance(TimeDelta::hours(1).to_std().unwrap());
    let ended = store.end_expired_sessions(ALL).await.unwrap();
    assert!(ended.iter().any(|ended| ended.key == written.key));
    // What was moved forward behind the store's back is found within a day.
    clock.advance(TimeDelta::days(1).to_std().unwrap());
    store.delete_expired_sessions().await.unwrap();
    let filter = UserSessionsFilter::for_subject("alice".parse().unwrap());
    let partition = PartitionKey::default();
    let left = store.delete_user_sessions(&partition, &filter).await;
    assert_eq!(left.unwrap(), 0);
}

/// Down to the first release and up again, with the sessions in it.
async fn goes_back_and_forth(db: TestDatabase) {
    let connection = db.connect().await;
    store_migration::up(&connection).await.unwrap();
    let clock = clock();
    let session = session("kept", clock.now());
    let store = store(connection.clone(), &clock);
    store.create_user_session(session.clone()).await.unwrap();
    let current = crate::support::catalog(&connection).await;

    struct Newest;
    impl MigratorTrait for Newest {
        fn migrations() -> Vec<Box<dyn MigrationTrait>> {
            migrations(&Options::new())
        }
    }
    Newest::up(&connection, None).await.unwrap();
    let newer = Newest::migrations().len() - FirstRelease::migrations().len();
    let newer = u32::try_from(newer).unwrap();
    Newest::down(&connection, Some(newer)).await.unwrap();
    let migrator = store_migration::Migrator::new();
    assert!(!migrator.is_current(&connection).await.unwrap());
    store_migration::up(&connection).await.unwrap();
    let mut again = crate::support::catalog(&connection).await;
    again.retain(|line| !line.contains("seaql_migrations"));
    assert_eq!(again, current);
    let found = store.get_user_session(&session.key).await.unwrap();
    assert_eq!(found, Some(session));
}

const ALL: std::num::NonZeroU32 = std::num::NonZeroU32::new(100).unwrap();

fn clock() -> Arc<ManualClock> {
    let start = "2026-03-02T08:15:30Z".parse().unwrap();
    Arc::new(ManualClock::new(start))
}

fn store(db: DatabaseConnection, clock: &Arc<ManualClock>) -> SeaOrmUserSessionStore {
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    SeaOrmUserSessionStore::builder().clock(clock).build(db)
}

fn session(name: &str, created: DateTime<Utc>) -> UserSession {
    let key = UserSessionKey::new(PartitionKey::default(), name.parse().unwrap());
    let subject = "alice".parse::<SubjectId>().unwrap();
    UserSession::new(key, subject, created, "ticket".into())
        .with_session_id(format!("sid of {name}").parse().unwrap())
}

async fn insert(db: &DatabaseConnection, session: &UserSession) {
    model(db, session).insert(db).await.unwrap();
}

fn model(db: &DatabaseConnection, session: &UserSession) -> entity::ActiveModel {
    let time = |at| Timestamp::new(at, db.get_database_backend());
    entity::ActiveModel {
        partition_key: Set(session.key.partition_key.as_str().into()),
        user_key: Set(session.key.user_key.as_str().into()),
        subject_id: Set(session.subject_id.as_ref().map(|id| id.as_str().into())),
        session_id: Set(session.session_id.as_ref().map(|id| id.as_str().into())),
        created: Set(time(session.created)),
        renewed: Set(time(session.renewed)),
        expires: Set(session.expires.map(time)),
        version: Set(0),
        ticket: Set(session.ticket.as_bytes().to_vec()),
    }
}

on_every_database!(
    keeps_every_session,
    by_script_keeps_every_session,
    what_is_over_is_found_behind_what_is_alive,
    what_others_write_expires_too,
    goes_back_and_forth,
);
