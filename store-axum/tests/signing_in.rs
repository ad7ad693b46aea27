//! Signing in, signing out, and a new secret.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod host;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use http::StatusCode;
use store_axum::{
    RequireSession, ServerSideSessions, Session, SessionBag, SessionContext, SessionRejection,
};
use store_core::{
    BoxError, InMemoryUserSessionStore, StartPolicy, UserSessionKey, UserSessionStore, WhenFull,
};
use store_tickets::{
    AuthenticationTicket, EndReason, KeyRing, RefreshTokenRevoker, RevocationOptions,
    ServerSideTicketStore, SessionKind, SessionPolicy, SessionRevocation, TicketKey, Token,
};

use crate::host::{Browser, COOKIE, Customer, Host};

fn ticket(name: &str) -> AuthenticationTicket<Customer> {
    let mut ticket = AuthenticationTicket::new(name.parse().unwrap(), Customer::default());
    ticket.tokens.refresh = Some(Token::new(format!("refresh {name}")));
    ticket
}

async fn sign_in(
    Path(name): Path<String>,
    context: SessionContext<Customer>,
) -> Result<(), SessionRejection> {
    let visitor = context.session().await?;
    let mut ticket = ticket(&name);
    if let Some(visitor) = visitor {
        ticket = ticket.with_bag(visitor.ticket.bag);
    }
    context.sign_in(ticket).await.map(drop)
}

async fn sign_out(context: SessionContext<Customer>) -> Result<String, SessionRejection> {
    Ok(match context.sign_out().await? {
        Some(revoked) => format!("{} {}", revoked.sessions.len(), revoked.refresh_tokens),
        None => "nobody".to_owned(),
    })
}

fn router(sessions: ServerSideSessions<Customer>) -> Router {
    Router::new()
        .route("/sign-in/{name}", get(sign_in))
        .route("/sign-out", get(sign_out))
        .route(
            "/who",
            get(
                |RequireSession(session): RequireSession<Customer>| async move {
                    session.subject_id().unwrap().to_string()
                },
            ),
        )
        .route(
            "/theme",
            get(|bag: SessionBag| async move { bag.set("theme", "dark").unwrap() }),
        )
        .route(
            "/rotate",
            get(
                |context: SessionContext<Customer>, bag: SessionBag| async move {
                    bag.set("rotated", &true).unwrap();
                    context
                        .rotate()
                        .await
                        .map(|stored| stored.is_some().to_string())
                },
            ),
        )
        .layer(sessions)
}

#[tokio::test]
async fn whoever_planted_a_cookie_has_nothing_after_the_login() {
    let host = Host::new();
    let router = router(host.sessions());
    let mut attacker = Browser::default();
    attacker.get(&router, "/theme").await;
    let planted = attacker.secret();

    let mut browser = attacker.clone();
    let answer = browser.get(&router, "/sign-in/alice").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.cookies().len(), 1);
    assert_ne!(browser.secret(), planted);
    assert_eq!(browser.get(&router, "/who").await.body, "alice");
    assert_eq!(
        host.count::<String>(&browser.secret(), "theme").await,
        Some("dark".to_owned()),
        "the host took the visitor's bag over"
    );

    let answer = attacker.get(&router, "/who").await;
    answer.refused(401, "nobody is signed in");
    assert!(host.find(&planted).await.is_none());
    host.ends.told(&[EndReason::Replaced]).await;
}

#[tokio::test]
async fn a_secret_that_the_browser_made_up_names_no_session() {
    let host = Host::new();
    let router = router(host.sessions());
    let made_up = store_tickets::CookieSecret::generate().unwrap();
    for path in ["/theme", "/sign-in/alice"] {
        let mut browser = Browser::default();
        browser.put(COOKIE, &made_up.to_cookie());
        assert_eq!(browser.get(&router, path).await.status, StatusCode::OK);
        assert_ne!(browser.secret(), made_up, "{path}");
        assert!(host.find(&made_up).await.is_none());
    }
}

#[tokio::test]
async fn a_second_login_ends_the_first() {
    let host = Host::new();
    let router = router(host.sessions());
    let mut browser = Browser::default();
    browser.get(&router, "/sign-in/alice").await;
    let alice = browser.clone();
    browser.get(&router, "/sign-in/bob").await;
    assert_eq!(browser.get(&router, "/who").await.body, "bob");
    assert!(host.find(&alice.secret()).await.is_none());
    host.ends.told(&[EndReason::Replaced]).await;
}

