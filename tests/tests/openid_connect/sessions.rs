//! A user's devices.

use std::time::Duration;

use reqwest::Method;
use store_tests::{TestDatabase, on_databases};

use crate::app::{App, Setup};

/// A user sees his sessions, with their times, and can tell which one he is using.
async fn are_listed(db: TestDatabase) {
    let Some(app) = App::start(db, Setup::default()).await else {
        return;
    };
    let (one, other, bob) = (app.browser(), app.browser(), app.browser());
    one.sign_in("alice").await;
    app.clock.advance(Duration::from_secs(60));
    other.sign_in("alice").await;
    bob.sign_in("bob").await;
    let answer = one.fetch(Method::GET, "/bff/sessions").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), "no-store");
    let listed = answer.json();
    let listed = listed.as_array().unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!(
        (&listed[0]["current"], &listed[1]["current"]),
        (&false.into(), &true.into())
    );
    let time = |session: &serde_json::Value, name: &str| -> chrono::DateTime<chrono::Utc> {
        session[name].as_str().unwrap().parse().unwrap()
    };
    let apart = time(&listed[0], "created") - time(&listed[1], "created");
    assert!((59..=61).contains(&apart.num_seconds()), "{listed:?}");
    for session in listed {
        assert_eq!(time(session, "created"), time(session, "renewed"));
        let lasts = time(session, "expires") - time(session, "created");
        assert_eq!(lasts.num_seconds(), 3600);
    }
    // What it shows is in no table, and opens nothing.
    let keys: Vec<String> = app
        .rows()
        .await
        .iter()
        .map(|row| row.key.user_key.as_str().to_owned())
        .collect();
    for key in keys {
        assert!(!answer.body.contains(&key));
    }
    let listed = other.fetch(Method::GET, "/bff/sessions").await.json();
    assert_eq!(
        (&listed[0]["current"], &listed[1]["current"]),
        (&true.into(), &false.into())
    );
}

/// He can end one of them, or all others, or the one that he is using; and nobody else's.
async fn are_ended(db: TestDatabase) {
    let Some(app) = App::start(db, Setup::default()).await else {
        return;
    };
    let browsers = [app.browser(), app.browser(), app.browser(), app.browser()];
    for browser in &browsers {
        browser.sign_in("alice").await;
    }
    let bob = app.browser();
    bob.sign_in("bob").await;
    let [me, a, b, c] = &browsers;
    let id_of = async |browser: &crate::browser::Browser| {
        let listed = browser.fetch(Method::GET, "/bff/sessions").await.json();
        let current = listed
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["current"] == true);
        current.unwrap()["id"].as_str().unwrap().to_owned()
    };

    let path = format!("/bff/sessions/{}", id_of(a).await);
    let refused = bob.fetch(Method::DELETE, &path).await;
    assert_eq!(refused.status, 404);
    assert_eq!(
        refused.json()["detail"],
        "there is no such session of yours"
    );
    assert!(a.user().await.is_some());

    let answer = me.fetch(Method::DELETE, &path).await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    assert!(a.user().await.is_none() && b.user().await.is_some());
    assert_eq!(me.fetch(Method::DELETE, &path).await.status, 404);

    let answer = me.fetch(Method::DELETE, "/bff/sessions").await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, r#"{"ended":2}"#)
    );
    assert!(b.user().await.is_none() && c.user().await.is_none());
    assert!(me.user().await.is_some() && bob.user().await.is_some());
    let answer = me.fetch(Method::DELETE, "/bff/sessions").await;
    assert_eq!(answer.body, r#"{"ended":0}"#);

    let path = format!("/bff/sessions/{}", id_of(me).await);
    let answer = me.fetch(Method::DELETE, &path).await;
    assert_eq!(answer.status, 204);
    assert!(
        answer.header("set-cookie").starts_with("bff-session=;"),
        "{answer:?}"
    );
    assert!(me.user().await.is_none());
    assert_eq!(app.rows().await.len(), 1);
}

/// Without the header that only a page of the host's own can send, or without a user, nothing is
/// shown and nothing ends.
async fn are_the_users_own(db: TestDatabase) {
    let Some(app) = App::start(db, Setup::default()).await else {
        return;
    };
    let (browser, visitor) = (app.browser(), app.browser());
    browser.sign_in("alice").await;
    visitor
        .request(Method::POST, "/api/cart")
        .send()
        .await
        .unwrap();
    for (method, path) in [
        (Method::GET, "/bff/sessions"),
        (Method::DELETE, "/bff/sessions"),
        (Method::DELETE, "/bff/sessions/any"),
    ] {
        let answer = browser.request(method.clone(), path).send().await.unwrap();
        let answer = crate::app::Answer::of(answer).await;
        assert_eq!(answer.status, 401, "{method} {path}");
        assert_eq!(answer.json()["detail"], "the antiforgery header is missing");
        let answer = visitor.fetch(method.clone(), path).await;
        assert_eq!(answer.status, 401, "{method} {path}");
        assert_eq!(answer.json()["detail"], "nobody is signed in");
    }
    assert_eq!(app.rows().await.len(), 2);
}

on_databases!([sqlite, postgres]: are_listed, are_ended, are_the_users_own);
