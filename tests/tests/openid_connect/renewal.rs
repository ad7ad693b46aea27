//! Renewing access tokens.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use store_tests::{TestDatabase, on_databases};

use crate::app::{App, Setup};

/// The provider's access tokens last 300 seconds, and are renewed 60 before.
const UNTIL_RENEWAL: Duration = Duration::from_secs(241);
const UNTIL_THE_END: Duration = Duration::from_secs(301);
/// How long a session is left alone whose tokens could not be renewed.
const AFTER_A_FAILURE: Duration = Duration::from_secs(5);

/// A token is handed out as it is until it is about to end, and then there is another, again and
/// again.
async fn comes_in_time(db: TestDatabase) {
    let Some(app) = App::start(db, Setup::default()).await else {
        return;
    };
    let browser = app.browser();
    browser.sign_in("alice").await;
    let first = browser.get("/api/token").await.body;
    app.clock.advance(UNTIL_RENEWAL - Duration::from_secs(3));
    assert_eq!(browser.get("/api/token").await.body, first);
    let mut last = first;
    for _ in 0..3 {
        app.clock.advance(UNTIL_RENEWAL);
        let next = browser.get("/api/token").await;
        assert_eq!(next.status, 200, "{next:?}");
        assert_ne!(next.body, last);
        assert!(app.is_active(&next.body).await);
        assert_eq!(browser.get("/api/token").await.body, next.body);
        last = next.body;
    }
    let tokens = app.tokens_of("app", "alice").await;
    assert_eq!(tokens.access.unwrap().expose(), last);
    assert!(app.is_active(tokens.refresh.unwrap().expose()).await);
    assert_eq!(browser.user().await.unwrap().text("sub"), "alice");
}

/// Of many requests that ask at once, on two nodes, one renews: the provider, which takes a refresh
/// token that comes twice for a stolen one, goes on.
async fn happens_once_for_many(db: TestDatabase) {
    let Some(app) = App::start(db, Setup::default()).await else {
        return;
    };
    let browser = app.browser();
    browser.sign_in("alice").await;
    let other = app.another_node().await;
    let other = browser.at(&format!("http://app.localhost:{}", other.port()));
    let mut last = browser.get("/api/token").await.body;
    for _ in 0..2 {
        app.clock.advance(UNTIL_THE_END);
        let nodes = [&browser, &other].into_iter().cycle().take(12);
        let answers = join_all(nodes.map(|node| node.get("/api/token"))).await;
        for answer in &answers {
            assert_eq!((answer.status, &answer.body), (200, &answers[0].body));
        }
        assert_ne!(answers[0].body, last);
        last = answers[0].body.clone();
        assert!(app.is_active(&last).await);
        let refresh = app.tokens_of("app", "alice").await.refresh.unwrap();
        assert!(app.is_active(refresh.expose()).await);
    }
}

/// While one renews, the others get the token that there is, as long as it is good: nobody waits
/// for a provider that takes its time, on either node.
async fn holds_nobody_up_who_has_a_good_token(db: TestDatabase) {
    let Some(app) = App::start(db, Setup::default()).await else {
        return;
    };
    let browser = app.browser();
    browser.sign_in("alice").await;
    let other = app.another_node().await;
    let other = browser.at(&format!("http://app.localhost:{}", other.port()));
    // So that it knows the provider.
    assert_eq!(other.get("/bff/login").await.status, 302);
    let good = other.get("/api/token").await.body;
    app.clock.advance(UNTIL_RENEWAL);
    // Longer than anybody waits for an answer.
    let stuck = json!({ "status": 200, "body": {}, "delay": 60_000 });
    app.answer_at("/token", stuck).await;
    let renews = browser.get("/api/token");
    let others = async {
        let begun = async {
            while !app.is_being_renewed("app", "alice").await {
                tokio::task::yield_now().await;
            }
        };
        let begun = tokio::time::timeout(Duration::from_secs(20), begun).await;
        assert!(begun.is_ok());
        [
            other.get("/api/token").await,
            browser.get("/api/token").await,
        ]
    };
    tokio::select! {
        answer = renews => panic!("it was to be stuck: {answer:?}"),
        answers = others => for answer in answers {
            assert_eq!((answer.status, answer.body.as_str()), (200, good.as_str()));
        }
    }
}

