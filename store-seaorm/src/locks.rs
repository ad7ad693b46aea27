//! What the operations that belong together lock: a session id, a subject, a user key.

use std::hash::Hasher as _;

use fnv::FnvHasher;
use store_core::{PartitionKey, SessionId, SubjectId, UserKey};

use crate::names::TableNames;

/// How many rows the table of locks has on MySQL and MariaDB. The migration made them.
pub(crate) const STRIPES: u64 = 512;

/// The name of something to be locked, as a number: the same in every process and every build, so
/// that nodes which run different versions still exclude each other. Two names may share a number;
/// then they wait for each other without need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lock(u64);

impl Lock {
    pub(crate) fn session_id(table: &TableNames, in_: &PartitionKey, id: &SessionId) -> Self {
        Self::new(table, b's', in_, id.as_str())
    }

    pub(crate) fn subject(table: &TableNames, in_: &PartitionKey, id: &SubjectId) -> Self {
        Self::new(table, b'u', in_, id.as_str())
    }

    pub(crate) fn user_key(table: &TableNames, in_: &PartitionKey, key: &UserKey) -> Self {
        Self::new(table, b'k', in_, key.as_str())
    }

    /// FNV-1a, over strings that none of them can contain the separator of.
    fn new(table: &TableNames, kind: u8, partition: &PartitionKey, value: &str) -> Self {
        let mut hasher = FnvHasher::default();
        let schema = table.schema().unwrap_or_default();
        for part in [
            "store-seaorm",
            schema,
            table.table(),
            partition.as_str(),
            value,
        ] {
            hasher.write(part.as_bytes());
            hasher.write(&[0]);
        }
        hasher.write(&[kind]);
        Self(hasher.finish())
    }

    /// For PostgreSQL's advisory locks.
    pub(crate) fn as_i64(self) -> i64 {
        self.0.cast_signed()
    }

    /// For the table of locks. FNV's upper bits are mixed best.
    pub(crate) fn stripe(self) -> i64 {
        ((self.0 >> 32) % STRIPES).cast_signed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nodes of different builds lock against each other, so the numbers must never change.
    #[test]
    fn numbers_are_fixed_for_ever() {
        let table = TableNames::new(None, "user_sessions".to_owned()).unwrap();
        let partition = PartitionKey::default();
        let subject = Lock::subject(&table, &partition, &SubjectId::try_from("alice").unwrap());
        let session_id =
            Lock::session_id(&table, &partition, &SessionId::try_from("alice").unwrap());
        assert_ne!(subject, session_id);
        assert_eq!(subject, Lock(SUBJECT));
    }

    const SUBJECT: u64 = 0;
}
