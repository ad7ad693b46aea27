//! The bridge over a store that gets in its way, and what observers are told.

#![cfg(feature = "tower-sessions")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use store_axum::{SessionIdentity, TowerSessionStore};
use store_core::{
    BoxError, Error, InMemoryUserSessionStore, PartitionKey, Result, StartPolicy, Ticket, UserKey,
    UserSession, UserSessionKey, UserSessionStore, UserSessionStoreCleanup as _, UserSessionUpdate,
    UserSessionsFilter,
};
use store_tickets::{EndReason, KeyRing, SessionEvent, SessionEvents, SessionObservers, TicketKey};
use time::{Duration, OffsetDateTime};
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{self, ExpiredDeletion as _};
use tower_sessions::{Session, SessionStore as _};

/// What happens at one call, in the order of the calls.
#[derive(Debug)]
enum Trouble {
    /// A read finds a broken row, which somebody writes well again before the next one.
    BrokenRead,
    /// A read fails.
    CorruptRead,
    /// A creation or a start finds its key taken.
    Taken,
    /// A write comes after somebody else's.
    Overtaken,
    /// Nothing works any more.
    Down,
}

#[derive(Debug, Default)]
struct Troubled {
    inner: InMemoryUserSessionStore,
    troubles: Mutex<VecDeque<Trouble>>,
}

impl Troubled {
    fn expect(&self, troubles: impl IntoIterator<Item = Trouble>) {
        self.troubles.lock().unwrap().extend(troubles);
    }

    fn next(&self, is_due: impl Fn(&Trouble) -> bool) -> Result<Option<Trouble>> {
        let mut troubles = self.troubles.lock().unwrap();
        if matches!(troubles.front(), Some(Trouble::Down)) {
            return Err(Error::unavailable("no route to host"));
        }
        Ok(match troubles.front().is_some_and(is_due) {
            true => troubles.pop_front(),
            false => None,
        })
    }

