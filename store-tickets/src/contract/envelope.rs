//! Encryption at rest: what opens, what ends a session, and what stays.

use std::sync::Arc;

use futures::future::join_all;
use serde::{Deserialize, Serialize};
use store_core::{
    ManualClock, PartitionKey, UserSession, UserSessionKey, UserSessionStore, UserSessionsFilter,
};

use super::TicketStoreBase;
use super::sample::*;
use crate::{
    EndReason, Retrieved, ServerSideTicketStore, SessionObservers, TicketError, Token, Unreadable,
};

/// A row that was moved to another user, another partition or another session opens nothing there,
/// and the one that was overwritten is over.
pub async fn rows_moved_between_users_and_partitions_do_not_open<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let tickets = node(&store, &clock);
    let elsewhere = tickets.in_partition(PartitionKey::try_from("elsewhere").unwrap());
    let alice = log_in(&tickets, "alice").await;
    let alices = row(&store, session(&tickets, &alice).await.key()).await;

    // Somebody else's ticket in her row, whoever's it is and wherever it comes from.
    for (from, subject_id) in [
        (&tickets, "mallory"),
        (&tickets, "alice"),
        (&elsewhere, "alice"),
    ] {
        let secret = log_in(from, subject_id).await;
        let key = session(from, &secret).await.key().clone();
        tamper(&store, &key, alices.ticket.clone()).await;
        assert!(
            !is_live(from, &secret).await,
            "{subject_id} has a ticket of alice's"
        );
    }

    // Her whole row, for another subject, session id, key or partition.
    let other_row = |change: fn(&mut UserSession)| {
        let mut row = alices.clone();
        row.key.user_key = log_in_key(1);
        change(&mut row);
        row
    };
    let moved = [
        other_row(|_| {}),
        other_row(|row| row.key.partition_key = PartitionKey::try_from("elsewhere").unwrap()),
    ];
    for row in moved {
        store.create_user_session(row.clone()).await.unwrap();
        let found = tickets
            .in_partition(row.key.partition_key.clone())
            .get_user_tickets(&of("alice"))
            .await
            .unwrap();
        assert!(found.iter().all(|one| one.key() != &row.key));
        assert!(store.get_user_session(&row.key).await.unwrap().is_none());
    }
    let changes: [fn(&mut UserSession); 3] = [
        |row| row.subject_id = Some(subject("mallory")),
        |row| row.subject_id = None,
        |row| row.session_id = Some(session_id("another")),
    ];
    for change in changes {
        let secret = log_in(&tickets, "alice").await;
        let key = session(&tickets, &secret).await.key().clone();
        let mut changed = row(&store, &key).await;
        change(&mut changed);
        store
            .update_user_session(&key, changed.into())
            .await
            .unwrap();
        assert!(!is_live(&tickets, &secret).await);
    }

    assert!(is_live(&tickets, &alice).await, "hers is where it was");
}

fn log_in_key(number: u8) -> store_core::UserKey {
    store_core::UserKey::try_from(format!("a key that no secret leads to {number}")).unwrap()
}

/// Every byte of an envelope that is flipped or cut off ends that session and no other; what looks
/// like an unknown key or version stays.
pub async fn every_byte_of_an_envelope_matters<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let tickets = node(&store, &clock);
    // One byte of version, and eight of the key's id.
    try_every_byte(&store, &tickets, 9).await;
}

/// The same holds in the plain mode, whose checksum tells accidents from good bytes.
pub async fn every_byte_of_a_plain_envelope_matters<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let tickets = ServerSideTicketStore::unencrypted(store.clone())
        .clock(clock)
        .observers(SessionObservers::none())
        .build();
    // One byte of version.
    try_every_byte(&store, &tickets, 1).await;
}

