//! Signing out.

use reqwest::Method;
use store_tests::{TestDatabase, on_databases};

use crate::app::{App, Setup};

/// Here, at the provider, and with the refresh token; and back to where the user wanted to.
async fn is_everywhere(db: TestDatabase) {
    let Some(app) = App::start(db, Setup::default()).await else {
        return;
    };
    let browser = app.browser();
    browser.sign_in("alice").await;
    let tokens = app.tokens_of("app", "alice").await;
    let url = browser
        .user()
        .await
        .unwrap()
        .text("bff:logout_url")
        .to_owned();

    let page = browser.go(&format!("{url}&returnUrl=/bye"), None).await;
    assert_eq!(page.url.as_str(), format!("{}/bye", app.base("app")));
    let asked = page.trail[1].clone();
    assert_eq!(asked.path(), "/session/end");
    let asks = |name: &str| {
        let mut all = asked.query_pairs().filter(|(other, _)| other == name);
        all.next()
            .unwrap_or_else(|| panic!("{name}"))
            .1
            .into_owned()
    };
    assert_eq!(asks("id_token_hint"), tokens.id.unwrap().expose());
    assert_eq!(asks("client_id"), "app");
    let callback = format!("{}/bff/logout/callback", app.base("app"));
    assert_eq!(asks("post_logout_redirect_uri"), callback);
    let back = page
        .trail
        .iter()
        .find(|url| url.path() == "/bff/logout/callback");
    assert!(back.unwrap().query().unwrap().contains(&asks("state")));

    assert!(browser.user().await.is_none());
    assert_eq!(browser.cookies(), "");
    assert_eq!(app.rows().await, []);
    assert!(!app.is_active(tokens.refresh.unwrap().expose()).await);
    // Not signed in at the provider either.
    let silent = browser.go("/bff/silent-login", None).await;
    assert!(silent.answer.body.contains("isLoggedIn:false"));
}

/// Another site's link does not know the `sid`, and signs nobody out.
async fn wants_the_sid(db: TestDatabase) {
    let Some(app) = App::start(db, Setup::default()).await else {
        return;
    };
    let browser = app.browser();
    browser.sign_in("alice").await;
    for path in [
        "/bff/logout",
        "/bff/logout?sid=",
        "/bff/logout?sid=other",
        "/bff/logout?returnUrl=/",
    ] {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, 400, "{path}");
        assert!(
            answer
                .body
                .contains("sid is missing, or is another session&#39;s"),
            "{answer:?}"
        );
        assert!(answer.headers.get("set-cookie").is_none());
    }
    let other = app.browser();
    other.sign_in("bob").await;
    let url = other
        .user()
        .await
        .unwrap()
        .text("bff:logout_url")
        .to_owned();
    assert_eq!(browser.get(&url).await.status, 400);
    assert!(browser.user().await.is_some() && other.user().await.is_some());
}

/// Unless the host says that it does without.
async fn does_without_the_sid_if_told_to(db: TestDatabase) {
    let setup = Setup {
        endpoints: |endpoints| endpoints.require_logout_session_id(false),
        ..Setup::default()
    };
    let Some(app) = App::start(db, setup).await else {
        return;
    };
    let browser = app.browser();
    browser.sign_in("alice").await;
    let page = browser.go("/bff/logout", None).await;
    assert_eq!(page.url.path(), "/");
    assert_eq!(app.rows().await, []);
}

/// Where nobody is signed in there is nothing to end: a visitor keeps his session, and the provider
/// hears nothing.
async fn leaves_visitors_alone(db: TestDatabase) {
    let Some(app) = App::start(db, Setup::default()).await else {
        return;
    };
    let browser = app.browser();
    let page = browser.go("/bff/logout?returnUrl=/bye", None).await;
    assert_eq!((page.url.path(), page.trail.len()), ("/bye", 2));
    browser
        .request(Method::POST, "/api/cart")
        .send()
        .await
        .unwrap();
    let page = browser.go("/bff/logout?returnUrl=/bye", None).await;
    assert_eq!((page.url.path(), page.trail.len()), ("/bye", 2));
    assert_eq!(browser.get("/api/cart").await.body, "apples");
}

/// Whoever comes back from the provider without an attempt of this browser's goes to the front end's
/// root, wherever he says that he wants to.
async fn comes_back_from_nowhere_to_the_root(db: TestDatabase) {
    let Some(app) = App::start(db, Setup::default()).await else {
        return;
    };
    let login = app.browser().get("/bff/login?returnUrl=/orders").await;
    let login = reqwest::Url::parse(login.header("location")).unwrap();
    let state = login
        .query_pairs()
        .find(|(name, _)| name == "state")
        .unwrap()
        .1;
    for query in [
        String::new(),
        "?state=".to_owned(),
        "?state=a&state=b".to_owned(),
        "?returnUrl=https://evil.example".to_owned(),
        // An attempt to sign in is none to sign out.
        format!("?state={state}"),
    ] {
        let answer = app
            .browser()
            .get(&format!("/bff/logout/callback{query}"))
            .await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (302, "/"),
            "{query}"
        );
    }
}

on_databases!([sqlite, postgres]:
    is_everywhere,
    wants_the_sid,
    does_without_the_sid_if_told_to,
    leaves_visitors_alone,
    comes_back_from_nowhere_to_the_root
);
