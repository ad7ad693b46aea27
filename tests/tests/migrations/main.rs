//! The migrations on every database: what they make, for how many at once, and beside whom.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod catalog;
mod down;
mod dropped;
mod host;
mod not_migrated;
mod one_connection;
mod places;
mod processes;
mod rights;
mod script;
mod settings;
mod stranger;
mod support;
mod upgrade;
