//! What a session keeps.

mod bag;
mod payload;
mod tokens;

use std::collections::BTreeMap;
use std::fmt;

use store_core::{SessionId, SubjectId};

pub use self::bag::{BagError, SessionBag};
pub(crate) use self::payload::{Payload, PayloadRef, decode, encode};
pub use self::tokens::{Token, Tokens};
use crate::SessionKind;

/// What the provider says of the user: claims by name, as the ID token or the user-info endpoint
/// gave them.
pub type Claims = BTreeMap<String, serde_json::Value>;

/// What a session keeps: who it is, what the provider said and gave, and the host's own data.
///
/// Whom it belongs to, its session id and its kind are settled at login and cannot be changed
/// afterwards: another user is another session. `Debug` shows no claim's value, no token and no
/// data; there is no `serde`, which would carry them into logs.
///
/// ```
/// use store_tickets::{AuthenticationTicket, SessionKind, Token};
///
/// let mut ticket = AuthenticationTicket::new("alice".parse()?, ())
///     .with_session_id("sid-1".parse()?)
///     .with_kind(SessionKind::Permanent);
/// ticket.claims.insert("name".into(), "Alice".into());
/// ticket.tokens.refresh = Some(Token::new("a refresh token"));
/// ticket.bag.set("theme", &"dark")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct AuthenticationTicket<T> {
    pub(crate) subject_id: Option<SubjectId>,
    pub(crate) session_id: Option<SessionId>,
    pub(crate) kind: SessionKind,
    /// What the provider says of the user.
    pub claims: Claims,
    /// What the provider gave to act for the user.
    pub tokens: Tokens,
    /// The host's own data. What is nested more than about 120 levels deep is not written.
    pub data: T,
    /// What has no type yet.
    pub bag: SessionBag,
    /// What newer versions of this crate wrote, kept for them.
    pub(crate) unknown: Vec<(String, rmpv::Value)>,
}

impl<T> AuthenticationTicket<T> {
    /// A signed-in user's, of kind [`SessionKind::Temporary`], without claims or tokens.
    pub fn new(subject_id: SubjectId, data: T) -> Self {
        Self {
            subject_id: Some(subject_id),
            ..Self::anonymous(data)
        }
    }

    /// One for a visitor who has not signed in: no cap counts it, and no subject's filter finds it.
    pub fn anonymous(data: T) -> Self {
        Self {
            subject_id: None,
            session_id: None,
            kind: SessionKind::default(),
            claims: Claims::new(),
            tokens: Tokens::default(),
            data,
            bag: SessionBag::default(),
            unknown: Vec::new(),
        }
    }

    /// The same ticket, for this session at the provider.
    #[must_use]
    pub fn with_session_id(self, session_id: SessionId) -> Self {
        Self {
            session_id: Some(session_id),
            ..self
        }
    }

    /// The same ticket, for a session of another kind.
    #[must_use]
    pub fn with_kind(self, kind: SessionKind) -> Self {
        Self { kind, ..self }
    }

    /// The same ticket with these claims.
    #[must_use]
    pub fn with_claims(self, claims: Claims) -> Self {
        Self { claims, ..self }
    }

    /// The same ticket with these tokens.
    #[must_use]
    pub fn with_tokens(self, tokens: Tokens) -> Self {
        Self { tokens, ..self }
    }

    /// The same ticket with this bag: a visitor's, who signs in now.
    #[must_use]
    pub fn with_bag(self, bag: SessionBag) -> Self {
        Self { bag, ..self }
    }

    /// Whom the session belongs to. `None`: a visitor who has not signed in.
    pub fn subject_id(&self) -> Option<&SubjectId> {
        self.subject_id.as_ref()
    }

    /// The session at the identity provider.
    pub fn session_id(&self) -> Option<&SessionId> {
        self.session_id.as_ref()
    }

    /// Whether the session outlives the browser's.
    pub fn kind(&self) -> SessionKind {
        self.kind
    }
}

impl<T> fmt::Debug for AuthenticationTicket<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthenticationTicket")
            .field("subject_id", &self.subject_id)
            .field("session_id", &self.session_id)
            .field("kind", &self.kind)
            .field("claims", &self.claims.keys())
            .field("tokens", &self.tokens)
            .field("bag", &self.bag)
            .finish_non_exhaustive()
    }
}
