//! [`modify`](crate::ServerSideTicketStore::modify) and [`save`](crate::ServerSideTicketStore::save).

use std::num::NonZeroU32;
use std::sync::Arc;

use chrono::TimeDelta;
use futures::future::join_all;
use store_core::{Clock, ManualClock};

use super::TicketStoreBase;
use super::sample::*;
use crate::{EndReason, Saved, SessionKind, TicketError, Token, Tokens};

/// Two hundred changes of one ticket at the same time, on four nodes, lose nothing.
pub async fn two_hundred_concurrent_changes_lose_nothing<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let recorder = Arc::default();
    let nodes = four_nodes(&store, &clock, &recorder);
    let secret = log_in(&nodes[0], "alice").await;

    let changes = (0..200_u32).map(|number| {
        let tickets = nodes[number as usize % 4].clone();
        let secret = secret.clone();
        tokio::spawn(async move {
            let change = tickets.modify(&secret, |ticket| {
                let visits: u32 = ticket.bag.get("visits").unwrap().unwrap_or_default();
                ticket.bag.set("visits", &(visits + 1)).unwrap();
                ticket.bag.set(format!("by {number}"), &number).unwrap();
                ticket.data.number += 1;
            });
            change.await.expect("a change is made").expect("it is live");
        })
    });
    for change in join_all(changes).await {
        change.expect("no change panics");
    }

    let stored = session(&nodes[0], &secret).await;
    assert_eq!(stored.ticket.bag.get::<u32>("visits").unwrap(), Some(200));
    assert_eq!(stored.ticket.bag.keys().len(), 201);
    assert_eq!(stored.ticket.data.number, 200);
    assert_eq!(stored.version(), 200, "each change was written once");
}

/// A change that answers an error is not written, not even as a new version.
pub async fn a_change_that_is_refused_writes_nothing<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let tickets = node(&store, &clock);
    let secret = log_in(&tickets, "alice").await;
    let before = session(&tickets, &secret).await;
    let refused = tickets.try_modify(&secret, |ticket| {
        ticket.data.number = 1;
        Err::<(), _>("too late")
    });
    assert_eq!(refused.await.unwrap(), Some(Err("too late")));
    let after = session(&tickets, &secret).await;
    assert_eq!(after.ticket, before.ticket);
    assert_eq!(after.version(), before.version());

    let written = tickets.try_modify(&secret, |ticket| {
        ticket.data.number = 2;
        Ok::<_, &str>("in time")
    });
    assert_eq!(written.await.unwrap(), Some(Ok("in time")));
    let after = session(&tickets, &secret).await;
    assert_eq!(after.ticket.data.number, 2);

    assert!(tickets.remove(&secret, EndReason::LoggedOut).await.unwrap());
    let ended = tickets.try_modify(&secret, |_| Ok::<_, &str>(()));
    assert_eq!(ended.await.unwrap(), None);
}

/// Everything in a ticket is read as it was written, by whichever node.
pub async fn everything_in_a_ticket_is_read_as_it_was_written<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let [one, other] = [node(&store, &clock), node(&store, &clock)];
    let token = |value: &str| Some(Token::new(value));
    let mut ticket = ticket("alice")
        .with_session_id(session_id("sid"))
        .with_kind(SessionKind::Permanent)
        .with_tokens(Tokens {
            access: token("access")
                .map(|token| token.with_expires(clock.now() + TimeDelta::hours(1))),
            refresh: token("refresh"),
            id: token("id"),
        });
    let claim = serde_json::json!({"roles": ["a", 1, -2.5, null, true], "é": {}});
    ticket.claims.insert("all".into(), claim);
    ticket.data = Customer {
        number: 4711,
        note: "\0 ünï".into(),
    };
    ticket.bag.set("cart", &vec![(1_u8, "apple")]).unwrap();
    let (secret, stored) = one.store(ticket.clone()).await.unwrap();
    assert_eq!(stored.ticket, ticket);

    let found = session(&other, &secret).await;
    assert_eq!(found.ticket, ticket);
    assert_eq!(found.created(), clock.now());
    assert_eq!(found.expires(), stored.expires());
    assert_eq!(found.ends(), stored.ends());
    let cart: Option<Vec<(u8, String)>> = found.ticket.bag.get("cart").unwrap();
    assert_eq!(cart, Some(vec![(1, "apple".into())]));
    assert!(found.ticket.bag.get::<u32>("cart").is_err());

    let filter = of("alice");
    let found = other.get_user_tickets(&filter).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].ticket, ticket);
}

/// A change that races the end of its session never brings it back.
pub async fn a_change_never_brings_back_an_ended_session<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let tickets = node(&store, &clock);
    for _ in 0..20 {
        let secret = log_in(&tickets, "alice").await;
        let mut stored = session(&tickets, &secret).await;
        let (change, save, removed) = tokio::join!(
            tickets.modify(&secret, |ticket| ticket.data.number += 1),
            tickets.save(&mut stored),
            tickets.remove(&secret, EndReason::LoggedOut),
        );
        change.expect("the change or nothing");
        let _ = save.expect("the change or nothing");
        assert!(removed.unwrap());
        assert!(!is_live(&tickets, &secret).await);
        let change = tickets.modify(&secret, |ticket| ticket.data.number += 1);
        assert!(change.await.unwrap().is_none());
    }
}

/// A request that writes its ticket back at its end overwrites nobody else's change.
pub async fn a_save_writes_only_what_nobody_has_changed<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let tickets = node(&store, &clock);
    let secret = log_in(&tickets, "alice").await;
    let mut one = session(&tickets, &secret).await;
    let mut other = session(&tickets, &secret).await;
    one.ticket.data.number = 1;
    other.ticket.data.number = 2;
    assert_eq!(tickets.save(&mut one).await.unwrap(), Saved::Written);
    assert_eq!(tickets.save(&mut other).await.unwrap(), Saved::Outdated);
    one.ticket.data.number = 3;
    assert_eq!(tickets.save(&mut one).await.unwrap(), Saved::Written);
    assert_eq!(session(&tickets, &secret).await.ticket.data.number, 3);

    tickets.remove(&one, EndReason::LoggedOut).await.unwrap();
    assert_eq!(tickets.save(&mut one).await.unwrap(), Saved::Ended);
}

/// A change that others get in the way of too often says so, and has changed nothing.
pub async fn a_change_that_cannot_be_written_is_contended<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let attempts = NonZeroU32::new(1).expect("one");
    let tickets = builder(&store, &clock).change_attempts(attempts).build();
    let secret = log_in(&tickets, "alice").await;
    let stale = session(&tickets, &secret).await;
    let rivals = node(&store, &clock);
    let (started, waiting) = std::sync::mpsc::channel::<()>();
    let (done, released) = std::sync::mpsc::channel::<()>();
    let change = tokio::spawn({
        let (tickets, secret) = (tickets.clone(), secret.clone());
        async move {
            let change = tickets.modify(&secret, move |ticket| {
                ticket.data.number = 1;
                started.send(()).expect("somebody waits");
                tokio::task::block_in_place(|| released.recv()).expect("somebody releases");
            });
            change.await
        }
    });
    tokio::task::block_in_place(|| waiting.recv()).expect("the change has begun");
    rivals
        .modify(&stale, |ticket| ticket.data.number = 2)
        .await
        .unwrap();
    done.send(()).expect("somebody waits");
    let answer = change.await.expect("it does not panic");
    assert!(matches!(
        answer,
        Err(TicketError::Contended { attempts: 1 })
    ));
    assert_eq!(session(&tickets, &secret).await.ticket.data.number, 2);
}
