//! `Migrator`: what it makes, finds, mends and refuses.

use crate::support::{TestFile, objects, texts};
use sea_orm::{ConnectionTrait, DbErr};
use store_migration::Migrator;

const ALL: [&str; 6] = [
    "index user_sessions_cleanup_at",
    "index user_sessions_created",
    "index user_sessions_session_id",
    "index user_sessions_subject_id",
    "table user_sessions",
    "table user_sessions_migrations",
];

#[tokio::test]
async fn up_makes_table_indexes_and_history() {
    let file = TestFile::new();
    let db = file.connect().await;
    store_migration::up(&db).await.unwrap();
    assert_eq!(objects(&db).await, ALL);
    assert_eq!(
        texts(&db, "SELECT name FROM pragma_table_info('user_sessions')").await,
        [
            "partition_key",
            "user_key",
            "subject_id",
            "session_id",
            "created",
            "renewed",
            "expires",
            "version",
            "ticket",
            "cleanup_at"
        ]
    );
    assert_eq!(
        texts(&db, "SELECT version FROM user_sessions_migrations").await,
        [
            "m20261120_000001_create_user_sessions",
            "m20261120_000002_defer_cleanup",
            "m20261121_000003_defer_cleanup_on_sqlite"
        ]
    );
}

#[tokio::test]
async fn up_again_changes_nothing() {
    let file = TestFile::new();
    let db = file.connect().await;
    store_migration::up(&db).await.unwrap();
    insert_session(&db).await;
    store_migration::up(&db).await.unwrap();
    assert_eq!(
        texts(&db, "SELECT user_key FROM user_sessions").await,
        ["key"]
    );
    assert_eq!(objects(&db).await, ALL);
}

#[tokio::test]
async fn up_needs_only_reading_where_all_is_current() {
    let file = TestFile::new();
    store_migration::up(&file.connect().await).await.unwrap();
    let reader = file.connect().await;
    reader
        .execute_unprepared("PRAGMA query_only = ON")
        .await
        .unwrap();
    store_migration::up(&reader).await.unwrap();
    assert!(Migrator::new().is_current(&reader).await.unwrap());
}

