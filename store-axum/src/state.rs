//! What a request knows of its session.

use store_tickets::{CookieSecret, StoredTicket};

/// What a request knows of its session, and what its response is to say.
#[derive(Debug)]
pub(crate) struct State<T> {
    pub(crate) current: Current<T>,
    pub(crate) answer: Answer,
    /// The response has left: nobody would get a new secret.
    pub(crate) closed: bool,
}

#[derive(Debug)]
pub(crate) enum Current<T> {
    /// The request presents one, and nobody has asked for it.
    Presented(CookieSecret),
    Live(Live<T>),
    /// The one that was presented is not there, and this is a script's request: another tab may be
    /// signing in, whose cookie a visitor's new one would overwrite.
    Absent,
    /// There is none: none was presented, it had ended before, or the user has signed out.
    None,
    /// It was there when it was asked for, and is not any more.
    Ended,
    /// It is there, but this node cannot read it.
    Unreadable(CookieSecret),
}

#[derive(Debug)]
pub(crate) struct Live<T> {
    pub(crate) secret: CookieSecret,
    pub(crate) stored: Box<StoredTicket<T>>,
}

impl<T> Live<T> {
    pub(crate) fn new(secret: CookieSecret, stored: StoredTicket<T>) -> Self {
        Self {
            secret,
            stored: Box::new(stored),
        }
    }
}

/// What the response says of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Nothing,
    /// The secret of the live session.
    Secret,
    /// That what was presented is dead.
    Forget,
    /// That nobody is signed in any more.
    SignedOut,
}

impl<T> State<T> {
    pub(crate) fn secret(&self) -> Option<&CookieSecret> {
        match &self.current {
            Current::Presented(secret) | Current::Unreadable(secret) => Some(secret),
            Current::Live(live) => Some(&live.secret),
            Current::Absent | Current::None | Current::Ended => None,
        }
    }

    /// There is a new session in place of whatever there was.
    pub(crate) fn begin(&mut self, secret: CookieSecret, stored: StoredTicket<T>) {
        self.current = Current::Live(Live::new(secret, stored));
        self.answer = Answer::Secret;
    }
}
