//! Rows that something else wrote, and that cannot be sessions.
//!
//! Who reads one is told which column it is, never what is in it. Who removes one is not held up by
//! it, and gets all the others.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::num::NonZeroU32;
use std::sync::Arc;

use sea_orm::{ConnectionTrait as _, Statement};
use store_core::{
    Error, MAX_LIMIT, ManualClock, PageRequest, PartitionKey, StartPolicy, UserSession,
    UserSessionDirectory as _, UserSessionStore as _, UserSessionStoreCleanup as _,
    UserSessionsFilter,
};
use store_tests::sample::{at, session};
use store_tests::{DatabaseKind, TestDatabase, TestStore, host_pool, on_every_database};

/// A column, and what it is set to. Values that could be shown contain the word `oops`, or digits
/// with 31337 in them.
struct Corruption {
    column: &'static str,
    value: &'static str,
    /// Whether it has expired by [`LATER`].
    expires: bool,
}

const fn set(column: &'static str, value: &'static str) -> Corruption {
    Corruption {
        column,
        value,
        expires: true,
    }
}

const fn never_expires(column: &'static str, value: &'static str) -> Corruption {
    Corruption {
        column,
        value,
        expires: false,
    }
}

/// When the sessions expire, and when they have.
const EXPIRES: &str = "2026-03-02T10:00:00Z";
const LATER: &str = "2026-03-03T00:00:00Z";

const POSTGRES: [Corruption; 20] = [
    set("version", "-31337"),
    set("user_key", "''"),
    set("user_key", "repeat('oops', 64)"),
    set("partition_key", "repeat('oops', 64)"),
    set("subject_id", "''"),
    set("subject_id", "repeat('oops', 64)"),
    set("session_id", "''"),
    set("session_id", "repeat('oops', 64)"),
    set("created", "'infinity'"),
    set("created", "'-infinity'"),
    set("created", "'0001-01-01 00:00:00Z'"),
    set("created", "'4713-01-01 00:00:00Z BC'"),
    set("created", "'294276-12-31 23:59:59.999999Z'"),
    set("created", "'10000-01-01 00:00:00Z'"),
    set("renewed", "'infinity'"),
    set("renewed", "'0999-12-31 23:59:59.999999Z'"),
    never_expires("expires", "'infinity'"),
    never_expires("expires", "'294276-12-31 23:59:59.999999Z'"),
    set("expires", "'-infinity'"),
    set("expires", "'0001-01-01 00:00:00Z'"),
];

const MYSQL: [Corruption; 16] = [
    set("version", "-31337"),
    set("user_key", "''"),
    set("user_key", r"X'6f6f7073ff'"),
    set("user_key", r"X'6f6f707300'"),
    set("partition_key", r"X'6f6f7073ff'"),
    set("subject_id", "''"),
    set("subject_id", r"X'6f6f7073c328'"),
    set("session_id", r"X'6f6f7073eda080'"),
    set("session_id", r"X'6f6f707300'"),
    set("created", "'0000-00-00 00:00:00'"),
    set("created", "'2026-00-00 00:00:00'"),
    set("created", "'2026-02-31 00:00:00'"),
    set("renewed", "'0999-12-31 23:59:59.999999'"),
    set("renewed", "'0000-00-00 00:00:00'"),
    set("expires", "'0000-00-00 00:00:00'"),
    set("expires", "'0001-01-01 00:00:00'"),
];

