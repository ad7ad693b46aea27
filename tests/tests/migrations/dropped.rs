//! Those who do not wait for the end.

use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use sea_orm::ConnectionTrait as _;
use store_migration::Migrator;
use store_tests::{TestDatabase, host_pool, on_databases};
use tokio::time::{sleep, timeout};

const SOON: Duration = Duration::from_secs(20);

/// However early the caller stops waiting, the one connection comes back without a transaction in
/// it, and no lock stays behind to keep other processes out.
async fn leaves_no_connection_and_no_lock(db: TestDatabase) {
    let one = host_pool(db.url(), 1, "").await;
    let other = host_pool(db.url(), 1, "").await;
    for polls in 0..12 {
        {
            let mut up = pin!(store_migration::up(&one));
            let mut context = Context::from_waker(Waker::noop());
            for _ in 0..polls {
                if up.as_mut().poll(&mut context).is_ready() {
                    break;
                }
                sleep(Duration::from_millis(1)).await;
            }
        }
        timeout(SOON, one.execute_unprepared("SELECT 1"))
            .await
            .unwrap_or_else(|_| panic!("the connection is lost after {polls} polls"))
            .unwrap();
        timeout(SOON, Migrator::new().down(&other))
            .await
            .unwrap_or_else(|_| panic!("the lock is held after {polls} polls"))
            .unwrap();
        one.execute_unprepared("BEGIN")
            .await
            .expect("no transaction is open");
        one.execute_unprepared("ROLLBACK").await.unwrap();
        timeout(SOON, store_migration::up(&one))
            .await
            .unwrap()
            .unwrap();
        assert!(Migrator::new().is_current(&other).await.unwrap());
        Migrator::new().down(&other).await.unwrap();
    }
}

/// What was begun is finished although nobody waits.
async fn is_finished_all_the_same(db: TestDatabase) {
    let one = host_pool(db.url(), 1, "").await;
    {
        let mut up = pin!(store_migration::up(&one));
        let mut context = Context::from_waker(Waker::noop());
        assert!(up.as_mut().poll(&mut context).is_pending());
    }
    let finished = async {
        while !Migrator::new().is_current(&one).await.unwrap() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, finished).await.expect("the run goes on");
}

on_databases!([sqlite, postgres, mysql, mariadb]:
    leaves_no_connection_and_no_lock,
    is_finished_all_the_same,
);
