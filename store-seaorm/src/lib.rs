//! Server-side sessions in PostgreSQL, MySQL, MariaDB or SQLite, over SeaORM.
//!
//! A host connects, runs the migrations of `store-migration`, and from then on keeps its users'
//! sessions in its own database:
//!
//! ```no_run
//! use store_core::{PartitionKey, SubjectId, UserSessionStore, UserSessionsFilter};
//! use store_seaorm::SeaOrmUserSessionStore;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let store = SeaOrmUserSessionStore::connect("sqlite://sessions.db?mode=rwc").await?;
//! // store_migration::up(store.connection()).await?;
//!
//! let alice = UserSessionsFilter::for_subject(SubjectId::try_from("alice")?);
//! let sessions = store.get_user_sessions(&PartitionKey::default(), &alice).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//! `postgres`, `mysql` (MariaDB too) and `sqlite` each bring a driver; a host takes the ones it
//! uses. `tls-rustls` brings TLS to the servers.
//!
//! # Where things are
//! What differs between databases is in `connect` (how a connection is made), `statements` (the
//! SQL), `failure` (what an error code means), [`entity`] (how a column is read) and `database`
//! (how a statement gets there, and how locks are taken). The operations are in `store`, the same for
//! all; which of them go together is decided in `together`.

pub mod entity;

mod bind;
mod builder;
mod connect;
mod database;
mod dialect;
mod failure;
mod lease;
mod locks;
mod names;
mod retry;
mod row;
mod statements;
mod store;
mod to_the_end;
mod together;

pub use builder::Builder;
pub use store::SeaOrmUserSessionStore;
