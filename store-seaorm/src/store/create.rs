//! Inserting a session.

use chrono::{DateTime, Utc};
use store_core::{Error, UserSession};

use super::cleanup::cleanup_at;
use super::{Inner, key_values};
use crate::bind::Bind;
use crate::database::Connection;
use crate::failure::Failure;
use crate::locks::{Lock, Locks};
use crate::statements::Statements;

impl Inner {
    /// One statement, unless something is in the way. What is in the way may have expired, and then
    /// one transaction removes it and inserts.
    pub(super) async fn create(
        &self,
        db: &mut impl Connection,
        session: &UserSession,
    ) -> Result<(), Failure> {
        let statements = self.statements(db).await?;
        if insert(db, statements, session, self.now()).await? {
            return Ok(());
        }
        let partition = &session.key.partition_key;
        let session_id = session.session_id.as_ref();
        let locks = Locks(
            session_id.map(|id| Lock::session_id(partition, id)),
            Some(Lock::user_key(partition, &session.key.user_key)),
        );
        db.begin(statements, locks).await?;
        self.delete_expired_in_the_way(db, statements, session)
            .await?;
        if !insert(db, statements, session, self.now()).await? {
            return Err(Error::AlreadyExists.into());
        }
        db.commit().await
    }

    /// Removes the expired sessions that have the session's key or its session id.
    pub(super) async fn delete_expired_in_the_way(
        &self,
        db: &mut impl Connection,
        statements: &Statements,
        session: &UserSession,
    ) -> Result<(), Failure> {
        let InTheWay {
            with_key,
            with_session_id,
        } = self.in_the_way_of(session);
        db.execute(&statements.delete_expired_with_key, &with_key)
            .await?;
        if let Some(with_session_id) = with_session_id {
            let sql = &statements.delete_expired_with_session_id;
            db.execute(sql, &with_session_id).await?;
        }
        Ok(())
    }

    /// What the statements that remove expired sessions in the way of this one take.
    pub(super) fn in_the_way_of<'a>(&self, session: &'a UserSession) -> InTheWay<'a> {
        let now = Bind::time(self.now());
        let [partition_key, user_key] = key_values(&session.key);
        let with_session_id = session
            .session_id
            .as_ref()
            .map(|session_id| [partition_key, Bind::text(session_id.as_str()), now]);
        InTheWay {
            with_key: [partition_key, user_key, now],
            with_session_id,
        }
    }
}

/// Values to find what is in a session's way by its key, and by its session id if it has one.
pub(super) struct InTheWay<'a> {
    pub(super) with_key: [Bind<'a>; 3],
    pub(super) with_session_id: Option<[Bind<'a>; 3]>,
}

/// Whether nothing was in the way.
pub(super) async fn insert(
    db: &mut impl Connection,
    statements: &Statements,
    session: &UserSession,
    now: DateTime<Utc>,
) -> Result<bool, Failure> {
    let values = inserted(session, now);
    match db.execute(&statements.insert, &values).await {
        Ok(inserted) => Ok(inserted == 1),
        Err(failure) if failure.is_duplicate() => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// What inserting this session takes.
pub(super) fn inserted(session: &UserSession, now: DateTime<Utc>) -> [Bind<'_>; 10] {
    let [partition_key, user_key] = key_values(&session.key);
    [
        partition_key,
        user_key,
        Bind::optional_text(session.subject_id.as_ref()),
        Bind::optional_text(session.session_id.as_ref()),
        Bind::time(session.created),
        Bind::time(session.renewed),
        Bind::Time(session.expires),
        Bind::version(session.version),
        Bind::ticket(&session.ticket),
        cleanup_at(session.expires, now),
    ]
}
