//! What the layer does around a handler: when it loads, saves and renews, and what it answers when
//! it cannot.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod host;

use std::time::Duration;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::response::IntoResponse;
use axum::routing::get;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use store_axum::{
    OptionalSession, RequireSession, Session, SessionBag, SessionContext, SessionRejection,
};
use store_core::{UserSessionStore, UserSessionUpdate};
use store_tickets::{AuthenticationTicket, EndReason, SessionKind};

use crate::host::{Browser, COOKIE, Customer, Host};

async fn who(OptionalSession(session): OptionalSession<Customer>) -> String {
    match session {
        Some(session) => match session.subject_id() {
            Some(subject) => subject.to_string(),
            None => "a visitor".to_owned(),
        },
        None => "nobody".to_owned(),
    }
}

async fn buy(mut session: Session<Customer>) -> String {
    session.cart.push("apples".to_owned());
    session.cart.len().to_string()
}

async fn visit(bag: SessionBag) -> String {
    let visits = bag.update("visits", |visits: Option<u32>| visits.unwrap_or(0) + 1);
    visits.unwrap().to_string()
}

fn router(host: &Host) -> Router {
    Router::new()
        .route("/static", get(|| async { "a file" }))
        .route("/who", get(who))
        .route("/buy", get(buy))
        .route("/visit", get(visit))
        .route("/mine", get(|_: RequireSession<Customer>| async { "mine" }))
        .route(
            "/look",
            get(|session: Session<Customer>, bag: SessionBag| async move {
                let visits: Option<u32> = bag.get("visits").unwrap();
                format!("{} {}", session.cart.len(), visits.unwrap_or_default())
            }),
        )
        .layer(host.sessions())
}

#[tokio::test]
async fn a_request_that_does_not_ask_costs_nothing() {
    let host = Host::new();
    let (mut browser, ..) = host.alice().await;
    host.clock.advance(Duration::from_secs(59 * 60));
    let answer = browser.get(&router(&host), "/static").await;
    assert_eq!(answer.body, "a file");
    assert_eq!(host.store.counted(), (0, 0));
    assert!(answer.headers.get("vary").is_none());
    assert!(answer.headers.get("cache-control").is_none());
    assert!(answer.cookies().is_empty());

    // Not even where there is no store, or the cookie is a dead one.
    host.store.switch(false);
    let mut stranger = Browser::default();
    stranger.put(COOKIE, "dead");
    for browser in [&mut browser, &mut stranger] {
        let answer = browser.get(&router(&host), "/static").await;
        assert_eq!((answer.status, answer.cookies().len()), (StatusCode::OK, 0));
    }
}

#[tokio::test]
async fn a_visitor_who_only_looks_gets_no_session() {
    let host = Host::new();
    let mut browser = Browser::default();
    for path in ["/who", "/look"] {
        let answer = browser.get(&router(&host), path).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(answer.cookies().is_empty());
        assert_eq!(answer.header("vary"), Some("cookie"));
    }
    assert_eq!(host.store.counted(), (0, 0));
}

#[tokio::test]
async fn a_session_is_loaded_once_however_many_ask_at_once() {
    let host = Host::new();
    let (mut browser, ..) = host.alice().await;
    let ask = |context: SessionContext<Customer>,
               _: RequireSession<Customer>,
               _: OptionalSession<Customer>,
               _: Session<Customer>,
               _: SessionBag| async move {
        let (one, other, third) =
            tokio::join!(context.session(), context.session(), context.session_key());
        assert!(one.unwrap().is_some() && other.unwrap().is_some());
        third.unwrap().unwrap()
    };
    let at_once = |context: SessionContext<Customer>| async move {
        let asking = (0..8).map(|_| {
            let context = context.clone();
            tokio::spawn(async move { context.session().await.unwrap().is_some() })
        });
        for asked in asking.collect::<Vec<_>>() {
            assert!(asked.await.unwrap());
        }
    };
    let router = Router::new()
        .route("/", get(ask))
        .route("/at-once", get(at_once))
        .layer(host.sessions());
    let answer = browser.get(&router, "/").await;
    let key = browser.secret().user_key();
    assert_eq!(answer.body, format!("urn:iauthsession:{}", key.as_str()));
    assert_eq!(host.store.counted(), (1, 0));
    let answer = browser.get(&router, "/at-once").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(host.store.counted(), (1, 0));
}

