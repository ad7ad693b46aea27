//! Which logout tokens this process has acted on.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};
use store_core::PartitionKey;

/// The `jti` of every logout token that this process has acted on, until the token is refused for
/// its age.
///
/// Only the provider's signature gets anything in here, and each entry takes the same few bytes.
#[derive(Debug)]
pub(super) struct SeenTokens {
    seen: Mutex<Seen>,
    capacity: usize,
}

#[derive(Debug)]
struct Seen {
    until: HashMap<SeenToken, DateTime<Utc>>,
    next_purge: DateTime<Utc>,
}

/// One that is to be forgotten if what it asked for could not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct SeenToken([u8; 32]);

/// Why a token cannot be acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotNew {
    /// It has been, or is being acted on.
    Seen,
    /// No more can be remembered for now: to act on it would be to act on it again later.
    Full,
}

impl SeenTokens {
    const PURGE_EVERY: TimeDelta = TimeDelta::seconds(30);

    pub(super) fn new(capacity: usize) -> Self {
        Self {
            seen: Mutex::new(Seen {
                until: HashMap::new(),
                next_purge: DateTime::UNIX_EPOCH,
            }),
            capacity,
        }
    }

    /// Remembers a token, in one step: of those who race for it, one succeeds.
    pub(super) fn remember(
        &self,
        partition_key: &PartitionKey,
        id: &str,
        until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<SeenToken, NotNew> {
        let token = SeenToken::of(partition_key, id);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.next_purge <= now || seen.until.len() >= self.capacity {
            seen.until.retain(|_, until| now < *until);
            seen.next_purge = now + Self::PURGE_EVERY;
        }
        if seen.until.contains_key(&token) {
            return Err(NotNew::Seen);
        }
        if seen.until.len() >= self.capacity {
            return Err(NotNew::Full);
        }
        seen.until.insert(token, until);
        Ok(token)
    }

    /// Forgets a token, so that the provider may send it again.
    pub(super) fn forget(&self, token: SeenToken) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.until.remove(&token);
    }
}

impl SeenToken {
    fn of(partition_key: &PartitionKey, id: &str) -> Self {
        // No partition key contains a NUL.
        let digest = Sha256::new()
            .chain_update(partition_key.as_str())
            .chain_update([0])
            .chain_update(id)
            .finalize();
        Self(digest.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + seconds, 0).expect("a time")
    }

    fn partition(name: &str) -> PartitionKey {
        name.parse().expect("a partition")
    }

    #[test]
    fn a_token_is_new_once_in_each_partition_until_it_is_forgotten() {
        let seen = SeenTokens::new(10);
        let remember = |name: &str, now| seen.remember(&partition(name), "one", at(60), now);
        let token = remember("", at(0)).expect("it is new");
        assert_eq!(remember("", at(59)), Err(NotNew::Seen));
        assert!(remember("shop", at(0)).is_ok());
        seen.forget(token);
        assert!(remember("", at(0)).is_ok());
    }

    #[test]
    fn names_are_not_run_together() {
        let seen = SeenTokens::new(10);
        assert!(seen.remember(&partition("a"), "bc", at(60), at(0)).is_ok());
        assert!(seen.remember(&partition("ab"), "c", at(60), at(0)).is_ok());
    }

    #[test]
    fn what_is_full_is_full_until_time_has_passed() {
        let seen = SeenTokens::new(2);
        let remember =
            |id: &str, now| seen.remember(&partition(""), id, now + TimeDelta::minutes(1), now);
        assert!(remember("one", at(0)).is_ok());
        assert!(remember("two", at(1)).is_ok());
        assert_eq!(remember("three", at(59)), Err(NotNew::Full));
        assert_eq!(remember("two", at(59)), Err(NotNew::Seen));
        assert!(remember("three", at(60)).is_ok());
        assert_eq!(remember("two", at(60)), Err(NotNew::Seen));
    }

    #[test]
    fn of_many_who_race_one_succeeds() {
        let seen = SeenTokens::new(10);
        let succeeded = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| seen.remember(&partition(""), "one", at(60), at(0)).is_ok())
                })
                .collect();
            racers
                .into_iter()
                .map(|racer| racer.join().expect("it does not panic"))
                .filter(|succeeded| *succeeded)
                .count()
        });
        assert_eq!(succeeded, 1);
    }
}
