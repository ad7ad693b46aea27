//! Signing in.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use store_tests::{TestDatabase, on_databases};

use crate::app::{App, Setup};
use crate::browser::Browser;

/// The same browser as far as the host can tell, which the provider has never seen.
fn in_the_same_place(app: &App, browser: &Browser) -> Browser {
    let same = app.browser();
    same.plant(&format!("{}; Path=/", browser.cookies()));
    same
}

/// Whoever signs in has a session, arrives where he wanted to, and is known to `/bff/user`.
async fn leads_to_a_session(db: TestDatabase) {
    let Some(app) = App::start(db, Setup::default()).await else {
        return;
    };
    let browser = app.browser();
    assert!(browser.user().await.is_none());

    let page = browser
        .go("/bff/login?returnUrl=/orders?open%3D1%23top", Some("alice"))
        .await;
    assert_eq!(
        page.url.as_str(),
        format!("{}/orders?open=1#top", app.base("app"))
    );
    assert_eq!(page.answer.body, "a page");

    let asked = &page.trail[1];
    let asks = |name: &str| {
        let mut all = asked.query_pairs().filter(|(other, _)| other == name);
        let value = all
            .next()
            .unwrap_or_else(|| panic!("{name}"))
            .1
            .into_owned();
        assert!(all.next().is_none());
        value
    };
    assert_eq!(asks("response_type"), "code");
    assert_eq!(asks("code_challenge_method"), "S256");
    assert_eq!(
        asks("redirect_uri"),
        format!("{}/bff/callback", app.base("app"))
    );
    assert_eq!(asks("scope"), "openid profile email");
    for random in ["state", "nonce", "code_challenge"] {
        assert_eq!(asks(random).len(), 43, "{random}");
    }

    let user = browser.user().await.unwrap();
    assert_eq!(user.text("sub"), "alice");
    assert_eq!(user.text("name"), "The alice");
    assert_eq!(user.text("email"), "alice@example.test");
    assert_eq!(user.claim("bff:session_expires_in"), 3600);
    let sid = user.text("sid");
    assert_eq!(
        user.text("bff:logout_url"),
        format!("/bff/logout?sid={sid}")
    );
    let all = user.0.to_string();
    for of_the_token in ["nonce", "at_hash", "\"exp\"", "\"aud\""] {
        assert!(!all.contains(of_the_token), "{all}");
    }

    let rows = app.rows().await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].subject_id.as_ref().unwrap().as_str(), "alice");
    assert_eq!(rows[0].session_id.as_ref().unwrap().as_str(), sid);
    assert_eq!(rows[0].key.partition_key.as_str(), "app");
    let cookies = browser.cookies();
    assert!(
        cookies.starts_with("bff-session=") && !cookies.contains("attempt"),
        "{cookies}"
    );
    let tokens = app.tokens_of("app", "alice").await;
    for token in [tokens.access.unwrap(), tokens.refresh.unwrap()] {
        assert!(app.is_active(token.expose()).await);
        assert!(!page.answer.body.contains(token.expose()));
    }
    assert_eq!(tokens.id.unwrap().expose().split('.').count(), 3);
}

/// A secret that somebody has planted opens nothing afterwards, whether it was a visitor's session
/// or none.
async fn has_a_new_secret(db: TestDatabase) {
    let Some(app) = App::start(db, Setup::default()).await else {
        return;
    };
    let (attacker, victim) = (app.browser(), app.browser());
    let put = attacker
        .request(Method::POST, "/api/cart")
        .send()
        .await
        .unwrap();
    assert_eq!(put.status(), 200);
    let planted = attacker.cookies();
    victim.plant(&format!("{planted}; Path=/"));
    assert_eq!(victim.get("/api/cart").await.body, "apples");

    victim.sign_in("alice").await;
    assert_ne!(victim.cookies(), planted);
    assert_eq!(victim.user().await.unwrap().text("sub"), "alice");
    assert!(attacker.user().await.is_none());
    assert_eq!(attacker.get("/api/cart").await.body, "");
    // By default, what the attacker has put into the bag is not the user's either.
    assert_eq!(victim.get("/api/cart").await.body, "");
    assert_eq!(app.rows().await.len(), 1);
}

/// A visitor who signs in keeps what is in his bag, if that is asked for.
async fn keeps_the_bag_if_asked_to(db: TestDatabase) {
    let setup = Setup {
        endpoints: |endpoints| endpoints.keep_visitors_bag(true),
        ..Setup::default()
    };
    let Some(app) = App::start(db, setup).await else {
        return;
    };
    let browser = app.browser();
    browser
        .request(Method::POST, "/api/cart")
        .send()
        .await
        .unwrap();
    browser.sign_in("alice").await;
    assert_eq!(browser.get("/api/cart").await.body, "apples");
    // Another user's is not taken over.
    let browser = in_the_same_place(&app, &browser);
    browser.sign_in("bob").await;
    assert_eq!(browser.user().await.unwrap().text("sub"), "bob");
    assert_eq!(browser.get("/api/cart").await.body, "");
}

