//! Paging through a partition's sessions.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};

use crate::{
    SessionId, SubjectId, UserKey, UserSession, UserSessionKey, floor_to_micros, stored_timestamp,
};

/// The most sessions in one page, and in one batch of
/// [`end_expired_sessions`](crate::UserSessionStoreCleanup::end_expired_sessions). More is clamped.
pub const MAX_LIMIT: NonZeroU32 = NonZeroU32::new(1000).unwrap();

/// Which page of the live sessions, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// Only this subject's. Default: everybody's.
    pub subject: Option<SubjectId>,
    /// From behind here: the [`Page::next`] of the page before. Default: from the newest on.
    pub after: Option<Cursor>,
    /// How many, at most [`MAX_LIMIT`]. Default: 100.
    pub limit: NonZeroU32,
}

impl Default for PageRequest {
    fn default() -> Self {
        const DEFAULT_LIMIT: NonZeroU32 = NonZeroU32::new(100).unwrap();
        Self {
            subject: None,
            after: None,
            limit: DEFAULT_LIMIT,
        }
    }
}

/// A page of sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Newest first: by (`created`, `user_key`), descending in both, keys by their bytes.
    pub sessions: Vec<UserSessionSummary>,
    /// Where the next page begins. `None`: this was the last one.
    pub next: Option<Cursor>,
}

impl Page {
    /// A page of `limit` sessions, made of up to one more than that: the one too many says that
    /// there is a next page. For those who write stores.
    pub fn from_one_more(mut sessions: Vec<UserSessionSummary>, limit: usize) -> Self {
        let has_more = sessions.len() > limit;
        sessions.truncate(limit);
        let next = sessions
            .last()
            .filter(|_| has_more)
            .map(UserSessionSummary::cursor);
        Self { sessions, next }
    }
}

/// A session without its ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSessionSummary {
    /// Its name.
    pub key: UserSessionKey,
    /// Whom it belongs to.
    pub subject_id: Option<SubjectId>,
    /// The session at the identity provider.
    pub session_id: Option<SessionId>,
    /// When it began.
    pub created: DateTime<Utc>,
    /// When it was last renewed.
    pub renewed: DateTime<Utc>,
    /// From when on it is over. `None`: never.
    pub expires: Option<DateTime<Utc>>,
    /// How often it was changed.
    pub version: u64,
}

impl UserSessionSummary {
    fn cursor(&self) -> Cursor {
        Cursor::new(self.created, self.key.user_key.clone())
    }
}

impl From<&UserSession> for UserSessionSummary {
    fn from(session: &UserSession) -> Self {
        Self {
            key: session.key.clone(),
            subject_id: session.subject_id.clone(),
            session_id: session.session_id.clone(),
            created: session.created,
            renewed: session.renewed,
            expires: session.expires,
            version: session.version,
        }
    }
}

/// A place between two sessions of the order in which they are listed.
///
/// As text it is safe in a URL. It names a session by its user key, which opens nothing: see
/// [`UserKey`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    created: DateTime<Utc>,
    user_key: UserKey,
}

/// The text is not one that a [`Cursor`] was written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the text is not a cursor")]
pub struct InvalidCursor;

impl Cursor {
    /// The place right behind the session with this creation time and key.
    pub fn new(created: DateTime<Utc>, user_key: UserKey) -> Self {
        Self {
            created: floor_to_micros(created),
            user_key,
        }
    }

    /// When the session before this place was created.
    pub fn created(&self) -> DateTime<Utc> {
        self.created
    }

    /// The key of the session before this place.
    pub fn user_key(&self) -> &UserKey {
        &self.user_key
    }
}

/// Eight bytes of microseconds since 1970, big-endian, then the key, as base64url.
impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.created.timestamp_micros().to_be_bytes();
        let bytes = [&micros, self.user_key.as_str().as_bytes()].concat();
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidCursor)?;
        let (micros, user_key) = bytes.split_first_chunk().ok_or(InvalidCursor)?;
        let created = DateTime::from_timestamp_micros(i64::from_be_bytes(*micros))
            .and_then(|created| stored_timestamp(created).ok())
            .ok_or(InvalidCursor)?;
        let user_key = std::str::from_utf8(user_key)
            .ok()
            .and_then(|user_key| UserKey::try_from(user_key).ok())
            .ok_or(InvalidCursor)?;
        Ok(Self { created, user_key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_a_url() {
        let created = "1969-07-20T20:17:40.123456Z".parse().unwrap();
        let cursor = Cursor::new(created, UserKey::try_from("ключ/?&=").unwrap());
        let text = cursor.to_string();
        assert!(
            text.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        );
        assert_eq!(text.parse::<Cursor>().unwrap(), cursor);
    }

    #[test]
    fn other_texts_are_refused() {
        let of =
            |micros: i64, key: &[u8]| URL_SAFE_NO_PAD.encode([&micros.to_be_bytes(), key].concat());
        for text in [
            String::new(),
            "?".into(),
            "AAAA".into(),
            of(0, b""),
            of(0, b"\xff"),
            of(0, b"a\0b"),
            of(i64::MAX, b"key"),
            of(i64::MIN, b"key"),
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(InvalidCursor), "{text}");
        }
    }
}
