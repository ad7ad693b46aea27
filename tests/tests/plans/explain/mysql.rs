//! MySQL and MariaDB: `EXPLAIN` tells how rows are found (`type`), by which index, and how many it
//! thinks they are.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement, Value};

use super::Verdict;

/// A partition has 500 rows, which statistics may take for twice as many; a subject has 4, a key 1;
/// `delete keys` names 32, and what goes together 16; 1,000 have expired.
fn allowed_rows(name: &str) -> u64 {
    let reads_a_partition = name == "count" || name == "list" || name == "list after";
    let is_cleanup = name.contains("expired") && !name.contains("with");
    match name {
        _ if reads_a_partition => 1_500,
        _ if is_cleanup || name.starts_with("put off") => 1_500,
        _ => 40,
    }
}

pub(crate) async fn verdict(
    db: &DatabaseConnection,
    name: &str,
    sql: &str,
    values: Vec<Value>,
) -> Verdict {
    // MariaDB's settings for one statement stand before it.
    const THEN: &str = " FOR ";
    let (settings, sql) = match sql.find(THEN).filter(|_| sql.starts_with("SET STATEMENT")) {
        Some(at) => sql.split_at(at + THEN.len()),
        None => ("", sql),
    };
    let explain = format!("{settings}EXPLAIN FORMAT=TRADITIONAL {sql}");
    let statement = Statement::from_sql_and_values(DbBackend::MySql, explain, values);
    let rows = db
        .query_all_raw(statement)
        .await
        .expect("it can be explained");
    let mut reads_everything = false;
    let mut told = String::new();
    for row in &rows {
        let text = |column: &str| {
            let text = row.try_get::<Option<String>>("", column);
            text.expect("a column of EXPLAIN")
                .unwrap_or_else(|| "-".to_owned())
        };
        // MariaDB tells it as text, MySQL as a number.
        let rows_read = match row.try_get::<Option<u64>>("", "rows") {
            Ok(rows) => rows,
            Err(_) => text("rows").parse().ok(),
        };
        let (how, index, extra) = (text("type"), text("key"), text("Extra"));
        // Found by a unique key before the plan was made, and then of no use.
        let is_settled = extra == "Impossible WHERE noticed after reading const tables"
            // What is to go together is counted first; the plan for the count is looked at too.
            || extra == "Impossible WHERE" && name.contains(", ")
            || extra == "No tables used";
        // What another line of the plan has found is read as it is; that line is looked at too.
        let is_found_already = text("table").starts_with("<derived");
        let by_no_index = how == "ALL" || how == "index" || index == "-";
        reads_everything |= !name.starts_with("insert")
            && !is_settled
            && (by_no_index && !is_found_already
                || rows_read.is_none_or(|rows| rows > allowed_rows(name)));
        told.push_str(&format!(
            "type {how}, key {index}, rows {rows_read:?}, {extra}\n"
        ));
    }
    Verdict {
        reads_everything,
        told,
    }
}
