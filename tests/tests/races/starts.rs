//! Logins that race each other for a subject's places, a session id or a key.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use store_core::{
    Error, PartitionKey, StartPolicy, UserSession, UserSessionDirectory, UserSessionStore,
    UserSessionUpdate, UserSessionsFilter, WhenFull,
};
use store_tests::sessions::{session, session_id, subject};
use store_tests::{TestDatabase, on_every_database};

use crate::nodes::{Nodes, Outcome, names, race, round};

const LOGINS: usize = 64;
const CAP: usize = 3;

/// However many start at once, no more than the cap allows are live at any moment, and each that
/// made room is handed back to exactly one.
async fn a_cap_holds(db: TestDatabase) {
    let nodes = Nodes::new(db).await;
    for _ in 0..3 {
        let round = round();
        let sessions = sessions(&nodes, &round, LOGINS);
        let over = Arc::new(AtomicBool::new(false));
        let watchers = [0, 1].map(|task| {
            let (node, round, over) = (nodes.of_task(task), round.clone(), Arc::clone(&over));
            tokio::spawn(async move {
                let alice = subject("alice");
                let filter = UserSessionsFilter::for_subject(alice.clone());
                let mut looks = 0;
                while !over.load(SeqCst) {
                    let live = node.answered(node.get_user_sessions(&round, &filter).await);
                    let live = live.map_or(0, |live| live.len());
                    let count = node.count_user_sessions(&round, Some(&alice)).await;
                    let most = node.answered(count).unwrap_or(0).max(live as u64);
                    assert!(most <= CAP as u64, "{most} sessions were live at once");
                    looks += 1;
                }
                looks
            })
        });

        let policy = at_most(CAP, WhenFull::EndOldest);
        let ended = start_at_once(&nodes, &sessions, &policy).await;
        over.store(true, SeqCst);
        for watcher in watchers {
            assert!(watcher.await.unwrap() > 0, "a watcher never looked");
        }

        let left = nodes.rows(&round).await;
        assert_eq!(left.len(), CAP, "sessions that are left");
        assert_each_once(&sessions, &ended, &left);
    }
    nodes.finish();
}

/// Where a full subject is refused, exactly as many start as the cap allows; and one more for each
/// that ends.
async fn a_cap_that_rejects_holds(db: TestDatabase) {
    let nodes = Nodes::new(db).await;
    for _ in 0..3 {
        let round = round();
        let sessions = sessions(&nodes, &round, LOGINS);
        let (at_first, later) = sessions.split_at(LOGINS / 2);
        let policy = at_most(CAP, WhenFull::Reject);
        assert_eq!(succeed(&nodes, at_first, &policy).await, CAP);

        let left = nodes.rows(&round).await;
        assert_eq!(left.len(), CAP, "sessions that are left");
        for (session, later) in left.iter().zip(later.chunks(LOGINS / 2 / CAP)) {
            let deleted = nodes
                .first()
                .delete_user_session(&session.key)
                .await
                .unwrap();
            assert!(deleted, "the session was there");
            assert_eq!(succeed(&nodes, later, &policy).await, 1);
        }
        assert_eq!(
            nodes.rows(&round).await.len(),
            CAP,
            "sessions that are left"
        );
    }
    nodes.finish();
}

/// Of those that start with one session id one is left; each of the others was handed back to
/// exactly one.
async fn one_session_id_stays_with_one(db: TestDatabase) {
    let nodes = Nodes::new(db).await;
    for _ in 0..3 {
        let round = round();
        let sessions = sessions(&nodes, &round, LOGINS).into_iter();
        let same_id = sessions.map(|session| session.with_session_id(session_id("sid")));
        let sessions: Vec<_> = same_id.collect();

        let ended = start_at_once(&nodes, &sessions, &StartPolicy::default()).await;

        let left = nodes.rows(&round).await;
        assert_eq!(left.len(), 1, "sessions that are left");
        assert_each_once(&sessions, &ended, &left);
    }
    nodes.finish();
}

/// Of those that start with one key one succeeds, and the others are told that it exists.
async fn one_key_is_started_once(db: TestDatabase) {
    let nodes = Nodes::new(db).await;
    for _ in 0..3 {
        let round = round();
        let same_key = sessions(&nodes, &round, LOGINS).into_iter().map(|own| {
            let key = session(nodes.clock(), &round, "key").key;
            UserSession { key, ..own }
        });
        let starts = same_key.enumerate().map(|(task, session)| {
            let node = nodes.of_task(task);
            async move {
                let policy = StartPolicy::default();
                let answer = node.start_user_session(session.clone(), &policy).await;
                match node.outcome(answer) {
                    Outcome::Done(ended) => {
                        assert_eq!(ended, [], "nothing was in the way");
                        Some(session)
                    }
                    Outcome::Refused(Error::AlreadyExists) | Outcome::Unavailable => None,
                    Outcome::Refused(error) => panic!("refused with {error:?}"),
                }
            }
        });
        let started: Vec<_> = race(starts).await.into_iter().flatten().collect();

        assert_eq!(started.len(), 1, "starts that succeeded");
        assert_eq!(nodes.rows(&round).await, started);
    }
    nodes.finish();
}

