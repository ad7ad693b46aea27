//! Whose session a record is.

use serde_json::Value;
use store_core::{BoxError, InvalidKey, SessionId, SubjectId, UserSession};
use tower_sessions_core::session::Record;

/// Whose session a record is, and which one at the provider. By default nobody's: a visitor's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SessionIdentity {
    /// Whom the session belongs to. `None`: no cap counts it, and no logout by subject finds it.
    pub subject_id: Option<SubjectId>,
    /// The session at the identity provider, for back-channel logout. One live session of a
    /// partition has it at a time.
    pub session_id: Option<SessionId>,
}

impl SessionIdentity {
    /// A signed-in user's.
    pub fn new(subject_id: SubjectId) -> Self {
        Self {
            subject_id: Some(subject_id),
            session_id: None,
        }
    }

    /// The same with a session id.
    #[must_use]
    pub fn with_session_id(self, session_id: SessionId) -> Self {
        Self {
            session_id: Some(session_id),
            ..self
        }
    }

    pub(super) fn is_of(&self, session: &UserSession) -> bool {
        self.subject_id == session.subject_id && self.session_id == session.session_id
    }
}

/// A user's id in a record cannot be a [`SubjectId`]. Never says what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidUserId {
    /// Neither a text nor a number.
    #[error("the user's id is neither a text nor a number")]
    Structured,
    /// Empty, too long, or with a NUL.
    #[error("the user's id cannot be a subject id")]
    Key(#[source] InvalidKey),
    /// The record is not as axum-login writes it.
    #[error("the record is not as axum-login writes it")]
    Unknown,
}

/// For [`TowerSessionStore::identify`](super::TowerSessionStore::identify): the user whom axum-login
/// has signed in. `data_key` is where it keeps that: `"axum-login.data"`, unless the host has set
/// another.
///
/// The subject is the user's `Id`: a text as it is, a number in decimal. An `Id` of more parts is
/// refused when somebody signs in; such a host identifies records by a function of its own.
pub fn axum_login_identity(
    data_key: impl Into<String>,
) -> impl Fn(&Record) -> Result<SessionIdentity, BoxError> + Send + Sync + 'static {
    let data_key = data_key.into();
    move |record| {
        let subject_id = match record.data.get(&data_key) {
            Some(data) => user_id(data)?,
            None => None,
        };
        Ok(SessionIdentity {
            subject_id,
            session_id: None,
        })
    }
}

fn user_id(data: &Value) -> Result<Option<SubjectId>, InvalidUserId> {
    let text = match data.get("user_id") {
        None => return Err(InvalidUserId::Unknown),
        Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
            return Err(InvalidUserId::Structured);
        }
    };
    let subject_id = SubjectId::try_from(text).map_err(InvalidUserId::Key)?;
    Ok(Some(subject_id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_users_id_is_a_text_or_a_number() {
        let id = |id| user_id(&json!({ "user_id": id, "auth_hash": [1, 2] }));
        let subject = |text: &str| Ok(Some(text.parse::<SubjectId>().expect("a subject id")));
        assert_eq!(id(json!("alice")), subject("alice"));
        assert_eq!(id(json!(42)), subject("42"));
        assert_eq!(id(json!(-1)), subject("-1"));
        assert_eq!(id(json!(u64::MAX)), subject("18446744073709551615"));
        assert_eq!(id(json!(null)), Ok(None));
        assert_eq!(id(json!("")), Err(InvalidUserId::Key(InvalidKey::Empty)));
        assert_eq!(
            id(json!("x".repeat(256))),
            Err(InvalidUserId::Key(InvalidKey::TooLong { len: 256 }))
        );
        for structured in [json!(["a", 1]), json!({ "tenant": 1 }), json!(true)] {
            assert_eq!(id(structured), Err(InvalidUserId::Structured));
        }
    }

    #[test]
    fn what_axum_login_does_not_write_is_an_error_and_nothing_is_nobody() {
        assert_eq!(user_id(&json!("alice")), Err(InvalidUserId::Unknown));
        assert_eq!(user_id(&json!({})), Err(InvalidUserId::Unknown));
    }
}
