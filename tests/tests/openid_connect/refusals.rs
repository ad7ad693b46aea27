//! Every refusal's status and body.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use store_axum::openid_connect::{AnonymousUser, BffPaths, Prompt};
use store_tests::{TestDatabase, on_databases};

use crate::app::{Answer, App, Setup};

/// A small page that says why, and nothing of what came.
fn is_page(answer: &Answer, status: u16, reason: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    let text = reason.replace('\'', "&#39;");
    assert!(answer.body.contains(&text), "{reason}: {answer:?}");
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(answer.header("cache-control"), "no-store");
    let policy = answer.header("content-security-policy");
    assert_eq!(policy, "default-src 'none'; frame-ancestors 'none'");
    for echoed in ["evil", "<script", "onerror"] {
        assert!(!answer.body.contains(echoed), "{answer:?}");
    }
}

/// `/bff/login` sends nobody to other places than the front end, and asks the provider nothing that
/// it is not to.
async fn of_login(db: TestDatabase) {
    let setup = Setup {
        endpoints: |endpoints| endpoints.prompts([Prompt::Login, Prompt::Create]),
        ..Setup::default()
    };
    let Some(app) = App::start(db, setup).await else {
        return;
    };
    let browser = app.browser();
    for evil in [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/%5Cevil.example",
        "/\t/evil.example",
        "/.//evil.example",
        "evil",
        "",
    ] {
        let evil: String = url::form_urlencoded::byte_serialize(evil.as_bytes()).collect();
        for path in ["login", "silent-login", "logout"] {
            let answer = browser.get(&format!("/bff/{path}?returnUrl={evil}")).await;
            is_page(&answer, 400, "returnUrl is no local URL");
            assert!(answer.headers.get("set-cookie").is_none());
        }
    }
    for (query, reason) in [
        ("prompt=none", "prompt is not allowed"),
        ("prompt=select_account", "prompt is not allowed"),
        ("prompt=evil", "prompt is not allowed"),
        ("prompt=", "prompt is not allowed"),
        ("prompt=login+create", "prompt is not allowed"),
        (
            "prompt=login&prompt=login",
            "a parameter is there more than once",
        ),
        (
            "returnUrl=/&returnUrl=/",
            "a parameter is there more than once",
        ),
    ] {
        is_page(
            &browser.get(&format!("/bff/login?{query}")).await,
            400,
            reason,
        );
    }
    is_page(
        &browser.get("/bff/silent-login").await,
        400,
        "prompt is not allowed",
    );
    for prompt in ["login", "create"] {
        let answer = browser.get(&format!("/bff/login?prompt={prompt}")).await;
        assert_eq!(answer.status, 302);
        assert!(
            answer
                .header("location")
                .contains(&format!("prompt={prompt}")),
            "{answer:?}"
        );
    }
    assert_eq!(
        browser
            .request(Method::POST, "/bff/login")
            .send()
            .await
            .unwrap()
            .status(),
        405
    );
}

/// `/bff/callback` takes nothing but the provider's answer to this browser's own attempt, once and
/// in time.
async fn of_callback(db: TestDatabase) {
    let Some(app) = App::start(db, Setup::default()).await else {
        return;
    };
    let unknown = "this login is unknown, over, or belongs to another browser";
    let browser = app.browser();
    let issuer: String =
        url::form_urlencoded::byte_serialize(app.provider.issuer().as_bytes()).collect();
    let begin = async || {
        let login = browser.get("/bff/login").await;
        let login = reqwest::Url::parse(login.header("location")).unwrap();
        login
            .query_pairs()
            .find(|(name, _)| name == "state")
            .unwrap()
            .1
            .into_owned()
    };
    for query in [
        "",
        "?code=c",
        "?state=",
        "?state=evil&code=c",
        "?state=../../evil",
        "?error=access_denied",
    ] {
        is_page(
            &browser.get(&format!("/bff/callback{query}")).await,
            400,
            unknown,
        );
    }
    let state = begin().await;
    is_page(
        &browser
            .get(&format!("/bff/callback?state={state}&state={state}"))
            .await,
        400,
        "more than once",
    );
    let cut = &state[..42];
    is_page(
        &browser
            .get(&format!("/bff/callback?state={cut}&code=c"))
            .await,
        400,
        unknown,
    );
    let stranger = app.browser();
    is_page(
        &stranger
            .get(&format!("/bff/callback?state={state}&code=c&iss={issuer}"))
            .await,
        400,
        unknown,
    );

    for (answer, status, reason) in [
        (
            format!("code=c&iss={issuer}"),
            400,
            "the identity provider has refused the code",
        ),
        (
            "code=c".to_owned(),
            400,
            "the answer is not the identity provider's",
        ),
        (
            "code=c&iss=https://evil.example".to_owned(),
            400,
            "the answer is not the identity provider's",
        ),
        (
            "error=access_denied".to_owned(),
            400,
            "the answer is not the identity provider's",
        ),
        (
            format!("iss={issuer}"),
            400,
            "has neither a code nor an error",
        ),
        (
            format!("code=&iss={issuer}"),
            400,
            "has neither a code nor an error",
        ),
        (format!("code=a&code=b&iss={issuer}"), 400, "more than once"),
        (
            format!("error=access_denied&iss={issuer}&error_description=%3Cscript%3Eevil"),
            403,
            "refused the login, with access_denied",
        ),
        (
            format!("error=login_required&iss={issuer}"),
            403,
            "refused the login, with login_required",
        ),
        (
            format!("error=%3Cscript%3E&iss={issuer}"),
            403,
            "refused the login, with an error of its own",
        ),
        (
            format!("error=temporarily_unavailable&iss={issuer}"),
            503,
            "the identity provider is not available",
        ),
    ] {
        let path = format!("/bff/callback?state={}&{answer}", begin().await);
        let answer = browser.get(&path).await;
        is_page(&answer, status, reason);
        assert_eq!(answer.header("retry-after").is_empty(), status != 503);
        // It was this browser's attempt, and is over.
        is_page(&browser.get(&path).await, 400, unknown);
    }

    let state = begin().await;
    app.clock.advance(Duration::from_secs(10 * 60));
    is_page(
        &browser
            .get(&format!("/bff/callback?state={state}&code=c&iss={issuer}"))
            .await,
        400,
        unknown,
    );

    // The real thing works once.
    let page = browser.sign_in("alice").await;
    let callback = page
        .trail
        .iter()
        .find(|url| url.path() == "/bff/callback")
        .unwrap();
    is_page(&browser.get(callback.as_str()).await, 400, unknown);
    is_page(&app.browser().get(callback.as_str()).await, 400, unknown);
    assert!(browser.user().await.is_some());
    assert_eq!(app.rows().await.len(), 1);
}