#[tokio::test]
async fn a_visitors_session_begins_when_something_is_written() {
    let host = Host::new();
    let router = router(&host);
    let mut browser = Browser::default();
    let answer = browser.get(&router, "/buy").await;
    assert_eq!(answer.body, "1");
    let secret = browser.secret();
    assert_eq!(
        answer.cookies(),
        [format!(
            "{COOKIE}={}; HttpOnly; SameSite=Lax; Secure; Path=/",
            *secret.to_cookie()
        )]
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(host.store.counted(), (0, 1));

    // What changed is written with one statement, and no cookie is sent again.
    let answer = browser.get(&router, "/buy").await;
    assert_eq!((answer.body.as_str(), answer.cookies().len()), ("2", 0));
    assert_eq!(host.store.counted(), (1, 1));
    browser.get(&router, "/visit").await;
    assert_eq!(browser.get(&router, "/look").await.body, "2 1");
    assert_eq!(browser.get(&router, "/who").await.body, "a visitor");
    assert_eq!(browser.secret(), secret);
    browser
        .get(&router, "/mine")
        .await
        .refused(401, "nobody is signed in");
    let stored = host.find(&secret).await.unwrap();
    assert_eq!(stored.ticket.subject_id(), None);
    assert_eq!(stored.ticket.data.cart, ["apples", "apples"]);
}

#[tokio::test]
async fn what_was_only_read_is_not_written() {
    let host = Host::new();
    let (mut browser, ..) = host.alice().await;
    assert_eq!(browser.get(&router(&host), "/look").await.body, "0 0");
    assert_eq!(host.store.counted(), (1, 0));
}

#[tokio::test]
async fn a_session_is_renewed_once_when_it_is_due_and_was_asked_for() {
    let host = Host::new();
    let (mut browser, secret, before) = host.alice().await;
    let router = router(&host).merge(
        Router::new()
            .route(
                "/peek",
                get(|context: SessionContext<Customer>| async move {
                    let session = context.session().await.unwrap();
                    context.do_not_renew();
                    session.unwrap().version().to_string()
                }),
            )
            .layer(host.sessions()),
    );
    browser.get(&router, "/who").await;
    assert_eq!(host.store.counted(), (1, 0), "it is not due yet");

    host.clock.advance(Duration::from_secs(31 * 60));
    browser.get(&router, "/peek").await;
    assert_eq!(host.store.counted(), (1, 0), "nobody is to renew it");

    let answer = browser.get(&router, "/look").await;
    assert_eq!(host.store.counted(), (1, 1));
    assert!(
        answer.cookies().is_empty(),
        "the cookie lasts as long as the browser's session anyway"
    );
    browser.get(&router, "/who").await;
    assert_eq!(host.store.counted(), (1, 0), "it is not due any more");
    let after = host.find(&secret).await.unwrap();
    assert!(after.expires() > before.expires());
}

/// A renewal's cookie could overwrite that of a login in another tab.
#[tokio::test]
async fn a_renewal_sends_no_cookie() {
    let host = Host::new();
    let (mut browser, secret, before) = host.user("alice", SessionKind::Permanent).await;
    let router = router(&host);
    assert!(browser.get(&router, "/who").await.cookies().is_empty());
    host.clock.advance(Duration::from_secs(8 * 24 * 3600));
    let answer = browser.get(&router, "/who").await;
    assert_eq!(answer.body, "alice");
    assert!(answer.cookies().is_empty());
    let after = host.find(&secret).await.unwrap();
    assert!(after.expires() > before.expires(), "it was renewed");
}

#[tokio::test]
async fn a_renewal_that_fails_spoils_no_answer() {
    let host = Host::new();
    let (mut browser, ..) = host.alice().await;
    host.clock.advance(Duration::from_secs(31 * 60));
    host.store.switch_writes(false);
    let router = router(&host);
    assert_eq!(browser.get(&router, "/who").await.body, "alice");
    assert_eq!(host.store.counted(), (1, 1));
    host.store.switch_writes(true);
    browser.get(&router, "/who").await;
    assert_eq!(host.store.counted(), (1, 1), "the next request tries again");
}

#[tokio::test]
async fn without_a_store_nobody_gets_a_new_session_over_his_own() {
    const UNAVAILABLE: &str = "the session store is not available";
    let host = Host::new();
    let (mut browser, secret, _) = host.alice().await;
    let router = router(&host);
    host.store.switch(false);
    for path in ["/who", "/buy", "/visit", "/mine", "/look"] {
        let answer = browser.get(&router, path).await;
        answer.refused(503, UNAVAILABLE);
        assert!(answer.cookies().is_empty(), "{path}");
    }
    // A visitor's cannot begin either.
    let answer = Browser::default().get(&router, "/buy").await;
    answer.refused(503, UNAVAILABLE);
    assert!(answer.cookies().is_empty());

    host.store.switch(true);
    assert_eq!(browser.get(&router, "/who").await.body, "alice");
    assert_eq!(browser.secret(), secret);
}

#[tokio::test]
async fn what_could_not_be_saved_is_no_success() {
    let host = Host::new();
    let (mut browser, secret, _) = host.alice().await;
    host.store.switch_writes(false);
    let router = router(&host);
    for path in ["/buy", "/visit"] {
        let answer = browser.get(&router, path).await;
        answer.refused(503, "the session store is not available");
        assert!(answer.cookies().is_empty());
    }
    assert!(
        host.find(&secret)
            .await
            .unwrap()
            .ticket
            .data
            .cart
            .is_empty()
    );
}

#[tokio::test]
async fn clients_are_told_when_to_come_back() {
    let host = Host::new();
    host.store.switch(false);
    for (asked_for, told) in [(0, "1"), (1_500, "1"), (120_000, "120")] {
        let router = Router::new().route("/buy", get(buy)).layer(
            host.sessions()
                .retry_after(Duration::from_millis(asked_for)),
        );
        let answer = Browser::default().get(&router, "/buy").await;
        assert_eq!(answer.header("retry-after"), Some(told));
    }
}

#[tokio::test]
async fn a_dead_cookie_is_removed() {
    let host = Host::new();
    let (mut browser, secret, _) = host.alice().await;
    host.tickets
        .remove(&secret, EndReason::Revoked)
        .await
        .unwrap();
    let mut malformed = Browser::default();
    malformed.put(COOKIE, "nonsense");
    for browser in [&mut browser, &mut malformed] {
        let answer = browser.get(&router(&host), "/mine").await;
        answer.refused(401, "nobody is signed in");
        assert_eq!(
            answer.cookies(),
            [format!(
                "{COOKIE}=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0; \
                 Expires=Thu, 01 Jan 1970 00:00:00 GMT"
            )]
        );
        assert_eq!(browser.cookie(COOKIE), None);
    }
    assert!(host.find(&secret).await.is_none());
}

#[tokio::test]
async fn a_dead_cookie_gives_way_to_a_new_sessions() {
    let host = Host::new();
    let (mut browser, secret, _) = host.alice().await;
    host.clock.advance(Duration::from_secs(2 * 3600));
    let answer = browser.get(&router(&host), "/buy").await;
    assert_eq!((answer.body.as_str(), answer.cookies().len()), ("1", 1));
    assert_ne!(browser.secret(), secret);
    let stored = host.find(&browser.secret()).await.unwrap();
    assert_eq!(stored.ticket.subject_id(), None);
}

#[tokio::test]
async fn a_session_that_this_node_cannot_read_is_left_alone() {
    let host = Host::new();
    let (mut browser, secret, stored) = host.alice().await;
    // As another node writes it, which has a newer key.
    let other = Host::new();
    let key = stored.key();
    let (foreign, foreign_stored) = other
        .tickets
        .store(AuthenticationTicket::anonymous(Customer::default()))
        .await
        .unwrap();
    let row = other.store.get_user_session(foreign_stored.key()).await;
    let ticket = row.unwrap().unwrap().ticket;
    let row = host.store.get_user_session(key).await.unwrap().unwrap();
    let update = UserSessionUpdate {
        ticket,
        ..row.into()
    };
    assert!(host.store.update_user_session(key, update).await.unwrap());
    assert_ne!(foreign, secret);

    let router = router(&host);
    let answer = browser.get(&router, "/who").await;
    assert_eq!(
        (answer.body.as_str(), answer.cookies().len()),
        ("nobody", 0)
    );
    // Nor is he sent to sign in, which would end the session for good.
    for path in ["/mine", "/buy", "/visit", "/look"] {
        let answer = browser.get(&router, path).await;
        answer.refused(503, "this node cannot read the session");
        assert!(answer.cookies().is_empty());
    }
    assert_eq!(browser.secret(), secret);
    assert!(host.store.get_user_session(key).await.unwrap().is_some());
}

#[tokio::test]
async fn a_session_that_ends_meanwhile_does_not_come_back() {
    let host = Host::new();
    let ending = host.clone();
    let end = move |secret: store_tickets::CookieSecret| {
        let host = ending.clone();
        async move {
            let removed = host.tickets.remove(&secret, EndReason::LoggedOut).await;
            assert!(removed.unwrap());
        }
    };
    let secret_of = |headers: &HeaderMap| {
        let cookie = headers[header::COOKIE].to_str().unwrap().to_owned();
        let (_, secret) = cookie.split_once('=').unwrap();
        secret.parse::<store_tickets::CookieSecret>().unwrap()
    };
    let (one, other, third) = (end.clone(), end.clone(), end);
    let router = Router::new()
        .route(
            "/write",
            get(
                move |headers: HeaderMap, mut session: Session<Customer>| async move {
                    one(secret_of(&headers)).await;
                    session.cart.push("apples".to_owned());
                },
            ),
        )
        .route(
            "/save",
            get(
                move |headers: HeaderMap, mut session: Session<Customer>| async move {
                    other(secret_of(&headers)).await;
                    session.cart.push("apples".to_owned());
                    session.save().await
                },
            ),
        )
        .route(
            "/read",
            get(move |headers: HeaderMap, _: Session<Customer>| async move {
                third(secret_of(&headers)).await;
                "read"
            }),
        )
        .layer(host.sessions());
    for path in ["/write", "/save"] {
        let (mut browser, secret, _) = host.alice().await;
        let answer = browser.get(&router, path).await;
        answer.refused(401, "the session has ended meanwhile");
        assert!(answer.cookies().is_empty(), "who ended it told the browser");
        assert!(host.find(&secret).await.is_none());
    }
    // What needs no session any more passes, renewal due or not.
    let (mut browser, secret, _) = host.alice().await;
    host.clock.advance(Duration::from_secs(31 * 60));
    let answer = browser.get(&router, "/read").await;
    assert_eq!((answer.body.as_str(), answer.cookies().len()), ("read", 0));
    assert!(host.find(&secret).await.is_none());
}

#[tokio::test]
async fn nothing_is_saved_after_a_handler_that_failed() {
    let host = Host::new();
    let (mut browser, secret, _) = host.alice().await;
    let router = Router::new()
        .route(
            "/fail",
            get(
                |mut session: Session<Customer>, bag: SessionBag| async move {
                    session.cart.push("apples".to_owned());
                    bag.set("theme", "dark").unwrap();
                    StatusCode::INTERNAL_SERVER_ERROR
                },
            ),
        )
        .route(
            "/refuse",
            get(|mut session: Session<Customer>| async move {
                session.cart.push("pears".to_owned());
                StatusCode::UNPROCESSABLE_ENTITY
            }),
        )
        .layer(host.sessions());
    let answer = browser.get(&router, "/fail").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(host.store.counted(), (1, 0));
    let answer = browser.get(&router, "/refuse").await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let stored = host.find(&secret).await.unwrap();
    assert_eq!(stored.ticket.data.cart, ["pears"]);
    assert!(stored.ticket.bag.is_empty());
}

#[tokio::test]
async fn the_hosts_own_cookies_and_caching_stay() {
    let host = Host::new();
    let with = |cache_control: &'static str| {
        get(move |mut session: Session<Customer>| async move {
            session.cart.push("apples".to_owned());
            let mut headers = HeaderMap::new();
            headers.append(header::SET_COOKIE, HeaderValue::from_static("theme=dark"));
            headers.append(header::SET_COOKIE, HeaderValue::from_static("lang=en"));
            headers.insert(header::VARY, HeaderValue::from_static("accept"));
            if !cache_control.is_empty() {
                headers.insert(
                    header::CACHE_CONTROL,
                    HeaderValue::from_static(cache_control),
                );
            }
            (headers, "bought").into_response()
        })
    };
    for (said, expected) in [
        ("", "no-store"),
        ("public, max-age=3600", "no-store"),
        ("no-cache", "no-store"),
        ("Private, max-age=60", "Private, max-age=60"),
        ("max-age=0, no-store", "max-age=0, no-store"),
    ] {
        let router = Router::new().route("/", with(said)).layer(host.sessions());
        let answer = Browser::default().get(&router, "/").await;
        let cookies = answer.cookies();
        assert_eq!(cookies[..2], ["theme=dark", "lang=en"]);
        assert!(cookies[2].starts_with(COOKIE));
        assert_eq!(cookies.len(), 3);
        assert_eq!(answer.header("cache-control"), Some(expected), "{said}");
        let vary: Vec<_> = answer.headers.get_all("vary").iter().collect();
        assert_eq!(vary, ["accept", "cookie"]);
    }
}

