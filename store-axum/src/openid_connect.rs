//! OpenID Connect
#![allow(missing_docs, unused)]
mod access_tokens;
mod algorithm;
mod attempt;
mod attempt_cookies;
mod client;
mod clients;
mod endpoints;
mod http_client;
mod id_token;
mod jws;
mod keys;
mod logout_token;
mod options;
mod prompt;
mod provider;
mod query;
mod refusal;
mod registration;
mod replay;
mod return_url;
mod sign_in;

pub use access_tokens::{AccessTokenError, AccessTokens};
pub use algorithm::SigningAlgorithm;
pub use client::{InvalidOpenIdClient, OpenIdClient};
pub use clients::{NoHttpClient, OpenIdClients, OpenIdClientsBuilder};
pub use endpoints::BffEndpoints;
pub use keys::session_id_of;
pub use logout_token::LogoutTokenType;
pub use openidconnect::reqwest;
pub use options::{AnonymousUser, BffPaths};
pub use prompt::Prompt;
pub use sign_in::{SignIn, SignInRefused, SignedInUser};
