//! Requests of one session at the same time, on a store in memory and on SQLite.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod host;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use http::StatusCode;
use store_axum::{Session, SessionBag, SessionContext, SessionRejection};
use store_core::{ManualClock, UserSessionStore};
use store_seaorm::SeaOrmUserSessionStore;
use store_tickets::{EndReason, Revoked};
use tokio::sync::{Barrier, Mutex, oneshot};

use crate::host::{Answer, Browser, Customer, Host, START};

/// A host on SQLite, and the folder that its file is in.
async fn on_sqlite() -> (Host, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(START.parse().unwrap()));
    let url = format!("sqlite://{}/s.db?mode=rwc", folder.path().display());
    let builder = SeaOrmUserSessionStore::builder().clock(clock.clone());
    let store = builder.connect(&url).await.unwrap();
    store_migration::up(store.connection()).await.unwrap();
    (Host::over(Arc::new(store), clock), folder)
}

/// As many requests at once, each of which has read the session before any of them writes.
async fn at_once(router: &Router, browser: &Browser, path: &str, requests: usize) -> Vec<Answer> {
    let sent = (0..requests).map(|_| {
        let (router, mut browser, path) = (router.clone(), browser.clone(), path.to_owned());
        tokio::spawn(async move { browser.get(&router, &path).await })
    });
    let mut answers = Vec::new();
    for answer in sent.collect::<Vec<_>>() {
        answers.push(answer.await.unwrap());
    }
    answers
}

