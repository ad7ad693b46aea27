//! Calls that race. Whatever the order they come off in, there is one.

use futures::future::{FutureExt as _, try_join};

use super::ask::*;
use super::race::*;
use super::sample::*;
use crate::{
    Clock, Error, ManualClock, Result, StartPolicy, SubjectId, UserSession, UserSessionStore,
    UserSessionUpdate, UserSessionsFilter,
};

/// Checks that every call that did not succeed was refused with this error.
macro_rules! assert_all_refused {
    ($race:expr, $error:pat) => {
        for error in &$race.refused {
            assert!(
                matches!(error, $error),
                "expected {}, not {error:?}",
                stringify!($error)
            );
        }
    };
}

/// So many sessions of Alice's: each with a session id of its own, each older than the next.
fn sessions(clock: &ManualClock, count: usize) -> Vec<UserSession> {
    let sessions = (0..count).map(|i| {
        let name = format!("{i:02}");
        let age = (count - i).try_into().expect("there are few");
        older(age, with_sid(&name, session(clock, &name)))
    });
    sessions.collect()
}

/// The session ids of [`sessions`], which stay the same when their keys change.
fn sids<'a>(sessions: impl IntoIterator<Item = &'a UserSession>) -> Vec<&'a str> {
    let ids = sessions.into_iter().map(|session| &session.session_id);
    ids.flatten().map(|id| id.as_str()).collect()
}

/// Alice logs out everywhere.
async fn log_out(store: &dyn UserSessionStore) -> Result<Vec<UserSession>> {
    store.end_user_sessions(&here(), &of_alice()).await
}

/// Of any number of creations of one key, one succeeds, and the others find it in the way.
pub async fn one_key_is_created_once(store: &dyn UserSessionStore, clock: &ManualClock) {
    let sessions = sessions(clock, 64).into_iter();
    let same_key = sessions.map(|session| UserSession {
        key: key("key"),
        ..session
    });

    let race = race(same_key.map(|session| store.create_user_session(session))).await;

    race.assert_one_succeeded();
    assert_all_refused!(race, Error::AlreadyExists);
    assert_eq!(names(&alices(store).await), ["key"]);
}

/// Of any number of creations with one session id, one succeeds, and the others find it in the way.
pub async fn one_session_id_is_created_once(store: &dyn UserSessionStore, clock: &ManualClock) {
    let sessions = sessions(clock, 64).into_iter();
    let same_sid = sessions.map(|session| with_sid("sid", session));

    let race = race(same_sid.map(|session| store.create_user_session(session))).await;

    race.assert_one_succeeded();
    assert_all_refused!(race, Error::AlreadyExists);
    assert_eq!(alices(store).await.len(), 1, "sessions with the session id");
}

/// Of any number of creations where expired rows make room, one succeeds.
pub async fn an_expired_row_makes_room_for_one(store: &dyn UserSessionStore, clock: &ManualClock) {
    let same_key = expired(clock, "key");
    let same_sid = with_sid("sid", expired(clock, "other"));
    given(store, [&same_key, &same_sid]).await;
    let new = with_sid("sid", session(clock, "key"));

    let race = race((0..32).map(|_| store.create_user_session(new.clone()))).await;

    race.assert_one_succeeded();
    assert_all_refused!(race, Error::AlreadyExists);
    assert_eq!(alices(store).await, [new]);
}

/// Of any number of deletions, one is answered with `true`.
pub async fn one_deletion_is_told(store: &dyn UserSessionStore, clock: &ManualClock) {
    let session = session(clock, "key");
    given(store, [&session]).await;

    let race = race((0..16).map(|_| store.delete_user_session(&session.key))).await;

    race.assert_none_refused();
    let told = race.succeeded.iter().filter(|&&deleted| deleted).count();
    race.assert_told(told, 1, "the deletion");
}

