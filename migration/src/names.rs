//! Identifiers, parsed and quoted.

use sea_orm_migration::sea_orm::{DbBackend, DbErr};

use crate::{Options, dialect::Dialect};

const MAX_TABLE_LEN: usize = 40;
const MAX_SCHEMA_LEN: usize = 63;

/// The tables that belong to one session table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    Sessions,
    Locks,
    History,
}

impl Table {
    /// What the store works with, as of the newest migration.
    pub(crate) fn of_the_store(dialect: Dialect) -> &'static [Self] {
        match dialect {
            Dialect::MySql => &[Self::Sessions, Self::Locks],
            Dialect::Postgres | Dialect::Sqlite => &[Self::Sessions],
        }
    }
}

/// [`Options`] for one database, with names that are legal.
///
/// A legal name needs no escaping, neither inside quotes nor as a string literal: that is why the
/// SQL of this crate is text, the same for `up` as for the printed script.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    dialect: Dialect,
    schema: Option<String>,
    table: String,
}

impl Names {
    pub(crate) fn parse(options: &Options, backend: DbBackend) -> Result<Self, DbErr> {
        let Options { schema, table } = options;
        check("table", table, MAX_TABLE_LEN)?;
        if table
            .get(..7)
            .is_some_and(|start| start.eq_ignore_ascii_case("sqlite_"))
        {
            return Err(illegal(
                "a table name must not begin with sqlite_: SQLite keeps such names",
            ));
        }
        if let Some(schema) = schema {
            check("schema", schema, MAX_SCHEMA_LEN)?;
        }
        Ok(Self {
            dialect: backend.try_into()?,
            schema: schema.clone(),
            table: table.clone(),
        })
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub(crate) fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// The name alone, as a catalog lists it.
    pub(crate) fn bare(&self, table: Table) -> String {
        match table {
            Table::Sessions => self.table.clone(),
            Table::Locks => format!("{}_locks", self.table),
            Table::History => format!("{}_migrations", self.table),
        }
    }

    /// The name as statements use it: quoted, with the schema in front.
    pub(crate) fn table(&self, table: Table) -> String {
        self.qualified(&self.bare(table))
    }

    /// An index of the session table, named after it.
    /// Of another session table, beside this one.
    pub(crate) fn beside(&self, suffix: &str) -> Self {
        Self {
            table: format!("{}_{suffix}", self.table),
            ..self.clone()
        }
    }

    pub(crate) fn index(&self, of: &str) -> String {
        format!("{}_{of}", self.table)
    }

    pub(crate) fn qualified(&self, name: &str) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", self.quoted(schema), self.quoted(name)),
            None => self.quoted(name),
        }
    }

    pub(crate) fn quoted(&self, name: &str) -> String {
        match self.dialect {
            Dialect::MySql => format!("`{name}`"),
            Dialect::Postgres | Dialect::Sqlite => format!("\"{name}\""),
        }
    }
}

fn check(what: &str, name: &str, max: usize) -> Result<(), DbErr> {
    let len = name.len();
    if len > max {
        return Err(illegal(&format!(
            "a {what} name has at most {max} bytes, this one has {len}"
        )));
    }
    let first_is_legal = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let rest_is_legal = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !(first_is_legal && rest_is_legal) {
        return Err(illegal(&format!(
            "a {what} name consists of A-Z, a-z, 0-9 and _, with no digit in front; \
             this one, of {len} bytes, does not"
        )));
    }
    Ok(())
}

fn illegal(rule: &str) -> DbErr {
    DbErr::Migration(rule.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(options: Options) -> Result<Names, DbErr> {
        Names::parse(&options, DbBackend::Postgres)
    }

    #[test]
    fn legal_names_are_quoted_by_the_dialects_rule() {
        let options = Options::new().schema("auth").table("Sessions_2");
        let name = |backend| {
            Names::parse(&options, backend)
                .unwrap()
                .table(Table::History)
        };
        assert_eq!(
            name(DbBackend::Postgres),
            r#""auth"."Sessions_2_migrations""#
        );
        assert_eq!(name(DbBackend::Sqlite), r#""auth"."Sessions_2_migrations""#);
        assert_eq!(name(DbBackend::MySql), "`auth`.`Sessions_2_migrations`");
        assert_eq!(
            parse(Options::new()).unwrap().table(Table::Sessions),
            r#""user_sessions""#
        );
    }

    #[test]
    fn other_characters_are_refused() {
        for name in [
            "", "1st", "a b", "a-b", "a.b", "a\"b", "a`b", "a'b", "a\0", "é", "ａ",
        ] {
            assert!(parse(Options::new().table(name)).is_err(), "table {name:?}");
            assert!(
                parse(Options::new().schema(name)).is_err(),
                "schema {name:?}"
            );
        }
    }

    #[test]
    fn derived_names_fit_every_database() {
        assert!(parse(Options::new().table("t".repeat(40)).schema("s".repeat(63))).is_ok());
        assert!(parse(Options::new().table("t".repeat(41))).is_err());
        assert!(parse(Options::new().schema("s".repeat(64))).is_err());
    }

    #[test]
    fn names_that_sqlite_keeps_are_refused() {
        for name in ["sqlite_", "sqlite_sessions", "SQLite_sessions"] {
            assert!(parse(Options::new().table(name)).is_err(), "{name}");
        }
        assert!(parse(Options::new().table("sqlite")).is_ok());
    }

    #[test]
    fn the_error_names_the_rule_and_the_length() {
        let error = parse(Options::new().table("t".repeat(52))).unwrap_err();
        let DbErr::Migration(rule) = error else {
            panic!("{error:?}")
        };
        assert!(rule.contains("40") && rule.contains("52"), "{rule}");
    }
}