const SQLITE: [Corruption; 25] = [
    set("version", "-31337"),
    set("version", "'oops'"),
    set("version", "31337e99"),
    set("user_key", "''"),
    set("user_key", "X'6f6f7073'"),
    set("user_key", "CAST(X'6f6f7073ff' AS TEXT)"),
    set("user_key", "'oops' || char(0)"),
    set("user_key", "replace(hex(zeroblob(256)), '00', 'o')"),
    set("partition_key", "X'6f6f7073'"),
    set("subject_id", "''"),
    set("subject_id", "X'6f6f7073'"),
    set("subject_id", "CAST(X'6f6f7073ff' AS TEXT)"),
    set("session_id", "'oops' || char(0)"),
    set("session_id", "X'6f6f7073'"),
    set("created", "'oops'"),
    set("created", "X'6f6f7073'"),
    set("created", "1.31337"),
    set("created", "9223372036854775807"),
    set("created", "-9223372036854775808"),
    set("renewed", "253402300800000000"),
    set("renewed", "'oops'"),
    never_expires("expires", "'oops'"),
    never_expires("expires", "9223372036854775807"),
    set("expires", "-9223372036854775808"),
    set("ticket", "31337"),
];

fn corruptions(kind: DatabaseKind) -> &'static [Corruption] {
    match kind {
        DatabaseKind::Postgres => &POSTGRES,
        DatabaseKind::MySql | DatabaseKind::MariaDb => &MYSQL,
        DatabaseKind::Sqlite | DatabaseKind::SqliteMemory => &SQLITE,
    }
}

/// A store with two sessions of alice: one that is corrupt, and one that is not.
struct Sessions {
    store: TestStore,
    clock: Arc<ManualClock>,
    /// To write with what the store would not, on the same database.
    host: sea_orm::DatabaseConnection,
}

impl Sessions {
    async fn on(db: TestDatabase) -> Self {
        let clock = Arc::new(ManualClock::new(at(LATER)));
        let store = TestStore::on(db, clock.clone()).await;
        let host = match store.database().kind() {
            DatabaseKind::MySql | DatabaseKind::MariaDb => {
                host_pool(
                    store.database().url(),
                    1,
                    "SET sql_mode = 'ALLOW_INVALID_DATES'",
                )
                .await
            }
            _ => store.connection().clone(),
        };
        Self { store, clock, host }
    }

    async fn execute(&self, sql: &str) {
        if let Err(error) = self.host.execute_unprepared(sql).await {
            panic!("{sql}: {error}");
        }
    }

    /// Writes both anew. The corrupt one is the older.
    async fn write(&self, corruption: &Corruption) {
        self.clock.set(at("2026-03-02T09:00:00Z"));
        self.execute("DELETE FROM user_sessions").await;
        let mut sound = sound();
        self.store.create_user_session(sound.clone()).await.unwrap();
        sound = corrupt();
        self.store.create_user_session(sound).await.unwrap();
        let Corruption { column, value, .. } = corruption;
        self.execute(&format!(
            "UPDATE user_sessions SET {column} = {value} WHERE user_key = 'corrupt'"
        ))
        .await;
    }

    async fn rows(&self) -> i64 {
        let backend = self.host.get_database_backend();
        let count = Statement::from_string(backend, "SELECT COUNT(*) FROM user_sessions");
        let row = self.host.query_one_raw(count).await.unwrap().unwrap();
        row.try_get_by_index(0).unwrap()
    }
}

fn sound() -> UserSession {
    session("sound").with_expires(at(EXPIRES))
}

fn corrupt() -> UserSession {
    UserSession {
        created: at("2026-03-02T08:00:00Z"),
        ..session("corrupt").with_expires(at(EXPIRES))
    }
}

/// The filter that finds the corrupt session whatever the column: by its session id, or by the
/// subject that both have.
fn filter_past(corruption: &Corruption) -> UserSessionsFilter {
    match corruption.column {
        "subject_id" => UserSessionsFilter::for_session(corrupt().session_id.unwrap()),
        _ => UserSessionsFilter::for_subject(corrupt().subject_id.unwrap()),
    }
}

