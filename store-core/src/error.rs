//! What can go wrong in a store.

use std::borrow::Cow;

/// The cause of an [`Error`], as the layer below gave it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What an operation of a store answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a store did not do what it was asked.
///
/// Absence is no error: it is `None`, `false` or an empty list.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A live session holds the user key or the session id already. Nothing has changed.
    #[error("a live session with this user key or session id exists already")]
    AlreadyExists,

    /// The session is not at the version that the caller asked for. Nothing has changed.
    #[error("the session has changed since it was read")]
    VersionMismatch,

    /// The subject has as many live sessions as the policy allows, and the policy is to reject.
    /// Nothing has changed.
    #[error("the subject has as many sessions as it may have")]
    SessionLimitReached,

    /// The ticket is longer than this store takes. Lengths are in bytes.
    #[error("the ticket is {len} bytes long, {max} are allowed")]
    TicketTooLarge {
        /// The ticket's length.
        len: usize,
        /// The store's limit.
        max: usize,
    },

    /// A timestamp before the year 1000, after the year 9999, or within a leap second.
    #[error("a timestamp is outside the years 1000 to 9999 or within a leap second")]
    InvalidTimestamp,

    /// A stored row cannot be a session.
    #[error("a stored session is corrupt: {what}")]
    Corrupt {
        /// The column, never its value.
        what: Cow<'static, str>,
        /// What was found to be wrong with it.
        #[source]
        source: Option<BoxError>,
    },

    /// The table is not there, or is an older one.
    #[error(
        "the session table is missing or older than this store: run the migrations, \
         `store_migration::up(store.connection())`"
    )]
    NotMigrated,

    /// The URL, the schema's or the table's name cannot be used.
    ///
    /// Says what is wrong, without the URL, which may hold a password.
    #[error("the store's configuration is wrong: {0}")]
    Configuration(Cow<'static, str>),

    /// The database was not to be had: no connection, a time-out, a deadlock, a serialization
    /// failure. Worth another try; **it does not say that nothing happened.**
    #[error("the database is unavailable")]
    Unavailable {
        /// What the database or its driver said.
        #[source]
        source: BoxError,
    },

    /// The database refused for another reason.
    #[error("the database failed")]
    Backend {
        /// What the database or its driver said.
        #[source]
        source: BoxError,
    },
}

impl Error {
    /// Whether the same call may succeed a little later: true for [`Error::Unavailable`] only.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    /// An [`Error::Unavailable`] with this cause.
    pub fn unavailable(source: impl Into<BoxError>) -> Self {
        Self::Unavailable {
            source: source.into(),
        }
    }

    /// An [`Error::Backend`] with this cause.
    pub fn backend(source: impl Into<BoxError>) -> Self {
        Self::Backend {
            source: source.into(),
        }
    }

    /// An [`Error::Corrupt`] that blames this column.
    pub fn corrupt(column: &'static str, source: impl Into<BoxError>) -> Self {
        Self::Corrupt {
            what: column.into(),
            source: Some(source.into()),
        }
    }

    /// An [`Error::Configuration`] that says what is wrong.
    pub fn configuration(what: impl Into<Cow<'static, str>>) -> Self {
        Self::Configuration(what.into())
    }
}
