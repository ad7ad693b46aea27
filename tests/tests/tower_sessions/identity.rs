//! Whose sessions they are: subjects, session ids, and how many there may be.

use std::num::NonZeroU32;

use axum::http::StatusCode;
use serde_json::Value;
use store_axum::SessionIdentity;
use store_core::{
    InvalidKey, SessionId, StartPolicy, SubjectId, UserSessionStore as _, UserSessionsFilter,
    WhenFull,
};
use tower_sessions::SessionStore as _;
use tower_sessions::session::Record;
use tower_sessions::session_store::Error;

use crate::app::{Browser, app};
use crate::place::{Bridge, Place, all_of, on_every_store, record};

/// The subject under "user", and the session id under "sid".
pub(crate) fn of(record: &Record) -> Result<SessionIdentity, InvalidKey> {
    let text = |name: &str| record.data.get(name).and_then(Value::as_str);
    Ok(SessionIdentity {
        subject_id: text("user").map(SubjectId::try_from).transpose()?,
        session_id: text("sid").map(SessionId::try_from).transpose()?,
    })
}

fn policy(max: u32, when_full: WhenFull) -> StartPolicy {
    StartPolicy {
        max_sessions_per_subject: NonZeroU32::new(max),
        when_full,
        ..StartPolicy::default()
    }
}

async fn created(bridge: &Bridge, data: &[(&str, &str)]) -> Record {
    let mut record = record([]);
    set(&mut record, data);
    bridge.create(&mut record).await.expect("it is created");
    record
}

fn set(record: &mut Record, data: &[(&str, &str)]) {
    for (name, value) in data {
        record.data.insert((*name).to_owned(), (*value).into());
    }
}

async fn is_live(bridge: &Bridge, record: &Record) -> bool {
    let loaded = bridge.load(&record.id).await;
    loaded.expect("the store answers").is_some()
}

fn assert_is_at_its_limit(answer: Result<(), Error>) {
    let Err(Error::Backend(text)) = answer else {
        panic!("it is refused, not {answer:?}");
    };
    assert!(text.contains("as many sessions as it may have"), "{text}");
}

async fn a_logout_everywhere_ends_the_subjects_sessions_in_all_browsers(place: Place) {
    let app = app(place.naming_bridge());
    let mut browsers = Vec::new();
    for user in ["alice", "alice", "bob"] {
        let mut browser = Browser::new(&app);
        browser.get("/set/theme/dark").await;
        browser.get(&format!("/login/{user}")).await;
        assert_eq!(browser.text("/get/user").await, user);
        browsers.push(browser);
    }
    assert_eq!(place.log_out_everywhere("alice").await, 2);
    let mut users = Vec::new();
    for browser in &mut browsers {
        users.push(browser.text("/get/user").await);
    }
    assert_eq!(users, ["nothing", "nothing", "bob"]);
    // They may sign in again.
    browsers[0].get("/login/alice").await;
    assert_eq!(browsers[0].text("/get/user").await, "alice");
    assert_eq!(place.sessions_of("alice").await, 1);
}

async fn everywhere_but_here_is_a_filter(place: Place) {
    let bridge = place.naming_bridge();
    let here = created(&bridge, &[("user", "alice")]).await;
    let there = created(&bridge, &[("user", "alice")]).await;
    let others = all_of("alice").except(bridge.key(&here.id).user_key);
    let ended = place
        .store
        .delete_user_sessions(bridge.partition_key(), &others)
        .await;
    assert_eq!(ended.expect("the store answers"), 1);
    assert!(is_live(&bridge, &here).await);
    assert!(!is_live(&bridge, &there).await);
}

async fn a_back_channel_logout_finds_the_session_id(place: Place) {
    let bridge = place.naming_bridge();
    let one = created(&bridge, &[("user", "alice"), ("sid", "1")]).await;
    let other = created(&bridge, &[("user", "alice"), ("sid", "2")]).await;
    let filter = UserSessionsFilter::for_session("1".parse().expect("a session id"));
    let ended = place
        .store
        .delete_user_sessions(bridge.partition_key(), &filter)
        .await;
    assert_eq!(ended.expect("the store answers"), 1);
    assert!(!is_live(&bridge, &one).await);
    assert!(is_live(&bridge, &other).await);
}

