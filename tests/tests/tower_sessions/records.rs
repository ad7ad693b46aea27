//! Records come back as they were.

use std::collections::HashMap;

use serde_json::{Value, json};
use store_axum::TowerSessionStore;
use store_core::PartitionKey;
use time::{Date, Duration, Month, OffsetDateTime};
use tower_sessions::SessionStore as _;
use tower_sessions::session::Record;
use tower_sessions::session_store::Error;

use crate::place::{Bridge, Place, on_every_store, record};

async fn comes_back(bridge: &Bridge, mut record: Record) {
    bridge.create(&mut record).await.expect("it is created");
    let loaded = bridge.load(&record.id).await.expect("it is loaded");
    assert!(loaded.as_ref() == Some(&record), "created");
    bridge.save(&record).await.expect("it is saved");
    let loaded = bridge.load(&record.id).await.expect("it is loaded");
    assert!(loaded.as_ref() == Some(&record), "saved");
}

async fn every_value_comes_back(place: Place) {
    let deep = (0..100).fold(json!("bottom"), |inner, _| json!([inner]));
    let data = [
        ("", json!("an empty name")),
        ("nul\0", json!("\0")),
        ("ünï", json!("e\u{301} ≠ é, 漢字, 🦀")),
        ("null", Value::Null),
        (
            "numbers",
            json!([0, -1, i64::MIN, u64::MAX, 0.1, -0.0, 1e300, 5e-324, 1.0]),
        ),
        ("object", json!({ "": {}, "a": [true, false, []] })),
        ("deep", deep),
    ];
    comes_back(&place.bridge(), record(data)).await;
    comes_back(&place.bridge(), record([])).await;
}

async fn the_expiry_keeps_all_its_digits(place: Place) {
    let last = Date::from_calendar_date(9999, Month::December, 31).expect("a date");
    let last = last.with_hms_nano(23, 59, 59, 999_999_999).expect("a time");
    let soon = OffsetDateTime::now_utc() + Duration::hours(1);
    for expiry_date in [
        soon.replace_nanosecond(123_456_789).expect("nanoseconds"),
        soon.replace_nanosecond(0).expect("nanoseconds"),
        last.assume_utc(),
    ] {
        let record = Record {
            expiry_date,
            ..record([("n", 1.into())])
        };
        comes_back(&place.bridge(), record).await;
    }
}

async fn a_megabyte_comes_back_and_too_much_is_an_error(place: Place) {
    let bridge = place.bridge();
    let long = |len| json!("x".repeat(len));
    comes_back(&bridge, record([("basket", long(1 << 20))])).await;

    let mut small = record([("n", 1.into())]);
    bridge.create(&mut small).await.expect("it is created");
    let mut large = record([("basket", long(5 << 20))]);
    let refused = bridge.create(&mut large).await;
    assert_is_too_large(refused);
    large.id = small.id;
    assert_is_too_large(bridge.save(&large).await);
    // Nothing has changed.
    let loaded = bridge.load(&small.id).await.expect("it is loaded");
    assert_eq!(loaded, Some(small));
}

fn assert_is_too_large(answer: Result<(), Error>) {
    let Err(Error::Backend(text)) = answer else {
        panic!("it is refused, not {answer:?}");
    };
    assert!(text.contains("are allowed"), "{text}");
}

async fn what_cannot_be_encoded_is_an_error_and_not_written(place: Place) {
    let deep = (0..500).fold(json!(1), |inner, _| json!([inner]));
    let (bridge, mut record) = (place.bridge(), record([("deep", deep)]));
    let answer = bridge.create(&mut record).await;
    assert!(matches!(answer, Err(Error::Encode(_))), "{answer:?}");
    assert_eq!(place.row(&bridge, &record.id).await, None);
}

