//! A host over a store that is watched, and a browser that keeps its cookies.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use chrono::{DateTime, Utc};
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use store_axum::ServerSideSessions;
use store_core::{
    Clock, Error, InMemoryUserSessionStore, ManualClock, PartitionKey, Result, StartPolicy,
    UserKey, UserSession, UserSessionKey, UserSessionStore, UserSessionUpdate, UserSessionsFilter,
};
use store_tickets::{
    AuthenticationTicket, CookieSecret, EndReason, KeyRing, ServerSideTicketStore, SessionEvent,
    SessionEvents, SessionKind, SessionObservers, StoredTicket, TicketKey,
};
use tower::ServiceExt;

pub(crate) const START: &str = "2026-03-02T08:00:00Z";
pub(crate) const COOKIE: &str = "__Host-bff-session";

/// What the hosts of these tests keep.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Customer {
    pub(crate) cart: Vec<String>,
}

/// Counts what is asked of a store, and can be switched off.
#[derive(Debug)]
pub(crate) struct Watched {
    inner: Arc<dyn UserSessionStore>,
    reads: AtomicU32,
    writes: AtomicU32,
    is_down: AtomicBool,
    no_writes: AtomicBool,
    no_starts: AtomicBool,
}

impl Watched {
    fn new(inner: Arc<dyn UserSessionStore>) -> Self {
        Self {
            inner,
            reads: AtomicU32::new(0),
            writes: AtomicU32::new(0),
            is_down: AtomicBool::new(false),
            no_writes: AtomicBool::new(false),
            no_starts: AtomicBool::new(false),
        }
    }

