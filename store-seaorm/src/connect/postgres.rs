//! PostgreSQL.

use sea_orm::sqlx::postgres::PgConnectOptions;
use store_core::Result;

use super::{Connections, MAX_CONNECTIONS, check_url, open, options};

pub(super) async fn connect(url: &str, max_connections: Option<u32>) -> Result<Connections> {
    check_url::<PgConnectOptions>(url)?;
    let options = options(url, max_connections.unwrap_or(MAX_CONNECTIONS));
    Ok(Connections::one(open(options).await?))
}
