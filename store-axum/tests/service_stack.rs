//! ServiceStack's model: two ids and a choice, in cookies or in headers, and sessions outside of
//! handlers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod host;

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use http::{Request, StatusCode};
use store_axum::{
    CookieOptions, Session, SessionBag, SessionContext, SessionHeaders, SessionRejection,
    session_bag_key, typed_session_key,
};
use store_tickets::{AuthenticationTicket, CookieSecret, EndReason, SessionKind};

use crate::host::{Answer, Browser, Customer, Host};

const ID: &str = "__Host-ss-id";
const PERMANENT_ID: &str = "__Host-ss-pid";
const CHOICE: &str = "__Host-ss-opt";

fn router(host: &Host, headers: bool) -> Router {
    let cookie = CookieOptions::default().with_temporary_and_permanent_ids();
    let mut sessions = host.sessions().cookie(cookie);
    if headers {
        sessions = sessions.headers(SessionHeaders::default());
    }
    let sign_in = |context: SessionContext<Customer>| async move {
        let ticket = AuthenticationTicket::new("alice".parse().unwrap(), Customer::default());
        let ticket = ticket.with_kind(context.choice());
        context.sign_in(ticket).await.map(drop)
    };
    Router::new()
        .route("/static", get(|| async {}))
        .route(
            "/buy",
            get(|mut session: Session<Customer>| async move {
                session.cart.push("apples".to_owned());
                session.cart.len().to_string()
            }),
        )
        .route(
            "/remember",
            get(|context: SessionContext<Customer>| async move {
                context.choose(SessionKind::Permanent);
            }),
        )
        .route("/sign-in", get(sign_in))
        .route(
            "/sign-out",
            get(|context: SessionContext<Customer>| async move {
                context
                    .sign_out()
                    .await
                    .map(|revoked| revoked.is_some().to_string())
            }),
        )
        .route(
            "/link",
            get(|context: SessionContext<Customer>| async move {
                context
                    .permanent_id()
                    .map(|id| id.as_str().to_owned())
                    .unwrap_or_default()
            }),
        )
        .layer(sessions)
}

fn secret(text: &str) -> CookieSecret {
    text.parse().unwrap()
}

fn names(answer: &Answer) -> BTreeSet<&str> {
    let name = |cookie: &&str| cookie.split_once('=').unwrap().0.len();
    answer
        .cookies()
        .into_iter()
        .map(|cookie| &cookie[..name(&cookie)])
        .collect()
}

#[tokio::test]
async fn both_ids_are_made_and_the_temporary_one_leads_to_the_session() {
    let host = Host::new();
    let router = router(&host, false);
    let mut browser = Browser::default();
    assert!(browser.get(&router, "/static").await.cookies().is_empty());
    let answer = browser.get(&router, "/buy").await;
    let [id, permanent_id] =
        [ID, PERMANENT_ID].map(|name| browser.cookie(name).unwrap().to_owned());
    let common = "HttpOnly; SameSite=Lax; Secure; Path=/";
    assert_eq!(
        answer.cookies(),
        [
            format!("{ID}={id}; {common}"),
            // As long as a permanent session may last in all: 90 days.
            format!("{PERMANENT_ID}={permanent_id}; {common}; Max-Age=7776000"),
            format!("{CHOICE}=temp; {common}; Max-Age=34560000"),
        ]
    );
    assert_ne!(id, permanent_id);
    assert!(host.find(&secret(&id)).await.is_some());
    assert!(host.find(&secret(&permanent_id)).await.is_none());

    // It links the browser's requests, and shows nothing that opens anything.
    let link = browser.get(&router, "/link").await.body;
    assert_eq!(link, secret(&permanent_id).user_key().as_str());
    assert!(!answer.cookies().iter().any(|cookie| cookie.contains(&link)));
    assert_eq!(browser.get(&router, "/buy").await.body, "2");
}

