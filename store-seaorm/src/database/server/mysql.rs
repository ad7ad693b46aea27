//! MySQL and MariaDB.

use sea_orm::SqlxError;
use sea_orm::sqlx::error::DatabaseError;
use sea_orm::sqlx::mysql::{
    MySqlArguments, MySqlConnectOptions, MySqlConnection, MySqlDatabaseError,
};
use sea_orm::sqlx::{ConnectOptions as _, Executor as _};

use super::Server;
use crate::bind::Bind;

pub(crate) struct MySql {
    pub(crate) options: MySqlConnectOptions,
    /// What a new connection is told.
    pub(crate) session: &'static str,
}

impl Server for MySql {
    type Connection = MySqlConnection;

    /// The session is at READ COMMITTED already.
    const BEGIN: &'static str = "START TRANSACTION";

    /// After what has to do with the connection (08S01, a packet too large among them) the server
    /// closes it.
    fn is_worth_keeping(error: &(dyn DatabaseError + 'static)) -> bool {
        error
            .try_downcast_ref::<MySqlDatabaseError>()
            .is_some_and(|error| {
                error.code() != Some("08S01") && !matches!(error.number(), 1290 | 1836)
            })
    }

    async fn connect(&self) -> Result<MySqlConnection, SqlxError> {
        let mut connection = self.options.connect().await?;
        connection.execute(self.session).await?;
        Ok(connection)
    }

    statements_by_sqlx!(MySqlConnection);
}

arguments_by_sqlx!(
    MySqlArguments,
    text => text.map(str::as_bytes),
    at => at.map(|at| at.naive_utc())
);
