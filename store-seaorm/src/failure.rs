//! What a failure of the database means: whether repeating is safe, and what the caller is told.

#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
use sea_orm::RuntimeErr;
use sea_orm::{ConnAcquireErr, DbErr};
use store_core::{BoxError, Error};

/// Why an attempt at an operation failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The operation has an answer, and it is this error.
    Answer(Error),
    /// The database or its driver failed.
    Database(DbErr),
    /// SQLite failed, on a connection of the store's own.
    #[cfg(feature = "sqlite")]
    Sqlite(rusqlite::Error),
    /// What the attempt had seen was no longer so: nothing has happened, and the next may do.
    Overtaken,
    /// A statement for several operations has done some of them, on a server whose locks do not
    /// hold. Which, nobody knows.
    DoneInPart,
    /// The connection was lost before anything but the beginning of a transaction was sent.
    NotBegun(DbErr),
}

/// What is known after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(all(feature = "postgres", feature = "mysql", feature = "sqlite")),
    allow(dead_code, reason = "not every database fails in every way")
)]
pub(crate) enum Kind {
    /// The server undid the statement: deadlock, serialization failure, refusal. Repeating is safe,
    /// once the transaction, if there is one, has been rolled back.
    Refused,
    /// The server ended the connection, and with it what was not committed. Repeating is safe, on
    /// another connection.
    Closed,
    /// The connection broke. Whether the statement took effect is not known.
    Lost,
    /// The time that there was is used up: for a connection, or for the statement. Waiting once
    /// more would only make the queue longer.
    Exhausted,
    /// A unique index has the key already.
    Duplicate,
    /// The table, the schema or a column is not there.
    NotMigrated,
    /// SQLite's code for every error in a statement, a missing table among them.
    SqliteGeneric,
    /// Anything else.
    Other,
}

impl Failure {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Answer(_) => Kind::Other,
            Self::Overtaken => Kind::Refused,
            Self::DoneInPart => Kind::Lost,
            Self::Database(error) => kind(error),
            #[cfg(feature = "sqlite")]
            // Some builds of SQLite tell where in a statement it is wrong, by another kind of error.
            Self::Sqlite(error) => match error.sqlite_error() {
                Some(error) => sqlite::kind(Some(error.extended_code)),
                None => Kind::SqliteGeneric,
            },
            Self::NotBegun(error) => match kind(error) {
                Kind::Lost => Kind::Closed,
                other => other,
            },
        }
    }

    /// The same, when nothing but the beginning of a transaction was sent.
    pub(crate) fn not_begun(self) -> Self {
        match self {
            Self::Database(error) => Self::NotBegun(error),
            other => other,
        }
    }

    pub(crate) fn is_duplicate(&self) -> bool {
        self.kind() == Kind::Duplicate
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Answer(error)
    }
}

impl From<DbErr> for Failure {
    fn from(error: DbErr) -> Self {
        Self::Database(error)
    }
}

#[cfg(feature = "sqlite")]
impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// What the caller is told when nothing more is tried.
impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let kind = failure.kind();
        match failure {
            Failure::Answer(error) => error,
            Failure::Overtaken => Error::unavailable(Overtaken),
            Failure::DoneInPart => Error::unavailable(DoneInPart),
            Failure::Database(error) | Failure::NotBegun(error) => told(kind, cause(error)),
            #[cfg(feature = "sqlite")]
            Failure::Sqlite(error) => told(kind, error.into()),
        }
    }
}

fn told(kind: Kind, cause: BoxError) -> Error {
    match kind {
        Kind::Refused | Kind::Closed | Kind::Lost | Kind::Exhausted => Error::unavailable(cause),
        Kind::NotMigrated => Error::NotMigrated,
        Kind::Duplicate | Kind::SqliteGeneric | Kind::Other => Error::backend(cause),
    }
}

/// The error itself, unless printing it would print a row.
fn cause(error: DbErr) -> BoxError {
    #[cfg(feature = "postgres")]
    if let DbErr::Conn(RuntimeErr::SqlxError(inner))
    | DbErr::Exec(RuntimeErr::SqlxError(inner))
    | DbErr::Query(RuntimeErr::SqlxError(inner)) = &error
        && let sea_orm::SqlxError::Database(inner) = &**inner
        && let Some(inner) = inner.try_downcast_ref::<sea_orm::SqlxPostgresError>()
        && let Some(refusal) = postgres::Refusal::in_place_of(inner)
    {
        return refusal.into();
    }
    error.into()
}

#[derive(Debug, thiserror::Error)]
#[error("other changes to the session came first, time and again")]
struct Overtaken;

#[derive(Debug, thiserror::Error)]
#[error("the database has done some of the operations that went together, and does not say which")]
struct DoneInPart;

fn kind(error: &DbErr) -> Kind {
    match error {
        DbErr::ConnectionAcquire(ConnAcquireErr::Timeout | ConnAcquireErr::ConnectionClosed) => {
            Kind::Exhausted
        }
        #[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
        // No TLS where the server asks for it, or a certificate that is not trusted: for a person.
        DbErr::Conn(RuntimeErr::SqlxError(error))
            if matches!(&**error, sea_orm::SqlxError::Tls(_)) =>
        {
            Kind::Other
        }
        #[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
        DbErr::Conn(RuntimeErr::SqlxError(error)) => match kind_of_sqlx(error) {
            // Before there was a connection, nothing was sent on it.
            Kind::Lost => Kind::Refused,
            // The whole database is missing, and no migration makes one.
            Kind::NotMigrated => Kind::Other,
            other => other,
        },
        #[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => {
            kind_of_sqlx(error)
        }
        _ => Kind::Other,
    }
}

#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
fn kind_of_sqlx(error: &sea_orm::SqlxError) -> Kind {
    use sea_orm::SqlxError;

    match error {
        SqlxError::Database(error) => kind_of_code(&**error),
        SqlxError::Io(_)
        | SqlxError::Tls(_)
        | SqlxError::Protocol(_)
        | SqlxError::WorkerCrashed
        | SqlxError::BeginFailed => Kind::Lost,
        SqlxError::PoolTimedOut | SqlxError::PoolClosed => Kind::Exhausted,
        _ => Kind::Other,
    }
}

/// A driver's own type of error says which database it came from.
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
fn kind_of_code(error: &(dyn sea_orm::sqlx::error::DatabaseError + 'static)) -> Kind {
    #[cfg(feature = "postgres")]
    if let Some(error) = error.try_downcast_ref::<sea_orm::SqlxPostgresError>() {
        return postgres::kind(error.code());
    }
    #[cfg(feature = "mysql")]
    if let Some(error) = error.try_downcast_ref::<sea_orm::SqlxMySqlError>() {
        return mysql::kind(error.number());
    }
    #[cfg(feature = "sqlite")]
    if error
        .try_downcast_ref::<sea_orm::SqlxSqliteError>()
        .is_some()
    {
        return sqlite::kind(error.code().and_then(|code| code.parse().ok()));
    }
    Kind::Other
}
