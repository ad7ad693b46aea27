use crate::names::{Names, Table};

pub(super) fn up(names: &Names) -> Vec<String> {
    let table = names.table(Table::Sessions);
    // SQLite wants the schema in front of the index, and not in front of the table behind ON.
    let index = |of| names.qualified(&names.index(of));
    let on = names.quoted(&names.bare(Table::Sessions));
    vec![
        // A rowid table: WITHOUT ROWID would read through every ticket on the way to a key.
        // Times are microseconds since 1970.
        format!(
            "CREATE TABLE IF NOT EXISTS {table} (
    partition_key TEXT NOT NULL,
    user_key TEXT NOT NULL,
    subject_id TEXT,
    session_id TEXT,
    created INTEGER NOT NULL,
    renewed INTEGER NOT NULL,
    expires INTEGER,
    version INTEGER NOT NULL,
    ticket BLOB NOT NULL,
    PRIMARY KEY (partition_key, user_key)
)"
        ),
        format!(
            "CREATE UNIQUE INDEX IF NOT EXISTS {} ON {on} (partition_key, session_id)",
            index("session_id")
        ),
        format!(
            "CREATE INDEX IF NOT EXISTS {} ON {on} (partition_key, subject_id)",
            index("subject_id")
        ),
        format!(
            "CREATE INDEX IF NOT EXISTS {} ON {on} (partition_key, created, user_key)",
            index("created")
        ),
        format!(
            "CREATE INDEX IF NOT EXISTS {} ON {on} (expires) WHERE expires IS NOT NULL",
            index("expires")
        ),
    ]
}

pub(super) fn down(names: &Names) -> Vec<String> {
    vec![format!(
        "DROP TABLE IF EXISTS {}",
        names.table(Table::Sessions)
    )]
}