/// Of any number of endings, each session is handed to exactly one.
pub async fn each_session_is_handed_to_one(store: &dyn UserSessionStore, clock: &ManualClock) {
    let sessions = sessions(clock, 8);
    given(store, &sessions).await;

    let race = race((0..16).map(|_| log_out(store))).await;

    race.assert_none_refused();
    race.assert_each_told_once(names(race.succeeded.iter().flatten()), names(&sessions));
    assert_eq!(alices(store).await, []);
}

/// What deletions by filter and by key say that they have ended adds up.
pub async fn counts_of_deletions_add_up(store: &dyn UserSessionStore, clock: &ManualClock) {
    let sessions = sessions(clock, 8);
    given(store, &sessions).await;
    let (here, filter) = (here(), of_alice());
    let by_filter = (0..8).map(|_| store.delete_user_sessions(&here, &filter));
    let by_key = sessions.iter().map(|session| {
        let deletion = store.delete_user_session(&session.key);
        async { deletion.await.map(u64::from) }.boxed()
    });

    let race = race(by_key.chain(by_filter)).await;

    race.assert_none_refused();
    let told = race.succeeded.iter().sum::<u64>() as usize;
    race.assert_told(told, sessions.len(), "deletions");
}

/// Whichever way sessions end at once, each is told by exactly one: a deletion, an ending by filter
/// or a start that replaces it.
pub async fn each_ending_is_told_by_one(store: &dyn UserSessionStore, clock: &ManualClock) {
    let sessions = sessions(clock, 8);
    given(store, &sessions).await;
    let policy = StartPolicy::default();
    let replacements = sessions.iter().map(|old| {
        let name = names([old])[0];
        let new = of(subject("bob"), session(clock, &format!("new {name}")));
        store.start_user_session(with_sid(name, new), &policy)
    });
    let deletions = sessions.iter().map(|session| {
        async {
            let deleted = store.delete_user_session(&session.key).await?;
            Ok(deleted.then(|| session.clone()).into_iter().collect())
        }
        .boxed()
    });
    let endings = (0..4).map(|_| log_out(store).boxed());

    let race = race(replacements.chain(deletions).chain(endings)).await;

    race.assert_none_refused();
    race.assert_each_told_once(names(race.succeeded.iter().flatten()), names(&sessions));
    assert_eq!(alices(store).await, []);
}

/// However many sessions start at once, no more are live than the cap allows, at no time; those
/// that made room are handed back, each to exactly one.
pub async fn a_cap_holds(store: &dyn UserSessionStore, clock: &ManualClock) {
    const CAP: usize = 3;
    let sessions = sessions(clock, 32);
    let policy = at_most(3);
    let starts = sessions
        .iter()
        .map(|session| store.start_user_session(session.clone(), &policy));
    let (here, filter) = (here(), of_alice());
    let read = || store.get_user_sessions(&here, &filter);
    let reads = (0..8).map(|_| {
        async {
            let live = patiently(read).await?.len();
            assert!(live <= CAP, "{live} sessions are live");
            Ok(Vec::new())
        }
        .boxed()
    });

    let race = race(starts.chain(reads)).await;

    race.assert_none_refused();
    let live = alices(store).await;
    assert_eq!(live.len(), CAP, "sessions that are live");
    let told = names(race.succeeded.iter().flatten());
    let ended = sessions.iter().filter(|session| !live.contains(session));
    race.assert_each_told_once(told, names(ended));
}

/// However many sessions start at once where a full subject is refused, as many succeed as the cap
/// allows.
pub async fn a_cap_that_rejects_holds(store: &dyn UserSessionStore, clock: &ManualClock) {
    let policy = at_most_or_reject(3);
    let sessions = sessions(clock, 32).into_iter();

    let race = race(sessions.map(|session| store.start_user_session(session, &policy))).await;

    assert_all_refused!(race, Error::SessionLimitReached);
    assert_eq!(race.succeeded.concat(), [], "nothing has ended");
    let live = alices(store).await.len();
    assert_eq!(live, 3, "sessions that are live");
    race.assert_told(race.succeeded.len(), live, "starts");
}

