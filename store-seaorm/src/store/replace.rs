//! Changing a session in place: update, rotation, renewal.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, Value};
use store_core::{Error, SessionId, SubjectId, UserKey, UserSessionKey, UserSessionUpdate};

use super::{Inner, execute, key_values, one_row};
use crate::dialect::Dialect;
use crate::entity::Text;
use crate::failure::Failure;
use crate::locks::Lock;
use crate::row;
use crate::statements::Statements;
use crate::transaction::Locks;

/// A change to the session with `key`: six fields, and perhaps another key.
#[derive(Clone, Copy)]
struct Replacement<'a> {
    key: &'a UserSessionKey,
    new: Option<&'a UserKey>,
    update: &'a UserSessionUpdate,
    /// Whose the session must be, where that is asked for.
    owner: Option<&'a Owner>,
}

/// Whose a session is, as the operations by filter find it.
struct Owner {
    subject_id: Option<SubjectId>,
    session_id: Option<SessionId>,
}

impl Inner {
    pub(super) async fn update(
        &self,
        key: &UserSessionKey,
        update: &UserSessionUpdate,
    ) -> Result<bool, Failure> {
        let statements = self.statements().await?;
        let replacement = Replacement {
            key,
            new: None,
            update,
            owner: None,
        };
        self.replace(statements, replacement).await
    }

    pub(super) async fn rotate(
        &self,
        key: &UserSessionKey,
        new: &UserKey,
        update: &UserSessionUpdate,
    ) -> Result<bool, Failure> {
        let statements = self.statements().await?;
        let replacement = Replacement {
            key,
            new: Some(new),
            update,
            owner: None,
        };
        match statements.dialect {
            Dialect::Postgres | Dialect::Sqlite => self.replace(statements, replacement).await,
            Dialect::MySql | Dialect::MariaDb => {
                self.rotate_under_locks(statements, replacement).await
            }
        }
    }

    pub(super) async fn renew(
        &self,
        key: &UserSessionKey,
        renewed: DateTime<Utc>,
        expires: Option<DateTime<Utc>>,
    ) -> Result<bool, Failure> {
        let statements = self.statements().await?;
        let dialect = statements.dialect;
        let mut values = vec![dialect.time(renewed), dialect.optional_time(expires)];
        values.extend(key_values(statements, key));
        values.push(dialect.time(self.now()));
        Ok(execute(&self.writes, statements, &statements.renew, values).await? == 1)
    }

    /// One statement, unless another session has the new key or the session id. That one may have
    /// expired, and then one transaction removes it and makes the change.
    async fn replace(
        &self,
        statements: &Statements,
        replacement: Replacement<'_>,
    ) -> Result<bool, Failure> {
        match self
            .try_to_replace(&self.writes, statements, replacement)
            .await
        {
            Err(failure) if failure.is_duplicate() => {}
            answer => return answer,
        }
        let Replacement {
            key, new, update, ..
        } = replacement;
        let session_id = update.session_id.as_ref();
        let locks = Locks(
            session_id.map(|id| Lock::session_id(&key.partition_key, id)),
            new.map(|new| Lock::user_key(&key.partition_key, new)),
        );
        let transaction = self.begin(statements, locks).await?;
        let answer = self
            .displace_and_replace(&transaction, statements, replacement)
            .await?;
        if answer {
            transaction.commit().await?;
        }
        Ok(answer)
    }

    /// The transaction that an operation by filter excludes; see [`Statements::rotate`].
    async fn rotate_under_locks(
        &self,
        statements: &Statements,
        replacement: Replacement<'_>,
    ) -> Result<bool, Failure> {
        let key = replacement.key;
        let Some(owner) = self.owner(statements, key).await? else {
            return Ok(false);
        };
        let locks = Locks::of(
            &key.partition_key,
            owner.session_id.as_ref(),
            owner.subject_id.as_ref(),
        );
        let replacement = Replacement {
            owner: Some(&owner),
            ..replacement
        };
        let transaction = self.begin(statements, locks).await?;
        let answer = match self
            .try_to_replace(&transaction, statements, replacement)
            .await
        {
            Err(failure) if failure.is_duplicate() => {
                self.displace_and_replace(&transaction, statements, replacement)
                    .await?
            }
            answer => answer?,
        };
        if answer {
            transaction.commit().await?;
        }
        Ok(answer)
    }

