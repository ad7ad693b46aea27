//! Rotations: a session that changes its key is missed by nobody who ends it, and seen by all who
//! look for it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use store_core::{
    Error, PartitionKey, Result, StartPolicy, UserKey, UserSession, UserSessionDirectory,
    UserSessionStore, UserSessionUpdate, UserSessionsFilter,
};
use store_tests::sessions::{manual_clock, of_alice, session, session_id, subject, user_key};
use store_tests::{TestDatabase, on_every_database};

use crate::nodes::{Node, Nodes, Outcome, dither, names, race, round};

/// How a session is ended while its key changes. It answers for how many sessions it has ended, and
/// for which, if it tells.
type End = fn(Node, PartitionKey) -> Ending;
type Ending = std::pin::Pin<Box<dyn Future<Output = (u64, Vec<UserSession>)> + Send>>;

const CHAINS: usize = 24;

/// A logout everywhere ends all of a subject's sessions, whatever their keys are by then.
async fn a_logout_everywhere_ends_chains(db: TestDatabase) {
    ends_chains(db, |node, round| {
        Box::pin(async move {
            let alices = of_alice();
            let ended = until_answered(|| node.end_user_sessions(&round, &alices)).await;
            (ended.len() as u64, ended)
        })
    })
    .await;
}

/// So does a deletion by filter.
async fn a_deletion_by_subject_ends_chains(db: TestDatabase) {
    ends_chains(db, |node, round| {
        Box::pin(async move {
            let alices = of_alice();
            let deleted = until_answered(|| node.delete_user_sessions(&round, &alices)).await;
            (deleted, Vec::new())
        })
    })
    .await;
}

/// And logouts of each session at the identity provider.
async fn logouts_by_session_id_end_chains(db: TestDatabase) {
    ends_chains(db, |node, round| {
        Box::pin(async move {
            let mut ended = Vec::new();
            for chain in 0..CHAINS {
                let filter = UserSessionsFilter::for_session(sid_of(chain));
                ended.extend(until_answered(|| node.end_user_sessions(&round, &filter)).await);
            }
            (ended.len() as u64, ended)
        })
    })
    .await;
}

/// And logins that replace them.
async fn starts_end_chains_that_they_replace(db: TestDatabase) {
    ends_chains(db, |node, round| {
        Box::pin(async move {
            let policy = StartPolicy::default();
            let mut ended = Vec::new();
            for chain in 0..CHAINS {
                let new = session(&*manual_clock(), &round, &random_key());
                let new = UserSession {
                    subject_id: Some(subject("bob")),
                    ..new.with_session_id(sid_of(chain))
                };
                let start = || node.start_user_session(new.clone(), &policy);
                ended.extend(until_answered(start).await);
            }
            // Those who end them replace each other, too.
            ended.retain(|session| session.subject_id == Some(subject("alice")));
            (ended.len() as u64, ended)
        })
    })
    .await;
}

/// Each of a subject's sessions changes its key as fast as it can; then they are ended, by two nodes
/// at once. What is ended is each session under the last key that it was given, once; and no
/// rotation succeeds that was called afterwards.
async fn ends_chains(db: TestDatabase, end: End) {
    let nodes = Nodes::new(db).await;
    for _ in 0..5 {
        let round = round();
        let sessions: Vec<_> = (0..CHAINS)
            .map(|chain| {
                session(nodes.clock(), &round, &random_key()).with_session_id(sid_of(chain))
            })
            .collect();
        nodes.given(&sessions).await;

        let ended_all = Arc::new(AtomicBool::new(false));
        let chains = sessions.iter().enumerate().map(|(task, session)| {
            let chain = Chain {
                node: nodes.of_task(task),
                session: session.clone(),
                ended_all: Arc::clone(&ended_all),
            };
            tokio::spawn(chain.run())
        });
        let chains: Vec<_> = chains.collect();
        let endings = (0..2).map(|task| {
            let (node, round, ended_all) =
                (nodes.of_task(task), round.clone(), Arc::clone(&ended_all));
            async move {
                dither(Duration::from_millis(60)).await;
                let told = end(node, round).await;
                ended_all.store(true, SeqCst);
                told
            }
        });
        let (counts, ended): (Vec<u64>, Vec<_>) = race(endings).await.into_iter().unzip();
        let ended = ended.concat();

        let mut last = Vec::new();
        for chain in chains {
            last.push(chain.await.unwrap());
        }
        let left = nodes.rows(&round).await;
        let missed = left
            .iter()
            .filter(|session| session.subject_id == Some(subject("alice")));
        assert_eq!(names(missed), [""; 0], "sessions that were missed");
        assert_eq!(
            counts.iter().sum::<u64>(),
            CHAINS as u64,
            "sessions that were ended"
        );
        if !ended.is_empty() {
            assert_eq!(
                names(&ended),
                names(&last),
                "sessions as they were when they ended"
            );
        }
        for session in &ended {
            assert!(
                last.contains(session),
                "{session:?} was not like that at last"
            );
        }
    }
    nodes.finish();
}

