//! Servers and hosts with settings of their own.

use store_migration::Migrator;
use store_seaorm::SeaOrmUserSessionStore;
use store_tests::{TestDatabase, every_operation, host_pool, on_databases};

use crate::support::{catalog, execute, tables};

mod transactions {
    use super::*;

    /// Defaults for transactions, of the database or of the host's connections, change nothing.
    async fn of_any_kind_are_no_hindrance(db: TestDatabase) {
        let owner = db.connect().await;
        let name = db.url().rsplit('/').next().unwrap().to_owned();
        for (setting, value) in [
            ("default_transaction_isolation", "serializable"),
            ("default_transaction_isolation", "'repeatable read'"),
            ("default_transaction_read_only", "on"),
            ("default_transaction_deferrable", "on"),
        ] {
            execute(
                &owner,
                &format!("ALTER DATABASE {name} SET {setting} = {value}"),
            )
            .await;
            let connection = host_pool(db.url(), 1, "").await;
            let migrator = Migrator::new();
            assert!(!migrator.is_current(&connection).await.unwrap());
            migrator.up(&connection).await.unwrap();
            assert!(migrator.is_current(&connection).await.unwrap());
            migrator.up(&connection).await.unwrap();
            migrator.down(&connection).await.unwrap();
            assert!(tables(&owner).await.is_empty(), "{setting}");
            execute(&owner, &format!("ALTER DATABASE {name} RESET {setting}")).await;
        }
    }

    /// Eight at once under serializable transactions, where snapshots are older than the lock.
    async fn that_are_serializable_take_turns(db: TestDatabase) {
        let mut runs = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let url = db.url().to_owned();
            runs.spawn(async move {
                let setting = "SET default_transaction_isolation = serializable";
                store_migration::up(&host_pool(&url, 1, setting).await).await
            });
        }
        for outcome in runs.join_all().await {
            outcome.unwrap();
        }
        assert!(
            Migrator::new()
                .is_current(&db.connect().await)
                .await
                .unwrap()
        );
    }

    on_databases!([postgres]: of_any_kind_are_no_hindrance, that_are_serializable_take_turns);
}

mod search_paths {
    use super::*;

    /// The tables are made, and looked for, where the connection's statements look.
    async fn are_followed(db: TestDatabase) {
        let owner = db.connect().await;
        execute(&owner, "CREATE SCHEMA app; CREATE SCHEMA \"Other One\"").await;
        let app = host_pool(db.url(), 2, "SET search_path = app").await;
        let other = host_pool(db.url(), 2, "SET search_path = \"Other One\", public").await;
        let both = host_pool(db.url(), 2, "SET search_path = \"Other One\", app").await;
        let migrator = Migrator::new();

        migrator.up(&app).await.unwrap();
        assert!(migrator.is_current(&app).await.unwrap());
        assert!(!migrator.is_current(&other).await.unwrap());
        assert!(!migrator.is_current(&owner).await.unwrap());
        assert!(
            migrator.is_current(&both).await.unwrap(),
            "further along the path"
        );
        assert!(
            migrator
                .clone()
                .schema("app")
                .is_current(&owner)
                .await
                .unwrap()
        );
        for (operation, outcome) in every_operation(&SeaOrmUserSessionStore::new(app.clone())).await
        {
            outcome.unwrap_or_else(|error| panic!("{operation}: {error:?}"));
        }

        migrator.up(&other).await.unwrap();
        assert_eq!(catalog(&other).await, catalog(&app).await);
        migrator.down(&other).await.unwrap();
        assert!(tables(&other).await.is_empty());
        assert!(
            migrator.is_current(&app).await.unwrap(),
            "another schema's stays"
        );
    }

    on_databases!([postgres]: are_followed);
}

mod sql_modes {
    use super::*;

    /// Modes and defaults of the session do not show in what is made.
    async fn do_not_show(db: TestDatabase) {
        let expected = {
            let made = TestDatabase::create(db.kind()).await.unwrap();
            let made = made.connect().await;
            store_migration::up(&made).await.unwrap();
            catalog(&made).await
        };
        for setting in [
            "SET SESSION sql_mode = ''",
            "SET SESSION sql_mode = 'ANSI'",
            "SET SESSION sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES'",
            "SET SESSION sql_mode = 'TRADITIONAL'",
            "SET NAMES latin1",
            "SET SESSION transaction_isolation = 'SERIALIZABLE'",
            "SET SESSION default_storage_engine = 'MyISAM'",
            "SET SESSION innodb_strict_mode = OFF",
        ] {
            let setting = match (db.kind(), setting) {
                // Until 11.1 it has another name.
                (
                    store_tests::DatabaseKind::MariaDb,
                    "SET SESSION transaction_isolation = 'SERIALIZABLE'",
                ) => "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
                (_, setting) => setting,
            };
            let connection = host_pool(db.url(), 1, setting).await;
            let migrator = Migrator::new();
            migrator.up(&connection).await.unwrap();
            assert!(migrator.is_current(&connection).await.unwrap(), "{setting}");
            assert_eq!(catalog(&db.connect().await).await, expected, "{setting}");
            let store = SeaOrmUserSessionStore::new(connection.clone());
            for (operation, outcome) in every_operation(&store).await {
                outcome.unwrap_or_else(|error| panic!("{setting}, {operation}: {error:?}"));
            }
            migrator.down(&connection).await.unwrap();
        }
    }

    on_databases!([mysql, mariadb]: do_not_show);
}
