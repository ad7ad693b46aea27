//! OpenID Connect
#![allow(missing_docs, unused)]
mod algorithm;
mod attempt;
mod client;
mod http_client;
mod jws;
mod keys;
mod logout_token;
mod provider;
mod replay;
mod return_url;

pub use algorithm::SigningAlgorithm;
pub use client::{InvalidOpenIdClient, OpenIdClient};
pub use keys::session_id_of;
pub use logout_token::LogoutTokenType;