/// Logins of several subjects exchange several session ids, under a cap: whichever way they meet,
/// they come to an end, and each session that ended was handed back to exactly one.
async fn session_ids_wander_between_subjects(db: TestDatabase) {
    let nodes = Nodes::new(db).await;
    for _ in 0..3 {
        let round = round();
        let sessions = sessions(&nodes, &round, LOGINS).into_iter().enumerate();
        let crossed = sessions.map(|(i, session)| UserSession {
            subject_id: Some(subject(&format!("subject {}", i % 5))),
            session_id: Some(session_id(&format!("sid {}", i % 7))),
            ..session
        });
        let sessions: Vec<_> = crossed.collect();

        let policy = at_most(2, WhenFull::EndOldest);
        let ended = start_at_once(&nodes, &sessions, &policy).await;

        let left = nodes.rows(&round).await;
        assert_each_once(&sessions, &ended, &left);
        for subject_id in left.iter().map(|session| &session.subject_id) {
            let same = left
                .iter()
                .filter(|session| session.subject_id == *subject_id);
            assert!(same.count() <= 2, "{left:?}");
        }
    }
    nodes.finish();
}

/// A start that replaces a session id is not refused because others take it meanwhile by creation
/// or by update: it comes before them, or replaces what they have made.
async fn others_that_take_the_session_id_are_replaced(db: TestDatabase) {
    let nodes = Nodes::new(db).await;
    for _ in 0..30 {
        let round = round();
        let sessions = sessions(&nodes, &round, 24).into_iter();
        let same_id = sessions.map(|session| session.with_session_id(session_id("sid")));
        let sessions: Vec<_> = same_id.collect();
        let updated: Vec<_> = sessions.iter().skip(2).step_by(3).collect();
        for session in &updated {
            let session = UserSession {
                session_id: None,
                ..(*session).clone()
            };
            nodes.given(&[session]).await;
        }

        let calls = sessions.iter().enumerate().map(|(task, session)| {
            let (node, session) = (nodes.of_task(task), session.clone());
            async move {
                match task % 3 {
                    0 => {
                        let policy = StartPolicy::default();
                        let ended = node.start_user_session(session, &policy).await;
                        node.answered(ended).unwrap_or_default()
                    }
                    1 => {
                        let _ = node.outcome(node.create_user_session(session).await);
                        Vec::new()
                    }
                    _ => {
                        let key = session.key.clone();
                        let update = UserSessionUpdate::from(session);
                        let _ = node.outcome(node.update_user_session(&key, update).await);
                        Vec::new()
                    }
                }
            }
        });
        let ended = race(calls).await.concat();

        let left = nodes.rows(&round).await;
        let same_id = left.iter().filter(|session| session.session_id.is_some());
        assert_eq!(same_id.count(), 1, "sessions with the session id: {left:?}");
        let mut told = names(&ended);
        let all = told.len();
        told.dedup();
        assert_eq!(told.len(), all, "some were handed back twice: {told:?}");
        for name in told {
            assert!(!names(&left).contains(&name), "{name} has not ended");
        }
    }
    nodes.finish();
}

/// Alice's sessions: each with a session id of its own, each created later than the one before.
fn sessions(nodes: &Nodes, round: &PartitionKey, count: usize) -> Vec<UserSession> {
    let sessions = (0..count).map(|i| {
        let session = session(nodes.clock(), round, &format!("{i:03}"));
        UserSession {
            session_id: Some(session_id(&format!("sid of {i}"))),
            created: session.created + Duration::from_secs(i as u64),
            ..session
        }
    });
    sessions.collect()
}

fn at_most(cap: usize, when_full: WhenFull) -> StartPolicy {
    StartPolicy {
        max_sessions_per_subject: NonZeroU32::new(cap.try_into().unwrap()),
        when_full,
        ..StartPolicy::default()
    }
}

/// Starts them all at once. All that they displaced, as they told it.
async fn start_at_once(
    nodes: &Nodes,
    sessions: &[UserSession],
    policy: &StartPolicy,
) -> Vec<UserSession> {
    let starts = sessions.iter().enumerate().map(|(task, session)| {
        let (node, session, policy) = (nodes.of_task(task), session.clone(), policy.clone());
        async move {
            let ended = node.answered(node.start_user_session(session, &policy).await);
            // Those that are unavailable have not started: they would be missed.
            ended.expect("a start among so few has its turn")
        }
    });
    race(starts).await.concat()
}

/// Starts them all at once. How many succeeded, when the others found their subject full.
async fn succeed(nodes: &Nodes, sessions: &[UserSession], policy: &StartPolicy) -> usize {
    let starts = sessions.iter().enumerate().map(|(task, session)| {
        let (node, session, policy) = (nodes.of_task(task), session.clone(), policy.clone());
        async move {
            match node.outcome(node.start_user_session(session, &policy).await) {
                Outcome::Done(ended) => {
                    assert_eq!(ended, [], "a start that rejects ends nothing");
                    true
                }
                Outcome::Refused(Error::SessionLimitReached) | Outcome::Unavailable => false,
                Outcome::Refused(error) => panic!("refused with {error:?}"),
            }
        }
    });
    race(starts)
        .await
        .into_iter()
        .filter(|&started| started)
        .count()
}

/// Checks that each session has ended, as it was told exactly once, or is left.
fn assert_each_once(sessions: &[UserSession], ended: &[UserSession], left: &[UserSession]) {
    let ended_or_left = names(ended.iter().chain(left));
    assert_eq!(
        ended_or_left,
        names(sessions),
        "sessions that have ended or are left"
    );
    for session in ended.iter().chain(left) {
        assert!(
            sessions.contains(session),
            "{session:?} is not what was started"
        );
    }
}

on_every_database!(
    a_cap_holds,
    a_cap_that_rejects_holds,
    one_session_id_stays_with_one,
    one_key_is_started_once,
    session_ids_wander_between_subjects,
    others_that_take_the_session_id_are_replaced,
);