#[tokio::test]
async fn two_sessions_in_one_request_are_refused_where_one_is_asked_for() {
    let host = Host::new();
    let (browser, secret, _) = host.alice().await;
    let (_, other, _) = host.alice().await;
    let router = router(&host);
    let mut tossed = browser.clone();
    tossed.put(
        COOKIE,
        &format!("{}; {COOKIE}={}", *secret.to_cookie(), *other.to_cookie()),
    );
    for path in ["/who", "/buy", "/visit", "/mine"] {
        let answer = tossed.clone().get(&router, path).await;
        answer.refused(400, "the request presents more than one session");
        assert!(answer.cookies().is_empty());
    }
    assert_eq!(tossed.get(&router, "/static").await.body, "a file");

    let mut fat = Browser::default();
    fat.put("a", &"x".repeat(64 << 10));
    let answer = fat.get(&router, "/who").await;
    answer.refused(431, "the request's cookies are too long");
}

#[tokio::test]
async fn a_missing_layer_is_told_of() {
    let router: Router = Router::new()
        .route("/who", get(who))
        .route("/visit", get(visit));
    let detail = "there is no `ServerSideSessions` layer for `layer::host::Customer` on this route";
    Browser::default()
        .get(&router, "/who")
        .await
        .refused(500, detail);
    let answer = Browser::default().get(&router, "/visit").await;
    answer.refused(
        500,
        "there is no `ServerSideSessions` layer for `any data` on this route",
    );
    // One for other data is none.
    let host = Host::new();
    let other = Router::new()
        .route("/", get(|_: Session<u32>| async {}))
        .layer(host.sessions());
    let answer = Browser::default().get(&other, "/").await;
    answer.refused(
        500,
        "there is no `ServerSideSessions` layer for `u32` on this route",
    );
}

