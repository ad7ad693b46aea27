//! What an SQLite file becomes while a store writes into it: its log, and what is brought from there
//! into the file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sea_orm::{ConnectionTrait as _, Statement};
use store_core::{PartitionKey, Result, UserSessionDirectory as _, UserSessionStore as _};
use store_seaorm::SeaOrmUserSessionStore;
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
    assert_is_whole(&store).await;
}

async fn assert_is_whole(store: &SeaOrmUserSessionStore) {
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

mod killed {
    use std::collections::HashMap;
    use std::process::Stdio;

    use store_tests::sample::key;
    use tokio::io::{AsyncBufReadExt as _, BufReader};
    use tokio::process::{Child, Command};

    use super::*;

    /// More pages than a checkpoint is made after, every two hundred sessions.
    const TICKET_LEN: usize = 16 << 10;

    async fn open(db: &TestDatabase) -> SeaOrmUserSessionStore {
        let store = SeaOrmUserSessionStore::connect(db.url()).await;
        store.expect("the file opens")
    }

    fn start(db: &TestDatabase, round: usize) -> Child {
        Command::new(env!("CARGO_BIN_EXE_write"))
            .args([db.url(), &format!("round {round}"), &TICKET_LEN.to_string()])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts")
    }

    /// With a checkpoint under way, or a transaction, or both: what was acknowledged is there, what was
    /// ended stays ended, and the file is whole.
    async fn a_process_takes_nothing_along(db: TestDatabase) {
        let store = open(&db).await;
        let migrated = store_migration::up(store.connection()).await;
        migrated.expect("the tables can be made");
        drop(store);
        for round in 0..6 {
            let enough = 500 + 77 * round;
            let mut process = start(&db, round);
            let output = process.stdout.take().expect("its output");
            let mut lines = BufReader::new(output).lines();
            // The last that it said of each session.
            let mut said = HashMap::new();
            while let Some(mut line) = lines.next_line().await.expect("it can be read") {
                said.insert(line.split_off(1), line);
                if said.len() == enough {
                    process.start_kill().expect("it is there to be killed");
                }
            }
            process.wait().await.expect("it ends");
            assert!(said.len() >= enough, "{} in round {round}", said.len());

            let store = open(&db).await;
            assert_is_whole(&store).await;
            for (user_key, said) in said {
                let session = store.get_user_session(&key(&user_key)).await;
                let session = session.expect("an answer");
                let len = session.map(|session| session.ticket.as_bytes().len());
                match said.as_str() {
                    "+" => assert_eq!(len, Some(TICKET_LEN), "{user_key} is lost"),
                    "?" => assert!(len.is_none_or(|len| len == TICKET_LEN), "{user_key}"),
                    "-" => assert_eq!(len, None, "{user_key} came back"),
                    other => panic!("{other}{user_key}"),
                }
            }
        }
    }

    on_databases!([sqlite]: a_process_takes_nothing_along);
}
