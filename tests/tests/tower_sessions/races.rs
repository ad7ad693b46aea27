//! Requests that race each other and logouts.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use futures::future::join_all;
use store_core::StartPolicy;
use tower_sessions::SessionStore as _;
use tower_sessions::session_store::Error;

use crate::place::{Place, all_of, on_every_store, record};

/// Saves, by many requests, that race a logout everywhere: none of them is acknowledged that began
/// after the logout was answered, and none leaves a session behind.
async fn a_save_that_races_a_logout_revives_nothing(place: Place) {
    for round in 0..6 {
        let bridge = place.naming_bridge();
        let mut stored = record([("user", "alice".into())]);
        bridge.create(&mut stored).await.expect("it is created");
        let ended = Arc::new(AtomicBool::new(false));
        let saves = (0..24).map(|task| {
            let (bridge, mut record) = (bridge.clone(), stored.clone());
            let ended = Arc::clone(&ended);
            tokio::spawn(async move {
                record.data.insert("task".into(), task.into());
                let mut saved = 0;
                loop {
                    let began_after = ended.load(SeqCst);
                    match bridge.save(&record).await {
                        Ok(()) => {
                            assert!(!began_after, "a save was acknowledged after the logout");
                            saved += 1;
                        }
                        Err(Error::Backend(text)) if text.contains("has ended") => return saved,
                        // Contention; what it says of the session is nothing.
                        Err(error) => assert!(!began_after, "{error}"),
                    }
                    if began_after {
                        panic!("the session is there after the logout");
                    }
                }
            })
        });
        let saves: Vec<_> = saves.collect();
        if round % 2 == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(place.log_out_everywhere("alice").await, 1);
        ended.store(true, SeqCst);
        for save in join_all(saves).await {
            save.expect("the task has not panicked");
        }
        assert_eq!(place.sessions_of("alice").await, 0);
        assert_eq!(bridge.load(&stored.id).await.expect("it answers"), None);
    }
}

/// The same with the deletion of one session, and requests that also change whose it is.
async fn a_login_that_races_a_deletion_revives_nothing(place: Place) {
    for _ in 0..6 {
        let bridge = place.naming_bridge();
        let mut stored = record([]);
        bridge.create(&mut stored).await.expect("it is created");
        let logins: Vec<_> = (0..16)
            .map(|task| {
                let (bridge, mut record) = (bridge.clone(), stored.clone());
                tokio::spawn(async move {
                    record
                        .data
                        .insert("user".into(), format!("user{task}").into());
                    // Those that come too late are refused.
                    let _ = bridge.save(&record).await;
                })
            })
            .collect();
        bridge.delete(&stored.id).await.expect("it is deleted");
        join_all(logins).await;
        assert_eq!(bridge.load(&stored.id).await.expect("it answers"), None);
        for task in 0..16 {
            assert_eq!(place.sessions_of(&format!("user{task}")).await, 0);
        }
    }
}

/// Logins that race under a cap leave as many sessions as it allows.
async fn a_cap_holds_however_many_logins_race(place: Place) {
    let bridge = place.naming_bridge().start_policy(StartPolicy {
        max_sessions_per_subject: NonZeroU32::new(3),
        ..StartPolicy::default()
    });
    let logins = (0..24).map(|_| {
        let bridge = bridge.clone();
        tokio::spawn(async move {
            let mut record = record([("user", "alice".into())]);
            bridge.create(&mut record).await
        })
    });
    let begun = join_all(logins.collect::<Vec<_>>()).await;
    let begun = begun
        .into_iter()
        .filter(|answer| matches!(answer, Ok(Ok(()))))
        .count();
    assert!(begun >= 3, "{begun} logins have succeeded");
    assert_eq!(place.sessions_of("alice").await, 3);
}

/// Logins that keep their ids and race: when all are done, there are no more than the cap allows.
async fn a_cap_holds_after_logins_that_keep_their_ids(place: Place) {
    let bridge = place.naming_bridge().start_policy(StartPolicy {
        max_sessions_per_subject: NonZeroU32::new(3),
        ..StartPolicy::default()
    });
    let mut logins = Vec::new();
    for _ in 0..12 {
        let mut visitor = record([]);
        bridge.create(&mut visitor).await.expect("it is created");
        visitor.data.insert("user".into(), "alice".into());
        let bridge = bridge.clone();
        logins.push(tokio::spawn(async move { bridge.save(&visitor).await }));
    }
    let saved = join_all(logins).await;
    let saved = saved
        .into_iter()
        .filter(|answer| matches!(answer, Ok(Ok(()))))
        .count();
    assert!(saved >= 3, "{saved} logins have succeeded");
    // Each leaves itself and the two newest of the others.
    let left = place.sessions_of("alice").await;
    assert!((2..=3).contains(&left), "{left} sessions are left");
}

/// Of many logins with one session id, one session is left.
async fn one_session_has_a_session_id(place: Place) {
    let bridge = place.naming_bridge();
    let mut logins = Vec::new();
    for task in 0..12 {
        let login = [("user", "alice".into()), ("sid", "1".into())];
        let bridge = bridge.clone();
        logins.push(tokio::spawn(async move {
            if task % 2 == 0 {
                return bridge.create(&mut record(login)).await;
            }
            let mut visitor = record([]);
            bridge.create(&mut visitor).await?;
            visitor
                .data
                .extend(login.map(|(name, value)| (name.to_owned(), value)));
            bridge.save(&visitor).await
        }));
    }
    let begun = join_all(logins).await;
    assert!(begun.into_iter().any(|answer| matches!(answer, Ok(Ok(())))));
    let found = place
        .store
        .get_user_sessions(bridge.partition_key(), &all_of("alice"))
        .await;
    assert_eq!(found.expect("the store answers").len(), 1);
}

/// A logout whose browser hangs up is a logout.
async fn a_deletion_goes_on_when_nobody_waits_for_it(place: Place) {
    let bridge = place.bridge();
    let mut stored = record([]);
    bridge.create(&mut stored).await.expect("it is created");
    let mut deletion = bridge.delete(&stored.id);
    // Begun, and dropped at the first chance.
    let _ = futures::poll!(&mut deletion);
    drop(deletion);
    for _ in 0..10_000 {
        if place.row(&bridge, &stored.id).await.is_none() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the session is still there");
}

on_every_store!(
    a_save_that_races_a_logout_revives_nothing,
    a_login_that_races_a_deletion_revives_nothing,
    a_cap_holds_however_many_logins_race,
    a_cap_holds_after_logins_that_keep_their_ids,
    one_session_has_a_session_id,
    a_deletion_goes_on_when_nobody_waits_for_it,
);