#[tokio::test]
async fn any_service_and_any_body_will_do() {
    use http_body_util::{BodyExt, Full};
    use tower::{Layer, ServiceExt, service_fn};

    let host = Host::new();
    let (browser, ..) = host.alice().await;
    let service = host.sessions().layer(service_fn(
        |request: http::Request<axum::body::Body>| async move {
            let context = request.extensions().get::<SessionContext<Customer>>();
            let session = context.unwrap().session().await?.unwrap();
            let subject = session.ticket.subject_id().unwrap().to_string();
            let body = Full::new(axum::body::Bytes::from(subject));
            Ok::<_, SessionRejection>(http::Response::new(body))
        },
    ));
    let response = service.oneshot(browser.request("/")).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "alice");
}

/// A stream of events, for example.
#[tokio::test]
async fn a_body_that_never_ends_keeps_no_response_waiting() {
    use tower::ServiceExt;

    let host = Host::new();
    let endless = |bag: SessionBag| async move {
        bag.set("theme", "dark").unwrap();
        let events = futures::stream::pending::<Result<String, std::convert::Infallible>>();
        axum::body::Body::from_stream(events)
    };
    let router = Router::new()
        .route("/", get(endless))
        .layer(host.sessions());
    let response = router.oneshot(Browser::default().request("/"));
    let response = tokio::time::timeout(Duration::from_secs(10), response).await;
    let response = response.expect("headers").unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap();
    let value = cookie.split(['=', ';']).nth(1).unwrap();
    let theme = host.count::<String>(&value.parse().unwrap(), "theme").await;
    assert_eq!(theme.as_deref(), Some("dark"), "it is saved by now");
}

