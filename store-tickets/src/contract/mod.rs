//! What tickets promise, as functions over any store: whoever writes a store of their own sees that
//! it carries tickets, and ours are tried on every database.
//!
//! A function is one behaviour, its first line says what a user may rely on, and it panics where
//! that does not hold. Each expects an empty store of its own, on the clock that it is given; some
//! expect two.
//!
//! ```
//! # use std::sync::Arc;
//! # use store_core::{InMemoryUserSessionStore, ManualClock};
//! async fn store(clock: Arc<ManualClock>) -> Arc<InMemoryUserSessionStore> {
//!     Arc::new(InMemoryUserSessionStore::with_clock(clock))
//! }
//!
//! store_tickets::ticket_contract!(store);
//! # fn main() {}
//! ```
//!
//! The tests are `#[tokio::test]`s, so the crate that stamps them has `tokio` with `macros` and
//! `rt-multi-thread` among its dependencies. What a factory may answer with is [`Provided`].

#![expect(clippy::unwrap_used, reason = "a behaviour fails by panicking")]

pub mod cleanup;
pub mod envelope;
pub mod events;
pub mod key_rotation;
pub mod modify;
pub mod policy;
pub mod revocation;
pub mod secret_rotation;
pub mod two_stores;

mod macros;
mod sample;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use store_core::{ManualClock, UserSessionStore, UserSessionStoreCleanup};

/// A store on which tickets are tried.
pub trait TicketStoreBase: UserSessionStore + UserSessionStoreCleanup {}

impl<S: UserSessionStore + UserSessionStoreCleanup> TicketStoreBase for S {}

/// A store, together with what has to be cleared away when the test is over.
pub struct Guarded<S> {
    /// The store.
    pub store: Arc<S>,
    /// Dropped when the test is over.
    pub guard: Box<dyn Any + Send>,
}

impl<S> fmt::Debug for Guarded<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").finish_non_exhaustive()
    }
}

/// What a factory answers with: a store, one with a guard, or none where the store's database is not
/// to be had. The factory has said so then, and the test ends.
pub trait Provided {
    /// The store.
    type Store: TicketStoreBase;

    /// The store, if there is one.
    fn provided(self) -> Option<Guarded<Self::Store>>;
}

impl<S: TicketStoreBase> Provided for Arc<S> {
    type Store = S;

    fn provided(self) -> Option<Guarded<S>> {
        let guard = Box::new(());
        Some(Guarded { store: self, guard })
    }
}

impl<S: TicketStoreBase> Provided for Guarded<S> {
    type Store = S;

    fn provided(self) -> Option<Guarded<S>> {
        Some(self)
    }
}

impl<P: Provided> Provided for Option<P> {
    type Store = P::Store;

    fn provided(self) -> Option<Guarded<P::Store>> {
        self?.provided()
    }
}

/// The clock that a behaviour begins with: a Monday morning, with digits down to the microsecond.
pub fn clock() -> Arc<ManualClock> {
    let start = "2026-03-02T08:15:30.123456Z"
        .parse()
        .expect("a time as RFC 3339 writes it");
    Arc::new(ManualClock::new(start))
}
