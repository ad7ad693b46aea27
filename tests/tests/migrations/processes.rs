//! Many processes at once.

use std::process::Stdio;

use store_migration::Migrator;
use store_tests::{TestDatabase, on_databases};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::support::{MissingSchema, tables, texts};

const PROCESSES: usize = 8;

/// Runs the migrations in as many processes as there are tables named, all at the same moment, and
/// expects each to succeed.
async fn migrate(url: &str, schema: &str, tables: &[&str]) {
    let mut processes: Vec<(Child, _)> = Vec::new();
    for table in tables {
        let mut process = Command::new(env!("CARGO_BIN_EXE_migrate"))
            .args([url, schema, table])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        processes.push((process, lines));
    }
    for (_, lines) in &mut processes {
        assert_eq!(lines.next_line().await.unwrap().unwrap(), "ready");
    }
    for (process, _) in &mut processes {
        drop(process.stdin.take());
    }
    for (process, _) in processes {
        let output = process.wait_with_output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

/// Eight that start on an empty database all succeed, and one of them has done the work.
async fn migrate_an_empty_database(db: TestDatabase) {
    migrate(db.url(), "", &["user_sessions"; PROCESSES]).await;

    let db = db.connect().await;
    assert!(Migrator::new().is_current(&db).await.unwrap());
    assert_eq!(
        texts(&db, "SELECT version FROM user_sessions_migrations").await,
        [
            "m20261120_000001_create_user_sessions",
            "m20261120_000002_defer_cleanup",
            "m20261121_000003_defer_cleanup_on_sqlite"
        ]
    );
}

/// Eight that each bring a table of their own do not hinder each other.
async fn migrate_different_tables(db: TestDatabase) {
    let names: Vec<String> = (0..PROCESSES).map(|n| format!("sessions_{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    migrate(db.url(), "", &names).await;

    let db = db.connect().await;
    for name in names {
        assert!(Migrator::new().table(name).is_current(&db).await.unwrap());
    }
}

on_databases!([sqlite, postgres, mysql, mariadb]:
    migrate_an_empty_database,
    migrate_different_tables,
);

mod into_a_missing_schema {
    use super::*;

    /// Eight that find the schema missing all succeed, and one of them has made it.
    async fn migrate_one_table(db: TestDatabase) {
        let schema = MissingSchema::beside(&db).await;
        migrate(db.url(), &schema.name, &["user_sessions"; PROCESSES]).await;

        let db = db.connect().await;
        let migrator = Migrator::new().schema(&schema.name);
        assert!(migrator.is_current(&db).await.unwrap());
        let history = format!(
            "SELECT version FROM {}.user_sessions_migrations",
            schema.name
        );
        let ours = store_migration::migrations(&store_migration::Options::new());
        assert_eq!(texts(&db, &history).await.len(), ours.len());
        assert!(tables(&db).await.is_empty(), "nothing is outside of it");
    }

    /// Eight that bring a table each make the schema once.
    async fn migrate_different_tables(db: TestDatabase) {
        let schema = MissingSchema::beside(&db).await;
        let names: Vec<String> = (0..PROCESSES).map(|n| format!("sessions_{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        migrate(db.url(), &schema.name, &names).await;

        let db = db.connect().await;
        for name in names {
            let migrator = Migrator::new().schema(&schema.name).table(name);
            assert!(migrator.is_current(&db).await.unwrap(), "{name}");
        }
    }

    on_databases!([postgres, mysql, mariadb]: migrate_one_table, migrate_different_tables);
}
