//! The command itself.

use std::process::{Command, Output};

use crate::support::{TestFile, objects};
use sea_orm::ConnectionTrait;
use store_migration::Migrator;

fn command(url: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_store-migration"))
        .env("DATABASE_URL", url)
        .args(arguments)
        .output()
        .unwrap()
}

fn succeed(url: &str, arguments: &[&str]) -> String {
    let output = command(url, arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn fail(url: &str, arguments: &[&str]) -> String {
    let output = command(url, arguments);
    assert!(!output.status.success(), "{arguments:?}: {output:?}");
    assert!(output.stdout.is_empty(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn up_status_down() {
    let file = TestFile::new();
    let url = file.url();
    assert!(succeed(&url, &["status"]).starts_with("not up to date"));
    succeed(&url, &["up"]);
    succeed(&url, &["up"]);
    assert!(succeed(&url, &["status"]).starts_with("up to date"));
    assert!(
        Migrator::new()
            .is_current(&file.connect().await)
            .await
            .unwrap()
    );
    succeed(&url, &["down"]);
    assert!(objects(&file.connect().await).await.is_empty());
}

#[tokio::test]
async fn another_schema_and_table() {
    let file = TestFile::new();
    let url = file.url();
    succeed(
        &url,
        &["up", "--schema", "main", "--table", "admin_sessions"],
    );
    let db = file.connect().await;
    assert!(
        Migrator::new()
            .table("admin_sessions")
            .is_current(&db)
            .await
            .unwrap()
    );
    assert!(!Migrator::new().is_current(&db).await.unwrap());
}

#[test]
fn the_url_may_be_an_argument() {
    let file = TestFile::new();
    succeed(
        "sqlite:///nowhere/else.db",
        &["--database-url", &file.url(), "up"],
    );
    assert!(succeed(&file.url(), &["status"]).starts_with("up to date"));
}

#[tokio::test]
async fn the_printed_script_does_what_up_does_any_number_of_times() {
    let (by_script, by_up) = (TestFile::new(), TestFile::new());
    let script = succeed("sqlite://is-not-opened.db", &["sql"]);
    let db = by_script.connect().await;
    for _ in 0..2 {
        db.execute_unprepared(&script).await.unwrap();
    }
    assert!(Migrator::new().is_current(&db).await.unwrap());
    succeed(&by_up.url(), &["up"]);
    assert_eq!(objects(&db).await, objects(&by_up.connect().await).await);
}

#[test]
fn the_script_speaks_the_language_of_the_urls_database() {
    let script = |url, arguments: &[&str]| succeed(url, arguments);
    let sql = ["sql", "--schema", "auth", "--table", "sessions"];

    let postgres = script("postgres://nobody:secret@nowhere/none", &sql);
    assert!(
        postgres.contains(r#"CREATE SCHEMA IF NOT EXISTS "auth";"#),
        "{postgres}"
    );
    assert!(
        postgres.contains(r#"CREATE TABLE IF NOT EXISTS "auth"."sessions" ("#),
        "{postgres}"
    );
    assert!(
        postgres.contains(r#"user_key text COLLATE "C" NOT NULL"#),
        "{postgres}"
    );
    assert_eq!(postgres, script("postgresql://nowhere", &sql));

    let mysql = script("mysql://nobody:secret@nowhere/none", &sql);
    assert!(
        mysql.contains("CREATE DATABASE IF NOT EXISTS `auth`;"),
        "{mysql}"
    );
    assert!(
        mysql.contains("CREATE TABLE IF NOT EXISTS `auth`.`sessions_locks` ("),
        "{mysql}"
    );
    assert!(
        mysql.contains("user_key VARBINARY(255) NOT NULL"),
        "{mysql}"
    );

    let sqlite = script("sqlite::memory:", &sql);
    assert!(
        sqlite.contains(r#"AS "auth""#) && !sqlite.contains("CREATE SCHEMA"),
        "{sqlite}"
    );

    for script in [postgres, mysql, sqlite] {
        assert!(!script.contains("secret"));
        assert!(
            script.contains("Needed"),
            "says which lines are needed: {script}"
        );
    }
}

#[test]
fn errors_are_clear_and_never_show_the_url() {
    let missing = Command::new(env!("CARGO_BIN_EXE_store-migration"))
        .env_remove("DATABASE_URL")
        .arg("up")
        .output()
        .unwrap();
    assert!(!missing.status.success());
    assert!(
        String::from_utf8(missing.stderr)
            .unwrap()
            .contains("DATABASE_URL")
    );

    for url in [
        "oracle://user:secret@host/db",
        "secret",
        "postgres://user:secret@host:port/db",
        "mysql://user:secret@[host/db",
        "sqlite://nowhere/secret.db?key=secret",
        "sqlite:///nowhere/secret.db",
    ] {
        let error = fail(url, &["up"]);
        assert!(
            error.starts_with("error: ") && !error.contains("secret"),
            "{url}: {error}"
        );
    }
    let help = succeed("postgres://user:secret@host/db", &["--help"]);
    assert!(!help.contains("secret"), "{help}");
    assert!(fail("sqlite::memory:", &["up", "--table", "a b"]).contains("table name"));
}
