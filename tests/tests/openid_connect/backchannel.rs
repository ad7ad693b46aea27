//! The provider says that a user has signed out.

use serde_json::json;
use store_tests::{TestDatabase, on_databases};
use store_tickets::RevocationOptions;

use crate::app::{App, Setup};

/// The provider's own: whoever signs out there in one browser has signed out here in that one.
async fn by_sid_ends_one_session(db: TestDatabase) {
    let Some(app) = App::start(db, Setup::default()).await else {
        return;
    };
    let (one, other) = (app.browser(), app.browser());
    one.sign_in("alice").await;
    other.sign_in("alice").await;
    assert_eq!(app.rows().await.len(), 2);
    let sid = one.user().await.unwrap().text("sid").to_owned();
    assert_ne!(other.user().await.unwrap().text("sid"), sid);

    one.at(app.provider.issuer()).go("/session/end", None).await;
    assert!(one.user().await.is_none());
    assert!(other.user().await.is_some());
    let rows = app.rows().await;
    assert_eq!(rows.len(), 1);
    assert_ne!(rows[0].session_id.as_ref().unwrap().as_str(), sid);
}

/// The provider's own, where it names the user alone: all that user's sessions end, and nobody
/// else's.
async fn by_sub_ends_all_of_a_users(db: TestDatabase) {
    let setup = Setup {
        logout_by_session: false,
        ..Setup::default()
    };
    let Some(app) = App::start(db, setup).await else {
        return;
    };
    let (one, other, bob) = (app.browser(), app.browser(), app.browser());
    one.sign_in("alice").await;
    other.sign_in("alice").await;
    bob.sign_in("bob").await;
    // The provider names no session, so there is another name for it.
    let user = one.user().await.unwrap();
    assert!(!user.0.to_string().contains(r#""type":"sid""#), "{user:?}");
    assert!(user.text("bff:logout_url").starts_with("/bff/logout?sid="));

    one.at(app.provider.issuer()).go("/session/end", None).await;
    assert!(one.user().await.is_none());
    assert!(other.user().await.is_none());
    assert_eq!(bob.user().await.unwrap().text("sub"), "bob");
    assert_eq!(app.rows().await.len(), 1);

    let url = bob.user().await.unwrap().text("bff:logout_url").to_owned();
    assert_eq!(bob.get("/bff/logout").await.status, 400);
    assert_eq!(bob.go(&url, None).await.url.path(), "/");
    assert_eq!(app.rows().await, []);
}

/// Each way to name sessions ends those that it names, and what is not there is no failure.
async fn ends_whom_it_names(db: TestDatabase) {
    let Some(app) = App::start(db, Setup::default()).await else {
        return;
    };
    let (one, other, bob) = (app.browser(), app.browser(), app.browser());
    one.sign_in("alice").await;
    other.sign_in("alice").await;
    bob.sign_in("bob").await;
    let sid = one.user().await.unwrap().text("sid").to_owned();
    let post = async |id: &str, whom| {
        let token = app.logout_token(id, whom).await;
        let answer = app.post_logout_token("app", &token).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, ""),
            "{answer:?}"
        );
        assert_eq!(answer.header("cache-control"), "no-store");
        app.rows().await.len()
    };
    assert_eq!(post("1", json!({ "sub": "nobody" })).await, 3);
    assert_eq!(post("2", json!({ "sid": "no session" })).await, 3);
    assert_eq!(
        post("3", json!({ "sub": "bob", "sid": sid })).await,
        3,
        "both have to fit"
    );
    assert_eq!(
        post("4", json!({ "sub": "Alice" })).await,
        3,
        "byte for byte"
    );
    assert_eq!(post("5", json!({ "sub": "alice", "sid": sid })).await, 2);
    assert!(one.user().await.is_none() && other.user().await.is_some());
    assert_eq!(post("6", json!({ "sub": "alice" })).await, 1);
    assert_eq!(bob.user().await.unwrap().text("sub"), "bob");
}

