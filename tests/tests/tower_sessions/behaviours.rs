//! What an application on tower-sessions relies on.

use axum::http::StatusCode;
use cookie::SameSite;
use store_core::{Clock as _, UserSessionStore as _, floor_to_micros};
use time::{Duration, OffsetDateTime};
use tower_sessions::session::Id;
use tower_sessions::{Expiry, Session, SessionManagerLayer, SessionStore as _};

use crate::app::{Browser, app, routes};
use crate::place::{Place, on_every_store, record};

fn is_about(found: Option<Duration>, expected: Duration) -> bool {
    found.is_some_and(|found| (found - expected).abs() <= Duration::seconds(5))
}

async fn a_request_that_uses_no_session_sets_no_cookie(place: Place) {
    let answer = Browser::new(&app(place.bridge())).get("/").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.cookies.is_empty());
    let answer = Browser::new(&app(place.bridge())).get("/get/n").await;
    assert_eq!(answer.text, "nothing");
    assert!(answer.cookies.is_empty());
}

async fn an_id_that_the_store_does_not_know_is_never_adopted(place: Place) {
    let planted = Id::default();
    let mut browser = Browser::new(&app(place.bridge())).with_cookie("id", &planted.to_string());
    let answer = browser.get("/set/n/1").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_ne!(browser.id(), planted);
    assert_eq!(browser.text("/get/n").await, "1");
    assert_eq!(place.row(&place.bridge(), &planted).await, None);

    // Not where it comes without ever having been looked up, either.
    let browser = Browser::new(&app(place.bridge())).with_cookie("id", &planted.to_string());
    let answer = browser.clone().get("/clear-and-set").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(place.row(&place.bridge(), &planted).await, None);
    let mut browser = browser;
    let answer = browser.get("/flush-and-set").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_ne!(browser.id(), planted);
    assert_eq!(browser.text("/get/notice").await, "bye");
}

async fn a_malformed_cookie_is_taken_back(place: Place) {
    for value in ["malformed", "AAAAAAAAAAAAAAAAAAAAAAAA", "%00", "="] {
        let mut browser = Browser::new(&app(place.bridge())).with_cookie("id", value);
        let answer = browser.get("/").await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.cookie().max_age(), Some(Duration::ZERO));
        assert_eq!(browser.cookie(), None);
    }
}

async fn a_new_session_sets_a_guarded_cookie_that_lasts_as_long(place: Place) {
    let answer = Browser::new(&app(place.bridge())).get("/set/n/1").await;
    let cookie = answer.cookie();
    assert_eq!(cookie.name(), "id");
    assert_eq!(cookie.http_only(), Some(true));
    assert_eq!(cookie.secure(), Some(true));
    assert_eq!(cookie.same_site(), Some(SameSite::Strict));
    assert_eq!(cookie.path(), Some("/"));
    assert_eq!(cookie.max_age(), Some(Duration::hours(1)));
}

async fn without_an_expiry_the_cookie_goes_with_the_browser(place: Place) {
    let bridge = place.bridge();
    let app = routes().layer(SessionManagerLayer::new(bridge.clone()));
    let mut browser = Browser::new(&app);
    let answer = browser.get("/set/n/1").await;
    assert_eq!(answer.cookie().max_age(), None);
    // The row has an end all the same: two weeks, says tower-sessions.
    let row = place
        .row(&bridge, &browser.id())
        .await
        .expect("it is there");
    let lasts = row.expires.expect("it expires") - place.clock.now();
    assert!((lasts - chrono::TimeDelta::weeks(2)).abs() < chrono::TimeDelta::minutes(1));
}

async fn a_cookie_may_have_another_name(place: Place) {
    let layer = SessionManagerLayer::new(place.bridge()).with_name("my.sid");
    let mut browser = Browser::new(&routes().layer(layer));
    assert_eq!(browser.get("/set/n/1").await.cookie().name(), "my.sid");
    assert_eq!(browser.text("/get/n").await, "1");
}

async fn what_is_inserted_is_there_at_the_next_request(place: Place) {
    let mut browser = Browser::new(&app(place.bridge()));
    browser.get("/set/n/1").await;
    let id = browser.id();
    assert_eq!(browser.text("/get/n").await, "1");
    browser.get("/set/n/2").await;
    browser.get("/set/m/3").await;
    assert_eq!(browser.text("/get/n").await, "2");
    assert_eq!(browser.text("/get/m").await, "3");
    assert_eq!(browser.id(), id);
    // Another browser has another session.
    let mut other = Browser::new(&app(place.bridge()));
    assert_eq!(other.text("/get/n").await, "nothing");
}

