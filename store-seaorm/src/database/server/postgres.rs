//! PostgreSQL.

use sea_orm::SqlxError;
use sea_orm::sqlx::error::DatabaseError;
use sea_orm::sqlx::postgres::{
    PgArguments, PgConnectOptions, PgConnection, PgDatabaseError, PgSeverity,
};
use sea_orm::sqlx::{Arguments as _, ConnectOptions as _, Executor as _};

use super::Server;
use crate::bind::{Bind, StoredKey};

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

fn arguments(values: &[Bind<'_>]) -> Result<PgArguments, SqlxError> {
    let mut arguments = PgArguments::default();
    for value in values {
        match *value {
            Bind::Text(text) => arguments.add(text),
            Bind::Time(at) => arguments.add(at),
            Bind::Integer(integer) => arguments.add(integer),
            Bind::Bytes(bytes) => arguments.add(bytes),
            Bind::Stored(StoredKey::Text(text)) => arguments.add(text.as_str()),
            Bind::Stored(StoredKey::Bytes(bytes)) => arguments.add(bytes.as_slice()),
            Bind::Stored(StoredKey::Number(number)) => arguments.add(number),
        }
        .map_err(SqlxError::Encode)?;
    }
    Ok(arguments)
}
