//! Cleanups on several nodes, while sessions are renewed and ended.

use std::num::NonZeroU32;
use std::time::Duration;

use chrono::TimeDelta;
use sea_orm::{ConnectionTrait, TransactionTrait};
use store_core::{Clock, PartitionKey, UserSession, UserSessionStore, UserSessionStoreCleanup};
use store_tests::sessions::{LIFETIME, session};
use store_tests::{TestDatabase, on_databases, on_every_database};

use crate::nodes::{AHEAD, Nodes, dither, names, race, round};

/// More than a batch.
const EXPIRED: usize = 1_500;
const RENEWED: usize = 60;

/// What two cleanups count adds up, and sessions that are renewed meanwhile stay.
async fn two_count_what_they_remove(db: TestDatabase) {
    counts_add_up(db, 2).await;
}

/// So do four.
async fn four_count_what_they_remove(db: TestDatabase) {
    counts_add_up(db, 4).await;
}

/// The cleanups run on a node whose clock is fast: to it all sessions have expired, also those that
/// the other node's users renew. A renewal comes before the cleanup, and its session stays, or
/// after, and finds none.
async fn counts_add_up(db: TestDatabase, cleanups: usize) {
    let nodes = Nodes::with_a_fast_one(db).await;
    let round = round();
    given_expired(&nodes, &round).await;
    let renewed = given_live(&nodes, &round).await;

    let cleanups = (0..cleanups).map(|_| {
        let node = nodes.second();
        tokio::spawn(async move {
            dither(Duration::from_millis(10)).await;
            node.answered(node.delete_expired_sessions().await)
                .unwrap_or(0)
        })
    });
    let cleanups: Vec<_> = cleanups.collect();
    let renewals = renew_all(&nodes, &renewed);
    let was_there = race(renewals).await;
    let mut removed = 0;
    for cleanup in cleanups {
        removed += cleanup.await.unwrap();
    }

    let left = nodes.rows(&round).await;
    let stay = renewed
        .iter()
        .zip(&was_there)
        .filter(|(_, was_there)| **was_there);
    assert_eq!(names(&left), names(stay.map(|(session, _)| session)));
    assert_eq!(
        removed as usize + left.len(),
        EXPIRED + RENEWED,
        "removed and left"
    );
    nodes.finish();
}

/// Of several that end what has expired, batch by batch until there is no more, each session is
/// handed to exactly one; those that were renewed meanwhile stay.
async fn each_expired_session_is_handed_to_one(db: TestDatabase) {
    let nodes = Nodes::with_a_fast_one(db).await;
    let round = round();
    given_expired(&nodes, &round).await;
    let renewed = given_live(&nodes, &round).await;
    let all: Vec<_> = nodes.rows(&round).await;

    let cleanups = (0..4).map(|_| {
        let node = nodes.second();
        tokio::spawn(async move {
            let limit = NonZeroU32::new(100).unwrap();
            let mut ended = Vec::new();
            loop {
                let Some(batch) = node.answered(node.end_expired_sessions(limit).await) else {
                    continue;
                };
                assert!(batch.len() <= 100, "a batch of {}", batch.len());
                if batch.is_empty() {
                    return ended;
                }
                ended.extend(batch);
            }
        })
    });
    let cleanups: Vec<_> = cleanups.collect();
    let was_there = race(renew_all(&nodes, &renewed)).await;
    let mut ended = Vec::new();
    for cleanup in cleanups {
        ended.extend(cleanup.await.unwrap());
    }

    let left = nodes.rows(&round).await;
    let stay = renewed
        .iter()
        .zip(&was_there)
        .filter(|(_, was_there)| **was_there);
    assert_eq!(names(&left), names(stay.map(|(session, _)| session)));
    assert_eq!(
        names(ended.iter().chain(&left)),
        names(&all),
        "ended and left"
    );
    for session in &ended {
        assert!(all.contains(session), "{session:?} was not what was there");
    }
    nodes.finish();
}

/// Expired sessions that a cleanup removes while others end them or log in over them are counted
/// once.
async fn cleanups_share_with_those_who_end(db: TestDatabase) {
    let nodes = Nodes::new(db).await;
    let round = round();
    let expires = Some(nodes.clock().now());
    let sessions = (0..60).map(|i| UserSession {
        expires,
        ..session(nodes.clock(), &round, &format!("{i:02}"))
    });
    let sessions: Vec<_> = sessions.collect();
    nodes.given(&sessions).await;

    let deletions = sessions.iter().enumerate().map(|(task, session)| {
        let (node, key) = (nodes.of_task(task), session.key.clone());
        tokio::spawn(async move {
            dither(Duration::from_millis(30)).await;
            u64::from(node.answered(node.delete_user_session(&key).await) == Some(true))
        })
    });
    let deletions: Vec<_> = deletions.collect();
    let cleanups = (0..4).map(|task| {
        let node = nodes.of_task(task);
        async move {
            dither(Duration::from_millis(30)).await;
            if task < 2 {
                node.answered(node.delete_expired_sessions().await)
                    .unwrap_or(0)
            } else {
                let limit = NonZeroU32::new(20).unwrap();
                let ended = node.answered(node.end_expired_sessions(limit).await);
                ended.map_or(0, |ended| ended.len() as u64)
            }
        }
    });
    let mut removed: u64 = race(cleanups).await.into_iter().sum();
    for deletion in deletions {
        removed += deletion.await.unwrap();
    }
    assert_eq!(removed, sessions.len() as u64);
    assert_eq!(nodes.rows(&round).await, []);
    nodes.finish();
}

