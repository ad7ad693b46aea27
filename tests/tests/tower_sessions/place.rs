//! Where sessions are kept.

use std::sync::Arc;

use store_axum::TowerSessionStore;
use store_core::{
    Clock, InMemoryUserSessionStore, ManualClock, PartitionKey, SubjectId, SystemClock,
    UserSession, UserSessionStore, UserSessionStoreCleanup, UserSessionsFilter,
};
use store_tests::{DatabaseKind, TestStore};
use store_tickets::{KeyRing, SessionObservers};
use time::{Duration, OffsetDateTime};
use tower_sessions::session::{Id, Record};

/// A store of one test's own, and the clock that it runs on. It starts at the system's time, which
/// tower-sessions reads.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) store: Arc<dyn UserSessionStore>,
    pub(crate) cleanup: Arc<dyn UserSessionStoreCleanup>,
    pub(crate) clock: Arc<ManualClock>,
    _database: Option<TestStore>,
}

/// The bridge that most tests try.
pub(crate) type Bridge = TowerSessionStore<dyn UserSessionStore>;

pub(crate) fn keys() -> KeyRing {
    let text = "q1c3b3tRkzGmYB4bUZfVZJHQ6mBM5tRVXn7Dhnf8xOs=";
    text.parse().expect("a key ring")
}

impl Place {
    pub(crate) fn in_memory() -> Self {
        let clock = Arc::new(ManualClock::new(SystemClock.now()));
        let store = Arc::new(InMemoryUserSessionStore::with_clock(Arc::clone(&clock) as _));
        Self {
            store: Arc::clone(&store) as _,
            cleanup: store,
            clock,
            _database: None,
        }
    }

    /// None where there is no such database.
    pub(crate) async fn on(kind: DatabaseKind) -> Option<Self> {
        let clock = Arc::new(ManualClock::new(SystemClock.now()));
        let test = TestStore::create(kind, Arc::clone(&clock) as _).await?;
        let store = Arc::new(test.store());
        Some(Self {
            store: Arc::clone(&store) as _,
            cleanup: store,
            clock,
            _database: Some(test),
        })
    }

    /// A bridge to this place that knows nobody's name.
    pub(crate) fn bridge(&self) -> Bridge {
        TowerSessionStore::new(Arc::clone(&self.store), keys())
            .clock(Arc::clone(&self.clock) as _)
            .observers(SessionObservers::none())
    }

    /// A bridge that finds the subject under "user" and the session id under "sid".
    pub(crate) fn naming_bridge(&self) -> Bridge {
        self.bridge().identify(crate::identity::of)
    }

    pub(crate) async fn row(&self, bridge: &Bridge, id: &Id) -> Option<UserSession> {
        let found = self.store.get_user_session(&bridge.key(id)).await;
        found.expect("the store answers")
    }

    /// How many live sessions a subject has.
    pub(crate) async fn sessions_of(&self, subject: &str) -> usize {
        let partition = PartitionKey::default();
        let filter = all_of(subject);
        let found = self.store.get_user_sessions(&partition, &filter).await;
        found.expect("the store answers").len()
    }

    /// Ends a subject's sessions everywhere. How many there were.
    pub(crate) async fn log_out_everywhere(&self, subject: &str) -> usize {
        let partition = PartitionKey::default();
        let filter = all_of(subject);
        let ended = self.store.end_user_sessions(&partition, &filter).await;
        ended.expect("the store answers").len()
    }
}

pub(crate) fn all_of(subject: &str) -> UserSessionsFilter {
    UserSessionsFilter::for_subject(SubjectId::try_from(subject).expect("a subject id"))
}

/// A record that expires in an hour.
pub(crate) fn record<const N: usize>(data: [(&str, serde_json::Value); N]) -> Record {
    Record {
        id: Id::default(),
        data: data.map(|(name, value)| (name.to_owned(), value)).into(),
        expiry_date: OffsetDateTime::now_utc() + Duration::hours(1),
    }
}

/// Stamps async functions `async fn name(place: Place)` as tests in memory and on every database.
macro_rules! on_every_store {
    ($($name:ident),+ $(,)?) => {
        mod memory {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    super::$name($crate::place::Place::in_memory()).await;
                }
            )+
        }
        $crate::place::on_every_store!(@databases
            [sqlite Sqlite, sqlite_memory SqliteMemory, postgres Postgres, mysql MySql, mariadb MariaDb]
            [$($name),+]
        );
    };
    // One token tree for all the names, because a repetition cannot stand inside another's.
    (@databases [$($database:ident $kind:ident),+] $names:tt) => {
        $(mod $database { $crate::place::on_every_store!(@tests $kind $names); })+
    };
    (@tests $kind:ident [$($name:ident),+]) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let kind = store_tests::DatabaseKind::$kind;
                if let Some(place) = $crate::place::Place::on(kind).await {
                    super::$name(place).await;
                }
            }
        )+
    };
}
pub(crate) use on_every_store;
