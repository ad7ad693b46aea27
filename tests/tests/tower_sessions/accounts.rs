//! An application on axum-login.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use axum_login::{AuthManagerLayerBuilder, AuthSession, AuthUser, AuthnBackend, login_required};
use store_axum::axum_login_identity;
use store_core::UserSessionStore as _;
use tower_sessions::SessionManagerLayer;

use crate::app::Browser;
use crate::place::{Bridge, Place, on_every_store};

/// A user whose password is not to be guessed: whoever names himself is let in.
#[derive(Clone, Debug)]
struct User {
    id: i64,
    hash: Vec<u8>,
}

impl AuthUser for User {
    type Id = i64;

    fn id(&self) -> i64 {
        self.id
    }

    fn session_auth_hash(&self) -> &[u8] {
        &self.hash
    }
}

/// What sessions are checked against. It changes as with a new password.
#[derive(Clone, Debug)]
struct Users {
    hash: Arc<Mutex<Vec<u8>>>,
}

impl Users {
    fn new() -> Self {
        Self {
            hash: Arc::new(Mutex::new(b"old".to_vec())),
        }
    }

    fn user(&self, id: i64) -> User {
        let hash = self.hash.lock().expect("nobody has panicked").clone();
        User { id, hash }
    }
}

impl AuthnBackend for Users {
    type User = User;
    type Credentials = i64;
    type Error = std::convert::Infallible;

    async fn authenticate(&self, id: i64) -> Result<Option<User>, Self::Error> {
        Ok(Some(self.user(id)))
    }

    async fn get_user(&self, id: &i64) -> Result<Option<User>, Self::Error> {
        Ok(Some(self.user(*id)))
    }
}

type Auth = AuthSession<Users>;

async fn login(mut auth: Auth, Path(id): Path<i64>) {
    let user = auth
        .authenticate(id)
        .await
        .expect("it is checked")
        .expect("it is right");
    auth.login(&user).await.expect("it is stored");
}

async fn logout(mut auth: Auth) {
    auth.logout().await.expect("it is removed");
}

async fn visit(auth: Auth) {
    auth.session
        .insert("basket", "bread")
        .await
        .expect("it is inserted");
}

async fn basket(auth: Auth) -> String {
    auth.session
        .get("basket")
        .await
        .expect("it is read")
        .unwrap_or_default()
}

async fn me(auth: Auth) -> String {
    auth.user.expect("the route is guarded").id.to_string()
}

fn app(bridge: Bridge, users: Users) -> Router {
    let auth = AuthManagerLayerBuilder::new(users, SessionManagerLayer::new(bridge)).build();
    Router::new()
        .route("/me", get(me))
        .route_layer(login_required!(Users))
        .route("/login/{id}", get(login))
        .route("/logout", get(logout))
        .route("/visit", get(visit))
        .route("/basket", get(basket))
        .layer(auth)
}

fn bridge(place: &Place) -> Bridge {
    place
        .bridge()
        .identify(axum_login_identity("axum-login.data"))
}

async fn who(browser: &mut Browser) -> Option<String> {
    let answer = browser.get("/me").await;
    match answer.status {
        StatusCode::OK => Some(answer.text),
        StatusCode::UNAUTHORIZED => None,
        other => panic!("a guarded page answers {other}"),
    }
}

async fn a_logout_everywhere_throws_a_user_out_of_both_browsers(place: Place) {
    let app = app(bridge(&place), Users::new());
    let (mut laptop, mut phone, mut other) =
        (Browser::new(&app), Browser::new(&app), Browser::new(&app));
    assert_eq!(who(&mut laptop).await, None);
    laptop.get("/login/1").await;
    phone.get("/login/1").await;
    other.get("/login/2").await;
    assert_eq!(who(&mut laptop).await.as_deref(), Some("1"));
    assert_eq!(who(&mut phone).await.as_deref(), Some("1"));
    assert_eq!(place.sessions_of("1").await, 2);

    assert_eq!(place.log_out_everywhere("1").await, 2);
    assert_eq!(who(&mut laptop).await, None);
    assert_eq!(who(&mut phone).await, None);
    assert_eq!(who(&mut other).await.as_deref(), Some("2"));

    laptop.get("/login/1").await;
    assert_eq!(who(&mut laptop).await.as_deref(), Some("1"));
    assert_eq!(who(&mut phone).await, None);
}

