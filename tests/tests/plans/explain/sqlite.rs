//! SQLite: `EXPLAIN QUERY PLAN` tells of a `SCAN` where it reads everything and of a `SEARCH` where
//! it follows an index, with the columns that lead it.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement, Value};

use super::Verdict;

pub(crate) async fn verdict(
    db: &DatabaseConnection,
    name: &str,
    sql: &str,
    values: Vec<Value>,
) -> Verdict {
    let explain = format!("EXPLAIN QUERY PLAN {sql}");
    let statement = Statement::from_sql_and_values(DbBackend::Sqlite, explain, values);
    let rows = db
        .query_all_raw(statement)
        .await
        .expect("it can be explained");
    let lines: Vec<String> = rows
        .iter()
        .map(|row| row.try_get("", "detail").expect("a line of text"))
        .collect();
    // `SCAN CONSTANT ROW` reads no table.
    let scans = |line: &String| line.starts_with("SCAN") && !line.contains("CONSTANT");
    // A subject's few sessions, not its whole partition.
    let by_subject = name.ends_with("by subject") || name.ends_with("of subject");
    let misses_the_subject = by_subject && !lines.iter().any(|line| line.contains("subject_id=?"));
    Verdict {
        reads_everything: lines.iter().any(scans) || misses_the_subject,
        told: lines.join("\n"),
    }
}
