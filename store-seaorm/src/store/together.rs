//! What several operations ask for, in one statement.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use store_core::{UserSession, UserSessionKey, UserSessionUpdate};

use super::cleanup::cleanup_at;
use super::create::inserted;
use super::replace::updated;
use super::{Inner, key_values};
use crate::bind::Bind;
use crate::database::Connection;
use crate::dialect::Dialect;
use crate::failure::Failure;
use crate::retry::Attempt;
use crate::row::{self, Columns};
use crate::statements::{Sql, Statements};
use crate::together::{AT_ONCE, Companies, Company, Together, Waiting};

/// Operations of each kind that wait for company.
pub(super) struct AllWaiting {
    get: Waiting<Get>,
    create: Waiting<Create>,
    update: Waiting<Update>,
    renew: Waiting<Renew>,
}

impl AllWaiting {
    pub(super) fn new(companies: Companies) -> Self {
        Self {
            get: Waiting::new(companies),
            create: Waiting::new(companies),
            update: Waiting::new(companies),
            renew: Waiting::new(companies),
        }
    }
}

pub(super) struct Get(pub(super) UserSessionKey);

pub(super) struct Create(pub(super) UserSession);

pub(super) struct Update {
    pub(super) key: UserSessionKey,
    pub(super) update: UserSessionUpdate,
}

pub(super) struct Renew {
    pub(super) key: UserSessionKey,
    pub(super) renewed: DateTime<Utc>,
    pub(super) expires: Option<DateTime<Utc>>,
}

/// The kinds differ in what they give and in what each of their answers is.
macro_rules! together {
    ($kind:ident, $answer:ty, $what:expr, $waiting:ident, $run:ident, |$self:ident| $key:expr, $ticket_len:expr) => {
        impl Together for $kind {
            type Answer = $answer;

            const WHAT: Attempt = $what;

            const AT_ONCE_OF_MANY: usize = match $what {
                Attempt::ReadOne | Attempt::Read => AT_ONCE,
                // They would wait for each other's commit.
                Attempt::Write => 1,
            };

            fn waiting(inner: &Inner) -> &Waiting<Self> {
                &inner.waiting.$waiting
            }

            fn key(&$self) -> &UserSessionKey {
                $key
            }

            fn ticket_len(&$self) -> usize {
                $ticket_len
            }

            async fn run(
                inner: Arc<Inner>,
                company: Arc<Company<Self>>,
            ) -> Result<Vec<Option<$answer>>, Failure> {
                attempt!(inner, $what, company, |inner, db, company| inner
                    .$run(db, company))
                .await
            }
        }
    };
}

together!(
    Get,
    Option<UserSession>,
    Attempt::ReadOne,
    get,
    get_together,
    |self| &self.0,
    0
);
together!(
    Create,
    (),
    Attempt::Write,
    create,
    create_together,
    |self| &self.0.key,
    self.0.ticket.len()
);
together!(
    Update,
    bool,
    Attempt::Write,
    update,
    update_together,
    |self| &self.key,
    self.update.ticket.len()
);
together!(
    Renew,
    bool,
    Attempt::Write,
    renew,
    renew_together,
    |self| &self.key,
    0
);

impl Inner {
    async fn get_together(
        &self,
        db: &mut impl Connection,
        company: &Company<Get>,
    ) -> Result<Vec<Option<Option<UserSession>>>, Failure> {
        let statements = self.statements(db).await?;
        let Some(together) = &statements.together else {
            return Ok(Vec::new());
        };
        let mut values = Vec::with_capacity(2 * company.len());
        values.extend(company.iter().flat_map(|get| key_values(&get.0)));
        let (sql, values) = together.get.of(values, Some(Bind::time(self.now())));
        let mut rows = db.rows(sql, &values).await?;
        let mut sessions: Vec<_> = rows.iter_mut().map(row::session).collect();
        // One that cannot be a session is missing here: whoever asked for it is told by itself.
        let are_sessions = sessions.iter().all(Result::is_ok);
        let answers = company.iter().map(|get| {
            let found = sessions
                .iter_mut()
                .position(|session| matches!(session, Ok(session) if session.key == get.0));
            match found.map(|at| sessions.swap_remove(at)) {
                Some(Ok(session)) => Some(Some(session)),
                _ => are_sessions.then_some(None),
            }
        });
        Ok(answers.collect())
    }

