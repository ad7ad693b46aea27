//! The databases.

use sea_orm::DbBackend;

/// MariaDB speaks MySQL's protocol but has `DELETE … RETURNING`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Postgres,
    MySql,
    MariaDb,
    Sqlite,
}

impl Dialect {
    pub(crate) fn backend(self) -> DbBackend {
        match self {
            Self::Postgres => DbBackend::Postgres,
            Self::MySql | Self::MariaDb => DbBackend::MySql,
            Self::Sqlite => DbBackend::Sqlite,
        }
    }

    /// Whether a single statement that writes excludes all others, so that it needs no lock.
    pub(crate) fn has_one_writer(self) -> bool {
        match self {
            Self::Sqlite => true,
            Self::Postgres | Self::MySql | Self::MariaDb => false,
        }
    }

    /// Whether it has `DELETE … RETURNING`.
    pub(crate) fn hands_back_what_it_removes(self) -> bool {
        match self {
            Self::Postgres | Self::MariaDb | Self::Sqlite => true,
            Self::MySql => false,
        }
    }

    /// Whether a batch of the cleanup is to begin where the one before ended. What was removed stays in
    /// PostgreSQL's indexes until a vacuum, and would have to be stepped over.
    pub(crate) fn cleans_up_from_a_time(self) -> bool {
        match self {
            Self::Postgres => true,
            Self::MySql | Self::MariaDb | Self::Sqlite => false,
        }
    }
}