#[tokio::test]
async fn no_session_begins_after_the_response_has_left() {
    let host = Host::new();
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let sender = std::sync::Arc::new(std::sync::Mutex::new(Some(sender)));
    let router = Router::new()
        .route(
            "/",
            get(move |context: SessionContext<Customer>| async move {
                let sender = sender.lock().unwrap().take().unwrap();
                sender.send(context).unwrap();
            }),
        )
        .layer(host.sessions());
    Browser::default().get(&router, "/").await;
    let context = receiver.await.unwrap();
    let ticket = AuthenticationTicket::new("alice".parse().unwrap(), Customer::default());
    for rejection in [
        context.get_or_create().await.unwrap_err(),
        context.sign_in(ticket).await.unwrap_err(),
        context.rotate().await.unwrap_err(),
    ] {
        assert!(matches!(rejection, SessionRejection::ResponseSent));
        host::Answer::of(rejection.into_response()).await.refused(
            500,
            "the response has left, and a new session's cookie with it",
        );
    }
    assert_eq!(host.store.counted(), (0, 0));
}

#[tokio::test]
async fn what_fails_for_good_tells_strangers_nothing() {
    // A database without the table.
    let store = store_seaorm::SeaOrmUserSessionStore::connect("sqlite::memory:").await;
    let clock = std::sync::Arc::new(store_core::ManualClock::new(host::START.parse().unwrap()));
    let host = Host::over(std::sync::Arc::new(store.unwrap()), clock);
    let answer = Browser::default().get(&router(&host), "/buy").await;
    answer.refused(500, "the session could not be processed");
    assert!(answer.cookies().is_empty());

    // A value that is not what it was taken for.
    let host = Host::new();
    let confused = |bag: SessionBag| async move {
        bag.set("n", "text")?;
        let error = bag
            .update("n", |n: Option<u32>| n.unwrap_or(0))
            .unwrap_err();
        assert!(bag.get::<String>("n")?.is_some(), "it stays where it is");
        Err::<(), SessionRejection>(error.into())
    };
    let confused = Router::new()
        .route("/", get(confused))
        .layer(host.sessions());
    let answer = Browser::default().get(&confused, "/").await;
    answer.refused(500, "the session could not be processed");
    assert_eq!(host.store.counted(), (0, 0));
}

