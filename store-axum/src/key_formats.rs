//! The keys under which ServiceStack's caches keep sessions.

use store_tickets::SessionHandle;

/// The key of a typed session, as ServiceStack writes it: `urn:iauthsession:{sessionId}`.
///
/// For data of the host's own that lie beside the session, in a cache for example, and for logs
/// and tools that know such keys. **The session's id in it is the digest of its secret**,
/// [`UserKey`](store_core::UserKey): whoever finds the key opens no session with it. Data under it
/// do not end with the session: [`SessionEvents::ended`](store_tickets::SessionEvents::ended) says
/// when they may go.
///
/// ```
/// use store_axum::{session_bag_key, typed_session_key};
/// use store_tickets::CookieSecret;
///
/// let secret = CookieSecret::generate()?;
/// let id = secret.user_key();
/// assert_eq!(typed_session_key(&secret), format!("urn:iauthsession:{}", id.as_str()));
/// assert_eq!(session_bag_key(&secret, "cart"), format!("sess:{}:cart", id.as_str()));
/// # Ok::<(), store_tickets::TicketError>(())
/// ```
pub fn typed_session_key(session: &impl SessionHandle) -> String {
    format!("urn:iauthsession:{}", session.user_key().as_str())
}

/// The key of one value of a session's bag, as ServiceStack writes it: `sess:{sessionId}:{key}`.
///
/// What [`typed_session_key`] says of keys holds for this one too. A session's id has no colon, so
/// no two values share a key.
pub fn session_bag_key(session: &impl SessionHandle, key: &str) -> String {
    format!("sess:{}:{key}", session.user_key().as_str())
}