/// Of any number of starts with one session id, one is left, and each that it displaced was handed
/// back to exactly one.
pub async fn starts_with_one_session_id_leave_one(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let sessions = sessions(clock, 32).into_iter();
    let sessions: Vec<_> = sessions.map(|session| with_sid("sid", session)).collect();
    let policy = StartPolicy::default();
    let starts = sessions
        .iter()
        .map(|session| store.start_user_session(session.clone(), &policy));

    let race = race(starts).await;

    race.assert_none_refused();
    let live = alices(store).await;
    assert_eq!(live.len(), 1, "sessions that are live");
    let told = names(race.succeeded.iter().flatten());
    let ended = sessions.iter().filter(|session| !live.contains(session));
    race.assert_each_told_once(told, names(ended));
}

/// Of any number of starts with one key, one succeeds, and the others find it in the way.
pub async fn one_key_is_started_once(store: &dyn UserSessionStore, clock: &ManualClock) {
    let policy = StartPolicy::default();
    let starts = sessions(clock, 32).into_iter().map(|session| {
        let session = UserSession {
            key: key("key"),
            ..session
        };
        store.start_user_session(session, &policy)
    });

    let race = race(starts).await;

    race.assert_one_succeeded();
    assert_all_refused!(race, Error::AlreadyExists);
    assert_eq!(race.succeeded.concat(), [], "nothing has ended");
}

/// A deleted session stays deleted, whatever changes it meanwhile.
pub async fn no_change_brings_a_deleted_session_back(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let sessions = sessions(clock, 8);
    given(store, &sessions).await;
    let now = clock.now();
    let calls = sessions.iter().flat_map(|session| {
        let deletion = async {
            let deleted = store.delete_user_session(&session.key).await?;
            assert!(deleted, "this deletion is the only one");
            Ok(deleted)
        };
        [
            store.update_user_session(&session.key, session.clone().into()),
            deletion.boxed(),
            store.renew_user_session(&session.key, now, None),
        ]
    });

    let race = race(calls).await;

    race.assert_none_refused();
    for session in &sessions {
        let came_back = take_row(store, &session.key).await;
        race.assert_told(usize::from(!came_back), 1, "the deletion");
    }
}

/// An ending does not miss a session whose key changes meanwhile.
pub async fn an_ending_does_not_miss_a_rotation(store: &dyn UserSessionStore, clock: &ManualClock) {
    let sessions = sessions(clock, 16);
    given(store, &sessions).await;
    let new = sessions
        .iter()
        .map(|old| format!("new {}", names([old])[0]));
    let new: Vec<_> = new.map(|new| user_key(&new)).collect();
    let rotations = sessions.iter().zip(&new).map(|(session, new)| {
        async {
            let update = session.clone().into();
            store.rotate_user_key(&session.key, new, update).await?;
            Ok(Vec::new())
        }
        .boxed()
    });
    let mut calls: Vec<_> = rotations.collect();
    calls.insert(sessions.len() / 2, log_out(store).boxed());

    let race = race(calls).await;

    race.assert_none_refused();
    let live = alices(store).await;
    let told = race.succeeded.iter().flatten();
    race.assert_each_told_once(sids(told), sids(&sessions));
    race.assert_told(sessions.len() - live.len(), sessions.len(), "endings");
}

/// Of any number of rotations onto one key, one succeeds, and the others find it in the way.
pub async fn one_rotation_takes_a_key(store: &dyn UserSessionStore, clock: &ManualClock) {
    let sessions = sessions(clock, 16);
    given(store, &sessions).await;
    let new = user_key("new");
    let rotations = sessions
        .iter()
        .map(|session| store.rotate_user_key(&session.key, &new, session.clone().into()));

    let race = race(rotations).await;

    race.assert_one_succeeded();
    assert_all_refused!(race, Error::AlreadyExists);
    assert!(race.succeeded.iter().all(|&rotated| rotated));
    assert_eq!(alices(store).await.len(), sessions.len());
}