/// A login in the same browser ends the session before it, also another user's, with its refresh
/// token.
async fn ends_the_session_before_it(db: TestDatabase) {
    let Some(app) = App::start(db, Setup::default()).await else {
        return;
    };
    let browser = app.browser();
    browser.sign_in("alice").await;
    let before = app.tokens_of("app", "alice").await.refresh.unwrap();
    in_the_same_place(&app, &browser).sign_in("bob").await;
    let rows = app.rows().await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].subject_id.as_ref().unwrap().as_str(), "bob");
    // Nobody waits for it, so it may take a moment.
    for _ in 0..100 {
        if !app.is_active(before.expose()).await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the refresh token of a session that was replaced is still good");
}

/// Tabs that sign in at the same time do not get in each other's way.
async fn works_in_several_tabs_at_once(db: TestDatabase) {
    let Some(app) = App::start(db, Setup::default()).await else {
        return;
    };
    let browser = app.browser();
    let one = browser.get("/bff/login?returnUrl=/one").await;
    let other = browser.get("/bff/login?returnUrl=/other").await;
    assert_eq!(browser.cookies().matches("bff-attempt-").count(), 2);
    for (tab, path) in [(one, "/one"), (other, "/other")] {
        let page = browser.go(tab.header("location"), Some("alice")).await;
        assert_eq!(page.url.path(), path);
    }
    assert!(browser.user().await.is_some());
    assert!(!browser.cookies().contains("bff-attempt-"));
}

/// However many logins somebody begins, the browser carries a few.
async fn leaves_few_cookies_behind(db: TestDatabase) {
    let Some(app) = App::start(db, Setup::default()).await else {
        return;
    };
    let browser = app.browser();
    let first = browser.get("/bff/login?returnUrl=/first").await;
    for _ in 0..12 {
        app.clock.advance(Duration::from_secs(1));
        browser.get("/bff/login").await;
    }
    assert_eq!(browser.cookies().matches("bff-attempt-").count(), 8);
    let page = browser.go(first.header("location"), Some("alice")).await;
    assert_eq!(page.answer.status, 400, "the oldest went first");
    assert_eq!(app.rows().await.len(), 0);
}

/// Who cannot be asked about the user just now is asked later, and who has nothing to say of him is
/// not asked; what a login has brought that then fails is given back.
async fn asks_for_the_user(db: TestDatabase) {
    let Some(app) = App::start(db, Setup::default()).await else {
        return;
    };
    let browser = app.browser();
    for (attempt, status) in [500, 503, 429].into_iter().enumerate() {
        app.answer_at("/me", json!({ "status": status, "body": {} }))
            .await;
        let page = browser.go("/bff/login", Some("alice")).await;
        assert_eq!(page.answer.status, 503, "{page:?}");
        assert_eq!(page.answer.header("retry-after"), "5");
        assert!(browser.user().await.is_none());
        // Nobody waits for it, so it comes a little later.
        let given_back = async {
            while app.heard_at("/token/revocation").await <= attempt as u64 {
                tokio::task::yield_now().await;
            }
        };
        let given_back = tokio::time::timeout(Duration::from_secs(20), given_back).await;
        assert!(given_back.is_ok(), "{status}");
    }
    app.answer_at("/me", json!({ "status": 403, "body": {} }))
        .await;
    let page = browser.go("/bff/login", Some("alice")).await;
    assert_eq!(page.answer.status, 502, "{page:?}");

    // As some providers have it.
    let says = json!({
        "sub": "alice",
        "email_verified": "true",
        "updated_at": "2024-05-06T07:08:09Z",
    });
    app.answer_at("/me", json!({ "status": 200, "body": says }))
        .await;
    browser.sign_in("alice").await;
    let user = browser.user().await.unwrap();
    assert_eq!(user.claim("email_verified"), &json!(true));
}

async fn does_not_ask_where_there_is_nothing_to_ask(db: TestDatabase) {
    let setup = Setup {
        has_user_info: false,
        ..Setup::default()
    };
    let Some(app) = App::start(db, setup).await else {
        return;
    };
    let browser = app.browser();
    browser.sign_in("alice").await;
    assert_eq!(browser.user().await.unwrap().text("sub"), "alice");
}

on_databases!([sqlite, postgres]:
    leads_to_a_session,
    has_a_new_secret,
    keeps_the_bag_if_asked_to,
    ends_the_session_before_it,
    works_in_several_tabs_at_once,
    leaves_few_cookies_behind,
    asks_for_the_user,
    does_not_ask_where_there_is_nothing_to_ask
);