async fn a_request_whose_session_ended_meanwhile_fails_and_revives_nothing(place: Place) {
    let bridge = place.naming_bridge();
    let mut alice = created(&bridge, &[("user", "alice")]).await;
    assert_eq!(place.log_out_everywhere("alice").await, 1);
    set(&mut alice, &[("n", "1")]);
    assert!(bridge.save(&alice).await.is_err());
    assert_eq!(place.sessions_of("alice").await, 0);

    // As the browser sees it: 500, and at the next request a visitor.
    let app = app(bridge.clone());
    let mut browser = Browser::new(&app);
    browser.get("/login/alice").await;
    let app = crate::app::routes()
        .route("/slow", {
            let store = std::sync::Arc::clone(&place.store);
            axum::routing::get(async move |session: tower_sessions::Session| {
                session.insert("n", 1).await.expect("it is inserted");
                let (partition, alice) = (Default::default(), all_of("alice"));
                let ended = store.delete_user_sessions(&partition, &alice).await;
                assert_eq!(ended.expect("the store answers"), 1);
            })
        })
        .layer(tower_sessions::SessionManagerLayer::new(bridge.clone()));
    let mut same = Browser::new(&app).with_cookie("id", browser.cookie().expect("signed in"));
    assert_eq!(
        same.get("/slow").await.status,
        StatusCode::INTERNAL_SERVER_ERROR
    );
    assert_eq!(browser.text("/get/user").await, "nothing");
    assert_eq!(place.sessions_of("alice").await, 0);
}

async fn a_cap_ends_the_oldest(place: Place) {
    let bridge = place
        .naming_bridge()
        .start_policy(policy(2, WhenFull::EndOldest));
    let mut alices = Vec::new();
    for _ in 0..4 {
        alices.push(created(&bridge, &[("user", "alice")]).await);
        place.clock.advance(std::time::Duration::from_secs(1));
    }
    let bob = created(&bridge, &[("user", "bob")]).await;
    let visitor = created(&bridge, &[]).await;
    let mut live = Vec::new();
    for alice in &alices {
        live.push(is_live(&bridge, alice).await);
    }
    assert_eq!(live, [false, false, true, true]);
    assert!(is_live(&bridge, &bob).await && is_live(&bridge, &visitor).await);
}

async fn a_cap_that_rejects_changes_nothing(place: Place) {
    let bridge = place
        .naming_bridge()
        .start_policy(policy(1, WhenFull::Reject));
    let first = created(&bridge, &[("user", "alice")]).await;
    let mut second = record([("user", "alice".into())]);
    assert_is_at_its_limit(bridge.create(&mut second).await);
    assert!(!is_live(&bridge, &second).await);
    assert!(is_live(&bridge, &first).await);
    assert_eq!(place.sessions_of("alice").await, 1);
}

async fn the_same_session_id_is_replaced_or_refused(place: Place) {
    let bridge = place.naming_bridge();
    let login = [("user", "alice"), ("sid", "1")];
    let first = created(&bridge, &login).await;
    let second = created(&bridge, &login).await;
    assert!(!is_live(&bridge, &first).await);
    assert!(is_live(&bridge, &second).await);

    let keeping = bridge.start_policy(StartPolicy {
        replace_same_session_id: false,
        ..StartPolicy::default()
    });
    let mut third = second.clone();
    assert!(keeping.create(&mut third).await.is_err());
    assert!(is_live(&keeping, &second).await);
    // Into a visitor's session as well.
    let mut visitor = created(&keeping, &[]).await;
    set(&mut visitor, &login);
    assert!(keeping.save(&visitor).await.is_err());
    assert!(is_live(&keeping, &second).await);
    assert_eq!(place.sessions_of("alice").await, 1);
}

