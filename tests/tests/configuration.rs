//! What a store is built from: names, URLs, and the host's own pools.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::future::Future;
use std::net::TcpListener;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use sea_orm::{
    ColumnTrait as _, ConnectOptions, ConnectionTrait as _, Database, EntityTrait as _,
    PaginatorTrait as _, QueryFilter as _,
};
use store_core::{
    Error, PartitionKey, Result, StartPolicy, SubjectId, UserSession, UserSessionDirectory as _,
    UserSessionStore as _, UserSessionStoreCleanup as _, UserSessionUpdate, UserSessionsFilter,
};
use store_seaorm::{SeaOrmUserSessionStore, entity};
use store_tests::sample::{at, key, session};
use store_tests::{
    DatabaseKind, TestDatabase, TestStore, every_operation, host_pool, on_databases,
    on_every_database,
};
use tokio::task::JoinSet;

/// A name that is none comes out of every operation as `Configuration`, before anything is sent.
async fn a_bad_name_comes_out_of_every_operation(db: TestDatabase) {
    let connection = db.connect().await;
    let too_long = "t".repeat(41);
    let bad = [
        "",
        "1st",
        "a b",
        "a.b",
        "x\"; DROP TABLE y; --",
        "é",
        "sqlite_sessions",
        &too_long,
    ];
    for name in bad {
        let store = SeaOrmUserSessionStore::builder()
            .table(name)
            .build(connection.clone());
        is_configuration(&store, name).await;
        let store = SeaOrmUserSessionStore::builder()
            .table(name)
            .connect(db.url())
            .await;
        is_configuration(&store.unwrap(), name).await;
    }
    let too_long = "s".repeat(64);
    for name in ["", "1st", "a b", "a.b", "`; --", &too_long] {
        let store = SeaOrmUserSessionStore::builder()
            .schema(name)
            .build(connection.clone());
        is_configuration(&store, name).await;
    }
}

async fn is_configuration(store: &SeaOrmUserSessionStore, name: &str) {
    for (operation, outcome) in every_operation(store).await {
        assert!(
            matches!(outcome, Err(Error::Configuration { .. })),
            "{name:?}, {operation}: {outcome:?}"
        );
    }
    let statements = store.statements().await;
    assert!(
        matches!(statements, Err(Error::Configuration { .. })),
        "{name:?}"
    );
}

/// The connection that a store hands out leads to the database that it keeps its sessions in.
async fn connection_leads_to_the_same_database(db: TestDatabase) {
    let store = TestStore::new(db).await;
    let session = session("one");
    store.create_user_session(session.clone()).await.unwrap();
    let rows = entity::Entity::find()
        .count(store.connection())
        .await
        .unwrap();
    assert_eq!(rows, 1);
    let rename = "UPDATE user_sessions SET user_key = 'another'";
    store.connection().execute_unprepared(rename).await.unwrap();
    assert_eq!(store.get_user_session(&session.key).await.unwrap(), None);
    let renamed = UserSession {
        key: key("another"),
        ..session
    };
    let found = store.get_user_session(&renamed.key).await.unwrap();
    assert_eq!(found, Some(renamed));
}

/// A clone is the same store, and goes on when the first is gone.
async fn a_clone_shares_everything(db: TestDatabase) {
    let store = SeaOrmUserSessionStore::connect(db.url()).await.unwrap();
    let clone = store.clone();
    store_migration::up(clone.connection()).await.unwrap();
    let session = session("one");
    store.create_user_session(session.clone()).await.unwrap();
    assert_eq!(
        clone.get_user_session(&session.key).await.unwrap(),
        Some(session.clone())
    );
    drop(store);
    assert!(clone.delete_user_session(&session.key).await.unwrap());
}

/// Printing a store shows nothing of the URL.
async fn shows_no_url(db: TestDatabase) {
    let store = SeaOrmUserSessionStore::connect(db.url()).await.unwrap();
    let shown = format!("{store:?}");
    assert!(shown.starts_with("SeaOrmUserSessionStore"));
    let database = db.url().rsplit('/').next().unwrap();
    assert!(!shown.contains(database), "{shown}");
}

on_every_database!(
    a_bad_name_comes_out_of_every_operation,
    connection_leads_to_the_same_database,
    a_clone_shares_everything,
    shows_no_url,
);

/// What has no meaning as a URL is `Configuration`, and is not repeated to whoever reads the error.
#[tokio::test]
async fn a_bad_url_is_a_wrong_configuration() {
    for url in [
        "",
        "secret",
        "oracle://user:secret@host/db",
        "mssql://user:secret@host/db",
        "http://user:secret@host/db",
        "postgres://user:secret@host:port/db",
        "postgres://user:secret@[host/db",
        "postgres://user:secret@host/db?sslmode=secret",
        "mysql://user:secret@host:port/db",
        "mysql://user:secret@[host/db",
        "mysql://user:secret@host/db?ssl-mode=secret",
        "sqlite://sessions.db?mode=secret",
        "sqlite://sessions.db?secret=secret",
        "sqlite://sessions.db?cache=secret",
    ] {
        let error = SeaOrmUserSessionStore::connect(url).await.unwrap_err();
        assert!(
            matches!(error, Error::Configuration { .. }),
            "{url}: {error:?}"
        );
        assert!(
            !format!("{error} {error:?}").contains("secret"),
            "{url}: {error:?}"
        );
    }
}

