use crate::names::{Names, Table};

/// A statement of its own for the column, since a column alone is added without a copy of the table.
/// MySQL knows no `IF NOT EXISTS` here.
pub(super) fn up(names: &Names) -> Vec<String> {
    let table = names.table(Table::Sessions);
    let index = |of| names.quoted(&names.index(of));
    let column = format!(
        "ALTER TABLE {table} ADD COLUMN cleanup_at DATETIME(6) NOT NULL \
         DEFAULT ''1000-01-01 00:00:00''"
    );
    let indexes = format!(
        "ALTER TABLE {table} ADD KEY {} (cleanup_at), DROP KEY {}",
        index("cleanup_at"),
        index("expires")
    );
    [
        when(0, &columns(names), &column),
        when(0, &indexes_of_the_cleanup(names), &indexes),
    ]
    .concat()
}

pub(super) fn down(names: &Names) -> Vec<String> {
    let table = names.table(Table::Sessions);
    let index = |of| names.quoted(&names.index(of));
    let indexes = format!(
        "ALTER TABLE {table} ADD KEY {} (expires), DROP KEY {}",
        index("expires"),
        index("cleanup_at")
    );
    let column = format!("ALTER TABLE {table} DROP COLUMN cleanup_at");
    [
        when(1, &indexes_of_the_cleanup(names), &indexes),
        when(1, &columns(names), &column),
    ]
    .concat()
}

/// Statements that together run another if the catalog counts so many.
fn when(count: u8, counted: &str, statement: &str) -> Vec<String> {
    vec![
        format!(
            "SET @change_of_sessions = (SELECT IF(COUNT(*) = {count}, '{statement}', 'DO 0') \
             FROM {counted})"
        ),
        "PREPARE change_of_sessions FROM @change_of_sessions".to_owned(),
        "EXECUTE change_of_sessions".to_owned(),
        "DEALLOCATE PREPARE change_of_sessions".to_owned(),
    ]
}

fn columns(names: &Names) -> String {
    format!(
        "information_schema.columns WHERE {} AND column_name = 'cleanup_at'",
        of_the_table(names)
    )
}

fn indexes_of_the_cleanup(names: &Names) -> String {
    format!(
        "information_schema.statistics WHERE {} AND index_name = '{}'",
        of_the_table(names),
        names.index("cleanup_at")
    )
}

fn of_the_table(names: &Names) -> String {
    let schema = match names.schema() {
        Some(schema) => format!("'{schema}'"),
        None => "DATABASE()".to_owned(),
    };
    format!(
        "table_schema = {schema} AND table_name = '{}'",
        names.bare(Table::Sessions)
    )
}
