//! Partitions are walls: no operation that is given one sees, changes or counts another's sessions.
//! What the directory owes is with [`list`](super::list) and [`count`](super::count).

use super::ask::*;
use super::sample::*;
use crate::{
    Clock, ManualClock, PartitionKey, StartPolicy, UserSession, UserSessionKey, UserSessionStore,
    UserSessionUpdate,
};

fn there() -> PartitionKey {
    partition("there")
}

fn key_there() -> UserSessionKey {
    UserSessionKey::new(there(), user_key("key"))
}

/// Two sessions that are called the same, in two partitions.
async fn given_twins(store: &dyn UserSessionStore, clock: &ManualClock) -> [UserSession; 2] {
    let one = with_sid("sid", session(clock, "key"));
    let other = UserSession {
        ticket: "there".into(),
        ..within(&there(), one.clone())
    };
    given(store, [&one, &other]).await;
    [one, other]
}

/// The same key and session id name another session in another partition.
pub async fn each_has_its_own_keys_and_session_ids(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let twins = given_twins(store, clock).await;

    assert_stored(store, &twins).await;
    let elsewhere = UserSessionKey::new(partition("elsewhere"), user_key("key"));
    assert_absent(store, &elsewhere).await;
}

/// Sessions are changed in their own partition only.
pub async fn changes_stay_within(store: &dyn UserSessionStore, clock: &ManualClock) {
    let one = with_sid("sid", session(clock, "key"));
    given(store, [&one]).await;
    let new = user_key("new");
    let now = clock.now();

    for changed in [
        store.update_user_session(&key_there(), change(clock)).await,
        store.renew_user_session(&key_there(), now, None).await,
        store
            .rotate_user_key(&key_there(), &new, change(clock))
            .await,
        store.delete_user_session(&key_there()).await,
    ] {
        assert!(!changed.expect("the store answers"));
    }
    assert_stored(store, [&one]).await;

    let [one, other] = [one.clone(), within(&there(), one)];
    given(store, [&other]).await;
    for changed in [
        store.update_user_session(&key_there(), change(clock)).await,
        store.renew_user_session(&key_there(), now, None).await,
        store
            .rotate_user_key(&key_there(), &new, change(clock))
            .await,
    ] {
        assert!(changed.expect("nothing refuses the change"));
    }
    let deleted = UserSessionKey::new(there(), new);
    assert!(take_row(store, &deleted).await, "it has a row");
    assert_stored(store, [&one]).await;
}

/// A key or a session id that another partition's session holds, live or expired, is not in the
/// way of a change and is not displaced by it.
pub async fn nothing_is_in_the_way_of_another_partition(
    store: &dyn UserSessionStore,
    clock: &ManualClock,
) {
    let live = with_sid("changed", session(clock, "new"));
    let old = with_sid("old", expired(clock, "old"));
    let [one, other] = ["one", "other"].map(|key| within(&there(), session(clock, key)));
    given(store, [&live, &old, &one, &other]).await;

    let rotated = store
        .rotate_user_key(&one.key, &user_key("new"), change(clock))
        .await;
    assert!(rotated.expect("nothing is in its way"));
    let update = UserSessionUpdate {
        session_id: old.session_id.clone(),
        ..change(clock)
    };
    let updated = store.update_user_session(&other.key, update).await;
    assert!(updated.expect("nothing is in its way"));

    assert_stored(store, [&live]).await;
    assert!(take_row(store, &old.key).await, "the expired row is there");
}

/// A query finds its own partition's sessions only.
pub async fn queries_stay_within(store: &dyn UserSessionStore, clock: &ManualClock) {
    let [one, other] = given_twins(store, clock).await;

    for (partition, expected) in [
        (here(), vec![one]),
        (there(), vec![other]),
        (partition("elsewhere"), vec![]),
    ] {
        let found = store.get_user_sessions(&partition, &of_alice()).await;
        assert_eq!(found.expect("the store answers"), expected);
    }
}

/// Endings by filter, counted or handed back, leave other partitions alone.
pub async fn endings_by_filter_stay_within(store: &dyn UserSessionStore, clock: &ManualClock) {
    let [one, other] = given_twins(store, clock).await;

    let deleted = store.delete_user_sessions(&here(), &of_alice()).await;
    assert_eq!(deleted.expect("nothing refuses the deletion"), 1);
    assert_stored(store, [&other]).await;

    given(store, [&one]).await;
    let ended = store.end_user_sessions(&here(), &of_alice()).await;
    assert_eq!(ended.expect("nothing refuses the ending"), [one]);
    assert_stored(store, [&other]).await;
}

/// A start neither replaces, displaces nor counts another partition's sessions.
pub async fn starts_stay_within(store: &dyn UserSessionStore, clock: &ManualClock) {
    let live = with_sid("sid", session(clock, "live"));
    let old = with_sid("old", expired(clock, "old"));
    given(store, [&live, &old]).await;

    for (user_key, sid, policy) in [
        ("live", "sid", StartPolicy::default()),
        ("old", "old", StartPolicy::default()),
        ("other", "other", at_most_or_reject(3)),
    ] {
        let new = within(&there(), with_sid(sid, session(clock, user_key)));
        assert_eq!(start(store, &new, &policy).await, []);
    }

    assert_stored(store, [&live]).await;
    assert!(take_row(store, &old.key).await, "the expired row is there");
}