mod a_file {
    use super::*;

    /// A file is made only where the URL says so, and never its directory.
    #[tokio::test]
    async fn that_is_missing_is_not_made_unasked() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("sessions.db");
        let url = format!("sqlite://{}", file.display());
        let deeper = format!(
            "sqlite://{}/no/such/sessions.db?mode=rwc",
            directory.path().display()
        );
        for url in [&url, &deeper] {
            let error = SeaOrmUserSessionStore::connect(url).await.unwrap_err();
            assert!(!error.is_transient(), "waiting makes no file: {error:?}");
            assert!(!matches!(error, Error::NotMigrated), "{error:?}");
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);

        SeaOrmUserSessionStore::connect(&format!("{url}?mode=rwc"))
            .await
            .unwrap();
        assert!(file.exists());
        SeaOrmUserSessionStore::connect(&url)
            .await
            .expect("now it is there");
    }

    /// What is no database is an error, and stays as it is.
    #[tokio::test]
    async fn that_is_no_database_stays_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("sessions.db");
        let text = "something else, for more than one hundred bytes ".repeat(20);
        std::fs::write(&file, &text).unwrap();
        let url = format!("sqlite://{}?mode=rwc", file.display());
        let error = SeaOrmUserSessionStore::connect(&url).await.unwrap_err();
        assert!(matches!(error, Error::Backend { .. }), "{error:?}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    }
}

mod servers {
    use super::*;

    /// A database that is not there is no table that is not there.
    async fn without_the_database_refuse(db: TestDatabase) {
        let url = format!("{}_that_is_not_there", db.url());
        let error = SeaOrmUserSessionStore::connect(&url).await.unwrap_err();
        assert!(matches!(error, Error::Backend { .. }), "{error:?}");
    }

    on_databases!([postgres, mysql, mariadb]: without_the_database_refuse);
}

mod a_lazy_pool {
    use super::*;

    /// Building a store on it asks nothing of the server: that is left to the first operation.
    #[tokio::test]
    async fn is_not_asked_for_anything_by_building_on_it() {
        for scheme in ["postgres", "mysql"] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.set_nonblocking(true).unwrap();
            let port = listener.local_addr().unwrap().port();
            let mut options = ConnectOptions::new(format!("{scheme}://user@127.0.0.1:{port}/db"));
            options
                .connect_lazy(true)
                .sqlx_logging(false)
                .acquire_timeout(Duration::from_millis(200));
            let db = Database::connect(options).await.unwrap();

            let stores = [
                SeaOrmUserSessionStore::new(db.clone()),
                SeaOrmUserSessionStore::builder().schema("auth").build(db),
            ];
            tokio::time::sleep(Duration::from_millis(20)).await;
            let nobody = listener.accept().unwrap_err();
            assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock, "{scheme}");

            drop(listener);
            for store in stores {
                let asked = Instant::now();
                let answer = store.get_user_session(&key("any")).await;
                assert!(
                    matches!(answer, Err(Error::Unavailable { .. })),
                    "{answer:?}"
                );
                assert!(asked.elapsed() < Duration::from_secs(5), "{scheme}");
            }
        }
    }
}

/// Pools that a host made for itself, at its own isolation and journal mode, keep the contract.
mod host_pools {
    use super::*;

    const RACERS: usize = 16;

    async fn keep_the_contract(db: TestDatabase) {
        let settings: &[&str] = match db.kind() {
            DatabaseKind::Sqlite => &[
                "PRAGMA journal_mode = WAL",
                "PRAGMA journal_mode = DELETE",
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF",
            ],
            DatabaseKind::SqliteMemory => &[""],
            DatabaseKind::Postgres => &[
                "SET default_transaction_isolation = 'serializable'",
                "SET default_transaction_isolation = 'repeatable read'",
                "",
            ],
            DatabaseKind::MySql | DatabaseKind::MariaDb => &[
                "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
                "SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED",
            ],
        };
        for setting in settings {
            let connections = match db.kind() {
                DatabaseKind::SqliteMemory => 1,
                _ => 8,
            };
            let pool = host_pool(db.url(), connections, setting).await;
            let store = SeaOrmUserSessionStore::new(pool);
            store_migration::up(store.connection()).await.unwrap();
            for (operation, outcome) in every_operation(&store).await {
                outcome.unwrap_or_else(|error| panic!("{setting}, {operation}: {error:?}"));
            }
            keeps_the_contract(&store, setting).await;
        }
    }

    on_every_database!(keep_the_contract);

