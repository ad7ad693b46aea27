//! Roles that may read and write rows, but not create anything.

use sea_orm::DatabaseConnection;
use store_migration::Migrator;
use store_seaorm::SeaOrmUserSessionStore;
use store_tests::{DatabaseKind, TestDatabase, every_operation, host_pool, on_databases};

use crate::support::{execute, tables};

/// The rights of the application's role, as the printed script names them.
const RIGHTS: [(&str, &str); 3] = [
    ("user_sessions", "SELECT, INSERT, UPDATE, DELETE"),
    ("user_sessions_locks", "SELECT, UPDATE"),
    ("user_sessions_migrations", "SELECT"),
];

/// A role that may create nothing is told what is there, needs no more rights than the script says,
/// and may call `up` where there is nothing to do.
async fn to_create_are_not_needed(db: TestDatabase) {
    let owner = db.connect().await;
    let role = Role::on(&db, &owner).await;
    let outcome = tokio::spawn(async move {
        let application = role.connect().await;
        let migrator = Migrator::new();
        assert!(!migrator.is_current(&application).await.unwrap());
        assert!(
            migrator.up(&application).await.is_err(),
            "it may create nothing"
        );
        assert!(tables(&owner).await.is_empty());

        migrator.up(&owner).await.unwrap();
        role.grant(&owner).await;
        assert!(migrator.is_current(&application).await.unwrap());
        migrator
            .up(&application)
            .await
            .expect("there is nothing to do");
        let store = SeaOrmUserSessionStore::new(application);
        for (operation, outcome) in every_operation(&store).await {
            outcome.unwrap_or_else(|error| panic!("{operation}: {error:?}"));
        }
    })
    .await;
    Role::drop(&db).await;
    outcome.unwrap();
}

/// A role of the server's, named after the test's database.
struct Role {
    kind: DatabaseKind,
    name: String,
    url: String,
}

fn name_of(db: &TestDatabase) -> String {
    let database = db.url().rsplit('/').next().unwrap();
    format!("r{}", database.trim_start_matches("test_"))
}

impl Role {
    async fn on(db: &TestDatabase, owner: &DatabaseConnection) -> Self {
        let name = name_of(db);
        let mut url = db.url().to_owned();
        match db.kind() {
            DatabaseKind::Postgres => {
                // PostgreSQL 14 lets everybody create tables in `public`.
                execute(owner, "REVOKE CREATE ON SCHEMA public FROM PUBLIC").await;
                execute(owner, &format!("CREATE ROLE {name}")).await;
            }
            _ => {
                execute(
                    owner,
                    &format!("CREATE USER {name} IDENTIFIED BY 'Secret-1'"),
                )
                .await;
                // Nobody connects to a database without a right to it: this one helps nowhere.
                let database = db.url().rsplit('/').next().unwrap();
                execute(owner, &format!("GRANT SHOW VIEW ON {database}.* TO {name}")).await;
                let with_password = format!("//{name}:Secret-1@");
                url.replace_range(
                    url.find("//").unwrap()..=url.find('@').unwrap(),
                    &with_password,
                );
            }
        }
        Self {
            kind: db.kind(),
            name,
            url,
        }
    }

    async fn connect(&self) -> DatabaseConnection {
        match self.kind {
            DatabaseKind::Postgres => {
                host_pool(&self.url, 2, &format!("SET ROLE {}", self.name)).await
            }
            _ => host_pool(&self.url, 2, "").await,
        }
    }

    async fn grant(&self, owner: &DatabaseConnection) {
        let made = tables(owner).await;
        for (table, rights) in RIGHTS {
            if made.iter().any(|made| made == table) {
                execute(
                    owner,
                    &format!("GRANT {rights} ON {table} TO {}", self.name),
                )
                .await;
            }
        }
    }

    async fn drop(db: &TestDatabase) {
        let (owner, name) = (db.connect().await, name_of(db));
        match db.kind() {
            DatabaseKind::Postgres => {
                execute(&owner, &format!("DROP OWNED BY {name}; DROP ROLE {name}")).await
            }
            _ => execute(&owner, &format!("DROP USER {name}")).await,
        }
    }
}

on_databases!([postgres, mysql, mariadb]: to_create_are_not_needed);
