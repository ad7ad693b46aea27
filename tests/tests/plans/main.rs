//! The plan of every statement that the store sends, as the database tells it on 10,000 rows: an
//! index leads to the rows, and nothing reads the whole table.

mod explain;
mod sample;

use store_tests::on_databases;

use sample::Sampled;
use store_tests::TestDatabase;

async fn every_statement_finds_its_rows_by_an_index(db: TestDatabase) {
    let sampled = Sampled::new(db).await;
    let mut offenders = Vec::new();
    for (name, sql) in sampled.statements().await {
        let verdict = sampled.verdict(name, &sql).await;
        if verdict.reads_everything {
            offenders.push(format!("{name}: {sql}\n{}\n", verdict.told));
        }
    }
    assert!(
        offenders.is_empty(),
        "read more than they need:\n{}",
        offenders.join("\n")
    );
}

/// What the other test would say if an index were missing.
async fn a_missing_index_shows(db: TestDatabase) {
    let mut sampled = Sampled::new(db).await;
    sampled.drop_index_of_the_cleanup().await;
    for (name, sql) in sampled.statements().await {
        let is_cleanup = name.contains("expired") && !name.contains("with");
        if is_cleanup {
            let verdict = sampled.verdict(name, &sql).await;
            assert!(verdict.reads_everything, "{name}: {sql}\n{}", verdict.told);
        }
    }
}

on_databases!(
    [sqlite, postgres, mysql, mariadb]:
    every_statement_finds_its_rows_by_an_index,
    a_missing_index_shows,
);