    fn is_over(&self) -> bool {
        self.troubles.lock().unwrap().is_empty()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl UserSessionStore for Troubled {
    async fn get_user_session(&self, key: &UserSessionKey) -> Result<Option<UserSession>> {
        let is_due =
            |trouble: &Trouble| matches!(trouble, Trouble::BrokenRead | Trouble::CorruptRead);
        let trouble = self.next(is_due)?;
        let found = self.inner.get_user_session(key).await?;
        match (trouble, found) {
            (Some(Trouble::CorruptRead), _) => Err(Error::corrupt("expires", "not a time")),
            (Some(_), Some(found)) => {
                let again = UserSessionUpdate::from(found.clone());
                self.inner.update_user_session(key, again).await?;
                let ticket = Ticket::from(&found.ticket.as_bytes()[..40]);
                Ok(Some(UserSession { ticket, ..found }))
            }
            (_, found) => Ok(found),
        }
    }

    async fn create_user_session(&self, session: UserSession) -> Result<()> {
        match self.next(|trouble| matches!(trouble, Trouble::Taken))? {
            Some(_) => Err(Error::AlreadyExists),
            None => self.inner.create_user_session(session).await,
        }
    }

    async fn update_user_session(
        &self,
        key: &UserSessionKey,
        update: UserSessionUpdate,
    ) -> Result<bool> {
        if let Some(_overtaken) = self.next(|trouble| matches!(trouble, Trouble::Overtaken))?
            && let Some(found) = self.inner.get_user_session(key).await?
        {
            let others = UserSessionUpdate::from(found);
            self.inner.update_user_session(key, others).await?;
        }
        self.inner.update_user_session(key, update).await
    }

    async fn delete_user_session(&self, key: &UserSessionKey) -> Result<bool> {
        self.next(|_| false)?;
        self.inner.delete_user_session(key).await
    }

    async fn get_user_sessions(
        &self,
        partition: &PartitionKey,
        filter: &UserSessionsFilter,
    ) -> Result<Vec<UserSession>> {
        self.inner.get_user_sessions(partition, filter).await
    }

    async fn delete_user_sessions(
        &self,
        partition: &PartitionKey,
        filter: &UserSessionsFilter,
    ) -> Result<u64> {
        self.inner.delete_user_sessions(partition, filter).await
    }

    async fn start_user_session(
        &self,
        session: UserSession,
        policy: &StartPolicy,
    ) -> Result<Vec<UserSession>> {
        match self.next(|trouble| matches!(trouble, Trouble::Taken))? {
            Some(_) => Err(Error::AlreadyExists),
            None => self.inner.start_user_session(session, policy).await,
        }
    }

    async fn rotate_user_key(
        &self,
        key: &UserSessionKey,
        new: &UserKey,
        update: UserSessionUpdate,
    ) -> Result<bool> {
        self.inner.rotate_user_key(key, new, update).await
    }

    async fn renew_user_session(
        &self,
        key: &UserSessionKey,
        renewed: DateTime<Utc>,
        expires: Option<DateTime<Utc>>,
    ) -> Result<bool> {
        self.inner.renew_user_session(key, renewed, expires).await
    }

    async fn end_user_sessions(
        &self,
        partition: &PartitionKey,
        filter: &UserSessionsFilter,
    ) -> Result<Vec<UserSession>> {
        self.inner.end_user_sessions(partition, filter).await
    }
}

fn identify(record: &Record) -> Result<SessionIdentity, BoxError> {
    let text = |name: &str| record.data.get(name).and_then(Value::as_str);
    Ok(SessionIdentity {
        subject_id: text("user").map(str::parse).transpose()?,
        session_id: text("sid").map(str::parse).transpose()?,
    })
}

fn bridge<S: UserSessionStore>(store: &Arc<S>) -> TowerSessionStore<S> {
    let keys = KeyRing::new(TicketKey::generate().unwrap());
    TowerSessionStore::new(Arc::clone(store), keys)
        .identify(identify)
        .observers(SessionObservers::none())
}

fn record(data: &[(&str, &str)]) -> Record {
    let data = data
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).into()));
    Record {
        id: Id::default(),
        data: data.collect(),
        expiry_date: OffsetDateTime::now_utc() + Duration::hours(1),
    }
}

async fn created<S: UserSessionStore>(
    bridge: &TowerSessionStore<S>,
    data: &[(&str, &str)],
) -> Record {
    let mut record = record(data);
    bridge.create(&mut record).await.unwrap();
    record
}

#[tokio::test]
async fn an_id_that_is_taken_is_drawn_anew() {
    let store = Arc::new(Troubled::default());
    let bridge = bridge(&store);
    let alice = ("user", "alice");
    for data in [&[][..], &[alice], &[alice, ("sid", "1")]] {
        store.expect([Trouble::Taken, Trouble::Taken]);
        let record = created(&bridge, data).await;
        assert!(store.is_over());
        assert_eq!(bridge.load(&record.id).await.unwrap(), Some(record));
    }
    // That is not how it goes on for ever.
    store.expect((0..4).map(|_| Trouble::Taken));
    assert!(bridge.create(&mut record(&[])).await.is_err());
    assert!(store.is_over());
}

#[tokio::test]
async fn a_session_id_that_is_taken_is_not_tried_again() {
    let store = Arc::new(Troubled::default());
    let bridge = bridge(&store).start_policy(StartPolicy {
        replace_same_session_id: false,
        ..StartPolicy::default()
    });
    store.expect([Trouble::Taken, Trouble::Taken]);
    assert!(bridge.create(&mut record(&[("sid", "1")])).await.is_err());
    assert!(!store.is_over(), "one attempt");
}