async fn what_is_removed_is_gone_also_when_it_was_the_last(place: Place) {
    let mut browser = Browser::new(&app(place.bridge()));
    browser.get("/set/n/1").await;
    browser.get("/set/m/2").await;
    browser.get("/remove/n").await;
    assert_eq!(browser.text("/get/n").await, "nothing");
    assert_eq!(browser.text("/get/m").await, "2");
    browser.get("/remove/m").await;
    assert_eq!(browser.text("/get/m").await, "nothing");
    let id = browser.id();
    browser.get("/set/n/3").await;
    assert_eq!(browser.id(), id);
    browser.get("/clear").await;
    assert_eq!(browser.text("/get/n").await, "nothing");
    assert_eq!(browser.id(), id);
}

async fn cycling_keeps_the_data_and_the_old_cookie_opens_nothing(place: Place) {
    let bridge = place.bridge();
    let mut browser = Browser::new(&app(bridge.clone()));
    browser.get("/set/n/1").await;
    let old = browser.id();
    let mut thief = browser.clone();
    browser.get("/cycle").await;
    assert_ne!(browser.id(), old);
    assert_eq!(browser.text("/get/n").await, "1");
    assert_eq!(thief.text("/get/n").await, "nothing");
    assert_eq!(place.row(&bridge, &old).await, None);
}

async fn cycling_without_a_session_begins_one(place: Place) {
    let mut browser = Browser::new(&app(place.bridge()));
    browser.get("/login/alice").await;
    assert_eq!(browser.text("/get/user").await, "alice");
}

async fn flushing_takes_the_cookie_back_and_removes_the_row(place: Place) {
    let bridge = place.bridge();
    let mut browser = Browser::new(&app(bridge.clone()));
    browser.get("/set/n/1").await;
    let (id, mut thief) = (browser.id(), browser.clone());
    let answer = browser.get("/flush").await;
    assert_eq!(answer.status, StatusCode::OK);
    let cookie = answer.cookie();
    assert_eq!(cookie.value(), "");
    assert_eq!(cookie.max_age(), Some(Duration::ZERO));
    assert_eq!(cookie.path(), Some("/"));
    assert_eq!(place.row(&bridge, &id).await, None);
    assert_eq!(thief.text("/get/n").await, "nothing");
    // Again, with what is no session any more.
    assert_eq!(
        thief
            .with_cookie("id", &id.to_string())
            .get("/flush")
            .await
            .status,
        StatusCode::OK
    );
}

async fn flushing_takes_back_a_cookie_with_a_domain(place: Place) {
    let layer = SessionManagerLayer::new(place.bridge()).with_domain("example.org".to_owned());
    let mut browser = Browser::new(&routes().layer(layer));
    browser.get("/set/n/1").await;
    let answer = browser.get("/flush").await;
    assert_eq!(answer.cookie().domain(), Some("example.org"));
    assert_eq!(answer.cookie().max_age(), Some(Duration::ZERO));
}

async fn what_is_written_after_flushing_has_another_id(place: Place) {
    let mut browser = Browser::new(&app(place.bridge()));
    browser.get("/set/n/1").await;
    let (old, mut thief) = (browser.id(), browser.clone());
    let answer = browser.get("/flush-and-set").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_ne!(
        browser.id(),
        old,
        "a new session under the id that was flushed"
    );
    assert_eq!(browser.text("/get/notice").await, "bye");
    assert_eq!(browser.text("/get/n").await, "nothing");
    assert_eq!(thief.text("/get/notice").await, "nothing");
}

async fn the_expiry_can_be_changed_and_is_stored(place: Place) {
    let bridge = place.bridge();
    let mut browser = Browser::new(&app(bridge.clone()));
    let expires_in = async |id: Id| {
        let row = place.row(&bridge, &id).await.expect("it is there");
        let lasts = row.expires.expect("it expires") - place.clock.now();
        Some(Duration::seconds(lasts.num_seconds()))
    };
    browser.get("/set/n/1").await;
    assert!(is_about(expires_in(browser.id()).await, Duration::hours(1)));

    let session = Session::new(
        Some(browser.id()),
        std::sync::Arc::new(bridge.clone()),
        Some(Expiry::OnInactivity(Duration::hours(3))),
    );
    session.save().await.expect("it is saved");
    assert!(is_about(expires_in(browser.id()).await, Duration::hours(3)));

    // Of the cookie alone, since nothing else has changed.
    browser.get("/set/n/2").await;
    let always = SessionManagerLayer::new(bridge.clone()).with_always_save(true);
    let mut browser = Browser::new(&routes().layer(always))
        .with_cookie("id", browser.cookie().expect("it has one"));
    let answer = browser.get("/expire/tomorrow").await;
    assert!(is_about(answer.cookie().max_age(), Duration::days(1)));
    assert!(is_about(expires_in(browser.id()).await, Duration::days(1)));
    let answer = browser.get("/expire/with-the-browser").await;
    assert_eq!(answer.cookie().max_age(), None);
    assert!(is_about(expires_in(browser.id()).await, Duration::weeks(2)));
    assert_eq!(browser.text("/get/n").await, "2");
}

