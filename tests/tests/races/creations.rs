//! Creations of the same thing: one succeeds, and the others are told that it exists.

use store_core::{Clock, Error, PartitionKey, UserSession, UserSessionStore};
use store_tests::sessions::{session, session_id};
use store_tests::{TestDatabase, on_every_database};

use crate::nodes::{Nodes, Outcome, race, round};

const CALLERS: usize = 64;
const ROUNDS: usize = 5;

/// All create sessions with one key.
async fn of_one_key(db: TestDatabase) {
    let nodes = Nodes::new(db).await;
    for _ in 0..ROUNDS {
        let sessions = with_one_key(&nodes, &round());
        one_succeeds(&nodes, sessions).await;
    }
    nodes.finish();
}

/// All create sessions with one session id.
async fn of_one_session_id(db: TestDatabase) {
    let nodes = Nodes::new(db).await;
    for _ in 0..ROUNDS {
        let sessions = with_one_session_id(&nodes, &round());
        one_succeeds(&nodes, sessions).await;
    }
    nodes.finish();
}

/// An expired row has the key.
async fn of_the_key_of_an_expired_row(db: TestDatabase) {
    let nodes = Nodes::new(db).await;
    for _ in 0..ROUNDS {
        let round = round();
        nodes.given(&[expired(&nodes, &round, "key")]).await;
        one_succeeds(&nodes, with_one_key(&nodes, &round)).await;
    }
    nodes.finish();
}

/// An expired row has the session id.
async fn of_the_session_id_of_an_expired_row(db: TestDatabase) {
    let nodes = Nodes::new(db).await;
    for _ in 0..ROUNDS {
        let round = round();
        let old = expired(&nodes, &round, "old").with_session_id(session_id("sid"));
        nodes.given(&[old]).await;
        one_succeeds(&nodes, with_one_session_id(&nodes, &round)).await;
    }
    nodes.finish();
}

/// One expired row has the key, another has the session id.
async fn of_the_key_and_the_session_id_of_expired_rows(db: TestDatabase) {
    let nodes = Nodes::new(db).await;
    for _ in 0..ROUNDS {
        let round = round();
        let old = expired(&nodes, &round, "old").with_session_id(session_id("sid"));
        nodes.given(&[expired(&nodes, &round, "key"), old]).await;
        let sessions = with_one_key(&nodes, &round).into_iter();
        let sessions = sessions.map(|session| session.with_session_id(session_id("sid")));
        one_succeeds(&nodes, sessions.collect()).await;
    }
    nodes.finish();
}

fn expired(nodes: &Nodes, round: &PartitionKey, name: &str) -> UserSession {
    session(nodes.clock(), round, name).with_expires(nodes.clock().now())
}

/// Sessions with a key in common, told apart by their tickets.
fn with_one_key(nodes: &Nodes, round: &PartitionKey) -> Vec<UserSession> {
    let sessions = (0..CALLERS).map(|caller| UserSession {
        ticket: format!("of caller {caller}").into_bytes().into(),
        ..session(nodes.clock(), round, "key").with_session_id(session_id(&format!("{caller}")))
    });
    sessions.collect()
}

fn with_one_session_id(nodes: &Nodes, round: &PartitionKey) -> Vec<UserSession> {
    let sessions = (0..CALLERS).map(|caller| {
        let session = session(nodes.clock(), round, &format!("{caller}"));
        session.with_session_id(session_id("sid"))
    });
    sessions.collect()
}

async fn one_succeeds(nodes: &Nodes, sessions: Vec<UserSession>) {
    let creations = sessions.iter().enumerate().map(|(caller, session)| {
        let (node, session) = (nodes.of_task(caller), session.clone());
        async move {
            match node.outcome(node.create_user_session(session.clone()).await) {
                Outcome::Done(()) => Some(session),
                Outcome::Refused(Error::AlreadyExists) | Outcome::Unavailable => None,
                Outcome::Refused(error) => panic!("not what creations are refused with: {error:?}"),
            }
        }
    });
    let created: Vec<_> = race(creations).await.into_iter().flatten().collect();

    assert_eq!(created.len(), 1, "creations that succeeded");
    let rows = nodes.rows(&sessions[0].key.partition_key).await;
    assert_eq!(rows, created, "what is there, and what was created");
}

on_every_database!(
    of_one_key,
    of_one_session_id,
    of_the_key_of_an_expired_row,
    of_the_session_id_of_an_expired_row,
    of_the_key_and_the_session_id_of_expired_rows,
);