/// What somebody holds when a cleanup of several batches comes by is removed all the same, although it
/// was the first to be due: the cleanup comes back for it.
async fn what_is_held_is_removed_in_the_end(db: TestDatabase) {
    let nodes = Nodes::new(db).await;
    let round = round();
    let now = nodes.clock().now();
    let sessions = (0..EXPIRED).map(|i| UserSession {
        expires: Some(now - TimeDelta::microseconds((EXPIRED - i) as i64)),
        ..session(nodes.clock(), &round, &format!("{i:04}"))
    });
    nodes.given(&sessions.collect::<Vec<_>>()).await;

    let holder = nodes.first().connection().begin().await.unwrap();
    let held = holder
        .execute_unprepared("SELECT version FROM user_sessions WHERE user_key = '0000' FOR UPDATE");
    held.await.unwrap();
    let node = nodes.second();
    let cleanup = tokio::spawn(async move { node.answered(node.delete_expired_sessions().await) });
    while nodes.rows(&round).await.len() > 1 {
        assert!(!cleanup.is_finished(), "it left more than what was held");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    holder.rollback().await.unwrap();

    assert_eq!(cleanup.await.unwrap(), Some(EXPIRED as u64));
    assert_eq!(nodes.rows(&round).await, []);
    nodes.finish();
}

/// A row that is due at a time that no session can have, more than a batch of them, is removed and
/// counted.
async fn rows_due_at_no_time_are_counted(db: TestDatabase) {
    let nodes = Nodes::new(db).await;
    let round = round();
    given_expired(&nodes, &round).await;
    let db = nodes.first().connection().clone();
    db.execute_unprepared("UPDATE user_sessions SET cleanup_at = '-infinity'")
        .await
        .unwrap();

    let node = nodes.first();
    let removed = node.answered(node.delete_expired_sessions().await);
    assert_eq!(removed, Some(EXPIRED as u64));
    assert_eq!(nodes.rows(&round).await, []);
    nodes.finish();
}

/// Renewals of the sessions, on the node whose clock is right, until long after the other's now.
/// Each tells whether its session was there.
fn renew_all(
    nodes: &Nodes,
    sessions: &[UserSession],
) -> Vec<impl Future<Output = bool> + Send + 'static> {
    let renewals = sessions.iter().map(|session| {
        let (node, session) = (nodes.first(), session.clone());
        async move {
            dither(Duration::from_millis(60)).await;
            let expires = session.created + AHEAD * 2;
            let renewal = node.renew_user_session(&session.key, session.created, Some(expires));
            let renewed = node.answered(renewal.await);
            renewed.expect("a renewal among so few has its turn")
        }
    });
    renewals.collect()
}

/// Puts sessions there that the first node has for live, and the second for expired.
async fn given_live(nodes: &Nodes, round: &PartitionKey) -> Vec<UserSession> {
    assert!(LIFETIME < AHEAD);
    let sessions = (0..RENEWED).map(|i| session(nodes.clock(), round, &format!("live {i:02}")));
    let sessions: Vec<_> = sessions.collect();
    nodes.given(&sessions).await;
    sessions
}

/// Puts expired sessions there: one by the store, and so many copies that there are [`EXPIRED`].
async fn given_expired(nodes: &Nodes, round: &PartitionKey) {
    let now = nodes.clock().now();
    nodes
        .given(&[session(nodes.clock(), round, "expired").with_expires(now)])
        .await;
    let copies = format!(
        "INSERT INTO user_sessions (partition_key, user_key, subject_id, session_id, created, \
         renewed, expires, version, ticket) \
         WITH digits(d) AS (SELECT 0 UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 \
         UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 \
         UNION ALL SELECT 8 UNION ALL SELECT 9), \
         numbers(n) AS (SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d \
         FROM digits a, digits b, digits c, digits e) \
         SELECT partition_key, CONCAT(user_key, n), subject_id, session_id, created, renewed, \
         expires, version, ticket FROM user_sessions, numbers \
         WHERE user_key = 'expired' AND n > 0 AND n < {EXPIRED}"
    );
    nodes
        .first()
        .connection()
        .execute_unprepared(&copies)
        .await
        .unwrap();
    assert_eq!(nodes.rows(round).await.len(), EXPIRED);
}

on_every_database!(
    two_count_what_they_remove,
    four_count_what_they_remove,
    each_expired_session_is_handed_to_one,
    cleanups_share_with_those_who_end,
);

/// SQLite locks no rows.
mod servers {
    use super::*;

    on_databases!([postgres, mysql, mariadb]: what_is_held_is_removed_in_the_end);
}

/// Others have no infinity.
mod infinite {
    use super::*;

    on_databases!([postgres]: rows_due_at_no_time_are_counted);
}
