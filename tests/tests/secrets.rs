//! Neither spans, events nor errors show a user key, a ticket or a password.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use base64::Engine as _;
use sea_orm::ConnectionTrait as _;
use store_core::{
    Error, MAX_LIMIT, ManualClock, PageRequest, PartitionKey, Result, StartPolicy, UserSession,
    UserSessionDirectory as _, UserSessionStore as _, UserSessionStoreCleanup as _,
    UserSessionUpdate, UserSessionsFilter,
};
use store_migration::Migrator;
use store_seaorm::SeaOrmUserSessionStore;
use store_tests::sample::{at, key, session};
use store_tests::{
    DatabaseKind, TestDatabase, TestStore, host_pool, on_databases, on_every_database,
};
use tracing::field::{Field, Visit};
use tracing::span;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// What was traced: each span and event with its target and its fields.
#[derive(Default)]
struct Traced(Mutex<Vec<(&'static str, String)>>);

impl Traced {
    fn lines(&self) -> MutexGuard<'_, Vec<(&'static str, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, metadata: &'static tracing::Metadata<'static>, record: impl FnOnce(&mut Line)) {
        let mut line = Line(metadata.name().to_owned());
        record(&mut line);
        self.lines().push((metadata.target(), line.0));
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

struct ToTraced(&'static Traced);

impl<S: tracing::Subscriber> Layer<S> for ToTraced {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, _: &span::Id, _: Context<'_, S>) {
        self.0
            .add(attributes.metadata(), |line| attributes.record(line));
    }

    fn on_record(&self, _: &span::Id, values: &span::Record<'_>, _: Context<'_, S>) {
        let mut line = Line("recorded".to_owned());
        values.record(&mut line);
        self.0.lines().push(("recorded later", line.0));
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        self.0.add(event.metadata(), |line| event.record(line));
    }
}

/// Traces everything there is, down to `TRACE`, for all tests of this process: the store works in
/// tasks of its own.
fn traced() -> &'static Traced {
    static TRACED: OnceLock<&'static Traced> = OnceLock::new();
    TRACED.get_or_init(|| {
        let traced: &Traced = Box::leak(Box::default());
        let subscriber = tracing_subscriber::registry().with(ToTraced(traced));
        tracing::subscriber::set_global_default(subscriber).unwrap();
        traced
    })
}

/// A word that appears in no other test, and how else it could be shown.
struct Secret {
    word: String,
    shapes: Vec<String>,
}

impl Secret {
    fn new() -> Self {
        let word = format!("secret{:016x}", fastrand::u64(..));
        let bytes = word.as_bytes();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let list = format!("{bytes:?}");
        let shapes = vec![
            word.clone(),
            hex.to_uppercase(),
            hex,
            list.trim_matches(['[', ']']).to_owned(),
            base64::engine::general_purpose::STANDARD_NO_PAD.encode(&bytes[..bytes.len() / 3 * 3]),
        ];
        Self { word, shapes }
    }

    fn is_in(&self, text: &str) -> bool {
        self.shapes.iter().any(|shape| text.contains(shape))
    }

    /// Expects nobody to have traced it: neither us nor what we are built on.
    fn was_not_traced(&self) {
        let lines = traced().lines();
        assert!(lines.iter().any(|(_, line)| line.contains("store.")));
        for (target, line) in lines.iter() {
            assert!(!self.is_in(line), "{target}: {line}");
        }
    }

    /// Expects the error not to show it, nor any of what caused it.
    fn is_not_shown_by(&self, error: &Error) {
        let mut next: Option<&dyn std::error::Error> = Some(error);
        while let Some(error) = next {
            let shown = format!("{error} | {error:?} | {error:#?}");
            assert!(!self.is_in(&shown), "{shown}");
            next = error.source();
        }
    }

    /// The error that an operation has to answer with, which does not show it.
    fn error_of<T: fmt::Debug>(&self, answer: Result<T>) -> Error {
        let error = answer.unwrap_err();
        self.is_not_shown_by(&error);
        error
    }

    fn session(&self, name: &str) -> UserSession {
        let word = &self.word;
        UserSession {
            ticket: format!("{name} {word}").into(),
            session_id: format!("sid of {name}").parse().ok(),
            ..session(&format!("{name} {word}"))
        }
    }
}

/// Every operation, when it succeeds and when it does not.
async fn are_in_no_trace_and_no_error(db: TestDatabase) {
    traced();
    let secret = Secret::new();
    let clock = Arc::new(ManualClock::new(at("2026-03-02T09:00:00Z")));
    let store = TestStore::on(db, clock.clone()).await;
    let (partition, policy) = (PartitionKey::default(), StartPolicy::default());
    let of_alice = UserSessionsFilter::for_subject("alice".parse().unwrap());
    let (one, other) = (secret.session("one"), secret.session("other"));
    let update = || UserSessionUpdate::from(one.clone());

    store.create_user_session(one.clone()).await.unwrap();
    store
        .start_user_session(other.clone(), &policy)
        .await
        .unwrap();
    assert!(store.update_user_session(&one.key, update()).await.unwrap());
    assert!(
        store
            .renew_user_session(&one.key, one.created, None)
            .await
            .unwrap()
    );
    assert!(store.get_user_session(&one.key).await.unwrap().is_some());
    let page = PageRequest::default();
    assert_eq!(
        store
            .list_user_sessions(&partition, &page)
            .await
            .unwrap()
            .sessions
            .len(),
        2
    );

    // What is refused.
    let exists = secret.error_of(store.create_user_session(one.clone()).await);
    assert!(matches!(exists, Error::AlreadyExists));
    let mut with_the_others_id = update();
    with_the_others_id.session_id = other.session_id.clone();
    let updated = store
        .update_user_session(&one.key, with_the_others_id.clone())
        .await;
    assert!(matches!(secret.error_of(updated), Error::AlreadyExists));
    let rotated = store
        .rotate_user_key(&one.key, &other.key.user_key, update())
        .await;
    assert!(matches!(secret.error_of(rotated), Error::AlreadyExists));
    let started = UserSession {
        session_id: None,
        ..one.clone()
    };
    let started = store.start_user_session(started, &policy).await;
    assert!(matches!(secret.error_of(started), Error::AlreadyExists));
    let updated = store
        .update_user_session(&one.key, update().with_if_version(99))
        .await;
    assert!(matches!(secret.error_of(updated), Error::VersionMismatch));
    let mut too_large = one.clone();
    too_large.ticket = secret.word.repeat(300_000).into();
    let updated = store.update_user_session(&one.key, too_large.into()).await;
    assert!(matches!(
        secret.error_of(updated),
        Error::TicketTooLarge { .. }
    ));

    // What is corrupt: read, ended, cleaned up.
    let spoil = "UPDATE user_sessions SET version = -1 WHERE session_id = 'sid of one'";
    store.connection().execute_unprepared(spoil).await.unwrap();
    let found = secret.error_of(store.get_user_session(&one.key).await);
    assert!(matches!(found, Error::Corrupt { .. }));
    let found = secret.error_of(store.get_user_sessions(&partition, &of_alice).await);
    assert!(matches!(found, Error::Corrupt { .. }));
    let ended = store
        .end_user_sessions(&partition, &of_alice)
        .await
        .unwrap();
    assert_eq!(ended.len(), 1);
    for session in [&one, &other] {
        let expired = session.clone().with_expires(session.created);
        store.create_user_session(expired).await.unwrap();
    }
    store.connection().execute_unprepared(spoil).await.unwrap();
    assert_eq!(
        store.end_expired_sessions(MAX_LIMIT).await.unwrap().len(),
        1
    );
    assert_eq!(store.delete_expired_sessions().await.unwrap(), 0);

    // What is not migrated.
    Migrator::new().down(store.connection()).await.unwrap();
    for answer in [
        store.create_user_session(one.clone()).await.map(drop),
        store
            .start_user_session(one.clone(), &policy)
            .await
            .map(drop),
        store
            .update_user_session(&one.key, update())
            .await
            .map(drop),
        store
            .rotate_user_key(&one.key, &other.key.user_key, update())
            .await
            .map(drop),
        store.get_user_session(&one.key).await.map(drop),
        store.delete_user_session(&one.key).await.map(drop),
    ] {
        assert!(matches!(secret.error_of(answer), Error::NotMigrated));
    }

    assert!(
        traced()
            .lines()
            .iter()
            .any(|(_, line)| line.contains("ended a session that was corrupt"))
    );
    secret.was_not_traced();
}

/// What the database refuses by a rule of the host's, which may quote the row in its answer.
async fn are_in_no_refusal_of_the_database(db: TestDatabase) {
    traced();
    let secret = Secret::new();
    let store = TestStore::new(db).await;
    let kept = secret.session("kept");
    store.create_user_session(kept.clone()).await.unwrap();
    let rules: &[&str] = match store.database().kind() {
        DatabaseKind::Sqlite | DatabaseKind::SqliteMemory => &[
            "CREATE TRIGGER rule BEFORE INSERT ON user_sessions \
             BEGIN SELECT RAISE(ABORT, 'no'); END",
            "CREATE TRIGGER other_rule BEFORE UPDATE ON user_sessions \
             BEGIN SELECT RAISE(ABORT, 'no'); END",
        ],
        DatabaseKind::Postgres => {
            &["ALTER TABLE user_sessions ADD CONSTRAINT rule CHECK (version < 0) NOT VALID"]
        }
        DatabaseKind::MySql | DatabaseKind::MariaDb => &[
            "UPDATE user_sessions SET version = 9",
            "ALTER TABLE user_sessions ADD CONSTRAINT rule CHECK (version = 9)",
        ],
    };
    for rule in rules {
        store.connection().execute_unprepared(rule).await.unwrap();
    }
    let new = || secret.session("new");
    let update = || UserSessionUpdate::from(kept.clone());
    for answer in [
        store.create_user_session(new()).await.map(drop),
        store
            .start_user_session(new(), &StartPolicy::default())
            .await
            .map(drop),
        store
            .update_user_session(&kept.key, update())
            .await
            .map(drop),
        store
            .renew_user_session(&kept.key, kept.created, None)
            .await
            .map(drop),
        store
            .rotate_user_key(&kept.key, &new().key.user_key, update())
            .await
            .map(drop),
    ] {
        assert!(matches!(secret.error_of(answer), Error::Backend { .. }));
    }
    secret.was_not_traced();
}

on_every_database!(
    are_in_no_trace_and_no_error,
    are_in_no_refusal_of_the_database
);

mod passwords {
    use super::*;

    /// The password in a URL is shown neither when it lets in nor when it does not.
    async fn are_in_no_trace_and_no_error(db: TestDatabase) {
        traced();
        let secret = Secret::new();
        let with_password = |url: &str| {
            let (scheme, rest) = url.split_once("://").unwrap();
            let (user, rest) = rest.split_once('@').unwrap();
            let user = user.split(':').next().unwrap();
            format!("{scheme}://{user}:{}@{rest}", secret.word)
        };
        let url = with_password(db.url());
        match SeaOrmUserSessionStore::connect(&url).await {
            Ok(store) => {
                let answer = store.get_user_session(&key("any")).await;
                assert!(matches!(secret.error_of(answer), Error::NotMigrated));
                assert!(!secret.is_in(&format!("{store:?}")));
            }
            Err(error) => secret.is_not_shown_by(&error),
        }
        let nobody = url.replacen("://", "://nobody_at_all_", 1);
        let nowhere = format!("{url}_that_is_not_there");
        let no_url = url.replacen('@', "@[", 1);
        for url in [nobody, nowhere, no_url] {
            secret.error_of(SeaOrmUserSessionStore::connect(&url).await.map(drop));
        }
        let own = host_pool(db.url(), 1, "").await;
        SeaOrmUserSessionStore::new(own)
            .get_user_session(&key("any"))
            .await
            .unwrap_err();
        secret.was_not_traced();
    }

    on_databases!([postgres, mysql, mariadb]: are_in_no_trace_and_no_error);
}
