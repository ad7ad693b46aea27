//! The store: its operations, a file for each kind.

/// Repeats an operation of [`Inner`] on a connection while that may help, to its end also if whoever
/// waits for it goes away. `$given` is what it works on.
macro_rules! run {
    ($store:expr, $what:expr, $given:expr, |$inner:ident, $db:ident, $args:pat_param| $operation:expr) => {{
        let inner = std::sync::Arc::clone(&$store.inner);
        let given = std::sync::Arc::new($given);
        $crate::to_the_end::ToTheEnd::new(tracing::Instrument::in_current_span(async move {
            let answer = $crate::retry::retrying!(
                $what,
                $crate::store::attempt!(inner, $what, given, |$inner, $db, $args| $operation)
            );
            inner.answer(answer).await
        }))
        .await
    }};
}

/// The same for an operation that may be done together with others of its kind.
macro_rules! run_together {
    ($store:expr, $given:expr, |$inner:ident, $db:ident, $args:pat_param| $operation:expr) => {{
        let inner = std::sync::Arc::clone(&$store.inner);
        let given = std::sync::Arc::new($given);
        $crate::to_the_end::ToTheEnd::new(tracing::Instrument::in_current_span(async move {
            let what = $crate::together::what(&given);
            let place = match $crate::together::turn(&inner, &given).await {
                $crate::together::Turn::Done(answer) => return answer,
                $crate::together::Turn::Alone(place) => place,
            };
            let alone = async {
                $crate::retry::retrying!(
                    what,
                    $crate::store::attempt!(inner, what, given, |$inner, $db, $args| $operation)
                )
            };
            let (answer, _) = $crate::together::in_place(place, alone).await;
            inner.answer(answer).await
        }))
        .await
    }};
}

/// One attempt at an operation.
macro_rules! attempt {
    ($store:ident, $what:expr, $given:ident, |$inner:ident, $db:ident, $args:pat_param| $operation:expr) => {
        async {
            use $crate::database::Database;
            match &$store.database {
                Database::Host(host) => $crate::store::on_connection!(
                    host.connection(),
                    $store,
                    $given,
                    |$inner, $db, $args| $operation
                ),
                #[cfg(feature = "postgres")]
                Database::Postgres(pool) => $crate::store::on_connection!(
                    pool.get().await?,
                    $store,
                    $given,
                    |$inner, $db, $args| $operation
                ),
                #[cfg(feature = "mysql")]
                Database::MySql(pool) => $crate::store::on_connection!(
                    pool.get().await?,
                    $store,
                    $given,
                    |$inner, $db, $args| $operation
                ),
                #[cfg(feature = "sqlite")]
                Database::SqliteFile(file) => {
                    let store = std::sync::Arc::clone(&$store);
                    let given = std::sync::Arc::clone(&$given);
                    file.run($what, move |$db| {
                        let ($inner, $args) = (&*store, &*given);
                        $crate::database::sqlite::at_once($operation)
                    })
                    .await
                }
            }
        }
    };
}
pub(crate) use attempt;

/// An operation on a connection, with nothing left open on it.
///
/// In a box of its own: the drivers' futures are of many kilobytes, and what they are a part of is
/// moved several times before it begins, whichever database it is for.
macro_rules! on_connection {
    ($connection:expr, $store:ident, $given:ident, |$inner:ident, $db:ident, $args:pat_param| $operation:expr) => {
        Box::pin(async {
            use $crate::database::Connection as _;
            let ($inner, $args) = (&*$store, &*$given);
            let mut connection = $connection;
            let $db = &mut connection;
            let answer = $operation.await;
            connection.roll_back().await;
            answer
        })
        .await
    };
}
pub(crate) use on_connection;

mod cleanup;
mod create;
mod directory;
mod end;
mod inner;
mod read;
mod replace;
mod start;
mod together;

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::DatabaseConnection;
use store_core::{
    MAX_LIMIT, Page, PageRequest, PartitionKey, Result, StartPolicy, SubjectId, UserKey,
    UserSession, UserSessionDirectory, UserSessionKey, UserSessionStore, UserSessionStoreCleanup,
    UserSessionUpdate, UserSessionsFilter, stored_timestamp,
};

pub(crate) use self::inner::Inner;
use self::inner::{StatementsOf, filter_values, key_values};
use self::together::{AllWaiting, Create, Get, Renew, Update};
use crate::builder::Builder;
use crate::database::Database;
use crate::names::TableNames;
use crate::retry::Attempt;