/// Of any number of rotations of one session, one is answered with `true`.
pub async fn a_session_is_rotated_once(store: &dyn UserSessionStore, clock: &ManualClock) {
    let session = session(clock, "old");
    given(store, [&session]).await;
    let new: Vec<_> = (0..16).map(|i| user_key(&format!("new {i}"))).collect();
    let rotations = new
        .iter()
        .map(|new| store.rotate_user_key(&session.key, new, session.clone().into()));

    let race = race(rotations).await;

    race.assert_none_refused();
    let told = race.succeeded.iter().filter(|&&rotated| rotated).count();
    race.assert_told(told, 1, "the rotation");
    let live = alices(store).await;
    assert_eq!(
        live.len(),
        1,
        "the session is there once: {:?}",
        names(&live)
    );
    assert_eq!(live[0].version, 1);
}

/// Of any number of updates to one session id, one succeeds, and the others find it in the way.
pub async fn one_update_takes_a_session_id(store: &dyn UserSessionStore, clock: &ManualClock) {
    let sessions = sessions(clock, 16);
    given(store, &sessions).await;
    let updates = sessions.iter().map(|session| {
        let update = with_sid("new", session.clone()).into();
        store.update_user_session(&session.key, update)
    });

    let race = race(updates).await;

    race.assert_one_succeeded();
    assert_all_refused!(race, Error::AlreadyExists);
    assert!(race.succeeded.iter().all(|&updated| updated));
    assert_eq!(alices(store).await.len(), sessions.len());
}

/// Of any number of updates on condition of one version, one succeeds.
pub async fn one_update_meets_a_version(store: &dyn UserSessionStore, clock: &ManualClock) {
    let session = session(clock, "key");
    given(store, [&session]).await;
    let updates = (0..16).map(|_| {
        let update = UserSessionUpdate::from(session.clone()).with_if_version(0);
        store.update_user_session(&session.key, update)
    });

    let race = race(updates).await;

    race.assert_one_succeeded();
    assert_all_refused!(race, Error::VersionMismatch);
    assert!(race.succeeded.iter().all(|&updated| updated));
    let found = find(store, &session.key).await;
    assert_eq!(found.map(|session| session.version), Some(1));
}

/// Read, change, write on condition of the version, and again if it does not hold: no change is
/// lost.
pub async fn no_change_is_lost_that_looks_at_the_version(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let empty = UserSession {
        ticket: Vec::new().into(),
        ..session(clock, "key")
    };
    given(store, [&empty]).await;
    // Each task adds its own byte. An update that was unavailable shows by it whether it happened.
    let add = |byte: u8| {
        let key = &empty.key;
        async move {
            for _ in 0..100 {
                let found = patiently(|| store.get_user_session(key)).await?;
                let found = found.expect("nothing ends the session");
                if found.ticket.as_bytes().contains(&byte) {
                    return Ok(());
                }
                let longer = [found.ticket.as_bytes(), &[byte]].concat();
                let update = with_ticket(longer, &found).with_if_version(found.version);
                match store.update_user_session(key, update).await {
                    Ok(updated) => assert!(updated, "nothing ends the session"),
                    Err(Error::VersionMismatch) => {}
                    Err(error) if error.is_transient() => {}
                    Err(error) => return Err(error),
                }
            }
            panic!("another change comes first again and again");
        }
    };

    let race = race((0..12).map(add)).await;

    race.assert_none_refused();
    let found = find(store, &empty.key).await.expect("nothing ends it");
    let mut bytes = found.ticket.as_bytes().to_vec();
    bytes.sort_unstable();
    assert_eq!(bytes, (0..12).collect::<Vec<u8>>(), "the changes");
    assert_eq!(found.version, 12);
}

/// Every renewal counts, however many come at once.
pub async fn versions_of_renewals_add_up(store: &dyn UserSessionStore, clock: &ManualClock) {
    let session = session(clock, "key");
    given(store, [&session]).await;
    let now = clock.now();

    let race = race((0..16).map(|_| store.renew_user_session(&session.key, now, None))).await;

    race.assert_none_refused();
    assert!(race.succeeded.iter().all(|&renewed| renewed));
    let found = find(store, &session.key).await.expect("nothing ends it");
    race.assert_told(race.succeeded.len(), found.version as usize, "renewals");
}

