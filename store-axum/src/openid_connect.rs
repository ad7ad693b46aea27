//! OpenID Connect
#![allow(missing_docs, unused)]
mod algorithm;
mod attempt;
mod client;
mod clients;
mod http_client;
mod id_token;
mod jws;
mod keys;
mod logout_token;
mod prompt;
mod provider;
mod registration;
mod replay;
mod return_url;

pub use algorithm::SigningAlgorithm;
pub use client::{InvalidOpenIdClient, OpenIdClient};
pub use clients::{NoHttpClient, OpenIdClients, OpenIdClientsBuilder};
pub use keys::session_id_of;
pub use logout_token::LogoutTokenType;
pub use openidconnect::reqwest;
pub use prompt::Prompt;
