//! Several front ends behind one host, development cookies, and the antiforgery header.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod host;

use axum::Router;
use axum::middleware::from_extractor;
use axum::routing::get;
use http::{HeaderName, HeaderValue, StatusCode};
use store_axum::{
    Antiforgery, CookieOptions, FrontEnd, FrontEnds, RequireAntiforgery, RequireSession, Session,
    SessionContext,
};

use crate::host::{Browser, COOKIE, Customer, Host};

async fn buy(mut session: Session<Customer>, context: SessionContext<Customer>) -> String {
    session.cart.push("apples".to_owned());
    let partition_key = context.tickets().partition_key();
    format!("{partition_key} {}", session.cart.len())
}

async fn sign_out(context: SessionContext<Customer>) -> String {
    let revoked = context.sign_out().await.unwrap().unwrap();
    revoked.sessions.len().to_string()
}

fn by_host(host: &Host) -> Router {
    let front_ends = FrontEnds::new([
        FrontEnd::at_host("shop.example", "shop".parse().unwrap()).unwrap(),
        FrontEnd::at_host("admin.example", "admin".parse().unwrap()).unwrap(),
    ]);
    Router::new()
        .route("/buy", get(buy))
        .route("/sign-out", get(sign_out))
        .route("/static", get(|| async {}))
        .layer(host.sessions().front_ends(front_ends.unwrap()))
}

#[tokio::test]
async fn hosts_have_sessions_of_their_own() {
    let host = Host::new();
    let router = by_host(&host);
    let at = |name: &str| Browser::default().with_header("host", name);
    let mut shop = at("shop.example");
    assert_eq!(shop.get(&router, "/buy").await.body, "shop 1");
    assert_eq!(shop.get(&router, "/buy").await.body, "shop 2");
    // The same cookie at another front end opens nothing there, and is not taken over.
    let mut admin = at("admin.example");
    admin.put(COOKIE, shop.cookie(COOKIE).unwrap());
    assert_eq!(admin.get(&router, "/sign-out").await.body, "0");
    admin.put(COOKIE, shop.cookie(COOKIE).unwrap());
    assert_eq!(admin.get(&router, "/buy").await.body, "admin 1");
    assert_ne!(admin.secret(), shop.secret());
    for spelling in ["SHOP.example", "shop.example:8443", "shop.example."] {
        let mut same = at(spelling);
        same.put(COOKIE, shop.cookie(COOKIE).unwrap());
        assert!(same.get(&router, "/buy").await.body.starts_with("shop "));
    }
    assert_eq!(shop.get(&router, "/sign-out").await.body, "1");
}

#[tokio::test]
async fn an_unknown_host_is_no_front_end() {
    let host = Host::new();
    let router = by_host(&host);
    for name in [
        "",
        "example",
        "evil.example",
        "shop.example.evil.example",
        "127.0.0.1",
    ] {
        for path in ["/buy", "/static"] {
            let answer = Browser::default()
                .with_header("host", name)
                .with_header("x-forwarded-host", "shop.example")
                .get(&router, path)
                .await;
            answer.refused(421, "no front end has this host");
            assert!(answer.cookies().is_empty());
        }
    }
    assert_eq!(host.store.counted(), (0, 0));
}

fn by_path(host: &Host) -> Router {
    let front_ends = FrontEnds::new([
        FrontEnd::at_path("/shop", "shop".parse().unwrap()).unwrap(),
        FrontEnd::at_path("/admin", "admin".parse().unwrap()).unwrap(),
    ]);
    let sessions = host.sessions().front_ends(front_ends.unwrap());
    // Once around all of them, and once inside of one, where the router has taken the path away.
    let inside = Router::new()
        .route("/buy", get(buy))
        .layer(sessions.clone());
    let around = Router::new()
        .route("/admin/buy", get(buy))
        .route("/shopping/buy", get(buy))
        .route("/buy", get(buy))
        .layer(sessions);
    Router::new().nest("/shop", inside).merge(around)
}

