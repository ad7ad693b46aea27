//! Listing and counting.

use store_core::{Error, MAX_LIMIT, Page, PageRequest, PartitionKey, Result, SubjectId};

use super::Inner;
use crate::bind::Bind;
use crate::database::Connection;
use crate::failure::Failure;
use crate::row::{self, Columns};

impl Inner {
    pub(super) async fn list(
        &self,
        db: &mut impl Connection,
        partition: &PartitionKey,
        page: &PageRequest,
    ) -> Result<Page, Failure> {
        let statements = self.statements(db).await?;
        let limit = page.limit.min(MAX_LIMIT).get();
        let mut values = self.live_in(partition, page.subject.as_ref());
        if let Some(cursor) = &page.after {
            let created = Bind::time(cursor.created());
            let user_key = Bind::text(cursor.user_key().as_str());
            values.extend([created, created, user_key]);
        }
        values.push(Bind::integer(limit + 1));
        let sql = statements.list(page.subject.is_some(), page.after.is_some());
        let mut rows = db.rows(sql, &values).await?;
        let sessions = rows.iter_mut().map(row::summary).collect::<Result<_>>()?;
        Ok(Page::from_one_more(sessions, limit as usize))
    }

    pub(super) async fn count(
        &self,
        db: &mut impl Connection,
        partition: &PartitionKey,
        subject: Option<&SubjectId>,
    ) -> Result<u64, Failure> {
        let statements = self.statements(db).await?;
        let values = self.live_in(partition, subject);
        let row = db
            .one_row(statements.count(subject.is_some()), &values)
            .await?;
        let count = match row {
            Some(mut row) => Columns::of(&mut row).integer("count")?,
            None => 0,
        };
        u64::try_from(count).map_err(|error| Error::backend(error).into())
    }

    fn live_in<'a>(
        &self,
        partition: &'a PartitionKey,
        subject: Option<&'a SubjectId>,
    ) -> Vec<Bind<'a>> {
        let mut values = vec![Bind::text(partition.as_str()), Bind::time(self.now())];
        values.extend(subject.map(|subject| Bind::text(subject.as_str())));
        values
    }
}
