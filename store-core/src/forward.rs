//! A store behind an `Arc` or a `Box` is a store.

use std::num::NonZeroU32;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{
    Page, PageRequest, PartitionKey, Result, StartPolicy, SubjectId, UserKey, UserSession,
    UserSessionDirectory, UserSessionKey, UserSessionStore, UserSessionStoreCleanup,
    UserSessionUpdate, UserSessionsFilter,
};

macro_rules! forward {
    ($($pointer:ident),+) => {$(
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<T: UserSessionStore + ?Sized> UserSessionStore for $pointer<T> {
            async fn get_user_session(&self, key: &UserSessionKey) -> Result<Option<UserSession>> {
                (**self).get_user_session(key).await
            }

            async fn create_user_session(&self, session: UserSession) -> Result<()> {
                (**self).create_user_session(session).await
            }

            async fn update_user_session(
                &self,
                key: &UserSessionKey,
                update: UserSessionUpdate,
            ) -> Result<bool> {
                (**self).update_user_session(key, update).await
            }

            async fn delete_user_session(&self, key: &UserSessionKey) -> Result<bool> {
                (**self).delete_user_session(key).await
            }

            async fn get_user_sessions(
                &self,
                partition: &PartitionKey,
                filter: &UserSessionsFilter,
            ) -> Result<Vec<UserSession>> {
                (**self).get_user_sessions(partition, filter).await
            }

            async fn delete_user_sessions(
                &self,
                partition: &PartitionKey,
                filter: &UserSessionsFilter,
            ) -> Result<u64> {
                (**self).delete_user_sessions(partition, filter).await
            }

            async fn start_user_session(
                &self,
                session: UserSession,
                policy: &StartPolicy,
            ) -> Result<Vec<UserSession>> {
                (**self).start_user_session(session, policy).await
            }

            async fn rotate_user_key(
                &self,
                key: &UserSessionKey,
                new: &UserKey,
                update: UserSessionUpdate,
            ) -> Result<bool> {
                (**self).rotate_user_key(key, new, update).await
            }

            async fn renew_user_session(
                &self,
                key: &UserSessionKey,
                renewed: DateTime<Utc>,
                expires: Option<DateTime<Utc>>,
            ) -> Result<bool> {
                (**self).renew_user_session(key, renewed, expires).await
            }

            async fn end_user_sessions(
                &self,
                partition: &PartitionKey,
                filter: &UserSessionsFilter,
            ) -> Result<Vec<UserSession>> {
                (**self).end_user_sessions(partition, filter).await
            }
        }

        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<T: UserSessionStoreCleanup + ?Sized> UserSessionStoreCleanup for $pointer<T> {
            async fn delete_expired_sessions(&self) -> Result<u64> {
                (**self).delete_expired_sessions().await
            }

            async fn end_expired_sessions(&self, limit: NonZeroU32) -> Result<Vec<UserSession>> {
                (**self).end_expired_sessions(limit).await
            }
        }

        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<T: UserSessionDirectory + ?Sized> UserSessionDirectory for $pointer<T> {
            async fn list_user_sessions(
                &self,
                partition: &PartitionKey,
                page: &PageRequest,
            ) -> Result<Page> {
                (**self).list_user_sessions(partition, page).await
            }

            async fn count_user_sessions(
                &self,
                partition: &PartitionKey,
                subject: Option<&SubjectId>,
            ) -> Result<u64> {
                (**self).count_user_sessions(partition, subject).await
            }
        }
    )+};
}

forward!(Arc, Box);
