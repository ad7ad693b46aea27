//! Who is signed in.

use store_tickets::StoredTicket;

use crate::{SessionContext, SessionData, SessionRejection};

/// The session of a user who has signed in, if there is one: a visitor's is none.
///
/// Where there is a session that this node cannot read, that is said: who was told that nobody is
/// signed in would sign in again, or believe that he has signed out.
pub(super) async fn signed_in<T: SessionData>(
    session: &SessionContext<T>,
) -> Result<Option<StoredTicket<T>>, SessionRejection> {
    let stored = session.session().await?;
    if stored.is_none() {
        session.modify(|_| ()).await?;
    }
    Ok(stored.filter(|stored| stored.ticket.subject_id().is_some()))
}
