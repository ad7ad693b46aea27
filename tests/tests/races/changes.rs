//! Changes that race removals and each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use store_core::{Error, UserSession, UserSessionStore, UserSessionUpdate};
use store_tests::sessions::{LIFETIME, of_alice, session, session_id};
use store_tests::{TestDatabase, on_every_database};

use crate::nodes::{Node, Nodes, Outcome, dither, race, round};

const SESSIONS: usize = 12;

/// What a task does to a session again and again; whether the session was there.
type Change = fn(Node, UserSession) -> Changing;
type Changing = std::pin::Pin<Box<dyn Future<Output = bool> + Send>>;

/// A session that was deleted is not brought back by those who were about to update it.
async fn no_update_survives_a_deletion(db: TestDatabase) {
    nothing_survives_its_end(db, update, true).await;
}

/// Nor by those who were about to renew it.
async fn no_renewal_survives_a_deletion(db: TestDatabase) {
    nothing_survives_its_end(db, renew, true).await;
}

/// A logout everywhere is final, whoever is about to update.
async fn no_update_survives_a_logout(db: TestDatabase) {
    nothing_survives_its_end(db, update, false).await;
}

/// A logout everywhere is final, whoever is about to renew.
async fn no_renewal_survives_a_logout(db: TestDatabase) {
    nothing_survives_its_end(db, renew, false).await;
}

fn update(node: Node, session: UserSession) -> Changing {
    Box::pin(async move {
        let update = UserSessionUpdate::from(session.clone());
        let there = node.answered(node.update_user_session(&session.key, update).await);
        there.unwrap_or(true)
    })
}

fn renew(node: Node, session: UserSession) -> Changing {
    Box::pin(async move {
        let expires = session.created + LIFETIME * 2;
        let renewal = node.renew_user_session(&session.key, session.created, Some(expires));
        node.answered(renewal.await).unwrap_or(true)
    })
}

/// Two tasks change each session without a pause; meanwhile one ends it, once. Each change that was
/// called after that finds nothing, and nothing is there.
async fn nothing_survives_its_end(db: TestDatabase, change: Change, one_by_one: bool) {
    let nodes = Nodes::new(db).await;
    for _ in 0..4 {
        let round = round();
        let sessions: Vec<_> = (0..SESSIONS)
            .map(|i| session(nodes.clock(), &round, &format!("{i:02}")))
            .collect();
        nodes.given(&sessions).await;
        let ended: Vec<_> = sessions
            .iter()
            .map(|_| Arc::new(AtomicBool::new(false)))
            .collect();

        let changing = sessions
            .iter()
            .zip(&ended)
            .enumerate()
            .flat_map(|(i, (session, ended))| {
                [i, i + 1].map(|task| {
                    let (node, session) = (nodes.of_task(task), session.clone());
                    let ended = Arc::clone(ended);
                    tokio::spawn(async move {
                        loop {
                            let has_ended = ended.load(SeqCst);
                            let was_there = change(node.clone(), session.clone()).await;
                            assert!(!(has_ended && was_there), "a change found what had ended");
                            if has_ended {
                                let found = node.get_user_session(&session.key).await.unwrap();
                                assert_eq!(found, None);
                                return;
                            }
                        }
                    })
                })
            });
        let changing: Vec<_> = changing.collect();
        if one_by_one {
            let deletions =
                sessions
                    .iter()
                    .zip(ended)
                    .enumerate()
                    .map(|(task, (session, ended))| {
                        let (node, key) = (nodes.of_task(task), session.key.clone());
                        async move {
                            dither(Duration::from_millis(30)).await;
                            let deleted = node.answered(node.delete_user_session(&key).await);
                            assert_eq!(deleted, Some(true), "the deletion is the only one");
                            ended.store(true, SeqCst);
                        }
                    });
            race(deletions).await;
        } else {
            dither(Duration::from_millis(30)).await;
            let node = nodes.second();
            let told = node.end_user_sessions(&round, &of_alice()).await.unwrap();
            assert_eq!(told.len(), SESSIONS, "sessions that the logout ended");
            ended.iter().for_each(|ended| ended.store(true, SeqCst));
        }
        for changing in changing {
            changing.await.unwrap();
        }
        assert_eq!(nodes.rows(&round).await, [], "sessions that came back");
    }
    nodes.finish();
}

/// 200 increments on condition of the version, from 16 tasks, and renewals between them: none is
/// lost, and the version counts each.
async fn no_increment_is_lost(db: TestDatabase) {
    const INCREMENTS: usize = 200;
    const TASKS: usize = 16;

    let nodes = Nodes::new(db).await;
    let round = round();
    let counter = UserSession {
        ticket: "0".into(),
        ..session(nodes.clock(), &round, "counter")
    };
    nodes.given([&counter]).await;

    let to_do = Arc::new(AtomicUsize::new(INCREMENTS));
    let tasks = (0..TASKS).map(|task| {
        let (node, key, to_do) = (nodes.of_task(task), counter.key.clone(), Arc::clone(&to_do));
        async move {
            let mut changes = 0;
            while to_do
                .fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1))
                .is_ok()
            {
                increment(&node, &key).await;
                changes += 1;
                if fastrand::u8(..) < 64 {
                    let session = node.get_user_session(&key).await.unwrap().unwrap();
                    let renewal = node.renew_user_session(&key, session.renewed, session.expires);
                    if let Some(renewed) = node.answered(renewal.await) {
                        assert!(renewed, "nobody ends it");
                        changes += 1;
                    }
                }
            }
            changes
        }
    });
    let changes: u64 = race(tasks).await.into_iter().sum();

    let last = nodes
        .first()
        .get_user_session(&counter.key)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(number(&last), INCREMENTS);
    assert_eq!(last.version, changes);
    nodes.finish();
}

