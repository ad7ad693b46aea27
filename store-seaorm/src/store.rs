//! The store: its operations, a file for each kind.

/// Repeats an operation of [`Inner`] while that may help, in a task of its own.
macro_rules! detached {
    ($store:expr, $what:expr, |$inner:ident| $operation:expr) => {{
        let $inner = std::sync::Arc::clone(&$store.inner);
        $crate::store::SeaOrmUserSessionStore::detached(async move {
            let answer = $crate::retry::retrying!($what, $operation);
            $inner.answer(answer).await
        })
        .await
    }};
}

mod cleanup;
mod create;
mod directory;
mod end;
mod inner;
mod read;
mod replace;
mod start;

use std::fmt;
use std::future::Future;
use std::num::NonZeroU32;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::DatabaseConnection;
use store_core::{
    Error, MAX_LIMIT, Page, PageRequest, PartitionKey, Result, StartPolicy, SubjectId, UserKey,
    UserSession, UserSessionDirectory, UserSessionKey, UserSessionStore, UserSessionStoreCleanup,
    UserSessionUpdate, UserSessionsFilter, stored_timestamp,
};
use tracing::Instrument as _;

pub(crate) use self::inner::{Inner, execute};
use self::inner::{StatementsOf, filter_values, key_values, one_row, rows};
use crate::builder::Builder;
use crate::names::TableNames;
use crate::retry::Attempt;

/// A store that keeps its sessions in PostgreSQL, MySQL, MariaDB or SQLite.
///
/// It keeps the whole contract of [`UserSessionStore`], [`UserSessionStoreCleanup`] and
/// [`UserSessionDirectory`], with any number of nodes on the same table. Clones share everything.
///
/// - What can be one statement is one; what cannot is one transaction.
/// - A write runs to its end also when its future is dropped, and so leaves its connection in order.
/// - Deadlocks, serialization failures and refusals are tried again a few times with jittered
///   pauses, and so are reads after a lost connection. A write whose connection was lost is not:
///   [`Error::Unavailable`].
/// - A row that cannot be a session is [`Error::Corrupt`] to whoever reads it. Removal removes it
///   all the same, and reports it by `tracing` instead of handing it back.
#[derive(Clone)]
pub struct SeaOrmUserSessionStore {
    pub(crate) inner: Arc<Inner>,
}

impl SeaOrmUserSessionStore {
    /// A store on a database of this URL, `postgres://`, `mysql://` (MariaDB too) or `sqlite://`,
    /// with everything else at its default: [`builder`](Self::builder) says what that is.
    ///
    /// The table need not be there: the first operation without it is [`Error::NotMigrated`].
    ///
    /// # Errors
    /// [`Error::Configuration`] for a URL that is none, or is for a database whose feature is off;
    /// [`Error::Unavailable`] if the database is not to be reached; [`Error::Backend`] if it
    /// refuses.
    pub async fn connect(url: &str) -> Result<Self> {
        Self::builder().connect(url).await
    }

    /// A store on the host's own connection. Does no I/O.
    ///
    /// Its pool, its pragmas and its default isolation stay the host's, and decide what can be
    /// promised: how long an operation waits for a connection, whether SQLite's acknowledged writes
    /// survive a power cut (`synchronous = FULL` in WAL mode), how long it waits for another
    /// process's write (`busy_timeout`). A `sqlite::memory:` pool needs to be of one connection.
    pub fn new(db: DatabaseConnection) -> Self {
        Self::builder().build(db)
    }

    /// Options, and then [`connect`](Builder::connect) or [`build`](Builder::build).
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn from_parts(
        reads: DatabaseConnection,
        writes: DatabaseConnection,
        options: Builder,
    ) -> Self {
        let Builder {
            schema,
            table,
            clock,
            max_ticket_len,
            ..
        } = options;
        let statements = TableNames::new(schema, table)
            .and_then(|names| StatementsOf::new(reads.get_database_backend(), names));
        Self {
            inner: Arc::new(Inner {
                reads,
                writes,
                clock,
                max_ticket_len,
                statements,
            }),
        }
    }

    /// A connection to the same database: for the migrations and the host's own queries.
    pub fn connection(&self) -> &DatabaseConnection {
        &self.inner.reads
    }

    /// Every statement that the store sends, with a name: for a database administrator who wants to
    /// see their plans. Parameters are placeholders.
    ///
    /// # Errors
    /// [`Error::Configuration`] if the schema's or the table's name is wrong; on MySQL and MariaDB,
    /// which are told apart by asking, what a read may answer.
    pub async fn statements(&self) -> Result<Vec<(&'static str, String)>> {
        let statements = self.inner.statements().await?;
        Ok(statements.catalog().to_vec())
    }

    /// Runs a write to its end, whether the caller goes on waiting or not.
    ///
    /// A future of the drivers that is dropped half-way may leave its connection with a transaction
    /// that nobody knows of, or out of step with the server.
    async fn detached<T: Send + 'static>(
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        match tokio::spawn(work.in_current_span()).await {
            Ok(answer) => answer,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(cancelled) => Err(Error::unavailable(cancelled)),
        }
    }
}

