//! Renewing access tokens.

use std::time::Duration;

use futures::future::join_all;
use store_tests::{TestDatabase, on_databases};

use crate::app::{App, Setup};

/// The provider's access tokens last 300 seconds, and are renewed 60 before.
const UNTIL_RENEWAL: Duration = Duration::from_secs(241);

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
        app.clock.advance(UNTIL_RENEWAL);
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
    ends_with_the_refresh_token,
    waits_for_the_provider,
    is_for_sessions
);
