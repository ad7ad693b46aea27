//! One cleanup at a time among the nodes of a cluster.

use async_trait::async_trait;
use store_core::{CleanupLease, CleanupLeaseGuard, Result};

use crate::store::SeaOrmUserSessionStore;

/// The lease is a lock of the session's at the server, on a connection of its own beside the pool:
/// an advisory lock on PostgreSQL, `GET_LOCK` on MySQL and MariaDB, where it is one node's on
/// Galera. If the connection breaks, the lease is free. An SQLite file has no server that could
/// tell, so there every process has the lease whenever it asks.
#[async_trait]
impl CleanupLease for SeaOrmUserSessionStore {
    #[tracing::instrument(name = "store.try_acquire", level = "debug", skip_all)]
    async fn try_acquire(&self) -> Result<Option<Box<dyn CleanupLeaseGuard>>> {
        let db = self.connection();
        let names = self.inner.names()?;
        #[cfg(feature = "postgres")]
        if let sea_orm::DatabaseConnectionType::SqlxPostgresPoolConnection(_) = db.inner {
            return in_time(server::postgres(db.get_postgres_connection_pool(), names)).await;
        }
        #[cfg(feature = "mysql")]
        if let sea_orm::DatabaseConnectionType::SqlxMySqlPoolConnection(_) = db.inner {
            return in_time(server::mysql(db.get_mysql_connection_pool(), names)).await;
        }
        #[cfg(not(any(feature = "postgres", feature = "mysql")))]
        let _ = (db, names);
        Ok(Some(Box::new(Always)))
    }
}

/// The pool's time-outs do not hold for a connection beside it.
#[cfg(any(feature = "postgres", feature = "mysql"))]
async fn in_time<T>(answer: impl Future<Output = Result<T>>) -> Result<T> {
    const LONGEST: std::time::Duration = std::time::Duration::from_secs(10);
    tokio::time::timeout(LONGEST, answer)
        .await
        .map_err(store_core::Error::unavailable)?
}

/// The lease of a database that has no server.
#[derive(Debug)]
struct Always;

#[async_trait]
impl CleanupLeaseGuard for Always {
    async fn release(self: Box<Self>) {}
}

#[cfg(any(feature = "postgres", feature = "mysql"))]
mod server {
    use std::fmt;

    use async_trait::async_trait;
    use sea_orm::sqlx::{Connection, query_scalar};
    use sea_orm::{DbErr, RuntimeErr, SqlxError};
    use store_core::{CleanupLeaseGuard, Result};

    use crate::failure::Failure;
    use crate::names::TableNames;

    type Lease = Option<Box<dyn CleanupLeaseGuard>>;

    #[cfg(feature = "postgres")]
    pub(super) async fn postgres(
        pool: &sea_orm::sqlx::PgPool,
        names: &TableNames,
    ) -> Result<Lease> {
        // The table's number, with a key of the store's own below it that no lock of a session has.
        let table = names.sessions(sea_orm::DbBackend::Postgres);
        let select =
            format!("SELECT pg_try_advisory_lock({CLEANUP}, '{table}'::regclass::oid::int)");
        let options = pool.connect_options();
        let mut connection = sea_orm::sqlx::PgConnection::connect_with(&options)
            .await
            .map_err(failed)?;
        let is_ours: bool = query_scalar(sea_orm::sqlx::AssertSqlSafe(select))
            .fetch_one(&mut connection)
            .await
            .map_err(failed)?;
        held(connection, is_ours).await
    }

    /// The first of the two numbers by which PostgreSQL knows this lock: apart from those of one.
    #[cfg(feature = "postgres")]
    const CLEANUP: i32 = 0x5e55_1045;

    #[cfg(feature = "mysql")]
    pub(super) async fn mysql(
        pool: &sea_orm::sqlx::MySqlPool,
        names: &TableNames,
    ) -> Result<Lease> {
        // A name for the whole server, of at most 64 bytes; these are as many. SHA-2, because MySQL
        // 9 has no shorter digest any more.
        let select = "SELECT CAST(GET_LOCK(CONCAT('cleanup ', \
                      SHA2(CONCAT(COALESCE(?, DATABASE()), '.', ?), 224)), 0) AS SIGNED)";
        let options = pool.connect_options();
        let mut connection = sea_orm::sqlx::MySqlConnection::connect_with(&options)
            .await
            .map_err(failed)?;
        let is_ours: Option<i64> = query_scalar(select)
            .bind(names.schema())
            .bind(names.table())
            .fetch_one(&mut connection)
            .await
            .map_err(failed)?;
        held(connection, is_ours == Some(1)).await
    }

    async fn held<C: Connection + Sync + 'static>(connection: C, is_ours: bool) -> Result<Lease> {
        let guard = Box::new(Held(connection));
        if is_ours {
            return Ok(Some(guard));
        }
        guard.release().await;
        Ok(None)
    }

    /// The connection that holds the lock.
    struct Held<C>(C);

    impl<C> fmt::Debug for Held<C> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Held")
        }
    }

    #[async_trait]
    impl<C: Connection + Sync + 'static> CleanupLeaseGuard for Held<C> {
        async fn release(self: Box<Self>) {
            // If it cannot be closed in order it is broken, and the lock is gone as well.
            if let Err(error) = self.0.close().await {
                tracing::debug!(%error, "the connection of a lease was broken");
            }
        }
    }

    fn failed(error: SqlxError) -> Failure {
        DbErr::Query(RuntimeErr::SqlxError(error.into())).into()
    }
}
