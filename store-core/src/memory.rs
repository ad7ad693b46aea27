//! Sessions in the memory of one process.

mod partition;
#[cfg(all(test, feature = "contract"))]
mod tests;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use self::partition::Partition;
use crate::{
    Clock, Error, MAX_LIMIT, Page, PageRequest, PartitionKey, Result, StartPolicy, SubjectId,
    SystemClock, Ticket, UserKey, UserSession, UserSessionDirectory, UserSessionKey,
    UserSessionStore, UserSessionStoreCleanup, UserSessionSummary, UserSessionUpdate,
    UserSessionsFilter, WhenFull, floor_to_micros, stored_timestamp,
};

/// A store that keeps its sessions in memory: for development and for tests.
///
/// It keeps the whole contract within one process, and forgets everything when it is dropped. Its
/// operations are atomic under one lock and never wait for anything else.
///
/// ```
/// # use store_core::*;
/// # async fn example() -> Result<()> {
/// let store = InMemoryUserSessionStore::new();
/// let alice = UserSessionsFilter::for_subject(SubjectId::try_from("alice").unwrap());
/// assert!(store.get_user_sessions(&PartitionKey::default(), &alice).await?.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct InMemoryUserSessionStore {
    clock: Arc<dyn Clock>,
    max_ticket_len: usize,
    partitions: Mutex<BTreeMap<PartitionKey, Partition>>,
}

impl InMemoryUserSessionStore {
    /// An empty store on the system's clock.
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }

    /// An empty store on another clock.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            max_ticket_len: Ticket::DEFAULT_MAX_LEN,
            partitions: Mutex::default(),
        }
    }

    /// The same store with another limit for tickets, in bytes. Default:
    /// [`Ticket::DEFAULT_MAX_LEN`].
    #[must_use]
    pub fn with_max_ticket_len(self, max_ticket_len: usize) -> Self {
        Self {
            max_ticket_len,
            ..self
        }
    }

    /// Whoever panicked under the lock did so before or after a change, never within one.
    fn partitions(&self) -> MutexGuard<'_, BTreeMap<PartitionKey, Partition>> {
        self.partitions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `operation` on a partition, which is there only while it holds sessions. The clock is
    /// read under the lock, so that operations see its time in the order in which they happen.
    fn within<T>(
        &self,
        key: &PartitionKey,
        operation: impl FnOnce(&mut Partition, DateTime<Utc>) -> T,
    ) -> T {
        let mut partitions = self.partitions();
        let now = floor_to_micros(self.clock.now());
        if let Some(partition) = partitions.get_mut(key) {
            let answer = operation(partition, now);
            if partition.is_empty() {
                partitions.remove(key);
            }
            return answer;
        }
        let mut partition = Partition::default();
        let answer = operation(&mut partition, now);
        if !partition.is_empty() {
            partitions.insert(key.clone(), partition);
        }
        answer
    }
}

impl Default for InMemoryUserSessionStore {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl UserSessionStore for InMemoryUserSessionStore {
    async fn get_user_session(&self, key: &UserSessionKey) -> Result<Option<UserSession>> {
        Ok(self.within(&key.partition_key, |partition, now| {
            partition.live(&key.user_key, now).cloned()
        }))
    }

    async fn create_user_session(&self, session: UserSession) -> Result<()> {
        let session = session.to_stored(self.max_ticket_len)?;
        self.within(&session.key.partition_key.clone(), |partition, now| {
            let in_the_way = partition.in_the_way_of(&session, None);
            if in_the_way
                .iter()
                .any(|key| partition.live(key, now).is_some())
            {
                return Err(Error::AlreadyExists);
            }
            partition.remove_all(in_the_way);
            partition.insert(session);
            Ok(())
        })
    }

    async fn update_user_session(
        &self,
        key: &UserSessionKey,
        update: UserSessionUpdate,
    ) -> Result<bool> {
        self.rotate_user_key(key, &key.user_key, update).await
    }

    async fn delete_user_session(&self, key: &UserSessionKey) -> Result<bool> {
        Ok(self.within(&key.partition_key, |partition, _| {
            partition.remove(&key.user_key).is_some()
        }))
    }

    async fn get_user_sessions(
        &self,
        partition: &PartitionKey,
        filter: &UserSessionsFilter,
    ) -> Result<Vec<UserSession>> {
        let mut found: Vec<_> = self.within(partition, |partition, now| {
            let live = partition.live_sessions(now);
            live.filter(|session| filter.matches(session))
                .cloned()
                .collect()
        });
        found.sort_by(UserSession::by_age);
        Ok(found)
    }

    async fn delete_user_sessions(
        &self,
        partition: &PartitionKey,
        filter: &UserSessionsFilter,
    ) -> Result<u64> {
        let ended = self.end_user_sessions(partition, filter).await?;
        Ok(ended.len() as u64)
    }