async fn try_every_byte<S: TicketStoreBase>(store: &Arc<S>, tickets: &Tickets, header_len: usize) {
    let bystander = log_in(tickets, "bob").await;
    let bobs = row(store, session(tickets, &bystander).await.key()).await;
    let len = {
        let secret = log_in(tickets, "alice").await;
        let stored = session(tickets, &secret).await;
        row(store, stored.key()).await.ticket.len()
    };

    for at in 0..len {
        let secret = log_in(tickets, "alice").await;
        let key = session(tickets, &secret).await.key().clone();
        let good = row(store, &key).await.ticket.as_bytes().to_vec();
        let mut flipped = good.clone();
        flipped[at] ^= 1 << (at % 8);
        tamper(store, &key, flipped).await;
        let found = retrieve(tickets, &secret).await;
        if at < header_len {
            assert!(
                matches!(found, Retrieved::Unreadable(_)),
                "byte {at} of the header: {found:?}"
            );
            // It stays, and is as good as before once it is read by somebody who can.
            tamper(store, &key, good.clone()).await;
            assert!(is_live(tickets, &secret).await);
        } else {
            assert!(matches!(found, Retrieved::Absent), "byte {at}: {found:?}");
            assert!(store.get_user_session(&key).await.unwrap().is_none());
        }

        let secret = log_in(tickets, "alice").await;
        let key = session(tickets, &secret).await.key().clone();
        let good = row(store, &key).await.ticket.as_bytes().to_vec();
        tamper(store, &key, &good[..at]).await;
        let found = retrieve(tickets, &secret).await;
        assert!(matches!(found, Retrieved::Absent), "{at} bytes: {found:?}");
        assert!(
            !store.delete_user_session(&key).await.unwrap(),
            "it is gone"
        );
    }

    let secret = log_in(tickets, "alice").await;
    let key = session(tickets, &secret).await.key().clone();
    let longer = [row(store, &key).await.ticket.as_bytes(), b"\0"].concat();
    tamper(store, &key, longer).await;
    assert!(!is_live(tickets, &secret).await, "a byte too many");

    assert_eq!(row(store, &bobs.key).await, bobs, "bob's is untouched");
    assert!(is_live(tickets, &bystander).await);
}

/// A broken ticket that four nodes find at the same time ends its session once, and every other
/// operation takes it for ended.
pub async fn a_broken_ticket_ends_its_session_once<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let recorder = Arc::default();
    let nodes = four_nodes(&store, &clock, &recorder);
    let secret = log_in(&nodes[0], "alice").await;
    let key = session(&nodes[0], &secret).await.key().clone();
    tamper(&store, &key, &b"\x01"[..]).await;
    let reads = nodes.iter().map(|tickets| retrieve(tickets, &secret));
    for found in join_all(reads).await {
        assert!(matches!(found, Retrieved::Absent));
    }

    let broken = async |subject_id: &str| {
        let secret = log_in(&nodes[0], subject_id).await;
        let key = session(&nodes[0], &secret).await.key().clone();
        tamper(&store, &key, &b""[..]).await;
        secret
    };
    let tickets = &nodes[1];
    let changed = tickets.modify(&broken("bob").await, |_| ()).await.unwrap();
    assert!(changed.is_none());
    assert!(
        tickets
            .rotate(&broken("carol").await)
            .await
            .unwrap()
            .is_none()
    );
    broken("dave").await;
    assert!(
        tickets
            .get_user_tickets(&of("dave"))
            .await
            .unwrap()
            .is_empty()
    );

    for tickets in &nodes {
        tickets.observers().flush().await;
    }
    let ends = recorder.ends();
    assert_eq!(ends.len(), 4);
    for reasons in ends.values() {
        assert_eq!(reasons[..], [EndReason::Undecipherable]);
    }
}