/// axum takes a path as it came, so its dots lead to the handlers of `/admin`, whoever else would
/// resolve them.
#[tokio::test]
async fn dots_carry_no_request_into_another_partition() {
    let host = Host::new();
    let at = |name: &str| FrontEnd::at_host("example.com", name.parse().unwrap()).unwrap();
    let front_ends = FrontEnds::new([at("shop"), at("admin").below("/admin").unwrap()]);
    let router = Router::new()
        .route("/{*all}", get(buy))
        .route("/admin/users/{id}", get(buy))
        .route("/admin/files/{name}", get(buy))
        .route("/admin/api/{*rest}", get(buy))
        .layer(host.sessions().front_ends(front_ends.unwrap()));
    let browser = Browser::default().with_header("host", "example.com");
    for path in [
        "/admin/users/%2e%2e",
        "/admin/users/.%2E",
        "/admin/files/x%2F..%2Fy",
        "/admin/files/x%5C..%5cy",
        "/admin/files/x\\..",
        "/admin/api/./orders",
        "/admin/api/../../orders",
        "/shop/../admin/users/1",
        "/orders/.",
    ] {
        let answer = browser.clone().get(&router, path).await;
        answer.refused(404, "no front end has this path");
        assert!(answer.cookies().is_empty());
    }
    assert_eq!(host.store.counted(), (0, 0));
    for (path, expected) in [
        ("/admin/users/1", "admin 1"),
        ("/admin/api/a.b/..c", "admin 1"),
        ("/orders/...", "shop 1"),
    ] {
        assert_eq!(browser.clone().get(&router, path).await.body, expected);
    }
}

#[tokio::test]
async fn paths_have_sessions_of_their_own() {
    let host = Host::new();
    let router = by_path(&host);
    let mut browser = Browser::default();
    let answer = browser.get(&router, "/shop/buy").await;
    assert_eq!(answer.body, "shop 1");
    let value = browser.cookie("__Host-bff-session.shop").unwrap();
    assert_eq!(
        answer.cookies(),
        [format!(
            "__Host-bff-session.shop={value}; HttpOnly; SameSite=Lax; Secure; Path=/"
        )]
    );
    // Neither overwrites the other's.
    assert_eq!(browser.get(&router, "/admin/buy").await.body, "admin 1");
    assert_eq!(browser.get(&router, "/shop/buy").await.body, "shop 2");
    assert_eq!(browser.get(&router, "/admin/buy").await.body, "admin 2");
    assert!(browser.cookie("__Host-bff-session.admin").is_some());
    // One's cookie under the other's name opens nothing.
    let mut confused = Browser::default();
    let value = browser.cookie("__Host-bff-session.shop").unwrap();
    confused.put("__Host-bff-session.admin", value);
    assert_eq!(confused.get(&router, "/admin/buy").await.body, "admin 1");
}

#[tokio::test]
async fn an_unknown_path_is_no_front_end() {
    let host = Host::new();
    let router = by_path(&host);
    for path in ["/buy", "/shopping/buy"] {
        let answer = Browser::default().get(&router, path).await;
        answer.refused(404, "no front end has this path");
    }
    assert_eq!(host.store.counted(), (0, 0));
}

#[tokio::test]
async fn a_forwarded_host_counts_where_the_proxy_is_trusted() {
    let host = Host::new();
    let front_ends = FrontEnds::new([
        FrontEnd::at_host("shop.example", "shop".parse().unwrap()).unwrap(),
        FrontEnd::at_host("inside", "inside".parse().unwrap()).unwrap(),
    ]);
    let front_ends = front_ends.unwrap().trust_forwarded_host();
    let router = Router::new()
        .route("/buy", get(buy))
        .layer(host.sessions().front_ends(front_ends));
    let inside = || Browser::default().with_header("host", "inside:8080");
    assert_eq!(inside().get(&router, "/buy").await.body, "inside 1");
    let mut forwarded = inside().with_header("x-forwarded-host", "shop.example");
    assert_eq!(forwarded.get(&router, "/buy").await.body, "shop 1");
    let mut two = inside().with_header("x-forwarded-host", "shop.example, inside");
    let answer = two.get(&router, "/buy").await;
    answer.refused(421, "no front end has this host");
}

