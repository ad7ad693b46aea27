//! Pools as a host makes them for itself.

use std::time::Duration;

use sea_orm::sqlx::{AssertSqlSafe, Executor as _};
use sea_orm::{ConnectOptions, Database, DatabaseConnection};

/// A pool whose connections begin with these statements; with none, for an empty string.
///
/// # Panics
/// Where it does not connect.
pub async fn host_pool(url: &str, max_connections: u32, on_connect: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(max_connections)
        .acquire_timeout(Duration::from_secs(20))
        .sqlx_logging(false);
    macro_rules! on_connect {
        ($($map:ident),+) => {$(
            let sql = on_connect.to_owned();
            options.$map(move |pool| {
                let sql = sql.clone();
                pool.after_connect(move |connection, _| {
                    let sql = AssertSqlSafe(sql.clone());
                    Box::pin(async move { connection.execute(sql).await.map(drop) })
                })
            });
        )+};
    }
    if !on_connect.is_empty() {
        on_connect!(
            map_sqlx_mysql_pool_opts,
            map_sqlx_postgres_pool_opts,
            map_sqlx_sqlite_pool_opts
        );
    }
    Database::connect(options)
        .await
        .unwrap_or_else(|error| panic!("the host does not connect: {error:?}"))
}