    async fn start_user_session(
        &self,
        session: UserSession,
        policy: &StartPolicy,
    ) -> Result<Vec<UserSession>> {
        let session = session.to_stored(self.max_ticket_len)?;
        self.within(&session.key.partition_key.clone(), |partition, now| {
            // Nothing is removed before it is certain that the session can begin.
            let mut ended = Vec::new();
            if policy.replace_same_session_id {
                ended.extend(partition.holder_of(session.session_id.as_ref()).cloned());
            }
            if let (Some(subject), Some(cap)) =
                (&session.subject_id, policy.max_sessions_per_subject)
            {
                let others = partition.live_of_subject(subject, now, &ended);
                let excess = (others.len() + 1).saturating_sub(cap.get() as usize);
                if excess > 0 && policy.when_full == WhenFull::Reject {
                    return Err(Error::SessionLimitReached);
                }
                ended.extend(others.into_iter().take(excess));
            }
            for key in partition.in_the_way_of(&session, None) {
                if !ended.contains(&key) {
                    if partition.live(&key, now).is_some() {
                        return Err(Error::AlreadyExists);
                    }
                    ended.push(key);
                }
            }
            let mut ended = partition.remove_all(ended);
            partition.insert(session);
            ended.sort_by(UserSession::by_age);
            Ok(ended)
        })
    }

    async fn rotate_user_key(
        &self,
        key: &UserSessionKey,
        new: &UserKey,
        update: UserSessionUpdate,
    ) -> Result<bool> {
        let update = update.to_stored(self.max_ticket_len)?;
        self.within(&key.partition_key, |partition, now| {
            let Some(version) = partition
                .live(&key.user_key, now)
                .map(|found| found.version)
            else {
                return Ok(false);
            };
            if update
                .if_version
                .is_some_and(|expected| expected != version)
            {
                return Err(Error::VersionMismatch);
            }
            let new_key = UserSessionKey::new(key.partition_key.clone(), new.clone());
            let session = update.into_session(new_key, version + 1);
            let in_the_way = partition.in_the_way_of(&session, Some(&key.user_key));
            if in_the_way
                .iter()
                .any(|key| partition.live(key, now).is_some())
            {
                return Err(Error::AlreadyExists);
            }
            partition.remove_all(in_the_way);
            partition.remove(&key.user_key);
            partition.insert(session);
            Ok(true)
        })
    }

    async fn renew_user_session(
        &self,
        key: &UserSessionKey,
        renewed: DateTime<Utc>,
        expires: Option<DateTime<Utc>>,
    ) -> Result<bool> {
        let renewed = stored_timestamp(renewed)?;
        let expires = expires.map(stored_timestamp).transpose()?;
        Ok(self.within(&key.partition_key, |partition, now| {
            let Some(session) = partition.live_mut(&key.user_key, now) else {
                return false;
            };
            session.renewed = renewed;
            session.expires = expires;
            session.version += 1;
            true
        }))
    }

    async fn end_user_sessions(
        &self,
        partition: &PartitionKey,
        filter: &UserSessionsFilter,
    ) -> Result<Vec<UserSession>> {
        let mut ended = self.within(partition, |partition, _| {
            let matching = partition
                .sessions()
                .filter(|session| filter.matches(session));
            let keys = matching
                .map(|session| session.key.user_key.clone())
                .collect();
            partition.remove_all(keys)
        });
        ended.sort_by(UserSession::by_age);
        Ok(ended)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl UserSessionStoreCleanup for InMemoryUserSessionStore {
    async fn delete_expired_sessions(&self) -> Result<u64> {
        Ok(self.remove_expired(usize::MAX).len() as u64)
    }

    async fn end_expired_sessions(&self, limit: NonZeroU32) -> Result<Vec<UserSession>> {
        Ok(self.remove_expired(limit.min(MAX_LIMIT).get() as usize))
    }
}

impl InMemoryUserSessionStore {
    fn remove_expired(&self, limit: usize) -> Vec<UserSession> {
        let mut removed = Vec::new();
        let mut partitions = self.partitions();
        let now = floor_to_micros(self.clock.now());
        partitions.retain(|_, partition| {
            let expired = partition
                .sessions()
                .filter(|session| session.is_expired(now));
            let room = limit - removed.len();
            let keys = expired
                .take(room)
                .map(|session| session.key.user_key.clone())
                .collect();
            removed.extend(partition.remove_all(keys));
            !partition.is_empty()
        });
        removed
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl UserSessionDirectory for InMemoryUserSessionStore {
    async fn list_user_sessions(
        &self,
        partition: &PartitionKey,
        page: &PageRequest,
    ) -> Result<Page> {
        let after = match &page.after {
            Some(cursor) => Some((stored_timestamp(cursor.created())?, cursor.user_key())),
            None => None,
        };
        let limit = page.limit.min(MAX_LIMIT).get() as usize;
        let mut found: Vec<_> = self.within(partition, |partition, now| {
            let live = partition.live_sessions(now);
            live.filter(|session| page.subject.is_none() || page.subject == session.subject_id)
                .filter(|session| {
                    after.is_none_or(|after| (session.created, &session.key.user_key) < after)
                })
                .map(UserSessionSummary::from)
                .collect()
        });
        found.sort_by(|one, other| {
            (other.created, &other.key.user_key).cmp(&(one.created, &one.key.user_key))
        });
        Ok(Page::from_one_more(found, limit))
    }

    async fn count_user_sessions(
        &self,
        partition: &PartitionKey,
        subject: Option<&SubjectId>,
    ) -> Result<u64> {
        let count = self.within(partition, |partition, now| {
            let live = partition.live_sessions(now);
            live.filter(|session| subject.is_none() || subject == session.subject_id.as_ref())
                .count()
        });
        Ok(count as u64)
    }
}