    fn read(&self) -> Result<()> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.up(false)
    }

    fn write(&self) -> Result<()> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.up(self.no_writes.load(Ordering::SeqCst))
    }

    fn up(&self, is_down: bool) -> Result<()> {
        if is_down || self.is_down.load(Ordering::SeqCst) {
            return Err(Error::unavailable("switched off"));
        }
        Ok(())
    }

    /// Reads and writes since the last time this was asked.
    pub(crate) fn counted(&self) -> (u32, u32) {
        let take = |counter: &AtomicU32| counter.swap(0, Ordering::SeqCst);
        (take(&self.reads), take(&self.writes))
    }

    pub(crate) fn switch(&self, on: bool) {
        self.is_down.store(!on, Ordering::SeqCst);
    }

    pub(crate) fn switch_starts(&self, on: bool) {
        self.no_starts.store(!on, Ordering::SeqCst);
    }

    pub(crate) fn switch_writes(&self, on: bool) {
        self.no_writes.store(!on, Ordering::SeqCst);
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl UserSessionStore for Watched {
    async fn get_user_session(&self, key: &UserSessionKey) -> Result<Option<UserSession>> {
        self.read()?;
        self.inner.get_user_session(key).await
    }

    async fn create_user_session(&self, session: UserSession) -> Result<()> {
        self.write()?;
        self.inner.create_user_session(session).await
    }

    async fn update_user_session(
        &self,
        key: &UserSessionKey,
        update: UserSessionUpdate,
    ) -> Result<bool> {
        self.write()?;
        // Takes its time, as a database does.
        tokio::task::yield_now().await;
        self.inner.update_user_session(key, update).await
    }

    async fn delete_user_session(&self, key: &UserSessionKey) -> Result<bool> {
        self.write()?;
        self.inner.delete_user_session(key).await
    }

    async fn get_user_sessions(
        &self,
        partition: &PartitionKey,
        filter: &UserSessionsFilter,
    ) -> Result<Vec<UserSession>> {
        self.read()?;
        self.inner.get_user_sessions(partition, filter).await
    }

    async fn delete_user_sessions(
        &self,
        partition: &PartitionKey,
        filter: &UserSessionsFilter,
    ) -> Result<u64> {
        self.write()?;
        self.inner.delete_user_sessions(partition, filter).await
    }

    async fn start_user_session(
        &self,
        session: UserSession,
        policy: &StartPolicy,
    ) -> Result<Vec<UserSession>> {
        self.write()?;
        self.up(self.no_starts.load(Ordering::SeqCst))?;
        tokio::task::yield_now().await;
        self.inner.start_user_session(session, policy).await
    }

    async fn rotate_user_key(
        &self,
        key: &UserSessionKey,
        new: &UserKey,
        update: UserSessionUpdate,
    ) -> Result<bool> {
        self.write()?;
        self.inner.rotate_user_key(key, new, update).await
    }

    async fn renew_user_session(
        &self,
        key: &UserSessionKey,
        renewed: DateTime<Utc>,
        expires: Option<DateTime<Utc>>,
    ) -> Result<bool> {
        self.write()?;
        self.inner.renew_user_session(key, renewed, expires).await
    }

    async fn end_user_sessions(
        &self,
        partition: &PartitionKey,
        filter: &UserSessionsFilter,
    ) -> Result<Vec<UserSession>> {
        self.write()?;
        self.inner.end_user_sessions(partition, filter).await
    }
}

/// Keeps why sessions ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ends(Arc<std::sync::Mutex<Vec<EndReason>>>);

impl Ends {
    /// Once as many as these have been told.
    pub(crate) async fn told(&self, expected: &[EndReason]) {
        for _ in 0..1000 {
            if self.0.lock().unwrap().len() >= expected.len() {
                break;
            }
            tokio::task::yield_now().await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(*self.0.lock().unwrap(), expected);
    }
}

#[async_trait]
impl SessionEvents for Ends {
    async fn ended(&self, _: &SessionEvent, reason: EndReason) -> Result<(), store_core::BoxError> {
        self.0.lock().unwrap().push(reason);
        Ok(())
    }
}

#[derive(Clone)]
pub(crate) struct Host {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Arc<Watched>,
    pub(crate) tickets: ServerSideTicketStore<Customer>,
    pub(crate) ends: Ends,
}

impl Host {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(ManualClock::new(START.parse().unwrap()));
        let store = Arc::new(InMemoryUserSessionStore::with_clock(clock.clone()));
        Self::over(store, clock)
    }

    pub(crate) fn over(store: Arc<dyn UserSessionStore>, clock: Arc<ManualClock>) -> Self {
        let store = Arc::new(Watched::new(store));
        let ends = Ends::default();
        let observers = SessionObservers::builder().observer(ends.clone()).build();
        let keys = KeyRing::new(TicketKey::generate().unwrap());
        let tickets = ServerSideTicketStore::builder(store.clone(), keys)
            .clock(clock.clone() as Arc<dyn Clock>)
            .observers(observers)
            .build();
        Self {
            clock,
            store,
            tickets,
            ends,
        }
    }

    pub(crate) fn sessions(&self) -> ServerSideSessions<Customer> {
        ServerSideSessions::new(self.tickets.clone())
    }

    /// A signed-in user, without any request.
    pub(crate) async fn alice(&self) -> (Browser, CookieSecret, StoredTicket<Customer>) {
        self.user("alice", SessionKind::Temporary).await
    }

    pub(crate) async fn user(
        &self,
        name: &str,
        kind: SessionKind,
    ) -> (Browser, CookieSecret, StoredTicket<Customer>) {
        let ticket = AuthenticationTicket::new(name.parse().unwrap(), Customer::default());
        let begun = self.tickets.store(ticket.with_kind(kind)).await;
        let (secret, stored) = begun.unwrap();
        let mut browser = Browser::default();
        browser.put(COOKIE, &secret.to_cookie());
        self.store.counted();
        (browser, secret, stored)
    }

    /// The session of a secret, as it is in the store.
    pub(crate) async fn find(&self, secret: &CookieSecret) -> Option<StoredTicket<Customer>> {
        self.tickets.retrieve(secret).await.unwrap().session()
    }

    pub(crate) async fn count<V: serde::de::DeserializeOwned>(
        &self,
        secret: &CookieSecret,
        name: &str,
    ) -> Option<V> {
        let stored = self.find(secret).await.unwrap();
        stored.ticket.bag.get(name).unwrap()
    }
}

/// Keeps cookies as a browser does, as far as these tests need it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Browser {
    cookies: BTreeMap<String, String>,
    headers: Vec<(String, String)>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) async fn of(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Self {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let values: Vec<_> = self.headers.get_all(name).iter().collect();
        assert!(values.len() <= 1, "{name} stands there more than once");
        values.first().map(|value| value.to_str().unwrap())
    }

    pub(crate) fn cookies(&self) -> Vec<&str> {
        let values = self.headers.get_all(header::SET_COOKIE).iter();
        values.map(|value| value.to_str().unwrap()).collect()
    }

    /// Asserts a refusal as a whole.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, detail: &str) {
        let title = StatusCode::from_u16(status).unwrap();
        let expected = serde_json::json!({
            "title": title.canonical_reason(), "status": status, "detail": detail,
        });
        let body: serde_json::Value = serde_json::from_str(&self.body).expect(&self.body);
        assert_eq!(body, expected);
        assert_eq!(self.status, title);
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(self.header("cache-control"), Some("no-store"));
        let retry_after = (status == 503).then_some("5");
        assert_eq!(self.header("retry-after"), retry_after);
    }
}

impl Browser {
    pub(crate) fn put(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    pub(crate) fn secret(&self) -> CookieSecret {
        self.cookie(COOKIE).expect("a cookie").parse().unwrap()
    }

    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn request(&self, path: &str) -> Request<Body> {
        let mut request = Request::builder().uri(path);
        if !self.headers.iter().any(|(name, _)| name == "host") {
            request = request.header("host", "bff.example");
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if !self.cookies.is_empty() {
            let cookies = self.cookies.iter();
            let cookies: Vec<_> = cookies
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        request.body(Body::empty()).unwrap()
    }

    /// Sends a request, and keeps the cookies that come back.
    pub(crate) async fn get(&mut self, router: &Router, path: &str) -> Answer {
        let answer = send(router, self.request(path)).await;
        for cookie in answer.cookies() {
            let (pair, attributes) = cookie.split_once("; ").unwrap_or((cookie, ""));
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0;") {
                self.cookies.remove(name);
            } else {
                self.put(name, value);
            }
        }
        answer
    }
}

pub(crate) async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response: Response<Body> = router.clone().oneshot(request).await.unwrap();
    Answer::of(response).await
}