#[tokio::test]
async fn a_login_without_a_store_leaves_the_old_session_and_its_cookie() {
    let host = Host::new();
    let router = router(host.sessions());
    let (mut browser, secret, _) = host.alice().await;
    host.store.switch_writes(false);
    let answer = browser.get(&router, "/sign-in/bob").await;
    answer.refused(503, "the session store is not available");
    assert!(answer.cookies().is_empty());
    let answer = browser.get(&router, "/sign-out").await;
    answer.refused(503, "the session store is not available");
    assert!(answer.cookies().is_empty());
    host.store.switch_writes(true);
    assert_eq!(browser.get(&router, "/who").await.body, "alice");
    assert_eq!(browser.secret(), secret);
}

#[tokio::test]
async fn a_logout_ends_the_session_and_removes_the_cookie() {
    let host = Host::new();
    let router = router(host.sessions());
    let mut browser = Browser::default();
    browser.get(&router, "/sign-in/alice").await;
    let stolen = browser.clone();
    let answer = browser.get(&router, "/sign-out").await;
    assert_eq!(answer.body, "1 0");
    assert_eq!(
        answer.cookies(),
        [format!(
            "{COOKIE}=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0; \
             Expires=Thu, 01 Jan 1970 00:00:00 GMT"
        )]
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(browser.cookie(COOKIE), None);
    stolen
        .clone()
        .get(&router, "/who")
        .await
        .refused(401, "nobody is signed in");
    assert_eq!(browser.get(&router, "/sign-out").await.body, "nobody");
    // Who sends the dead cookie signs out of nothing, and is rid of it.
    let answer = stolen.clone().get(&router, "/sign-out").await;
    assert_eq!((answer.body.as_str(), answer.cookies().len()), ("0 0", 1));
    host.ends.told(&[EndReason::LoggedOut]).await;
}

#[derive(Debug, Default)]
struct Provider(Arc<AtomicU32>);

#[async_trait]
impl RefreshTokenRevoker for Provider {
    async fn revoke_refresh_token(
        &self,
        token: &Token,
        _: &UserSessionKey,
    ) -> Result<(), BoxError> {
        assert_eq!(token.expose(), "refresh alice");
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

#[tokio::test]
async fn a_logout_revokes_the_refresh_token_where_that_is_asked_for() {
    let host = Host::new();
    let revoked = Arc::new(AtomicU32::new(0));
    let provider = Provider(revoked.clone());
    let revocation = SessionRevocation::new(
        host.tickets.clone(),
        Arc::new(provider),
        RevocationOptions::default(),
    );
    let router = router(host.sessions().revocation(revocation));
    let mut browser = Browser::default();
    browser.get(&router, "/sign-in/alice").await;
    assert_eq!(browser.get(&router, "/sign-out").await.body, "1 1");
    assert_eq!(revoked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_was_changed_before_a_login_or_a_logout_goes_with_the_session() {
    let host = Host::new();
    let router = Router::new()
        .route(
            "/sign-in",
            get(
                |mut session: Session<Customer>,
                 bag: SessionBag,
                 context: SessionContext<Customer>| async move {
                    session.cart.push("a stranger's".to_owned());
                    bag.set("before", &1).unwrap();
                    context.sign_in(ticket("alice")).await.unwrap();
                    bag.set("after", &2).unwrap();
                },
            ),
        )
        .route(
            "/sign-out",
            get(
                |mut session: Session<Customer>,
                 bag: SessionBag,
                 context: SessionContext<Customer>| async move {
                    session.cart.push("gone".to_owned());
                    bag.set("before", &1).unwrap();
                    context.sign_out().await.unwrap();
                },
            ),
        )
        .layer(host.sessions());
    let mut browser = Browser::default();
    let answer = browser.get(&router, "/sign-in").await;
    assert_eq!(answer.status, StatusCode::OK);
    let stored = host.find(&browser.secret()).await.unwrap();
    assert!(stored.ticket.data.cart.is_empty());
    assert_eq!(stored.ticket.bag.keys().collect::<Vec<_>>(), ["after"]);

    let secret = browser.secret();
    let answer = browser.get(&router, "/sign-out").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(browser.cookie(COOKIE), None);
    assert!(host.find(&secret).await.is_none());
}

#[tokio::test]
async fn a_new_secret_opens_the_same_session_and_the_old_one_none() {
    let host = Host::new();
    let router = router(host.sessions());
    let (mut browser, old, before) = host.alice().await;
    assert_eq!(browser.get(&router, "/rotate").await.body, "true");
    let stored = host.find(&browser.secret()).await.unwrap();
    assert_eq!(stored.created(), before.created());
    assert_eq!(stored.ticket.bag.get("rotated").unwrap(), Some(true));
    assert!(host.find(&old).await.is_none());
    // A visitor without a session has nothing to rotate, and gets one for the bag's sake.
    let answer = Browser::default().get(&router, "/rotate").await;
    assert_eq!((answer.body.as_str(), answer.cookies().len()), ("false", 1));
}

#[tokio::test]
async fn a_user_with_as_many_sessions_as_he_may_have_is_told() {
    let store = Arc::new(InMemoryUserSessionStore::new());
    let keys = KeyRing::new(TicketKey::generate().unwrap());
    let policy = SessionPolicy {
        start: StartPolicy {
            max_sessions_per_subject: NonZeroU32::new(1),
            when_full: WhenFull::Reject,
            ..StartPolicy::default()
        },
        ..SessionPolicy::default()
    };
    let tickets = ServerSideTicketStore::builder(store as Arc<dyn UserSessionStore>, keys)
        .policy(policy)
        .build();
    let router = router(ServerSideSessions::new(tickets));
    let (mut one, mut other) = (Browser::default(), Browser::default());
    one.get(&router, "/sign-in/alice").await;
    other
        .get(&router, "/sign-in/alice")
        .await
        .refused(409, "the user has as many sessions as is allowed");
    // The same browser again: its own session makes room.
    let answer = one.get(&router, "/sign-in/alice").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(one.get(&router, "/who").await.body, "alice");
}

#[tokio::test]
async fn a_login_that_is_remembered_has_a_cookie_that_lasts() {
    let host = Host::new();
    let router = Router::new()
        .route(
            "/",
            get(|context: SessionContext<Customer>| async move {
                let ticket = ticket("alice").with_kind(SessionKind::Permanent);
                context.sign_in(ticket).await.map(drop)
            }),
        )
        .layer(host.sessions());
    let answer = Browser::default().get(&router, "/").await;
    // As long as the session may last in all, 90 days.
    assert!(answer.cookies()[0].ends_with("; Path=/; Max-Age=7776000"));
}

/// The cookie belongs to a session that is there, so the browser gets it whatever the handler does.
#[tokio::test]
async fn the_cookie_of_a_login_is_sent_even_after_a_failure() {
    let host = Host::new();
    let router = Router::new()
        .route(
            "/",
            get(
                |context: SessionContext<Customer>, bag: SessionBag| async move {
                    context.sign_in(ticket("alice")).await.unwrap();
                    bag.set("n", &1).unwrap();
                    StatusCode::BAD_GATEWAY
                },
            ),
        )
        .layer(host.sessions());
    let mut browser = Browser::default();
    let answer = browser.get(&router, "/").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    let stored = host.find(&browser.secret()).await.unwrap();
    assert!(stored.ticket.bag.is_empty());
}

#[tokio::test]
async fn the_cookie_of_a_login_is_sent_even_if_something_else_is_not_saved() {
    let host = Host::new();
    let watch = host.clone();
    let router = Router::new()
        .route(
            "/",
            get(
                move |context: SessionContext<Customer>, bag: SessionBag| async move {
                    context.sign_in(ticket("alice")).await.unwrap();
                    bag.set("n", &1).unwrap();
                    watch.store.switch_writes(false);
                },
            ),
        )
        .layer(host.sessions());
    let mut browser = Browser::default();
    let answer = browser.get(&router, "/").await;
    answer.refused(503, "the session store is not available");
    assert_eq!(answer.cookies().len(), 1);
    assert!(host.find(&browser.secret()).await.is_some());
}

#[tokio::test]
async fn a_login_that_fails_half_way_leaves_nobody_signed_in() {
    let host = Host::new();
    let router = router(host.sessions());
    let (mut browser, secret, _) = host.alice().await;
    host.store.switch_starts(false);
    let answer = browser.get(&router, "/sign-in/bob").await;
    answer.refused(503, "the session store is not available");
    assert_eq!(browser.cookie(COOKIE), None, "the old session is over");
    assert!(host.find(&secret).await.is_none());
    host.ends.told(&[EndReason::Replaced]).await;
    host.store.switch_starts(true);
    browser.get(&router, "/sign-in/bob").await;
    assert_eq!(browser.get(&router, "/who").await.body, "bob");
}

/// The host loses its patience, but not the user his session.
#[tokio::test]
async fn a_new_secret_that_nobody_waited_for_is_sent_all_the_same() {
    let host = Host::new();
    let impatient = |context: SessionContext<Customer>| async move {
        {
            let mut rotating = std::pin::pin!(context.rotate());
            let mut polled = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(rotating.as_mut().poll(&mut polled).is_pending());
        }
        tokio::task::yield_now().await;
    };
    let router = Router::new()
        .route("/", get(impatient))
        .route("/who", get(|_: RequireSession<Customer>| async { "alice" }))
        .layer(host.sessions());
    let (mut browser, old, _) = host.alice().await;
    browser.get(&router, "/").await;
    assert_ne!(browser.secret(), old);
    assert_eq!(browser.get(&router, "/who").await.body, "alice");
}