#[tokio::test]
async fn an_unavailable_store_is_an_error_and_never_an_empty_session() {
    let store = Arc::new(Troubled::default());
    let bridge = bridge(&store);
    let mut stored = created(&bridge, &[("user", "alice")]).await;
    let id = stored.id;
    store.expect([Trouble::Down]);
    let backend = |answer: session_store::Result<()>| match answer {
        Err(session_store::Error::Backend(text)) => assert!(
            text.ends_with("the database is unavailable: no route to host"),
            "{text}"
        ),
        other => panic!("it is unavailable, not {other:?}"),
    };
    backend(bridge.load(&id).await.map(|_| ()));
    backend(bridge.save(&stored).await);
    backend(bridge.delete(&id).await);
    backend(bridge.create(&mut stored).await);

    let session = Session::new(Some(id), Arc::new(bridge), None);
    assert!(session.get::<String>("user").await.is_err());
    assert!(session.insert("n", 1).await.is_err());
    assert_eq!(session.id(), Some(id), "the browser keeps its cookie");
}

#[tokio::test]
async fn a_login_that_keeps_its_id_is_written_over_what_others_write() {
    let store = Arc::new(Troubled::default());
    let bridge = bridge(&store);
    let mut visitor = created(&bridge, &[]).await;
    let key = bridge.key(&visitor.id);
    let begun = store.get_user_session(&key).await.unwrap().unwrap().created;
    store.expect([Trouble::Overtaken, Trouble::Overtaken]);
    visitor.data.insert("user".into(), "alice".into());
    bridge.save(&visitor).await.unwrap();
    assert!(store.is_over());
    let row = store.get_user_session(&key).await.unwrap().unwrap();
    assert_eq!(row.subject_id, "alice".parse().ok());
    assert_eq!((row.created, row.version), (begun, 3));
    let loaded = bridge.load(&visitor.id).await.unwrap();
    assert_eq!(loaded, Some(visitor.clone()));

    // Not without end.
    visitor.data.insert("user".into(), "bob".into());
    store.expect((0..100).map(|_| Trouble::Overtaken));
    let error = bridge.save(&visitor).await.unwrap_err().to_string();
    assert!(error.contains("changed by others"), "{error}");
}

#[tokio::test]
async fn a_broken_row_that_is_well_again_is_no_end() {
    let store = Arc::new(Troubled::default());
    let bridge = bridge(&store);
    let stored = created(&bridge, &[("user", "alice")]).await;
    store.expect([Trouble::BrokenRead, Trouble::BrokenRead]);
    assert_eq!(bridge.load(&stored.id).await.unwrap(), Some(stored.clone()));
    assert!(store.is_over());
    store.expect((0..4).map(|_| Trouble::BrokenRead));
    assert!(bridge.load(&stored.id).await.is_err());
    assert_eq!(bridge.load(&stored.id).await.unwrap(), Some(stored));
}

#[tokio::test]
async fn a_logout_removes_what_cannot_be_read() {
    let store = Arc::new(Troubled::default());
    let bridge = bridge(&store).observers(SessionObservers::default());
    let stored = created(&bridge, &[("user", "alice")]).await;
    store.expect([Trouble::CorruptRead]);
    assert!(bridge.load(&stored.id).await.is_err());
    store.expect([Trouble::CorruptRead]);
    bridge.delete(&stored.id).await.unwrap();
    assert!(store.is_over());
    assert_eq!(bridge.load(&stored.id).await.unwrap(), None);
}

#[tokio::test]
async fn it_cleans_up_where_its_store_does() {
    let store = Arc::new(InMemoryUserSessionStore::new());
    let bridge = bridge(&store);
    let mut expired = record(&[]);
    expired.expiry_date -= Duration::hours(2);
    bridge.create(&mut expired).await.unwrap();
    let live = created(&bridge, &[]).await;
    bridge.delete_expired().await.unwrap();
    assert_eq!(store.delete_expired_sessions().await.unwrap(), 0);
    assert!(bridge.load(&live.id).await.unwrap().is_some());
}

#[derive(Clone, Debug, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn note(&self, what: &str, session: &SessionEvent) {
        let who = session
            .subject_id
            .as_ref()
            .map_or("a visitor", AsRef::as_ref);
        self.0.lock().unwrap().push(format!("{who} {what}"));
    }
}