/// Expects the error to blame the column and to show nothing that was in it.
fn blames<T: std::fmt::Debug>(column: &str, answer: store_core::Result<T>) {
    let error = answer.expect_err(column);
    let Error::Corrupt { what, .. } = &error else {
        panic!("{column}: {error:?}");
    };
    assert_eq!(what, column);
    let mut shown = format!("{error} {error:?}");
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        shown += &format!(" {error} {error:?}");
        source = error.source();
    }
    assert!(
        !shown.contains("oops") && !shown.contains("31337"),
        "{shown}"
    );
}

/// Reading says which column it is. Where the row is expired by what is in it, it is not read.
async fn are_named_by_their_column(db: TestDatabase) {
    let kind = db.kind();
    let sessions = Sessions::on(db).await;
    let (store, partition) = (&sessions.store, PartitionKey::default());
    for corruption in corruptions(kind) {
        let column = corruption.column;
        sessions.write(corruption).await;
        if column == "partition_key" || (column == "expires" && corruption.expires) {
            // Nobody gets to it: it is in no partition that can be named, or is not live.
            let found = store.get_user_session(&corrupt().key).await.unwrap();
            assert_eq!(found, None, "{column}");
            continue;
        }
        if column != "user_key" {
            blames(column, store.get_user_session(&corrupt().key).await);
        }
        let query = store
            .get_user_sessions(&partition, &filter_past(corruption))
            .await;
        blames(column, query);
        let page = PageRequest::default();
        let listed = store.list_user_sessions(&partition, &page).await;
        if column == "ticket" {
            assert_eq!(listed.unwrap().sessions.len(), 2, "a page has no tickets");
        } else {
            blames(column, listed);
        }
        if column == "version" {
            let update = store_core::UserSessionUpdate::from(corrupt()).with_if_version(0);
            blames(
                column,
                store.update_user_session(&corrupt().key, update).await,
            );
        }
        assert_eq!(
            store.count_user_sessions(&partition, None).await.unwrap(),
            2
        );
        let other = store.get_user_session(&sound().key).await.unwrap();
        assert_eq!(other, Some(sound()), "beside {column}");
    }
}

/// Deleting by key and by filter removes it like any other.
async fn are_deleted_like_any_other(db: TestDatabase) {
    let kind = db.kind();
    let sessions = Sessions::on(db).await;
    let (store, partition) = (&sessions.store, PartitionKey::default());
    for corruption in corruptions(kind) {
        let Corruption { column, value, .. } = corruption;
        if *column == "partition_key" {
            continue;
        }
        sessions.write(corruption).await;
        if *column != "user_key" {
            assert!(store.delete_user_session(&corrupt().key).await.unwrap());
            assert_eq!(sessions.rows().await, 1, "{column} = {value}");
            sessions.write(corruption).await;
        }
        let filter = filter_past(corruption);
        let expected = if *column == "subject_id" { 1 } else { 2 };
        let deleted = store
            .delete_user_sessions(&partition, &filter)
            .await
            .unwrap();
        assert_eq!(deleted, expected, "{column} = {value}");
        assert_eq!(
            sessions.rows().await,
            2 - expected as i64,
            "{column} = {value}"
        );
    }
}

/// Ending by filter removes it, and hands back the others only.
async fn are_ended_without_being_handed_back(db: TestDatabase) {
    let kind = db.kind();
    let sessions = Sessions::on(db).await;
    let (store, partition) = (&sessions.store, PartitionKey::default());
    for corruption in corruptions(kind) {
        let Corruption { column, value, .. } = corruption;
        if *column == "partition_key" {
            continue;
        }
        sessions.write(corruption).await;
        let ended = store
            .end_user_sessions(&partition, &filter_past(corruption))
            .await;
        let ended = ended.unwrap_or_else(|error| panic!("{column} = {value}: {error:?}"));
        if *column == "subject_id" {
            assert_eq!(ended, [], "{column} = {value}");
            assert_eq!(sessions.rows().await, 1, "{column} = {value}");
        } else {
            assert_eq!(ended, [sound()], "{column} = {value}");
            assert_eq!(sessions.rows().await, 0, "{column} = {value}");
        }
    }
}