#[tokio::test]
async fn a_closure_may_look_at_the_bag_too() {
    let host = Host::new();
    let (mut browser, secret, _) = host.alice().await;
    let sum = |bag: SessionBag, context: SessionContext<Customer>| async move {
        bag.set("step", &5_u32).unwrap();
        let other = bag.clone();
        let stepped = move |sum: Option<u32>| {
            sum.unwrap_or(0) + other.get::<u32>("step").unwrap().unwrap_or(0)
        };
        bag.update("sum", stepped).unwrap();
        // In the middle of it, by another way.
        let theme = context
            .modify(|ticket| ticket.bag.set("theme", "dark"))
            .await;
        theme.unwrap().unwrap().unwrap();
        bag.get::<u32>("sum").unwrap().unwrap().to_string()
    };
    let router = Router::new().route("/", get(sum)).layer(host.sessions());
    assert_eq!(browser.get(&router, "/").await.body, "5");
    assert_eq!(browser.get(&router, "/").await.body, "10");
    assert_eq!(host.count::<u32>(&secret, "sum").await, Some(10));
    assert_eq!(
        host.count::<String>(&secret, "theme").await,
        Some("dark".into())
    );
}

#[tokio::test]
async fn two_extractors_of_one_request_do_not_overwrite_each_other() {
    let host = Host::new();
    let (mut browser, secret, _) = host.alice().await;
    let both = |mut one: Session<Customer>, mut other: Session<Customer>| async move {
        one.cart.push("apples".to_owned());
        other.cart.push("pears".to_owned());
    };
    let after = |mut one: Session<Customer>, context: SessionContext<Customer>| async move {
        one.cart.push("apples".to_owned());
        drop(one);
        let (mut parts, ()) = http::Request::new(()).into_parts();
        parts.extensions.insert(context);
        let mut other = Session::<Customer>::from_request_parts(&mut parts, &())
            .await
            .unwrap();
        assert_eq!(other.cart, ["apples"], "what is not saved yet is seen");
        other.cart.push("pears".to_owned());
    };
    let router = Router::new()
        .route("/both", get(both))
        .route("/after", get(after))
        .layer(host.sessions());
    let answer = browser.get(&router, "/both").await;
    answer.refused(409, "the session was changed by another request meanwhile");
    assert!(
        host.find(&secret)
            .await
            .unwrap()
            .ticket
            .data
            .cart
            .is_empty()
    );
    assert_eq!(browser.get(&router, "/after").await.status, StatusCode::OK);
    let stored = host.find(&secret).await.unwrap();
    assert_eq!(stored.ticket.data.cart, ["apples", "pears"]);
}

#[tokio::test]
async fn nothing_that_prints_shows_a_secret() {
    let host = Host::new();
    let (mut browser, secret, _) = host.alice().await;
    let show = |context: SessionContext<Customer>,
                mut session: Session<Customer>,
                bag: SessionBag,
                RequireSession(required): RequireSession<Customer>| async move {
        session.cart.push("a private thing".to_owned());
        bag.set("name", "a private value").unwrap();
        context.session().await.unwrap();
        format!("{context:?} {session:?} {bag:?} {required:?}")
    };
    let sessions = host.sessions();
    let shown = format!("{sessions:?}");
    let router = Router::new().route("/", get(show)).layer(sessions);
    let answer = browser.get(&router, "/").await;
    assert_eq!(answer.status, StatusCode::OK);
    for shown in [shown, answer.body] {
        assert!(!shown.contains(&*secret.to_cookie()), "{shown}");
        assert!(!shown.contains(secret.user_key().as_str()), "{shown}");
        assert!(!shown.contains("private"), "{shown}");
    }
    let answer = Browser::default().get(&self::router(&host), "/buy").await;
    let set_cookie = &answer.headers[header::SET_COOKIE];
    assert!(set_cookie.is_sensitive());
}

#[tokio::test]
async fn what_outlives_its_request_can_look_again() {
    let host = Host::new();
    let (browser, secret, _) = host.alice().await;
    let (parts, _) = browser.request("/").into_parts();
    let context = host.sessions().open(&parts).unwrap();
    let bag_of = |stored: Option<store_tickets::StoredTicket<Customer>>| {
        stored.map(|stored| stored.ticket.bag.get::<u32>("n").unwrap())
    };
    assert_eq!(bag_of(context.session().await.unwrap()), Some(None));
    let changed = host
        .tickets
        .modify(&secret, |ticket| ticket.bag.set("n", &1));
    changed.await.unwrap().unwrap().unwrap();
    assert_eq!(bag_of(context.session().await.unwrap()), Some(None));
    assert_eq!(bag_of(context.reload().await.unwrap()), Some(Some(1)));
    assert_eq!(bag_of(context.session().await.unwrap()), Some(Some(1)));

    host.store.switch(false);
    context.reload().await.unwrap_err();
    host.store.switch(true);
    assert_eq!(bag_of(context.reload().await.unwrap()), Some(Some(1)));

    let ended = host.tickets.remove(&secret, EndReason::BackChannel).await;
    assert!(ended.unwrap());
    assert_eq!(bag_of(context.reload().await.unwrap()), None);
    assert_eq!(bag_of(context.session().await.unwrap()), None);
    assert_eq!(context.modify(|_| ()).await.unwrap(), None);
    let headers = context.close().await.unwrap();
    assert!(headers.get("set-cookie").is_none());
}

