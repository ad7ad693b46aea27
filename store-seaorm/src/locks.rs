//! What the operations that belong together lock: a session id, a subject, a user key.

use std::hash::Hasher as _;

use fnv::FnvHasher;
use store_core::{Error, PartitionKey, SessionId, SubjectId, UserKey};

use crate::dialect::Dialect;
use crate::failure::Failure;

/// How many rows the table of locks has on MySQL and MariaDB. The migration made them.
pub(crate) const STRIPES: u64 = 512;

/// The name of something to be locked, as a number: the same in every process and every build, so
/// that nodes which run different versions still exclude each other. Two names may share a number;
/// then they wait for each other without need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lock(u64);

impl Lock {
    pub(crate) fn session_id(partition: &PartitionKey, id: &SessionId) -> Self {
        Self::new("session id", partition, id.as_str())
    }

    pub(crate) fn subject(partition: &PartitionKey, id: &SubjectId) -> Self {
        Self::new("subject", partition, id.as_str())
    }

    pub(crate) fn user_key(partition: &PartitionKey, key: &UserKey) -> Self {
        Self::new("user key", partition, key.as_str())
    }

    /// FNV-1a of strings, each ended by what none of them contains.
    fn new(kind: &str, partition: &PartitionKey, value: &str) -> Self {
        let mut hasher = FnvHasher::default();
        for part in [kind, partition.as_str(), value] {
            hasher.write(part.as_bytes());
            hasher.write(&[0]);
        }
        Self(hasher.finish())
    }

    /// For PostgreSQL's advisory locks, which one database has for all of its tables: the statement
    /// adds the table's own number.
    pub(crate) fn as_i64(self) -> i64 {
        self.0.cast_signed()
    }

    /// For the table of locks. FNV mixes its upper bits best.
    pub(crate) fn stripe(self) -> i64 {
        ((self.0 >> 32) % STRIPES).cast_signed()
    }
}

/// At most two things to lock: a session id first, then a subject or a user key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Locks(pub(crate) Option<Lock>, pub(crate) Option<Lock>);

impl Locks {
    pub(crate) const NONE: Self = Self(None, None);

    /// What starts and the operations by filter lock.
    pub(crate) fn of(
        partition: &PartitionKey,
        session_id: Option<&SessionId>,
        subject_id: Option<&SubjectId>,
    ) -> Self {
        Self(
            session_id.map(|id| Lock::session_id(partition, id)),
            subject_id.map(|id| Lock::subject(partition, id)),
        )
    }

    /// What the locking statement takes. `None` where the beginning of the transaction locks
    /// everything, or nothing is to be locked.
    pub(crate) fn values(self, dialect: Dialect) -> Option<[i64; 2]> {
        let first = self.0.or(self.1)?;
        let both = [first, self.1.unwrap_or(first)];
        match dialect {
            Dialect::Sqlite => None,
            Dialect::Postgres => Some(both.map(Lock::as_i64)),
            Dialect::MySql | Dialect::MariaDb => Some(both.map(Lock::stripe)),
        }
    }

    /// Whether the locking statement found what it had to lock: without its row a stripe locks
    /// nothing.
    pub(crate) fn check(self, dialect: Dialect, changed: u64) -> Result<(), Failure> {
        match (dialect, self.values(dialect)) {
            (Dialect::MySql | Dialect::MariaDb, Some([first, second]))
                if changed != if first == second { 1 } else { 2 } =>
            {
                Err(Error::NotMigrated.into())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_fixed_for_ever() {
        let partition = PartitionKey::try_from("app").unwrap();
        let subject = Lock::subject(&partition, &SubjectId::try_from("alice").unwrap());
        let session_id = Lock::session_id(&partition, &SessionId::try_from("alice").unwrap());
        let user_key = Lock::user_key(&partition, &UserKey::try_from("alice").unwrap());
        assert_eq!(
            [subject, session_id, user_key].map(Lock::as_i64),
            [SUBJECT, SESSION_ID, USER_KEY]
        );
        assert_eq!(subject.stripe(), STRIPE);
    }

    const SUBJECT: i64 = 6_129_501_616_911_570_804;
    const SESSION_ID: i64 = -1_561_031_707_250_067_775;
    const USER_KEY: i64 = 3_653_672_456_516_578_042;
    const STRIPE: i64 = 318;
}