    async fn displace_and_replace<C: ConnectionTrait>(
        &self,
        db: &C,
        statements: &Statements,
        replacement: Replacement<'_>,
    ) -> Result<bool, Failure> {
        let Replacement {
            key, new, update, ..
        } = replacement;
        let new_key = UserSessionKey {
            partition_key: key.partition_key.clone(),
            user_key: new.unwrap_or(&key.user_key).clone(),
        };
        let changed = update.clone().into_session(new_key, 0);
        self.delete_expired_in_the_way(db, statements, &changed)
            .await?;
        match self.try_to_replace(db, statements, replacement).await {
            Err(failure) if failure.is_duplicate() => Err(Error::AlreadyExists.into()),
            answer => answer,
        }
    }

    /// The statement, and where it found nothing to change, the reason why.
    async fn try_to_replace<C: ConnectionTrait>(
        &self,
        db: &C,
        statements: &Statements,
        Replacement {
            key,
            new,
            update,
            owner,
        }: Replacement<'_>,
    ) -> Result<bool, Failure> {
        let dialect = statements.dialect;
        let now = dialect.time(self.now());
        let by_version = if new.is_some() {
            &statements.rotate
        } else {
            &statements.update
        };
        let mut values = Vec::with_capacity(13);
        values.extend(new.map(|new| dialect.text(new.as_str())));
        values.extend([
            dialect.optional_text(update.subject_id.as_ref()),
            dialect.optional_text(update.session_id.as_ref()),
            dialect.time(update.created),
            dialect.time(update.renewed),
            dialect.optional_time(update.expires),
            dialect.ticket(&update.ticket),
        ]);
        values.extend(key_values(statements, key));
        values.push(now.clone());
        if let Some(owner) = owner {
            values.push(dialect.optional_text(owner.subject_id.as_ref()));
            values.push(dialect.optional_text(owner.session_id.as_ref()));
        }
        let sql = match update.if_version {
            None => &by_version.any,
            Some(version) => {
                values.push(dialect.version(version));
                &by_version.given
            }
        };
        if execute(db, statements, sql, values).await? == 1 {
            return Ok(true);
        }
        if update.if_version.is_none() && owner.is_none() {
            return Ok(false);
        }
        let mut values = key_values(statements, key);
        values.push(now);
        match one_row(db, statements, &statements.version, values).await? {
            None => Ok(false),
            Some(row) => {
                let version = row::checked_version(row::column(&row, "version")?)?;
                if update
                    .if_version
                    .is_some_and(|expected| expected != version)
                {
                    Err(Error::VersionMismatch.into())
                } else {
                    Err(Failure::Overtaken)
                }
            }
        }
    }

    async fn owner(
        &self,
        statements: &Statements,
        key: &UserSessionKey,
    ) -> Result<Option<Owner>, Failure> {
        let mut values: Vec<Value> = key_values(statements, key);
        values.push(statements.dialect.time(self.now()));
        let Some(row) = one_row(&self.writes, statements, &statements.owner, values).await? else {
            return Ok(None);
        };
        let (subject_id, session_id): (Option<Text>, Option<Text>) = row::two_columns(&row)?;
        Ok(Some(Owner {
            subject_id: subject_id
                .map(|id| row::checked_key("subject_id", id))
                .transpose()?,
            session_id: session_id
                .map(|id| row::checked_key("session_id", id))
                .transpose()?,
        }))
    }
}