#[async_trait]
impl SessionEvents for Diary {
    async fn created(&self, session: &SessionEvent) -> Result<(), BoxError> {
        self.note("created", session);
        Ok(())
    }

    async fn authenticated(&self, session: &SessionEvent) -> Result<(), BoxError> {
        self.note("authenticated", session);
        Ok(())
    }

    async fn ended(&self, session: &SessionEvent, reason: EndReason) -> Result<(), BoxError> {
        self.note(reason.as_str(), session);
        Ok(())
    }
}

#[tokio::test]
async fn observers_are_told_what_begins_and_what_ends() {
    let diary = Diary::default();
    let observers = SessionObservers::builder().observer(diary.clone()).build();
    let store = Arc::new(InMemoryUserSessionStore::new());
    let bridge = bridge(&store)
        .observers(observers.clone())
        .start_policy(StartPolicy {
            max_sessions_per_subject: NonZeroU32::new(1),
            ..StartPolicy::default()
        });
    let told = async || {
        observers.flush().await;
        std::mem::take(&mut *diary.0.lock().unwrap())
    };
    let begun = ["alice created", "alice authenticated"];

    // A visitor signs in, as axum-login does it, twice more, and out.
    let visitor = created(&bridge, &[]).await;
    bridge.delete(&visitor.id).await.unwrap();
    assert_eq!(told().await, ["a visitor created", "a visitor replaced"]);
    let first = created(&bridge, &[("user", "alice"), ("sid", "1")]).await;
    assert_eq!(told().await, begun);
    let second = created(&bridge, &[("user", "alice"), ("sid", "1")]).await;
    assert_eq!(told().await, ["alice replaced", begun[0], begun[1]]);
    let third = created(&bridge, &[("user", "alice")]).await;
    assert_eq!(told().await, ["alice over_cap", begun[0], begun[1]]);
    bridge.delete(&first.id).await.unwrap();
    bridge.delete(&second.id).await.unwrap();
    assert!(told().await.is_empty(), "they had ended");
    bridge.delete(&third.id).await.unwrap();
    assert_eq!(told().await, ["alice logged_out"]);

    // A login that keeps its id.
    let fourth = created(&bridge, &[("user", "alice")]).await;
    let mut visitor = created(&bridge, &[]).await;
    told().await;
    visitor.data.insert("user".into(), "alice".into());
    bridge.save(&visitor).await.unwrap();
    assert_eq!(told().await, ["alice over_cap", "alice authenticated"]);
    assert_eq!(bridge.load(&fourth.id).await.unwrap(), None);
    visitor.data.insert("n".into(), 1.into());
    bridge.save(&visitor).await.unwrap();
    assert!(told().await.is_empty(), "a change is no news");

    // A broken row.
    let key = bridge.key(&visitor.id);
    let row = store.get_user_session(&key).await.unwrap().unwrap();
    let broken = UserSessionUpdate {
        ticket: Ticket::from(&row.ticket.as_bytes()[..30]),
        ..row.into()
    };
    store.update_user_session(&key, broken).await.unwrap();
    assert_eq!(bridge.load(&visitor.id).await.unwrap(), None);
    assert_eq!(told().await, ["alice undecipherable"]);
}

#[tokio::test]
async fn a_login_goes_on_when_nobody_waits_for_it() {
    let store = Arc::new(InMemoryUserSessionStore::new());
    let bridge = bridge(&store);
    let mut login = record(&[("user", "alice")]);
    // It gets to run once.
    tokio::select! {
        biased;
        answer = bridge.create(&mut login) => panic!("it takes more than that: {answer:?}"),
        () = std::future::ready(()) => {}
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let alice = UserSessionsFilter::for_subject("alice".parse().unwrap());
    let found = store.get_user_sessions(bridge.partition_key(), &alice);
    assert_eq!(found.await.unwrap().len(), 1);
}
