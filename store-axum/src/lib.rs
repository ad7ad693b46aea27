//! Server-side sessions for axum.

#[cfg(feature = "openid-connect")]
pub mod openid_connect;

mod antiforgery;
mod context;
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
pub use context::SessionContext;
pub use cookies::{CookieOptions, InvalidCookieName, SameSite};
pub use data::SessionData;
pub use extract::{OptionalSession, RequireAntiforgery, RequireSession, Session, SessionBag};
pub use front_ends::{FrontEnd, FrontEnds, InvalidFrontEnd};
pub use key_formats::{session_bag_key, typed_session_key};
pub use layer::{ServerSideSessions, ServerSideSessionsService};
pub use rejection::SessionRejection;
pub use session_headers::SessionHeaders;