/// Reads, adds one, and writes on condition of the version, until it holds.
async fn increment(node: &Node, key: &store_core::UserSessionKey) {
    loop {
        let Some(found) = node.answered(node.get_user_session(key).await) else {
            continue;
        };
        let found = found.expect("nobody ends it");
        let (version, next) = (found.version, number(&found) + 1);
        let incremented = UserSession {
            ticket: format!("{next}").into_bytes().into(),
            ..found
        };
        let update = UserSessionUpdate::from(incremented).with_if_version(version);
        match node.outcome(node.update_user_session(key, update).await) {
            Outcome::Done(updated) => {
                assert!(updated, "nobody ends it");
                return;
            }
            Outcome::Refused(Error::VersionMismatch) | Outcome::Unavailable => {}
            Outcome::Refused(error) => panic!("refused with {error:?}"),
        }
    }
}

fn number(counter: &UserSession) -> usize {
    std::str::from_utf8(counter.ticket.as_bytes())
        .unwrap()
        .parse()
        .unwrap()
}

/// Of 16 updates on condition of one version, one succeeds.
async fn one_update_meets_a_version(db: TestDatabase) {
    let nodes = Nodes::new(db).await;
    for _ in 0..8 {
        let round = round();
        let old = session(nodes.clock(), &round, "key");
        nodes.given([&old]).await;
        let updates = (0..16).map(|task| {
            let (node, old) = (nodes.of_task(task), old.clone());
            let new = UserSession {
                ticket: format!("of task {task}").into_bytes().into(),
                ..old
            };
            async move {
                let update = UserSessionUpdate::from(new.clone()).with_if_version(0);
                match node.outcome(node.update_user_session(&new.key, update).await) {
                    Outcome::Done(updated) => updated.then_some(new),
                    Outcome::Refused(Error::VersionMismatch) | Outcome::Unavailable => None,
                    Outcome::Refused(error) => panic!("refused with {error:?}"),
                }
            }
        });
        let updated: Vec<_> = race(updates).await.into_iter().flatten().collect();
        let expected = updated
            .into_iter()
            .map(|new| UserSession { version: 1, ..new });
        let expected: Vec<_> = expected.collect();
        assert_eq!(expected.len(), 1, "updates that succeeded");
        assert_eq!(nodes.rows(&round).await, expected);
    }
    nodes.finish();
}

/// Of 16 sessions that are updated to one session id, which an expired row has, one succeeds; the
/// others are told that it exists, and stay what they were.
async fn a_session_id_is_taken_once(db: TestDatabase) {
    let nodes = Nodes::new(db).await;
    for _ in 0..6 {
        let round = round();
        let sessions: Vec<_> = (0..16)
            .map(|i| session(nodes.clock(), &round, &format!("{i:02}")))
            .collect();
        nodes.given(&sessions).await;
        let in_the_way = session(nodes.clock(), &round, "old").with_session_id(session_id("sid"));
        let expires = Some(in_the_way.created);
        nodes
            .given(&[UserSession {
                expires,
                ..in_the_way
            }])
            .await;

        let updates = sessions.iter().enumerate().map(|(task, session)| {
            let (node, session) = (nodes.of_task(task), session.clone());
            async move {
                let update = session.clone().with_session_id(session_id("sid")).into();
                match node.outcome(node.update_user_session(&session.key, update).await) {
                    Outcome::Done(updated) => updated,
                    Outcome::Refused(Error::AlreadyExists) | Outcome::Unavailable => false,
                    Outcome::Refused(error) => panic!("refused with {error:?}"),
                }
            }
        });
        let updated = race(updates).await;
        assert_eq!(updated.iter().filter(|&&updated| updated).count(), 1);
        let expected = sessions.into_iter().zip(updated).map(|(session, updated)| {
            if updated {
                UserSession {
                    version: 1,
                    ..session.with_session_id(session_id("sid"))
                }
            } else {
                session
            }
        });
        assert_eq!(nodes.rows(&round).await, expected.collect::<Vec<_>>());
    }
    nodes.finish();
}

on_every_database!(
    no_update_survives_a_deletion,
    no_renewal_survives_a_deletion,
    no_update_survives_a_logout,
    no_renewal_survives_a_logout,
    no_increment_is_lost,
    one_update_meets_a_version,
    a_session_id_is_taken_once,
);
