//! The OpenID Connect endpoints, with the certified provider, with browsers that keep cookies, and on
//! real databases. Time moves by the clock that the host is given.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod app;
mod backchannel;
mod browser;
mod forgeries;
mod front_ends;
mod login;
mod logout;
mod outages;
mod refusals;
mod renewal;
mod sessions;
mod silent;