impl fmt::Debug for SeaOrmUserSessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeaOrmUserSessionStore")
            .field("backend", &self.inner.reads.get_database_backend())
            .field("max_ticket_len", &self.inner.max_ticket_len)
            .finish_non_exhaustive()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl UserSessionStore for SeaOrmUserSessionStore {
    #[tracing::instrument(name = "store.get_user_session", level = "debug", skip_all)]
    async fn get_user_session(&self, key: &UserSessionKey) -> Result<Option<UserSession>> {
        let key = key.clone();
        detached!(self, Attempt::Read, |inner| inner.get(&key))
    }

    #[tracing::instrument(name = "store.create_user_session", level = "debug", skip_all)]
    async fn create_user_session(&self, session: UserSession) -> Result<()> {
        let session = session.to_stored(self.inner.max_ticket_len)?;
        detached!(self, Attempt::Write, |inner| inner.create(&session))
    }

    #[tracing::instrument(name = "store.update_user_session", level = "debug", skip_all)]
    async fn update_user_session(
        &self,
        key: &UserSessionKey,
        update: UserSessionUpdate,
    ) -> Result<bool> {
        let update = update.to_stored(self.inner.max_ticket_len)?;
        let key = key.clone();
        detached!(self, Attempt::Write, |inner| inner.update(&key, &update))
    }

    #[tracing::instrument(name = "store.delete_user_session", level = "debug", skip_all)]
    async fn delete_user_session(&self, key: &UserSessionKey) -> Result<bool> {
        let key = key.clone();
        detached!(self, Attempt::Write, |inner| inner.delete(&key))
    }

    #[tracing::instrument(name = "store.get_user_sessions", level = "debug", skip_all)]
    async fn get_user_sessions(
        &self,
        partition: &PartitionKey,
        filter: &UserSessionsFilter,
    ) -> Result<Vec<UserSession>> {
        let (partition, filter) = (partition.clone(), filter.clone());
        detached!(self, Attempt::Read, |inner| inner
            .query(&partition, &filter))
    }

    #[tracing::instrument(name = "store.delete_user_sessions", level = "debug", skip_all)]
    async fn delete_user_sessions(
        &self,
        partition: &PartitionKey,
        filter: &UserSessionsFilter,
    ) -> Result<u64> {
        let (partition, filter) = (partition.clone(), filter.clone());
        detached!(self, Attempt::Write, |inner| inner
            .delete_matching(&partition, &filter))
    }

    #[tracing::instrument(name = "store.start_user_session", level = "debug", skip_all)]
    async fn start_user_session(
        &self,
        session: UserSession,
        policy: &StartPolicy,
    ) -> Result<Vec<UserSession>> {
        let session = session.to_stored(self.inner.max_ticket_len)?;
        let policy = policy.clone();
        detached!(self, Attempt::Write, |inner| inner.start(&session, &policy))
    }

    #[tracing::instrument(name = "store.rotate_user_key", level = "debug", skip_all)]
    async fn rotate_user_key(
        &self,
        key: &UserSessionKey,
        new: &UserKey,
        update: UserSessionUpdate,
    ) -> Result<bool> {
        let update = update.to_stored(self.inner.max_ticket_len)?;
        let (key, new) = (key.clone(), new.clone());
        detached!(self, Attempt::Write, |inner| inner
            .rotate(&key, &new, &update))
    }

    #[tracing::instrument(name = "store.renew_user_session", level = "debug", skip_all)]
    async fn renew_user_session(
        &self,
        key: &UserSessionKey,
        renewed: DateTime<Utc>,
        expires: Option<DateTime<Utc>>,
    ) -> Result<bool> {
        let renewed = stored_timestamp(renewed)?;
        let expires = expires.map(stored_timestamp).transpose()?;
        let key = key.clone();
        detached!(self, Attempt::Write, |inner| inner
            .renew(&key, renewed, expires))
    }

    #[tracing::instrument(name = "store.end_user_sessions", level = "debug", skip_all)]
    async fn end_user_sessions(
        &self,
        partition: &PartitionKey,
        filter: &UserSessionsFilter,
    ) -> Result<Vec<UserSession>> {
        let (partition, filter) = (partition.clone(), filter.clone());
        detached!(self, Attempt::Write, |inner| inner
            .end_matching(&partition, &filter))
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl UserSessionStoreCleanup for SeaOrmUserSessionStore {
    #[tracing::instrument(name = "store.delete_expired_sessions", level = "debug", skip_all)]
    async fn delete_expired_sessions(&self) -> Result<u64> {
        cleanup::delete_expired(self).await
    }

    #[tracing::instrument(name = "store.end_expired_sessions", level = "debug", skip_all)]
    async fn end_expired_sessions(&self, limit: NonZeroU32) -> Result<Vec<UserSession>> {
        let limit = limit.min(MAX_LIMIT);
        detached!(self, Attempt::Write, |inner| inner.end_expired(limit))
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl UserSessionDirectory for SeaOrmUserSessionStore {
    #[tracing::instrument(name = "store.list_user_sessions", level = "debug", skip_all)]
    async fn list_user_sessions(
        &self,
        partition: &PartitionKey,
        page: &PageRequest,
    ) -> Result<Page> {
        if let Some(cursor) = &page.after {
            stored_timestamp(cursor.created())?;
        }
        let (partition, page) = (partition.clone(), page.clone());
        detached!(self, Attempt::Read, |inner| inner.list(&partition, &page))
    }

    #[tracing::instrument(name = "store.count_user_sessions", level = "debug", skip_all)]
    async fn count_user_sessions(
        &self,
        partition: &PartitionKey,
        subject: Option<&SubjectId>,
    ) -> Result<u64> {
        let (partition, subject) = (partition.clone(), subject.cloned());
        detached!(self, Attempt::Read, |inner| inner
            .count(&partition, subject.as_ref()))
    }
}