    async fn create_together(
        &self,
        db: &mut impl Connection,
        company: &Company<Create>,
    ) -> Result<Vec<Option<()>>, Failure> {
        let statements = self.statements(db).await?;
        let Some(together) = &statements.together else {
            return Ok(Vec::new());
        };
        let now = self.now();
        let mut values = Vec::with_capacity(10 * company.len());
        for Create(session) in company.iter().map(AsRef::as_ref) {
            values.extend(inserted(session, now));
        }
        let (sql, values) = together.insert.of(values, None);
        all_or_none(db, sql, &values, company.len()).await
    }

    async fn update_together(
        &self,
        db: &mut impl Connection,
        company: &Company<Update>,
    ) -> Result<Vec<Option<bool>>, Failure> {
        let statements = self.statements(db).await?;
        let Some(together) = &statements.together else {
            return Ok(Vec::new());
        };
        let now = self.now();
        let mut values = Vec::with_capacity(10 * company.len());
        for Update { key, update } in company.iter().map(AsRef::as_ref) {
            values.extend(key_values(key));
            values.extend(updated(update, now));
            values.push(update.if_version.map_or(Bind::Integer(None), Bind::version));
        }
        let (sql, values) = together.update.of(values, Some(Bind::time(now)));
        let done = done_together(db, statements, sql, &values, company).await?;
        Ok(changed(done))
    }

    async fn renew_together(
        &self,
        db: &mut impl Connection,
        company: &Company<Renew>,
    ) -> Result<Vec<Option<bool>>, Failure> {
        let statements = self.statements(db).await?;
        let Some(together) = &statements.together else {
            return Ok(Vec::new());
        };
        let now = self.now();
        let mut values = Vec::with_capacity(5 * company.len());
        for renewal in company.iter() {
            values.extend(key_values(&renewal.key));
            values.extend([Bind::time(renewal.renewed), Bind::Time(renewal.expires)]);
            values.push(cleanup_at(renewal.expires, now));
        }
        let (sql, values) = together.renew.of(values, Some(Bind::time(now)));
        let done = done_together(db, statements, sql, &values, company).await?;
        Ok(changed(done))
    }
}

/// Which of them a statement has changed. PostgreSQL hands back the keys; where a database only
/// counts, all are changed, or none.
async fn done_together<O: Together>(
    db: &mut impl Connection,
    statements: &Statements,
    sql: &Sql,
    values: &[Bind<'_>],
    company: &Company<O>,
) -> Result<Vec<Option<()>>, Failure> {
    if statements.dialect != Dialect::Postgres {
        return all_or_none(db, sql, values, company.len()).await;
    }
    let mut rows = db.rows(sql, values).await?;
    let keys: Vec<_> = rows
        .iter_mut()
        .map(|row| Columns::of(row).key())
        .collect::<store_core::Result<_>>()?;
    let done = company
        .iter()
        .map(|one| keys.contains(one.key()).then_some(()));
    Ok(done.collect())
}

/// Where it is only known how many were done.
async fn all_or_none(
    db: &mut impl Connection,
    sql: &Sql,
    values: &[Bind<'_>],
    company: usize,
) -> Result<Vec<Option<()>>, Failure> {
    let done = db.execute(sql, values).await?;
    let all = done == company as u64;
    if !all && done > 0 {
        return Err(Failure::DoneInPart);
    }
    Ok(vec![all.then_some(()); company])
}

/// What is done has found its session.
fn changed(done: Vec<Option<()>>) -> Vec<Option<bool>> {
    done.into_iter().map(|done| done.map(|()| true)).collect()
}
