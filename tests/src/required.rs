//! Which databases must not be missing.

use std::{env, str::FromStr};

use crate::{DatabaseKind, UnknownDatabase};

/// The databases that `REQUIRE_DATABASES` names, separated by commas. A test whose database is
/// among them fails where it would otherwise be skipped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequiredDatabases(Vec<DatabaseKind>);

impl RequiredDatabases {
    /// The environment variable.
    pub const VARIABLE: &str = "REQUIRE_DATABASES";

    /// Reads the environment; unset or empty, it requires nothing.
    ///
    /// # Errors
    /// [`UnknownDatabase`], because a misspelt requirement would be one that is never enforced.
    pub fn from_env() -> Result<Self, UnknownDatabase> {
        env::var(Self::VARIABLE).unwrap_or_default().parse()
    }

    /// Whether `kind` must not be missing.
    pub fn contains(&self, kind: DatabaseKind) -> bool {
        self.0.contains(&kind)
    }
}

impl FromStr for RequiredDatabases {
    type Err = UnknownDatabase;

    fn from_str(names: &str) -> Result<Self, UnknownDatabase> {
        names
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_separated_by_commas() {
        let required: RequiredDatabases = "sqlite, postgres,mysql,".parse().unwrap();
        assert!(required.contains(DatabaseKind::Sqlite));
        assert!(required.contains(DatabaseKind::Postgres));
        assert!(required.contains(DatabaseKind::MySql));
        assert!(!required.contains(DatabaseKind::MariaDb));
    }

    #[test]
    fn nothing_named_is_nothing_required() {
        assert_eq!(
            "".parse::<RequiredDatabases>().unwrap(),
            RequiredDatabases::default()
        );
    }

    #[test]
    fn a_misspelt_name_is_refused() {
        assert!("postgres,mysq".parse::<RequiredDatabases>().is_err());
    }
}
