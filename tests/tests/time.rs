//! Points in time are kept to the microsecond, in whatever zones server and client are.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use store_core::{
    Clock as _, Cursor, Error, MAX_LIMIT, ManualClock, PageRequest, PartitionKey, StartPolicy,
    SystemClock, UserSession, UserSessionDirectory as _, UserSessionStore as _,
    UserSessionStoreCleanup as _, UserSessionUpdate, UserSessionsFilter, floor_to_micros,
};
use store_seaorm::SeaOrmUserSessionStore;
use store_tests::sample::{at, key, session};
use store_tests::{TestDatabase, TestStore, host_pool, on_databases, on_every_database};

const FIRST: &str = "1000-01-01T00:00:00Z";
const LAST: &str = "9999-12-31T23:59:59.999999Z";
const MICROSECOND: Duration = Duration::from_micros(1);

/// Instants that a database, a driver or a zone may get wrong; the second is what is kept of the
/// first.
const INSTANTS: [(&str, &str); 18] = [
    (FIRST, FIRST),
    (LAST, LAST),
    ("9999-12-31T23:59:59.999999999Z", LAST),
    // Floored, not rounded, after 1970 and before.
    (
        "2026-03-02T08:15:30.123456789Z",
        "2026-03-02T08:15:30.123456Z",
    ),
    (
        "2026-03-02T08:15:30.999999999Z",
        "2026-03-02T08:15:30.999999Z",
    ),
    (
        "1969-12-31T23:59:59.999999999Z",
        "1969-12-31T23:59:59.999999Z",
    ),
    ("1969-12-31T23:59:59.000000001Z", "1969-12-31T23:59:59Z"),
    ("1969-07-20T20:17:40.500000Z", "1969-07-20T20:17:40.500000Z"),
    // Where 64 bits of nanoseconds and 32 bits of seconds end, and where epochs begin.
    ("1677-09-21T00:12:43.145224Z", "1677-09-21T00:12:43.145224Z"),
    ("2262-04-11T23:47:16.854776Z", "2262-04-11T23:47:16.854776Z"),
    ("2038-01-19T03:14:08.000001Z", "2038-01-19T03:14:08.000001Z"),
    ("2000-01-01T00:00:00Z", "2000-01-01T00:00:00Z"),
    ("1970-01-01T00:00:00.000001Z", "1970-01-01T00:00:00.000001Z"),
    // Days that were left out when calendars changed.
    ("1582-10-10T12:00:00Z", "1582-10-10T12:00:00Z"),
    // Where clocks in Newfoundland skip an hour, in their own digits and in UTC's, and where they
    // repeat one.
    ("2026-03-08T02:30:00.123456Z", "2026-03-08T02:30:00.123456Z"),
    ("2026-03-08T05:30:00Z", "2026-03-08T05:30:00Z"),
    ("2026-11-01T01:30:00.654321Z", "2026-11-01T01:30:00.654321Z"),
    ("2024-02-29T23:59:59.999999Z", "2024-02-29T23:59:59.999999Z"),
];

fn instants() -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
    INSTANTS.map(|(given, kept)| (at(given), at(kept))).to_vec()
}

/// A session that has the instant in every place that it can have one.
fn session_at(instant: DateTime<Utc>) -> UserSession {
    UserSession {
        created: instant,
        expires: Some(instant),
        ..session(&format!("at {}", instant.to_rfc3339())).with_renewed(instant)
    }
}

/// A store and its clock, which shows a time before every instant that may be stored.
async fn store_before_all(db: TestDatabase) -> (TestStore, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(at("0999-12-31T23:59:59Z")));
    (TestStore::on(db, clock.clone()).await, clock)
}

