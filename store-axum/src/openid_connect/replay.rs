//! Which logout tokens this process has acted on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    tokens: HashMap<SeenToken, Token>,
    next_purge: DateTime<Utc>,
}

#[derive(Debug)]
struct Token {
    until: DateTime<Utc>,
    is_done: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct SeenToken([u8; 32]);

/// One that is being acted on. Unless that is [done](Self::done), it is forgotten when this is
/// dropped, so that the provider may send it again: also if whoever acted has panicked.
#[derive(Debug)]
pub(super) struct PendingToken {
    seen: Arc<SeenTokens>,
    token: SeenToken,
    is_done: bool,
}

impl PendingToken {
    /// What it asked for has been done.
    pub(super) fn done(mut self) {
        self.is_done = true;
        if let Some(token) = self.seen.lock().tokens.get_mut(&self.token) {
            token.is_done = true;
        }
    }
}

impl Drop for PendingToken {
    fn drop(&mut self) {
        if !self.is_done {
            self.seen.lock().tokens.remove(&self.token);
        }
    }
}

/// Why a token cannot be acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotNew {
    /// It is being acted on, and nobody knows yet whether that will do.
    Pending,
    /// It has been acted on.
    Done,
    /// No more can be remembered for now: to act on it would be to act on it again later.
    Full,
}

impl SeenTokens {
    const PURGE_EVERY: TimeDelta = TimeDelta::seconds(30);

    pub(super) fn new(capacity: usize) -> Self {
        Self {
            seen: Mutex::new(Seen {
                tokens: HashMap::new(),
                next_purge: DateTime::UNIX_EPOCH,
            }),
            capacity,
        }
    }

    /// Remembers a token, in one step: of those who race for it, one succeeds.
    pub(super) fn remember(
        self: &Arc<Self>,
        partition_key: &PartitionKey,
        id: &str,
        until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<PendingToken, NotNew> {
        let token = SeenToken::of(partition_key, id);
        let mut seen = self.lock();
        if seen.next_purge <= now || seen.tokens.len() >= self.capacity {
            seen.tokens.retain(|_, token| now < token.until);
            seen.next_purge = now + Self::PURGE_EVERY;
        }
        match seen.tokens.get(&token) {
            Some(Token { is_done: true, .. }) => return Err(NotNew::Done),
            Some(_) => return Err(NotNew::Pending),
            None => {}
        }
        if seen.tokens.len() >= self.capacity {
            return Err(NotNew::Full);
        }
        let is_done = false;
        seen.tokens.insert(token, Token { until, is_done });
        Ok(PendingToken {
            seen: Arc::clone(self),
            token,
            is_done,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn seen_tokens(capacity: usize) -> Arc<SeenTokens> {
        Arc::new(SeenTokens::new(capacity))
    }

    #[test]
    fn a_token_is_new_once_in_each_partition() {
        let seen = seen_tokens(10);
        let remember = |name: &str, now| {
            let token = seen.remember(&partition(name), "one", at(60), now);
            token.map(PendingToken::done)
        };
        assert_eq!(remember("", at(0)), Ok(()));
        assert_eq!(remember("", at(59)), Err(NotNew::Done));
        assert_eq!(remember("shop", at(0)), Ok(()));
    }

    #[test]
    fn while_it_is_acted_on_a_token_is_neither_new_nor_done() {
        let seen = seen_tokens(10);
        let remember = || seen.remember(&partition(""), "one", at(60), at(0));
        let not_new = || remember().map(|_| ()).expect_err("it is not new");
        let token = remember().expect("it is new");
        assert_eq!(not_new(), NotNew::Pending);
        // Nothing came of it.
        drop(token);
        let token = remember().expect("it is new again");
        token.done();
        assert_eq!(not_new(), NotNew::Done);
    }

    #[test]
    fn who_panics_has_not_acted() {
        let seen = seen_tokens(10);
        let token = seen.remember(&partition(""), "one", at(60), at(0));
        let panic = std::thread::spawn(move || {
            let _token = token.expect("it is new");
            panic!("on purpose");
        });
        assert!(panic.join().is_err());
        assert!(seen.remember(&partition(""), "one", at(60), at(0)).is_ok());
    }

    #[test]
    fn names_are_not_run_together() {
        let seen = seen_tokens(10);
        let one = seen.remember(&partition("a"), "bc", at(60), at(0));
        assert!(one.is_ok());
        assert!(seen.remember(&partition("ab"), "c", at(60), at(0)).is_ok());
    }

    #[test]
    fn what_is_full_is_full_until_time_has_passed() {
        let seen = seen_tokens(2);
        let remember = |id: &str, now| {
            let token = seen.remember(&partition(""), id, now + TimeDelta::minutes(1), now);
            token.map(PendingToken::done)
        };
        assert_eq!(remember("one", at(0)), Ok(()));
        assert_eq!(remember("two", at(1)), Ok(()));
        assert_eq!(remember("three", at(59)), Err(NotNew::Full));
        assert_eq!(remember("two", at(59)), Err(NotNew::Done));
        assert_eq!(remember("three", at(60)), Ok(()));
        assert_eq!(remember("two", at(60)), Err(NotNew::Done));
    }

    #[test]
    fn of_many_who_race_one_succeeds() {
        let seen = seen_tokens(10);
        let succeeded = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let token = seen.remember(&partition(""), "one", at(60), at(0));
                        token.map(PendingToken::done).is_ok()
                    })
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