#[tokio::test]
async fn a_layer_inside_of_itself_does_the_work_once() {
    let host = Host::new();
    let sessions = host.sessions();
    let inside = Router::new()
        .route("/visit", get(visit))
        .layer(sessions.clone());
    let router = Router::new().nest("/a", inside).layer(sessions);
    let mut browser = Browser::default();
    let answer = browser.get(&router, "/a/visit").await;
    assert_eq!((answer.body.as_str(), answer.cookies().len()), ("1", 1));
    assert_eq!(host.store.counted(), (0, 1));
    assert_eq!(browser.get(&router, "/a/visit").await.body, "2");
    assert_eq!(host.store.counted(), (1, 1));
}

#[tokio::test]
async fn a_request_that_learnt_of_the_end_begins_no_session_instead() {
    let host = Host::new();
    let (one, other) = (host.clone(), host.clone());
    let router = Router::new()
        .route(
            "/reload",
            get(
                move |context: SessionContext<Customer>, bag: SessionBag| async move {
                    let stored = context.session().await.unwrap().unwrap();
                    let ended = one.tickets.remove(&stored, EndReason::Revoked).await;
                    assert!(ended.unwrap());
                    assert!(context.reload().await.unwrap().is_none());
                    bag.set("theme", "dark").unwrap();
                },
            ),
        )
        .route(
            "/modify",
            get(
                move |context: SessionContext<Customer>, bag: SessionBag| async move {
                    let stored = context.session().await.unwrap().unwrap();
                    let ended = other.tickets.remove(&stored, EndReason::Revoked).await;
                    assert!(ended.unwrap());
                    assert_eq!(context.modify(|_| ()).await.unwrap(), None);
                    assert!(context.session().await.unwrap().is_none());
                    bag.set("theme", "dark").unwrap();
                },
            ),
        )
        .layer(host.sessions());
    for path in ["/reload", "/modify"] {
        let (mut browser, ..) = host.alice().await;
        let answer = browser.get(&router, path).await;
        answer.refused(401, "the session has ended meanwhile");
        assert!(answer.cookies().is_empty());
    }
}

#[tokio::test]
async fn what_was_read_before_a_change_by_another_way_is_still_what_was_read() {
    let host = Host::new();
    let (mut browser, secret, _) = host.alice().await;
    let another = host.clone();
    let router = Router::new()
        .route(
            "/",
            get(
                move |context: SessionContext<Customer>, bag: SessionBag| async move {
                    let n: Option<u32> = bag.get("n").unwrap();
                    // Another tab counts, and this request writes something else on top of that.
                    let stored = context.session().await.unwrap().unwrap();
                    let counted = another
                        .tickets
                        .modify(&stored, |ticket| ticket.bag.set("n", &7));
                    counted.await.unwrap().unwrap().unwrap();
                    let theme = context.modify(|ticket| ticket.bag.set("theme", "dark"));
                    theme.await.unwrap().unwrap().unwrap();
                    bag.set("n", &(n.unwrap_or(0) + 1)).unwrap();
                },
            ),
        )
        .layer(host.sessions());
    let answer = browser.get(&router, "/").await;
    answer.refused(409, "the session was changed by another request meanwhile");
    let (_, writes) = host.store.counted();
    assert_eq!(writes, 2, "the changes before, and no more");
    assert_eq!(host.count::<u32>(&secret, "n").await, Some(7));
}

#[tokio::test]
async fn a_dead_cookie_stays_until_a_navigation() {
    let host = Host::new();
    let (browser, secret, _) = host.alice().await;
    let ended = host.tickets.remove(&secret, EndReason::Replaced).await;
    assert!(ended.unwrap());
    let router = router(&host);
    for (mode, cookies) in [
        ("cors", 0),
        ("same-origin", 0),
        ("no-cors", 0),
        ("navigate", 1),
    ] {
        let mut browser = browser.clone().with_header("sec-fetch-mode", mode);
        let answer = browser.get(&router, "/mine").await;
        answer.refused(401, "nobody is signed in");
        assert_eq!(answer.cookies().len(), cookies, "{mode}");
    }
}

