//! Many at once, and those who do not wait for the end.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Waker},
    time::Duration,
};

use crate::support::{TestFile, texts};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
};
use store_migration::Migrator;

#[tokio::test(flavor = "multi_thread")]
async fn eight_at_once_on_an_empty_database_all_succeed() {
    let file = TestFile::new();
    let mut runs = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let url = file.url();
        runs.spawn(async move {
            let db = Database::connect(url).await?;
            store_migration::up(&db).await
        });
    }
    for outcome in runs.join_all().await {
        outcome.unwrap();
    }
    let db = file.connect().await;
    assert!(Migrator::new().is_current(&db).await.unwrap());
    assert_eq!(
        texts(&db, "SELECT version FROM user_sessions_migrations")
            .await
            .len(),
        store_migration::migrations(&store_migration::Options::new()).len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ups_and_downs_at_once_all_succeed() {
    let file = TestFile::new();
    let mut runs = tokio::task::JoinSet::new();
    for number in 0..8 {
        let url = file.url();
        runs.spawn(async move {
            let db = Database::connect(url).await?;
            match number % 2 {
                0 => Migrator::new().up(&db).await,
                _ => Migrator::new().down(&db).await,
            }
        });
    }
    for outcome in runs.join_all().await {
        outcome.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_does_not_wait_for_the_writer_is_tried_again() {
    let file = TestFile::new();
    let writer = file.connect().await;
    let immediate = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..Default::default()
    };
    let held = writer.begin_with_options(immediate).await.unwrap();

    let mut options = ConnectOptions::new(file.url());
    options.map_sqlx_sqlite_opts(|options| options.busy_timeout(Duration::ZERO));
    let impatient = Database::connect(options).await.unwrap();
    let up = tokio::spawn(async move { store_migration::up(&impatient).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    held.rollback().await.unwrap();
    up.await.unwrap().unwrap();
}

/// However early the caller stops waiting: if the run was begun, it is finished, and in any case the
/// one connection comes back, without a transaction in it.
#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_up_runs_to_its_end_and_returns_the_connection() {
    for polls in 0..8 {
        let file = TestFile::new();
        let db = file.connect().await;
        {
            let mut up = pin!(store_migration::up(&db));
            let mut context = Context::from_waker(Waker::noop());
            for _ in 0..polls {
                if up.as_mut().poll(&mut context).is_ready() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        let wait = async {
            while !Migrator::new().is_current(&db).await.unwrap() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if polls > 0 {
            tokio::time::timeout(Duration::from_secs(10), wait)
                .await
                .expect("the run goes on");
        } else {
            assert!(
                !Migrator::new().is_current(&db).await.unwrap(),
                "nothing was begun"
            );
        }
        db.execute_unprepared("BEGIN")
            .await
            .expect("no transaction is open");
        db.execute_unprepared("ROLLBACK").await.unwrap();
        store_migration::up(&db).await.unwrap();
    }
}
