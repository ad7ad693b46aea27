//! An application on tower-sessions, and browsers that use it.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Path;
use axum::http::{Request, StatusCode, header};
use axum::routing::get;
use cookie::Cookie;
use time::{Duration, OffsetDateTime};
use tower::ServiceExt as _;
use tower_sessions::session::Id;
use tower_sessions::{Expiry, Session, SessionManagerLayer, SessionStore};

/// What an application does with sessions, a route for each.
pub(crate) fn routes() -> Router {
    Router::new()
        .route("/", get(|_: Session| async { "hello" }))
        .route("/set/{name}/{value}", get(set))
        .route("/try-to-set/{name}/{value}", get(try_to_set))
        .route("/get/{name}", get(show))
        .route("/remove/{name}", get(remove))
        .route(
            "/clear",
            get(async |session: Session| session.clear().await),
        )
        .route("/flush", get(flush))
        .route("/flush-and-set", get(flush_and_set))
        .route("/clear-and-set", get(clear_and_set))
        .route("/cycle", get(cycle))
        .route("/login/{user}", get(login))
        .route("/expire/tomorrow", get(expire_tomorrow))
        .route("/expire/with-the-browser", get(expire_with_the_browser))
}

async fn set(session: Session, Path((name, value)): Path<(String, String)>) {
    session.insert(&name, value).await.expect("it is inserted");
}

/// Takes errors for none.
async fn try_to_set(session: Session, Path((name, value)): Path<(String, String)>) -> String {
    let _ = session.insert(&name, value).await;
    let user: Option<String> = session.get("user").await.unwrap_or_default();
    user.unwrap_or_else(|| "nothing".to_owned())
}

async fn show(session: Session, Path(name): Path<String>) -> String {
    let value = session.get::<String>(&name).await.expect("it is read");
    value.unwrap_or_else(|| "nothing".to_owned())
}

async fn remove(session: Session, Path(name): Path<String>) {
    session.remove_value(&name).await.expect("it is removed");
}

async fn flush(session: Session) {
    session.flush().await.expect("it is flushed");
}

async fn flush_and_set(session: Session) {
    session.flush().await.expect("it is flushed");
    session
        .insert("notice", "bye")
        .await
        .expect("it is inserted");
}

async fn clear_and_set(session: Session) {
    session.clear().await;
    session
        .insert("notice", "hello")
        .await
        .expect("it is inserted");
}

async fn cycle(session: Session) {
    session.cycle_id().await.expect("it is cycled");
}

/// As it should be done.
async fn login(session: Session, Path(user): Path<String>) {
    session.cycle_id().await.expect("it is cycled");
    session.insert("user", user).await.expect("it is inserted");
}

async fn expire_tomorrow(session: Session) {
    let tomorrow = OffsetDateTime::now_utc() + Duration::days(1);
    session.set_expiry(Some(Expiry::AtDateTime(tomorrow)));
}

async fn expire_with_the_browser(session: Session) {
    session.set_expiry(Some(Expiry::OnSessionEnd));
}

/// The application with sessions that expire after an hour without change.
pub(crate) fn app(store: impl SessionStore + Clone) -> Router {
    let expiry = Expiry::OnInactivity(Duration::hours(1));
    routes().layer(SessionManagerLayer::new(store).with_expiry(expiry))
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
    /// As the server set them, in order.
    pub(crate) cookies: Vec<Cookie<'static>>,
}

impl Answer {
    /// The one cookie that was set.
    pub(crate) fn cookie(&self) -> &Cookie<'static> {
        match &*self.cookies {
            [cookie] => cookie,
            other => panic!("one cookie is set, not {other:?}"),
        }
    }
}

/// A browser: it keeps cookies, and that is all.
#[derive(Clone)]
pub(crate) struct Browser {
    app: Router,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(crate) fn new(app: &Router) -> Self {
        Self {
            app: app.clone(),
            cookies: BTreeMap::new(),
        }
    }

    pub(crate) fn with_cookie(mut self, name: &str, value: &str) -> Self {
        self.cookies.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The value of its session cookie.
    pub(crate) fn cookie(&self) -> Option<&str> {
        self.cookies.get("id").map(String::as_str)
    }

    /// The id in its session cookie.
    pub(crate) fn id(&self) -> Id {
        let cookie = self.cookie().expect("the browser has a session");
        cookie.parse().expect("the cookie holds an id")
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        let mut request = Request::builder().uri(path);
        for (name, value) in &self.cookies {
            request = request.header(header::COOKIE, format!("{name}={value}"));
        }
        let request = request.body(Body::empty()).expect("a request");
        let response = self.app.clone().oneshot(request).await;
        let response = response.unwrap_or_else(|never| match never {});
        let status = response.status();
        let cookies: Vec<_> = response
            .headers()
            .get_all(header::SET_COOKIE)
            .iter()
            .map(|value| value.to_str().expect("text").to_owned())
            .map(|value| Cookie::parse(value).expect("a cookie"))
            .collect();
        for cookie in &cookies {
            if cookie.max_age() == Some(Duration::ZERO) {
                self.cookies.remove(cookie.name());
            } else {
                let (name, value) = cookie.name_value();
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let body = to_bytes(response.into_body(), 1 << 20).await;
        let text = String::from_utf8(body.expect("a body").into()).expect("text");
        Answer {
            status,
            text,
            cookies,
        }
    }

    /// What a page shows that is to be had.
    pub(crate) async fn text(&mut self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        answer.text
    }
}
