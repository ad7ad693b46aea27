//! The provider on a real socket, with a client that is a real one too.

use std::sync::Mutex;
use std::time::Duration;

use axum::Form;
use axum::extract::State as Extract;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::DateTime;
use http::StatusCode;
use http::header::{LOCATION, ORIGIN, SET_COOKIE};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use store_core::ManualClock;

use super::*;

const VERIFIER: &str = "a-code-verifier-that-is-long-enough-for-anybody";
const SECRET: &str = "the client's secret: 100% & more";

/// What came in over the back channel: the claims of each logout token.
type Told = Arc<Mutex<Vec<Value>>>;

/// A provider, its client's back channel, and a browser that follows no redirect.
struct Scene {
    provider: DemonstrationProvider,
    clock: Arc<ManualClock>,
    client_url: String,
    told: Told,
    browser: reqwest::Client,
}

async fn back_channel(Extract(told): Extract<Told>, Form(form): Form<Vec<(String, String)>>) {
    let (_, token) = &form[0];
    let claims = token.split('.').nth(1).expect("a JWT has claims");
    let claims = URL_SAFE_NO_PAD.decode(claims).expect("base64url");
    let claims = serde_json::from_slice(&claims).expect("JSON");
    told.lock().expect("nobody panicked").push(claims);
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a port")
}

fn serve(listener: TcpListener, router: Router) {
    tokio::spawn(async move { axum::serve(listener, router).await });
}

async fn scene() -> Scene {
    let told = Told::default();
    let of_client = listener().await;
    let client_url = format!("http://{}", of_client.local_addr().expect("bound"));
    let router = Router::new().route("/backchannel", post(back_channel));
    serve(of_client, router.with_state(Arc::clone(&told)));

    let at_client = |path: &str| format!("{client_url}{path}").parse().expect("a URL");
    let client = Client {
        id: "client".to_owned(),
        secret: SECRET.to_owned(),
        redirect_uri: at_client("/callback"),
        post_logout_redirect_uri: at_client("/"),
        back_channel_logout_uri: at_client("/backchannel"),
    };
    let start = DateTime::from_timestamp(1_800_000_000, 0).expect("a time");
    let clock = Arc::new(ManualClock::new(start));
    let of_provider = listener().await;
    let provider = DemonstrationProvider::new(&of_provider, client, clock.clone()).unwrap();
    serve(of_provider, provider.router().unwrap());

    let browser = reqwest::Client::builder()
        .cookie_store(true)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    Scene {
        provider,
        clock,
        client_url,
        told,
        browser,
    }
}

