//! Writing a record: as a new session, and into one that is there.

use std::num::NonZeroU32;

use store_core::{
    Error as StoreError, SubjectId, Ticket, UserSession, UserSessionKey, UserSessionStore,
    UserSessionUpdate, UserSessionsFilter, WhenFull,
};
use store_tickets::{EndReason, SessionEvent, uninterrupted};
use tower_sessions_core::session::{Id, Record};
use tower_sessions_core::session_store;

use super::error::BridgeError;
use super::record::{SealedRef, stored_expiry};
use super::{SessionIdentity, TowerSessionStore};

/// How often a new id is drawn. That 128 random bits are taken already does not happen; that
/// somebody breaks the generator might.
const CREATE_ATTEMPTS: u32 = 4;

/// How often a session is read again whose identity others change at the same time.
const CHANGE_ATTEMPTS: u32 = 16;

impl<S: UserSessionStore + ?Sized> TowerSessionStore<S> {
    /// Begins a session under a new id, whatever the record's was. tower-sessions comes here with
    /// the old one after a `flush`: the browser, and whoever has planted or stolen its cookie,
    /// would know the new session.
    pub(super) async fn create_record(&self, record: &mut Record) -> Result<(), BridgeError> {
        let mut attempts = CREATE_ATTEMPTS;
        loop {
            record.id = Id::default();
            let identity = self.identity(record)?;
            let session = self.sealed(self.key(&record.id), &identity, record)?;
            // Otherwise it is the session id that is taken, and another id would not help.
            let id_is_taken = identity.session_id.is_none() || self.policy.replace_same_session_id;
            let this = self.clone();
            match uninterrupted(async move { this.begin(session).await }).await {
                Err(StoreError::AlreadyExists) if id_is_taken && attempts > 1 => attempts -= 1,
                answer => return Ok(answer?),
            }
        }
    }

    /// Takes a session over from another store of tower-sessions, with the id that its browser has:
    /// for a program that moves sessions, and never for a request. It begins now, as at a login.
    /// Whether it was taken over: not if its id is there already, so the program may run again.
    ///
    /// # Errors
    /// As `create`.
    pub async fn adopt(&self, record: &Record) -> session_store::Result<bool> {
        let adopted = async {
            let identity = self.identity(record)?;
            let session = self.sealed(self.key(&record.id), &identity, record)?;
            let this = self.clone();
            match uninterrupted(async move { this.begin(session).await }).await {
                Ok(()) => Ok(true),
                Err(StoreError::AlreadyExists) => Ok(false),
                Err(error) => Err(BridgeError::from(error)),
            }
        };
        Ok(adopted.await?)
    }

    /// The record as a session that begins now.
    fn sealed(
        &self,
        key: UserSessionKey,
        identity: &SessionIdentity,
        record: &Record,
    ) -> Result<UserSession, BridgeError> {
        let mut session = UserSession {
            session_id: identity.session_id.clone(),
            expires: Some(stored_expiry(record.expiry_date)),
            ..UserSession::new(
                key,
                identity.subject_id.clone(),
                self.now(),
                Ticket::default(),
            )
        };
        self.sealer.seal(&SealedRef::from(record), &mut session)?;
        Ok(session)
    }

    async fn begin(&self, session: UserSession) -> Result<(), StoreError> {
        let begun = SessionEvent::of(&session, session.created);
        let is_anonymous = session.subject_id.is_none() && session.session_id.is_none();
        if is_anonymous {
            // There is nothing that it could displace.
            self.store.create_user_session(session).await?;
        } else {
            let displaced = self.store.start_user_session(session, &self.policy);
            let displaced = displaced.await?;
            self.observers.displaced(&displaced, &begun, self.now());
        }
        self.observers.created(begun);
        Ok(())
    }

    /// Writes a record into its session. It never makes one: what was removed meanwhile stays so.
    pub(super) async fn save_record(&self, record: &Record) -> Result<(), BridgeError> {
        let identity = self.identity(record)?;
        let session = self.sealed(self.key(&record.id), &identity, record)?;
        let found = self.store.get_user_session(&session.key).await?;
        let found = found.ok_or(BridgeError::Ended)?;
        if identity.is_of(&found) {
            return self.update(&found, session).await;
        }
        let this = self.clone();
        uninterrupted(async move { this.change_identity(found, session).await }).await
    }

