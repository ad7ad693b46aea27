//! `up` as text, for a database administrator to read, change and run.

use crate::{
    change::CHANGES,
    dialect::Dialect,
    history,
    names::{Names, Table},
};

/// Everything that `up` does to an empty database, with comments that say which lines can go.
pub(crate) fn up(names: &Names) -> String {
    let mut script = Script::default();
    let in_a_transaction = match names.dialect() {
        Dialect::Postgres | Dialect::Sqlite => true,
        // Each statement that changes a table commits by itself.
        Dialect::MySql => false,
    };
    script.comment(&format!(
        "store-migration {}: the table {}. May be run again; then it changes nothing.",
        env!("CARGO_PKG_VERSION"),
        names.table(Table::Sessions),
    ));
    if in_a_transaction {
        script.statement("BEGIN");
    }
    if let Some(schema) = names.schema() {
        match history::create_schema(names) {
            Some(statement) => {
                script.comment("Needed only if the schema is not there yet.");
                script.statement(&statement);
            }
            None => script.comment(&format!(
                "Needed first, on every connection: ATTACH DATABASE '<file>' AS {}.",
                names.quoted(schema)
            )),
        }
    }
    script.comment(
        "Needed by `up`, `status` and `is_current`, which look here for what has been done; \
         the store itself never does.",
    );
    script.statement(&history::create_table(names));
    for change in CHANGES {
        script.comment(&format!("Needed by the store: {}.", change.version()));
        for statement in change.script(names) {
            script.statement(&statement);
        }
        script.comment("Needed with the history.");
        script.statement(&history::record(names, change.version()));
    }
    if in_a_transaction {
        script.statement("COMMIT");
    }
    script.comment("Rights the application's role needs:");
    for &table in Table::of_the_store(names.dialect()) {
        let rights = match table {
            Table::Sessions => "SELECT, INSERT, UPDATE, DELETE",
            Table::Locks => "SELECT, UPDATE",
            Table::History => "SELECT",
        };
        script.comment(&format!("  {rights} ON {}", names.table(table)));
    }
    script.comment(&format!(
        "  SELECT ON {}, for is_current and up",
        names.table(Table::History)
    ));
    script.0
}

#[derive(Default)]
struct Script(String);

impl Script {
    fn comment(&mut self, text: &str) {
        self.0 += &format!("-- {text}\n");
    }

    fn statement(&mut self, sql: &str) {
        self.0 += &format!("{sql};\n");
    }
}
