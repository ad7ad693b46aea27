//! Races: many tasks at once, on two nodes, with the answers checked against each other and against
//! what is left in the table.
//!
//! A file for each kind of race; in each, a test per race and database.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod changes;
mod cleanups;
mod creations;
mod endings;
mod logouts;
mod nodes;
mod rotations;
mod starts;
