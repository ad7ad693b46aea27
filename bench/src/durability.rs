//! What a database promises of what it has acknowledged, and the room that it has for that: the same
//! for all contenders, and printed with the results.

use anyhow::{Context as _, Result};
use sea_orm::{ConnectionTrait as _, Statement};
use store_tests::DatabaseKind;

use crate::site::Site;

/// SQLite's settings belong to a connection, and every contender's has these.
pub(crate) const SQLITE_BUSY: std::time::Duration = std::time::Duration::from_secs(60);

/// The settings, each with its name.
pub(crate) async fn settings(site: &Site) -> Result<Vec<(String, String)>> {
    let names: &[&str] = match site.kind {
        DatabaseKind::Postgres => &[
            "fsync",
            "synchronous_commit",
            "full_page_writes",
            "wal_level",
            "max_wal_size",
            "shared_buffers",
            "huge_pages",
            "autovacuum",
        ],
        DatabaseKind::MySql => &[
            "innodb_flush_log_at_trx_commit",
            "sync_binlog",
            "log_bin",
            "innodb_doublewrite",
            "innodb_redo_log_capacity",
            "innodb_buffer_pool_size",
        ],
        DatabaseKind::MariaDb => &[
            "innodb_flush_log_at_trx_commit",
            "log_bin",
            "innodb_doublewrite",
            "innodb_log_file_size",
            "innodb_buffer_pool_size",
        ],
        DatabaseKind::Sqlite | DatabaseKind::SqliteMemory => {
            return Ok([("journal_mode", "WAL"), ("synchronous", "FULL")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec());
        }
    };
    let mut settings = Vec::new();
    for name in names {
        let select = match site.kind {
            DatabaseKind::Postgres => format!("SELECT current_setting('{name}')"),
            _ => format!("SELECT CONVERT(@@{name} USING utf8mb4)"),
        };
        let select = Statement::from_string(site.admin.get_database_backend(), select);
        let row = site.admin.query_one_raw(select).await?;
        let value: String = row.context("a setting")?.try_get_by_index(0)?;
        settings.push(((*name).to_owned(), value));
    }
    Ok(settings)
}

/// How many bytes the server has written to its log of changes so far. An SQLite file's begins anew
/// after each checkpoint, and does not tell.
pub(crate) async fn log_position(site: &Site) -> Result<Option<i64>> {
    let select = match site.kind {
        DatabaseKind::Postgres => "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint",
        DatabaseKind::MySql => {
            "SELECT CAST(variable_value AS SIGNED) FROM performance_schema.global_status \
             WHERE variable_name = 'Innodb_redo_log_current_lsn'"
        }
        DatabaseKind::MariaDb => {
            "SELECT CAST(variable_value AS SIGNED) FROM information_schema.global_status \
             WHERE variable_name = 'Innodb_lsn_current'"
        }
        DatabaseKind::Sqlite | DatabaseKind::SqliteMemory => return Ok(None),
    };
    let select = Statement::from_string(site.admin.get_database_backend(), select);
    let row = site.admin.query_one_raw(select).await?;
    Ok(Some(row.context("the log's end")?.try_get_by_index(0)?))
}

/// Whether what is acknowledged survives a power cut.
pub(crate) fn is_durable(settings: &[(String, String)]) -> bool {
    settings.iter().all(|(name, value)| match name.as_str() {
        "fsync" | "synchronous_commit" | "full_page_writes" => value != "off",
        "innodb_flush_log_at_trx_commit" => value == "1",
        "innodb_doublewrite" => !matches!(value.as_str(), "OFF" | "0"),
        _ => true,
    })
}

/// How many connections each of so many contenders may have: as many as the store's pool has by
/// default, fewer where the server does not let so many in.
pub(crate) async fn connections(site: &Site, contenders: usize) -> Result<u32> {
    const WANTED: u32 = 16;
    /// SQLite has one writer; this is the store's default for readers.
    const OF_A_FILE: u32 = 4;
    /// For those who use the server beside us.
    const LEFT: i64 = 12;

    let free = match site.kind {
        DatabaseKind::Sqlite | DatabaseKind::SqliteMemory => return Ok(OF_A_FILE),
        DatabaseKind::Postgres => {
            "SELECT current_setting('max_connections')::bigint - count(*) FROM pg_stat_activity"
        }
        DatabaseKind::MySql | DatabaseKind::MariaDb => {
            "SELECT CAST(@@max_connections - COUNT(*) AS SIGNED) \
             FROM information_schema.processlist"
        }
    };
    let select = Statement::from_string(site.admin.get_database_backend(), free);
    let row = site.admin.query_one_raw(select).await?;
    let free: i64 = row.context("a count")?.try_get_by_index(0)?;
    // Each has a connection for what is done beside it, too.
    let each = (free - LEFT) / contenders.max(1) as i64 - 1;
    Ok(u32::try_from(each).unwrap_or(0).clamp(1, WANTED))
}
