//! The tables of `store-seaorm`, made and kept current in PostgreSQL, MySQL, MariaDB and SQLite.
//!
//! ```
//! # use sea_orm_migration::sea_orm::{DatabaseConnection, DbErr};
//! # async fn example(db: &DatabaseConnection) -> Result<(), DbErr> {
//! // Everything at its defaults: the table `user_sessions`, where the connection points.
//! store_migration::up(db).await?;
//!
//! // A table of another name, in a schema of its own.
//! let migrator = store_migration::Migrator::new().schema("auth").table("sessions");
//! if !migrator.is_current(db).await? {
//!     migrator.up(db).await?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`up`] is safe in every process at once, and does nothing but read where the tables are current:
//! a host may call it each time it starts. [`Migrator`] says how processes take turns, and
//! [`migrations`] how a host puts these migrations into the list of its own SeaORM migrator.
//!
//! The same is a command, for deployments in which the application may not change tables:
//!
//! ```text
//! DATABASE_URL=… store-migration up|down|status|sql [--schema auth] [--table sessions]
//! ```
//!
//! # What is made
//!
//! | table | what for | where |
//! |---|---|---|
//! | `user_sessions` | the sessions | everywhere |
//! | `user_sessions_locks` | rows that the store locks, where there are no advisory locks | MySQL, MariaDB |
//! | `user_sessions_migrations` | which migrations this table has been through | everywhere |
//!
//! The history lies beside its table and bears its name, so it meets neither the host's own
//! `seaql_migrations` nor the history of a second session table.
//!
//! # Features
//!
//! `cli` (default) builds the command, with all drivers. A host switches default features off: the
//! library then brings no driver, and works over those that the host's SeaORM has.
//!
//! # Where things go
//!
//! A new migration is a module beside `m20261120_000001_create_user_sessions` and a line in
//! `CHANGES`. A fifth database is a variant of `Dialect`: the compiler then names each place that has to know.

mod catalog;
mod change;
mod dialect;
mod history;
mod lock;
mod m20261120_000001_create_user_sessions;
mod m20261120_000002_defer_cleanup;
mod m20261121_000003_defer_cleanup_on_sqlite;
mod migrator;
mod names;
mod options;
mod script;

pub use change::migrations;
pub use migrator::{Migrator, up};
pub use options::Options;