/// With "all sessions of the user" configured, a `sid` alone leads to its user first.
async fn ends_all_of_a_users_if_asked_to(db: TestDatabase) {
    let setup = Setup {
        revocation: RevocationOptions {
            back_channel_logout_ends_all_sessions: true,
            ..Setup::default().revocation
        },
        ..Setup::default()
    };
    let Some(app) = App::start(db, setup).await else {
        return;
    };
    let (one, other, bob) = (app.browser(), app.browser(), app.browser());
    one.sign_in("alice").await;
    other.sign_in("alice").await;
    bob.sign_in("bob").await;
    let sid = one.user().await.unwrap().text("sid").to_owned();
    let refresh = app.rows().await.len();
    assert_eq!(refresh, 3);
    let token = app.logout_token("1", json!({ "sid": sid })).await;
    assert_eq!(app.post_logout_token("app", &token).await.status, 200);
    assert!(one.user().await.is_none() && other.user().await.is_none());
    assert!(bob.user().await.is_some());
}

/// Its refresh token is revoked, too.
async fn takes_the_refresh_token_along(db: TestDatabase) {
    let Some(app) = App::start(db, Setup::default()).await else {
        return;
    };
    let browser = app.browser();
    browser.sign_in("alice").await;
    let refresh = app.tokens_of("app", "alice").await.refresh.unwrap();
    assert!(app.is_active(refresh.expose()).await);
    let token = app.logout_token("1", json!({ "sub": "alice" })).await;
    assert_eq!(app.post_logout_token("app", &token).await.status, 200);
    assert!(!app.is_active(refresh.expose()).await);
}

/// A logout that overtakes the login is not in vain: there is no session to find yet, and none
/// afterwards.
async fn is_not_overtaken_by_the_login(db: TestDatabase) {
    let setup = Setup {
        logout_overtakes: true,
        ..Setup::default()
    };
    let Some(app) = App::start(db, setup).await else {
        return;
    };
    let browser = app.browser();
    let page = browser.go("/bff/login", Some("alice")).await;
    assert_eq!(page.answer.status, 403);
    assert!(page.answer.body.contains("you have signed out meanwhile"));
    assert!(browser.user().await.is_none());
    assert_eq!(app.rows().await, []);
    assert_eq!(browser.cookies(), "");
}

/// A token that comes again does nothing, however many come at once.
async fn happens_once_for_each_token(db: TestDatabase) {
    let Some(app) = App::start(db, Setup::default()).await else {
        return;
    };
    let browser = app.browser();
    let token = app.logout_token("1", json!({ "sub": "alice" })).await;
    browser.sign_in("alice").await;
    let posts = (0..8).map(|_| app.post_logout_token("app", &token));
    let answers = futures::future::join_all(posts).await;
    let done = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(done, 1, "{answers:?}");
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        let said = (answer.status, answer.header("retry-after"));
        let body = answer.json();
        match body["error"].as_str().unwrap() {
            // While another was at it, which might yet have failed: what is final comes later.
            "server_error" => {
                assert_eq!(said, (503, "5"));
                assert_eq!(
                    body["error_description"],
                    "the logout token is being acted on"
                );
            }
            error => {
                assert_eq!((error, said), ("invalid_request", (400, "")));
                assert_eq!(
                    body["error_description"],
                    "the logout token was used before"
                );
            }
        }
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    assert!(browser.user().await.is_none());

    // Who signs in again stays: until the token is too old to be taken for one, and after that.
    browser.sign_in("alice").await;
    for minutes in [0, 1, 5, 60] {
        app.clock
            .advance(std::time::Duration::from_secs(60 * minutes));
        assert_eq!(
            app.post_logout_token("app", &token).await.status,
            400,
            "{minutes}"
        );
    }
    assert_eq!(app.rows().await.len(), 1);
}

on_databases!([sqlite, postgres]:
    by_sid_ends_one_session,
    by_sub_ends_all_of_a_users,
    ends_whom_it_names,
    ends_all_of_a_users_if_asked_to,
    takes_the_refresh_token_along,
    is_not_overtaken_by_the_login,
    happens_once_for_each_token
);
