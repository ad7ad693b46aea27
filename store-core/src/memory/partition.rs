//! The rows of one partition, with the index that keeps session ids unique.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};

use crate::{SessionId, SubjectId, UserKey, UserSession};

#[derive(Debug, Default)]
pub(super) struct Partition {
    rows: BTreeMap<UserKey, UserSession>,
    /// Who holds a session id: an entry for each row that has one, and no other.
    by_session_id: HashMap<SessionId, UserKey>,
}

impl Partition {
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn sessions(&self) -> impl Iterator<Item = &UserSession> {
        self.rows.values()
    }

    pub(super) fn live_sessions(&self, now: DateTime<Utc>) -> impl Iterator<Item = &UserSession> {
        self.sessions()
            .filter(move |session| !session.is_expired(now))
    }

    pub(super) fn live(&self, key: &UserKey, now: DateTime<Utc>) -> Option<&UserSession> {
        self.rows
            .get(key)
            .filter(|session| !session.is_expired(now))
    }

    /// For changes that leave the key and the session id alone.
    pub(super) fn live_mut(
        &mut self,
        key: &UserKey,
        now: DateTime<Utc>,
    ) -> Option<&mut UserSession> {
        self.rows
            .get_mut(key)
            .filter(|session| !session.is_expired(now))
    }

    pub(super) fn holder_of(&self, session_id: Option<&SessionId>) -> Option<&UserKey> {
        self.by_session_id.get(session_id?)
    }

    /// The keys of the rows, other than `own`, that have the session's key or its session id.
    pub(super) fn in_the_way_of(
        &self,
        session: &UserSession,
        own: Option<&UserKey>,
    ) -> Vec<UserKey> {
        let same_key = self
            .rows
            .get_key_value(&session.key.user_key)
            .map(|(key, _)| key);
        let same_session_id = self.holder_of(session.session_id.as_ref());
        let mut keys: Vec<_> = same_key
            .into_iter()
            .chain(same_session_id)
            .cloned()
            .collect();
        keys.dedup();
        keys.retain(|key| Some(key) != own);
        keys
    }

    /// The keys of a subject's live sessions, but for `without`, oldest first.
    pub(super) fn live_of_subject(
        &self,
        subject: &SubjectId,
        now: DateTime<Utc>,
        without: &[UserKey],
    ) -> Vec<UserKey> {
        let mut live: Vec<_> = self
            .live_sessions(now)
            .filter(|session| session.subject_id.as_ref() == Some(subject))
            .map(|session| (session.created, &session.key.user_key))
            .filter(|(_, key)| !without.contains(key))
            .collect();
        live.sort();
        live.into_iter().map(|(_, key)| key.clone()).collect()
    }

    /// Neither the key nor the session id may be held.
    pub(super) fn insert(&mut self, session: UserSession) {
        let key = session.key.user_key.clone();
        if let Some(session_id) = session.session_id.clone() {
            self.by_session_id.insert(session_id, key.clone());
        }
        self.rows.insert(key, session);
    }

    pub(super) fn remove(&mut self, key: &UserKey) -> Option<UserSession> {
        let session = self.rows.remove(key)?;
        if let Some(session_id) = &session.session_id {
            self.by_session_id.remove(session_id);
        }
        Some(session)
    }

    pub(super) fn remove_all(&mut self, keys: Vec<UserKey>) -> Vec<UserSession> {
        keys.iter().filter_map(|key| self.remove(key)).collect()
    }
}