/// Only where the provider says of the refresh token that it is none is it given up; whatever else
/// it says, it is kept, and of use as soon as the provider is itself again.
async fn keeps_what_the_provider_has_not_refused(db: TestDatabase) {
    let Some(app) = App::start(db, Setup::default()).await else {
        return;
    };
    let browser = app.browser();
    browser.sign_in("alice").await;
    let before = app.tokens_of("app", "alice").await.refresh;
    app.clock.advance(UNTIL_THE_END);
    for (status, error) in [
        (400, "temporarily_unavailable"),
        (400, "slow_down"),
        (400, "server_error"),
        (400, "an_error_of_its_own"),
        (401, "invalid_client"),
        (400, "unauthorized_client"),
        (400, "invalid_request"),
        // Whatever stands in its body.
        (500, "invalid_grant"),
        (503, "invalid_grant"),
        (429, "invalid_grant"),
    ] {
        let instead = json!({ "status": status, "body": { "error": error } });
        app.answer_at("/token", instead).await;
        let answer = browser.get("/api/token").await;
        assert_eq!(answer.status, 503, "{status} {error}: {answer:?}");
        assert_eq!(answer.header("retry-after"), "5");
        let kept = app.tokens_of("app", "alice").await.refresh;
        assert!(kept.is_some() && kept == before, "{status} {error}");
        // It is left alone for a while.
        app.answer_at("/token", json!({})).await;
        assert_eq!(browser.get("/api/token").await.status, 503);
        app.clock.advance(AFTER_A_FAILURE);
    }
    assert_eq!(browser.get("/api/token").await.status, 200);

    app.clock.advance(UNTIL_THE_END);
    let refused = json!({ "status": 400, "body": { "error": "invalid_grant" } });
    app.answer_at("/token", refused).await;
    assert_eq!(browser.get("/api/token").await.status, 401);
    assert!(app.tokens_of("app", "alice").await.refresh.is_none());
}

/// A front end that gets another provider has nobody signed in, and the other provider hears
/// nothing of the tokens of the first.
async fn is_of_one_provider(db: TestDatabase) {
    let Some(app) = App::start(db, Setup::default()).await else {
        return;
    };
    let browser = app.browser();
    browser.sign_in("alice").await;
    app.clock.advance(UNTIL_RENEWAL);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let heard = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&heard);
    let provider = axum::Router::new().fallback(async move || {
        counts.fetch_add(1, Ordering::Relaxed);
        "{}"
    });
    tokio::spawn(async move { axum::serve(listener, provider).await });
    let other = app.node_at(&issuer).await;
    let other = browser.at(&format!("http://app.localhost:{}", other.port()));
    assert!(other.user().await.is_none());
    assert_eq!(other.get("/api/token").await.status, 401);
    let sessions = other.fetch(reqwest::Method::GET, "/bff/sessions").await;
    assert_eq!(sessions.status, 401);
    assert_eq!(heard.load(Ordering::Relaxed), 0);
    // Where it comes from, it goes on.
    assert!(browser.user().await.is_some());
    assert_eq!(browser.get("/api/token").await.status, 200);
}

/// Where the provider has none any more, the user is to sign in again; the rest of his session is
/// as it was.
async fn ends_with_the_refresh_token(db: TestDatabase) {
    let Some(app) = App::start(db, Setup::default()).await else {
        return;
    };
    let browser = app.browser();
    browser.sign_in("alice").await;
    app.revoke_at_the_provider("app", "alice").await;
    app.clock.advance(UNTIL_RENEWAL);
    // Almost over, and still good.
    assert_eq!(browser.get("/api/token").await.status, 200);
    app.clock.advance(Duration::from_secs(60));
    let answer = browser.get("/api/token").await;
    assert_eq!(
        (answer.status, &answer.json()["status"]),
        (401, &401.into())
    );
    assert_eq!(browser.user().await.unwrap().text("sub"), "alice");
    assert!(app.tokens_of("app", "alice").await.refresh.is_none());
}

/// Where the provider does not answer, a token that is still good is handed out, and then it is 503.
async fn waits_for_the_provider(db: TestDatabase) {
    let Some(mut app) = App::start(db, Setup::default()).await else {
        return;
    };
    let browser = app.browser();
    browser.sign_in("alice").await;
    app.stop_provider().await;
    app.clock.advance(UNTIL_RENEWAL);
    assert_eq!(browser.get("/api/token").await.status, 200);
    app.clock.advance(Duration::from_secs(60));
    let answer = browser.get("/api/token").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), "5");
    assert_eq!(answer.json()["status"], 503);
    // Nobody has given up the refresh token.
    assert!(app.tokens_of("app", "alice").await.refresh.is_some());
}

/// Without a session there is no token.
async fn is_for_sessions(db: TestDatabase) {
    let Some(app) = App::start(db, Setup::default()).await else {
        return;
    };
    let browser = app.browser();
    assert_eq!(browser.get("/api/token").await.status, 401);
    browser.sign_in("alice").await;
    let user = browser.user().await.unwrap();
    browser.go(user.text("bff:logout_url"), None).await;
    app.clock.advance(UNTIL_RENEWAL);
    assert_eq!(browser.get("/api/token").await.status, 401);
}

on_databases!([sqlite, postgres]:
    comes_in_time,
    happens_once_for_many,
    holds_nobody_up_who_has_a_good_token,
    keeps_what_the_provider_has_not_refused,
    is_of_one_provider,
    ends_with_the_refresh_token,
    waits_for_the_provider,
    is_for_sessions
);
