//! In the company of a host that has SeaORM migrations of its own.

use crate::support::{TestFile, objects, texts};
use sea_orm::{ConnectionTrait, DbErr};
use sea_orm_migration::{
    MigrationName, MigrationTrait, MigratorTrait, SchemaManager, async_trait::async_trait,
};
use store_migration::{Migrator, Options};

struct CreateOrders;

impl MigrationName for CreateOrders {
    fn name(&self) -> &str {
        "m20250101_000001_create_orders"
    }
}

#[async_trait]
impl MigrationTrait for CreateOrders {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .get_connection()
            .execute_unprepared("CREATE TABLE orders (id INTEGER)")
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .get_connection()
            .execute_unprepared("DROP TABLE orders")
            .await?;
        Ok(())
    }
}

/// A host that leaves our tables to us.
struct Apart;

impl MigratorTrait for Apart {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(CreateOrders)]
    }
}

/// A host with our migrations in its list, for two tables.
struct Together;

impl Together {
    fn options() -> [Options; 2] {
        [Options::new(), Options::new().table("admin_sessions")]
    }
}

impl MigratorTrait for Together {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let mut migrations = Apart::migrations();
        for options in Self::options() {
            migrations.extend(store_migration::migrations(&options));
        }
        migrations
    }
}

#[tokio::test]
async fn a_hosts_own_migrations_and_ours_do_not_meet() {
    let file = TestFile::new();
    let db = file.connect().await;
    Apart::up(&db, None).await.unwrap();
    store_migration::up(&db).await.unwrap();
    Apart::status(&db)
        .await
        .expect("the host's migrator knows all that is in its history");
    assert!(Migrator::new().is_current(&db).await.unwrap());
    Apart::down(&db, None).await.unwrap();
    assert!(Migrator::new().is_current(&db).await.unwrap());
    Migrator::new().down(&db).await.unwrap();
    assert_eq!(objects(&db).await, ["table seaql_migrations"]);
}

#[tokio::test]
async fn a_hosts_list_leads_to_the_same_state() {
    let file = TestFile::new();
    let db = file.connect().await;
    Together::up(&db, None).await.unwrap();
    for options in Together::options() {
        assert!(Migrator::from(options).is_current(&db).await.unwrap());
    }
    Together::up(&db, None).await.unwrap();
    store_migration::up(&db).await.unwrap();

    let ours = TestFile::new();
    let ours = ours.connect().await;
    Apart::up(&ours, None).await.unwrap();
    for options in Together::options() {
        Migrator::from(options).up(&ours).await.unwrap();
    }
    let sql = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name";
    assert_eq!(texts(&db, sql).await, texts(&ours, sql).await);

    Together::down(&db, None).await.unwrap();
    for options in Together::options() {
        assert!(!Migrator::from(options).is_current(&db).await.unwrap());
    }
    assert_eq!(objects(&db).await, ["table seaql_migrations"]);
}

#[tokio::test]
async fn a_host_may_take_our_tables_into_its_list_later() {
    let file = TestFile::new();
    let db = file.connect().await;
    store_migration::up(&db).await.unwrap();
    Together::up(&db, None).await.unwrap();
    assert!(Migrator::new().is_current(&db).await.unwrap());
    Migrator::new().down(&db).await.unwrap();
    Together::down(&db, None)
        .await
        .expect("what is gone already is no error");
}

#[tokio::test]
async fn an_illegal_name_comes_out_of_the_hosts_migrator() {
    struct Illegal;
    impl MigratorTrait for Illegal {
        fn migrations() -> Vec<Box<dyn MigrationTrait>> {
            store_migration::migrations(&Options::new().table("a b"))
        }
    }
    let file = TestFile::new();
    let db = file.connect().await;
    assert!(matches!(
        Illegal::up(&db, None).await,
        Err(DbErr::Migration(_))
    ));
}
