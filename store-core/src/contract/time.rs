//! Timestamps are microseconds of UTC, from the year 1000 to 9999. Now is what the clock says.

use chrono::TimeDelta;

use super::ask::*;
use super::sample::*;
use crate::{
    Clock, Error, ManualClock, StartPolicy, UserSession, UserSessionStore, UserSessionUpdate,
};

const NANOSECOND: TimeDelta = TimeDelta::nanoseconds(1);

/// Timestamps come back to the microsecond: from both ends of the calendar, from before 1970, and
/// from hours that some time zone skips or repeats.
pub async fn microseconds_come_back(store: &dyn UserSessionStore, clock: &ManualClock) {
    let earliest = at("1000-01-01T00:00:00Z");
    for (i, time) in [
        "1000-01-01T00:00:00.000000Z",
        "1582-10-10T12:00:00.000001Z",
        "1900-02-28T23:59:59.999999Z",
        "1969-12-31T23:59:59.999999Z",
        "1970-01-01T00:00:00.000000Z",
        "2000-02-29T00:00:00.100000Z",
        "2026-03-08T02:30:00.000010Z",
        "2026-03-29T02:30:00.123456Z",
        "2026-10-25T01:30:00.654321Z",
        "2038-01-19T03:14:08.000001Z",
        "9999-12-31T23:59:59.999999Z",
    ]
    .into_iter()
    .enumerate()
    {
        let time = at(time);
        clock.set(earliest);
        let session = UserSession {
            created: time,
            renewed: time,
            expires: (time > earliest).then_some(time),
            ..session(clock, &i.to_string())
        };
        given(store, [&session]).await;
        assert_stored(store, [&session]).await;

        clock.set(time);
        let is_live = find(store, &session.key).await.is_some();
        assert_eq!(is_live, session.expires.is_none(), "at {time}");
    }
}

/// Digits finer than microseconds are floored, also before 1970, whichever way a timestamp comes.
pub async fn finer_digits_are_floored(store: &dyn UserSessionStore, clock: &ManualClock) {
    let almost = MICROSECOND - NANOSECOND;
    let floor = UserSession {
        created: at("1969-12-31T23:59:59.999999Z"),
        renewed: at("2026-03-02T08:15:30.999999Z"),
        expires: Some(at("2100-01-01T00:00:00Z")),
        ..session(clock, "key")
    };
    let fine = UserSession {
        created: floor.created + almost,
        renewed: floor.renewed + almost,
        expires: floor.expires.map(|expires| expires + almost),
        ..floor.clone()
    };

    given(store, [&fine]).await;
    assert_stored(store, [&floor]).await;

    let updated = store
        .update_user_session(&floor.key, fine.clone().into())
        .await;
    assert!(updated.expect("nothing refuses the update"));
    let renewed = store
        .renew_user_session(&floor.key, fine.renewed, fine.expires)
        .await;
    assert!(renewed.expect("nothing refuses the renewal"));
    let twice = UserSession {
        version: 2,
        ..floor.clone()
    };
    assert_stored(store, [&twice]).await;

    let rotated = store
        .rotate_user_key(&floor.key, &user_key("new"), fine.clone().into())
        .await;
    assert!(rotated.expect("nothing refuses the rotation"));
    let thrice = UserSession {
        key: key("new"),
        version: 3,
        ..floor.clone()
    };
    assert_stored(store, [&thrice]).await;

    assert_eq!(start(store, &fine, &StartPolicy::default()).await, []);
    assert_stored(store, [&floor]).await;
}

/// An expiry and the clock are floored before they are compared.
pub async fn time_is_floored_before_it_is_compared(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let now = clock.now();
    let almost = MICROSECOND - NANOSECOND;
    let over = session(clock, "over").with_expires(now + almost);
    let live = session(clock, "live").with_expires(now + MICROSECOND);
    given(store, [&over, &live]).await;

    for now in [now, now + almost] {
        clock.set(now);
        assert_absent(store, &over.key).await;
        assert_stored(store, [&live]).await;
        assert_eq!(names(&alices(store).await), ["live"]);
        let in_the_way = store.create_user_session(live.clone()).await;
        assert_refused!(in_the_way, Error::AlreadyExists);
    }

    clock.set(now + MICROSECOND);
    assert_absent(store, &live.key).await;
}

/// A session's timestamps may be in any order.
pub async fn timestamps_may_be_in_any_order(store: &dyn UserSessionStore, clock: &ManualClock) {
    let now = clock.now();
    let session = UserSession {
        created: now + HOUR * 3,
        renewed: now - HOUR,
        ..session(clock, "key")
    };
    given(store, [&session]).await;
    assert_stored(store, [&session]).await;

    let renewed = now - HOUR * 2;
    let answer = store
        .renew_user_session(&session.key, renewed, session.expires)
        .await;
    assert!(answer.expect("nothing refuses the renewal"));
    let session = UserSession {
        renewed,
        version: 1,
        ..session
    };
    assert_stored(store, [&session]).await;
}

/// The same session, with one timestamp after the other that not every database holds.
fn with_invalid_timestamps(session: &UserSession) -> impl Iterator<Item = UserSession> {
    invalid_timestamps().into_iter().flat_map(|invalid| {
        let mut sessions = [(); 3].map(|()| session.clone());
        sessions[0].created = invalid;
        sessions[1].renewed = invalid;
        sessions[2].expires = Some(invalid);
        sessions
    })
}

/// Years before 1000 and after 9999 and leap seconds are refused, and no session is created or
/// started.
pub async fn an_invalid_timestamp_begins_no_session(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let old = with_sid("sid", session(clock, "old"));
    given(store, [&old]).await;

    for new in with_invalid_timestamps(&with_sid("sid", session(clock, "new"))) {
        assert_refused!(
            store.create_user_session(new.clone()).await,
            Error::InvalidTimestamp
        );
        assert_refused!(
            store.start_user_session(new.clone(), &at_most(1)).await,
            Error::InvalidTimestamp
        );
        assert_stored(store, [&old]).await;
        assert_absent(store, &new.key).await;
    }
}

/// Years before 1000 and after 9999 and leap seconds are refused, and no session is changed.
pub async fn an_invalid_timestamp_changes_no_session(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let session = session(clock, "key");
    given(store, [&session]).await;
    let new = user_key("new");

    for bad in with_invalid_timestamps(&session) {
        let update = UserSessionUpdate::from(bad);
        assert_refused!(
            store
                .update_user_session(&session.key, update.clone())
                .await,
            Error::InvalidTimestamp
        );
        assert_refused!(
            store.rotate_user_key(&session.key, &new, update).await,
            Error::InvalidTimestamp
        );
    }
    for bad in invalid_timestamps() {
        for (renewed, expires) in [(bad, session.expires), (clock.now(), Some(bad))] {
            assert_refused!(
                store
                    .renew_user_session(&session.key, renewed, expires)
                    .await,
                Error::InvalidTimestamp
            );
        }
    }

    assert_stored(store, [&session]).await;
}
