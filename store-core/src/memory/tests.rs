//! The in-memory store keeps the contract: directly, in an `Arc` and in a `Box`. So do the
//! operations that the traits provide, as far as they promise.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use crate::{
    InMemoryUserSessionStore, ManualClock, PartitionKey, Result, StartPolicy, UserKey, UserSession,
    UserSessionKey, UserSessionStore, UserSessionUpdate, UserSessionsFilter,
};

fn in_memory(clock: Arc<ManualClock>) -> InMemoryUserSessionStore {
    InMemoryUserSessionStore::with_clock(clock)
}

mod plain {
    use super::*;

    async fn store(clock: Arc<ManualClock>) -> Arc<InMemoryUserSessionStore> {
        Arc::new(in_memory(clock))
    }

    crate::user_session_store_contract!(store);
    crate::user_session_store_cleanup_contract!(store);
    crate::user_session_directory_contract!(store);
}

mod boxed {
    use super::*;

    async fn store(clock: Arc<ManualClock>) -> Option<Box<Box<InMemoryUserSessionStore>>> {
        Some(Box::new(Box::new(in_memory(clock))))
    }

    crate::user_session_store_contract!(store);
    crate::user_session_store_cleanup_contract!(store);
    crate::user_session_directory_contract!(store);
}

mod shared {
    use super::*;

    async fn store(clock: Arc<ManualClock>) -> Box<Arc<InMemoryUserSessionStore>> {
        Box::new(Arc::new(in_memory(clock)))
    }

    crate::user_session_store_cleanup_contract!(store);
    crate::user_session_directory_contract!(store);
}

mod shared_and_dyn {
    use super::*;

    async fn store(clock: Arc<ManualClock>) -> Box<Arc<dyn UserSessionStore>> {
        Box::new(Arc::new(in_memory(clock)))
    }

    crate::user_session_store_contract!(store);
}

/// Has only what it must, and lets other calls go first now and then.
#[derive(Debug)]
struct RequiredOnly {
    store: InMemoryUserSessionStore,
    calls: AtomicUsize,
}

impl RequiredOnly {
    async fn store(&self) -> &InMemoryUserSessionStore {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        for _ in 0..call % 3 {
            tokio::task::yield_now().await;
        }
        &self.store
    }
}

#[async_trait]
impl UserSessionStore for RequiredOnly {
    async fn get_user_session(&self, key: &UserSessionKey) -> Result<Option<UserSession>> {
        self.store().await.get_user_session(key).await
    }

    async fn create_user_session(&self, session: UserSession) -> Result<()> {
        self.store().await.create_user_session(session).await
    }

    async fn update_user_session(
        &self,
        key: &UserSessionKey,
        update: UserSessionUpdate,
    ) -> Result<bool> {
        self.store().await.update_user_session(key, update).await
    }

    async fn delete_user_session(&self, key: &UserSessionKey) -> Result<bool> {
        self.store().await.delete_user_session(key).await
    }

    async fn get_user_sessions(
        &self,
        partition: &PartitionKey,
        filter: &UserSessionsFilter,
    ) -> Result<Vec<UserSession>> {
        self.store()
            .await
            .get_user_sessions(partition, filter)
            .await
    }

    async fn delete_user_sessions(
        &self,
        partition: &PartitionKey,
        filter: &UserSessionsFilter,
    ) -> Result<u64> {
        let store = self.store().await;
        store.delete_user_sessions(partition, filter).await
    }

    async fn start_user_session(
        &self,
        session: UserSession,
        policy: &StartPolicy,
    ) -> Result<Vec<UserSession>> {
        self.store().await.start_user_session(session, policy).await
    }

    async fn rotate_user_key(
        &self,
        key: &UserSessionKey,
        new: &UserKey,
        update: UserSessionUpdate,
    ) -> Result<bool> {
        self.store().await.rotate_user_key(key, new, update).await
    }
}

/// The provided renewal keeps the whole contract. The provided ending takes several steps, so it
/// does not promise
/// - to end expired sessions: it leaves them to the cleanup;
/// - to happen as a whole: given up half-way, it has ended some;
/// - to see each of its sessions through a racing start or rotation: between its query and its
///   deletion another session may have taken a session's place, or the session another key.
mod provided {
    use super::*;

    async fn store(clock: Arc<ManualClock>) -> Arc<RequiredOnly> {
        Arc::new(RequiredOnly {
            store: in_memory(clock),
            calls: AtomicUsize::new(0),
        })
    }

    crate::__stamp_contract! { (store) (store)
        renew: [
            a_renewal_changes_its_fields_only,
            a_renewed_session_outlives_its_first_expiry,
            an_expiry_may_come_and_go,
            a_renewal_may_let_a_session_expire,
            an_absent_session_is_not_inserted,
            an_expired_session_is_not_renewed,
            a_renewal_makes_what_was_read_before_it_stale,
        ],
        end: [
            every_field_of_the_filter_must_match,
            ended_sessions_come_in_full,
            a_session_is_handed_back_once,
        ],
        partitions: [
            changes_stay_within,
            endings_by_filter_stay_within,
        ],
        keys: [
            subjects_that_look_alike_differ,
            an_exception_is_one_key,
            all_keys_may_be_of_full_length,
        ],
        tickets: [
            a_ticket_may_be_as_long_as_the_limit,
        ],
        time: [
            finer_digits_are_floored,
            timestamps_may_be_in_any_order,
            an_invalid_timestamp_changes_no_session,
        ],
        races: [
            each_session_is_handed_to_one,
            each_ending_is_told_by_one,
            no_change_brings_a_deleted_session_back,
            versions_of_renewals_add_up,
            no_change_is_lost_that_looks_at_the_version,
            no_change_keeps_a_session_from_being_replaced,
            a_logout_everywhere_ends_what_it_tells,
        ],
        dropped: [
            later_calls_are_not_kept_waiting,
        ],
    }
}
