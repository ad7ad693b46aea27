//! What the catalog says of a table, so that nobody is measured on another than was thought.

use anyhow::{Result, bail, ensure};
use sea_orm::{ConnectionTrait, Statement};
use serde::{Deserialize, Serialize};
use store_tests::DatabaseKind;

use crate::site::Site;
use crate::table::Table;

/// A table as the database has it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Schema {
    pub(crate) columns: Vec<String>,
    /// How each is defined.
    pub(crate) indexes: Vec<String>,
    /// Storage options, where there are any.
    pub(crate) options: Option<String>,
}

impl Schema {
    /// Reads it, and checks it: the columns that the table is filled by, all of them and no others,
    /// and a unique index.
    pub(crate) async fn verified(site: &Site, table: &Table) -> Result<Self> {
        let schema = Self::read(site, table).await?;
        let mut found: Vec<_> = schema
            .columns
            .iter()
            .filter_map(|column| column.split(' ').next())
            .collect();
        let mut expected = table.columns.to_vec();
        found.sort_unstable();
        expected.sort_unstable();
        ensure!(
            found == expected,
            "{} on {} has the columns {found:?}, and is filled by {expected:?}: bench/src/table.rs \
             or the contender's own file",
            table.name,
            site.kind,
        );
        ensure!(
            schema
                .indexes
                .iter()
                .any(|index| index.to_ascii_uppercase().contains("UNIQUE")),
            "{} on {} has no unique index: {:?}",
            table.name,
            site.kind,
            schema.indexes
        );
        Ok(schema)
    }

    async fn read(site: &Site, table: &Table) -> Result<Self> {
        let quoted = table.name.replace('\'', "''");
        let bare = table.name.rsplit('.').next().unwrap_or(&table.name);
        let bare = bare.trim_matches(['"', '`']);
        Ok(match site.kind {
            DatabaseKind::Postgres => Self {
                columns: texts(site, format!(
                    "SELECT attname || ' ' || format_type(atttypid, atttypmod) FROM pg_attribute \
                     WHERE attrelid = '{quoted}'::regclass AND attnum > 0 AND NOT attisdropped \
                     ORDER BY attnum"
                )).await?,
                indexes: texts(site, format!(
                    "SELECT pg_get_indexdef(indexrelid) FROM pg_index \
                     WHERE indrelid = '{quoted}'::regclass ORDER BY indexrelid"
                )).await?,
                options: texts(site, format!(
                    "SELECT reloptions::text FROM pg_class \
                     WHERE oid = '{quoted}'::regclass AND reloptions IS NOT NULL"
                )).await?.pop(),
            },
            DatabaseKind::MySql | DatabaseKind::MariaDb => Self {
                columns: texts(site, format!(
                    "SELECT CONVERT(CONCAT(column_name, ' ', column_type) USING utf8mb4) \
                     FROM information_schema.columns \
                     WHERE table_schema = DATABASE() AND table_name = '{bare}' \
                     ORDER BY ordinal_position"
                )).await?,
                indexes: texts(site, format!(
                    "SELECT CONVERT(CONCAT(IF(MAX(non_unique) = 0, 'UNIQUE ', ''), index_name, ' (', \
                     GROUP_CONCAT(column_name ORDER BY seq_in_index SEPARATOR ', '), ')') USING utf8mb4) \
                     FROM information_schema.statistics \
                     WHERE table_schema = DATABASE() AND table_name = '{bare}' GROUP BY index_name \
                     ORDER BY index_name"
                )).await?,
                options: None,
            },
            DatabaseKind::Sqlite => Self {
                columns: texts(site, format!(
                    "SELECT name || ' ' || type FROM pragma_table_info('{bare}')"
                )).await?,
                indexes: texts(site, format!(
                    "SELECT CASE \"unique\" WHEN 1 THEN 'UNIQUE ' ELSE '' END || list.name || ' (' || \
                     (SELECT group_concat(info.name, ', ') FROM pragma_index_info(list.name) AS info) \
                     || ')' FROM pragma_index_list('{bare}') AS list"
                )).await?,
                options: None,
            },
            DatabaseKind::SqliteMemory => bail!("a database in memory is no contender's"),
        })
    }
}

async fn texts(site: &Site, sql: String) -> Result<Vec<String>> {
    let select = Statement::from_string(site.admin.get_database_backend(), sql);
    let rows = site.admin.query_all_raw(select).await?;
    rows.iter()
        .map(|row| Ok(row.try_get_by_index(0)?))
        .collect()
}
