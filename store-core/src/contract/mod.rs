//! The contract of a store, as functions over its traits: anyone who writes a store of their own
//! runs the same suite.
//!
//! A function is one behaviour, its first line says what a user may rely on, and it panics where a
//! store breaks it. Each expects an empty store of its own, on the clock that it is given.
//!
//! Three macros stamp the functions as tests, a trait each, given a factory of stores:
//!
//! ```
//! # use std::sync::Arc;
//! # use store_core::{InMemoryUserSessionStore, ManualClock};
//! async fn store(clock: Arc<ManualClock>) -> InMemoryUserSessionStore {
//!     InMemoryUserSessionStore::with_clock(clock)
//! }
//!
//! store_core::user_session_store_contract!(store);
//! store_core::user_session_store_cleanup_contract!(store);
//! store_core::user_session_directory_contract!(store);
//! # fn main() {}
//! ```
//!
//! The tests are `#[tokio::test]`s, so the crate that stamps them has `tokio` with `macros` and
//! `rt-multi-thread` among its dependencies. What a factory may answer with is [`Provided`].
//!
//! A store is made with its default limit for tickets, which is
//! [`Ticket::DEFAULT_MAX_LEN`](crate::Ticket::DEFAULT_MAX_LEN). Some behaviours make up to 64 calls
//! at the same time; a pool of connections may well be smaller.

pub mod create;
pub mod delete;
pub mod delete_by_filter;
pub mod dropped;
pub mod end;
pub mod get;
pub mod keys;
pub mod partitions;
pub mod query;
pub mod races;
pub mod renew;
pub mod rotate;
pub mod start;
pub mod tickets;
pub mod time;
pub mod update;

pub mod delete_expired;
pub mod end_expired;

pub mod count;
pub mod list;

mod ask;
mod macros;
mod race;
mod sample;

use std::ops::Deref;
use std::sync::Arc;

use crate::{ManualClock, UserSessionStore};

/// What a factory answers with: a store, in an `Arc` or a `Box` or as it is; or an `Option` of a
/// pointer to one, which is none where the store's database is not to be had. The factory has said
/// so then, and the test ends.
///
/// The pointer may be of any type that leads to the store, so it can own what has to be cleared
/// away when the test is over.
pub trait Provided {
    /// The pointer.
    type Store: Deref;

    /// The pointer, if there is a store.
    fn provided(self) -> Option<Self::Store>;
}

impl<T: Deref> Provided for Option<T> {
    type Store = T;

    fn provided(self) -> Option<T> {
        self
    }
}

impl<T: UserSessionStore> Provided for T {
    type Store = Box<T>;

    fn provided(self) -> Option<Box<T>> {
        Some(Box::new(self))
    }
}

/// The clock that a behaviour begins with: a Monday morning, with digits down to the microsecond.
pub fn clock() -> Arc<ManualClock> {
    let start = "2026-03-02T08:15:30.123456Z"
        .parse()
        .expect("a time as RFC 3339 writes it");
    Arc::new(ManualClock::new(start))
}
