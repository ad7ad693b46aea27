//! The names of the table, the schema and what derives from them.

use sea_orm::DbBackend;

pub(crate) const DEFAULT_TABLE: &str = "user_sessions";

/// PostgreSQL cuts a name off at 63 bytes, and the longest that derives from the table's adds 11.
const MAX_TABLE_LEN: usize = 40;
const MAX_SCHEMA_LEN: usize = 63;

/// The table's names, checked.
#[derive(Clone, Debug)]
pub(crate) struct TableNames {
    schema: Option<String>,
    table: String,
}

impl TableNames {
    /// # Errors
    /// Says which name breaks which rule.
    pub(crate) fn new(schema: Option<String>, table: String) -> Result<Self, String> {
        if let Some(schema) = &schema {
            check("schema", schema, MAX_SCHEMA_LEN)?;
        }
        check("table", &table, MAX_TABLE_LEN)?;
        if table.to_ascii_lowercase().starts_with("sqlite_") {
            return Err("a table's name must not begin with `sqlite_`".to_owned());
        }
        Ok(Self { schema, table })
    }

    pub(crate) fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    pub(crate) fn table(&self) -> &str {
        &self.table
    }

    /// The sessions' table, quoted and qualified.
    pub(crate) fn sessions(&self, backend: DbBackend) -> String {
        self.qualified(backend, "")
    }

    /// The table of locks that MySQL and MariaDB have.
    pub(crate) fn locks(&self, backend: DbBackend) -> String {
        self.qualified(backend, "_locks")
    }

    /// A checked name contains no quote, so none has to be escaped.
    fn qualified(&self, backend: DbBackend, suffix: &str) -> String {
        let quote = if backend == DbBackend::MySql {
            '`'
        } else {
            '"'
        };
        let table = format!("{quote}{}{suffix}{quote}", self.table);
        match &self.schema {
            Some(schema) => format!("{quote}{schema}{quote}.{table}"),
            None => table,
        }
    }
}

fn check(what: &str, name: &str, max_len: usize) -> Result<(), String> {
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let goes_on_well = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if begins_well && goes_on_well && name.len() <= max_len {
        return Ok(());
    }
    Err(format!(
        "a {what}'s name is a letter or `_`, then letters, digits and `_`, \
         {max_len} at most; this one has {} bytes",
        name.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(schema: Option<&str>, table: &str) -> Result<TableNames, String> {
        TableNames::new(schema.map(str::to_owned), table.to_owned())
    }

    #[test]
    fn names_that_could_be_anything_but_a_name_are_refused() {
        for name in ["", "1st", "a b", "a\"b", "a`b", "a;b", "é", "a.b"] {
            assert!(names(None, name).is_err(), "{name}");
            assert!(names(Some(name), "sessions").is_err(), "{name}");
        }
        assert!(names(None, "SQLite_sessions").is_err());
        assert!(names(None, &"t".repeat(40)).is_ok());
        assert!(names(None, &"t".repeat(41)).is_err());
    }

    #[test]
    fn a_name_is_quoted_as_the_database_does() {
        let names = names(Some("auth"), "sessions").unwrap();
        assert_eq!(names.sessions(DbBackend::Postgres), r#""auth"."sessions""#);
        assert_eq!(names.locks(DbBackend::MySql), "`auth`.`sessions_locks`");
    }
}
