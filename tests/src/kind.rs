//! The databases that tests run on.

use std::{fmt, str::FromStr};

use crate::servers::ServerKind;

/// A database a test can run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DatabaseKind {
    /// A file in a temporary directory.
    Sqlite,
    /// `sqlite::memory:`. Each pool on this URL has a database of its own: what a test does beside
    /// the store, it does on the store's connection.
    SqliteMemory,
    /// A PostgreSQL server.
    Postgres,
    /// An Oracle MySQL server, or one that says it is.
    MySql,
    /// A MariaDB server.
    MariaDb,
}

impl DatabaseKind {
    /// All of them, in the order they are reported in.
    pub const ALL: [DatabaseKind; 5] = [
        Self::Sqlite,
        Self::SqliteMemory,
        Self::Postgres,
        Self::MySql,
        Self::MariaDb,
    ];

    /// The name in `REQUIRE_DATABASES`, in reports, and of the module that its tests are in.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::SqliteMemory => "sqlite_memory",
            Self::Postgres => "postgres",
            Self::MySql => "mysql",
            Self::MariaDb => "mariadb",
        }
    }

    /// The kind of server it needs; `None` for SQLite, which needs none.
    pub fn server(self) -> Option<ServerKind> {
        match self {
            Self::Sqlite | Self::SqliteMemory => None,
            Self::Postgres => Some(ServerKind::Postgres),
            Self::MySql => Some(ServerKind::MySql),
            Self::MariaDb => Some(ServerKind::MariaDb),
        }
    }
}

impl fmt::Display for DatabaseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for DatabaseKind {
    type Err = UnknownDatabase;

    fn from_str(name: &str) -> Result<Self, UnknownDatabase> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| UnknownDatabase {
                name: name.to_owned(),
            })
    }
}

/// A name that is no [`DatabaseKind`]'s.
#[derive(Debug, thiserror::Error)]
#[error(
    "there is no database `{name}`; there are sqlite, sqlite_memory, postgres, mysql and mariadb"
)]
pub struct UnknownDatabase {
    name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_parses_back() {
        for kind in DatabaseKind::ALL {
            assert_eq!(kind.name().parse::<DatabaseKind>().unwrap(), kind);
        }
    }

    #[test]
    fn an_unknown_name_is_refused_with_those_that_are_known() {
        let error = "oracle".parse::<DatabaseKind>().unwrap_err().to_string();
        assert!(error.contains("`oracle`"), "{error}");
        for kind in DatabaseKind::ALL {
            assert!(error.contains(kind.name()), "{error} lacks {kind}");
        }
    }
}
