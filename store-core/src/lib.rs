//! Server-side sessions for backend-for-frontend (BFF) hosts.
//!
//! The browser holds an opaque cookie; the session (who, since when, until when, tokens and data)
//! stays with the host, in a store. This crate says what a store is: the types, the traits, the
//! contract, and an implementation in memory. Stores that keep sessions in a database are crates of
//! their own; `store-seaorm` is the one for PostgreSQL, MySQL, MariaDB and SQLite.
//!
//! ```
//! use store_core::*;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = InMemoryUserSessionStore::new();
//! let now = SystemClock.now();
//!
//! // At login. The key is a digest of what the browser's cookie holds.
//! let key = UserSessionKey::new(PartitionKey::default(), UserKey::try_from("5f70bf18a0860070")?);
//! let alice = SubjectId::try_from("alice")?;
//! let session = UserSession::new(key.clone(), alice.clone(), now, "tokens".into())
//!     .with_session_id(SessionId::try_from("sid-1")?)
//!     .with_expires(now + chrono::TimeDelta::hours(10));
//! store.start_user_session(session, &StartPolicy::default()).await?;
//!
//! // On every request.
//! let session = store.get_user_session(&key).await?.expect("alice is signed in");
//! assert_eq!(session.ticket.as_bytes(), b"tokens");
//!
//! // At logout, everywhere: by subject.
//! let filter = UserSessionsFilter::for_subject(alice);
//! let ended = store.end_user_sessions(&key.partition_key, &filter).await?;
//! assert_eq!(ended.len(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! | What | Where |
//! |---|---|
//! | the operations, and what each promises | [`UserSessionStore`], [`UserSessionStoreCleanup`], [`UserSessionDirectory`] |
//! | a session and a change to it | [`UserSession`], [`UserSessionUpdate`], [`Ticket`] |
//! | what names things | [`PartitionKey`], [`UserKey`], [`SubjectId`], [`SessionId`] |
//! | which sessions are meant | [`UserSessionsFilter`], [`StartPolicy`], [`PageRequest`] |
//! | what can go wrong | [`Error`] |
//! | time | [`Clock`], [`SystemClock`], [`ManualClock`] |
#![doc = include_str!("docs/write_your_own_store.md")]

#[cfg(feature = "contract")]
pub mod contract;

mod cleanup_lease;
mod clock;
mod error;
mod filter;
mod forward;
mod keys;
mod memory;
mod page;
mod policy;
mod session;
mod store;
mod ticket;
mod timestamp;

pub use cleanup_lease::{CleanupLease, CleanupLeaseGuard};
pub use clock::{Clock, ManualClock, SystemClock};
pub use error::{BoxError, Error, Result};
pub use filter::{EmptyFilter, UserSessionsFilter};
pub use keys::{InvalidKey, MAX_KEY_LEN, PartitionKey, SessionId, SubjectId, UserKey};
pub use memory::InMemoryUserSessionStore;
pub use page::{Cursor, InvalidCursor, MAX_LIMIT, Page, PageRequest, UserSessionSummary};
pub use policy::{StartPolicy, WhenFull};
pub use session::{UserSession, UserSessionKey, UserSessionUpdate};
pub use store::{UserSessionDirectory, UserSessionStore, UserSessionStoreCleanup};
pub use ticket::Ticket;
pub use timestamp::{floor_to_micros, stored_timestamp};
