//! The ticket store.

mod builder;
mod change;
pub(crate) mod end;
mod line;
mod login;
mod outcome;
mod retrieve;
mod stored;

use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use store_core::{
    Clock, PartitionKey, UserKey, UserSessionKey, UserSessionStore, UserSessionStoreCleanup,
    floor_to_micros,
};
use tracing::Instrument;

use self::line::Lines;
pub use self::{
    builder::ServerSideTicketStoreBuilder,
    outcome::{Renewal, Retrieved, Saved},
    stored::{SessionHandle, StoredTicket},
};
use crate::events::Occurrence;
use crate::seal::Sealer;
use crate::{
    KeyRing, Result, SessionCleanup, SessionCleanupBuilder, SessionObservers, SessionPolicy,
    telemetry,
};

/// Typed, encrypted tickets in a store of sessions.
///
/// `T` is the host's own data. A clone is cheap and is the same store; [`in_partition`] gives the
/// same store for another front end. It needs a Tokio runtime.
///
/// # When requests race
/// - [`modify`] writes only what nobody else has changed meanwhile, and tries again on what they
///   made of it: nobody's change is lost.
/// - What changes a session never brings back one that has ended.
/// - An operation that ends sessions goes on if its future is dropped: a browser that hangs up
///   during a logout has logged out.
///
/// [`in_partition`]: Self::in_partition
/// [`modify`]: Self::modify
pub struct ServerSideTicketStore<T> {
    shared: Arc<Shared>,
    partition_key: PartitionKey,
    data: PhantomData<fn() -> T>,
}

#[derive(Debug)]
struct Shared {
    store: Arc<dyn UserSessionStore>,
    sealer: Sealer,
    policy: SessionPolicy,
    observers: SessionObservers,
    clock: Arc<dyn Clock>,
    change_attempts: NonZeroU32,
    lines: Lines,
}

impl<T> ServerSideTicketStore<T> {
    /// A store that encrypts with these keys, everything else at its defaults.
    pub fn new(store: Arc<dyn UserSessionStore>, keys: KeyRing) -> Self {
        Self::builder(store, keys).build()
    }

    /// A store that encrypts with these keys.
    pub fn builder(
        store: Arc<dyn UserSessionStore>,
        keys: KeyRing,
    ) -> ServerSideTicketStoreBuilder<T> {
        ServerSideTicketStoreBuilder::encrypted(store, keys)
    }

    /// A store that does **not** encrypt: whoever reads its table or a backup of it has every
    /// user's claims and tokens, and whoever writes it can make sessions. For a database that is
    /// nobody's but the host's and encrypts by itself, and for looking at tickets in development.
    ///
    /// It does not read what an encrypting store wrote, nor the other way round.
    pub fn unencrypted(store: Arc<dyn UserSessionStore>) -> ServerSideTicketStoreBuilder<T> {
        ServerSideTicketStoreBuilder::unencrypted(store)
    }

    /// The same store for another front end. Without this it is the default partition, "".
    #[must_use]
    pub fn in_partition(&self, partition_key: PartitionKey) -> Self {
        Self {
            partition_key,
            ..self.clone()
        }
    }

    /// The front end whose sessions these are.
    pub fn partition_key(&self) -> &PartitionKey {
        &self.partition_key
    }

    /// How long sessions last, and how many a subject may have.
    pub fn policy(&self) -> &SessionPolicy {
        &self.shared.policy
    }

    /// Who is told what happens.
    pub fn observers(&self) -> &SessionObservers {
        &self.shared.observers
    }

    /// The store below.
    pub fn user_session_store(&self) -> &Arc<dyn UserSessionStore> {
        &self.shared.store
    }

    /// Takes other keys from now on, in all clones: the first one writes, all of them read. Whether
    /// this store encrypts at all.
    pub fn replace_keys(&self, keys: KeyRing) -> bool {
        self.shared.sealer.replace_keys(keys)
    }

    /// A cleanup that tells this store's observers: for the same database.
    pub fn cleanup(&self, store: Arc<dyn UserSessionStoreCleanup>) -> SessionCleanupBuilder {
        SessionCleanup::builder(store)
            .observers(self.observers().clone())
            .clock(Arc::clone(&self.shared.clock))
    }

    pub(crate) fn key(&self, user_key: UserKey) -> UserSessionKey {
        UserSessionKey::new(self.partition_key.clone(), user_key)
    }

    /// The time, by the clock that this store was given: to the microsecond, as stores keep it.
    pub fn now(&self) -> DateTime<Utc> {
        floor_to_micros(self.shared.clock.now())
    }

    pub(crate) fn tell(&self, occurrence: Occurrence) {
        self.shared.observers.tell(occurrence);
    }
}

impl<T> Clone for ServerSideTicketStore<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            partition_key: self.partition_key.clone(),
            data: PhantomData,
        }
    }
}

impl<T> fmt::Debug for ServerSideTicketStore<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerSideTicketStore")
            .field("partition_key", &self.partition_key)
            .field("shared", &self.shared)
            .finish()
    }
}

/// Measures an operation and counts its failure.
async fn measured<R>(operation: &'static str, work: impl Future<Output = Result<R>>) -> Result<R> {
    let _timer = telemetry::Timer::start(operation);
    let answer = work.await;
    if let Err(error) = &answer {
        telemetry::error(operation, error.kind());
    }
    answer
}

/// Does work that goes on if whoever waits for it does not: a browser that hangs up during a logout
/// has logged out. For adapters, whose work is of several steps. It needs a Tokio runtime.
///
/// # Panics
/// As the work does.
pub async fn uninterrupted<R: Send + 'static>(work: impl Future<Output = R> + Send + 'static) -> R {
    match tokio::spawn(work.in_current_span()).await {
        Ok(answer) => answer,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down, and whoever waits with it.
            Err(_) => std::future::pending().await,
        },
    }
}