    async fn update(&self, found: &UserSession, session: UserSession) -> Result<(), BridgeError> {
        let key = session.key.clone();
        let update = UserSessionUpdate {
            created: found.created,
            ..session.into()
        };
        match self.store.update_user_session(&key, update).await? {
            true => Ok(()),
            false => Err(BridgeError::Ended),
        }
    }

    /// Writes a record whose session belongs to somebody else so far, most often to nobody: a login
    /// that keeps its id. The same holds as for one with a new id, but the cap, which is applied
    /// before and after and not in the same moment.
    async fn change_identity(
        &self,
        mut found: UserSession,
        session: UserSession,
    ) -> Result<(), BridgeError> {
        let key = session.key.clone();
        let signs_in = match &session.subject_id {
            Some(subject_id) if found.subject_id.as_ref() != Some(subject_id) => {
                Some(subject_id.clone())
            }
            _ => None,
        };
        let cap = signs_in.clone().zip(self.policy.max_sessions_per_subject);
        if let Some((subject_id, max)) = &cap
            && self.policy.when_full == WhenFull::Reject
        {
            let others = self.others(subject_id, &key).await?;
            if others.len() >= max.get() as usize {
                return Err(StoreError::SessionLimitReached.into());
            }
        }
        for _ in 0..CHANGE_ATTEMPTS {
            let update = UserSessionUpdate {
                created: found.created,
                ..UserSessionUpdate::from(session.clone()).with_if_version(found.version)
            };
            match self.store.update_user_session(&key, update).await {
                Ok(true) => {
                    if let Some((subject_id, max)) = &cap {
                        self.end_oldest(subject_id, &key, *max).await?;
                    }
                    if signs_in.is_some() {
                        let event = SessionEvent::of(&session, self.now());
                        self.observers.authenticated(event);
                    }
                    return Ok(());
                }
                Ok(false) => return Err(BridgeError::Ended),
                Err(StoreError::VersionMismatch) => {
                    let again = self.store.get_user_session(&key).await?;
                    found = again.ok_or(BridgeError::Ended)?;
                }
                Err(StoreError::AlreadyExists) if self.policy.replace_same_session_id => {
                    self.end_same_session_id(&session).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(BridgeError::Contended {
            attempts: CHANGE_ATTEMPTS,
        })
    }

    async fn end_same_session_id(&self, session: &UserSession) -> Result<(), StoreError> {
        let Some(session_id) = session.session_id.clone() else {
            return Ok(());
        };
        let others =
            UserSessionsFilter::for_session(session_id).except(session.key.user_key.clone());
        let partition_key = &self.partition_key;
        let ended = self.store.end_user_sessions(partition_key, &others).await?;
        let now = self.now();
        for other in ended {
            let reason = match other.is_expired(now) {
                true => EndReason::Expired,
                false => EndReason::Replaced,
            };
            self.observers.ended(SessionEvent::of(&other, now), reason);
        }
        Ok(())
    }

    /// The subject's other live sessions, oldest first.
    async fn others(
        &self,
        subject_id: &SubjectId,
        key: &UserSessionKey,
    ) -> Result<Vec<UserSession>, StoreError> {
        let others =
            UserSessionsFilter::for_subject(subject_id.clone()).except(key.user_key.clone());
        self.store
            .get_user_sessions(&self.partition_key, &others)
            .await
    }

    /// Leaves room for the session that has just become the subject's. Of several that race, the
    /// last one sees all the others.
    async fn end_oldest(
        &self,
        subject_id: &SubjectId,
        key: &UserSessionKey,
        max: NonZeroU32,
    ) -> Result<(), StoreError> {
        if self.policy.when_full != WhenFull::EndOldest {
            return Ok(());
        }
        let others = self.others(subject_id, key).await?;
        let too_many = (others.len() + 1).saturating_sub(max.get() as usize);
        for other in others.into_iter().take(too_many) {
            if self.store.delete_user_session(&other.key).await? {
                let event = SessionEvent::of(&other, self.now());
                self.observers.ended(event, EndReason::OverCap);
            }
        }
        Ok(())
    }
}
