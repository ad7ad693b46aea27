//! Listing and counting.

use sea_orm::Value;
use store_core::{Error, MAX_LIMIT, Page, PageRequest, PartitionKey, Result, SubjectId};

use super::{Inner, one_row, rows};
use crate::failure::Failure;
use crate::row;
use crate::statements::Statements;

impl Inner {
    pub(super) async fn list(
        &self,
        partition: &PartitionKey,
        page: &PageRequest,
    ) -> Result<Page, Failure> {
        let statements = self.statements().await?;
        let dialect = statements.dialect;
        let limit = page.limit.min(MAX_LIMIT).get();
        let mut values = self.live_in(statements, partition, page.subject.as_ref());
        if let Some(cursor) = &page.after {
            let created = dialect.time(cursor.created());
            let user_key = dialect.text(cursor.user_key().as_str());
            values.extend([created.clone(), created, user_key]);
        }
        values.push(i64::from(limit + 1).into());
        let sql = statements.list(page.subject.is_some(), page.after.is_some());
        let rows = rows(&self.reads, statements, sql, values).await?;
        let sessions = rows.iter().map(row::summary).collect::<Result<_>>()?;
        Ok(Page::from_one_more(sessions, limit as usize))
    }

    pub(super) async fn count(
        &self,
        partition: &PartitionKey,
        subject: Option<&SubjectId>,
    ) -> Result<u64, Failure> {
        let statements = self.statements().await?;
        let values = self.live_in(statements, partition, subject);
        let sql = statements.count(subject.is_some());
        let row = one_row(&self.reads, statements, sql, values).await?;
        let count: i64 = row
            .map(|row| row::column(&row, "count"))
            .transpose()?
            .unwrap_or_default();
        u64::try_from(count).map_err(|error| Error::backend(error).into())
    }

    fn live_in(
        &self,
        statements: &Statements,
        partition: &PartitionKey,
        subject: Option<&SubjectId>,
    ) -> Vec<Value> {
        let dialect = statements.dialect;
        let mut values = vec![dialect.text(partition.as_str()), dialect.time(self.now())];
        values.extend(subject.map(|subject| dialect.text(subject.as_str())));
        values
    }
}