#[tokio::test]
async fn development_cookies_are_for_localhost() {
    let host = Host::new();
    let router = Router::new()
        .route("/buy", get(buy))
        .route("/static", get(|| async {}))
        .layer(
            host.sessions()
                .cookie(CookieOptions::insecure_for_localhost()),
        );
    for name in [
        "localhost:3000",
        "127.0.0.1:3000",
        "[::1]:3000",
        "a.localhost",
    ] {
        let mut browser = Browser::default().with_header("host", name);
        let answer = browser.get(&router, "/buy").await;
        let value = browser.cookie("bff-session").unwrap();
        assert_eq!(
            answer.cookies(),
            [format!(
                "bff-session={value}; HttpOnly; SameSite=Lax; Path=/"
            )]
        );
    }
    const REFUSED: &str =
        "insecure cookies are for development on localhost, and for no other host";
    for path in ["/buy", "/static"] {
        for name in ["bff.example", "localhost.example", ""] {
            let mut browser = Browser::default().with_header("host", name);
            browser.get(&router, path).await.refused(500, REFUSED);
        }
        // A proxy that says `localhost` for everybody.
        for (name, value) in [
            ("x-forwarded-for", "203.0.113.7"),
            ("x-forwarded-port", "443"),
            ("x-real-ip", "203.0.113.7"),
            ("origin", "https://bff.example"),
            ("referer", "https://bff.example/"),
        ] {
            let mut proxied = Browser::default()
                .with_header("host", "localhost:3000")
                .with_header(name, value);
            proxied.get(&router, path).await.refused(500, REFUSED);
        }
    }
}

#[tokio::test]
async fn the_antiforgery_header_is_asked_for() {
    let host = Host::new();
    let router = |antiforgery: Option<Antiforgery>| {
        let mut sessions = host.sessions();
        if let Some(antiforgery) = antiforgery {
            sessions = sessions.antiforgery(antiforgery);
        }
        Router::new()
            .route("/api", get(|_: RequireAntiforgery| async { "done" }))
            .layer(sessions)
    };
    let with = |headers: &[(&str, &str)]| {
        let browser = Browser::default();
        let add = |browser: Browser, (name, value): &(&str, &str)| browser.with_header(name, value);
        headers.iter().fold(browser, add)
    };
    let default = router(None);
    for headers in [
        &[][..],
        &[("x-csrf", "")],
        &[("x-csrf", "0")],
        &[("x-csrf", "1, 1")],
        &[("x-csrf", "1"), ("x-csrf", "1")],
        &[("csrf", "1")],
    ] {
        let answer = with(headers).get(&default, "/api").await;
        answer.refused(401, "the antiforgery header is missing");
    }
    let answer = with(&[("X-CSRF", "1")]).get(&default, "/api").await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::OK, "done")
    );

    let own = Antiforgery::new(
        HeaderName::from_static("x-own"),
        HeaderValue::from_static("yes"),
    );
    let own = router(Some(own));
    let answer = with(&[("X-CSRF", "1")]).get(&own, "/api").await;
    answer.refused(401, "the antiforgery header is missing");
    let answer = with(&[("X-Own", "yes")]).get(&own, "/api").await;
    assert_eq!(answer.body, "done");

    // It needs no layer.
    let bare: Router = Router::new().route("/api", get(|_: RequireAntiforgery| async { "done" }));
    let answer = with(&[]).get(&bare, "/api").await;
    answer.refused(401, "the antiforgery header is missing");
    assert_eq!(
        with(&[("x-csrf", "1")]).get(&bare, "/api").await.body,
        "done"
    );
}

#[tokio::test]
async fn many_routes_are_guarded_at_once() {
    let host = Host::new();
    let (mut alice, ..) = host.alice().await;
    let router = Router::new()
        .route("/api", get(|| async { "done" }))
        .route_layer(from_extractor::<RequireSession<Customer>>())
        .route_layer(from_extractor::<RequireAntiforgery>())
        .layer(host.sessions());
    let answer = alice.get(&router, "/api").await;
    answer.refused(401, "the antiforgery header is missing");
    assert_eq!(host.store.counted(), (0, 0), "who forges costs no read");
    let mut alice = alice.with_header("x-csrf", "1");
    assert_eq!(alice.get(&router, "/api").await.body, "done");
    let mut nobody = Browser::default().with_header("x-csrf", "1");
    nobody
        .get(&router, "/api")
        .await
        .refused(401, "nobody is signed in");
}
