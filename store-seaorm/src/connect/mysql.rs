//! MySQL and MariaDB.

use sea_orm::sqlx::mysql::MySqlConnectOptions;
use sea_orm::sqlx::{ConnectOptions as _, Executor as _};
use store_core::Result;

use super::{Connections, MAX_CONNECTIONS, beside, check_url, open};
use crate::database::Database;
use crate::database::server::Pool;
use crate::database::server::mysql::MySql;

/// READ COMMITTED also outside of transactions: the default, REPEATABLE READ, locks gaps between
/// keys, and logins that have nothing to do with each other would meet in deadlocks. A lock is
/// waited for as long as a connection: a row's not for the default of 50 seconds, and the table's,
/// which an `ALTER TABLE` asks for, not for a day or a year.
const SESSION: &str = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; \
                       SET SESSION innodb_lock_wait_timeout = 10, lock_wait_timeout = 10";

pub(super) async fn connect(url: &str, max_connections: Option<u32>) -> Result<Connections> {
    let max_connections = max_connections.unwrap_or(MAX_CONNECTIONS);
    let server = check_url::<MySqlConnectOptions>(url)?.disable_statement_logging();
    let own = MySql {
        options: server.clone(),
        session: SESSION,
    };
    let database = Database::MySql(Pool::connect(own, max_connections).await?);
    let mut options = beside("mysql://server.in.options", max_connections);
    options.map_sqlx_mysql_opts(move |_| server.clone());
    options.map_sqlx_mysql_pool_opts(|pool| {
        pool.after_connect(|connection, _| {
            Box::pin(async move { connection.execute(SESSION).await.map(drop) })
        })
    });
    Ok(Connections {
        database,
        connection: open(options).await?,
    })
}