#[tokio::test]
async fn the_choice_decides_which_id_leads_to_the_session() {
    let host = Host::new();
    let router = router(&host, false);
    let mut browser = Browser::default();
    browser.get(&router, "/buy").await;
    let temporary = secret(browser.cookie(ID).unwrap());
    let link = browser.cookie(PERMANENT_ID).unwrap().to_owned();

    let answer = browser.get(&router, "/remember").await;
    assert_eq!(names(&answer), BTreeSet::from([CHOICE]));
    assert_eq!(browser.cookie(CHOICE), Some("perm"));

    // What the permanent id was until now names no session, and never will.
    let answer = browser.get(&router, "/buy").await;
    assert_eq!(answer.body, "1");
    assert_eq!(names(&answer), BTreeSet::from([PERMANENT_ID, CHOICE]));
    let permanent = browser.cookie(PERMANENT_ID).unwrap();
    assert_ne!(permanent, link);
    let stored = host.find(&secret(permanent)).await.unwrap();
    assert_eq!(stored.ticket.kind(), SessionKind::Permanent);
    assert!(answer.cookies()[0].ends_with("Path=/; Max-Age=7776000"));

    // Back again, and the temporary session is still there.
    browser.put(CHOICE, "temp");
    assert_eq!(browser.get(&router, "/buy").await.body, "2");
    assert!(host.find(&temporary).await.is_some());
}

#[tokio::test]
async fn the_temporary_session_ends_with_the_browsers_and_the_permanent_one_does_not() {
    let host = Host::new();
    let router = router(&host, false);
    for (choice, expected) in [("temp", "1"), ("perm", "2")] {
        let mut browser = Browser::default();
        browser.put(CHOICE, choice);
        browser.get(&router, "/buy").await;
        let mut restarted = Browser::default();
        for name in [PERMANENT_ID, CHOICE] {
            restarted.put(name, browser.cookie(name).unwrap());
        }
        host.clock.advance(Duration::from_secs(2 * 24 * 3600));
        assert_eq!(
            restarted.get(&router, "/buy").await.body,
            expected,
            "{choice}"
        );
    }
}

#[tokio::test]
async fn a_login_and_a_logout_end_whatever_either_id_led_to() {
    for path in ["/sign-in", "/sign-out"] {
        let host = Host::new();
        let router = router(&host, false);
        let mut browser = Browser::default();
        browser.get(&router, "/buy").await;
        browser.put(CHOICE, "perm");
        browser.get(&router, "/buy").await;
        let before = [ID, PERMANENT_ID].map(|name| secret(browser.cookie(name).unwrap()));
        for secret in &before {
            assert!(host.find(secret).await.is_some());
        }
        let answer = browser.get(&router, path).await;
        assert_eq!(answer.status, StatusCode::OK);
        for secret in &before {
            assert!(host.find(secret).await.is_none(), "{path}");
        }
        let reason = if path == "/sign-in" {
            assert_ne!(secret(browser.cookie(PERMANENT_ID).unwrap()), before[1]);
            let permanent = secret(browser.cookie(PERMANENT_ID).unwrap());
            let stored = host.find(&permanent).await.unwrap();
            assert_eq!(stored.ticket.kind(), SessionKind::Permanent);
            EndReason::Replaced
        } else {
            assert_eq!(browser.cookie(ID), None);
            assert_eq!(browser.cookie(PERMANENT_ID), None);
            assert_eq!(
                browser.cookie(CHOICE),
                Some("perm"),
                "the choice is the user's"
            );
            EndReason::LoggedOut
        };
        host.ends.told(&[reason, reason]).await;
    }
}

#[tokio::test]
async fn ids_are_random_and_those_that_a_browser_makes_up_are_not_taken() {
    let host = Host::new();
    let router = router(&host, false);
    let mut ids = BTreeSet::new();
    for _ in 0..20 {
        let mut browser = Browser::default();
        let made_up = CookieSecret::generate().unwrap().to_cookie();
        browser.put(ID, &made_up);
        browser.get(&router, "/buy").await;
        for name in [ID, PERMANENT_ID] {
            let id = browser.cookie(name).unwrap().to_owned();
            assert_ne!(id, *made_up);
            assert_eq!(id.len(), 43);
            assert!(ids.insert(id));
        }
    }
}

#[tokio::test]
async fn headers_do_nothing_unless_they_are_asked_for() {
    let host = Host::new();
    let router = router(&host, false);
    let mut browser = Browser::default();
    browser.get(&router, "/buy").await;
    let mut client = Browser::default()
        .with_header("x-ss-id", browser.cookie(ID).unwrap())
        .with_header("x-ss-opt", "perm");
    let answer = client.get(&router, "/buy").await;
    assert_eq!(answer.body, "1", "a session of its own");
    assert!(answer.headers.get("x-ss-id").is_none());
    assert_eq!(client.cookie(CHOICE), Some("temp"));
}

