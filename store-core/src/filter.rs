//! Which of a partition's sessions are meant.

use crate::{SessionId, SubjectId, UserKey, UserSession};

/// A filter needs a subject or a session id: one that names neither would mean everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a filter needs a subject or a session id")]
pub struct EmptyFilter;

/// The sessions of a subject, of a session id, or of both: all of its fields must match.
///
/// An empty one cannot be written down.
///
/// ```
/// use store_core::{SubjectId, UserKey, UserSessionsFilter};
///
/// let alice = SubjectId::try_from("alice")?;
/// let here = UserKey::try_from("3c1f…")?;
/// let everywhere_but_here = UserSessionsFilter::for_subject(alice).except(here);
/// # Ok::<(), store_core::InvalidKey>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserSessionsFilter {
    subject_id: Option<SubjectId>,
    session_id: Option<SessionId>,
    except: Option<UserKey>,
}

impl UserSessionsFilter {
    /// All sessions of a subject.
    pub fn for_subject(subject_id: SubjectId) -> Self {
        Self {
            subject_id: Some(subject_id),
            session_id: None,
            except: None,
        }
    }

    /// The session with this session id.
    pub fn for_session(session_id: SessionId) -> Self {
        Self {
            subject_id: None,
            session_id: Some(session_id),
            except: None,
        }
    }

    /// What an OpenID logout token names: a `sub`, a `sid` or both.
    ///
    /// # Errors
    /// [`EmptyFilter`] if it names neither.
    pub fn try_new(
        subject_id: Option<SubjectId>,
        session_id: Option<SessionId>,
    ) -> Result<Self, EmptyFilter> {
        if subject_id.is_none() && session_id.is_none() {
            return Err(EmptyFilter);
        }
        Ok(Self {
            subject_id,
            session_id,
            except: None,
        })
    }

    /// Of these, only the one with this session id.
    #[must_use]
    pub fn and_session(self, session_id: SessionId) -> Self {
        Self {
            session_id: Some(session_id),
            ..self
        }
    }

    /// Of these, all but the one with this user key.
    #[must_use]
    pub fn except(self, user_key: UserKey) -> Self {
        Self {
            except: Some(user_key),
            ..self
        }
    }

    /// The subject that a session must belong to.
    pub fn subject_id(&self) -> Option<&SubjectId> {
        self.subject_id.as_ref()
    }

    /// The session id that a session must have.
    pub fn session_id(&self) -> Option<&SessionId> {
        self.session_id.as_ref()
    }

    /// The user key that a session must not have.
    pub fn except_user_key(&self) -> Option<&UserKey> {
        self.except.as_ref()
    }

    /// Whether a session of the partition is meant; whether it has expired does not matter here.
    pub fn matches(&self, session: &UserSession) -> bool {
        let subject = self.subject_id.is_none() || self.subject_id == session.subject_id;
        let session_id = self.session_id.is_none() || self.session_id == session.session_id;
        let excepted = self.except.as_ref() == Some(&session.key.user_key);
        subject && session_id && !excepted
    }
}
