//! What stands in the table, and what becomes of rows that somebody has changed.

use std::sync::Arc;

use axum::http::StatusCode;
use chrono::TimeDelta;
use store_axum::TowerSessionStore;
use store_core::{Ticket, UserSession, UserSessionStore as _, UserSessionUpdate};
use store_tickets::{
    AuthenticationTicket, KeyRing, Retrieved, ServerSideTicketStore, SessionObservers, TicketKey,
    TicketSealer,
};
use tower_sessions::SessionStore as _;
use tower_sessions::session::Record;
use tower_sessions::session_store::Error;

use crate::app::{Browser, app};
use crate::place::{Bridge, Place, all_of, keys, on_every_store, record};

async fn stored(bridge: &Bridge) -> Record {
    let mut record = record([("user", "alice".into()), ("note", "private".into())]);
    bridge.create(&mut record).await.expect("it is created");
    record
}

async fn change(
    place: &Place,
    bridge: &Bridge,
    record: &Record,
    to: impl FnOnce(&mut UserSession),
) {
    let mut row = place.row(bridge, &record.id).await.expect("it is there");
    let key = row.key.clone();
    to(&mut row);
    let update = UserSessionUpdate::from(row);
    let changed = place.store.update_user_session(&key, update).await;
    assert!(changed.expect("the store answers"));
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

async fn neither_the_cookie_nor_the_data_stands_in_the_row(place: Place) {
    let bridge = place.naming_bridge();
    let plain = TowerSessionStore::unencrypted(Arc::clone(&place.store));
    for (bridge, shows_data) in [(&bridge, false), (&plain, true)] {
        let record = stored(bridge).await;
        let row = place.row(bridge, &record.id).await.expect("it is there");
        let cookie = record.id.to_string();
        assert_eq!(row.key.user_key.as_str().len(), 43);
        assert!(!row.key.user_key.as_str().contains(&cookie));
        let ticket = row.ticket.as_bytes();
        assert!(!contains(ticket, cookie.as_bytes()));
        assert!(!contains(ticket, &record.id.0.to_le_bytes()));
        assert!(!contains(ticket, &record.id.0.to_be_bytes()));
        assert_eq!(contains(ticket, b"private"), shows_data);
    }
    let shown = format!("{bridge:?}");
    assert!(!shown.contains("q1c3b3tRkzGm"), "{shown}");
}

async fn a_key_from_the_table_opens_nothing(place: Place) {
    let bridge = place.naming_bridge();
    let record = stored(&bridge).await;
    let key = bridge.key(&record.id).user_key;
    let mut thief = Browser::new(&app(bridge)).with_cookie("id", key.as_str());
    assert_eq!(thief.text("/get/user").await, "nothing");
    // Cut to the length of an id.
    let mut thief = thief.with_cookie("id", &format!("{}A", &key.as_str()[..21]));
    assert_eq!(thief.text("/get/user").await, "nothing");
}

async fn a_row_that_was_tampered_with_ends_its_session(place: Place) {
    let bridge = place.naming_bridge();
    let other = stored(&bridge).await;
    let others_ticket = place
        .row(&bridge, &other.id)
        .await
        .expect("it is there")
        .ticket;
    type Change = Box<dyn FnOnce(&mut UserSession)>;
    let changes: [Change; 6] = [
        Box::new(|row| row.subject_id = "mallory".parse().ok()),
        Box::new(|row| row.subject_id = None),
        Box::new(|row| row.session_id = "1".parse().ok()),
        Box::new(|row| row.ticket = Ticket::from(&row.ticket.as_bytes()[..40])),
        Box::new(|row| row.ticket = Ticket::default()),
        Box::new(move |row| row.ticket = others_ticket),
    ];
    for (which, to) in changes.into_iter().enumerate() {
        let record = stored(&bridge).await;
        change(&place, &bridge, &record, to).await;
        let loaded = bridge.load(&record.id).await.expect("that is no error");
        assert_eq!(loaded, None, "change {which}");
        let key = bridge.key(&record.id);
        let was_there = place.store.delete_user_session(&key).await;
        assert!(
            !was_there.expect("the store answers"),
            "change {which}: the row is gone"
        );
    }
    assert!(bridge.load(&other.id).await.expect("it answers").is_some());
}

async fn a_moved_expiry_makes_no_session_last_longer(place: Place) {
    let bridge = place.naming_bridge();
    let (longer, shorter, forever) = (
        stored(&bridge).await,
        stored(&bridge).await,
        stored(&bridge).await,
    );
    let day = TimeDelta::days(1);
    let half_an_hour = TimeDelta::minutes(30);
    change(&place, &bridge, &longer, |row| {
        row.expires = row.expires.map(|at| at + day)
    })
    .await;
    change(&place, &bridge, &forever, |row| row.expires = None).await;
    change(&place, &bridge, &shorter, |row| {
        row.expires = row.expires.map(|at| at - half_an_hour)
    })
    .await;
    for unchanged in [&longer, &forever] {
        let loaded = bridge.load(&unchanged.id).await.expect("it answers");
        assert_eq!(loaded.as_ref(), Some(unchanged));
    }
    let loaded = bridge
        .load(&shorter.id)
        .await
        .expect("it answers")
        .expect("it is live");
    assert!(
        (shorter.expiry_date - loaded.expiry_date - time::Duration::minutes(30)).abs()
            < time::Duration::MICROSECOND
    );

    place.clock.advance(std::time::Duration::from_secs(3_700));
    for record in [&longer, &shorter, &forever] {
        assert_eq!(bridge.load(&record.id).await.expect("it answers"), None);
    }
}

async fn what_only_this_node_cannot_read_stays_and_no_new_session_covers_it(place: Place) {
    let bridge = place.naming_bridge();
    let mut browser = Browser::new(&app(bridge.clone()));
    browser.get("/login/alice").await;

    let other_keys = || KeyRing::new(TicketKey::generate().expect("random bits"));
    let elsewhere = place.naming_bridge();
    assert!(elsewhere.replace_keys(other_keys()));
    let mut there = Browser::new(&app(elsewhere.clone()))
        .with_cookie("id", browser.cookie().expect("signed in"));
    // Also where the handler takes errors for none: no new session, and the cookie stays.
    let answer = there.get("/try-to-set/n/1").await;
    assert_eq!((answer.status, &*answer.text), (StatusCode::OK, "nothing"));
    assert!(answer.cookies.is_empty(), "{:?}", answer.cookies);
    assert!(elsewhere.load(&browser.id()).await.is_err());
    assert_eq!(browser.text("/get/user").await, "alice");

    // A ring with both reads, and writes with its own.
    let older = "q1c3b3tRkzGmYB4bUZfVZJHQ6mBM5tRVXn7Dhnf8xOs=";
    let both = format!("zX2B8sBzsbTF0y1w2Xj9UoSZHZHkJd0pWmhoDg4o2hQ=\n{older}");
    assert!(elsewhere.replace_keys(both.parse().expect("a key ring")));
    assert_eq!(there.text("/get/user").await, "alice");
}

async fn a_row_of_another_shape_is_an_error_and_stays(place: Place) {
    let bridge = place.bridge();
    let record = stored(&bridge).await;
    let sealer = TicketSealer::new(Bridge::PURPOSE, keys());
    change(&place, &bridge, &record, |row| {
        sealer.seal("not a record", row).expect("it is sealed");
    })
    .await;
    let answer = bridge.load(&record.id).await;
    assert!(matches!(answer, Err(Error::Decode(_))), "{answer:?}");
    assert!(place.row(&bridge, &record.id).await.is_some());
}

async fn tickets_and_records_share_a_table_and_do_not_open_each_other(place: Place) {
    let tickets = ServerSideTicketStore::<()>::builder(Arc::clone(&place.store), keys())
        .clock(Arc::clone(&place.clock) as _)
        .observers(SessionObservers::none())
        .build();
    let bridge = place.naming_bridge();
    let alice = || "alice".parse().expect("a subject id");
    let (secret, _) = tickets
        .store(AuthenticationTicket::new(alice(), ()))
        .await
        .expect("it is stored");
    let record = stored(&bridge).await;
    // Whoever writes the table puts the one's ticket into the other's row.
    let row = place
        .store
        .get_user_session(&tickets_key(&tickets, &secret))
        .await;
    let ticket = row.expect("the store answers").expect("it is there").ticket;
    let another = stored(&bridge).await;
    change(&place, &bridge, &another, |row| row.ticket = ticket).await;
    assert!(bridge.load(&another.id).await.is_err());
    bridge.delete(&another.id).await.expect("it is deleted");

    // Whoever lists tickets leaves records alone.
    let listed = tickets.get_user_tickets(&all_of("alice")).await;
    assert_eq!(listed.expect("the store answers").len(), 1);
    let loaded = bridge.load(&record.id).await.expect("it answers");
    assert_eq!(loaded.as_ref(), Some(&record));

    // One logout for both.
    assert_eq!(place.log_out_everywhere("alice").await, 2);
    assert!(matches!(
        tickets.retrieve(&secret).await,
        Ok(Retrieved::Absent)
    ));
    assert_eq!(bridge.load(&record.id).await.expect("it answers"), None);
}

fn tickets_key(
    tickets: &ServerSideTicketStore<()>,
    secret: &store_tickets::CookieSecret,
) -> store_core::UserSessionKey {
    store_core::UserSessionKey::new(tickets.partition_key().clone(), secret.user_key())
}

on_every_store!(
    neither_the_cookie_nor_the_data_stands_in_the_row,
    a_key_from_the_table_opens_nothing,
    a_row_that_was_tampered_with_ends_its_session,
    a_moved_expiry_makes_no_session_last_longer,
    what_only_this_node_cannot_read_stays_and_no_new_session_covers_it,
    a_row_of_another_shape_is_an_error_and_stays,
    tickets_and_records_share_a_table_and_do_not_open_each_other,
);
