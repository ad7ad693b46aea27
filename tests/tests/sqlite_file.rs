//! What an SQLite file becomes while a store writes into it: its log, and what is brought from there
//! into the file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sea_orm::{ConnectionTrait as _, Statement};
use store_core::{PartitionKey, Result, UserSessionDirectory as _, UserSessionStore as _};
use store_tests::sample::session;
use store_tests::{TestDatabase, TestStore, on_databases};

const MEGABYTE: u64 = 1 << 20;

fn path(store: &TestStore, suffix: &str) -> PathBuf {
    let url = store.database().url();
    let path = url.trim_start_matches("sqlite://").split('?').next();
    format!("{}{suffix}", path.expect("a path")).into()
}

/// Without opening it, and so without closing it: that would give up this process's locks on it.
fn len(path: &Path) -> u64 {
    path.metadata().expect("it is there").len()
}

/// Creates so many sessions, several at a time.
async fn create(store: &TestStore, sessions: usize, ticket_len: usize) {
    const TASKS: usize = 16;
    let mut tasks = tokio::task::JoinSet::<Result<()>>::new();
    for task in 0..TASKS {
        let store = store.store();
        tasks.spawn(async move {
            for number in (task..sessions).step_by(TASKS) {
                let mut session = session(&format!("number {number}"));
                session.ticket = vec![b'.'; ticket_len].into();
                store.create_user_session(session).await?;
            }
            Ok(())
        });
    }
    while let Some(created) = tasks.join_next().await {
        created.expect("no panic").expect("it is created");
    }
}

/// Long before SQLite would make a checkpoint by itself, and while nobody waits for it.
async fn what_is_written_reaches_the_file_beside_the_writer(db: TestDatabase) {
    let store = TestStore::new(db).await;
    let file = path(&store, "");
    let before = len(&file);
    create(&store, 600, 512).await;
    for _ in 0..200 {
        if len(&file) > before + MEGABYTE / 4 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{} bytes, {before} before", len(&file));
}

/// A log that only grows fills the disk, and is read at each start.
async fn the_log_begins_anew_under_load(db: TestDatabase) {
    const SESSIONS: usize = 2500;
    let store = TestStore::new(db).await;
    create(&store, SESSIONS, 64 << 10).await;
    let log = len(&path(&store, "-wal"));
    assert!(log < 100 * MEGABYTE, "{log} bytes for 156 megabytes");

    let everywhere = PartitionKey::default();
    let count = store.count_user_sessions(&everywhere, None).await;
    assert_eq!(count.expect("it is counted"), SESSIONS as u64);
    let db = store.connection();
    let check = Statement::from_string(db.get_database_backend(), "PRAGMA integrity_check");
    let row = db.query_one_raw(check).await.expect("it is checked");
    let found: String = row.expect("a row").try_get_by_index(0).expect("text");
    assert_eq!(found, "ok");
}

on_databases!([sqlite]:
    what_is_written_reaches_the_file_beside_the_writer,
    the_log_begins_anew_under_load,
);
