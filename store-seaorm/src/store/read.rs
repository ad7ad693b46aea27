//! Finding sessions.

use store_core::{PartitionKey, Result, UserSession, UserSessionKey, UserSessionsFilter};

use super::{Inner, filter_values, key_values};
use crate::bind::Bind;
use crate::database::Connection;
use crate::failure::Failure;
use crate::row;

impl Inner {
    pub(super) async fn get(
        &self,
        db: &mut impl Connection,
        key: &UserSessionKey,
    ) -> Result<Option<UserSession>, Failure> {
        let statements = self.statements(db).await?;
        let [partition_key, user_key] = key_values(key);
        let values = [partition_key, user_key, Bind::time(self.now())];
        match db.one_row(&statements.get, &values).await? {
            Some(mut row) => Ok(Some(row::session_with_key(&mut row, key)?)),
            None => Ok(None),
        }
    }

    pub(super) async fn query(
        &self,
        db: &mut impl Connection,
        partition: &PartitionKey,
        filter: &UserSessionsFilter,
    ) -> Result<Vec<UserSession>, Failure> {
        let statements = self.statements(db).await?;
        let mut values = filter_values(partition, filter);
        values.push(Bind::time(self.now()));
        let mut rows = db.rows(statements.query.of(filter), &values).await?;
        Ok(rows.iter_mut().map(row::session).collect::<Result<_>>()?)
    }
}
