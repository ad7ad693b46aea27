//! Two front ends behind one host, and two browsers of one user.

use serde_json::json;
use store_tests::{TestDatabase, on_databases};

use crate::app::{App, Setup};
use crate::browser::User;

fn two() -> Setup {
    Setup {
        front_ends: &["shop", "bank"],
        ..Setup::default()
    }
}

/// Sessions of one front end are none at the other, and whoever signs out at one has signed out at
/// both, in that browser: the provider tells the other.
async fn have_sessions_of_their_own(db: TestDatabase) {
    let Some(app) = App::start(db, two()).await else {
        return;
    };
    let (shop, other_shop) = (app.browser(), app.browser());
    let (bank, other_bank) = (shop.at(&app.base("bank")), other_shop.at(&app.base("bank")));
    shop.sign_in("alice").await;
    assert!(bank.user().await.is_none());
    // The provider knows the user already.
    let page = bank.go("/bff/login?returnUrl=/account", None).await;
    assert_eq!(page.url.as_str(), format!("{}/account", app.base("bank")));
    other_shop.sign_in("alice").await;
    other_bank.sign_in("alice").await;

    let mut partitions: Vec<_> = app
        .rows()
        .await
        .into_iter()
        .map(|row| row.key.partition_key)
        .collect();
    partitions.sort();
    let partitions: Vec<&str> = partitions.iter().map(|key| key.as_str()).collect();
    assert_eq!(partitions, ["bank", "bank", "shop", "shop"]);
    assert_ne!(shop.cookies(), bank.cookies());

    let url = shop.user().await.unwrap().text("bff:logout_url").to_owned();
    let page = shop.go(&url, None).await;
    assert_eq!(page.url.as_str(), format!("{}/", app.base("shop")));
    assert!(shop.user().await.is_none());
    assert!(bank.user().await.is_none());
    assert!(other_shop.user().await.is_some());
    assert!(other_bank.user().await.is_some());
}

/// A logout token for one is none at the other, whichever sessions it would fit there.
async fn take_no_others_logout_tokens(db: TestDatabase) {
    let Some(app) = App::start(db, two()).await else {
        return;
    };
    let shop = app.browser();
    let bank = shop.at(&app.base("bank"));
    shop.sign_in("alice").await;
    bank.go("/bff/login", None).await;
    let token = app.logout_token("1", json!({ "sub": "alice" })).await;
    let answer = app.post_logout_token("bank", &token).await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.json()["error_description"],
        "aud is not this client alone"
    );
    assert!(shop.user().await.is_some() && bank.user().await.is_some());
    assert_eq!(app.post_logout_token("shop", &token).await.status, 200);
    assert!(shop.user().await.is_none() && bank.user().await.is_some());
}

/// A login that began at one does not end at the other, and neither does a session's cookie open
/// anything there.
async fn take_no_others_logins_and_cookies(db: TestDatabase) {
    let Some(app) = App::start(db, two()).await else {
        return;
    };
    let shop = app.browser();
    let bank = shop.at(&app.base("bank"));
    let login = shop.get("/bff/login").await;
    let carried = shop.cookies();
    bank.plant(&format!("{carried}; Path=/"));
    let state = reqwest::Url::parse(login.header("location")).unwrap();
    let state = state
        .query_pairs()
        .find(|(name, _)| name == "state")
        .unwrap()
        .1
        .into_owned();
    let issuer =
        url::form_urlencoded::byte_serialize(app.provider.issuer().as_bytes()).collect::<String>();
    let callback = format!("/bff/callback?code=c&state={state}&iss={issuer}");
    let answer = bank.get(&callback).await;
    assert_eq!(answer.status, 400);
    assert!(
        answer
            .body
            .contains("this login is unknown, over, or belongs to another browser")
    );
    // At its own front end it is known, and the code is what is wrong.
    let answer = shop.get(&callback).await;
    assert_eq!(answer.status, 400);
    assert!(
        answer
            .body
            .contains("the identity provider has refused the code"),
        "{answer:?}"
    );

    shop.sign_in("alice").await;
    bank.plant(&format!("{}; Path=/", shop.cookies()));
    assert!(bank.cookies().contains("bff-session="));
    assert!(bank.user().await.is_none());
    assert!(shop.user().await.is_some());
}

/// Hosts that are no front end get nothing.
async fn are_those_that_there_are(db: TestDatabase) {
    let Some(app) = App::start(db, two()).await else {
        return;
    };
    let stranger = app.browser().at(&app.base("stranger"));
    for path in ["/bff/login", "/bff/user", "/bff/callback", "/bff/logout"] {
        assert_eq!(stranger.get(path).await.status, 421, "{path}");
    }
    let token = app.logout_token("1", json!({ "sub": "alice" })).await;
    assert_eq!(app.post_logout_token("stranger", &token).await.status, 421);
}

/// Front ends may share a host, each below a path of its own: all that they say and do stays there.
async fn may_be_told_apart_by_path(db: TestDatabase) {
    let setup = Setup {
        front_ends: &["app/shop", "app/bank"],
        ..Setup::default()
    };
    let Some(app) = App::start(db, setup).await else {
        return;
    };
    let browser = app.browser();
    let user = async |front_end: &str| {
        let path = format!("/{front_end}/bff/user");
        browser.fetch(reqwest::Method::GET, &path).await
    };
    let page = browser.go("/shop/bff/login", Some("alice")).await;
    assert_eq!(page.url.path(), "/shop/", "{:?}", page.answer);
    assert_eq!(user("shop").await.status, 200);
    assert_eq!(user("bank").await.status, 401);
    let page = browser
        .go("/bank/bff/login?returnUrl=/bank/account", None)
        .await;
    assert_eq!(page.url.path(), "/bank/account");
    assert_eq!(user("bank").await.status, 200);
    assert_eq!(
        browser.get("/bff/login").await.status,
        404,
        "there is none at the root"
    );

    let shop = User(user("shop").await.json());
    let url = shop.text("bff:logout_url").to_owned();
    assert_eq!(url, format!("/shop/bff/logout?sid={}", shop.text("sid")));
    let token = app.logout_token("1", json!({ "sub": "alice" })).await;
    assert_eq!(app.post_logout_token("app/bank", &token).await.status, 400);
    let page = browser
        .go(&format!("{url}&returnUrl=/shop/bye"), None)
        .await;
    assert_eq!(page.url.path(), "/shop/bye");
    assert!(
        page.trail
            .iter()
            .any(|url| url.path() == "/shop/bff/logout/callback")
    );
    // The provider has told the other one.
    assert_eq!(user("shop").await.status, 401);
    assert_eq!(user("bank").await.status, 401);
    assert_eq!(app.rows().await, []);
}

on_databases!([sqlite, postgres]:
    have_sessions_of_their_own,
    take_no_others_logout_tokens,
    take_no_others_logins_and_cookies,
    are_those_that_there_are,
    may_be_told_apart_by_path
);
