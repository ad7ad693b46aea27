//! PostgreSQL.

use sea_orm::sqlx::ConnectOptions as _;
use sea_orm::sqlx::postgres::PgConnectOptions;
use store_core::Result;

use super::{Connections, MAX_CONNECTIONS, check_url, open, options};

pub(super) async fn connect(url: &str, max_connections: Option<u32>) -> Result<Connections> {
    let server = check_url::<PgConnectOptions>(url)?.disable_statement_logging();
    let mut options = options(
        "postgres://server.in.options",
        max_connections.unwrap_or(MAX_CONNECTIONS),
    );
    options.map_sqlx_postgres_opts(move |_| server.clone());
    Ok(Connections::one(open(options).await?))
}
