//! For MySQL from 8.0.19 and MariaDB from 10.6.

use crate::names::{Names, Table};

/// How many rows the store spreads its locks over, numbered from 0. Stays below 1,000, where both
/// servers end a recursive query unless told otherwise.
const STRIPES: u16 = 512;

pub(super) fn up(names: &Names) -> Vec<String> {
    let table = names.table(Table::Sessions);
    let locks = names.table(Table::Locks);
    let index = |of| names.quoted(&names.index(of));
    let (session_id, subject_id) = (index("session_id"), index("subject_id"));
    let (created, expires) = (index("created"), index("expires"));
    vec![
        // VARBINARY because collations of text take a for A, and trailing spaces for nothing.
        // The indexes are inside because CREATE INDEX knows no IF NOT EXISTS on MySQL.
        format!(
            "CREATE TABLE IF NOT EXISTS {table} (
    partition_key VARBINARY(255) NOT NULL,
    user_key VARBINARY(255) NOT NULL,
    subject_id VARBINARY(255) NULL,
    session_id VARBINARY(255) NULL,
    created DATETIME(6) NOT NULL,
    renewed DATETIME(6) NOT NULL,
    expires DATETIME(6) NULL,
    version BIGINT NOT NULL,
    ticket LONGBLOB NOT NULL,
    PRIMARY KEY (partition_key, user_key),
    UNIQUE KEY {session_id} (partition_key, session_id),
    KEY {subject_id} (partition_key, subject_id),
    KEY {created} (partition_key, created, user_key),
    KEY {expires} (expires)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC"
        ),
        format!(
            "CREATE TABLE IF NOT EXISTS {locks} (
    stripe SMALLINT NOT NULL PRIMARY KEY,
    taken BIGINT NOT NULL
) ENGINE=InnoDB"
        ),
        format!(
            "INSERT IGNORE INTO {locks} (stripe, taken)
WITH RECURSIVE stripes (stripe) AS (
    SELECT 0 UNION ALL SELECT stripe + 1 FROM stripes WHERE stripe < {}
)
SELECT stripe, 0 FROM stripes",
            STRIPES - 1
        ),
    ]
}

pub(super) fn down(names: &Names) -> Vec<String> {
    vec![
        format!("DROP TABLE IF EXISTS {}", names.table(Table::Sessions)),
        format!("DROP TABLE IF EXISTS {}", names.table(Table::Locks)),
    ]
}
