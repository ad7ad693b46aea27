use crate::names::{Names, Table};

pub(super) fn up(names: &Names) -> Vec<String> {
    let table = names.table(Table::Sessions);
    vec![
        // With a constant for a default, no row is rewritten.
        format!(
            "ALTER TABLE {table} ADD COLUMN IF NOT EXISTS cleanup_at timestamptz NOT NULL \
             DEFAULT '1000-01-01 00:00:00+00'"
        ),
        format!(
            "CREATE INDEX IF NOT EXISTS {} ON {table} (cleanup_at)",
            names.quoted(&names.index("cleanup_at"))
        ),
        format!(
            "DROP INDEX IF EXISTS {}",
            names.qualified(&names.index("expires"))
        ),
        // Tickets up to about 2.5 KB stay in their row, longer ones go out of it; none is packed,
        // since what is encrypted cannot be. Two such rows to a page leave room for a third: the
        // next version of one of them.
        format!("ALTER TABLE {table} SET (fillfactor = 70, toast_tuple_target = 3072)"),
        format!("ALTER TABLE {table} ALTER COLUMN ticket SET STORAGE EXTERNAL"),
    ]
}

pub(super) fn down(names: &Names) -> Vec<String> {
    let table = names.table(Table::Sessions);
    vec![
        format!("ALTER TABLE {table} ALTER COLUMN ticket SET STORAGE EXTENDED"),
        format!("ALTER TABLE {table} RESET (fillfactor, toast_tuple_target)"),
        format!(
            "CREATE INDEX IF NOT EXISTS {} ON {table} (expires) WHERE expires IS NOT NULL",
            names.quoted(&names.index("expires"))
        ),
        // And with it its index.
        format!("ALTER TABLE {table} DROP COLUMN IF EXISTS cleanup_at"),
    ]
}
