//! A host with its front ends, on a database and a provider of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store_axum::openid_connect::{
    AccessTokens, BffEndpoints, OpenIdClient, OpenIdClients, SignIn, SignInRefused, SignedInUser,
};
use store_axum::{
    CookieOptions, FrontEnd, FrontEnds, ServerSideSessions, SessionBag, SessionContext,
};
use store_core::{Clock as _, ManualClock, SystemClock, UserSession};
use store_tests::sessions::rows;
use store_tests::{OpenIdProvider, TestDatabase, TestStore};
use store_tickets::{
    KeyRing, RevocationOptions, ServerSideTicketStore, SessionRevocation, TicketKey,
};
use tokio::net::TcpListener;

use crate::browser::Browser;

/// What the host keeps of its users.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Customer {
    pub(crate) name: String,
}

/// How a host is set up.
pub(crate) struct Setup {
    pub(crate) front_ends: &'static [&'static str],
    pub(crate) client: fn(OpenIdClient) -> OpenIdClient,
    pub(crate) endpoints: fn(BffEndpoints<Customer>) -> BffEndpoints<Customer>,
    pub(crate) revocation: RevocationOptions,
    /// Whether the provider names the session in its logout tokens, or the user alone.
    pub(crate) logout_by_session: bool,
    /// Whether the provider signs each user out again while the host is signing him in.
    pub(crate) logout_overtakes: bool,
    /// Whether the provider has a user-info endpoint.
    pub(crate) has_user_info: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            front_ends: &["app"],
            client: |client| client,
            endpoints: |endpoints| endpoints,
            revocation: RevocationOptions {
                // The refresh tokens are revoked before anybody looks.
                patience: Duration::from_secs(20),
                ..RevocationOptions::default()
            },
            logout_by_session: true,
            logout_overtakes: false,
            has_user_info: true,
        }
    }
}

/// The provider's process, while there is one, and its address.
pub(crate) struct Provider {
    process: Option<OpenIdProvider>,
    issuer: String,
    clients: Vec<Value>,
}

impl Provider {
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }
}

/// A host that runs.
pub(crate) struct App {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: TestStore,
    pub(crate) provider: Provider,
    pub(crate) tickets: ServerSideTicketStore<Customer>,
    setup: Setup,
    address: SocketAddr,
    http: reqwest::Client,
}