    /// Does the same many times at once, and answers with what each came to.
    async fn race<T, F>(
        store: &SeaOrmUserSessionStore,
        racer: impl Fn(SeaOrmUserSessionStore, usize) -> F,
    ) -> Vec<Result<T>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let mut racers = JoinSet::new();
        for number in 0..RACERS {
            racers.spawn(racer(store.clone(), number));
        }
        racers.join_all().await
    }

    fn numbered(name: &str, number: usize) -> UserSession {
        session(&format!("{name} {number}"))
    }

    async fn keeps_the_contract(store: &SeaOrmUserSessionStore, setting: &str) {
        let (partition, alice) = (
            PartitionKey::default(),
            SubjectId::try_from("alice").unwrap(),
        );
        let of_alice = UserSessionsFilter::for_subject(alice.clone());
        let live = async || {
            store
                .count_user_sessions(&partition, Some(&alice))
                .await
                .unwrap()
        };

        // One of those who create the same session does, and the others are told.
        let created = race(store, |store, _| async move {
            store.create_user_session(session("same")).await
        })
        .await;
        let refused = created
            .iter()
            .filter(|answer| matches!(answer, Err(Error::AlreadyExists)));
        assert_eq!(refused.count(), RACERS - 1, "{setting}: {created:?}");
        assert_eq!(live().await, 1, "{setting}");

        // One of those who know its version changes it.
        let updated = race(store, |store, number| async move {
            let update = UserSessionUpdate::from(session("same")).with_if_version(0);
            let ticket = format!("{number}").into();
            let update = UserSessionUpdate { ticket, ..update };
            store.update_user_session(&key("same"), update).await
        })
        .await;
        let overtaken = updated
            .iter()
            .filter(|answer| matches!(answer, Err(Error::VersionMismatch)));
        assert_eq!(overtaken.count(), RACERS - 1, "{setting}: {updated:?}");
        let updated = updated.iter().filter(|answer| matches!(answer, Ok(true)));
        assert_eq!(updated.count(), 1, "{setting}");

        // Each renewal counts.
        let renewed = race(store, |store, _| async move {
            store
                .renew_user_session(&key("same"), at("2026-03-02T09:00:00Z"), None)
                .await
        })
        .await;
        assert!(
            renewed.iter().all(|answer| matches!(answer, Ok(true))),
            "{setting}: {renewed:?}"
        );
        let found = store.get_user_session(&key("same")).await.unwrap().unwrap();
        assert_eq!(found.version, 1 + RACERS as u64, "{setting}");

        // One of those who rotate it does.
        let rotated = race(store, |store, number| async move {
            let new = numbered("rotated", number).key.user_key;
            store
                .rotate_user_key(&key("same"), &new, session("same").into())
                .await
        })
        .await;
        let rotated: Vec<bool> = rotated.into_iter().map(Result::unwrap).collect();
        assert_eq!(
            rotated.iter().filter(|&&rotated| rotated).count(),
            1,
            "{setting}"
        );
        assert_eq!(live().await, 1, "{setting}");

        // The cap holds, and each displaced session is handed to exactly one.
        let policy = StartPolicy {
            max_sessions_per_subject: NonZeroU32::new(3),
            ..StartPolicy::default()
        };
        let started = race(store, |store, number| {
            let policy = policy.clone();
            async move {
                store
                    .start_user_session(numbered("started", number), &policy)
                    .await
            }
        })
        .await;
        let ended: Vec<_> = started.into_iter().flat_map(Result::unwrap).collect();
        assert_eq!(live().await, 3, "{setting}");
        let keys: BTreeSet<_> = ended.iter().map(|session| session.key.clone()).collect();
        assert_eq!(
            (ended.len(), keys.len()),
            (RACERS - 2, RACERS - 2),
            "{setting}"
        );

        // A session id is held by the last that started with it.
        let started = race(store, |store, number| async move {
            let mut session = numbered("same session id", number);
            session.session_id = "same session id".parse().ok();
            store
                .start_user_session(session, &StartPolicy::default())
                .await
        })
        .await;
        let ended: Vec<_> = started.into_iter().flat_map(Result::unwrap).collect();
        assert_eq!(ended.len(), RACERS - 1, "{setting}");
        assert_eq!(live().await, 4, "{setting}");

        // Of those who end them all, each gets what no other gets.
        let ended = race(store, |store, _| {
            let (partition, of_alice) = (partition.clone(), of_alice.clone());
            async move { store.end_user_sessions(&partition, &of_alice).await }
        })
        .await;
        let ended: Vec<_> = ended.into_iter().flat_map(Result::unwrap).collect();
        assert_eq!(ended.len(), 4, "{setting}");
        assert_eq!(live().await, 0, "{setting}");

        // And what several cleanups removed adds up.
        for number in 0..RACERS {
            let expired = numbered("expired", number).with_expires(at("2026-03-02T08:15:31Z"));
            store.create_user_session(expired).await.unwrap();
        }
        let cleaned = race(store, |store, _| async move {
            store.delete_expired_sessions().await
        });
        let cleaned: u64 = cleaned.await.into_iter().map(Result::unwrap).sum();
        assert_eq!(cleaned, RACERS as u64, "{setting}");
        let rows = entity::Entity::find()
            .filter(entity::Column::SubjectId.eq("alice"))
            .count(store.connection())
            .await
            .unwrap();
        assert_eq!(rows, 0, "{setting}");
    }
}
