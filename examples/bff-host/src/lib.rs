//! A backend for a front end (BFF), to be clicked through: `cargo run -p bff-host` and a browser.

#![deny(missing_docs)]

mod headers;
mod keys;
mod options;
mod pages;
mod problem;
pub mod provider;
mod proxy;
mod upstream;

pub use options::{Cookies, Options};
