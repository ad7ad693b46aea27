//! What operations answer.

use super::StoredTicket;
use crate::Unreadable;

/// What was found under a cookie's secret.
#[derive(Debug)]
#[must_use]
pub enum Retrieved<T> {
    /// A live session.
    Session(Box<StoredTicket<T>>),
    /// None: it has ended, or never was. The browser may forget the cookie.
    Absent,
    /// One that this node cannot read, which has been reported. This request has no session, but
    /// **the session is there**: leave the cookie alone, and put no new session over it.
    Unreadable(Unreadable),
}

impl<T> Retrieved<T> {
    /// The session, if this request has one.
    pub fn session(self) -> Option<StoredTicket<T>> {
        match self {
            Self::Session(stored) => Some(*stored),
            Self::Absent | Self::Unreadable(_) => None,
        }
    }
}

/// Whether a session was renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Renewal {
    /// It lasts longer now.
    Renewed,
    /// It is not due: half of the window has not passed, or it lasts as long as it ever will.
    NotDue,
    /// It has ended meanwhile.
    Ended,
}

/// Whether a ticket was written back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Saved {
    /// It was.
    Written,
    /// Somebody else has changed the session since it was read. Nothing was written: read it again,
    /// or use [`modify`](crate::ServerSideTicketStore::modify).
    Outdated,
    /// The session has ended meanwhile. Nothing was written.
    Ended,
}
