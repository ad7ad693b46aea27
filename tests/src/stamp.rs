//! The macros that stamp a test for each database.

/// Stamps async functions `async fn name(db: TestDatabase)` as tests, one module per database:
/// `sqlite::name`, `sqlite_memory::name`, `postgres::name`, `mysql::name`, `mariadb::name`.
///
/// The modules bear the databases' names, so one Rust module has room for one such stamp. The crate
/// that uses it depends on `tokio` with its features `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! on_every_database {
    ($($name:ident),+ $(,)?) => {
        $crate::on_databases!([sqlite, sqlite_memory, postgres, mysql, mariadb]: $($name),+);
    };
}

/// Stamps tests as [`on_every_database!`] does, for the databases that are named:
/// `on_databases!([postgres, mysql]: name, other)`.
#[macro_export]
macro_rules! on_databases {
    ([$($database:ident),+ $(,)?]: $($name:ident),+ $(,)?) => {
        $crate::on_databases!(@modules [$($database),+] [$($name),+]);
    };
    // One token tree for all the names, because a repetition cannot stand inside another's.
    (@modules [$($database:ident),+] $names:tt) => {
        $($crate::on_databases!(@module $database $names);)+
    };
    (@module sqlite $names:tt) => {
        mod sqlite { $crate::on_databases!(@tests Sqlite $names); }
    };
    (@module sqlite_memory $names:tt) => {
        mod sqlite_memory { $crate::on_databases!(@tests SqliteMemory $names); }
    };
    (@module postgres $names:tt) => {
        mod postgres { $crate::on_databases!(@tests Postgres $names); }
    };
    (@module mysql $names:tt) => {
        mod mysql { $crate::on_databases!(@tests MySql $names); }
    };
    (@module mariadb $names:tt) => {
        mod mariadb { $crate::on_databases!(@tests MariaDb $names); }
    };
    (@tests $kind:ident [$($name:ident),+]) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                if let Some(db) = $crate::TestDatabase::create($crate::DatabaseKind::$kind).await {
                    super::$name(db).await;
                }
            }
        )+
    };
}