/// A start ends the session that it replaces, whatever changes that meanwhile.
pub async fn no_change_keeps_a_session_from_being_replaced(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let old = with_sid("sid", session(clock, "old"));
    let new = with_sid("sid", session(clock, "new"));
    given(store, [&old]).await;
    let (now, policy) = (clock.now(), StartPolicy::default());
    let rotated = user_key("rotated");
    let changes = [
        store.update_user_session(&old.key, old.clone().into()),
        store.rotate_user_key(&old.key, &rotated, old.clone().into()),
        store.renew_user_session(&old.key, now, None),
        store.update_user_session(&old.key, with_ticket("other", &old)),
    ];
    let changes = changes.map(|change| async { change.await.map(|_| Vec::new()) }.boxed());
    let mut calls = Vec::from(changes);
    calls.insert(2, store.start_user_session(new.clone(), &policy));

    let race = race(calls).await;

    race.assert_none_refused();
    race.assert_told(race.succeeded.concat().len(), 1, "the replacement");
    let live = alices(store).await;
    race.assert_told(usize::from(live == [new]), 1, "the start");
}

/// A logout everywhere ends every session that was there; those that begin meanwhile it ends or
/// leaves, as it tells.
pub async fn a_logout_everywhere_ends_what_it_tells(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let sessions = sessions(clock, 24);
    let (before, during) = sessions.split_at(8);
    given(store, before).await;
    let policy = at_most(100);
    let mut calls = Vec::new();
    for (i, session) in during.iter().enumerate() {
        calls.push(store.start_user_session(session.clone(), &policy));
        if i % 4 == 2 {
            calls.push(log_out(store).boxed());
        }
    }

    let race = race(calls).await;

    race.assert_none_refused();
    let live = alices(store).await;
    let still_there = before.iter().filter(|session| live.contains(session));
    assert_eq!(names(still_there), [""; 0], "the logouts missed these");
    let told = names(race.succeeded.iter().flatten());
    let ended = sessions.iter().filter(|session| !live.contains(session));
    race.assert_each_told_once(told, names(ended));
}

/// A logout that races a login which replaces the session comes before it, and ends the old one, or
/// after it, and ends the new one.
pub async fn a_logout_ends_the_old_session_or_the_new(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let users: Vec<_> = (0..12).map(|i| subject(&format!("user {i}"))).collect();
    let session = |kind: &str, user: &SubjectId| {
        let session = session(clock, &format!("{kind} of {user}"));
        of(user.clone(), with_sid(user.as_str(), session))
    };
    for user in &users {
        given(store, [&session("old", user)]).await;
    }
    let (here, session, policy) = (&here(), &session, &StartPolicy::default());
    let pairs = users.iter().enumerate().map(|(i, user)| async move {
        let filter = UserSessionsFilter::for_subject(user.clone());
        let login = store.start_user_session(session("new", user), policy);
        let logout = store.end_user_sessions(here, &filter);
        let (replaced, ended) = if i % 2 == 0 {
            try_join(login, logout).await?
        } else {
            let (ended, replaced) = try_join(logout, login).await?;
            (replaced, ended)
        };
        let live = patiently(|| store.get_user_sessions(here, &filter)).await?;
        Ok((user, replaced, ended, live))
    });

    let race = race(pairs).await;

    race.assert_none_refused();
    for (user, replaced, ended, live) in &race.succeeded {
        let (old, new) = (session("old", user), session("new", user));
        let in_words = [replaced, ended, live].map(names);
        let [old, new] = [vec![names([&old])[0]], vec![names([&new])[0]]];
        let logout_first = [vec![], old.clone(), new.clone()];
        let login_first = [old, new, vec![]];
        assert!(
            in_words == logout_first || in_words == login_first,
            "replaced, ended and live were {in_words:?}"
        );
    }
}