/// A user whom the host does not let in has no session, and the provider gets its token back.
async fn of_users(db: TestDatabase) {
    let Some(app) = App::start(db, Setup::default()).await else {
        return;
    };
    let browser = app.browser();
    let page = browser.go("/bff/login", Some("mallory")).await;
    assert_eq!(page.answer.status, 403);
    assert!(
        page.answer
            .body
            .contains("you may not use this application")
    );
    assert_eq!(app.rows().await, []);
    assert!(browser.user().await.is_none());
}

/// `/bff/user` is for pages of the host's own, and for users.
async fn of_user(db: TestDatabase) {
    let Some(app) = App::start(db, Setup::default()).await else {
        return;
    };
    let browser = app.browser();
    browser.sign_in("alice").await;
    for (name, value) in [("x-other", "1"), ("x-csrf", "0"), ("x-csrf", "")] {
        let answer = browser
            .request(Method::GET, "/bff/user")
            .header(name, value)
            .send();
        let answer = Answer::of(answer.await.unwrap()).await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(answer.json()["detail"], "the antiforgery header is missing");
    }
    let visitor = app.browser();
    let nobody = visitor.fetch(Method::GET, "/bff/user").await;
    assert_eq!(nobody.status, 401);
    assert_eq!(nobody.json()["detail"], "nobody is signed in");
    assert_eq!(nobody.header("cache-control"), "no-store");
    visitor
        .request(Method::POST, "/api/cart")
        .send()
        .await
        .unwrap();
    assert_eq!(visitor.fetch(Method::GET, "/bff/user").await.status, 401);
    assert_eq!(browser.fetch(Method::POST, "/bff/user").await.status, 405);
}

/// Or says `null`, if that is asked for.
async fn of_user_or_null(db: TestDatabase) {
    let setup = Setup {
        endpoints: |endpoints| {
            let endpoints = endpoints.anonymous_user(AnonymousUser::Null);
            endpoints.paths(BffPaths::below("/auth"))
        },
        ..Setup::default()
    };
    let Some(app) = App::start(db, setup).await else {
        return;
    };
    let answer = app.browser().fetch(Method::GET, "/auth/user").await;
    assert_eq!((answer.status, answer.json()), (200, Value::Null));
    assert_eq!(app.browser().get("/bff/user").await.body, "a page");
}

/// `slide=false` looks, and does not make the session longer.
async fn to_slide(db: TestDatabase) {
    let Some(app) = App::start(db, Setup::default()).await else {
        return;
    };
    let browser = app.browser();
    browser.sign_in("alice").await;
    let expires_in = async |path: &str| {
        let answer = browser.fetch(Method::GET, path).await;
        let user = crate::browser::User(answer.json());
        user.claim("bff:session_expires_in").as_i64().unwrap()
    };
    app.clock.advance(Duration::from_secs(40 * 60));
    for _ in 0..3 {
        assert_eq!(expires_in("/bff/user?slide=false").await, 20 * 60);
    }
    assert_eq!(expires_in("/bff/user").await, 20 * 60);
    assert_eq!(expires_in("/bff/user?slide=false").await, 60 * 60);
    app.clock.advance(Duration::from_secs(60 * 60));
    assert!(browser.user().await.is_none());
}

on_databases!([sqlite, postgres]:
    of_login,
    of_callback,
    of_users,
    of_user,
    of_user_or_null,
    to_slide
);
