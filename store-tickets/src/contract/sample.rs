//! Tickets, nodes and observers to try things with.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use store_core::{
    BoxError, Clock, ManualClock, SessionId, SubjectId, Ticket, UserKey, UserSession,
    UserSessionKey, UserSessionStore, UserSessionUpdate, UserSessionsFilter,
};

use super::TicketStoreBase;
use crate::{
    AuthenticationTicket, CookieSecret, EndReason, KeyRing, Retrieved, ServerSideTicketStore,
    ServerSideTicketStoreBuilder, SessionEvent, SessionEvents, SessionLifetime, SessionObservers,
    SessionPolicy, StoredTicket, TicketKey, Token,
};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Customer {
    pub(super) number: u32,
    pub(super) note: String,
}

pub(super) type Tickets = ServerSideTicketStore<Customer>;

pub(super) const HOUR: Duration = Duration::from_secs(3600);

pub(super) fn subject(id: &str) -> SubjectId {
    SubjectId::try_from(id).expect("a valid subject id")
}

pub(super) fn session_id(id: &str) -> SessionId {
    SessionId::try_from(id).expect("a valid session id")
}

pub(super) fn of(id: &str) -> UserSessionsFilter {
    UserSessionsFilter::for_subject(subject(id))
}

/// A key that is the same whenever it is asked for.
pub(super) fn ticket_key(number: u8) -> TicketKey {
    TicketKey::from_bytes(std::array::from_fn(|i| {
        number.wrapping_mul(37).wrapping_add(i as u8)
    }))
}

pub(super) fn keys(numbers: &[u8]) -> KeyRing {
    let (newest, older) = numbers.split_first().expect("a key at least");
    older
        .iter()
        .fold(KeyRing::new(ticket_key(*newest)), |ring, number| {
            ring.with_older(ticket_key(*number)).expect("each key once")
        })
}

/// A node to be set up further: with key 1, and without observers.
pub(super) fn builder<S: TicketStoreBase>(
    store: &Arc<S>,
    clock: &Arc<ManualClock>,
) -> ServerSideTicketStoreBuilder<Customer> {
    Tickets::builder(Arc::clone(store) as Arc<dyn UserSessionStore>, keys(&[1]))
        .clock(Arc::clone(clock) as Arc<dyn Clock>)
        .observers(SessionObservers::none())
}

pub(super) fn node<S: TicketStoreBase>(store: &Arc<S>, clock: &Arc<ManualClock>) -> Tickets {
    builder(store, clock).build()
}

/// For sessions of one kind, and no cap.
pub(super) fn policy(idle: Duration, absolute: Duration) -> SessionPolicy {
    SessionPolicy {
        temporary: SessionLifetime {
            idle: Some(idle),
            absolute: Some(absolute),
        },
        ..SessionPolicy::default()
    }
}

pub(super) fn ticket(subject_id: &str) -> AuthenticationTicket<Customer> {
    AuthenticationTicket::new(subject(subject_id), Customer::default())
}

pub(super) fn ticket_with_refresh_token(
    subject_id: &str,
    token: &str,
) -> AuthenticationTicket<Customer> {
    let mut ticket = ticket(subject_id);
    ticket.tokens.refresh = Some(Token::new(token));
    ticket
}

pub(super) async fn log_in(tickets: &Tickets, subject_id: &str) -> CookieSecret {
    store(tickets, ticket(subject_id)).await
}

pub(super) async fn store(
    tickets: &Tickets,
    ticket: AuthenticationTicket<Customer>,
) -> CookieSecret {
    let (secret, _) = tickets.store(ticket).await.expect("a session begins");
    secret
}

pub(super) async fn retrieve(tickets: &Tickets, secret: &CookieSecret) -> Retrieved<Customer> {
    tickets.retrieve(secret).await.expect("the store answers")
}

pub(super) async fn session(tickets: &Tickets, secret: &CookieSecret) -> StoredTicket<Customer> {
    let found = retrieve(tickets, secret).await;
    found.session().expect("the session is live")
}

