//! Who is signed in.

use store_tickets::StoredTicket;

use super::OpenIdClients;
use crate::{SessionContext, SessionData, SessionRejection};

/// The session of a user who has signed in with this front end's client at its provider, if there
/// is one: a visitor's is none, and neither is one of another provider or client, which the front
/// end may have had before.
///
/// Where there is a session that this node cannot read, that is said: who was told that nobody is
/// signed in would sign in again, or believe that he has signed out.
pub(super) async fn signed_in<T: SessionData>(
    session: &SessionContext<T>,
    clients: &OpenIdClients,
) -> Result<Option<StoredTicket<T>>, SessionRejection> {
    let stored = session.session().await?;
    if stored.is_none() {
        session.modify(|_| ()).await?;
    }
    let client = clients.of(session.tickets().partition_key());
    Ok(stored.filter(|stored| {
        stored.ticket.subject_id().is_some()
            && client.is_none_or(|client| client.has_begun(&stored.ticket))
    }))
}
