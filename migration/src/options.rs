/// Which table the migrations are for: `user_sessions`, in the connection's own schema, unless said
/// otherwise.
///
/// Names are checked when they are used: letters, digits and underscores of ASCII, no digit in
/// front; a table's name is at most 40 bytes, so that the names derived from it fit every database,
/// and does not begin with `sqlite_`; a schema's is at most 63.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    pub(crate) schema: Option<String>,
    pub(crate) table: String,
}

impl Options {
    pub(crate) const DEFAULT_TABLE: &str = "user_sessions";

    /// The defaults.
    pub fn new() -> Self {
        Self {
            schema: None,
            table: Self::DEFAULT_TABLE.to_owned(),
        }
    }

    /// The schema that holds the table: on MySQL and MariaDB a database, on SQLite the name under
    /// which a database file is attached (`main` always is).
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = Some(schema.into());
        self
    }

    /// The table's name, from which those of its indexes, locks and history derive.
    pub fn table(mut self, table: impl Into<String>) -> Self {
        self.table = table.into();
        self
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}