async fn saving_what_was_removed_is_an_error_and_makes_no_row(place: Place) {
    let bridge = place.bridge();
    let never = record([("n", 1.into())]);
    let mut removed = record([("n", 1.into())]);
    bridge.create(&mut removed).await.expect("it is created");
    bridge.delete(&removed.id).await.expect("it is deleted");
    let mut expired = record([("n", 1.into())]);
    expired.expiry_date = OffsetDateTime::now_utc() - Duration::seconds(1);
    bridge.create(&mut expired).await.expect("it is created");
    expired.expiry_date += Duration::hours(1);

    for record in [never, removed, expired] {
        let Err(Error::Backend(text)) = bridge.save(&record).await else {
            panic!("it is refused");
        };
        assert!(text.contains("has ended"), "{text}");
        assert_eq!(bridge.load(&record.id).await.expect("it answers"), None);
        assert_eq!(place.row(&bridge, &record.id).await, None);
    }
}

async fn a_session_of_another_store_is_taken_over_with_its_id(place: Place) {
    let bridge = place.naming_bridge();
    let mut record = record([("user", "alice".into())]);
    assert!(bridge.adopt(&record).await.expect("it is written"));
    let loaded = bridge.load(&record.id).await.expect("it is loaded");
    assert_eq!(loaded.as_ref(), Some(&record));
    assert_eq!(place.sessions_of("alice").await, 1);
    // Once, and what has happened to it since stays.
    let old = record.clone();
    record.data.insert("n".into(), 1.into());
    bridge.save(&record).await.expect("it is saved");
    assert!(!bridge.adopt(&old).await.expect("it answers"));
    let loaded = bridge.load(&record.id).await.expect("it is loaded");
    assert_eq!(loaded, Some(record));
}

async fn partitions_are_walls(place: Place) {
    let here = place.naming_bridge();
    let there = here.in_partition(PartitionKey::try_from("there").expect("a key"));
    let mut record = record([("user", "alice".into())]);
    here.create(&mut record).await.expect("it is created");
    assert_eq!(there.load(&record.id).await.expect("it answers"), None);
    assert!(there.save(&record).await.is_err());
    there.delete(&record.id).await.expect("there is nothing");
    assert!(here.load(&record.id).await.expect("it answers").is_some());

    let mut other = record.clone();
    there.create(&mut other).await.expect("it is created");
    assert_eq!(place.log_out_everywhere("alice").await, 1);
    assert_eq!(here.load(&record.id).await.expect("it answers"), None);
    assert!(there.load(&other.id).await.expect("it answers").is_some());
    assert_eq!(there.partition_key().as_str(), "there");
}

async fn two_writers_of_one_session_are_last_come_last_kept(place: Place) {
    let bridge = place.bridge();
    let mut stored = record([]);
    bridge.create(&mut stored).await.expect("it is created");
    let with = |name: &str| Record {
        data: HashMap::from([(name.to_owned(), Value::Null)]),
        ..stored.clone()
    };
    bridge.save(&with("one")).await.expect("it is saved");
    bridge.save(&with("other")).await.expect("it is saved");
    let loaded = bridge.load(&stored.id).await.expect("it is loaded");
    assert_eq!(loaded, Some(with("other")));
}

async fn an_unencrypted_bridge_does_the_same_and_reads_no_others(place: Place) {
    let plain = TowerSessionStore::unencrypted(std::sync::Arc::clone(&place.store));
    comes_back(&plain, record([("n", 1.into())])).await;
    let mut sealed = record([]);
    place
        .bridge()
        .create(&mut sealed)
        .await
        .expect("it is created");
    assert!(plain.load(&sealed.id).await.is_err());
    assert!(place.row(&plain, &sealed.id).await.is_some());
}

on_every_store!(
    every_value_comes_back,
    the_expiry_keeps_all_its_digits,
    a_megabyte_comes_back_and_too_much_is_an_error,
    what_cannot_be_encoded_is_an_error_and_not_written,
    saving_what_was_removed_is_an_error_and_makes_no_row,
    a_session_of_another_store_is_taken_over_with_its_id,
    partitions_are_walls,
    two_writers_of_one_session_are_last_come_last_kept,
    an_unencrypted_bridge_does_the_same_and_reads_no_others,
);
