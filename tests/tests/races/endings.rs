//! Removals that race each other: exactly one answers for each session.

use std::num::NonZeroU32;

use store_core::{
    PartitionKey, StartPolicy, UserSession, UserSessionStore, UserSessionStoreCleanup,
    UserSessionsFilter,
};
use store_tests::sessions::{of_alice, session, session_id, subject};
use store_tests::{TestDatabase, on_every_database};

use crate::nodes::{Node, Nodes, names, race, round};

const SESSIONS: usize = 12;
const ROUNDS: usize = 6;

/// Of 16 that end a subject's sessions, each session is handed to exactly one.
async fn each_session_is_handed_to_one(db: TestDatabase) {
    let nodes = Nodes::new(db).await;
    for _ in 0..ROUNDS {
        let (round, sessions) = alices_sessions(&nodes).await;
        let endings = (0..16).map(|task| {
            let (node, round) = (nodes.of_task(task), round.clone());
            async move { node.answered(node.end_user_sessions(&round, &of_alice()).await) }
        });
        let ended = race(endings).await.into_iter().flatten().flatten();
        let mut ended: Vec<_> = ended.collect();
        ended.sort_by(|one, other| one.key.cmp(&other.key));

        assert_eq!(ended, sessions);
        assert_eq!(nodes.rows(&round).await, []);
    }
    nodes.finish();
}

/// What 16 that delete a subject's sessions have counted adds up.
async fn counts_of_deletions_add_up(db: TestDatabase) {
    let nodes = Nodes::new(db).await;
    for _ in 0..ROUNDS {
        let (round, sessions) = alices_sessions(&nodes).await;
        let deletions = (0..16).map(|task| {
            let (node, round) = (nodes.of_task(task), round.clone());
            async move { node.answered(node.delete_user_sessions(&round, &of_alice()).await) }
        });
        let deleted: u64 = race(deletions).await.into_iter().flatten().sum();

        assert_eq!(deleted, sessions.len() as u64);
        assert_eq!(nodes.rows(&round).await, []);
    }
    nodes.finish();
}

/// Whichever way sessions are removed, each is answered for by exactly one.
async fn each_session_is_ended_by_one(db: TestDatabase) {
    let nodes = Nodes::new(db).await;
    for _ in 0..ROUNDS {
        let (round, sessions) = alices_sessions(&nodes).await;
        let mut removals = Vec::new();
        for (i, session) in sessions.iter().enumerate() {
            let (by_key, by_session_id, replacing) = (i, i + 1, i);
            removals.push(boxed(by_key_of(nodes.of_task(by_key), session.clone())));
            removals.push(boxed(by_session_id_of(
                nodes.of_task(by_session_id),
                session.clone(),
            )));
            removals.push(boxed(by_replacing(
                nodes.of_task(replacing),
                session.clone(),
            )));
        }
        for task in 0..4 {
            let (node, round) = (nodes.of_task(task), round.clone());
            removals.push(boxed(async move {
                node.answered(node.end_user_sessions(&round, &of_alice()).await)
                    .unwrap_or_default()
            }));
        }
        fastrand::shuffle(&mut removals);
        let ended = race(removals).await.concat();

        let olds: Vec<_> = ended.iter().filter(|session| is_alices(session)).collect();
        assert_eq!(names(olds), names(&sessions));
        let left = nodes.rows(&round).await;
        assert!(!left.iter().any(is_alices), "some are left: {left:?}");
    }
    nodes.finish();
}

/// Removal looks at rows: to a node whose clock is an hour fast the sessions have expired, and yet
/// it ends them, and so does its cleanup. Each is answered for by exactly one.
async fn a_fast_clock_ends_each_session_once(db: TestDatabase) {
    let nodes = Nodes::with_a_fast_one(db).await;
    for _ in 0..ROUNDS {
        let (round, sessions) = alices_sessions(&nodes).await;
        let mut removals = Vec::new();
        for task in 0..6 {
            let (node, round) = (nodes.of_task(task), round.clone());
            removals.push(boxed(async move {
                node.answered(node.end_user_sessions(&round, &of_alice()).await)
                    .unwrap_or_default()
            }));
            let node = nodes.second();
            removals.push(boxed(async move {
                let limit = NonZeroU32::new(3).unwrap();
                let ended = node.answered(node.end_expired_sessions(limit).await);
                ended.unwrap_or_default()
            }));
        }
        for (task, session) in sessions.iter().enumerate() {
            removals.push(boxed(by_key_of(nodes.of_task(task), session.clone())));
        }
        fastrand::shuffle(&mut removals);
        let ended = race(removals).await.concat();

        assert_eq!(names(&ended), names(&sessions));
        assert_eq!(nodes.rows(&round).await, []);
    }
    nodes.finish();
}

fn is_alices(session: &UserSession) -> bool {
    session.subject_id == Some(subject("alice"))
}

/// Puts sessions into a partition of their own.
async fn alices_sessions(nodes: &Nodes) -> (PartitionKey, Vec<UserSession>) {
    let round = round();
    let sessions = (0..SESSIONS).map(|i| {
        let session = session(nodes.clock(), &round, &format!("{i:02}"));
        session.with_session_id(session_id(&format!("sid {i}")))
    });
    let sessions: Vec<_> = sessions.collect();
    nodes.given(&sessions).await;
    (round, sessions)
}

/// Removals of different kinds, in one list.
type Removal = std::pin::Pin<Box<dyn Future<Output = Vec<UserSession>> + Send>>;

fn boxed(removal: impl Future<Output = Vec<UserSession>> + Send + 'static) -> Removal {
    Box::pin(removal)
}

async fn by_key_of(node: Node, session: UserSession) -> Vec<UserSession> {
    match node.answered(node.delete_user_session(&session.key).await) {
        Some(true) => vec![session],
        _ => Vec::new(),
    }
}

async fn by_session_id_of(node: Node, session: UserSession) -> Vec<UserSession> {
    let filter = UserSessionsFilter::for_session(session.session_id.clone().unwrap());
    let ended = node
        .end_user_sessions(&session.key.partition_key, &filter)
        .await;
    node.answered(ended).unwrap_or_default()
}

/// Bob logs in with Alice's session id.
async fn by_replacing(node: Node, session: UserSession) -> Vec<UserSession> {
    let mut new = session;
    new.subject_id = Some(subject("bob"));
    new.key.user_key = format!("bob's {}", new.key.user_key.as_str())
        .try_into()
        .unwrap();
    let ended = node.start_user_session(new, &StartPolicy::default()).await;
    node.answered(ended).unwrap_or_default()
}

on_every_database!(
    each_session_is_handed_to_one,
    counts_of_deletions_add_up,
    each_session_is_ended_by_one,
    a_fast_clock_ends_each_session_once,
);
