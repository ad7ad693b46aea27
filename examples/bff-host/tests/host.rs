//! The host over HTTP, with a browser that follows redirects and runs no scripts. What a real
//! browser makes of it is in the `store-tests` package.

use std::sync::Arc;
use std::time::Duration;

use bff_host::{Host, Options};
use chrono::DateTime;
use clap::Parser as _;
use http::header::ORIGIN;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use store_core::{ManualClock, UserSessionsFilter};
use store_tickets::StoredTicket;
use tempfile::TempDir;

struct Scene {
    host: Host,
    clock: Arc<ManualClock>,
    directory: TempDir,
}

/// A browser of one user's.
struct Browser {
    http: reqwest::Client,
    url: String,
}

async fn scene() -> Scene {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let start = DateTime::from_timestamp(1_800_000_000, 0).expect("a time");
    let clock = Arc::new(ManualClock::new(start));
    let host = start_in(&directory, &clock).await;
    Scene {
        host,
        clock,
        directory,
    }
}

/// A host on the database of this directory, with a provider of its own.
async fn start_in(directory: &TempDir, clock: &Arc<ManualClock>) -> Host {
    let database = directory.path().join("bff-host.db");
    let database = format!("sqlite://{}?mode=rwc", database.display());
    let options = Options::try_parse_from([
        "bff-host",
        "--listen",
        "127.0.0.1:0",
        "--demonstration-listen",
        "127.0.0.1:0",
        "--database-url",
        &database,
    ])
    .expect("options");
    let host = Host::start(&options, clock.clone()).await;
    host.expect("the host starts")
}

impl Scene {
    fn browser(&self) -> Browser {
        let http = reqwest::Client::builder().cookie_store(true);
        Browser {
            http: http.build().expect("a client"),
            url: self.host.url().as_str().trim_end_matches('/').to_owned(),
        }
    }

    async fn signed_in(&self, name: &str) -> Browser {
        let browser = self.browser();
        let login = format!("{}/bff/login?returnUrl=/", browser.url);
        let page = browser.http.get(login).send().await.expect("a page");
        assert!(page.url().as_str().starts_with(self.host.issuer()));
        let form = browser.http.post(page.url().clone());
        let form = form.header(ORIGIN, self.host.issuer());
        let back = form.form(&[("name", name)]).send().await.expect("a page");
        assert_eq!(back.url().as_str(), format!("{}/", browser.url));
        browser
    }

    async fn sessions_of(&self, name: &str) -> Vec<StoredTicket<bff_host::Visit>> {
        let filter = UserSessionsFilter::for_subject(name.parse().expect("a subject"));
        let tickets = self.host.tickets();
        tickets
            .get_user_tickets(&filter)
            .await
            .expect("the store answers")
    }
}

impl Browser {
    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let request = self.http.request(method, format!("{}{path}", self.url));
        let mut request = request.header("X-CSRF", "1");
        if let Some(body) = body {
            let json = "application/json";
            request = request.header("Content-Type", json).body(body.to_string());
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        let text = answer.text().await.expect("a text");
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.send(Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.send(Method::POST, path, Some(body)).await
    }
}

const CALLS: [(Method, &str); 6] = [
    (Method::GET, "/session"),
    (Method::POST, "/session/count"),
    (Method::GET, "/api/greeting"),
    (Method::GET, "/admin/sessions"),
    (Method::POST, "/admin/sessions/end"),
    (Method::POST, "/admin/sessions/end-all"),
];

/// Whoever is called `admin` at one provider is nobody at another, on the same database.
#[tokio::test]
async fn sessions_are_of_one_provider() {
    let scene = scene().await;
    let other = start_in(&scene.directory, &scene.clock).await;
    assert_ne!(other.issuer(), scene.host.issuer());
    for (method, path) in CALLS.into_iter().chain([(Method::GET, "/bff/user")]) {
        let mut browser = scene.signed_in("admin").await;
        assert_eq!(browser.get("/admin/sessions").await.0, StatusCode::OK);
        // Cookies do not tell ports apart.
        browser.url = other.url().as_str().trim_end_matches('/').to_owned();
        let body = (method == Method::POST).then(|| json!({}));
        let (status, _) = browser.send(method, path, body).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
    }
    assert_eq!(scene.sessions_of("admin").await.len(), CALLS.len() + 1);
    other.shut_down().await;
}

#[tokio::test]
async fn every_answer_says_what_browsers_may_do_with_it() {
    let scene = scene().await;
    let browser = scene.browser();
    for path in [
        "/",
        "/admin",
        "/app.js",
        "/app.css",
        "/favicon.svg",
        "/session",
        "/nowhere",
    ] {
        let answer = browser.http.get(format!("{}{path}", browser.url));
        let answer = answer.send().await.unwrap();
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        let policy = header("content-security-policy");
        for directive in [
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(directive), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "same-origin");
        assert!(["no-store", "no-cache"].contains(&&*header("cache-control")));
    }
    let page = browser.http.get(format!("{}/", browser.url));
    let page = page.send().await.unwrap().text().await.unwrap();
    for inline in ["<script>", "<style", " style=", " onclick"] {
        assert!(!page.contains(inline), "{inline}");
    }
}

#[tokio::test]
async fn strangers_and_other_sites_get_nothing() {
    let scene = scene().await;
    let stranger = scene.browser();
    let admin = scene.signed_in("admin").await;
    for (method, path) in CALLS {
        let (status, _) = stranger.send(method.clone(), path, Some(json!({}))).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
        // Whoever is signed in, but with a request that any page could have sent.
        let plain = admin.http.request(method, format!("{}{path}", admin.url));
        let status = plain.send().await.unwrap().status();
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path} without X-CSRF");
    }
    assert_eq!(scene.sessions_of("admin").await.len(), 1);
}

