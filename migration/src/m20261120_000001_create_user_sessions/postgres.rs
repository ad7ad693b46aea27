use crate::names::{Names, Table};

pub(super) fn up(names: &Names) -> Vec<String> {
    let table = names.table(Table::Sessions);
    let index = |of| names.quoted(&names.index(of));
    vec![
        // COLLATE "C" compares bytes, and so is the order that keyset paging promises.
        format!(
            r#"CREATE TABLE IF NOT EXISTS {table} (
    partition_key text COLLATE "C" NOT NULL,
    user_key text COLLATE "C" NOT NULL,
    subject_id text COLLATE "C",
    session_id text COLLATE "C",
    created timestamptz NOT NULL,
    renewed timestamptz NOT NULL,
    expires timestamptz,
    version bigint NOT NULL,
    ticket bytea NOT NULL,
    PRIMARY KEY (partition_key, user_key)
)"#
        ),
        format!(
            "CREATE UNIQUE INDEX IF NOT EXISTS {} ON {table} (partition_key, session_id)",
            index("session_id")
        ),
        format!(
            "CREATE INDEX IF NOT EXISTS {} ON {table} (partition_key, subject_id)",
            index("subject_id")
        ),
        format!(
            "CREATE INDEX IF NOT EXISTS {} ON {table} (partition_key, created, user_key)",
            index("created")
        ),
        format!(
            "CREATE INDEX IF NOT EXISTS {} ON {table} (expires) WHERE expires IS NOT NULL",
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