/// A start that displaces it succeeds: by its session id, and as the oldest of too many.
async fn are_displaced_by_a_start(db: TestDatabase) {
    let kind = db.kind();
    let sessions = Sessions::on(db).await;
    let store = &sessions.store;
    for corruption in corruptions(kind) {
        let Corruption { column, value, .. } = corruption;
        let new = UserSession {
            session_id: corrupt().session_id,
            ..session("new")
        };
        if !matches!(*column, "partition_key" | "session_id") {
            sessions.write(corruption).await;
            let ended = store
                .start_user_session(new.clone(), &StartPolicy::default())
                .await;
            let ended = ended.unwrap_or_else(|error| panic!("{column} = {value}: {error:?}"));
            assert_eq!(ended, [], "{column} = {value}");
            assert_eq!(sessions.rows().await, 2, "{column} = {value}");
            assert_eq!(
                store.get_user_session(&new.key).await.unwrap(),
                Some(new.clone())
            );
        }

        if !matches!(*column, "partition_key" | "subject_id") {
            let only_one = StartPolicy {
                max_sessions_per_subject: NonZeroU32::new(1),
                ..StartPolicy::default()
            };
            let new = session("new");
            sessions.write(corruption).await;
            let ended = store.start_user_session(new.clone(), &only_one).await;
            let ended = ended.unwrap_or_else(|error| panic!("{column} = {value}, cap: {error:?}"));
            assert_eq!(ended, [sound()], "{column} = {value}, cap");
            assert_eq!(store.get_user_session(&new.key).await.unwrap(), Some(new));
            let is_dead = *column == "expires" && corruption.expires;
            let left = if is_dead { 2 } else { 1 };
            assert_eq!(sessions.rows().await, left, "{column} = {value}, cap");
        }
    }
}

/// The cleanup removes it with all else that has expired, in every partition.
async fn are_cleaned_up(db: TestDatabase) {
    let kind = db.kind();
    let sessions = Sessions::on(db).await;
    let store = &sessions.store;
    for corruption in corruptions(kind) {
        let Corruption {
            column,
            value,
            expires,
        } = corruption;
        let left = if *expires { 0 } else { 1 };
        sessions.write(corruption).await;
        sessions.clock.set(at(LATER));
        let deleted = store.delete_expired_sessions().await.unwrap();
        assert_eq!(deleted, 2 - left as u64, "{column} = {value}");
        assert_eq!(sessions.rows().await, left, "{column} = {value}");

        sessions.write(corruption).await;
        sessions.clock.set(at(LATER));
        let ended = store.end_expired_sessions(MAX_LIMIT).await;
        let ended = ended.unwrap_or_else(|error| panic!("{column} = {value}: {error:?}"));
        assert_eq!(ended, [sound()], "{column} = {value}");
        assert_eq!(sessions.rows().await, left, "{column} = {value}");
    }
}

/// A batch of nothing else is not taken for the end of the cleanup.
async fn in_a_batch_of_their_own_do_not_end_the_cleanup(db: TestDatabase) {
    let sessions = Sessions::on(db).await;
    sessions.write(&set("version", "-1")).await;
    sessions.clock.set(at(LATER));
    let one = NonZeroU32::MIN;
    sessions
        .execute("UPDATE user_sessions SET expires = created WHERE user_key = 'corrupt'")
        .await;
    let ended = sessions.store.end_expired_sessions(one).await.unwrap();
    assert_eq!(ended, [sound()]);
    assert!(
        sessions
            .store
            .end_expired_sessions(one)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(sessions.rows().await, 0);
}

on_every_database!(
    are_named_by_their_column,
    are_deleted_like_any_other,
    are_ended_without_being_handed_back,
    are_displaced_by_a_start,
    are_cleaned_up,
    in_a_batch_of_their_own_do_not_end_the_cleanup,
);
