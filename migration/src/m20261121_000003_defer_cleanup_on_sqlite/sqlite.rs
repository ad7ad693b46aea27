use crate::{
    change::{Change, Once},
    m20261120_000001_create_user_sessions::CreateUserSessions,
    names::{Names, Table},
};

pub(super) fn once(names: &Names) -> Once {
    let table = names.bare(Table::Sessions);
    let schema = names
        .schema()
        .map_or(String::new(), |schema| format!(", '{schema}'"));
    Once {
        find_made: format!(
            "SELECT COUNT(*) FROM pragma_table_info('{table}'{schema}) WHERE name = 'cleanup_at'"
        ),
        statement: add_column(names),
    }
}

pub(super) fn up(names: &Names) -> [String; 2] {
    let on = names.quoted(&names.bare(Table::Sessions));
    [
        format!(
            "CREATE INDEX IF NOT EXISTS {} ON {on} (cleanup_at)",
            names.qualified(&names.index("cleanup_at"))
        ),
        format!(
            "DROP INDEX IF EXISTS {}",
            names.qualified(&names.index("expires"))
        ),
    ]
}

/// Whether the column is there or not: the rows move to a new table, which takes the old one's place.
pub(super) fn script(names: &Names) -> Vec<String> {
    const COLUMNS: &str = "rowid, partition_key, user_key, subject_id, session_id, created, \
                           renewed, expires, version, ticket";
    let anew = names.beside("anew");
    let (old_table, new_table) = (names.table(Table::Sessions), anew.table(Table::Sessions));
    let mut script: Vec<_> = CreateUserSessions.up(&anew).into_iter().take(1).collect();
    script.extend([
        add_column(&anew),
        format!("INSERT INTO {new_table} ({COLUMNS}) SELECT {COLUMNS} FROM {old_table}"),
        format!("DROP TABLE {old_table}"),
        format!(
            "ALTER TABLE {new_table} RENAME TO {}",
            names.quoted(&names.bare(Table::Sessions))
        ),
    ]);
    // Its other indexes have gone with it.
    script.extend(CreateUserSessions.up(names));
    script.extend(up(names));
    script
}

/// In rows that are there already it is the beginning of the year 1000.
fn add_column(names: &Names) -> String {
    format!(
        "ALTER TABLE {} ADD COLUMN cleanup_at INTEGER NOT NULL DEFAULT -30610224000000000",
        names.table(Table::Sessions)
    )
}

pub(super) fn down(names: &Names) -> Vec<String> {
    let table = names.table(Table::Sessions);
    let on = names.quoted(&names.bare(Table::Sessions));
    vec![
        format!(
            "CREATE INDEX IF NOT EXISTS {} ON {on} (expires) WHERE expires IS NOT NULL",
            names.qualified(&names.index("expires"))
        ),
        format!(
            "DROP INDEX IF EXISTS {}",
            names.qualified(&names.index("cleanup_at"))
        ),
        format!("ALTER TABLE {table} DROP COLUMN cleanup_at"),
    ]
}
