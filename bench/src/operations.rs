//! What is measured.
//!
//! A new operation is a variant of [`Operation`], what it needs in [`Operation::work`], a [`Step`]
//! if there is none for it yet; from there the compiler asks each contender.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::samples::{SESSIONS_PER_SUBJECT, Sample, Samples};

/// A kind of work, done many times in a round.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Operation {
    /// Finds a session by its key.
    Get,
    /// Keeps a new session.
    Create,
    /// A login: a new session that replaces the one of the same session id.
    Start,
    /// Replaces what a session is, its ticket too.
    Update,
    /// Moves a session's end.
    Renew,
    /// Removes a session by its key.
    Delete,
    /// Finds a subject's sessions.
    Query,
    /// Removes a subject's sessions.
    DeleteMatching,
    /// Removes all that has expired; counted by the session.
    Cleanup,
    /// Four of five find a session, one updates it.
    Mix,
}

/// What is asked of a contender.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    Get,
    Create,
    Start,
    Update,
    Renew,
    Delete,
    Query,
    DeleteMatching,
    Cleanup,
}

/// What a contender says it has done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    /// So many sessions were found, with so many bytes of tickets.
    Found { sessions: u64, bytes: usize },
    /// So many sessions were changed or removed.
    Changed(u64),
    /// Nothing: the table is looked at instead.
    Silent,
}

/// The work of one round, the same for every contender.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) operation: Operation,
    pub(crate) tasks: usize,
    pub(crate) steps: Vec<(Step, Sample)>,
    /// By how many the round's time is divided.
    pub(crate) count: usize,
    /// Rows that must be there before, beside those that always are.
    pub(crate) before: Vec<Sample>,
    /// Rows that always are there, as they must be after, each once.
    pub(crate) changed: Vec<Sample>,
    /// Rows that must be there after, and are removed then.
    pub(crate) after: Vec<Sample>,
    /// Rows that must no longer be there.
    pub(crate) gone: Vec<Sample>,
    ticket_len: usize,
}