/// A session that changes its key again and again, until somebody ends it.
struct Chain {
    node: Node,
    session: UserSession,
    ended_all: Arc<AtomicBool>,
}

impl Chain {
    /// What the session was at last.
    async fn run(mut self) -> UserSession {
        loop {
            let new = user_key(&random_key());
            let ended_all = self.ended_all.load(SeqCst);
            if !self.rotates(&new).await {
                return self.session;
            }
            assert!(
                !ended_all,
                "a rotation succeeded after the end of all sessions"
            );
        }
    }

    async fn rotates(&mut self, new: &UserKey) -> bool {
        let Self { node, session, .. } = self;
        let update = UserSessionUpdate::from(session.clone());
        let answer = node.rotate_user_key(&session.key, new, update).await;
        let rotated = match node.outcome(answer) {
            Outcome::Done(rotated) => rotated,
            // Nothing has happened: the chain goes on from the same key.
            Outcome::Unavailable => return true,
            Outcome::Refused(error) => panic!("nothing is in the way of a random key: {error:?}"),
        };
        if rotated {
            session.key.user_key = new.clone();
            session.version += 1;
        }
        rotated
    }
}

/// Logins under a cap end the oldest sessions, whatever their keys are by then: the cap holds.
async fn a_cap_holds_over_chains(db: TestDatabase) {
    const CAP: usize = 4;

    let nodes = Nodes::new(db).await;
    for _ in 0..10 {
        let round = round();
        let old = (0..CAP).map(|_| session(nodes.clock(), &round, &random_key()));
        let old: Vec<_> = old.collect();
        nodes.given(&old).await;
        let chains = old.into_iter().enumerate().map(|(task, session)| {
            let chain = Chain {
                node: nodes.of_task(task),
                session,
                ended_all: Arc::new(AtomicBool::new(false)),
            };
            tokio::spawn(chain.run())
        });
        let chains: Vec<_> = chains.collect();

        let starts = (0..CAP).map(|task| {
            let node = nodes.of_task(task);
            let mut new = session(nodes.clock(), &round, &format!("new {task}"));
            new.created += Duration::from_secs(60);
            let policy = StartPolicy {
                max_sessions_per_subject: NonZeroU32::new(CAP as u32),
                ..StartPolicy::default()
            };
            async move {
                dither(Duration::from_millis(20)).await;
                until_answered(|| node.start_user_session(new.clone(), &policy)).await
            }
        });
        let ended = race(starts).await.concat();
        let left = nodes.rows(&round).await;
        assert_eq!(names(&left), ["new 0", "new 1", "new 2", "new 3"]);
        let mut last = Vec::new();
        for chain in chains {
            last.push(chain.await.unwrap());
        }
        assert_eq!(
            names(&ended),
            names(&last),
            "sessions as they were when they ended"
        );
    }
    nodes.finish();
}

/// Whoever looks for a subject's sessions while their keys change finds each of them, once.
async fn readers_miss_none(db: TestDatabase) {
    const SESSIONS: usize = 8;

    let nodes = Nodes::new(db).await;
    let round = round();
    let sessions = (0..SESSIONS)
        .map(|chain| session(nodes.clock(), &round, &random_key()).with_session_id(sid_of(chain)));
    let sessions: Vec<_> = sessions.collect();
    nodes.given(&sessions).await;

    let over = Arc::new(AtomicBool::new(false));
    let chains = sessions.iter().enumerate().map(|(task, session)| {
        let over = Arc::clone(&over);
        let mut chain = Chain {
            node: nodes.of_task(task),
            session: session.clone(),
            ended_all: Arc::new(AtomicBool::new(false)),
        };
        tokio::spawn(async move {
            while !over.load(SeqCst) {
                assert!(
                    chain.rotates(&user_key(&random_key())).await,
                    "nobody ends it"
                );
            }
            chain.session
        })
    });
    let chains: Vec<_> = chains.collect();
    let mut sids: Vec<_> = (0..SESSIONS).map(sid_of).map(Some).collect();
    sids.sort();
    let readers = (0..2).map(|task| {
        let (node, round, sids) = (nodes.of_task(task), round.clone(), sids.clone());
        async move {
            for _ in 0..40 {
                let live = node.answered(node.get_user_sessions(&round, &of_alice()).await);
                if let Some(live) = live {
                    let mut found: Vec<_> =
                        live.into_iter().map(|session| session.session_id).collect();
                    found.sort();
                    assert_eq!(found, sids);
                }
                let count = node
                    .count_user_sessions(&round, Some(&subject("alice")))
                    .await;
                if let Some(count) = node.answered(count) {
                    assert_eq!(count, SESSIONS as u64);
                }
            }
        }
    });
    race(readers).await;
    over.store(true, SeqCst);
    let mut last = Vec::new();
    for chain in chains {
        last.push(chain.await.unwrap());
    }
    last.sort_by(|one, other| one.key.cmp(&other.key));
    assert_eq!(nodes.rows(&round).await, last);
    nodes.finish();
}