/// Every operation that writes times keeps the microseconds of each, and every one that reads
/// hands them back.
async fn are_kept_to_the_microsecond(db: TestDatabase) {
    let (store, _) = store_before_all(db).await;
    let (partition, policy) = (PartitionKey::default(), StartPolicy::default());
    for (given, kept) in instants() {
        let session = session_at(given);
        let key = &session.key;
        let by_id = UserSessionsFilter::for_session(session.session_id.clone().unwrap());
        let expected = |version| UserSession {
            created: kept,
            renewed: kept,
            expires: Some(kept),
            version,
            ..session.clone()
        };
        let is_kept = async |version| {
            let found = store.get_user_session(key).await.unwrap();
            assert_eq!(found, Some(expected(version)), "{given}");
        };
        let other_times = |session: UserSession| UserSession {
            created: at("2020-01-01T00:00:00Z"),
            renewed: at("2020-01-01T00:00:00Z"),
            expires: None,
            ..session
        };

        store.create_user_session(session.clone()).await.unwrap();
        is_kept(0).await;
        let page = PageRequest::default();
        let listed = store.list_user_sessions(&partition, &page).await.unwrap();
        let listed = listed.sessions;
        assert_eq!(listed.len(), 1);
        assert_eq!(
            (listed[0].created, listed[0].renewed, listed[0].expires),
            (kept, kept, Some(kept))
        );

        let update = UserSessionUpdate::from(other_times(session.clone()));
        assert!(store.update_user_session(key, update).await.unwrap());
        assert!(
            store
                .update_user_session(key, session.clone().into())
                .await
                .unwrap()
        );
        is_kept(2).await;
        assert!(
            store
                .renew_user_session(key, at(FIRST), None)
                .await
                .unwrap()
        );
        assert!(
            store
                .renew_user_session(key, given, Some(given))
                .await
                .unwrap()
        );
        is_kept(4).await;
        let rotated = session.clone().into();
        assert!(
            store
                .rotate_user_key(key, &key.user_key, rotated)
                .await
                .unwrap()
        );
        is_kept(5).await;

        let found = store.get_user_sessions(&partition, &by_id).await.unwrap();
        assert_eq!(found, [expected(5)]);
        let ended = store
            .start_user_session(session.clone(), &policy)
            .await
            .unwrap();
        assert_eq!(ended, [expected(5)]);
        is_kept(0).await;
        let ended = store.end_user_sessions(&partition, &by_id).await.unwrap();
        assert_eq!(ended, [expected(0)]);
    }
}

/// What the operating system's clock shows is kept without its nanoseconds.
async fn of_the_systems_clock_are_kept(db: TestDatabase) {
    let store = TestStore::new(db).await;
    let now = SystemClock.now();
    let nanoseconds = floor_to_micros(now) + TimeDelta::nanoseconds(789);
    let hour = TimeDelta::hours(1);
    for (name, expires, is_live) in [("live", now + hour, true), ("expired", now, false)] {
        let session = UserSession {
            created: nanoseconds,
            ..session(name).with_expires(expires)
        };
        store.create_user_session(session.clone()).await.unwrap();
        let found = store.get_user_session(&session.key).await.unwrap();
        assert_eq!(found.is_some(), is_live);
        if let Some(found) = found {
            assert_eq!(found.created, floor_to_micros(now));
            assert_eq!(found.expires, Some(floor_to_micros(now + hour)));
        }
    }
    assert_eq!(store.delete_expired_sessions().await.unwrap(), 1);
}

/// A session is live a microsecond before it expires, and is not when it does; for the cleanup too.
async fn expire_to_the_microsecond(db: TestDatabase) {
    let (store, clock) = store_before_all(db).await;
    for (given, kept) in instants() {
        expires_to_the_microsecond(&store, &clock, given, kept).await;
    }
}

async fn expires_to_the_microsecond(
    store: &SeaOrmUserSessionStore,
    clock: &ManualClock,
    given: DateTime<Utc>,
    kept: DateTime<Utc>,
) {
    clock.set(kept - MICROSECOND);
    let session = session(&format!("until {kept}")).with_expires(given);
    let key = &session.key;
    store.create_user_session(session.clone()).await.unwrap();
    let is_live = async || store.get_user_session(key).await.unwrap().is_some();

    assert!(is_live().await, "a microsecond before {kept}");
    assert_eq!(store.delete_expired_sessions().await.unwrap(), 0, "{kept}");
    clock.advance(Duration::from_nanos(999));
    assert!(is_live().await, "a nanosecond before {kept}");
    assert!(
        store
            .end_expired_sessions(MAX_LIMIT)
            .await
            .unwrap()
            .is_empty()
    );

    clock.set(kept);
    assert!(!is_live().await, "at {kept}");
    assert!(!store.renew_user_session(key, kept, None).await.unwrap());
    let ended = store.end_expired_sessions(MAX_LIMIT).await.unwrap();
    assert_eq!(ended.len(), 1, "{kept}");
    assert_eq!(ended[0].expires, Some(kept));
}

