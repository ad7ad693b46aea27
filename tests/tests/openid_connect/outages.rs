//! What is not to be had: the store, the provider, its keys.

use std::time::Duration;

use reqwest::Method;
use sea_orm::{ConnectionTrait as _, DatabaseConnection};
use serde_json::json;
use store_tests::{DatabaseKind, TestDatabase, on_databases};

use crate::app::{App, Setup};

async fn rename(db: &DatabaseConnection, from: &str, to: &str) {
    let sql = format!("ALTER TABLE {from} RENAME TO {to}");
    db.execute_unprepared(&sql).await.unwrap();
}

/// A logout that the store did not do is not told as done, and the provider may send the same token
/// again.
async fn of_the_store_leave_the_logout_to_do(db: TestDatabase) {
    let Some(app) = App::start(db, Setup::default()).await else {
        return;
    };
    let browser = app.browser();
    browser.sign_in("alice").await;
    let token = app.logout_token("1", json!({ "sub": "alice" })).await;
    rename(app.store.connection(), "user_sessions", "elsewhere").await;
    for _ in 0..2 {
        let answer = app.post_logout_token("app", &token).await;
        assert_eq!(answer.status, 500, "{answer:?}");
        assert_eq!(answer.json()["error"], "server_error");
        assert_eq!(
            answer.json()["error_description"],
            "the sessions may not all have ended"
        );
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    rename(app.store.connection(), "elsewhere", "user_sessions").await;
    assert!(browser.user().await.is_some());
    assert_eq!(app.post_logout_token("app", &token).await.status, 200);
    assert!(browser.user().await.is_none());
    assert_eq!(app.post_logout_token("app", &token).await.status, 400);
}

/// While the store is not to be had nobody is taken for signed out, and no cookie goes.
async fn of_the_store_sign_nobody_out(db: TestDatabase) {
    let Some(app) = App::start(db, Setup::default()).await else {
        return;
    };
    let browser = app.browser();
    browser.sign_in("alice").await;
    let url = browser
        .user()
        .await
        .unwrap()
        .text("bff:logout_url")
        .to_owned();
    let cookies = browser.cookies();
    let token = app.logout_token("1", json!({ "sub": "alice" })).await;
    let pending = app.browser();
    let login = pending.get("/bff/login").await;
    // SQLite's writer has a connection of its own, so there the table has to go.
    let status = if app.store.database().kind() == DatabaseKind::Sqlite {
        rename(app.store.connection(), "user_sessions", "elsewhere").await;
        500
    } else {
        refuse_connections(app.store.database()).await;
        503
    };
    let retry_after = if status == 503 { "5" } else { "" };

    for (method, path) in [
        (Method::GET, "/bff/user"),
        (Method::GET, "/bff/sessions"),
        (Method::DELETE, "/bff/sessions"),
        (Method::DELETE, "/bff/sessions/any"),
        (Method::GET, "/api/token"),
        (Method::GET, url.as_str()),
    ] {
        let answer = browser.fetch(method, path).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert_eq!(answer.header("retry-after"), retry_after, "{path}");
        assert!(answer.headers.get("set-cookie").is_none(), "{path}");
    }
    let answer = app.post_logout_token("app", &token).await;
    assert_eq!(answer.status, status);
    assert_eq!(answer.header("retry-after"), retry_after);
    assert_eq!(answer.json()["error"], "server_error");
    let page = pending.go(login.header("location"), Some("bob")).await;
    assert_eq!(page.answer.status, status, "{page:?}");
    assert_eq!(page.answer.header("retry-after"), retry_after);
    assert!(!pending.cookies().contains("bff-session"));
    assert_eq!(browser.cookies(), cookies);
}

/// Ends the connections to a database of PostgreSQL's, and lets nobody open another.
async fn refuse_connections(db: &TestDatabase) {
    let mut url = reqwest::Url::parse(db.url()).unwrap();
    let name = url.path().trim_start_matches('/').to_owned();
    url.set_path("/postgres");
    let admin = sea_orm::Database::connect(url.as_str()).await.unwrap();
    for sql in [
        format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"),
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"),
    ] {
        admin.execute_unprepared(&sql).await.unwrap();
    }
}

/// Without the provider nobody signs in, and everybody who is signed in goes on, and can sign out.
async fn of_the_provider_let_users_go_on(db: TestDatabase) {
    let Some(mut app) = App::start(db, Setup::default()).await else {
        return;
    };
    let browser = app.browser();
    browser.sign_in("alice").await;
    let login = browser.get("/bff/login").await;
    let state = reqwest::Url::parse(login.header("location")).unwrap();
    let state = state
        .query_pairs()
        .find(|(name, _)| name == "state")
        .unwrap()
        .1
        .into_owned();
    let issuer: String =
        url::form_urlencoded::byte_serialize(app.provider.issuer().as_bytes()).collect();
    // A node that has never heard of the provider.
    let fresh = app.another_node().await;
    app.stop_provider().await;

    let answer = browser
        .get(&format!("/bff/callback?state={state}&code=c&iss={issuer}"))
        .await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(
        answer
            .body
            .contains("the identity provider is not available")
    );
    let fresh = browser.at(&format!("http://app.localhost:{}", fresh.port()));
    let answer = fresh.get("/bff/login").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), "5");
    let url = fresh.url("/bff/backchannel");
    let answer = fresh
        .post_form(url.as_str(), &[("logout_token", "a.b.c")])
        .await;
    assert_eq!(answer.status(), 503);

    assert!(browser.user().await.is_some());
    let url = fresh
        .user()
        .await
        .unwrap()
        .text("bff:logout_url")
        .to_owned();
    let answer = fresh.get(&format!("{url}&returnUrl=/bye")).await;
    assert_eq!((answer.status, answer.header("location")), (302, "/bye"));
    assert!(browser.user().await.is_none());
    assert_eq!(app.rows().await, []);
}

/// A provider that changes its keys is asked for them, but not for each token that names another.
async fn of_a_key_are_short(db: TestDatabase) {
    let Some(mut app) = App::start(db, Setup::default()).await else {
        return;
    };
    let browser = app.browser();
    browser.sign_in("alice").await;
    app.restart_provider_with_key("key-2").await;
    let post = async |id: &str| {
        let token = app.logout_token(id, json!({ "sub": "alice" })).await;
        app.post_logout_token("app", &token).await
    };
    let answer = post("1").await;
    assert_eq!(answer.status, 400, "the keys were asked for a moment ago");
    assert_eq!(
        answer.json()["error_description"],
        "no key of the provider's fits the token"
    );
    assert!(browser.user().await.is_some());
    app.clock.advance(Duration::from_secs(60));
    assert_eq!(post("2").await.status, 200);
    assert!(browser.user().await.is_none());
    browser.sign_in("alice").await;
}

on_databases!([sqlite, postgres]:
    of_the_store_leave_the_logout_to_do,
    of_the_store_sign_nobody_out,
    of_the_provider_let_users_go_on,
    of_a_key_are_short
);