#[tokio::test]
async fn a_client_without_cookies_speaks_headers() {
    let host = Host::new();
    let router = router(&host, true);
    for (spelt, choice, own, other, kind) in [
        (
            "X-ss-opt",
            "temp",
            "x-ss-id",
            "x-ss-pid",
            SessionKind::Temporary,
        ),
        (
            "X-ss-opts",
            "temp",
            "x-ss-id",
            "x-ss-pid",
            SessionKind::Temporary,
        ),
        (
            "X-ss-opt",
            "perm",
            "x-ss-pid",
            "x-ss-id",
            SessionKind::Permanent,
        ),
        (
            "X-ss-opts",
            "perm",
            "x-ss-pid",
            "x-ss-id",
            SessionKind::Permanent,
        ),
    ] {
        let mut client = Browser::default().with_header(spelt, choice);
        let answer = client.get(&router, "/buy").await;
        assert!(answer.cookies().is_empty());
        assert_eq!(answer.header("x-ss-opt"), Some(choice));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(answer.header(other).is_some());
        let vary: Vec<_> = answer.headers.get_all("vary").iter().collect();
        assert_eq!(
            vary,
            ["cookie", "x-ss-id", "x-ss-pid", "x-ss-opt", "x-ss-opts"]
        );
        let id = answer.header(own).unwrap();
        let stored = host.find(&secret(id)).await.unwrap();
        assert_eq!(stored.ticket.kind(), kind);

        let mut client = client.with_header(own, id);
        let answer = client.get(&router, "/buy").await;
        assert_eq!(answer.body, "2");
        for name in ["x-ss-id", "x-ss-pid", "x-ss-opt", "set-cookie"] {
            assert!(answer.headers.get(name).is_none(), "nothing new is told");
        }
    }
}

#[tokio::test]
async fn no_header_ever_shows_what_is_in_a_cookie() {
    let host = Host::new();
    let router = router(&host, true);
    let mut browser = Browser::default();
    for path in ["/buy", "/buy", "/sign-in", "/sign-out"] {
        let answer = browser.get(&router, path).await;
        assert_eq!(answer.status, StatusCode::OK);
        for name in ["x-ss-id", "x-ss-pid", "x-ss-opt"] {
            assert!(answer.headers.get(name).is_none(), "{path}");
        }
    }
    // A script that says headers besides gets nothing for it: not at a renewal, nor at a login.
    browser.get(&router, "/sign-in").await;
    let mut script = browser.clone().with_header("x-ss-opt", "perm");
    for (path, cookies) in [("/sign-in", 2), ("/buy", 0)] {
        let answer = script.get(&router, path).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.cookies().len(), cookies);
        assert!(answer.headers.get("x-ss-pid").is_none());
    }
}

#[tokio::test]
async fn a_cookie_and_a_header_that_disagree_are_refused() {
    let host = Host::new();
    let router = router(&host, true);
    let mut browser = Browser::default();
    browser.get(&router, "/buy").await;
    let own = browser.cookie(ID).unwrap().to_owned();
    let other = CookieSecret::generate().unwrap().to_cookie();
    for header in ["x-ss-id", "x-ss-pid"] {
        let mut both = browser.clone().with_header(header, &other);
        let answer = both.get(&router, "/buy").await;
        answer.refused(400, "the request presents more than one session");
    }
    let mut both = browser.clone().with_header("x-ss-id", &own);
    let answer = both.get(&router, "/buy").await;
    assert_eq!(answer.body, "2");
    let mut two = Browser::default()
        .with_header("x-ss-id", &own)
        .with_header("x-ss-id", &other);
    let answer = two.get(&router, "/buy").await;
    answer.refused(400, "the request presents more than one session");
}