impl App {
    /// Starts one, or none where there is no provider to be had.
    pub(crate) async fn start(db: TestDatabase, setup: Setup) -> Option<Self> {
        // What the host says of a failure, next to the test's own.
        let _ = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::WARN)
            .with_test_writer()
            .try_init();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let clients = setup.front_ends.iter().map(|name| {
            let base = base(name, address);
            json!({
                "client_id": name,
                "client_secret": secret(name),
                "redirect_uris": [format!("{base}/bff/callback")],
                "post_logout_redirect_uris": [format!("{base}/bff/logout/callback")],
                "backchannel_logout_uri": format!("{base}/bff/backchannel"),
                "backchannel_logout_session_required": setup.logout_by_session,
                "grant_types": ["authorization_code", "refresh_token"],
                "response_types": ["code"],
            })
        });
        let clients: Vec<Value> = clients.collect();
        let settings = json!({ "clients": clients, "userInfo": setup.has_user_info });
        let process = OpenIdProvider::start(&settings).await?;
        let provider = Provider {
            issuer: process.issuer().to_owned(),
            process: Some(process),
            clients,
        };
        // The provider has no other clock than the system's.
        let clock = Arc::new(ManualClock::new(SystemClock.now()));
        let store = TestStore::on(db, clock.clone()).await;
        let keys = KeyRing::new(TicketKey::from_bytes([7; 32]));
        let tickets = ServerSideTicketStore::builder(Arc::new(store.store()), keys)
            .clock(clock.clone())
            .build();
        let http = reqwest::Client::builder().build().unwrap();
        let app = Self {
            clock,
            store,
            provider,
            tickets,
            setup,
            address,
            http,
        };
        app.serve(listener, app.provider.issuer());
        Some(app)
    }

    /// Another node of the same host: the same store, and nothing else in common. Its address.
    pub(crate) async fn another_node(&self) -> SocketAddr {
        self.node_at(self.provider.issuer()).await
    }

    /// The same host as it is when it has another provider. Its address.
    pub(crate) async fn node_at(&self, issuer: &str) -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        self.serve(listener, issuer);
        address
    }

    fn serve(&self, listener: TcpListener, issuer: &str) {
        let mut clients = OpenIdClients::builder().clock(self.clock.clone());
        let (mut front_ends, mut paths) = (Vec::new(), Vec::new());
        for name in self.setup.front_ends {
            let client = OpenIdClient::insecure_for_localhost(issuer, *name, &self.base(name));
            let client = client
                .unwrap()
                .with_secret(secret(name))
                .with_user_info(true);
            let client = client.with_scopes(["openid", "profile", "email"]);
            let partition_key: store_core::PartitionKey = name.parse().unwrap();
            clients = clients.client(partition_key.clone(), (self.setup.client)(client));
            let (host, path) = name.split_once('/').unwrap_or((*name, ""));
            let front_end = FrontEnd::at_host(&format!("{host}.localhost"), partition_key);
            front_ends.push(match path {
                "" => front_end.unwrap(),
                path => {
                    paths.push(format!("/{path}"));
                    front_end.unwrap().below(&format!("/{path}")).unwrap()
                }
            });
        }
        let clients = clients.build().unwrap();
        let revocation = SessionRevocation::new(
            self.tickets.clone(),
            clients.refresh_token_revoker(),
            self.setup.revocation.clone(),
        );
        let sessions = ServerSideSessions::new(self.tickets.clone())
            .cookie(CookieOptions::insecure_for_localhost())
            .front_ends(FrontEnds::new(front_ends).unwrap())
            .revocation(revocation);
        let endpoints = BffEndpoints::new(clients.clone()).sign_in(Host {
            overtaken: self.setup.logout_overtakes.then(|| Overtaken {
                issuer: self.provider.issuer().to_owned(),
                client_id: self.setup.front_ends[0].to_owned(),
                base: self.base(self.setup.front_ends[0]),
                address: self.address,
                clock: self.clock.clone(),
            }),
        });
        let tokens = AccessTokens::new(clients);
        let endpoints: Router = (self.setup.endpoints)(endpoints).router();
        let mut router = Router::new();
        for path in paths {
            router = router.nest(&path, endpoints.clone());
        }
        let router = router
            .merge(endpoints)
            .route(
                "/api/token",
                get(move |session: SessionContext<Customer>| api_token(tokens, session)),
            )
            .route("/api/cart", post(put_into_cart).get(see_cart))
            .fallback(async || "a page")
            .layer(sessions);
        tokio::spawn(async move { axum::serve(listener, router).await });
    }

    /// The address of a front end.
    pub(crate) fn base(&self, name: &str) -> String {
        base(name, self.address)
    }

    /// A browser that has never been here.
    pub(crate) fn browser(&self) -> Browser {
        Browser::new(&self.base(self.setup.front_ends[0]), self.address)
    }

    /// What is in the table.
    pub(crate) async fn rows(&self) -> Vec<UserSession> {
        rows(self.store.connection()).await
    }

    /// Signs something with the provider's own key.
    pub(crate) async fn sign(&self, header: &Value, claims: &Value) -> String {
        sign(self.provider.issuer(), header, claims).await
    }

    /// The claims of a logout token for the first front end, for now.
    pub(crate) fn logout_claims(&self, id: &str, whom: Value) -> Value {
        let client_id = self.setup.front_ends[0];
        logout_claims(self.provider.issuer(), client_id, &self.clock, id, whom)
    }

    /// A logout token for the first front end, for now.
    pub(crate) async fn logout_token(&self, id: &str, whom: Value) -> String {
        let claims = self.logout_claims(id, whom);
        self.sign(&json!({ "typ": "logout+jwt" }), &claims).await
    }

    /// What the provider answers at a path from now on, in place of its own answer; its own again
    /// where this is `{}`.
    pub(crate) async fn answer_at(&self, path: &str, mut instead: Value) {
        instead["path"] = path.into();
        let url = format!("{}/test/answer", self.provider.issuer());
        let answer = self.http.post(url).body(instead.to_string()).send().await;
        assert_eq!(answer.unwrap().status(), 200);
    }

    /// How many requests the provider has had at a path.
    pub(crate) async fn heard_at(&self, path: &str) -> u64 {
        let url = format!("{}/test/heard", self.provider.issuer());
        let heard = self.http.get(url).send().await.unwrap().text().await;
        let heard: Value = serde_json::from_str(&heard.unwrap()).unwrap();
        heard[path].as_u64().unwrap_or_default()
    }

    /// Posts a logout token to a front end.
    pub(crate) async fn post_logout_token(&self, name: &str, token: &str) -> Answer {
        let url = format!("{}/bff/backchannel", self.base(name));
        let form = Browser::new(&self.base(name), self.address);
        Answer::of(form.post_form(&url, &[("logout_token", token)]).await).await
    }

    pub(crate) async fn stop_provider(&mut self) {
        self.provider.process.take().unwrap().stop().await;
    }

    /// Another process at the same address, which knows the clients, and nobody else.
    pub(crate) async fn restart_provider_with_key(&mut self, kid: &str) {
        self.stop_provider().await;
        let port = reqwest::Url::parse(self.provider.issuer()).unwrap().port();
        let settings = json!({ "clients": self.provider.clients, "port": port, "kid": kid });
        self.provider.process = OpenIdProvider::start(&settings).await;
    }

    /// The provider's administrator takes the user's refresh token away.
    pub(crate) async fn revoke_at_the_provider(&self, name: &str, subject: &str) {
        let refresh = self.tokens_of(name, subject).await.refresh.unwrap();
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("token", refresh.expose())
            .finish();
        let answer = self
            .http
            .post(format!("{}/token/revocation", self.provider.issuer()))
            .header("authorization", basic(name))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
            .send();
        assert_eq!(answer.await.unwrap().status(), 200);
    }

    /// Whether the provider knows this refresh or access token as a good one.
    pub(crate) async fn is_active(&self, token: &str) -> bool {
        let name = self.setup.front_ends[0];
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("token", token)
            .finish();
        let answer = self
            .http
            .post(format!("{}/token/introspection", self.provider.issuer()))
            .header("authorization", basic(name))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
            .send();
        let answer: Value =
            serde_json::from_str(&answer.await.unwrap().text().await.unwrap()).unwrap();
        answer["active"].as_bool().unwrap()
    }

    /// Whether somebody says in the user's one session that he renews its tokens.
    pub(crate) async fn is_being_renewed(&self, name: &str, subject: &str) -> bool {
        let mut names = self.ticket_of(name, subject).await.bag;
        names.remove("store-axum.renewal")
    }

    /// The tokens of the user's one session.
    pub(crate) async fn tokens_of(&self, name: &str, subject: &str) -> store_tickets::Tokens {
        self.ticket_of(name, subject).await.tokens
    }

    async fn ticket_of(
        &self,
        name: &str,
        subject: &str,
    ) -> store_tickets::AuthenticationTicket<Customer> {
        let filter = store_tests::sessions::subject(subject);
        let filter = store_core::UserSessionsFilter::for_subject(filter);
        let tickets = self.tickets.in_partition(name.parse().unwrap());
        let mut found = tickets.get_user_tickets(&filter).await.unwrap();
        assert_eq!(found.len(), 1);
        found.remove(0).ticket
    }
}

