//! What the host makes of a login.

use async_trait::async_trait;
use store_core::{PartitionKey, SessionId, SubjectId};
use store_tickets::{Claims, SessionBag, SessionKind};

/// A user whom the provider has just signed in, before his session begins.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SignedInUser {
    /// At which front end.
    pub partition_key: PartitionKey,
    /// OpenID `sub`.
    pub subject_id: SubjectId,
    /// OpenID `sid`, if the provider gives one.
    pub session_id: Option<SessionId>,
    /// What the provider says of him. The session keeps what is left here, and `/bff/user` shows
    /// it.
    pub claims: Claims,
    /// Whether the session outlives the browser's: as the user has chosen, if he has.
    pub kind: SessionKind,
    /// What the session's bag begins with: empty, or the visitor's, if that is
    /// [asked for](super::BffEndpoints::keep_visitors_bag).
    pub bag: SessionBag,
}

/// The host does not let a user in whom the provider has signed in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignInRefused {
    /// He may not use this front end: 403.
    #[error("the user may not use this front end")]
    Forbidden,
    /// It cannot be said just now, because a database does not answer for example: 503.
    #[error("the user cannot be signed in just now")]
    Unavailable,
}

/// Makes the host's data of a login: whatever a session is to know of its user from the beginning.
///
/// A closure `Fn(&mut SignedInUser) -> Result<T, SignInRefused>` is one.
#[async_trait]
pub trait SignIn<T>: Send + Sync + 'static {
    /// The data of the session that is about to begin. Claims, kind and bag of `user` may be
    /// changed.
    ///
    /// # Errors
    /// [`SignInRefused`]: there will be no session.
    async fn sign_in(&self, user: &mut SignedInUser) -> Result<T, SignInRefused>;
}

#[async_trait]
impl<T, F> SignIn<T> for F
where
    F: Fn(&mut SignedInUser) -> Result<T, SignInRefused> + Send + Sync + 'static,
{
    async fn sign_in(&self, user: &mut SignedInUser) -> Result<T, SignInRefused> {
        self(user)
    }
}