/// A store that keeps its sessions in PostgreSQL, MySQL, MariaDB or SQLite.
///
/// It keeps the whole contract of [`UserSessionStore`], [`UserSessionStoreCleanup`] and
/// [`UserSessionDirectory`], with any number of nodes on the same table. Clones share everything.
///
/// - What can be one statement is one; what cannot is one transaction.
/// - What has begun runs to its end also when its future is dropped, and so leaves its connection in
///   order.
/// - On connections that the store has opened itself, what comes at the same time goes together. An
///   SQLite file has one writer, which commits it together; what is looked up by its key there is read
///   in its caller's task, which takes microseconds, unless such reads have lately waited for the disk.
///   To a server no more than a few look-ups, creations, updates and renewals are on their way at
///   once, and what comes meanwhile goes in one statement. Each is answered by itself, after the
///   commit, and what one of them meets (a lock, a conflict, a missing row) is its own affair, but for
///   one thing: on PostgreSQL and MySQL those that go with a creation, or with another session id,
///   whose key somebody else has taken and not yet committed wait for him too. A creation whose key is
///   taken shows in PostgreSQL's log, with the key, as does an update whose session id is.
/// - Deadlocks, serialization failures and refusals are tried again a few times with jittered
///   pauses, and so are reads after a lost connection. A write whose connection was lost is not:
///   [`Error::Unavailable`](store_core::Error::Unavailable).
/// - A row that cannot be a session is [`Error::Corrupt`](store_core::Error::Corrupt) to whoever reads
///   it. Removal removes it all the same, and reports it by `tracing` instead of handing it back.
#[derive(Clone)]
pub struct SeaOrmUserSessionStore {
    pub(crate) inner: Arc<Inner>,
}

impl SeaOrmUserSessionStore {
    /// A store on a database of this URL, `postgres://`, `mysql://` (MariaDB too) or `sqlite://`,
    /// with everything else at its default: [`builder`](Self::builder) says what that is.
    ///
    /// The table need not be there: the first operation without it is
    /// [`Error::NotMigrated`](store_core::Error::NotMigrated). So is one on an older table that needs
    /// what is missing there; reads may still find sessions.
    ///
    /// The store belongs to the runtime that connected it. Behind a PgBouncer that lends sessions
    /// for a transaction at a time it needs one that knows prepared statements (1.21 or newer, with
    /// `max_prepared_statements`), or `?statement-cache-capacity=0` in the URL.
    ///
    /// # Errors
    /// [`Error::Configuration`](store_core::Error::Configuration) for a URL that is none, or is for a
    /// database whose feature is off; [`Error::Unavailable`](store_core::Error::Unavailable) if the
    /// database is not to be reached; [`Error::Backend`](store_core::Error::Backend) if it refuses.
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
        database: Database,
        connection: DatabaseConnection,
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
            .and_then(|names| StatementsOf::new(database.backend(), names));
        Self {
            inner: Arc::new(Inner {
                waiting: AllWaiting::new(database.companies()),
                database,
                connection,
                clock,
                max_ticket_len,
                statements,
            }),
        }
    }

    /// A connection to the same database: for the migrations and the host's own queries. The store's
    /// own operations go other ways, but for an SQLite database in memory and for a store made by
    /// [`new`](Self::new) or [`build`](Builder::build).
    pub fn connection(&self) -> &DatabaseConnection {
        &self.inner.connection
    }

    /// Every statement that the store sends, with a name: for a database administrator who wants to
    /// see their plans. Parameters are placeholders.
    ///
    /// # Errors
    /// [`Error::Configuration`](store_core::Error::Configuration) if the schema's or the table's name is wrong; on MySQL and MariaDB,
    /// which are told apart by asking, what a read may answer.
    pub async fn statements(&self) -> Result<Vec<(&'static str, String)>> {
        run!(self, Attempt::Read, (), |inner, db, ()| async {
            Ok(inner.statements(db).await?.catalog().to_vec())
        })
    }
}

