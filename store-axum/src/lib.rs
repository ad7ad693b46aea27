//! Server-side sessions for axum.

#[cfg(feature = "tower-sessions")]
mod bridge;

#[cfg(feature = "tower-sessions")]
pub use bridge::{InvalidUserId, SessionIdentity, TowerSessionStore, axum_login_identity};
