//! PostgreSQL.

use sea_orm::SqlxError;
use sea_orm::sqlx::error::DatabaseError;
use sea_orm::sqlx::postgres::{
    PgArguments, PgConnectOptions, PgConnection, PgDatabaseError, PgSeverity,
};
use sea_orm::sqlx::{ConnectOptions as _, Executor as _};

use super::Server;
use crate::bind::Bind;

pub(crate) struct Postgres {
    pub(crate) options: PgConnectOptions,
    /// What a new connection is told.
    pub(crate) session: &'static str,
}

impl Server for Postgres {
    type Connection = PgConnection;

    /// The time-out here as well: behind PgBouncer the session is another's with each transaction.
    const BEGIN: &'static str =
        "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '10s'";

    fn is_worth_keeping(error: &(dyn DatabaseError + 'static)) -> bool {
        error
            .try_downcast_ref::<PgDatabaseError>()
            .is_some_and(|error| {
                !matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic)
                    && error.code() != "25006"
            })
    }

    async fn connect(&self) -> Result<PgConnection, SqlxError> {
        let mut connection = self.options.connect().await?;
        connection.execute(self.session).await?;
        Ok(connection)
    }

    statements_by_sqlx!(PgConnection);
}

arguments_by_sqlx!(PgArguments, text => text, at => at);
