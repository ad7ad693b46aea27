//! Server-side sessions for axum.

#[cfg(feature = "openid-connect")]
pub mod openid_connect;
