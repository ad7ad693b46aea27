//! Server-side sessions for axum: the browser holds an opaque cookie, the session stands in the
//! database.
//!
//! [`store_tickets`] keeps typed, encrypted tickets in any store; this crate puts them behind one
//! tower layer, with cookies, extractors and front ends. Registering them is one line.
//!
//! ```
//! use std::sync::Arc;
//! use axum::{Router, routing::{get, post}};
//! use store_axum::*;
//! use store_core::InMemoryUserSessionStore;
//! use store_tickets::{AuthenticationTicket, KeyRing, ServerSideTicketStore, TicketKey};
//!
//! #[derive(Clone, Default, serde::Serialize, serde::Deserialize)]
//! struct Customer {
//!     cart: Vec<String>,
//! }
//!
//! /// A visitor gets a session when something is written into it.
//! async fn buy(mut session: Session<Customer>) -> String {
//!     session.cart.push("apples".into()); // saved before the response leaves
//!     format!("{} things", session.cart.len())
//! }
//!
//! /// Two tabs at once: both count.
//! async fn visit(_: RequireAntiforgery, bag: SessionBag) -> Result<String, SessionRejection> {
//!     let visits = bag.update("visits", |visits: Option<u32>| visits.unwrap_or(0) + 1)?;
//!     Ok(visits.to_string())
//! }
//!
//! async fn sign_in(context: SessionContext<Customer>) -> Result<(), SessionRejection> {
//!     let user = "alice".parse().expect("a subject"); // whom the host has checked
//!     context.sign_in(AuthenticationTicket::new(user, Customer::default())).await?;
//!     Ok(()) // with a new secret; what the browser had before opens nothing any more
//! }
//!
//! async fn me(RequireSession(session): RequireSession<Customer>) -> String {
//!     format!("{:?}", session.subject_id()) // a visitor is answered 401
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Arc::new(InMemoryUserSessionStore::new()); // in production a SeaOrmUserSessionStore
//! let keys = KeyRing::new(TicketKey::generate()?); //        and KeyRing::from_env
//! let tickets = ServerSideTicketStore::<Customer>::new(store, keys);
//! let app: Router = Router::new()
//!     .route("/buy", post(buy))
//!     .route("/visit", post(visit))
//!     .route("/sign-in", post(sign_in))
//!     .route("/me", get(me))
//!     .layer(ServerSideSessions::new(tickets));
//! # let _ = app;
//! # Ok(())
//! # }
//! ```
//!
//! | What | Where |
//! |---|---|
//! | the layer, and sessions outside of handlers | [`ServerSideSessions`] |
//! | a request's session: load, sign in, sign out, change | [`SessionContext`] |
//! | typed, or as a bag; required, optional | [`Session`], [`SessionBag`], [`RequireSession`], [`OptionalSession`] |
//! | against forged requests | [`RequireAntiforgery`], [`Antiforgery`] |
//! | cookies | [`CookieOptions`], [`SameSite`] |
//! | headers in place of cookies | [`SessionHeaders`] |
//! | several front ends in one process | [`FrontEnds`], [`FrontEnd`] |
//! | every refusal, its status and its body | [`SessionRejection`] |
//! | what the host's data have to be | [`SessionData`] |
//! | keys as ServiceStack writes them | [`typed_session_key`], [`session_bag_key`] |
#![cfg_attr(
    feature = "tower-sessions",
    doc = "| below tower-sessions or axum-login (feature `tower-sessions`) | [`TowerSessionStore`] |"
)]
//!
//! # Options
//!
//! | `ServerSideSessions::new(tickets)` | default | |
//! |---|---|---|
//! | [`.cookie(…)`](ServerSideSessions::cookie) | `__Host-bff-session`, `Secure`, `HttpOnly`, `SameSite=Lax`, `Path=/` | [`insecure_for_localhost`](CookieOptions::insecure_for_localhost) for development, [`with_temporary_and_permanent_ids`](CookieOptions::with_temporary_and_permanent_ids) for ServiceStack's three |
//! | [`.revocation(…)`](ServerSideSessions::revocation) | refresh tokens stay as they are | how sessions end at a logout |
//! | [`.front_ends(…)`](ServerSideSessions::front_ends) | one, the tickets' own partition | by host name, by path, or both |
//! | [`.headers(…)`](ServerSideSessions::headers) | off | `X-ss-id`, `X-ss-pid`, `X-ss-opt`, `X-ss-opts` |
//! | [`.antiforgery(…)`](ServerSideSessions::antiforgery) | `X-CSRF: 1` | what [`RequireAntiforgery`] asks for |
//! | [`.retry_after(…)`](ServerSideSessions::retry_after) | 5 seconds | in answers with status 503 |
//!
//! How long sessions last, how many a user may have and who is told of them say the tickets:
//! [`SessionPolicy`](store_tickets::SessionPolicy), [`SessionEvents`](store_tickets::SessionEvents).
//!
//! # From ServiceStack
//!
//! | there | here |
//! |---|---|
//! | `SessionFeature`, `ss-id`, `ss-pid`, `ss-opt` | [`CookieOptions::with_temporary_and_permanent_ids`]; cookies are sent once there is a session |
//! | `X-ss-id`, `X-ss-pid`, `X-ss-opt(s)` | [`SessionHeaders`] |
//! | `SessionAs<T>()`, `SaveSession()` | [`Session`], [`Session::save`] |
//! | `SessionBag["cart"]` | [`SessionBag`] |
//! | `GetSessionKey()` | [`SessionContext::session_key`] |
//! | `GetOrCreateSession<T>()` | [`SessionContext::get_or_create`]; outside of handlers [`ServerSideSessions::get_or_create`] |
//! | `OnCreated`, `OnAuthenticated`, `OnLogout` | [`SessionEvents`](store_tickets::SessionEvents)' `created`, `authenticated`, and `ended` with [`EndReason::LoggedOut`](store_tickets::EndReason::LoggedOut) |
//! | `OnRegistered` | the host's own: no session begins or ends by it |

#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;

#[cfg(feature = "openid-connect")]
pub mod openid_connect;

mod antiforgery;
#[cfg(feature = "tower-sessions")]
mod bridge;
mod context;
mod cookie_pairs;
mod cookies;
mod data;
mod extract;
mod front_ends;
mod key_formats;
mod layer;
mod options;
mod pending;
mod presented;
mod rejection;
mod session_headers;
mod state;

pub use antiforgery::Antiforgery;
#[cfg(feature = "tower-sessions")]
pub use bridge::{InvalidUserId, SessionIdentity, TowerSessionStore, axum_login_identity};
pub use context::SessionContext;
pub use cookies::{CookieOptions, InvalidCookieName, SameSite};
pub use data::SessionData;
pub use extract::{OptionalSession, RequireAntiforgery, RequireSession, Session, SessionBag};
pub use front_ends::{FrontEnd, FrontEnds, InvalidFrontEnd};
pub use key_formats::{session_bag_key, typed_session_key};
pub use layer::{ServerSideSessions, ServerSideSessionsService};
pub use rejection::SessionRejection;
pub use session_headers::SessionHeaders;