/// Of 16 that give one session a new key, one succeeds, and the others find it gone.
async fn a_session_is_rotated_once(db: TestDatabase) {
    let nodes = Nodes::new(db).await;
    for _ in 0..6 {
        let round = round();
        let old = session(nodes.clock(), &round, "old").with_session_id(session_id("sid"));
        nodes.given([&old]).await;
        let rotations = (0..16).map(|task| {
            let (node, old, new) = (nodes.of_task(task), old.clone(), user_key(&random_key()));
            async move {
                let update = UserSessionUpdate::from(old.clone());
                let rotated = node.answered(node.rotate_user_key(&old.key, &new, update).await);
                rotated.unwrap_or_default().then_some(new)
            }
        });
        let taken: Vec<_> = race(rotations).await.into_iter().flatten().collect();
        assert_eq!(taken.len(), 1, "rotations that succeeded");
        let rows = nodes.rows(&round).await;
        let keys: Vec<_> = rows
            .iter()
            .map(|session| session.key.user_key.clone())
            .collect();
        assert_eq!(keys, taken);
        assert_eq!(rows[0].version, 1);
    }
    nodes.finish();
}

/// Of 16 sessions that are given one key, where an expired row has it, one succeeds; the others are
/// told that it exists, and stay what they were.
async fn a_key_is_taken_once(db: TestDatabase) {
    let nodes = Nodes::new(db).await;
    for _ in 0..6 {
        let round = round();
        let sessions = (0..16).map(|i| session(nodes.clock(), &round, &format!("old {i:02}")));
        let sessions: Vec<_> = sessions.collect();
        nodes.given(&sessions).await;
        let mut in_the_way = session(nodes.clock(), &round, "new");
        in_the_way.expires = Some(in_the_way.created);
        nodes.given(&[in_the_way]).await;

        let rotations = sessions.iter().enumerate().map(|(task, session)| {
            let (node, session) = (nodes.of_task(task), session.clone());
            async move {
                let update = UserSessionUpdate::from(session.clone());
                let answer = node
                    .rotate_user_key(&session.key, &user_key("new"), update)
                    .await;
                match node.outcome(answer) {
                    Outcome::Done(rotated) => rotated,
                    Outcome::Refused(Error::AlreadyExists) | Outcome::Unavailable => false,
                    Outcome::Refused(error) => panic!("refused with {error:?}"),
                }
            }
        });
        let rotated = race(rotations).await;
        assert_eq!(rotated.iter().filter(|&&rotated| rotated).count(), 1);

        let stayed = sessions
            .iter()
            .zip(&rotated)
            .filter(|(_, rotated)| !**rotated);
        let mut expected: Vec<_> = stayed.map(|(session, _)| session.clone()).collect();
        let (taker, _) = sessions
            .iter()
            .zip(&rotated)
            .find(|(_, rotated)| **rotated)
            .unwrap();
        let mut taker = UserSession {
            version: 1,
            ..taker.clone()
        };
        taker.key.user_key = user_key("new");
        expected.push(taker);
        expected.sort_by(|one, other| one.key.cmp(&other.key));
        assert_eq!(nodes.rows(&round).await, expected);
    }
    nodes.finish();
}

/// Makes a call again while it is unavailable: nothing has happened then.
async fn until_answered<T, F: Future<Output = Result<T>>>(call: impl Fn() -> F) -> T {
    for _ in 0..20 {
        match call().await {
            Err(error) if error.is_transient() => {}
            answer => return answer.unwrap(),
        }
    }
    panic!("unavailable time and again");
}

fn random_key() -> String {
    format!("{:016x}", fastrand::u64(..))
}

fn sid_of(chain: usize) -> store_core::SessionId {
    session_id(&format!("sid {chain:02}"))
}

on_every_database!(
    a_logout_everywhere_ends_chains,
    a_deletion_by_subject_ends_chains,
    logouts_by_session_id_end_chains,
    starts_end_chains_that_they_replace,
    a_cap_holds_over_chains,
    readers_miss_none,
    a_session_is_rotated_once,
    a_key_is_taken_once,
);
