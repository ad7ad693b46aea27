//! Logout tokens that are none, at the running endpoint: with the provider's own signature where
//! that is what it takes. What makes each of them none is looked at one by one in `store-axum`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use store_tests::{TestDatabase, on_databases};

use crate::app::{App, Setup};

fn with(claims: &Value, name: &str, value: impl Into<Option<Value>>) -> Value {
    let mut claims = claims.clone();
    let all = claims.as_object_mut().unwrap();
    match value.into() {
        Some(value) => all.insert(name.to_owned(), value),
        None => all.remove(name),
    };
    claims
}

/// All are refused with the same status and shape, and nobody's session ends.
async fn end_nothing(db: TestDatabase) {
    let Some(app) = App::start(db, Setup::default()).await else {
        return;
    };
    let browser = app.browser();
    browser.sign_in("alice").await;
    let id_token = app.tokens_of("app", "alice").await.id.unwrap();
    let good = app.logout_claims("1", json!({ "sub": "alice" }));
    let now = good["iat"].as_i64().unwrap();
    let typ = json!({ "typ": "logout+jwt" });
    let signed = async |claims: Value| app.sign(&typ, &claims).await;
    let headed = async |header: Value| app.sign(&header, &good).await;
    let token = signed(good.clone()).await;
    let parts: Vec<&str> = token.split('.').collect();
    let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let none = part(json!({ "typ": "logout+jwt", "alg": "none" }));
    let of_bob = part(with(&good, "sub", json!("bob")));

    let forgeries = [
        (
            "an ID token of this very session",
            id_token.expose().to_owned(),
            "typ is not",
        ),
        ("no signature", format!("{none}.{}.", parts[1]), "algorithm"),
        (
            "another's claims",
            format!("{}.{of_bob}.{}", parts[0], parts[2]),
            "signature",
        ),
        (
            "a cut token",
            token[..token.len() - 2].to_owned(),
            "signature",
        ),
        (
            "two parts",
            format!("{}.{}", parts[0], parts[1]),
            "no signed JSON Web Token",
        ),
        (
            "an unknown key",
            headed(json!({ "typ": "logout+jwt", "kid": "other" })).await,
            "no key",
        ),
        (
            "typ JWT",
            headed(json!({ "typ": "JWT" })).await,
            "typ is not",
        ),
        ("no typ", headed(json!({})).await, "typ is not"),
        (
            "an access token's typ",
            headed(json!({ "typ": "at+jwt" })).await,
            "typ is not",
        ),
        (
            "another issuer",
            signed(with(&good, "iss", json!("https://evil.example"))).await,
            "iss",
        ),
        (
            "another client",
            signed(with(&good, "aud", json!("bank"))).await,
            "aud",
        ),
        ("no audience", signed(with(&good, "aud", None)).await, "aud"),
        (
            "audiences",
            signed(with(&good, "aud", json!(["bank", "shop"]))).await,
            "aud",
        ),
        ("no exp", signed(with(&good, "exp", None)).await, "exp"),
        (
            "over",
            signed(with(&good, "exp", json!(now - 61))).await,
            "exp",
        ),
        ("no iat", signed(with(&good, "iat", None)).await, "iat"),
        (
            "the future",
            signed(with(&good, "iat", json!(now + 100))).await,
            "iat",
        ),
        (
            "too old",
            signed(with(&good, "iat", json!(now - 700))).await,
            "iat",
        ),
        (
            "no events",
            signed(with(&good, "events", None)).await,
            "events",
        ),
        (
            "other events",
            signed(with(&good, "events", json!({ "other": {} }))).await,
            "events",
        ),
        (
            "events as text",
            signed(with(&good, "events", json!("logout"))).await,
            "events",
        ),
        (
            "a nonce",
            signed(with(&good, "nonce", json!("n"))).await,
            "nonce",
        ),
        (
            "nobody",
            signed(with(&good, "sub", None)).await,
            "neither sub nor sid",
        ),
        (
            "an empty sub",
            signed(with(&good, "sub", json!(""))).await,
            "sub or sid",
        ),
        (
            "a sub that is none",
            signed(with(&good, "sub", json!(["alice"]))).await,
            "sub or sid",
        ),
        ("no jti", signed(with(&good, "jti", None)).await, "jti"),
        ("too long", "x".repeat(20_000), "longer"),
    ];
    for (what, forgery, reason) in &forgeries {
        let answer = app.post_logout_token("app", forgery).await;
        assert_eq!(answer.status, 400, "{what}: {answer:?}");
        let body = answer.json();
        assert_eq!(body["error"], "invalid_request", "{what}");
        let description = body["error_description"].as_str().unwrap();
        assert!(description.contains(reason), "{what}: {description}");
        assert_eq!(answer.header("cache-control"), "no-store", "{what}");
        assert_eq!(answer.header("content-type"), "application/json", "{what}");
    }
    assert!(browser.user().await.is_some());
    // None of them has used up the name of the real one.
    assert_eq!(app.post_logout_token("app", &token).await.status, 200);
    assert!(browser.user().await.is_none());
}

/// What is no logout request at all is refused before anybody looks at a token.
async fn come_in_the_right_form(db: TestDatabase) {
    let Some(app) = App::start(db, Setup::default()).await else {
        return;
    };
    let browser = app.browser();
    browser.sign_in("alice").await;
    let token = app.logout_token("1", json!({ "sub": "alice" })).await;
    let form = "application/x-www-form-urlencoded";
    let good = format!("logout_token={token}");
    let post = async |content_type: Option<&str>, body: String| {
        let mut request = browser.request(reqwest::Method::POST, "/bff/backchannel");
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        crate::app::Answer::of(request.body(body).send().await.unwrap()).await
    };
    for (content_type, body, status) in [
        (None, good.clone(), 415),
        (
            Some("application/json"),
            json!({ "logout_token": token }).to_string(),
            415,
        ),
        (Some("text/plain"), good.clone(), 415),
        (Some("multipart/form-data; boundary=x"), good.clone(), 415),
        (Some(form), String::new(), 400),
        (Some(form), format!("Logout_Token={token}"), 400),
        (Some(form), format!("{good}&{good}"), 400),
        (Some(form), format!("{good}&logout_token="), 400),
        (Some(form), format!("{good}&x={}", "x".repeat(70_000)), 413),
    ] {
        let answer = post(content_type, body).await;
        assert_eq!(answer.status, status, "{content_type:?}: {answer:?}");
        assert_eq!(answer.json()["error"], "invalid_request");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    for method in [
        reqwest::Method::GET,
        reqwest::Method::PUT,
        reqwest::Method::DELETE,
    ] {
        let path = format!("/bff/backchannel?{good}");
        let answer = browser.request(method, &path).send().await.unwrap();
        assert_eq!(answer.status(), 405);
    }
    assert!(browser.user().await.is_some());
    // Other parameters are for others, and so is a charset.
    let answer = post(
        Some("application/x-www-form-urlencoded;charset=UTF-8"),
        format!("a=b&{good}"),
    );
    assert_eq!(answer.await.status, 200);
    assert!(browser.user().await.is_none());
}

on_databases!([sqlite, postgres]: end_nothing, come_in_the_right_form);