/// A tab signs in, and its script's request with the old cookie is still on its way.
#[tokio::test]
async fn no_visitors_session_begins_over_a_login_in_flight() {
    let host = Host::new();
    let (browser, secret, _) = host.alice().await;
    let ended = host.tickets.remove(&secret, EndReason::Replaced).await;
    assert!(ended.unwrap());
    let create = |context: SessionContext<Customer>| async move {
        context.get_or_create().await?;
        Ok::<_, SessionRejection>("created")
    };
    let modify = |bag: SessionBag| async move {
        let set = bag.modify(|bag| bag.set("theme", "dark")).await?;
        set?;
        Ok::<_, SessionRejection>("modified")
    };
    let router = router(&host).merge(
        Router::new()
            .route("/create", get(create))
            .route("/modify", get(modify))
            .layer(host.sessions()),
    );
    host.store.counted();
    for path in ["/buy", "/visit", "/create", "/modify"] {
        for mode in ["cors", "same-origin", "no-cors"] {
            let mut script = browser.clone().with_header("sec-fetch-mode", mode);
            let answer = script.get(&router, path).await;
            answer.refused(401, "the session has ended meanwhile");
            assert!(answer.cookies().is_empty(), "{path} {mode}");
        }
        assert_eq!(host.store.counted(), (3, 0), "nothing is written");
        let mut page = browser.clone().with_header("sec-fetch-mode", "navigate");
        let answer = page.get(&router, path).await;
        assert_eq!((answer.status, answer.cookies().len()), (StatusCode::OK, 1));
        assert_ne!(page.secret(), secret);
        host.store.counted();
    }
    // What only looks sees no session, and a script without any cookie begins one.
    let mut script = browser.clone().with_header("sec-fetch-mode", "cors");
    assert_eq!(script.get(&router, "/look").await.body, "0 0");
    assert_eq!(script.get(&router, "/who").await.body, "nobody");
    let mut script = Browser::default().with_header("sec-fetch-mode", "cors");
    let answer = script.get(&router, "/buy").await;
    assert_eq!((answer.body.as_str(), answer.cookies().len()), ("1", 1));
}

#[tokio::test]
async fn what_is_as_it_was_is_not_written() {
    let host = Host::new();
    let (mut browser, ..) = host.alice().await;
    let touch = |mut one: Session<Customer>, mut other: Session<Customer>| async move {
        one.cart.retain(|_| true);
        other.cart.push("apples".to_owned());
        other.cart.clear();
    };
    let router = Router::new()
        .route("/touch", get(touch))
        .layer(host.sessions());
    let answer = browser.get(&router, "/touch").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(host.store.counted(), (1, 0));
    // Nor does a visitor's session begin.
    let answer = Browser::default().get(&router, "/touch").await;
    assert_eq!((answer.status, answer.cookies().len()), (StatusCode::OK, 0));
    assert_eq!(host.store.counted(), (0, 0));
}

/// Waits for something until its second step, and not for its end.
async fn begin_only(work: impl Future) {
    {
        let mut work = std::pin::pin!(work);
        let mut polled = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(work.as_mut().poll(&mut polled).is_pending());
    }
    tokio::task::yield_now().await;
}

#[tokio::test]
async fn a_change_whose_saving_nobody_waited_for_is_saved_all_the_same() {
    let host = Host::new();
    let (mut browser, secret, _) = host.alice().await;
    let save = |bag: SessionBag| async move {
        bag.set("theme", "dark").unwrap();
        begin_only(bag.save()).await;
    };
    let create = |context: SessionContext<Customer>| async move {
        begin_only(context.get_or_create()).await;
    };
    let router = Router::new()
        .route("/save", get(save))
        .route("/create", get(create))
        .layer(host.sessions());
    browser.get(&router, "/save").await;
    assert_eq!(
        host.count::<String>(&secret, "theme").await,
        Some("dark".into())
    );
    let mut visitor = Browser::default();
    visitor.get(&router, "/create").await;
    assert!(host.find(&visitor.secret()).await.is_some());
}

#[tokio::test]
async fn a_users_session_is_changed_through_what_requires_it() {
    let host = Host::new();
    let (mut browser, secret, _) = host.alice().await;
    let router = Router::new()
        .route(
            "/look",
            get(|session: RequireSession<Customer>| async move { session.cart.len().to_string() }),
        )
        .route(
            "/buy",
            get(|mut session: RequireSession<Customer>| async move {
                session.cart.push("apples".to_owned());
            }),
        )
        .layer(host.sessions());
    assert_eq!(browser.get(&router, "/look").await.body, "0");
    assert_eq!(host.store.counted(), (1, 0), "looking changes nothing");
    browser.get(&router, "/buy").await;
    assert_eq!(host.store.counted(), (1, 1));
    let stored = host.find(&secret).await.unwrap();
    assert_eq!(stored.ticket.data.cart, ["apples"]);
}
