//! Server-side sessions for axum.
