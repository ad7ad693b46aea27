//! A broken row that somebody writes well again while it is being taken away.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use store_core::{
    Error, InMemoryUserSessionStore, PartitionKey, Result, StartPolicy, Ticket, UserKey,
    UserSession, UserSessionKey, UserSessionStore, UserSessionUpdate, UserSessionsFilter,
};
use store_tickets::{
    AuthenticationTicket, KeyRing, Retrieved, ServerSideTicketStore, SessionObservers, TicketKey,
};

/// Shows a session broken the first few times it is read, and has it written in between, as if the
/// reader had been overtaken. What is stored is good all the time.
#[derive(Debug)]
struct Overtaken {
    inner: InMemoryUserSessionStore,
    broken_reads: AtomicU32,
    /// What updates and removals answer instead of doing anything.
    is_down: bool,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl UserSessionStore for Overtaken {
    async fn get_user_session(&self, key: &UserSessionKey) -> Result<Option<UserSession>> {
        let found = self.inner.get_user_session(key).await?;
        let left = self
            .broken_reads
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        let Some(found) = found.filter(|_| left.is_ok()) else {
            return self.inner.get_user_session(key).await;
        };
        let again = UserSessionUpdate::from(found.clone());
        self.inner.update_user_session(key, again).await?;
        let ticket = Ticket::from(&found.ticket.as_bytes()[..40]);
        Ok(Some(UserSession { ticket, ..found }))
    }

    async fn create_user_session(&self, session: UserSession) -> Result<()> {
        self.inner.create_user_session(session).await
    }

    async fn update_user_session(
        &self,
        key: &UserSessionKey,
        update: UserSessionUpdate,
    ) -> Result<bool> {
        if self.is_down {
            return Err(Error::unavailable("no database"));
        }
        self.inner.update_user_session(key, update).await
    }

    async fn delete_user_session(&self, key: &UserSessionKey) -> Result<bool> {
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
        self.inner.start_user_session(session, policy).await
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

async fn retrieve(broken_reads: u32, is_down: bool) -> (Retrieved<()>, bool) {
    let store = Arc::new(Overtaken {
        inner: InMemoryUserSessionStore::new(),
        broken_reads: AtomicU32::new(0),
        is_down,
    });
    let keys = KeyRing::new(TicketKey::generate().unwrap());
    let tickets = ServerSideTicketStore::builder(store.clone(), keys)
        .observers(SessionObservers::none())
        .build();
    let ticket = AuthenticationTicket::new("alice".parse().unwrap(), ());
    let (secret, stored) = tickets.store(ticket).await.unwrap();
    store.broken_reads.store(broken_reads, Ordering::SeqCst);
    let found = tickets.retrieve(&secret).await.unwrap();
    let is_there = store.inner.get_user_session(stored.key()).await;
    (found, is_there.unwrap().is_some())
}

#[tokio::test]
async fn a_row_that_was_written_well_again_is_read_and_not_removed() {
    for broken_reads in 1..4 {
        let (found, is_there) = retrieve(broken_reads, false).await;
        assert!(
            matches!(found, Retrieved::Session(_)),
            "{broken_reads} broken reads"
        );
        assert!(is_there);
    }
}

#[tokio::test]
async fn a_broken_session_is_over_even_if_it_cannot_be_removed_now() {
    let (found, is_there) = retrieve(1, true).await;
    assert!(matches!(found, Retrieved::Absent));
    assert!(is_there);
}