#[tokio::test]
async fn down_leaves_nothing_and_up_starts_afresh() {
    let file = TestFile::new();
    let db = file.connect().await;
    let migrator = Migrator::new();
    migrator.up(&db).await.unwrap();
    insert_session(&db).await;
    migrator.down(&db).await.unwrap();
    assert!(objects(&db).await.is_empty());
    migrator.up(&db).await.unwrap();
    assert_eq!(objects(&db).await, ALL);
    assert!(
        texts(&db, "SELECT user_key FROM user_sessions")
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn down_on_an_empty_database_is_no_error() {
    let file = TestFile::new();
    let db = file.connect().await;
    Migrator::new().down(&db).await.unwrap();
    assert!(objects(&db).await.is_empty());
}

#[tokio::test]
async fn is_current_says_what_is_there_and_creates_nothing() {
    let file = TestFile::new();
    let db = file.connect().await;
    let migrator = Migrator::new();
    assert!(!migrator.is_current(&db).await.unwrap());
    assert!(objects(&db).await.is_empty());
    migrator.up(&db).await.unwrap();
    assert!(migrator.is_current(&db).await.unwrap());
    migrator.down(&db).await.unwrap();
    assert!(!migrator.is_current(&db).await.unwrap());
}

#[tokio::test]
async fn a_history_without_its_table_is_not_current_and_up_mends_it() {
    let file = TestFile::new();
    let db = file.connect().await;
    let migrator = Migrator::new();
    migrator.up(&db).await.unwrap();
    db.execute_unprepared("DROP TABLE user_sessions")
        .await
        .unwrap();
    assert!(!migrator.is_current(&db).await.unwrap());
    migrator.up(&db).await.unwrap();
    assert!(migrator.is_current(&db).await.unwrap());
    assert_eq!(objects(&db).await, ALL);
}

#[tokio::test]
async fn an_incomplete_history_is_not_current_and_up_mends_it() {
    let file = TestFile::new();
    let db = file.connect().await;
    let migrator = Migrator::new();
    migrator.up(&db).await.unwrap();
    insert_session(&db).await;
    db.execute_unprepared("DELETE FROM user_sessions_migrations")
        .await
        .unwrap();
    assert!(!migrator.is_current(&db).await.unwrap());
    migrator.up(&db).await.unwrap();
    assert!(migrator.is_current(&db).await.unwrap());
    assert_eq!(
        texts(&db, "SELECT user_key FROM user_sessions").await,
        ["key"]
    );
}

#[tokio::test]
async fn a_newer_history_is_current_to_an_older_version() {
    let file = TestFile::new();
    let db = file.connect().await;
    let migrator = Migrator::new();
    migrator.up(&db).await.unwrap();
    db.execute_unprepared("INSERT INTO user_sessions_migrations VALUES ('m29991231_000001_later')")
        .await
        .unwrap();
    assert!(migrator.is_current(&db).await.unwrap());
    migrator.up(&db).await.unwrap();
}

#[tokio::test]
async fn two_tables_in_one_database_do_not_touch_each_other() {
    let file = TestFile::new();
    let db = file.connect().await;
    let (users, admins) = (Migrator::new(), Migrator::new().table("admin_sessions"));
    users.up(&db).await.unwrap();
    assert!(!admins.is_current(&db).await.unwrap());
    admins.up(&db).await.unwrap();
    assert_eq!(objects(&db).await.len(), 2 * ALL.len());
    users.down(&db).await.unwrap();
    assert!(admins.is_current(&db).await.unwrap());
    assert!(!users.is_current(&db).await.unwrap());
    assert_eq!(objects(&db).await.len(), ALL.len());
}

#[tokio::test]
async fn a_schema_is_an_attached_database() {
    let file = TestFile::new();
    let db = file.connect().await;
    let migrator = Migrator::new().schema("auth").table("sessions");

    assert!(!migrator.is_current(&db).await.unwrap());
    assert!(matches!(migrator.up(&db).await, Err(DbErr::Migration(_))));
    assert!(matches!(migrator.down(&db).await, Err(DbErr::Migration(_))));

    let attach = format!(
        "ATTACH DATABASE '{}' AS auth",
        file.path("auth.db").display()
    );
    db.execute_unprepared(&attach).await.unwrap();
    assert!(!migrator.is_current(&db).await.unwrap());
    migrator.up(&db).await.unwrap();
    assert!(migrator.is_current(&db).await.unwrap());
    assert!(objects(&db).await.is_empty(), "nothing of it is in main");
    assert!(
        !Migrator::new()
            .table("sessions")
            .schema("main")
            .is_current(&db)
            .await
            .unwrap()
    );
    migrator.down(&db).await.unwrap();
    assert!(
        texts(&db, "SELECT name FROM auth.sqlite_master")
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn the_schema_main_is_always_there() {
    let file = TestFile::new();
    let db = file.connect().await;
    Migrator::new().schema("main").up(&db).await.unwrap();
    assert!(Migrator::new().is_current(&db).await.unwrap());
}

#[tokio::test]
async fn names_are_compared_as_sqlite_does() {
    let file = TestFile::new();
    let db = file.connect().await;
    Migrator::new().table("Sessions").up(&db).await.unwrap();
    assert!(
        Migrator::new()
            .table("sessions")
            .is_current(&db)
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn illegal_names_are_refused_by_every_operation() {
    let file = TestFile::new();
    let db = file.connect().await;
    let too_long = "t".repeat(41);
    let migrators = [
        "",
        "a b",
        "1st",
        "x\"; DROP TABLE y; --",
        "sqlite_sessions",
        &too_long,
    ]
    .map(|name| Migrator::new().table(name))
    .into_iter()
    .chain([Migrator::new().schema("a.b")]);
    for migrator in migrators {
        assert!(
            matches!(migrator.up(&db).await, Err(DbErr::Migration(_))),
            "{migrator:?}"
        );
        assert!(
            matches!(migrator.down(&db).await, Err(DbErr::Migration(_))),
            "{migrator:?}"
        );
        assert!(
            matches!(migrator.is_current(&db).await, Err(DbErr::Migration(_))),
            "{migrator:?}"
        );
        assert!(matches!(
            migrator.sql(db.get_database_backend()),
            Err(DbErr::Migration(_))
        ));
    }
    assert!(objects(&db).await.is_empty());
}

#[tokio::test]
async fn another_table_of_the_same_name_is_an_error_and_stays_as_it_was() {
    let without_a_ticket = "partition_key, user_key, subject_id, session_id, created, renewed, \
                            expires, version";
    for columns in ["id INTEGER", without_a_ticket] {
        let file = TestFile::new();
        let db = file.connect().await;
        db.execute_unprepared(&format!("CREATE TABLE user_sessions ({columns})"))
            .await
            .unwrap();
        store_migration::up(&db).await.unwrap_err();
        assert_eq!(objects(&db).await, ["table user_sessions"]);
        assert!(!Migrator::new().is_current(&db).await.unwrap());
    }
}

#[tokio::test]
async fn keys_and_session_ids_are_unique_in_their_partition() {
    let file = TestFile::new();
    let db = file.connect().await;
    store_migration::up(&db).await.unwrap();
    let insert = async |partition: &str, key: &str, session: &str| {
        db.execute_unprepared(&format!(
            "INSERT INTO user_sessions VALUES ('{partition}', '{key}', NULL, {session}, 0, 0, NULL, 0, x'', 0)"
        ))
        .await
        .is_ok()
    };
    assert!(insert("", "a", "'s'").await);
    assert!(!insert("", "a", "NULL").await, "the key is taken");
    assert!(!insert("", "b", "'s'").await, "the session id is taken");
    assert!(insert("", "A", "'S'").await, "case makes another key");
    assert!(
        insert("other", "a", "'s'").await,
        "another partition is another matter"
    );
    assert!(
        insert("", "c", "NULL").await && insert("", "d", "NULL").await,
        "none is never taken"
    );
}

async fn insert_session(db: &sea_orm::DatabaseConnection) {
    db.execute_unprepared(
        "INSERT INTO user_sessions VALUES ('', 'key', NULL, NULL, 0, 0, NULL, 0, x'', 0)",
    )
    .await
    .unwrap();
}
