//! Many calls at once.

use futures::future::join_all;

use crate::{Error, Result};

/// How calls came off that were made at once.
#[derive(Debug)]
pub(super) struct Race<T> {
    /// What those that succeeded answered.
    pub(super) succeeded: Vec<T>,
    /// What the others were refused with, except for `Unavailable`.
    pub(super) refused: Vec<Error>,
    /// How many were `Unavailable`: each may have happened or not.
    unavailable: usize,
}

/// Makes the calls at the same time.
///
/// The contract allows contention to answer [`Error::Unavailable`], but rarer than once in 50.
pub(super) async fn race<T>(
    calls: impl IntoIterator<Item = impl Future<Output = Result<T>>>,
) -> Race<T> {
    let answers = join_all(calls).await;
    let calls = answers.len();
    let mut race = Race {
        succeeded: Vec::new(),
        refused: Vec::new(),
        unavailable: 0,
    };
    for answer in answers {
        match answer {
            Ok(answer) => race.succeeded.push(answer),
            Err(error) if error.is_transient() => race.unavailable += 1,
            Err(error) => race.refused.push(error),
        }
    }
    let unavailable = race.unavailable;
    assert!(
        unavailable <= (calls / 50).max(1),
        "{unavailable} of {calls} calls were unavailable, which should be rarer than 1 in 50"
    );
    race
}

impl<T> Race<T> {
    /// Checks that something happened so often, by the answers of those that succeeded. Only an
    /// `Unavailable` may have kept an answer back.
    pub(super) fn assert_told(&self, told: usize, happened: usize, what: &str) {
        let all_told = told == happened || (told < happened && self.unavailable > 0);
        let unavailable = self.unavailable;
        assert!(
            all_told,
            "{what}: told {told} times, not {happened} ({unavailable} unavailable)"
        );
    }

    /// Checks that each of the sessions that have ended was told exactly once, and no other.
    pub(super) fn assert_each_told_once(&self, mut told: Vec<&str>, mut ended: Vec<&str>) {
        told.sort_unstable();
        ended.sort_unstable();
        let all_told = told == ended;
        told.dedup();
        let some_told = self.unavailable > 0 && told.iter().all(|name| ended.contains(name));
        assert!(
            all_told || some_told,
            "told {told:?}, but {ended:?} have ended"
        );
    }

    /// Checks that exactly one call succeeded.
    pub(super) fn assert_one_succeeded(&self) {
        self.assert_told(self.succeeded.len(), 1, "the one call that succeeds");
    }

    /// Checks that no call was refused.
    pub(super) fn assert_none_refused(&self) {
        let refused = &self.refused;
        assert!(refused.is_empty(), "nothing refuses these: {refused:?}");
    }
}

/// Makes a call that only reads, and again if it is [`Error::Unavailable`], a few times.
pub(super) async fn patiently<T, F: Future<Output = Result<T>>>(call: impl Fn() -> F) -> Result<T> {
    const RETRIES: usize = 3;
    for _ in 0..RETRIES {
        match call().await {
            Err(error) if error.is_transient() => continue,
            answer => return answer,
        }
    }
    call().await
}
