//! PostgreSQL.

use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::{ConnectOptions as _, Executor as _};
use store_core::Result;

use super::{Connections, MAX_CONNECTIONS, check_url, open, options};

/// A lock is waited for as long as a connection. Set by a statement, since PgBouncer refuses options
/// that it does not know.
const SESSION: &str = "SET lock_timeout = '10s'";

pub(super) async fn connect(url: &str, max_connections: Option<u32>) -> Result<Connections> {
    let server = check_url::<PgConnectOptions>(url)?.disable_statement_logging();
    let mut options = options(
        "postgres://server.in.options",
        max_connections.unwrap_or(MAX_CONNECTIONS),
    );
    options.map_sqlx_postgres_opts(move |_| server.clone());
    options.map_sqlx_postgres_pool_opts(|pool| {
        pool.after_connect(|connection, _| {
            Box::pin(async move { connection.execute(SESSION).await.map(drop) })
        })
    });
    Ok(Connections::one(open(options).await?))
}
