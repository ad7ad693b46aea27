//! PostgreSQL: `EXPLAIN`, of the plan for the values at hand and of the one for any.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement, TransactionTrait, Value};

use super::Verdict;

pub(crate) async fn verdict(db: &DatabaseConnection, sql: &str, values: Vec<Value>) -> Verdict {
    let places = values.len();
    let explain = format!("EXPLAIN {sql}");
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, explain, values);
    let mut told = lines(db, statement).await;
    told.push_str(&generic(db, sql, places).await);
    Verdict {
        reads_everything: told.contains("Seq Scan"),
        told,
    }
}

/// After five executions PostgreSQL may go over to a plan that does not look at the values.
async fn generic(db: &DatabaseConnection, sql: &str, places: usize) -> String {
    let transaction = db.begin().await.expect("a transaction begins");
    let run = async |sql: &str| transaction.execute_unprepared(sql).await.expect("it runs");
    run("SET LOCAL plan_cache_mode = force_generic_plan").await;
    run(&format!("PREPARE explained AS {sql}")).await;
    let nulls = vec!["NULL"; places].join(", ");
    let explain = format!("EXPLAIN EXECUTE explained({nulls})");
    let told = lines(
        &transaction,
        Statement::from_string(DbBackend::Postgres, explain),
    )
    .await;
    run("DEALLOCATE explained").await;
    transaction.rollback().await.expect("it ends");
    told
}

async fn lines(db: &impl ConnectionTrait, statement: Statement) -> String {
    let rows = db
        .query_all_raw(statement)
        .await
        .expect("it can be explained");
    rows.iter()
        .map(|row| row.try_get_by_index::<String>(0).expect("a line of text") + "\n")
        .collect()
}