async fn an_expired_session_is_not_loaded_and_its_id_not_used_again(place: Place) {
    let bridge = place.bridge();
    let mut browser = Browser::new(&app(bridge.clone()));
    browser.get("/set/n/1").await;
    let id = browser.id();
    place.clock.advance(std::time::Duration::from_secs(3_590));
    assert_eq!(browser.text("/get/n").await, "1");
    place.clock.advance(std::time::Duration::from_secs(20));
    assert_eq!(browser.text("/get/n").await, "nothing");
    browser.get("/set/n/2").await;
    assert_ne!(browser.id(), id);
}

async fn saving_always_keeps_a_session_alive(place: Place) {
    let layer = SessionManagerLayer::new(place.bridge())
        .with_always_save(true)
        .with_expiry(Expiry::OnInactivity(Duration::hours(1)));
    let mut browser = Browser::new(&routes().layer(layer));
    browser.get("/set/n/1").await;
    let row = async || place.row(&place.bridge(), &browser.id()).await;
    let before = row().await.expect("it is there");
    place.clock.advance(std::time::Duration::from_secs(10));
    let answer = browser.clone().get("/").await;
    assert!(is_about(answer.cookie().max_age(), Duration::hours(1)));
    let after = row().await.expect("it is there");
    assert!(after.version > before.version);
    assert!(after.expires > before.expires);
    assert_eq!(after.created, before.created);
    assert_eq!(after.renewed, floor_to_micros(place.clock.now()));
}

async fn an_id_that_is_taken_is_not_taken_twice(place: Place) {
    let bridge = place.bridge();
    let mut one = record([("n", 1.into())]);
    let mut other = record([("n", 2.into())]);
    bridge.create(&mut one).await.expect("it is created");
    other.id = one.id;
    bridge.create(&mut other).await.expect("it is created");
    assert_ne!(one.id, other.id);
    for record in [one, other] {
        let loaded = bridge.load(&record.id).await.expect("the store answers");
        assert_eq!(loaded, Some(record));
    }
}

async fn what_is_not_there_is_none_and_can_be_deleted(place: Place) {
    let bridge = place.bridge();
    let id = Id::default();
    assert_eq!(bridge.load(&id).await.expect("the store answers"), None);
    bridge.delete(&id).await.expect("that is no error");
    let mut record = record([]);
    bridge.create(&mut record).await.expect("it is created");
    bridge.delete(&record.id).await.expect("it is deleted");
    bridge.delete(&record.id).await.expect("that is no error");
    assert_eq!(
        bridge.load(&record.id).await.expect("the store answers"),
        None
    );
}

async fn a_record_that_has_expired_already_is_accepted_and_not_loaded(place: Place) {
    let bridge = place.bridge();
    let mut record = record([]);
    record.expiry_date = OffsetDateTime::now_utc() - Duration::minutes(1);
    bridge.create(&mut record).await.expect("it is created");
    assert_eq!(
        bridge.load(&record.id).await.expect("the store answers"),
        None
    );
}

async fn cleanup_removes_what_has_expired(place: Place) {
    let bridge = place.bridge();
    let (mut short, mut long) = (record([]), record([]));
    long.expiry_date += Duration::hours(1);
    bridge.create(&mut short).await.expect("it is created");
    bridge.create(&mut long).await.expect("it is created");
    place.clock.advance(std::time::Duration::from_secs(3_700));
    let removed = place.cleanup.delete_expired_sessions().await;
    assert_eq!(removed.expect("the store answers"), 1);
    let is_there = async |id| {
        let key = bridge.key(&id);
        // Whether there was a row, expired or not.
        place
            .store
            .delete_user_session(&key)
            .await
            .expect("the store answers")
    };
    assert!(!is_there(short.id).await);
    assert!(is_there(long.id).await);
}

on_every_store!(
    a_request_that_uses_no_session_sets_no_cookie,
    an_id_that_the_store_does_not_know_is_never_adopted,
    a_malformed_cookie_is_taken_back,
    a_new_session_sets_a_guarded_cookie_that_lasts_as_long,
    without_an_expiry_the_cookie_goes_with_the_browser,
    a_cookie_may_have_another_name,
    what_is_inserted_is_there_at_the_next_request,
    what_is_removed_is_gone_also_when_it_was_the_last,
    cycling_keeps_the_data_and_the_old_cookie_opens_nothing,
    cycling_without_a_session_begins_one,
    flushing_takes_the_cookie_back_and_removes_the_row,
    flushing_takes_back_a_cookie_with_a_domain,
    what_is_written_after_flushing_has_another_id,
    the_expiry_can_be_changed_and_is_stored,
    an_expired_session_is_not_loaded_and_its_id_not_used_again,
    saving_always_keeps_a_session_alive,
    an_id_that_is_taken_is_not_taken_twice,
    what_is_not_there_is_none_and_can_be_deleted,
    a_record_that_has_expired_already_is_accepted_and_not_loaded,
    cleanup_removes_what_has_expired,
);
