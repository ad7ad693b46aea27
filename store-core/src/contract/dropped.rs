//! Calls that are given up: a future that is dropped before it completes leaves the store as it was
//! before or as it is after, never between.

use std::pin::pin;
use std::task::Poll;

use futures::future::{FutureExt as _, poll_fn};

use super::ask::*;
use super::sample::*;
use crate::{ManualClock, PartitionKey, StartPolicy, UserSession, UserSessionStore};

/// Polls a call up to so many times, then drops it. Its answer, if it has come by then.
async fn give_up_after<F: Future>(polls: usize, call: F) -> Option<F::Output> {
    let mut call = pin!(call);
    let mut polls_left = polls;
    poll_fn(|context| {
        let polled = call.poll_unpin(context);
        polls_left -= 1;
        match polled {
            Poll::Pending if polls_left == 0 => Poll::Ready(None),
            polled => polled.map(Some),
        }
    })
    .await
}

/// The attempts to make: each in a partition of its own, given up a poll later than the one before.
fn attempts() -> impl Iterator<Item = (usize, PartitionKey)> {
    const MOST: usize = 100;
    (1..=MOST).map(|polls| (polls, partition(&format!("given up after {polls}"))))
}

async fn live_in(store: &dyn UserSessionStore, partition: &PartitionKey) -> Vec<UserSession> {
    let answer = store.get_user_sessions(partition, &of_alice()).await;
    answer.expect("the store answers")
}

/// A start that is given up has ended all it would and begun its session, or nothing has changed.
pub async fn a_start_happens_as_a_whole(store: &dyn UserSessionStore, clock: &ManualClock) {
    for (polls, partition) in attempts() {
        let session = |age, key| within(&partition, older(age, session(clock, key)));
        let old = [
            session(3, "1"),
            session(2, "2"),
            with_sid("sid", session(1, "3")),
        ];
        let new = with_sid("sid", session(0, "new"));
        given(store, &old).await;

        let policy = at_most(2);
        let answer = give_up_after(polls, store.start_user_session(new, &policy)).await;

        let live = live_in(store, &partition).await;
        let live = names(&live);
        assert!(
            live == ["2", "new"] || (answer.is_none() && live == ["1", "2", "3"]),
            "{live:?} are live after {polls} polls"
        );
        if let Some(answer) = answer {
            let displaced = answer.expect("nothing refuses the start");
            assert_eq!(names(&displaced), ["1", "3"]);
            return;
        }
    }
}

/// An ending by filter that is given up has ended all that match, or none.
pub async fn an_ending_happens_as_a_whole(store: &dyn UserSessionStore, clock: &ManualClock) {
    for (polls, partition) in attempts() {
        let sessions = ["1", "2", "3"].map(|key| within(&partition, session(clock, key)));
        given(store, &sessions).await;

        let filter = of_alice();
        let ending = store.end_user_sessions(&partition, &filter);
        let answer = give_up_after(polls, ending).await;

        let left = live_in(store, &partition).await.len();
        let expected = if answer.is_some() { 0..=0 } else { 0..=3 };
        assert!(
            expected.contains(&left) && left % 3 == 0,
            "{left} of 3 sessions are left after {polls} polls"
        );
        if let Some(answer) = answer {
            assert_eq!(answer.expect("nothing refuses the ending").len(), 3);
            return;
        }
    }
}

/// A rotation that is given up has changed the session's key and fields, or nothing has changed:
/// the session is there once.
pub async fn a_rotation_happens_as_a_whole(store: &dyn UserSessionStore, clock: &ManualClock) {
    for (polls, partition) in attempts() {
        let old = within(&partition, session(clock, "old"));
        let in_the_way = within(&partition, expired(clock, "new"));
        given(store, [&old, &in_the_way]).await;

        let update = with_ticket("changed", &old);
        let new = user_key("new");
        let rotation = store.rotate_user_key(&old.key, &new, update.clone());
        let answer = give_up_after(polls, rotation).await;

        let rotated = [changed(&old, &new, &update)];
        let live = live_in(store, &partition).await;
        assert!(
            live == rotated || (answer.is_none() && live == [old]),
            "{live:?} after {polls} polls"
        );
        if let Some(answer) = answer {
            assert!(answer.expect("nothing refuses the rotation"));
            return;
        }
    }
}

/// A creation that is given up has displaced an expired row and begun its session, or neither.
pub async fn a_creation_happens_as_a_whole(store: &dyn UserSessionStore, clock: &ManualClock) {
    for (polls, partition) in attempts() {
        let old = within(&partition, with_sid("sid", expired(clock, "old")));
        let new = within(&partition, with_sid("sid", session(clock, "new")));
        given(store, [&old]).await;

        let creation = store.create_user_session(new.clone());
        let answer = give_up_after(polls, creation).await;

        let old_is_there = take_row(store, &old.key).await;
        let new_is_there = find(store, &new.key).await.is_some();
        assert!(
            new_is_there || (answer.is_none() && old_is_there),
            "neither session is there after {polls} polls"
        );
        if let Some(answer) = answer {
            answer.expect("nothing refuses the creation");
            return;
        }
    }
}

/// Calls that are given up keep nothing from those that come after: no lock and no connection.
pub async fn later_calls_are_not_kept_waiting(store: &dyn UserSessionStore, clock: &ManualClock) {
    let (policy, here, filter) = (StartPolicy::default(), here(), of_alice());
    for i in 0..64 {
        let polls = 1 + i % 8;
        let session = with_sid("sid", session(clock, &format!("{i}")));
        let start = store.start_user_session(session, &policy);
        let _ = give_up_after(polls, start).await;
        let ending = store.end_user_sessions(&here, &filter);
        let _ = give_up_after(polls, ending).await;
    }

    let session = with_sid("sid", session(clock, "last"));
    start(store, &session, &policy).await;
    assert_stored(store, [&session]).await;
}
