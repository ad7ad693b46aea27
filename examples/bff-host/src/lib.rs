//! A backend for a front end (BFF), to be clicked through: `cargo run -p bff-host` and a browser.
//!
//! [`Host::start`] puts it together; read `host.rs` first. The session layer, the endpoints under
//! `/bff` and the tables are the libraries'; what is written here is what an application writes
//! itself: its page, its own calls, the way to an API behind it, who may see what. And a
//! [`provider`] to sign in at, so that the command alone gives something to click.

#![deny(missing_docs)]

mod admin;
mod api;
mod headers;
mod host;
mod keys;
mod options;
mod pages;
mod problem;
pub mod provider;
mod proxy;
mod session;
mod upstream;

pub use host::Host;
pub use options::{Cookies, Options};
pub use session::Visit;