/// A key or a version that this node does not know leaves the request without a session, says so,
/// and leaves the row as it is.
pub async fn what_this_node_cannot_read_stays<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let recorder = Arc::default();
    let [tickets, ..] = four_nodes(&store, &clock, &recorder);
    let without_key = node(&store, &clock);
    without_key.replace_keys(keys(&[2]));
    let secret = log_in(&tickets, "alice").await;
    let key = session(&tickets, &secret).await.key().clone();
    let before = row(&store, &key).await;

    let found = retrieve(&without_key, &secret).await;
    assert!(
        matches!(&found, Retrieved::Unreadable(Unreadable::UnknownKey(id)) if *id == ticket_key(1).id()),
        "{found:?}"
    );
    assert!(found.session().is_none());
    let unreadable = |error| matches!(error, TicketError::Unreadable(Unreadable::UnknownKey(_)));
    let change = without_key.modify(&secret, |_| ()).await;
    assert!(unreadable(change.unwrap_err()));
    assert!(unreadable(without_key.rotate(&secret).await.unwrap_err()));
    assert!(
        without_key
            .get_user_tickets(&of("alice"))
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(row(&store, &key).await, before, "nothing has touched it");
    assert!(is_live(&tickets, &secret).await);

    tamper(&store, &key, &b"\x09 of a later version"[..]).await;
    let before = row(&store, &key).await;
    let found = retrieve(&tickets, &secret).await;
    assert!(
        matches!(found, Retrieved::Unreadable(Unreadable::UnknownVersion(9))),
        "{found:?}"
    );
    assert_eq!(row(&store, &key).await, before);

    // What cannot be read can be ended all the same.
    assert!(
        without_key
            .remove(&secret, EndReason::LoggedOut)
            .await
            .unwrap()
    );
    tickets.observers().flush().await;
    assert!(recorder.ends().is_empty());
}

/// A ticket whose data another version of the host wrote is no reason to end a session; what
/// `#[serde(default)]` bridges is read.
pub async fn tickets_of_another_shape_stay<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    #[derive(Debug, Serialize, Deserialize)]
    struct Later {
        number: u32,
        #[serde(default)]
        since: Option<u32>,
        #[serde(flatten)]
        rest: serde_json::Map<String, serde_json::Value>,
    }
    #[derive(Debug, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Other {
        Never { neither: std::net::IpAddr },
    }

    let tickets = node(&store, &clock);
    let secret = log_in(&tickets, "alice").await;
    let set = tickets.modify(&secret, |ticket| ticket.data.note = "kept".into());
    set.await.unwrap();

    let later = ServerSideTicketStore::<Later>::builder(store.clone(), keys(&[1]))
        .clock(clock.clone())
        .build();
    let found = later.retrieve(&secret).await.unwrap().session().unwrap();
    assert_eq!(found.ticket.data.rest["note"], "kept");
    let changed = later
        .modify(&secret, |ticket| ticket.data.since = Some(7))
        .await;
    assert!(changed.unwrap().is_some());
    assert_eq!(session(&tickets, &secret).await.ticket.data.note, "kept");

    let other = ServerSideTicketStore::<Other>::builder(store.clone(), keys(&[1]))
        .clock(clock)
        .build();
    let found = other.retrieve(&secret).await.unwrap();
    assert!(
        matches!(found, Retrieved::Unreadable(Unreadable::Incompatible(_))),
        "{found:?}"
    );
    assert!(is_live(&tickets, &secret).await);
}

/// Nobody gets a session in by writing a plain ticket to the table of a store that encrypts.
pub async fn encrypted_and_plain_do_not_read_each_other<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let encrypted = node(&store, &clock);
    let plain: Tickets = ServerSideTicketStore::unencrypted(store.clone())
        .clock(clock)
        .observers(SessionObservers::none())
        .build();
    assert!(!plain.replace_keys(keys(&[1])), "it has no use for keys");
    for (writer, reader) in [(&plain, &encrypted), (&encrypted, &plain)] {
        let secret = log_in(writer, "alice").await;
        assert!(is_live(writer, &secret).await);
        let found = retrieve(reader, &secret).await;
        assert!(
            matches!(found, Retrieved::Unreadable(Unreadable::UnknownVersion(_))),
            "{found:?}"
        );
        assert!(is_live(writer, &secret).await);
    }
}