impl Scene {
    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.provider.issuer())
    }

    /// The authorization endpoint, with these parameters put in place of the usual ones; without
    /// those that are empty.
    fn authorize(&self, changed: &[(&str, &str)]) -> Url {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
        let redirect_uri = format!("{}/callback", self.client_url);
        let usual = [
            ("client_id", "client"),
            ("redirect_uri", &redirect_uri),
            ("response_type", "code"),
            ("scope", "openid profile offline_access"),
            ("state", "st&te"),
            ("nonce", "n-1"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let mut url: Url = self.at("/authorize").parse().unwrap();
        let of = |name: &str| changed.iter().find(|(one, _)| *one == name);
        for (name, value) in usual {
            let value = of(name).map_or(value, |(_, value)| value);
            if !value.is_empty() {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        for (name, value) in changed {
            if !usual.iter().any(|(one, _)| one == name) {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        url
    }

    async fn get(&self, url: impl reqwest::IntoUrl) -> reqwest::Response {
        self.browser.get(url).send().await.unwrap()
    }

    async fn submit(&self, url: impl reqwest::IntoUrl, form: &[(&str, &str)]) -> reqwest::Response {
        let origin = self.provider.issuer();
        let request = self.browser.post(url).header(ORIGIN, origin).form(form);
        request.send().await.unwrap()
    }

    /// Signs in on the page, and comes back with a code.
    async fn sign_in(&self, name: &str) -> String {
        let answer = self.submit(self.authorize(&[]), &[("name", name)]).await;
        parameter(&answer, "code").expect("a code")
    }

    async fn token(&self, form: &[(&str, &str)]) -> (StatusCode, Value) {
        let request = self.browser.post(self.at("/token"));
        let secret: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
        let answer = request.basic_auth("client", Some(secret)).form(form).send();
        let answer = answer.await.unwrap();
        let status = answer.status();
        let body = answer.bytes().await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    async fn redeem(&self, code: &str) -> (StatusCode, Value) {
        let redirect_uri = format!("{}/callback", self.client_url);
        self.token(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &redirect_uri),
            ("code_verifier", VERIFIER),
        ])
        .await
    }

    async fn refresh(&self, token: &Value) -> (StatusCode, Value) {
        let token = token.as_str().expect("a refresh token");
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", token)])
            .await
    }

    async fn user_info(&self, token: &Value) -> StatusCode {
        let request = self.browser.get(self.at("/userinfo"));
        let answer = request.bearer_auth(token.as_str().unwrap()).send().await;
        answer.unwrap().status()
    }

    fn told(&self) -> Vec<Value> {
        self.told.lock().unwrap().clone()
    }
}

/// A parameter of the address that a response leads to.
fn parameter(answer: &reqwest::Response, name: &str) -> Option<String> {
    let target = answer.headers().get(LOCATION)?.to_str().ok()?;
    let target = Url::parse(target).ok()?;
    let found = target.query_pairs().find(|(one, _)| one == name)?;
    Some(found.1.into_owned())
}

#[tokio::test]
async fn a_user_signs_in_once_and_the_client_gets_tokens() {
    let scene = scene().await;
    let page = scene.get(scene.authorize(&[])).await;
    assert_eq!(page.status(), StatusCode::OK);
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'"), "{policy}");
    assert!(
        policy.contains(&format!("form-action 'self' {}", scene.client_url)),
        "{policy}"
    );

    let answer = scene
        .submit(scene.authorize(&[]), &[("name", "Alice")])
        .await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let cookie = answer.headers()[SET_COOKIE].to_str().unwrap();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    assert_eq!(parameter(&answer, "state").as_deref(), Some("st&te"));
    assert_eq!(
        parameter(&answer, "iss").as_deref(),
        Some(scene.provider.issuer())
    );

    let (status, tokens) = scene.redeem(&parameter(&answer, "code").unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        scene.user_info(&tokens["access_token"]).await,
        StatusCode::OK
    );
    let id_token = tokens["id_token"].as_str().unwrap();
    let claims = scene.provider.state.key.open(id_token).unwrap();
    assert_eq!(claims["sub"], "alice");
    assert_eq!(claims["name"], "Alice");
    assert_eq!(claims["nonce"], "n-1");
    assert_eq!(claims["aud"], "client");
    assert!(claims["sid"].is_string());

    // The second time nobody asks.
    let silent = scene.get(scene.authorize(&[("prompt", "none")])).await;
    assert!(parameter(&silent, "code").is_some());
    // Unless the client wants it so, or it was too long ago.
    scene.clock.advance(Duration::from_secs(60));
    for (name, value, status) in [
        ("prompt", "login", StatusCode::OK),
        ("max_age", "59", StatusCode::OK),
        ("max_age", "60", StatusCode::SEE_OTHER),
    ] {
        let answer = scene.get(scene.authorize(&[(name, value)])).await;
        assert_eq!(answer.status(), status, "{name}={value}");
    }
}

#[tokio::test]
async fn a_request_that_is_not_in_order_gets_no_code() {
    let scene = scene().await;
    scene.sign_in("alice").await;
    // Whoever may be at that address is told nothing.
    let elsewhere = format!("{}/callback/elsewhere", scene.client_url);
    for not_redirected in [("client_id", "other"), ("redirect_uri", elsewhere.as_str())] {
        let answer = scene.get(scene.authorize(&[not_redirected])).await;
        assert_eq!(
            answer.status(),
            StatusCode::BAD_REQUEST,
            "{not_redirected:?}"
        );
    }
    for (name, value, error) in [
        ("response_type", "token", "unsupported_response_type"),
        ("scope", "profile", "invalid_scope"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
    ] {
        let answer = scene.get(scene.authorize(&[(name, value)])).await;
        assert_eq!(
            parameter(&answer, "error").as_deref(),
            Some(error),
            "{name}"
        );
        assert_eq!(parameter(&answer, "code"), None, "{name}");
        assert_eq!(parameter(&answer, "state").as_deref(), Some("st&te"));
    }
}

#[tokio::test]
async fn nobody_is_signed_in_silently_or_by_anothers_form() {
    let scene = scene().await;
    let silent = scene.get(scene.authorize(&[("prompt", "none")])).await;
    assert_eq!(
        parameter(&silent, "error").as_deref(),
        Some("login_required")
    );

    for origin in [Some("http://evil.example"), None] {
        let mut request = scene.browser.post(scene.authorize(&[]));
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        let answer = request.form(&[("name", "admin")]).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        assert!(answer.headers().get(SET_COOKIE).is_none());
    }
    for name in ["", "two words", "<b>", &"a".repeat(33)] {
        let answer = scene.submit(scene.authorize(&[]), &[("name", name)]).await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{name}");
    }
}

#[tokio::test]
async fn a_code_is_good_once_for_its_own_client_and_not_for_long() {
    let scene = scene().await;
    let code = scene.sign_in("alice").await;
    let unknown = scene.browser.post(scene.at("/token"));
    let unknown = unknown.basic_auth("client", Some("guess")).send().await;
    assert!(unknown.unwrap().status().is_client_error());

    let redirect_uri = format!("{}/callback", scene.client_url);
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", redirect_uri.as_str()),
        ("code_verifier", "another verifier"),
    ];
    let (status, body) = scene.token(&form).await;
    assert_eq!(
        (status, &body["error"]),
        (StatusCode::BAD_REQUEST, &"invalid_grant".into())
    );

    // Used twice: what came of the first time is taken back.
    let code = scene.sign_in("alice").await;
    let (_, tokens) = scene.redeem(&code).await;
    assert_eq!(scene.redeem(&code).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(
        scene.user_info(&tokens["access_token"]).await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        scene.refresh(&tokens["refresh_token"]).await.0,
        StatusCode::BAD_REQUEST
    );

    let code = scene.sign_in("alice").await;
    scene.clock.advance(Duration::from_secs(60));
    assert_eq!(scene.redeem(&code).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_refresh_token_is_good_once_and_an_access_token_for_two_minutes() {
    let scene = scene().await;
    let code = scene.sign_in("alice").await;
    let (_, first) = scene.redeem(&code).await;
    scene.clock.advance(Duration::from_secs(120));
    assert_eq!(
        scene.user_info(&first["access_token"]).await,
        StatusCode::UNAUTHORIZED
    );

    let (status, second) = scene.refresh(&first["refresh_token"]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        scene.user_info(&second["access_token"]).await,
        StatusCode::OK
    );

    // The first one again: somebody has stolen it, and nobody keeps anything.
    assert_eq!(
        scene.refresh(&first["refresh_token"]).await.0,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        scene.user_info(&second["access_token"]).await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        scene.refresh(&second["refresh_token"]).await.0,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn a_revoked_refresh_token_takes_its_access_tokens_along() {
    let scene = scene().await;
    let code = scene.sign_in("alice").await;
    let (_, tokens) = scene.redeem(&code).await;
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    let revoke = |secret: &'static str| {
        let form = [
            ("token", refresh_token),
            ("client_id", "client"),
            ("client_secret", secret),
        ];
        let request = scene.browser.post(scene.at("/revoke")).form(&form);
        async move { request.send().await.unwrap().status() }
    };
    assert_eq!(revoke("guess").await, StatusCode::UNAUTHORIZED);
    assert_eq!(
        scene.user_info(&tokens["access_token"]).await,
        StatusCode::OK
    );
    assert_eq!(revoke(SECRET).await, StatusCode::OK);
    assert_eq!(
        scene.user_info(&tokens["access_token"]).await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        scene.refresh(&tokens["refresh_token"]).await.0,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        revoke(SECRET).await,
        StatusCode::OK,
        "a second time it is as good as revoked"
    );
}

#[tokio::test]
async fn the_client_signs_a_user_out_with_the_id_token() {
    let scene = scene().await;
    let code = scene.sign_in("alice").await;
    let (_, tokens) = scene.redeem(&code).await;
    let id_token = tokens["id_token"].as_str().unwrap();
    let back_to = format!("{}/", scene.client_url);
    let end_session = |hint: &str, target: &str| {
        let mut url: Url = scene.at("/end_session").parse().unwrap();
        url.query_pairs_mut()
            .append_pair("id_token_hint", hint)
            .append_pair("post_logout_redirect_uri", target)
            .append_pair("state", "s");
        url
    };
    let refused = end_session(id_token, "http://evil.example/");
    assert_eq!(scene.get(refused).await.status(), StatusCode::BAD_REQUEST);
    // As if there were no hint: the user is asked, and nobody is signed out.
    let unreadable = end_session(&format!("{id_token}x"), &back_to);
    assert_eq!(scene.get(unreadable).await.status(), StatusCode::OK);
    assert_eq!(scene.told(), Vec::<Value>::new());

    let answer = scene.get(end_session(id_token, &back_to)).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(
        answer.headers()[LOCATION].to_str().unwrap(),
        format!("{back_to}?state=s")
    );
    let told = scene.told();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["sub"], "alice");
    assert_eq!(told[0]["aud"], "client");
    assert!(told[0]["sid"].is_string() && told[0]["jti"].is_string());
    assert!(told[0].get("nonce").is_none());
    assert_eq!(
        scene.user_info(&tokens["access_token"]).await,
        StatusCode::UNAUTHORIZED
    );
    let silent = scene.get(scene.authorize(&[("prompt", "none")])).await;
    assert_eq!(
        parameter(&silent, "error").as_deref(),
        Some("login_required")
    );
}

#[tokio::test]
async fn the_user_signs_out_here_or_everywhere() {
    let scene = scene().await;
    scene.sign_in("alice").await;
    let others = scene.browser.post(scene.at("/sign-out"));
    let others = others
        .header(ORIGIN, "http://evil.example")
        .form(&[("what", "here")]);
    assert_eq!(others.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(scene.told().len(), 0);

    let page = scene
        .submit(scene.at("/sign-out"), &[("what", "here")])
        .await;
    assert_eq!(page.status(), StatusCode::OK);
    assert!(scene.told()[0]["sid"].is_string());

    scene.sign_in("alice").await;
    scene
        .submit(scene.at("/sign-out"), &[("what", "everywhere")])
        .await;
    let told = scene.told();
    assert_eq!(told.len(), 2);
    assert_eq!(told[1]["sub"], "alice");
    assert!(told[1].get("sid").is_none());
}

#[tokio::test]
async fn it_listens_on_loopback_only() {
    let everywhere = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let client = scene().await.provider.state.client.clone();
    let clock = Arc::new(ManualClock::new(DateTime::UNIX_EPOCH));
    let refused = DemonstrationProvider::new(&everywhere, client, clock);
    assert!(refused.unwrap_err().to_string().contains("loopback"));
}