pub(super) async fn is_live(tickets: &Tickets, secret: &CookieSecret) -> bool {
    match retrieve(tickets, secret).await {
        Retrieved::Session(_) => true,
        Retrieved::Absent => false,
        Retrieved::Unreadable(unreadable) => panic!("it should be readable: {unreadable}"),
    }
}

pub(super) async fn row<S: TicketStoreBase>(store: &Arc<S>, key: &UserSessionKey) -> UserSession {
    let found = store.get_user_session(key).await.expect("an answer");
    found.expect("a live row")
}

/// Puts other bytes in a row, as somebody would who can write to the table.
pub(super) async fn tamper<S: TicketStoreBase>(
    store: &Arc<S>,
    key: &UserSessionKey,
    ticket: impl Into<Ticket>,
) {
    let update = UserSessionUpdate {
        ticket: ticket.into(),
        ..row(store, key).await.into()
    };
    let done = store.update_user_session(key, update).await;
    assert!(done.expect("an answer"), "the row is there to be changed");
}

/// What an observer was told.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Told {
    Created,
    Authenticated,
    Renewed,
    Rotated(UserKey),
    Ended(EndReason),
}

/// An observer that remembers.
#[derive(Debug, Default)]
pub(super) struct Recorder(Mutex<Vec<(SessionEvent, Told)>>);

impl Recorder {
    pub(super) fn told(&self) -> MutexGuard<'_, Vec<(SessionEvent, Told)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often an end was told of each session.
    pub(super) fn ends(&self) -> BTreeMap<UserSessionKey, Vec<EndReason>> {
        let mut ends = BTreeMap::<_, Vec<_>>::new();
        for (session, told) in self.told().iter() {
            if let Told::Ended(reason) = told {
                ends.entry(session.key.clone()).or_default().push(*reason);
            }
        }
        ends
    }

    /// Why sessions ended, in the order in which it was told.
    pub(super) fn reasons(&self) -> Vec<EndReason> {
        let told = self.told();
        let ended = told.iter().filter_map(|(_, told)| match told {
            Told::Ended(reason) => Some(*reason),
            _ => None,
        });
        ended.collect()
    }

    fn note(&self, session: &SessionEvent, told: Told) -> Result<(), BoxError> {
        self.told().push((session.clone(), told));
        Ok(())
    }
}

#[async_trait]
impl SessionEvents for Recorder {
    async fn created(&self, session: &SessionEvent) -> Result<(), BoxError> {
        self.note(session, Told::Created)
    }

    async fn authenticated(&self, session: &SessionEvent) -> Result<(), BoxError> {
        self.note(session, Told::Authenticated)
    }

    async fn renewed(&self, session: &SessionEvent) -> Result<(), BoxError> {
        self.note(session, Told::Renewed)
    }

    async fn rotated(&self, session: &SessionEvent, from: &UserKey) -> Result<(), BoxError> {
        self.note(session, Told::Rotated(from.clone()))
    }

    async fn ended(&self, session: &SessionEvent, reason: EndReason) -> Result<(), BoxError> {
        self.note(session, Told::Ended(reason))
    }
}

/// A node's observers: the recorder alone.
pub(super) fn observed_by(recorder: &Arc<Recorder>) -> SessionObservers {
    let recorder = Arc::clone(recorder) as Arc<dyn SessionEvents>;
    SessionObservers::builder().shared(recorder).build()
}

/// Four nodes on one store, which all tell the same recorder.
pub(super) fn four_nodes<S: TicketStoreBase>(
    store: &Arc<S>,
    clock: &Arc<ManualClock>,
    recorder: &Arc<Recorder>,
) -> [Tickets; 4] {
    std::array::from_fn(|_| {
        builder(store, clock)
            .observers(observed_by(recorder))
            .build()
    })
}

/// Waits until `condition` holds, but not for ever.
pub(super) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came true that {what}");
}
