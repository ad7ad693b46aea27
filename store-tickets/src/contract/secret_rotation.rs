//! New secrets for old ones.

use std::sync::Arc;

use futures::future::join_all;
use store_core::ManualClock;

use super::TicketStoreBase;
use super::sample::*;
use crate::EndReason;

/// A rotated session is the same under a new secret, and the old one opens nothing.
pub async fn a_rotated_session_is_the_same_under_a_new_secret<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let recorder = Arc::default();
    let [tickets, ..] = four_nodes(&store, &clock, &recorder);
    let mut ticket = ticket("alice").with_session_id(session_id("sid"));
    ticket.data.number = 4711;
    let old = super::sample::store(&tickets, ticket).await;
    let before = session(&tickets, &old).await;
    clock.advance(HOUR / 4);

    let (new, rotated) = tickets.rotate(&old).await.unwrap().unwrap();
    assert!(!is_live(&tickets, &old).await);
    let after = session(&tickets, &new).await;
    assert_eq!(after.ticket, before.ticket);
    assert_eq!(after.created(), before.created());
    assert_eq!(after.expires(), before.expires());
    assert_eq!(after.ends(), before.ends());
    assert_eq!(after.key(), rotated.key());
    assert_eq!(after.version(), rotated.version());
    assert!(tickets.rotate(&old).await.unwrap().is_none());

    tickets.observers().flush().await;
    let told = recorder.told();
    let (event, what) = told.last().expect("something was told");
    assert_eq!(&event.key, after.key());
    assert_eq!(*what, Told::Rotated(before.key().user_key.clone()));
}

/// Of rotations that race, one gives the secret that opens the session.
pub async fn of_racing_rotations_one_secret_opens_the_session<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let recorder = Arc::default();
    let nodes = four_nodes(&store, &clock, &recorder);
    let secret = log_in(&nodes[0], "alice").await;
    let rotations = nodes.iter().map(|tickets| tickets.rotate(&secret));
    let mut rotated = Vec::new();
    for answer in join_all(rotations).await {
        rotated.extend(answer.expect("an answer"));
    }
    let [(new, _)] = &rotated[..] else {
        panic!("{} secrets", rotated.len());
    };
    assert!(is_live(&nodes[0], new).await);
    let all = nodes[0].get_user_tickets(&of("alice")).await.unwrap();
    assert_eq!(all.len(), 1);
}

/// A logout with the old secret that races a rotation and says that it ended the session has done so,
/// under whichever secret. One that found none came after the rotation: the session lives under the
/// new secret, and a logout with that one ends it. Each end is told once.
pub async fn a_logout_that_races_a_rotation_says_whether_it_ended_the_session<
    S: TicketStoreBase,
>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let recorder = Arc::default();
    let [one, other, ..] = four_nodes(&store, &clock, &recorder);
    for round in 0..20 {
        let sid = session_id(&format!("sid-{round}"));
        let secret = super::sample::store(&one, ticket("alice").with_session_id(sid)).await;
        let (rotated, removed) = tokio::join!(async { one.rotate(&secret).await }, async {
            other.remove(&secret, EndReason::LoggedOut).await
        },);
        let rotated = rotated.expect("an answer");
        let removed = removed.expect("an answer");
        if let Some((new, _)) = rotated {
            assert_eq!(is_live(&one, &new).await, !removed);
            let ended = one.remove(&new, EndReason::LoggedOut).await;
            assert_eq!(ended.unwrap(), !removed);
        } else {
            assert!(removed, "neither found it");
        }
        assert!(!is_live(&one, &secret).await);
    }
    one.observers().flush().await;
    other.observers().flush().await;
    let ends = recorder.ends();
    assert_eq!(ends.values().map(Vec::len).sum::<usize>(), 20);
}

/// A rotation that races changes loses none of them.
pub async fn a_rotation_that_races_changes_loses_none<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let recorder = Arc::default();
    let nodes = four_nodes(&store, &clock, &recorder);
    let secret = log_in(&nodes[0], "alice").await;
    let changes = nodes
        .iter()
        .cycle()
        .take(20)
        .map(|tickets| tickets.modify(&secret, |ticket| ticket.data.number += 1));
    let (changed, rotated) = tokio::join!(join_all(changes), nodes[3].rotate(&secret));
    let (new, _) = rotated.expect("an answer").expect("it is live");
    let written = changed
        .into_iter()
        .filter_map(|answer| answer.expect("an answer"))
        .count();
    let found = session(&nodes[0], &new).await;
    assert_eq!(found.ticket.data.number as usize, written);
}