impl Operation {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Create => "create",
            Self::Start => "start",
            Self::Update => "update",
            Self::Renew => "renew",
            Self::Delete => "delete",
            Self::Query => "query",
            Self::DeleteMatching => "delete-matching",
            Self::Cleanup => "cleanup",
            Self::Mix => "mix",
        }
    }

    /// Whether each waits for the disk.
    pub(crate) fn writes(self) -> bool {
        !matches!(self, Self::Get | Self::Query)
    }

    /// The steps it is made of.
    pub(crate) fn steps(self) -> &'static [Step] {
        match self {
            Self::Get => &[Step::Get],
            Self::Create => &[Step::Create],
            Self::Start => &[Step::Start],
            Self::Update => &[Step::Update],
            Self::Renew => &[Step::Renew],
            Self::Delete => &[Step::Delete],
            Self::Query => &[Step::Query],
            Self::DeleteMatching => &[Step::DeleteMatching],
            Self::Cleanup => &[Step::Cleanup],
            Self::Mix => &[Step::Get, Step::Update],
        }
    }

    /// The work of a round, on a table with `rows` sessions. `round` tells rounds apart.
    pub(crate) fn work(
        self,
        samples: &Samples,
        rows: u64,
        round: u64,
        tasks: usize,
        count: usize,
    ) -> Work {
        let mut random = fastrand::Rng::with_seed(round);
        let mut work = Work {
            operation: self,
            tasks: if self == Self::Cleanup { 1 } else { tasks },
            steps: Vec::with_capacity(count),
            count,
            before: Vec::new(),
            changed: Vec::new(),
            after: Vec::new(),
            gone: Vec::new(),
            ticket_len: samples.ticket_len,
        };
        // Whole subjects, and none that the round before has used.
        let subjects = count as u64;
        let new = rows.next_multiple_of(SESSIONS_PER_SUBJECT)
            + round * 2 * subjects * SESSIONS_PER_SUBJECT;
        let others = new + subjects * SESSIONS_PER_SUBJECT;
        for at in 0..count as u64 {
            match self {
                Self::Get => {
                    let live = samples.live(random.u64(..rows));
                    work.steps.push((Step::Get, live));
                }
                Self::Query => {
                    // The last subject may have fewer.
                    let whole = rows - rows % SESSIONS_PER_SUBJECT;
                    let live = samples.live(random.u64(..whole));
                    work.steps.push((Step::Query, live));
                }
                Self::Create => {
                    let live = samples.live(new + at);
                    work.after.push(live.clone());
                    work.steps.push((Step::Create, live));
                }
                Self::Start => {
                    let old = samples.live(new + at);
                    let live = samples.live(others + at).in_place_of(&old);
                    work.before.push(old.clone());
                    work.gone.push(old);
                    work.after.push(live.clone());
                    work.steps.push((Step::Start, live));
                }
                Self::Update | Self::Mix if self == Self::Update || at % 5 == 4 => {
                    let changed = samples.changed(random.u64(..rows), round);
                    work.steps.push((Step::Update, changed));
                }
                Self::Update | Self::Mix => {
                    let live = samples.live(random.u64(..rows));
                    work.steps.push((Step::Get, live));
                }
                Self::Renew => {
                    let changed = samples.changed(random.u64(..rows), round);
                    work.steps.push((Step::Renew, changed));
                }
                Self::Delete => {
                    let live = samples.live(new + at);
                    work.before.push(live.clone());
                    work.gone.push(live.clone());
                    work.steps.push((Step::Delete, live));
                }
                Self::DeleteMatching => {
                    let first = new + at * SESSIONS_PER_SUBJECT;
                    for number in first..first + SESSIONS_PER_SUBJECT {
                        work.before.push(samples.live(number));
                        work.gone.push(samples.live(number));
                    }
                    work.steps.push((Step::DeleteMatching, samples.live(first)));
                }
                Self::Cleanup => {
                    let expired = samples.expired(new + at);
                    work.before.push(expired.clone());
                    work.gone.push(expired.clone());
                    if at == 0 {
                        work.steps.push((Step::Cleanup, expired));
                    }
                }
            }
        }
        let changes = work.steps.iter();
        let mut changed: Vec<_> = changes
            .filter(|(step, _)| matches!(step, Step::Update | Step::Renew))
            .map(|(_, sample)| sample.clone())
            .collect();
        changed.sort_by_key(|sample| sample.number);
        changed.dedup_by_key(|sample| sample.number);
        work.changed = changed;
        work
    }
}

impl Work {
    /// What a contender that says anything must say.
    pub(crate) fn expected(&self, step: Step) -> Answer {
        let found = |sessions: u64| Answer::Found {
            sessions,
            bytes: sessions as usize * self.ticket_len,
        };
        match step {
            Step::Get => found(1),
            Step::Query => found(SESSIONS_PER_SUBJECT),
            // Of a start, what it has replaced.
            Step::Create | Step::Start | Step::Update | Step::Renew | Step::Delete => {
                Answer::Changed(1)
            }
            Step::DeleteMatching => Answer::Changed(SESSIONS_PER_SUBJECT),
            Step::Cleanup => Answer::Changed(self.count as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const ROWS: u64 = 1000;

    #[test]
    fn rounds_never_meet_in_a_key() {
        let samples = Samples::new(16);
        for &operation in Operation::value_variants() {
            let mut keys = HashSet::new();
            for round in 0..3 {
                let work = operation.work(&samples, ROWS, round, 4, 10);
                let mut of_round: HashSet<_> = work
                    .before
                    .iter()
                    .chain(&work.after)
                    .map(|new| &new.number)
                    .collect();
                assert!(of_round.iter().all(|&&number| number >= ROWS));
                assert!(of_round.drain().all(|&number| keys.insert(number)));
            }
        }
    }

    #[test]
    fn a_fifth_of_the_mix_are_updates() {
        let work = Operation::Mix.work(&Samples::new(16), ROWS, 0, 4, 100);
        let updates = work.steps.iter().filter(|(step, _)| *step == Step::Update);
        assert_eq!((updates.count(), work.steps.len()), (20, 100));
    }
}
