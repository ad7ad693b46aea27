//! The migrations on SQLite, and the command. The other databases need a server, and with it the
//! package `store-tests`.
#![allow(
    clippy::unwrap_used,
    reason = "in a test's helpers, too, a failed step fails the test"
)]

#[cfg(feature = "cli")]
mod cli;
mod concurrency;
mod host;
mod migrator;
mod support;