/// Every operation refuses a time that not every database can hold, and changes nothing.
async fn outside_are_refused(db: TestDatabase) {
    let store = TestStore::new(db).await;
    let partition = PartitionKey::default();
    let kept = session("kept");
    store.create_user_session(kept.clone()).await.unwrap();
    let leap_second = at("2016-12-31T23:59:60.5Z");
    for outside in [
        at(FIRST) - TimeDelta::nanoseconds(1),
        at(LAST) + TimeDelta::microseconds(1),
        at("0001-01-01T00:00:00Z"),
        at("+10000-01-01T00:00:00Z"),
        DateTime::<Utc>::MIN_UTC,
        DateTime::<Utc>::MAX_UTC,
        leap_second,
    ] {
        let mut answers = Vec::new();
        let changed = |session: UserSession| {
            [
                UserSession {
                    created: outside,
                    ..session.clone()
                },
                UserSession {
                    renewed: outside,
                    ..session.clone()
                },
                UserSession {
                    expires: Some(outside),
                    ..session
                },
            ]
        };
        for new in changed(session("new")) {
            answers.push(store.create_user_session(new.clone()).await.map(drop));
            let started = store.start_user_session(new, &StartPolicy::default()).await;
            answers.push(started.map(drop));
        }
        for changed in changed(kept.clone()) {
            let (key, update) = (&kept.key, UserSessionUpdate::from(changed));
            let updated = store.update_user_session(key, update.clone()).await;
            answers.push(updated.map(drop));
            let rotated = store.rotate_user_key(key, &sample_key(), update).await;
            answers.push(rotated.map(drop));
        }
        let renewed = at("2026-03-02T09:00:00Z");
        for (renewed, expires) in [(outside, None), (renewed, Some(outside))] {
            let renewed = store.renew_user_session(&kept.key, renewed, expires).await;
            answers.push(renewed.map(drop));
        }
        // A cursor floors what it is made of, a leap second to an instant that is none.
        if outside != leap_second {
            let page = PageRequest {
                after: Some(Cursor::new(outside, sample_key())),
                ..PageRequest::default()
            };
            answers.push(store.list_user_sessions(&partition, &page).await.map(drop));
        }
        for (operation, answer) in answers.into_iter().enumerate() {
            assert!(
                matches!(answer, Err(Error::InvalidTimestamp)),
                "{outside}, {operation}: {answer:?}"
            );
        }
        assert_eq!(
            store.count_user_sessions(&partition, None).await.unwrap(),
            1
        );
        let found = store.get_user_session(&kept.key).await.unwrap();
        assert_eq!(found, Some(kept.clone()));
    }
}

fn sample_key() -> store_core::UserKey {
    key("another").user_key
}

on_every_database!(
    are_kept_to_the_microsecond,
    of_the_systems_clock_are_kept,
    expire_to_the_microsecond,
    outside_are_refused,
);

mod on_servers {
    use store_tests::DatabaseKind;

    use super::*;