#[tokio::test]
async fn only_an_administrator_sees_and_ends_other_peoples_sessions() {
    let scene = scene().await;
    let alice = scene.signed_in("alice").await;
    for (method, path) in &CALLS[3..] {
        let body = json!({ "id": "x", "subject": "admin" });
        let (status, problem) = alice.send(method.clone(), path, Some(body)).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(problem["status"], 403);
        assert!(problem["detail"].is_string());
    }

    let admin = scene.signed_in("admin").await;
    let (_, first) = admin.get("/admin/sessions?limit=1").await;
    assert_eq!(first["count"], 2);
    assert_eq!(first["sessions"].as_array().unwrap().len(), 1);
    let next = first["next"].as_str().expect("there is another page");
    let (_, second) = admin
        .get(&format!("/admin/sessions?limit=1&after={next}"))
        .await;
    let subjects = [&first, &second].map(|page| page["sessions"][0]["subject"].clone());
    // The newest first; at the same time by the manual clock, in the order of their keys.
    assert!(subjects.contains(&json!("alice")) && subjects.contains(&json!("admin")));
    for wrong in ["limit=0", "after=none", "limit=x"] {
        let (status, _) = admin.get(&format!("/admin/sessions?{wrong}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong}");
    }

    let (_, of_alice) = admin.get("/admin/sessions?subject=alice").await;
    assert_eq!(of_alice["count"], 1);
    let id = of_alice["sessions"][0]["id"].clone();
    let ended = admin.post("/admin/sessions/end", json!({ "id": id })).await;
    assert_eq!(ended, (StatusCode::OK, json!({ "ended": 1 })));
    assert_eq!(alice.get("/session").await.0, StatusCode::UNAUTHORIZED);
    let again = admin.post("/admin/sessions/end", json!({ "id": id })).await;
    assert_eq!(again, (StatusCode::OK, json!({ "ended": 0 })));

    scene.signed_in("bob").await;
    scene.signed_in("bob").await;
    let all = admin.post("/admin/sessions/end-all", json!({ "subject": "bob" }));
    assert_eq!(all.await, (StatusCode::OK, json!({ "ended": 2 })));
    assert_eq!(scene.sessions_of("bob").await.len(), 0);
}

#[tokio::test]
async fn a_session_is_shown_without_its_tokens() {
    let scene = scene().await;
    let alice = scene.signed_in("alice").await;
    assert_eq!(
        alice.post("/session/count", json!({})).await.1,
        json!({ "count": 1 })
    );
    let (status, shown) = alice.get("/session").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(shown["name"], "Alice");
    assert_eq!(shown["bag"], json!({ "count": 1 }));
    assert_eq!(shown["administrator"], false);
    assert_eq!(shown["tokens"]["refresh"], true);
    let tokens = &scene.sessions_of("alice").await[0].ticket.tokens;
    for token in [&tokens.access, &tokens.refresh, &tokens.id] {
        let token = token.as_ref().expect("the provider gives all three");
        assert!(!shown.to_string().contains(token.expose()));
    }
}

#[tokio::test]
async fn looking_does_not_keep_a_session_alive() {
    let scene = scene().await;
    let alice = scene.signed_in("alice").await;
    let began = scene.sessions_of("alice").await[0].expires();
    scene.clock.advance(Duration::from_secs(40 * 60));
    for path in ["/session", "/bff/sessions", "/bff/user"] {
        let (status, _) = alice.get(&format!("{path}?slide=false")).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert_eq!(
            scene.sessions_of("alice").await[0].expires(),
            began,
            "{path}"
        );
    }
    alice.get("/session").await;
    assert!(scene.sessions_of("alice").await[0].expires() > began);
}

#[tokio::test]
async fn an_api_gets_a_fresh_token_and_nothing_of_the_browsers() {
    let scene = scene().await;
    let alice = scene.signed_in("alice").await;
    let first = scene.sessions_of("alice").await[0]
        .ticket
        .tokens
        .access
        .clone();
    // The access token is over, and many ask at once.
    scene.clock.advance(Duration::from_secs(3 * 60));
    let calls = (0..8).map(|_| alice.get("/api/greeting"));
    for (status, body) in futures::future::join_all(calls).await {
        assert_eq!(status, StatusCode::OK, "{body}");
        assert_eq!(body["subject"], "alice");
        let received = body["received"].as_array().unwrap();
        assert!(received.contains(&json!("authorization")));
        for own in ["cookie", "x-csrf"] {
            assert!(!received.contains(&json!(own)), "{received:?}");
        }
    }
    let session = &scene.sessions_of("alice").await[0];
    assert_ne!(session.ticket.tokens.access, first);
    assert!(session.ticket.tokens.refresh.is_some());

    let (status, _) = alice.get("/api/nowhere").await;
    assert_eq!(status, StatusCode::NOT_FOUND, "the API's own answer");
    let (status, _) = alice.get("/api/..%2fgreeting").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_session_whose_tokens_cannot_be_renewed_is_still_a_session() {
    let scene = scene().await;
    let alice = scene.signed_in("alice").await;
    let session = &scene.sessions_of("alice").await[0];
    let tickets = scene.host.tickets();
    let without = |ticket: &mut store_tickets::AuthenticationTicket<_>| {
        ticket.tokens.refresh = None;
    };
    tickets.modify(session, without).await.unwrap().unwrap();
    scene.clock.advance(Duration::from_secs(3 * 60));
    let (status, problem) = alice.get("/api/greeting").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("sign in again")
    );
    assert_eq!(alice.get("/session").await.0, StatusCode::OK);
}

#[tokio::test]
async fn signing_out_revokes_the_refresh_token_and_ends_the_providers_session() {
    let scene = scene().await;
    let alice = scene.signed_in("alice").await;
    let (_, claims) = alice.get("/bff/user").await;
    let url = claims.as_array().unwrap().iter();
    let url = url
        .clone()
        .find(|one| one["type"] == "bff:logout_url")
        .unwrap();
    let url = format!("{}{}", alice.url, url["value"].as_str().unwrap());
    let back = alice.http.get(url).send().await.unwrap();
    assert_eq!(back.url().as_str(), format!("{}/", alice.url));
    assert_eq!(scene.sessions_of("alice").await.len(), 0);
    assert_eq!(alice.get("/session").await.0, StatusCode::UNAUTHORIZED);
    let login = alice.http.get(format!("{}/bff/login", alice.url));
    let page = login.send().await.unwrap().text().await.unwrap();
    assert!(page.contains("Who are you?"));
}

#[tokio::test]
async fn a_host_that_stops_has_answered_and_leaves_its_port() {
    let scene = scene().await;
    let alice = scene.signed_in("alice").await;
    let address = scene.host.url().socket_addrs(|| None).unwrap()[0];
    tokio::time::timeout(Duration::from_secs(9), scene.host.shut_down())
        .await
        .expect("idle connections hold nobody up");
    assert!(alice.http.get(&alice.url).send().await.is_err());
    tokio::net::TcpListener::bind(address).await.unwrap();
}
