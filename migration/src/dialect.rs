use sea_orm_migration::sea_orm::{DbBackend, DbErr};

/// Whose SQL to write. Matched without a wildcard everywhere, so that the compiler shows what a
/// further database has to bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Postgres,
    /// MariaDB as well: where the two differ, the migrations keep to what both understand.
    MySql,
    Sqlite,
}

impl TryFrom<DbBackend> for Dialect {
    type Error = DbErr;

    fn try_from(backend: DbBackend) -> Result<Self, DbErr> {
        match backend {
            DbBackend::Postgres => Ok(Self::Postgres),
            DbBackend::MySql => Ok(Self::MySql),
            DbBackend::Sqlite => Ok(Self::Sqlite),
            other => Err(DbErr::BackendNotSupported {
                db: other.as_str(),
                ctx: "store-migration",
            }),
        }
    }
}