async fn a_login_that_keeps_its_id_gets_its_subject(place: Place) {
    let bridge = place.naming_bridge();
    let app = app(bridge.clone());
    let mut browser = Browser::new(&app);
    browser.get("/set/theme/dark").await;
    let before = place
        .row(&bridge, &browser.id())
        .await
        .expect("it is there");
    assert_eq!(before.subject_id, None);
    place.clock.advance(std::time::Duration::from_secs(10));
    browser.get("/set/user/alice").await;
    let row = place
        .row(&bridge, &browser.id())
        .await
        .expect("it is there");
    assert_eq!(row.subject_id, "alice".parse().ok());
    assert_eq!((&row.key, row.created), (&before.key, before.created));
    // Another user, and then nobody.
    browser.get("/set/user/bob").await;
    assert_eq!(place.sessions_of("alice").await, 0);
    assert_eq!(place.sessions_of("bob").await, 1);
    browser.get("/remove/user").await;
    assert_eq!(place.sessions_of("bob").await, 0);
    assert_eq!(browser.text("/get/theme").await, "dark");
}

async fn a_login_that_keeps_its_id_obeys_the_cap(place: Place) {
    let bridge = place
        .naming_bridge()
        .start_policy(policy(2, WhenFull::EndOldest));
    // The oldest of all, and still the one that stays.
    let mut visitor = created(&bridge, &[]).await;
    let mut alices = Vec::new();
    for _ in 0..2 {
        place.clock.advance(std::time::Duration::from_secs(1));
        alices.push(created(&bridge, &[("user", "alice")]).await);
    }
    set(&mut visitor, &[("user", "alice")]);
    bridge.save(&visitor).await.expect("it is saved");
    assert!(is_live(&bridge, &visitor).await);
    assert!(!is_live(&bridge, &alices[0]).await);
    assert!(is_live(&bridge, &alices[1]).await);
    // What is hers already takes no more room.
    set(&mut visitor, &[("n", "1")]);
    bridge.save(&visitor).await.expect("it is saved");
    assert_eq!(place.sessions_of("alice").await, 2);

    let rejecting = bridge.start_policy(policy(2, WhenFull::Reject));
    let mut another = created(&rejecting, &[("n", "1")]).await;
    let stored = another.clone();
    set(&mut another, &[("user", "alice")]);
    assert_is_at_its_limit(rejecting.save(&another).await);
    let loaded = rejecting.load(&stored.id).await.expect("the store answers");
    assert_eq!(loaded, Some(stored), "nothing has changed");
    assert_eq!(place.sessions_of("alice").await, 2);
}

async fn a_login_that_keeps_its_id_replaces_the_same_session_id(place: Place) {
    let bridge = place.naming_bridge();
    let login = [("user", "alice"), ("sid", "1")];
    let first = created(&bridge, &login).await;
    let mut visitor = created(&bridge, &[]).await;
    set(&mut visitor, &login);
    bridge.save(&visitor).await.expect("it is saved");
    assert!(!is_live(&bridge, &first).await);
    assert!(is_live(&bridge, &visitor).await);
    assert_eq!(place.sessions_of("alice").await, 1);
}

async fn a_record_of_whom_it_cannot_be_said_is_not_written(place: Place) {
    let bridge = place.naming_bridge();
    let too_long = "x".repeat(256);
    let mut nobody = record([("user", too_long.clone().into())]);
    let answer = bridge.create(&mut nobody).await;
    let Err(Error::Encode(text)) = answer else {
        panic!("it is refused, not {answer:?}");
    };
    assert!(
        text.contains("256 bytes") && !text.contains("xxx"),
        "{text}"
    );

    let mut visitor = created(&bridge, &[("n", "1")]).await;
    let stored = visitor.clone();
    set(&mut visitor, &[("user", &too_long)]);
    assert!(bridge.save(&visitor).await.is_err());
    let loaded = bridge.load(&stored.id).await.expect("the store answers");
    assert_eq!(loaded, Some(stored));
}

on_every_store!(
    a_logout_everywhere_ends_the_subjects_sessions_in_all_browsers,
    everywhere_but_here_is_a_filter,
    a_back_channel_logout_finds_the_session_id,
    a_request_whose_session_ended_meanwhile_fails_and_revives_nothing,
    a_cap_ends_the_oldest,
    a_cap_that_rejects_changes_nothing,
    the_same_session_id_is_replaced_or_refused,
    a_login_that_keeps_its_id_gets_its_subject,
    a_login_that_keeps_its_id_obeys_the_cap,
    a_login_that_keeps_its_id_replaces_the_same_session_id,
    a_record_of_whom_it_cannot_be_said_is_not_written,
);
