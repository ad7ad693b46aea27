//! Inserting a session.

use sea_orm::{ConnectionTrait, Value};
use store_core::{Error, UserSession};

use super::{Inner, execute, key_values};
use crate::failure::Failure;
use crate::locks::Lock;
use crate::statements::Statements;
use crate::transaction::Locks;

impl Inner {
    /// One statement, unless something is in the way. What is in the way may have expired, and then
    /// one transaction removes it and inserts.
    pub(super) async fn create(&self, session: &UserSession) -> Result<(), Failure> {
        let statements = self.statements().await?;
        if insert(&self.writes, statements, session).await? {
            return Ok(());
        }
        let partition = &session.key.partition_key;
        let session_id = session.session_id.as_ref();
        let locks = Locks(
            session_id.map(|id| Lock::session_id(partition, id)),
            Some(Lock::user_key(partition, &session.key.user_key)),
        );
        let transaction = self.begin(statements, locks).await?;
        self.delete_expired_in_the_way(&transaction, statements, session)
            .await?;
        if !insert(&transaction, statements, session).await? {
            return Err(Error::AlreadyExists.into());
        }
        Ok(transaction.commit().await?)
    }

    /// Removes the expired sessions that have the session's key or its session id.
    pub(super) async fn delete_expired_in_the_way<C: ConnectionTrait>(
        &self,
        db: &C,
        statements: &Statements,
        session: &UserSession,
    ) -> Result<(), Failure> {
        let InTheWay {
            with_key,
            with_session_id,
        } = self.in_the_way_of(statements, session);
        let sql = &statements.delete_expired_with_key;
        execute(db, statements, sql, with_key).await?;
        if let Some(with_session_id) = with_session_id {
            let sql = &statements.delete_expired_with_session_id;
            execute(db, statements, sql, with_session_id).await?;
        }
        Ok(())
    }

    /// What the statements that remove expired sessions in the way of this one take.
    pub(super) fn in_the_way_of(&self, statements: &Statements, session: &UserSession) -> InTheWay {
        let dialect = statements.dialect;
        let now = dialect.time(self.now());
        let mut with_key = key_values(statements, &session.key);
        with_key.push(now.clone());
        let with_session_id = session.session_id.as_ref().map(|session_id| {
            let partition = dialect.text(session.key.partition_key.as_str());
            vec![partition, dialect.text(session_id.as_str()), now]
        });
        InTheWay {
            with_key,
            with_session_id,
        }
    }
}

/// Values to find what is in a session's way by its key, and by its session id if it has one.
pub(super) struct InTheWay {
    pub(super) with_key: Vec<Value>,
    pub(super) with_session_id: Option<Vec<Value>>,
}

/// Whether nothing was in the way.
pub(super) async fn insert<C: ConnectionTrait>(
    db: &C,
    statements: &Statements,
    session: &UserSession,
) -> Result<bool, Failure> {
    let dialect = statements.dialect;
    let mut values = key_values(statements, &session.key);
    values.extend([
        dialect.optional_text(session.subject_id.as_ref()),
        dialect.optional_text(session.session_id.as_ref()),
        dialect.time(session.created),
        dialect.time(session.renewed),
        dialect.optional_time(session.expires),
        dialect.version(session.version),
        dialect.ticket(&session.ticket),
    ]);
    match execute(db, statements, &statements.insert, values).await {
        Ok(inserted) => Ok(inserted == 1),
        Err(failure) if failure.is_duplicate() => Ok(false),
        Err(failure) => Err(failure),
    }
}