/// What the host makes of a login.
struct Host {
    overtaken: Option<Overtaken>,
}

/// A provider that signs users out again at once.
struct Overtaken {
    issuer: String,
    client_id: String,
    base: String,
    address: SocketAddr,
    clock: Arc<ManualClock>,
}

#[async_trait]
impl SignIn<Customer> for Host {
    async fn sign_in(&self, user: &mut SignedInUser) -> Result<Customer, SignInRefused> {
        if user.subject_id.as_str() == "mallory" {
            return Err(SignInRefused::Forbidden);
        }
        if let Some(overtaken) = &self.overtaken {
            overtaken.log_out(user).await;
        }
        let name = user.claims.get("name").and_then(Value::as_str);
        Ok(Customer {
            name: name.unwrap_or_default().to_owned(),
        })
    }
}

impl Overtaken {
    async fn log_out(&self, user: &SignedInUser) {
        let sid = user.session_id.as_ref().map(|sid| sid.as_str());
        let whom = json!({ "sid": sid });
        let claims = logout_claims(
            &self.issuer,
            &self.client_id,
            &self.clock,
            "overtakes",
            whom,
        );
        let token = sign(&self.issuer, &json!({ "typ": "logout+jwt" }), &claims).await;
        let url = format!("{}/bff/backchannel", self.base);
        let provider = Browser::new(&self.base, self.address);
        let answer = provider.post_form(&url, &[("logout_token", &token)]).await;
        assert_eq!(answer.status(), 200);
    }
}

/// Signs something with the provider's own key.
async fn sign(issuer: &str, header: &Value, claims: &Value) -> String {
    let answer = reqwest::Client::new()
        .post(format!("{issuer}/test/sign"))
        .body(json!({ "header": header, "claims": claims }).to_string())
        .send();
    answer.await.unwrap().text().await.unwrap()
}

fn logout_claims(
    issuer: &str,
    client_id: &str,
    clock: &ManualClock,
    id: &str,
    whom: Value,
) -> Value {
    let now = clock.now().timestamp();
    let mut claims = json!({
        "iss": issuer,
        "aud": client_id,
        "iat": now,
        "exp": now + 120,
        "jti": id,
        "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
    });
    let all = claims.as_object_mut().unwrap();
    all.extend(whom.as_object().unwrap().clone());
    claims
}

/// An answer that has been read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.text().await.unwrap(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// `app` is a host of its own, `app/shop` is below a path of one.
fn base(name: &str, address: SocketAddr) -> String {
    let port = address.port();
    match name.split_once('/') {
        Some((host, path)) => format!("http://{host}.localhost:{port}/{path}"),
        None => format!("http://{name}.localhost:{port}"),
    }
}

fn secret(name: &str) -> String {
    format!("the secret of {name}, which is not short")
}

fn basic(name: &str) -> String {
    let encode =
        |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let both = format!("{}:{}", encode(name), encode(&secret(name)));
    format!("Basic {}", STANDARD.encode(both))
}

async fn api_token(tokens: AccessTokens, session: SessionContext<Customer>) -> Response {
    match tokens.fresh(&session).await {
        Ok(token) => token.expose().to_owned().into_response(),
        Err(error) => error.into_response(),
    }
}

async fn put_into_cart(cart: SessionBag) -> Result<(), store_axum::SessionRejection> {
    cart.set("cart", &"apples")
        .map_err(|_| store_axum::SessionRejection::Conflict)
}

async fn see_cart(cart: SessionBag) -> String {
    let cart: Option<String> = cart.get("cart").ok().flatten();
    cart.unwrap_or_default()
}
