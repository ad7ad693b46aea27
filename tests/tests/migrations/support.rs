//! What is read from the catalogs, and schemas to be made.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use store_tests::{DatabaseKind, TestDatabase};

/// The first column of what `sql` selects.
pub(crate) async fn texts(db: &DatabaseConnection, sql: &str) -> Vec<String> {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let rows = db.query_all_raw(statement).await.unwrap();
    rows.iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect()
}

/// Runs statements that return nothing.
pub(crate) async fn execute(db: &DatabaseConnection, sql: &str) {
    if let Err(error) = db.execute_unprepared(sql).await {
        panic!("{sql}: {error}");
    }
}

/// What the connection's own schema holds: the columns of every table, in order, and its indexes.
pub(crate) async fn catalog(db: &DatabaseConnection) -> Vec<String> {
    let (columns, indexes) = match db.get_database_backend() {
        DbBackend::Postgres => (
            "SELECT format('%s.%s %s%s%s', c.relname, a.attname, \
                 format_type(a.atttypid, a.atttypmod), \
                 CASE WHEN o.collname <> 'default' THEN ' COLLATE ' || o.collname END, \
                 CASE WHEN a.attnotnull THEN ' NOT NULL' END) \
             FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
             LEFT JOIN pg_collation o ON o.oid = a.attcollation \
             WHERE c.relnamespace = quote_ident(current_schema())::regnamespace AND c.relkind = 'r' \
             AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.relname, a.attnum",
            "SELECT replace(indexdef, quote_ident(schemaname) || '.', '') FROM pg_indexes \
             WHERE schemaname = current_schema() ORDER BY indexname",
        ),
        DbBackend::MySql => (
            "SELECT CAST(CONCAT(table_name, '.', column_name, ' ', \
                 REGEXP_REPLACE(column_type, 'int\\\\([0-9]+\\\\)', 'int'), \
                 IF(is_nullable = 'YES', '', ' NOT NULL')) AS CHAR) \
             FROM information_schema.columns WHERE table_schema = DATABASE() \
             ORDER BY table_name, ordinal_position",
            "SELECT CAST(CONCAT(IF(non_unique, '', 'unique '), table_name, '.', index_name, ' (', \
                 GROUP_CONCAT(column_name ORDER BY seq_in_index), ')') AS CHAR) AS found \
             FROM information_schema.statistics WHERE table_schema = DATABASE() \
             GROUP BY table_name, index_name, non_unique ORDER BY table_name, index_name",
        ),
        _ => (
            "SELECT t.name || '.' || c.name || ' ' || c.type || iif(c.\"notnull\", ' NOT NULL', '') \
             FROM sqlite_master t JOIN pragma_table_info(t.name) c WHERE t.type = 'table' \
             ORDER BY t.name, c.cid",
            "SELECT replace(sql, '\"', '') FROM sqlite_master \
             WHERE type = 'index' AND sql IS NOT NULL ORDER BY name",
        ),
    };
    let mut catalog = texts(db, columns).await;
    catalog.extend(texts(db, indexes).await);
    catalog
}

/// Every name in the connection's own schema.
pub(crate) async fn tables(db: &DatabaseConnection) -> Vec<String> {
    let sql = match db.get_database_backend() {
        DbBackend::Postgres => {
            "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1"
        }
        DbBackend::MySql => {
            "SELECT CAST(table_name AS CHAR) FROM information_schema.tables \
             WHERE table_schema = DATABASE() ORDER BY 1"
        }
        _ => "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1",
    };
    texts(db, sql).await
}

/// The name of a schema that is not there yet, and is gone with this value if it is by then.
#[derive(Debug)]
pub(crate) struct MissingSchema {
    pub(crate) name: String,
    /// Where a schema is a database, it goes as a test's database does.
    _database: Option<TestDatabase>,
}

impl MissingSchema {
    pub(crate) async fn beside(db: &TestDatabase) -> Self {
        match db.kind() {
            DatabaseKind::MySql | DatabaseKind::MariaDb => {
                let database = TestDatabase::create(db.kind()).await.unwrap();
                let name = database.url().rsplit('/').next().unwrap().to_owned();
                execute(&db.connect().await, &format!("DROP DATABASE {name}")).await;
                Self {
                    name,
                    _database: Some(database),
                }
            }
            _ => Self {
                name: "auth".to_owned(),
                _database: None,
            },
        }
    }
}
