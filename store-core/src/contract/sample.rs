//! Sessions to try things with.

use std::num::NonZeroU32;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    Clock, ManualClock, PartitionKey, SessionId, StartPolicy, SubjectId, Ticket, UserKey,
    UserSession, UserSessionKey, UserSessionUpdate, UserSessionsFilter, WhenFull,
};

pub(super) const HOUR: TimeDelta = TimeDelta::hours(1);
pub(super) const MICROSECOND: TimeDelta = TimeDelta::microseconds(1);

pub(super) fn user_key(key: &str) -> UserKey {
    UserKey::try_from(key).expect("a valid user key")
}

pub(super) fn partition(key: &str) -> PartitionKey {
    PartitionKey::try_from(key).expect("a valid partition key")
}

pub(super) fn subject(id: &str) -> SubjectId {
    SubjectId::try_from(id).expect("a valid subject id")
}

pub(super) fn session_id(id: &str) -> SessionId {
    SessionId::try_from(id).expect("a valid session id")
}

/// A key in the default partition.
pub(super) fn key(key: &str) -> UserSessionKey {
    UserSessionKey::new(here(), user_key(key))
}

/// The default partition.
pub(super) fn here() -> PartitionKey {
    PartitionKey::default()
}

/// Alice's session in the default partition: begun now, for an hour, without a session id.
pub(super) fn session(clock: &ManualClock, user_key: &str) -> UserSession {
    let now = clock.now();
    UserSession::new(key(user_key), subject("alice"), now, "ticket".into()).with_expires(now + HOUR)
}

/// As [`session`], but expired since this very moment.
pub(super) fn expired(clock: &ManualClock, user_key: &str) -> UserSession {
    session(clock, user_key).with_expires(clock.now())
}

/// The same session with a session id.
pub(super) fn with_sid(sid: &str, session: UserSession) -> UserSession {
    session.with_session_id(session_id(sid))
}

/// The same session, of another subject or of none.
pub(super) fn of(subject_id: impl Into<Option<SubjectId>>, session: UserSession) -> UserSession {
    UserSession {
        subject_id: subject_id.into(),
        ..session
    }
}

/// The same session, created so many minutes earlier.
pub(super) fn older(minutes: i64, session: UserSession) -> UserSession {
    UserSession {
        created: session.created - TimeDelta::minutes(minutes),
        ..session
    }
}

/// The same session in another partition.
pub(super) fn within(partition_key: &PartitionKey, session: UserSession) -> UserSession {
    UserSession {
        key: UserSessionKey::new(partition_key.clone(), session.key.user_key),
        ..session
    }
}

/// A change to every field that an update replaces.
pub(super) fn change(clock: &ManualClock) -> UserSessionUpdate {
    let now = clock.now();
    UserSessionUpdate {
        subject_id: Some(subject("bob")),
        session_id: Some(session_id("changed")),
        created: now + TimeDelta::microseconds(7),
        renewed: now + TimeDelta::microseconds(8),
        expires: Some(now + HOUR * 2),
        ticket: "changed".into(),
        if_version: None,
    }
}

/// The session's own six fields, with another ticket.
pub(super) fn with_ticket(ticket: impl Into<Ticket>, session: &UserSession) -> UserSessionUpdate {
    UserSessionUpdate {
        ticket: ticket.into(),
        ..session.clone().into()
    }
}

/// What an update, or a rotation onto `user_key`, makes of a session.
pub(super) fn changed(
    session: &UserSession,
    user_key: &UserKey,
    update: &UserSessionUpdate,
) -> UserSession {
    let key = UserSessionKey::new(session.key.partition_key.clone(), user_key.clone());
    update.clone().into_session(key, session.version + 1)
}

/// Moves the clock to the moment when every [`session`] made before expires.
pub(super) fn let_expire(clock: &ManualClock) {
    clock.advance(Duration::from_secs(60 * 60));
}

/// Alice's sessions.
pub(super) fn of_alice() -> UserSessionsFilter {
    UserSessionsFilter::for_subject(subject("alice"))
}

/// Sessions of Alice, of Bob and of nobody, to be filtered by [`filters`].
pub(super) fn crowd(clock: &ManualClock) -> [UserSession; 5] {
    let session = |key| session(clock, key);
    [
        with_sid("sid 1", session("alice 1")),
        with_sid("sid 2", session("alice 2")),
        session("alice without a sid"),
        of(subject("bob"), with_sid("sid of bob", session("bob"))),
        of(None, with_sid("sid of nobody", session("nobody"))),
    ]
}

/// Filters, and which of the [`crowd`] they match, ordered by user key.
pub(super) fn filters() -> [(UserSessionsFilter, &'static [&'static str]); 11] {
    let bobs = UserSessionsFilter::for_subject(subject("bob"));
    let by_sid = |sid| UserSessionsFilter::for_session(session_id(sid));
    [
        (
            of_alice(),
            &["alice 1", "alice 2", "alice without a sid"] as &[_],
        ),
        (bobs.clone(), &["bob"]),
        (UserSessionsFilter::for_subject(subject("carol")), &[]),
        (by_sid("sid 1"), &["alice 1"]),
        (by_sid("sid of nobody"), &["nobody"]),
        (by_sid("unknown"), &[]),
        (of_alice().and_session(session_id("sid 2")), &["alice 2"]),
        (bobs.and_session(session_id("sid 1")), &[]),
        (of_alice().and_session(session_id("sid of nobody")), &[]),
        (
            of_alice().except(user_key("alice 1")),
            &["alice 2", "alice without a sid"],
        ),
        (by_sid("sid 1").except(user_key("alice 1")), &[]),
    ]
}

/// So many sessions per subject, and the oldest end.
pub(super) fn at_most(max: u32) -> StartPolicy {
    StartPolicy {
        max_sessions_per_subject: NonZeroU32::new(max),
        ..StartPolicy::default()
    }
}

/// So many sessions per subject, and no more begin.
pub(super) fn at_most_or_reject(max: u32) -> StartPolicy {
    StartPolicy {
        when_full: WhenFull::Reject,
        ..at_most(max)
    }
}

/// A time to write down.
pub(super) fn at(rfc3339: &str) -> DateTime<Utc> {
    rfc3339.parse().expect("a time as RFC 3339 writes it")
}

/// Timestamps that not every database holds.
pub(super) fn invalid_timestamps() -> [DateTime<Utc>; 3] {
    [
        at("0999-12-31T23:59:59.999999Z"),
        at("9999-12-31T23:59:59.999999Z") + MICROSECOND,
        at("2016-12-31T23:59:60.5Z"),
    ]
}

/// The user keys of sessions, to compare and to show.
pub(super) fn names<'a>(sessions: impl IntoIterator<Item = &'a UserSession>) -> Vec<&'a str> {
    let keys = sessions.into_iter();
    keys.map(|session| session.key.user_key.as_str()).collect()
}

/// As [`names`], in the order of their bytes, where the contract promises none.
pub(super) fn sorted_names<'a>(
    sessions: impl IntoIterator<Item = &'a UserSession>,
) -> Vec<&'a str> {
    let mut names = names(sessions);
    names.sort_unstable();
    names
}

/// The same sessions by (partition, key), where the contract promises no order.
pub(super) fn sorted(mut sessions: Vec<UserSession>) -> Vec<UserSession> {
    sessions.sort_by(|one, other| one.key.cmp(&other.key));
    sessions
}