impl fmt::Debug for SeaOrmUserSessionStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeaOrmUserSessionStore")
            .field("backend", &self.inner.database.backend())
            .field("max_ticket_len", &self.inner.max_ticket_len)
            .finish_non_exhaustive()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl UserSessionStore for SeaOrmUserSessionStore {
    #[tracing::instrument(name = "store.get_user_session", level = "debug", skip_all)]
    async fn get_user_session(&self, key: &UserSessionKey) -> Result<Option<UserSession>> {
        let get = Get(key.clone());
        run_together!(self, get, |inner, db, Get(key)| inner.get(db, key))
    }

    #[tracing::instrument(name = "store.create_user_session", level = "debug", skip_all)]
    async fn create_user_session(&self, session: UserSession) -> Result<()> {
        let create = Create(session.to_stored(self.inner.max_ticket_len)?);
        run_together!(self, create, |inner, db, Create(session)| inner
            .create(db, session))
    }

    #[tracing::instrument(name = "store.update_user_session", level = "debug", skip_all)]
    async fn update_user_session(
        &self,
        key: &UserSessionKey,
        update: UserSessionUpdate,
    ) -> Result<bool> {
        let update = Update {
            key: key.clone(),
            update: update.to_stored(self.inner.max_ticket_len)?,
        };
        run_together!(self, update, |inner, db, Update { key, update }| inner
            .update(db, key, update))
    }

    #[tracing::instrument(name = "store.delete_user_session", level = "debug", skip_all)]
    async fn delete_user_session(&self, key: &UserSessionKey) -> Result<bool> {
        let key = key.clone();
        run!(self, Attempt::Write, key, |inner, db, key| inner
            .delete(db, key))
    }

    #[tracing::instrument(name = "store.get_user_sessions", level = "debug", skip_all)]
    async fn get_user_sessions(
        &self,
        partition: &PartitionKey,
        filter: &UserSessionsFilter,
    ) -> Result<Vec<UserSession>> {
        let given = (partition.clone(), filter.clone());
        run!(
            self,
            Attempt::Read,
            given,
            |inner, db, (partition, filter)| { inner.query(db, partition, filter) }
        )
    }

    #[tracing::instrument(name = "store.delete_user_sessions", level = "debug", skip_all)]
    async fn delete_user_sessions(
        &self,
        partition: &PartitionKey,
        filter: &UserSessionsFilter,
    ) -> Result<u64> {
        let given = (partition.clone(), filter.clone());
        run!(
            self,
            Attempt::Write,
            given,
            |inner, db, (partition, filter)| { inner.delete_matching(db, partition, filter) }
        )
    }

    #[tracing::instrument(name = "store.start_user_session", level = "debug", skip_all)]
    async fn start_user_session(
        &self,
        session: UserSession,
        policy: &StartPolicy,
    ) -> Result<Vec<UserSession>> {
        let session = session.to_stored(self.inner.max_ticket_len)?;
        let given = (session, policy.clone());
        run!(
            self,
            Attempt::Write,
            given,
            |inner, db, (session, policy)| { inner.start(db, session, policy) }
        )
    }

    #[tracing::instrument(name = "store.rotate_user_key", level = "debug", skip_all)]
    async fn rotate_user_key(
        &self,
        key: &UserSessionKey,
        new: &UserKey,
        update: UserSessionUpdate,
    ) -> Result<bool> {
        let update = update.to_stored(self.inner.max_ticket_len)?;
        let given = (key.clone(), new.clone(), update);
        run!(
            self,
            Attempt::Write,
            given,
            |inner, db, (key, new, update)| { inner.rotate(db, key, new, update) }
        )
    }

    #[tracing::instrument(name = "store.renew_user_session", level = "debug", skip_all)]
    async fn renew_user_session(
        &self,
        key: &UserSessionKey,
        renewed: DateTime<Utc>,
        expires: Option<DateTime<Utc>>,
    ) -> Result<bool> {
        let renew = Renew {
            key: key.clone(),
            renewed: stored_timestamp(renewed)?,
            expires: expires.map(stored_timestamp).transpose()?,
        };
        run_together!(self, renew, |inner, db, renew| inner.renew(
            db,
            &renew.key,
            renew.renewed,
            renew.expires
        ))
    }

    #[tracing::instrument(name = "store.end_user_sessions", level = "debug", skip_all)]
    async fn end_user_sessions(
        &self,
        partition: &PartitionKey,
        filter: &UserSessionsFilter,
    ) -> Result<Vec<UserSession>> {
        let given = (partition.clone(), filter.clone());
        run!(
            self,
            Attempt::Write,
            given,
            |inner, db, (partition, filter)| { inner.end_matching(db, partition, filter) }
        )
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
        cleanup::end_expired(self, limit).await
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
        let given = (partition.clone(), page.clone());
        run!(
            self,
            Attempt::Read,
            given,
            |inner, db, (partition, page)| { inner.list(db, partition, page) }
        )
    }

    #[tracing::instrument(name = "store.count_user_sessions", level = "debug", skip_all)]
    async fn count_user_sessions(
        &self,
        partition: &PartitionKey,
        subject: Option<&SubjectId>,
    ) -> Result<u64> {
        let given = (partition.clone(), subject.cloned());
        run!(
            self,
            Attempt::Read,
            given,
            |inner, db, (partition, subject)| { inner.count(db, partition, subject.as_ref()) }
        )
    }
}
