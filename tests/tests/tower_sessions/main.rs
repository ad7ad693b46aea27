//! The store as tower-sessions' and axum-login's applications see it, in memory and on every
//! database.

mod accounts;
mod app;
mod behaviours;
mod identity;
mod place;
mod races;
mod records;
mod restart;
mod rows;
