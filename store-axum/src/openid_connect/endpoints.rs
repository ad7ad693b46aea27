//! The endpoints as one router.

mod backchannel;
mod callback;
mod login;
mod logout;
mod sessions;
mod silent;
mod user;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{delete, get, post};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use sha2::{Digest, Sha256};
use store_core::UserKey;

use super::flights::Flights;
use super::options::Options;
use super::refusal::Refusal;
use super::registration::Registration;
use super::replay::SeenTokens;
use super::{AnonymousUser, BffPaths, OpenIdClients, Prompt, SignIn, SignInRefused, SignedInUser};
use crate::{SessionContext, SessionData};

/// How many logout tokens a process remembers at a time.
const MAX_SEEN_TOKENS: usize = 100_000;

/// The endpoints of a BFF as one [`Router`], to be put below
/// [`ServerSideSessions`](crate::ServerSideSessions): see [the module](super) for what each does.
///
/// ```
/// # use std::sync::Arc;
/// use axum::Router;
/// use store_axum::ServerSideSessions;
/// use store_axum::openid_connect::{BffEndpoints, OpenIdClient, OpenIdClients};
/// # use store_core::InMemoryUserSessionStore;
/// use store_tickets::{KeyRing, RevocationOptions, ServerSideTicketStore, SessionRevocation, TicketKey};
///
/// # let store = Arc::new(InMemoryUserSessionStore::new());
/// # let keys = KeyRing::new(TicketKey::generate()?);
/// let tickets = ServerSideTicketStore::<()>::new(store, keys);
/// let client = OpenIdClient::new("https://id.example", "app", "https://app.example")?
///     .with_secret("what the provider gave");
/// let clients = OpenIdClients::single(client)?;
/// let revoker = clients.refresh_token_revoker();
/// let revocation = SessionRevocation::new(tickets.clone(), revoker, RevocationOptions::default());
///
/// let app: Router = Router::new()
///     .merge(BffEndpoints::<()>::new(clients).router())
///     .layer(ServerSideSessions::new(tickets).revocation(revocation));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct BffEndpoints<T> {
    clients: OpenIdClients,
    sign_in: Arc<dyn SignIn<T>>,
    options: Options,
}

/// What the endpoints share.
pub(super) struct Bff<T> {
    clients: OpenIdClients,
    sign_in: Arc<dyn SignIn<T>>,
    options: Options,
    seen_logout_tokens: Arc<SeenTokens>,
    flights: Flights,
}

impl<T: SessionData> BffEndpoints<T> {
    /// The endpoints for these clients. A session's data begins as `T::default()`.
    pub fn new(clients: OpenIdClients) -> Self {
        let default = |_: &mut SignedInUser| Ok::<T, SignInRefused>(T::default());
        Self {
            clients,
            sign_in: Arc::new(default),
            options: Options::default(),
        }
    }

    /// What the host makes of a login. Default: `T::default()` of everybody.
    pub fn sign_in(mut self, sign_in: impl SignIn<T>) -> Self {
        self.sign_in = Arc::new(sign_in);
        self
    }

    /// Where the endpoints are. Default: [`BffPaths::default`], below `/bff`.
    pub fn paths(mut self, paths: BffPaths) -> Self {
        self.options.paths = paths;
        self
    }

    /// What `/bff/login?prompt=` may ask for. Default: [`Prompt::ALL`].
    pub fn prompts(mut self, prompts: impl IntoIterator<Item = Prompt>) -> Self {
        self.options.prompts = prompts.into_iter().collect();
        self
    }

    /// What `/bff/user` answers where nobody is signed in. Default: 401.
    pub fn anonymous_user(mut self, answer: AnonymousUser) -> Self {
        self.options.anonymous_user = answer;
        self
    }

    /// Whether `/bff/logout` wants the session's `sid`, which another site's link does not know.
    /// Default: true.
    pub fn require_logout_session_id(mut self, require: bool) -> Self {
        self.options.require_logout_session_id = require;
        self
    }

    /// Whether a visitor who signs in keeps what is in his bag. Default: false. Whoever planted a
    /// visitor's cookie has chosen what is in it.
    pub fn keep_visitors_bag(mut self, keep: bool) -> Self {
        self.options.keep_visitors_bag = keep;
        self
    }

    /// For how long a user may be at the provider to sign in, or to sign out. Default: 10 minutes.
    pub fn login_lifetime(mut self, lifetime: Duration) -> Self {
        self.options.login_lifetime = lifetime;
        self
    }

    /// The router. Front ends below a path of their own nest it there, one for all or one for each.
    ///
    /// # Panics
    /// If a path is none that axum routes, or if two are the same.
    pub fn router<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        let paths = self.options.paths.clone();
        let bff = Arc::new(Bff {
            clients: self.clients,
            sign_in: self.sign_in,
            options: self.options,
            seen_logout_tokens: Arc::new(SeenTokens::new(MAX_SEEN_TOKENS)),
            flights: Flights::default(),
        });
        let one_session = format!("{}/{{id}}", paths.sessions);
        Router::new()
            .route(&paths.login, get(login::login::<T>))
            .route(&paths.silent_login, get(login::silent_login::<T>))
            .route(&paths.callback, get(callback::callback::<T>))
            .route(&paths.user, get(user::user::<T>))
            .route(&paths.logout, get(logout::logout::<T>))
            .route(&paths.logout_callback, get(logout::logout_callback::<T>))
            .route(&paths.backchannel, post(backchannel::backchannel::<T>))
            .route(
                &paths.sessions,
                get(sessions::list::<T>).delete(sessions::end_others::<T>),
            )
            .route(&one_session, delete(sessions::end_one::<T>))
            .with_state(bff)
    }
}

impl<T> fmt::Debug for BffEndpoints<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BffEndpoints")
            .field("clients", &self.clients)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl<T: SessionData> Bff<T> {
    /// The client of the front end at which a request arrives.
    fn client(&self, session: &SessionContext<T>) -> Result<Arc<Registration>, Refusal> {
        let client = self.clients.of(session.tickets().partition_key());
        client.cloned().ok_or(Refusal::NoClient)
    }

    fn login_lifetime(&self) -> TimeDelta {
        const LONGEST: TimeDelta = TimeDelta::days(1);
        TimeDelta::from_std(self.options.login_lifetime).map_or(LONGEST, |one| one.min(LONGEST))
    }
}

/// Names a session to its user: a digest of its key, which leads nobody back and opens nothing.
fn public_id(user_key: &UserKey) -> String {
    let digest = Sha256::new()
        .chain_update("store-axum session id\0")
        .chain_update(user_key.as_str())
        .finalize();
    URL_SAFE_NO_PAD.encode(&digest[..24])
}
