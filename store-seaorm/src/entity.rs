//! The session table as a SeaORM entity: for a host's own queries, joins and reports.
//!
//! It stands for the table under its default name, in the connection's default schema. The store
//! itself does not go through it.
//!
//! Keys and times are stored differently on each database, and the columns' types know how:
//! [`Text`] and [`Timestamp`]. A time to compare with is made for the database at hand:
//!
//! ```no_run
//! use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, PaginatorTrait, QueryFilter};
//! use store_seaorm::entity::{self, Timestamp};
//!
//! # async fn example(db: &DatabaseConnection, yesterday: chrono::DateTime<chrono::Utc>)
//! # -> Result<(), sea_orm::DbErr> {
//! let since = Timestamp::new(yesterday, db.get_database_backend());
//! let logins = entity::Entity::find()
//!     .filter(entity::Column::Created.gte(since))
//!     .count(db)
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! Read with it as you like; change sessions through the store, which alone keeps the contract.

mod text;
mod timestamp;

use std::fmt;

use sea_orm::entity::prelude::*;
use store_core::{Error, UserSession, UserSessionKey};

use crate::row::{checked_key, checked_time, checked_version};

pub use text::Text;
pub use timestamp::Timestamp;

/// A row of the session table.
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "user_sessions")]
pub struct Model {
    /// Which application or front end.
    #[sea_orm(primary_key, auto_increment = false)]
    pub partition_key: Text,
    /// Which session there.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_key: Text,
    /// Whom it belongs to.
    pub subject_id: Option<Text>,
    /// The session at the identity provider.
    pub session_id: Option<Text>,
    /// When it began.
    pub created: Timestamp,
    /// When it was last renewed.
    pub renewed: Timestamp,
    /// From when on it is over.
    pub expires: Option<Timestamp>,
    /// How often it was changed.
    pub version: i64,
    /// The host's own payload.
    pub ticket: Vec<u8>,
}

/// The table stands alone; a host relates its own tables to it.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Neither the user key nor the ticket.
impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("partition_key", &self.partition_key)
            .field("subject_id", &self.subject_id)
            .field("session_id", &self.session_id)
            .field("created", &self.created)
            .field("renewed", &self.renewed)
            .field("expires", &self.expires)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl TryFrom<Model> for UserSession {
    type Error = Error;

    /// # Errors
    /// [`Error::Corrupt`] if a column holds what no session can have.
    fn try_from(row: Model) -> Result<Self, Error> {
        Ok(Self {
            key: UserSessionKey {
                partition_key: checked_key("partition_key", row.partition_key)?,
                user_key: checked_key("user_key", row.user_key)?,
            },
            subject_id: row
                .subject_id
                .map(|id| checked_key("subject_id", id))
                .transpose()?,
            session_id: row
                .session_id
                .map(|id| checked_key("session_id", id))
                .transpose()?,
            created: checked_time("created", row.created)?,
            renewed: checked_time("renewed", row.renewed)?,
            expires: row
                .expires
                .map(|at| checked_time("expires", at))
                .transpose()?,
            version: checked_version(row.version)?,
            ticket: row.ticket.into(),
        })
    }
}
