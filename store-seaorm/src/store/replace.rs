//! Changing a session in place: update, rotation, renewal.

use chrono::{DateTime, Utc};
use store_core::{Error, SessionId, SubjectId, UserKey, UserSessionKey, UserSessionUpdate};

use super::cleanup::cleanup_at;
use super::{Inner, key_values};
use crate::bind::Bind;
use crate::database::Connection;
use crate::dialect::Dialect;
use crate::failure::Failure;
use crate::locks::{Lock, Locks};
use crate::row::Columns;
use crate::statements::{Sql, Statements};

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
        db: &mut impl Connection,
        key: &UserSessionKey,
        update: &UserSessionUpdate,
    ) -> Result<bool, Failure> {
        let statements = self.statements(db).await?;
        let replacement = Replacement {
            key,
            new: None,
            update,
            owner: None,
        };
        self.replace(db, statements, replacement).await
    }

    pub(super) async fn rotate(
        &self,
        db: &mut impl Connection,
        key: &UserSessionKey,
        new: &UserKey,
        update: &UserSessionUpdate,
    ) -> Result<bool, Failure> {
        let statements = self.statements(db).await?;
        let replacement = Replacement {
            key,
            new: Some(new),
            update,
            owner: None,
        };
        match statements.dialect {
            Dialect::Postgres | Dialect::Sqlite => self.replace(db, statements, replacement).await,
            Dialect::MySql | Dialect::MariaDb => {
                self.rotate_under_locks(db, statements, replacement).await
            }
        }
    }

    pub(super) async fn renew(
        &self,
        db: &mut impl Connection,
        key: &UserSessionKey,
        renewed: DateTime<Utc>,
        expires: Option<DateTime<Utc>>,
    ) -> Result<bool, Failure> {
        let statements = self.statements(db).await?;
        let [partition_key, user_key] = key_values(key);
        let now = self.now();
        let values = [
            Bind::time(renewed),
            Bind::Time(expires),
            cleanup_at(expires, now),
            partition_key,
            user_key,
            Bind::time(now),
        ];
        // What it does not find may have to be looked at earlier.
        let in_place = statements.renew_in_place.as_ref();
        first_that_finds(db, [in_place, Some(&statements.renew)], &values).await
    }

    /// One statement, or two on SQLite, unless another session has the new key or the session id.
    /// That one may have expired, and then one transaction removes it and makes the change.
    async fn replace(
        &self,
        db: &mut impl Connection,
        statements: &Statements,
        replacement: Replacement<'_>,
    ) -> Result<bool, Failure> {
        match self.try_to_replace(db, statements, replacement).await {
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
        db.begin(statements, locks).await?;
        let answer = self
            .displace_and_replace(db, statements, replacement)
            .await?;
        if answer {
            db.commit().await?;
        }
        Ok(answer)
    }

    /// The transaction that an operation by filter excludes; see [`Statements::rotate`].
    async fn rotate_under_locks(
        &self,
        db: &mut impl Connection,
        statements: &Statements,
        replacement: Replacement<'_>,
    ) -> Result<bool, Failure> {
        let key = replacement.key;
        let Some(owner) = self.owner(db, statements, key).await? else {
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
        db.begin(statements, locks).await?;
        let answer = match self.try_to_replace(db, statements, replacement).await {
            Err(failure) if failure.is_duplicate() => {
                self.displace_and_replace(db, statements, replacement)
                    .await?
            }
            answer => answer?,
        };
        if answer {
            db.commit().await?;
        }
        Ok(answer)
    }

    async fn displace_and_replace(
        &self,
        db: &mut impl Connection,
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

    /// The statements of which one makes the change, and where none found what to change, the reason
    /// why.
    async fn try_to_replace(
        &self,
        db: &mut impl Connection,
        statements: &Statements,
        Replacement {
            key,
            new,
            update,
            owner,
        }: Replacement<'_>,
    ) -> Result<bool, Failure> {
        let now = self.now();
        let by_version = if new.is_some() {
            &statements.rotate
        } else {
            &statements.update
        };
        let mut values = Vec::with_capacity(14);
        values.extend(new.map(|new| Bind::text(new.as_str())));
        values.extend(updated(update, now));
        let (now, [partition_key, user_key]) = (Bind::time(now), key_values(key));
        values.extend([partition_key, user_key, now]);
        if let Some(owner) = owner {
            values.push(Bind::optional_text(owner.subject_id.as_ref()));
            values.push(Bind::optional_text(owner.session_id.as_ref()));
        }
        values.extend(update.if_version.map(Bind::version));
        // What it does not find may have another subject, session id or time of creation, or have to
        // be looked at earlier.
        let in_place = statements.update_in_place.as_ref();
        let in_place = in_place.filter(|_| new.is_none());
        let by_version = [in_place, Some(by_version)].map(|by_version| {
            by_version.map(|by_version| match update.if_version {
                None => &by_version.any,
                Some(_) => &by_version.given,
            })
        });
        if first_that_finds(db, by_version, &values).await? {
            return Ok(true);
        }
        if update.if_version.is_none() && owner.is_none() {
            return Ok(false);
        }
        let values = [partition_key, user_key, now];
        match db.one_row(&statements.version, &values).await? {
            None => Ok(false),
            Some(mut row) => {
                let version = Columns::of(&mut row).version()?;
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
        db: &mut impl Connection,
        statements: &Statements,
        key: &UserSessionKey,
    ) -> Result<Option<Owner>, Failure> {
        let [partition_key, user_key] = key_values(key);
        let values = [partition_key, user_key, Bind::time(self.now())];
        let Some(mut row) = db.one_row(&statements.owner, &values).await? else {
            return Ok(None);
        };
        let mut columns = Columns::of(&mut row);
        Ok(Some(Owner {
            subject_id: columns.optional_key("subject_id")?,
            session_id: columns.optional_key("session_id")?,
        }))
    }
}

/// Whether one of the statements that there are has found the session and changed it.
async fn first_that_finds(
    db: &mut impl Connection,
    statements: [Option<&Sql>; 2],
    values: &[Bind<'_>],
) -> Result<bool, Failure> {
    for sql in statements.into_iter().flatten() {
        if db.execute(sql, values).await? == 1 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What replacing the six fields takes.
pub(super) fn updated(update: &UserSessionUpdate, now: DateTime<Utc>) -> [Bind<'_>; 7] {
    [
        Bind::optional_text(update.subject_id.as_ref()),
        Bind::optional_text(update.session_id.as_ref()),
        Bind::time(update.created),
        Bind::time(update.renewed),
        Bind::Time(update.expires),
        Bind::ticket(&update.ticket),
        cleanup_at(update.expires, now),
    ]
}
