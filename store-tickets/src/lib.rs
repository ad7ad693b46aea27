//! Typed, encrypted tickets over any store of server-side sessions.
//!
//! A [`UserSessionStore`](store_core::UserSessionStore) keeps bytes under keys. This crate is what
//! stands between it and an application, and knows no web framework: what a session keeps, what the
//! browser holds, encryption at rest, lifetimes, events, revocation, cleanup.
//!
//! ```
//! use std::sync::Arc;
//! use store_core::{InMemoryUserSessionStore, UserSessionsFilter};
//! use store_tickets::*;
//!
//! # #[derive(serde::Serialize, serde::Deserialize)]
//! # struct Customer { number: u32 }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Arc::new(InMemoryUserSessionStore::new());
//! let keys = KeyRing::new(TicketKey::generate()?); // in production KeyRing::from_file or from_env
//! let tickets = ServerSideTicketStore::<Customer>::new(store.clone(), keys);
//! let cleanup = tickets.cleanup(store).build().spawn();
//!
//! // At login.
//! let mut ticket = AuthenticationTicket::new("alice".parse()?, Customer { number: 4711 })
//!     .with_session_id("sid-1".parse()?);
//! ticket.tokens.refresh = Some(Token::new("from the provider"));
//! let (secret, _) = tickets.store(ticket).await?;
//! let set_cookie = secret.to_cookie();
//!
//! // On every request.
//! let secret: CookieSecret = set_cookie.parse()?;
//! let mut session = tickets.retrieve(&secret).await?.session().expect("alice is signed in");
//! assert_eq!(session.ticket.data.number, 4711);
//! assert_eq!(tickets.renew(&mut session).await?, Renewal::NotDue);
//!
//! // Two tabs at once: both count.
//! tickets.modify(&secret, |ticket| {
//!     let visits: u32 = ticket.bag.get("visits")?.unwrap_or_default();
//!     ticket.bag.set("visits", &(visits + 1))
//! }).await?.expect("the session is live")?;
//!
//! // At logout, everywhere.
//! let everywhere = UserSessionsFilter::for_subject("alice".parse()?);
//! assert_eq!(tickets.revoke(&everywhere, EndReason::Revoked).await?.len(), 1);
//! cleanup.shut_down().await;
//! # Ok(())
//! # }
//! ```
//!
//! | What | Where |
//! |---|---|
//! | the operations | [`ServerSideTicketStore`], made by [`ServerSideTicketStoreBuilder`] |
//! | what a session keeps | [`AuthenticationTicket`], [`Tokens`], [`SessionBag`]; in the store: [`StoredTicket`] |
//! | what the browser holds | [`CookieSecret`] |
//! | encryption at rest | [`KeyRing`], [`TicketKey`], [`Unreadable`] |
//! | encryption for adapters that keep something else | [`TicketSealer`], [`OpenError`] |
//! | how long, and how many | [`SessionPolicy`], [`SessionKind`] |
//! | who is told | [`SessionEvents`], [`SessionObservers`], [`AuditLog`], [`EndReason`] |
//! | logout, with refresh tokens | [`SessionRevocation`], [`RefreshTokenRevoker`] |
//! | removal of what has expired | [`SessionCleanup`], [`CleanupLease`](store_core::CleanupLease) |
//! | what can go wrong | [`TicketError`] |
//! | metrics (feature `metrics`) | [`telemetry`] |

#[cfg(feature = "contract")]
pub mod contract;
pub mod telemetry;

mod backoff;
mod cleanup;
mod error;
mod events;
mod policy;
mod revocation;
mod seal;
mod secret;
mod store;
mod ticket;

#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use seal::fuzzing;

pub use cleanup::{
    CleanupRun, EveryNode, SessionCleanup, SessionCleanupBuilder, SessionCleanupWorker,
};
pub use error::{Result, TicketError};
pub use events::{
    AuditLog, EndReason, SessionEvent, SessionEvents, SessionObservers, SessionObserversBuilder,
};
pub use policy::{SessionKind, SessionLifetime, SessionPolicy};
pub use revocation::{RefreshTokenRevoker, RevocationOptions, Revoked, SessionRevocation};
pub use seal::{KeyId, KeyRing, KeyRingError, OpenError, TicketKey, TicketSealer, Unreadable};
pub use secret::{CookieSecret, InvalidCookieSecret};
pub use store::{
    Renewal, Retrieved, Saved, ServerSideTicketStore, ServerSideTicketStoreBuilder, SessionHandle,
    StoredTicket, uninterrupted,
};
pub use ticket::{AuthenticationTicket, BagError, Claims, SessionBag, Token, Tokens};