/// Tickets above a length are compressed, and read by nodes that do not compress.
pub async fn long_tickets_are_compressed_if_asked_for<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let tickets = node(&store, &clock);
    let compressing = builder(&store, &clock).compress_above(1000).build();
    let mut long = ticket("alice");
    long.data.note = "again and again ".repeat(1000);
    let secret = super::sample::store(&compressing, long.clone()).await;
    let stored = session(&tickets, &secret).await;
    assert_eq!(stored.ticket, long);
    assert!(row(&store, stored.key()).await.ticket.len() < 1000);

    let limited = builder(&store, &clock).max_ticket_len(10_000).build();
    let found = retrieve(&limited, &secret).await;
    assert!(
        matches!(found, Retrieved::Unreadable(Unreadable::Incompatible(_))),
        "nothing is unpacked beyond the limit: {found:?}"
    );
    let error = limited.store(long).await.unwrap_err();
    assert_eq!(error.kind(), "ticket_too_large");
}

/// Whoever has the whole table has no cookie, no claim, no token and no data, in any column.
pub async fn a_thief_of_the_table_gets_nothing<S: TicketStoreBase>(
    store: Arc<S>,
    clock: Arc<ManualClock>,
) {
    let tickets = node(&store, &clock);
    let mut ticket = ticket("alice").with_session_id(session_id("sid"));
    ticket
        .claims
        .insert("email".into(), "alice@example.com".into());
    ticket.tokens.access = Some(Token::new("the-access-token"));
    ticket.tokens.refresh = Some(Token::new("the-refresh-token"));
    ticket.tokens.id = Some(Token::new("the-id-token"));
    ticket.data.note = "the-hosts-own-data".into();
    ticket.bag.set("secret-name", "secret-value").unwrap();
    let secret = super::sample::store(&tickets, ticket).await;
    let cookie = secret.to_cookie();

    let filter = UserSessionsFilter::for_subject(subject("alice"));
    let loot = store
        .get_user_sessions(tickets.partition_key(), &filter)
        .await;
    let [stolen] = &loot.unwrap()[..] else {
        panic!("there is one row");
    };
    let UserSession {
        key: UserSessionKey {
            partition_key,
            user_key,
        },
        subject_id,
        session_id,
        created,
        renewed,
        expires,
        ticket,
        version,
    } = stolen;
    let columns = [
        partition_key.as_str().as_bytes().to_vec(),
        user_key.as_str().as_bytes().to_vec(),
        subject_id.as_ref().unwrap().as_str().as_bytes().to_vec(),
        session_id.as_ref().unwrap().as_str().as_bytes().to_vec(),
        format!("{created} {renewed} {expires:?} {version}").into_bytes(),
        ticket.as_bytes().to_vec(),
    ];
    let treasures = [
        cookie.as_str(),
        "alice@example.com",
        "email",
        "the-access-token",
        "the-refresh-token",
        "the-id-token",
        "the-hosts-own-data",
        "secret-name",
        "secret-value",
    ];
    for column in &columns {
        for treasure in treasures {
            let has = column
                .windows(treasure.len())
                .any(|part| part == treasure.as_bytes());
            assert!(!has, "a column has {treasure:?}");
        }
    }

    // The key is of the form of a secret, and opens nothing when it is presented as one.
    let presented = user_key
        .as_str()
        .parse()
        .expect("43 characters of base64url");
    assert!(!is_live(&tickets, &presented).await);
    // Nor does the row in a table of the thief's own, without the keys.
    let thief = node(&store, &clock);
    thief.replace_keys(keys(&[9]));
    assert!(retrieve(&thief, &secret).await.session().is_none());
    let shown = format!("{stolen:?} {:?}", session(&tickets, &secret).await);
    for treasure in treasures
        .iter()
        .filter(|treasure| !["email", "secret-name"].contains(treasure))
    {
        assert!(
            !shown.contains(treasure),
            "`Debug` shows {treasure}: {shown}"
        );
    }
}