async fn every_tab_counts(host: Host) {
    const TABS: u32 = 8;
    let (browser, secret, _) = host.alice().await;
    let together = Arc::new(Barrier::new(TABS as usize));
    let (one, other, third) = (together.clone(), together.clone(), together);
    let router = Router::new()
        .route(
            "/update",
            get(move |bag: SessionBag| async move {
                one.wait().await;
                let one_more = |value: Option<u32>| value.unwrap_or(0) + 1;
                bag.update("visits", one_more).unwrap().to_string()
            }),
        )
        .route(
            "/modify",
            get(move |bag: SessionBag| async move {
                other.wait().await;
                let visits = bag.modify(|bag| {
                    let visits = bag.get::<u32>("visits")?.unwrap_or(0) + 1;
                    bag.set("visits", &visits).map(|()| visits)
                });
                visits.await.map(|visits| visits.unwrap().to_string())
            }),
        )
        .route(
            "/typed",
            get(move |mut session: Session<Customer>| async move {
                third.wait().await;
                let bought = session.modify(|customer| customer.cart.push("apples".to_owned()));
                bought.await
            }),
        )
        .layer(host.sessions());
    for path in ["/update", "/modify", "/typed"] {
        for answer in at_once(&router, &browser, path, TABS as usize).await {
            assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        }
    }
    assert_eq!(host.count::<u32>(&secret, "visits").await, Some(2 * TABS));
    let stored = host.find(&secret).await.unwrap();
    assert_eq!(stored.ticket.data.cart.len(), TABS as usize);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tab_counts_in_memory() {
    every_tab_counts(Host::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tab_counts_on_sqlite() {
    let (host, _folder) = on_sqlite().await;
    every_tab_counts(host).await;
}

/// Of what cannot be merged, one is written and the others are told.
async fn nobodys_change_is_lost_without_a_word(host: Host) {
    const TABS: usize = 6;
    let (browser, secret, _) = host.alice().await;
    let together = Arc::new(Barrier::new(TABS));
    let (one, other, third) = (together.clone(), together.clone(), together);
    let router = Router::new()
        .route(
            "/typed",
            get(move |mut session: Session<Customer>| async move {
                one.wait().await;
                session.cart.push("apples".to_owned());
            }),
        )
        .route(
            "/explicit",
            get(move |mut session: Session<Customer>| async move {
                other.wait().await;
                session.cart.push("pears".to_owned());
                session.save().await
            }),
        )
        .route(
            "/bag",
            get(move |bag: SessionBag| async move {
                let visits: Option<u32> = bag.get("visits").unwrap();
                third.wait().await;
                bag.set("visits", &(visits.unwrap_or(0) + 1)).unwrap();
            }),
        )
        .layer(host.sessions());
    for path in ["/typed", "/explicit", "/bag"] {
        let answers = at_once(&router, &browser, path, TABS).await;
        let (written, refused): (Vec<_>, Vec<_>) = answers
            .into_iter()
            .partition(|answer| answer.status == StatusCode::OK);
        assert_eq!(written.len(), 1, "{path}");
        for answer in refused {
            answer.refused(409, "the session was changed by another request meanwhile");
        }
    }
    assert_eq!(host.count::<u32>(&secret, "visits").await, Some(1));
    let stored = host.find(&secret).await.unwrap();
    assert_eq!(stored.ticket.data.cart, ["apples", "pears"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobodys_change_is_lost_in_memory() {
    nobodys_change_is_lost_without_a_word(Host::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobodys_change_is_lost_on_sqlite() {
    let (host, _folder) = on_sqlite().await;
    nobodys_change_is_lost_without_a_word(host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_meet_is_merged() {
    const TABS: usize = 6;
    let (host, _folder) = on_sqlite().await;
    let (browser, secret, _) = host.alice().await;
    let together = Arc::new(Barrier::new(TABS));
    let router = Router::new()
        .route(
            "/{tab}",
            get(
                move |axum::extract::Path(tab): axum::extract::Path<usize>,
                      mut session: Session<Customer>,
                      bag: SessionBag| async move {
                    together.wait().await;
                    // One changes the data, the others a name each, and all of them one name
                    // that they have not looked at.
                    if tab == 0 {
                        session.cart.push("apples".to_owned());
                    }
                    bag.set(format!("tab-{tab}"), &tab).unwrap();
                    bag.set("last", &tab).unwrap();
                },
            ),
        )
        .layer(host.sessions());
    let sent = (0..TABS).map(|tab| {
        let (router, mut browser) = (router.clone(), browser.clone());
        tokio::spawn(async move { browser.get(&router, &format!("/{tab}")).await })
    });
    for answer in sent.collect::<Vec<_>>() {
        assert_eq!(answer.await.unwrap().status, StatusCode::OK);
    }
    let stored = host.find(&secret).await.unwrap();
    assert_eq!(stored.ticket.data.cart, ["apples"]);
    assert_eq!(stored.ticket.bag.len(), TABS + 1);
}

/// A logout, by the session's own user in another tab, between a request's read and its write.
#[tokio::test(flavor = "multi_thread")]
async fn a_logout_that_races_a_save_stands() {
    let (host, _folder) = on_sqlite().await;
    for _ in 0..20 {
        let (browser, secret, stored) = host.alice().await;
        let together = Arc::new(Barrier::new(2));
        let (one, other) = (together.clone(), together);
        let router = Router::new()
            .route(
                "/write",
                get(move |bag: SessionBag| async move {
                    one.wait().await;
                    bag.set("theme", "dark").unwrap();
                }),
            )
            .route(
                "/sign-out",
                get(move |context: SessionContext<Customer>| async move {
                    other.wait().await;
                    let revoked: Option<Revoked> = context.sign_out().await?;
                    Ok::<_, SessionRejection>(revoked.unwrap().sessions.len().to_string())
                }),
            )
            .layer(host.sessions());
        let (mut one, mut other) = (browser.clone(), browser);
        let (written, signed_out) =
            tokio::join!(one.get(&router, "/write"), other.get(&router, "/sign-out"));
        assert_eq!(signed_out.body, "1");
        assert_eq!(signed_out.cookies().len(), 1);
        assert!(written.cookies().is_empty());
        if written.status != StatusCode::OK {
            written.refused(401, "the session has ended meanwhile");
        }
        assert!(host.find(&secret).await.is_none());
        let row = host.store.get_user_session(stored.key()).await.unwrap();
        assert!(row.is_none());
    }
    host.ends.told(&[EndReason::LoggedOut; 20]).await;
}

/// A browser that hangs up while its request waits: nothing is half-done, and the session goes on.
#[tokio::test]
async fn a_request_that_is_dropped_leaves_the_session_whole() {
    let host = Host::new();
    let (mut browser, secret, _) = host.alice().await;
    let (waiting, waits) = oneshot::channel::<()>();
    let waiting = Arc::new(Mutex::new(Some(waiting)));
    let router = Router::new()
        .route(
            "/wait",
            get(move |mut session: Session<Customer>| async move {
                session.cart.push("apples".to_owned());
                if let Some(waiting) = waiting.lock().await.take() {
                    waiting.send(()).unwrap();
                    std::future::pending::<()>().await;
                }
            }),
        )
        .layer(host.sessions());
    {
        let mut impatient = browser.clone();
        tokio::select! {
            _ = impatient.get(&router, "/wait") => panic!("it waits for ever"),
            waits = waits => waits.unwrap(),
        }
    }
    assert!(
        host.find(&secret)
            .await
            .unwrap()
            .ticket
            .data
            .cart
            .is_empty()
    );
    browser.get(&router, "/wait").await;
    let stored = host.find(&secret).await.unwrap();
    assert_eq!(stored.ticket.data.cart.len(), 1);
}

/// The real thing: a database that is not there any more.
#[tokio::test]
async fn a_database_that_is_gone_is_unavailable() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(START.parse().unwrap()));
    let url = format!("sqlite://{}/s.db?mode=rwc", folder.path().display());
    let builder = SeaOrmUserSessionStore::builder().clock(clock.clone());
    // On the host's own pool, which can be closed.
    let connection = sea_orm::Database::connect(&url).await.unwrap();
    store_migration::up(&connection).await.unwrap();
    let store = builder.build(connection.clone());
    let host = Host::over(Arc::new(store), clock);
    let (mut browser, ..) = host.alice().await;
    let router = Router::new()
        .route("/", get(|_: Session<Customer>| async {}))
        .layer(host.sessions());
    assert_eq!(browser.get(&router, "/").await.status, StatusCode::OK);
    connection.close().await.unwrap();
    let answer = browser.get(&router, "/").await;
    answer.refused(503, "the session store is not available");
    assert!(answer.cookies().is_empty());
}
