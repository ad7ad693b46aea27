//! What tests need to run on real databases: servers to be found or started, and in them a database
//! for each test.
//!
//! A test is an async function that takes its [`TestDatabase`]; [`on_every_database!`] stamps it for
//! all of them, in a module named after each:
//!
//! ```no_run
//! use store_tests::{TestDatabase, on_every_database};
//!
//! async fn answers(db: TestDatabase) {
//!     db.connect().await.ping().await.expect("the database answers");
//! }
//!
//! on_every_database!(answers);
//! # fn main() {}
//! ```
//!
//! `cargo xtask test` finds or starts each server once for the whole run; under plain `cargo test`,
//! each test binary does so for itself. [`servers`] says where they come from, and
//! `REQUIRE_DATABASES` which of them must not be missing ([`RequiredDatabases`]).

#![deny(missing_docs)]

mod chromium;
mod database;
mod host;
mod kind;
mod openid_provider;
mod operations;
mod required;
pub mod sample;
pub mod servers;
pub mod sessions;
mod stamp;
mod store;
pub mod transitions;

pub use chromium::{Chromium, NoChromium, RequiredBrowsers};
pub use database::TestDatabase;
pub use host::host_pool;
pub use kind::{DatabaseKind, UnknownDatabase};
pub use openid_provider::OpenIdProvider;
pub use operations::every_operation;
pub use required::RequiredDatabases;
pub use store::TestStore;