async fn a_login_changes_the_cookie_and_keeps_the_basket(place: Place) {
    let bridge = bridge(&place);
    let mut browser = Browser::new(&app(bridge.clone(), Users::new()));
    browser.get("/visit").await;
    let (planted, mut thief) = (browser.id(), browser.clone());
    browser.get("/login/1").await;
    assert_ne!(browser.id(), planted);
    assert_eq!(place.row(&bridge, &planted).await, None);
    assert_eq!(browser.text("/basket").await, "bread");
    assert_eq!(who(&mut thief).await, None);
}

async fn a_logout_removes_the_row_and_the_cookie(place: Place) {
    let bridge = bridge(&place);
    let mut browser = Browser::new(&app(bridge.clone(), Users::new()));
    browser.get("/login/1").await;
    let (id, mut thief) = (browser.id(), browser.clone());
    browser.get("/logout").await;
    assert_eq!(browser.cookie(), None);
    assert_eq!(place.row(&bridge, &id).await, None);
    assert_eq!(who(&mut thief).await, None);
    assert_eq!(place.sessions_of("1").await, 0);
}

async fn a_new_password_ends_the_sessions_that_came_before(place: Place) {
    let users = Users::new();
    let mut browser = Browser::new(&app(bridge(&place), users.clone()));
    browser.get("/login/1").await;
    let id = browser.id();
    *users.hash.lock().expect("nobody has panicked") = b"new".to_vec();
    assert_eq!(who(&mut browser).await, None);
    assert_eq!(place.row(&bridge(&place), &id).await, None);
    browser.get("/login/1").await;
    assert_ne!(browser.id(), id);
    assert_eq!(who(&mut browser).await.as_deref(), Some("1"));
}

async fn signing_in_as_another_user_moves_the_session_to_that_one(place: Place) {
    let mut browser = Browser::new(&app(bridge(&place), Users::new()));
    browser.get("/login/1").await;
    browser.get("/login/2").await;
    assert_eq!(who(&mut browser).await.as_deref(), Some("2"));
    assert_eq!(place.log_out_everywhere("1").await, 0);
    assert_eq!(place.log_out_everywhere("2").await, 1);
    assert_eq!(who(&mut browser).await, None);
}

async fn what_other_front_ends_know_of_the_user_stays(place: Place) {
    let shop = bridge(&place);
    let office = shop.in_partition("office".parse().expect("a partition key"));
    let mut at_shop = Browser::new(&app(shop.clone(), Users::new()));
    let mut at_office = Browser::new(&app(office.clone(), Users::new()));
    at_shop.get("/login/1").await;
    at_office.get("/login/1").await;
    assert_eq!(place.log_out_everywhere("1").await, 1);
    assert_eq!(who(&mut at_shop).await, None);
    assert_eq!(who(&mut at_office).await.as_deref(), Some("1"));
    // The one's cookie is nobody at the other.
    let cookie = at_office.cookie().expect("signed in").to_owned();
    let mut stray = Browser::new(&app(shop, Users::new())).with_cookie("id", &cookie);
    assert_eq!(who(&mut stray).await, None);
    let key = office.key(&at_office.id());
    assert!(
        place
            .store
            .get_user_session(&key)
            .await
            .expect("it answers")
            .is_some()
    );
}

on_every_store!(
    a_logout_everywhere_throws_a_user_out_of_both_browsers,
    a_login_changes_the_cookie_and_keeps_the_basket,
    a_logout_removes_the_row_and_the_cookie,
    a_new_password_ends_the_sessions_that_came_before,
    signing_in_as_another_user_moves_the_session_to_that_one,
    what_other_front_ends_know_of_the_user_stays,
);