#[tokio::test]
async fn one_cookie_and_headers_go_together() {
    let host = Host::new();
    let router = Router::new()
        .route(
            "/",
            get(|bag: SessionBag| async move {
                bag.update("n", |n: Option<u32>| n.unwrap_or(0) + 1)
                    .unwrap()
                    .to_string()
            }),
        )
        .layer(host.sessions().headers(SessionHeaders::default()));
    let answer = Browser::default().get(&router, "/").await;
    assert_eq!(answer.cookies().len(), 1);
    let answer = Browser::default()
        .with_header("x-ss-opt", "temp")
        .get(&router, "/")
        .await;
    let id = answer.header("x-ss-id").unwrap();
    let mut client = Browser::default().with_header("x-ss-id", id);
    assert_eq!(client.get(&router, "/").await.body, "2");
    // A dead id is no reason for a cookie.
    let mut client = Browser::default().with_header("x-ss-id", "dead");
    let answer = client.get(&router, "/").await;
    assert_eq!((answer.body.as_str(), answer.cookies().len()), ("1", 0));
    assert!(answer.header("x-ss-id").is_some());
}

#[tokio::test]
async fn a_session_is_got_or_created_outside_of_a_handler() {
    let host = Host::new();
    let sessions = host.sessions();
    let (parts, ()) = Request::builder().uri("/").body(()).unwrap().into_parts();
    let (stored, headers) = sessions.get_or_create(&parts).await.unwrap();
    assert_eq!(stored.ticket.subject_id(), None);
    let cookie = headers["set-cookie"].to_str().unwrap();
    assert_eq!(headers["cache-control"], "no-store");
    let (pair, _) = cookie.split_once(';').unwrap();

    let request = Request::builder().uri("/").header("cookie", pair);
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let (again, headers) = sessions.get_or_create(&parts).await.unwrap();
    assert_eq!(again.key(), stored.key());
    assert!(headers.get("set-cookie").is_none());

    // By hand: what was changed is saved when it is closed.
    let context = sessions.open(&parts).unwrap();
    let changed = context.modify(|ticket| ticket.data.cart.push("apples".to_owned()));
    assert_eq!(changed.await.unwrap(), Some(()));
    context.close().await.unwrap();
    let (_, value) = pair.split_once('=').unwrap();
    let found = host.find(&secret(value)).await.unwrap();
    assert_eq!(found.ticket.data.cart, ["apples"]);

    // Without a store, none is made up.
    host.store.switch(false);
    let rejection = sessions.get_or_create(&parts).await.unwrap_err();
    assert!(matches!(rejection, SessionRejection::Unavailable { .. }));
}

#[tokio::test]
async fn a_typed_session_is_saved_when_that_is_said() {
    let host = Host::new();
    let watch = host.clone();
    let router = Router::new()
        .route(
            "/",
            get(move |mut session: Session<Customer>| async move {
                session.save().await?;
                assert_eq!(watch.store.counted(), (0, 1), "it began");
                session.cart.push("apples".to_owned());
                session.save().await?;
                assert_eq!(watch.store.counted(), (0, 1));
                session.save().await?;
                assert_eq!(watch.store.counted(), (0, 0), "nothing had changed");
                let pears = |customer: &mut Customer| customer.cart.push("pears".to_owned());
                session.modify(pears).await?;
                assert_eq!(session.cart.len(), 2);
                session.cart.push("plums".to_owned());
                Ok::<_, SessionRejection>(())
            }),
        )
        .layer(host.sessions());
    let mut browser = Browser::default();
    assert_eq!(browser.get(&router, "/").await.status, StatusCode::OK);
    let stored = host.find(&browser.secret()).await.unwrap();
    assert_eq!(stored.ticket.data.cart, ["apples", "pears", "plums"]);
}

#[tokio::test]
async fn keys_have_the_seeds_formats_and_open_nothing() {
    let host = Host::new();
    let (browser, secret, stored) = host.alice().await;
    let id = stored.key().user_key.as_str();
    assert_eq!(typed_session_key(&secret), format!("urn:iauthsession:{id}"));
    assert_eq!(typed_session_key(&stored), typed_session_key(&secret));
    assert_eq!(session_bag_key(&secret, "a:b"), format!("sess:{id}:a:b"));
    assert!(!typed_session_key(&secret).contains(&*secret.to_cookie()));
    // A key that was found in a log is no cookie.
    let mut thief = Browser::default();
    thief.put(host::COOKIE, id);
    let router = Router::new()
        .route("/", get(|_: store_axum::RequireSession<Customer>| async {}))
        .layer(host.sessions());
    thief
        .get(&router, "/")
        .await
        .refused(401, "nobody is signed in");
    assert_eq!(
        browser.clone().get(&router, "/").await.status,
        StatusCode::OK
    );
}
