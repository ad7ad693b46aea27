//! In the company of a host that has SeaORM migrations of its own.

use sea_orm::{ConnectionTrait as _, DbErr};
use sea_orm_migration::async_trait::async_trait;
use sea_orm_migration::{MigrationName, MigrationTrait, MigratorTrait, SchemaManager};
use store_migration::{Migrator, Options, migrations};
use store_tests::{TestDatabase, on_every_database};

use crate::support::{catalog, tables, texts};

struct CreateOrders;

impl MigrationName for CreateOrders {
    fn name(&self) -> &str {
        "m20250101_000001_create_orders"
    }
}

#[async_trait]
impl MigrationTrait for CreateOrders {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        db.execute_unprepared("CREATE TABLE orders (id INTEGER)")
            .await
            .map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        db.execute_unprepared("DROP TABLE orders").await.map(drop)
    }
}

/// A host that leaves our tables to us.
struct Apart;

impl MigratorTrait for Apart {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(CreateOrders)]
    }
}

/// A host with our migrations at the end of its list.
struct OursLast;

impl MigratorTrait for OursLast {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let mut list = Apart::migrations();
        list.extend(migrations(&Options::new()));
        list
    }
}

/// A host with our migrations at the beginning of its list.
struct OursFirst;

impl MigratorTrait for OursFirst {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let mut list = migrations(&Options::new());
        list.extend(Apart::migrations());
        list
    }
}

const HISTORY_OF_THE_HOST: &str = "SELECT version FROM seaql_migrations ORDER BY 1";
const HISTORY_OF_OURS: &str = "SELECT version FROM user_sessions_migrations";

/// Neither migrator sees the other's history, up or down.
async fn and_ours_do_not_meet(db: TestDatabase) {
    let db = db.connect().await;
    Apart::up(&db, None).await.unwrap();
    store_migration::up(&db).await.unwrap();
    assert_eq!(
        texts(&db, HISTORY_OF_THE_HOST).await,
        ["m20250101_000001_create_orders"]
    );
    Apart::status(&db)
        .await
        .expect("it knows all that is in its history");

    Apart::down(&db, None).await.unwrap();
    assert!(Migrator::new().is_current(&db).await.unwrap());
    Apart::up(&db, None).await.unwrap();
    Migrator::new().down(&db).await.unwrap();
    assert_eq!(tables(&db).await, ["orders", "seaql_migrations"]);
    assert_eq!(texts(&db, HISTORY_OF_THE_HOST).await.len(), 1);
}

/// In the host's list, first or last, before or after a run of our own: always the same tables, and
/// the same history of ours.
async fn runs_ours_in_any_order(db: TestDatabase) {
    let apart = db.connect().await;
    store_migration::up(&apart).await.unwrap();
    Apart::up(&apart, None).await.unwrap();
    let expected = catalog(&apart).await;

    for order in 0..3 {
        let other = TestDatabase::create(db.kind()).await.unwrap();
        let other = other.connect().await;
        match order {
            0 => OursLast::up(&other, None).await.unwrap(),
            1 => OursFirst::up(&other, None).await.unwrap(),
            _ => {
                store_migration::up(&other).await.unwrap();
                OursFirst::up(&other, None).await.unwrap();
            }
        }
        assert_eq!(catalog(&other).await, expected, "order {order}");
        assert!(Migrator::new().is_current(&other).await.unwrap());
        let ours = migrations(&Options::new()).len();
        assert_eq!(texts(&other, HISTORY_OF_OURS).await.len(), ours);
        assert_eq!(texts(&other, HISTORY_OF_THE_HOST).await.len(), ours + 1);

        OursLast::down(&other, None).await.unwrap();
        assert_eq!(tables(&other).await, ["seaql_migrations"], "order {order}");
        assert!(!Migrator::new().is_current(&other).await.unwrap());
    }
}

on_every_database!(and_ours_do_not_meet, runs_ours_in_any_order);
