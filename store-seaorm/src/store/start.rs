//! Beginning a session.

use chrono::{DateTime, Utc};
use store_core::{Error, StartPolicy, SubjectId, UserSession, UserSessionsFilter, WhenFull};

use super::create::{InTheWay, insert};
use super::end::end;
use super::{Inner, filter_values, key_values};
use crate::bind::Bind;
use crate::database::Connection;
use crate::failure::Failure;
use crate::locks::Locks;
use crate::row::Row as _;
use crate::statements::Statements;

impl Inner {
    /// One transaction, under the locks of the session id and the subject: whoever starts or ends
    /// sessions of either waits.
    pub(super) async fn start(
        &self,
        db: &mut impl Connection,
        session: &UserSession,
        policy: &StartPolicy,
    ) -> Result<Vec<UserSession>, Failure> {
        let statements = self.statements(db).await?;
        let partition = &session.key.partition_key;
        let locks = Locks::of(
            partition,
            session.session_id.as_ref(),
            session.subject_id.as_ref(),
        );
        db.begin(statements, locks).await?;
        let mut ended = Vec::new();

        if let (true, Some(id)) = (policy.replace_same_session_id, &session.session_id) {
            let same = UserSessionsFilter::for_session(id.clone());
            let values = filter_values(partition, &same);
            let sql = statements.end_matching.of(&same);
            ended.extend(end(db, statements, sql, &values).await?);
        }
        if let Some(subject) = &session.subject_id {
            ended.extend(
                self.make_room(db, statements, session, subject, policy)
                    .await?,
            );
        }
        if !insert(db, statements, session, self.now()).await? {
            ended.extend(self.end_expired_in_the_way(db, statements, session).await?);
            if !insert(db, statements, session, self.now()).await? {
                let replaces = policy.replace_same_session_id && session.session_id.is_some();
                let key_is_free = !is_live(db, statements, session, self.now()).await?;
                return Err(match replaces && key_is_free {
                    // Creations and updates lock nothing, and one took the session id meanwhile:
                    // the next attempt ends what it made.
                    true => Failure::Overtaken,
                    false => Error::AlreadyExists.into(),
                });
            }
        }
        db.commit().await?;
        ended.sort_by(UserSession::by_age);
        Ok(ended)
    }

    /// Ends as many of the subject's sessions as the policy's cap asks for.
    async fn make_room(
        &self,
        db: &mut impl Connection,
        statements: &Statements,
        session: &UserSession,
        subject: &SubjectId,
        policy: &StartPolicy,
    ) -> Result<Vec<UserSession>, Failure> {
        let Some(cap) = policy.max_sessions_per_subject else {
            return Ok(Vec::new());
        };
        let partition = &session.key.partition_key;
        let of_subject = UserSessionsFilter::for_subject(subject.clone());
        let mut values = filter_values(partition, &of_subject);
        values.push(Bind::time(self.now()));
        let mut others = db.rows(&statements.live_of_subject, &values).await?;
        let excess = (others.len() + 1).saturating_sub(cap.get() as usize);
        if excess > 0 && policy.when_full == WhenFull::Reject {
            return Err(Error::SessionLimitReached.into());
        }
        let mut ended = Vec::with_capacity(excess);
        for oldest in others.iter_mut().take(excess) {
            // As it is stored: a row that is no session must make room as well.
            let key = oldest.stored_key(0).map_err(Error::backend)?;
            let values = [Bind::text(partition.as_str()), Bind::Stored(&key)];
            ended.extend(end(db, statements, &statements.end_key, &values).await?);
        }
        Ok(ended)
    }

    /// Ends the expired sessions that have the session's key or its session id.
    async fn end_expired_in_the_way(
        &self,
        db: &mut impl Connection,
        statements: &Statements,
        session: &UserSession,
    ) -> Result<Vec<UserSession>, Failure> {
        let InTheWay {
            with_key,
            with_session_id,
        } = self.in_the_way_of(session);
        let mut ended = end(db, statements, &statements.end_expired_with_key, &with_key).await?;
        if let Some(with_session_id) = with_session_id {
            let sql = &statements.end_expired_with_session_id;
            ended.extend(end(db, statements, sql, &with_session_id).await?);
        }
        Ok(ended)
    }
}

/// Whether a live session has the session's key.
async fn is_live(
    db: &mut impl Connection,
    statements: &Statements,
    session: &UserSession,
    now: DateTime<Utc>,
) -> Result<bool, Failure> {
    let [partition_key, user_key] = key_values(&session.key);
    let values = [partition_key, user_key, Bind::time(now)];
    Ok(db.one_row(&statements.version, &values).await?.is_some())
}
