//! Finding sessions.

use store_core::{PartitionKey, Result, UserSession, UserSessionKey, UserSessionsFilter};

use super::{Inner, filter_values, key_values, one_row, rows};
use crate::failure::Failure;
use crate::row;

impl Inner {
    pub(super) async fn get(&self, key: &UserSessionKey) -> Result<Option<UserSession>, Failure> {
        let statements = self.statements().await?;
        let mut values = key_values(statements, key);
        values.push(statements.dialect.time(self.now()));
        let row = one_row(&self.reads, statements, &statements.get, values).await?;
        Ok(row
            .map(|row| row::session_with_key(&row, key))
            .transpose()?)
    }

    pub(super) async fn query(
        &self,
        partition: &PartitionKey,
        filter: &UserSessionsFilter,
    ) -> Result<Vec<UserSession>, Failure> {
        let statements = self.statements().await?;
        let mut values = filter_values(statements, partition, filter);
        values.push(statements.dialect.time(self.now()));
        let rows = rows(&self.reads, statements, statements.query.of(filter), values).await?;
        Ok(rows.iter().map(row::session).collect::<Result<_>>()?)
    }
}
