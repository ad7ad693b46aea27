//! New keys for old ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join_all;
use store_core::ManualClock;

use super::TicketStoreBase;
use super::sample::*;
use crate::{Renewal, Retrieved};

/// Keys are rotated on four nodes, first to read and then to write, while they are at work: nobody
/// is logged out, and no change is lost.
pub async fn keys_rotate_under_load<S: TicketStoreBase>(store: Arc<S>, clock: Arc<ManualClock>) {
    let recorder = Arc::default();
    let nodes = four_nodes(&store, &clock, &recorder);
    let mut secrets = Vec::new();
    for number in 0..8 {
        secrets.push(log_in(&nodes[number % 4], "alice").await);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let workers = (0..16).map(|worker| {
        let tickets = nodes[worker % 4].clone();
        let secret = secrets[worker / 2].clone();
        let stop = Arc::clone(&stop);
        tokio::spawn(async move {
            let mut changes = 0;
            while !stop.load(Ordering::Relaxed) {
                let change = tickets.modify(&secret, |ticket| ticket.data.number += 1);
                change.await.expect("a change is made").expect("it is live");
                changes += 1;
                assert!(is_live(&tickets, &secret).await);
                // A store in memory never makes a task wait, and would keep its thread for ever.
                tokio::task::yield_now().await;
            }
            changes
        })
    });
    let workers: Vec<_> = workers.collect();

    for newest in 2..6 {
        // Every node reads the new key before any writes with it.
        for ring in [[newest - 1, newest], [newest, newest - 1]] {
            for tickets in &nodes {
                assert!(tickets.replace_keys(keys(&ring)));
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        }
        // All is sealed with the newest before the one before it is taken away.
        for secret in &secrets {
            nodes[0].modify(secret, |_| ()).await.unwrap().unwrap();
        }
    }
    stop.store(true, Ordering::Relaxed);
    let mut changes = 0;
    for worker in join_all(workers).await {
        changes += worker.expect("no worker fails");
    }
    let mut counted = 0;
    for secret in &secrets {
        counted += session(&nodes[3], secret).await.ticket.data.number;
    }
    assert_eq!(counted, changes);
    assert!(recorder.ends().is_empty());
}

/// A row is sealed with the newest key when it is written: by a change, and by a renewal.
pub async fn rows_are_sealed_anew_when_next_written<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let tickets = builder(&store, &clock)
        .policy(policy(2 * HOUR, 24 * HOUR))
        .build();
    let only_new = node(&store, &clock);
    only_new.replace_keys(keys(&[2]));
    let [changed, renewed, rotated, idle] = [
        log_in(&tickets, "a").await,
        log_in(&tickets, "b").await,
        log_in(&tickets, "c").await,
        log_in(&tickets, "d").await,
    ];
    tickets.replace_keys(keys(&[2, 1]));
    clock.advance(HOUR + HOUR / 2);

    tickets.modify(&changed, |_| ()).await.unwrap().unwrap();
    let mut stored = session(&tickets, &renewed).await;
    stored.ticket.data.number = 7;
    assert_eq!(tickets.renew(&mut stored).await.unwrap(), Renewal::Renewed);
    let (rotated, _) = tickets.rotate(&rotated).await.unwrap().unwrap();
    for secret in [&changed, &renewed, &rotated] {
        assert!(is_live(&only_new, secret).await);
    }
    assert!(matches!(
        retrieve(&only_new, &idle).await,
        Retrieved::Unreadable(_)
    ));
    let found = session(&tickets, &renewed).await;
    assert_eq!(found.ticket.data.number, 0, "a renewal saves nothing");
    assert_eq!(found.expires(), stored.expires());
    assert_eq!(found.version(), stored.version());
}

/// A node that has not got the new key yet has no session for what the others write, and ends
/// nothing; with the key it goes on as if nothing had been.
pub async fn a_node_without_the_new_key_logs_nobody_out<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let recorder = Arc::default();
    let nodes = four_nodes(&store, &clock, &recorder);
    let (late, others) = nodes.split_first().expect("four nodes");
    for tickets in others {
        tickets.replace_keys(keys(&[2, 1]));
    }
    let old = log_in(late, "alice").await;
    let new = log_in(&others[0], "bob").await;
    for tickets in others {
        assert!(is_live(tickets, &old).await && is_live(tickets, &new).await);
    }
    assert!(is_live(late, &old).await);
    for _ in 0..3 {
        assert!(retrieve(late, &new).await.session().is_none());
    }
    assert!(is_live(&others[0], &new).await);
    late.replace_keys(keys(&[2, 1]));
    assert!(is_live(late, &new).await);
    late.observers().flush().await;
    assert!(recorder.ends().is_empty());
}
