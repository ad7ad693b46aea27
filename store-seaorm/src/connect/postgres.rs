//! PostgreSQL.

use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::{ConnectOptions as _, Executor as _};
use store_core::Result;

use super::{Connections, MAX_CONNECTIONS, beside, check_url, open};
use crate::database::Database;
use crate::database::server::Pool;
use crate::database::server::postgres::Postgres;

/// A lock is waited for as long as a connection. Set by a statement, since PgBouncer refuses options
/// that it does not know; where it lends a session for a transaction at a time, this is for whoever
/// gets the session.
const SESSION: &str = "SET lock_timeout = '10s'";

pub(super) async fn connect(url: &str, max_connections: Option<u32>) -> Result<Connections> {
    let max_connections = max_connections.unwrap_or(MAX_CONNECTIONS);
    let server = check_url::<PgConnectOptions>(url)?.disable_statement_logging();
    let own = Postgres {
        options: server.clone(),
        session: SESSION,
    };
    let database = Database::Postgres(Pool::connect(own, max_connections).await?);
    let mut options = beside("postgres://server.in.options", max_connections);
    options.map_sqlx_postgres_opts(move |_| server.clone());
    options.map_sqlx_postgres_pool_opts(|pool| {
        pool.after_connect(|connection, _| {
            Box::pin(async move { connection.execute(SESSION).await.map(drop) })
        })
    });
    Ok(Connections {
        database,
        connection: open(options).await?,
    })
}