    /// Connections in other zones, and with other ways to write a date, read what each of the others
    /// wrote, and see it expire at the same instant.
    async fn are_the_same_in_every_zone(db: TestDatabase) {
        let settings: &[&str] = match db.kind() {
            DatabaseKind::Postgres => &[
                "SET TIME ZONE 'UTC'",
                "SET TIME ZONE 'Pacific/Kiritimati'",
                "SET TIME ZONE 'America/St_Johns'; SET datestyle = 'German'",
            ],
            _ => &[
                "SET time_zone = '+00:00'",
                "SET time_zone = '+13:00'",
                "SET time_zone = '-03:30'; SET sql_mode = ''",
            ],
        };
        let clock = Arc::new(ManualClock::new(at("0999-12-31T23:59:59Z")));
        let mut stores = Vec::new();
        for setting in settings {
            let host = host_pool(db.url(), 2, setting).await;
            let store = SeaOrmUserSessionStore::builder()
                .clock(clock.clone())
                .build(host);
            store_migration::up(store.connection()).await.unwrap();
            stores.push(store);
        }
        agree(&stores, &clock).await;
    }

    /// Each reads what each wrote, to the microsecond.
    pub(super) async fn agree(stores: &[SeaOrmUserSessionStore], clock: &ManualClock) {
        for (given, kept) in instants() {
            let session = session_at(given);
            for writer in stores {
                clock.set(at("0999-12-31T23:59:59Z"));
                writer.create_user_session(session.clone()).await.unwrap();
                for reader in stores {
                    let found = reader
                        .get_user_session(&session.key)
                        .await
                        .unwrap()
                        .unwrap();
                    assert_eq!(
                        (found.created, found.renewed, found.expires),
                        (kept, kept, Some(kept))
                    );
                }
                for (now, is_live) in [(kept - MICROSECOND, true), (kept, false)] {
                    clock.set(now);
                    for reader in stores {
                        let found = reader.get_user_session(&session.key).await.unwrap();
                        assert_eq!(found.is_some(), is_live, "at {now}");
                    }
                }
                assert!(writer.delete_user_session(&session.key).await.unwrap());
            }
        }
    }

    on_databases!([postgres, mysql, mariadb]: are_the_same_in_every_zone);
}

mod of_the_database {
    use super::*;
    use sea_orm::ConnectionTrait as _;

    /// A zone that the database is set to concerns neither the store's own connections nor a host's.
    async fn does_not_matter(db: TestDatabase) {
        let name = db.url().rsplit('/').next().unwrap().to_owned();
        let owner = db.connect().await;
        for setting in ["timezone = 'America/St_Johns'", "datestyle = 'SQL, DMY'"] {
            let sql = format!("ALTER DATABASE {name} SET {setting}");
            owner.execute_unprepared(&sql).await.unwrap();
        }
        let clock = Arc::new(ManualClock::new(at("0999-12-31T23:59:59Z")));
        let builder = SeaOrmUserSessionStore::builder().clock(clock.clone());
        let own = builder.clone().connect(db.url()).await.unwrap();
        store_migration::up(own.connection()).await.unwrap();
        let of_the_host = builder.build(host_pool(db.url(), 2, "RESET timezone").await);
        on_servers::agree(&[own, of_the_host], &clock).await;
    }

    on_databases!([postgres]: does_not_matter);
}

mod of_the_client {
    use std::process::Command;

    use store_tests::{DatabaseKind, servers};

    const TESTS: [&str; 2] = ["are_kept_to_the_microsecond", "expire_to_the_microsecond"];

    /// Two of the above, on every database, in a process whose zone is this. Written by their rules, the zones need not
    /// be installed.
    async fn runs_all_in(zone: &str) {
        let mut process = Command::new(std::env::current_exe().unwrap());
        process.env("TZ", zone);
        for (kind, server) in servers::find_all().await {
            process.env(
                kind.url_variable(),
                server.map_or("none", |server| server.url()),
            );
        }
        process.args(TESTS);
        let output = tokio::task::spawn_blocking(move || process.output())
            .await
            .unwrap()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let passed = text
            .split_once("test result: ok. ")
            .and_then(|(_, rest)| rest.split_once(" passed"))
            .map(|(passed, _)| passed.parse::<usize>().unwrap());
        assert!(
            output.status.success() && passed == Some(TESTS.len() * DatabaseKind::ALL.len()),
            "{text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn in_kiritimati() {
        runs_all_in("<+14>-14").await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn in_newfoundland() {
        runs_all_in("NST3:30NDT,M3.2.0,M11.1.0").await;
    }
}
