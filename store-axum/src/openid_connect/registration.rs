//! A client at its provider, and what the two say to each other.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use openidconnect::core::{
    CoreAuthPrompt, CoreAuthenticationFlow, CoreErrorResponseType, CoreGenderClaim,
    CoreRequestTokenError, CoreTokenResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, AuthorizationCode, CsrfToken, HttpRequest, Nonce, OAuth2TokenResponse as _,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, Scope,
    SubjectIdentifier, TokenResponse as _, UserInfoClaims, UserInfoError,
};
use serde::{Deserialize, Serialize};
use store_core::{BoxError, Clock, PartitionKey, SessionId, SubjectId};
use store_tickets::{Claims, Token, Tokens};
use tokio::time::timeout;
use url::Url;

use super::attempt::{Attempt, Binding};
use super::http_client::{Answers, HttpClient, HttpError};
use super::id_token::{Expected, IdTokenError, Identity};
use super::keys::session_id_of;
use super::logout_token::{LogoutToken, LogoutTokenError, LogoutTokenRules};
use super::provider::{Discovery, NoProvider, Provider};
use super::unkept::Unkept;
use super::{OpenIdClient, Prompt};

/// How long the provider may take to answer for a refresh token.
const EXCHANGE: Duration = Duration::from_secs(10);
/// How long the check of its answer may take, for which its keys may have to be fetched.
const CHECK: Duration = Duration::from_secs(5);

/// A client at its provider, in one partition.
#[derive(Debug)]
pub(super) struct Registration {
    pub(super) client: OpenIdClient,
    partition_key: PartitionKey,
    discovery: Discovery,
    http: HttpClient,
    clock: Arc<dyn Clock>,
}

/// What a login has brought.
#[derive(Debug)]
pub(super) struct LoggedIn {
    pub(super) subject_id: SubjectId,
    pub(super) session_id: Option<SessionId>,
    pub(super) claims: Claims,
    pub(super) tokens: Tokens,
}

/// What a renewal has brought.
#[derive(Debug)]
pub(super) struct Renewed {
    pub(super) access: Token,
    /// `None`: the old one goes on.
    pub(super) refresh: Option<Token>,
    /// `None`: the old one goes on.
    pub(super) id: Option<Token>,
    /// The refresh token once more, until the session has it.
    pub(super) unkept: Unkept,
}

/// Why the provider did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    NoProvider(#[from] NoProvider),
    /// It may have been done.
    #[error("the provider does not answer")]
    NoAnswer(#[source] BoxError),
    /// For good: what was presented, a code or a refresh token, is none any more.
    #[error("the provider refused, with {0}")]
    Refused(String),
    #[error("the provider's answer is not to be trusted")]
    Untrusted(#[source] BoxError),
}

impl Registration {
    /// What a renewal takes at most.
    pub(super) const RENEWAL: Duration = EXCHANGE.saturating_add(CHECK);

    pub(super) fn new(
        client: OpenIdClient,
        partition_key: PartitionKey,
        http: HttpClient,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let discovery = Discovery::new(client.clone(), http.clone(), Arc::clone(&clock));
        Self {
            client,
            partition_key,
            discovery,
            http,
            clock,
        }
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub(super) async fn provider(&self) -> Result<Arc<Provider>, NoProvider> {
        self.discovery.provider().await
    }

    /// What an attempt of this client's is bound to.
    pub(super) fn binding<'a>(&'a self, redirect_uri: &'a str) -> Binding<'a> {
        Binding {
            partition: self.partition_key.as_str(),
            issuer: self.client.issuer.as_str(),
            client_id: self.client.client_id.as_str(),
            redirect_uri,
        }
    }

    /// Where the browser goes to sign in: code flow with PKCE by S256 (RFC 7636), `state`, `nonce`.
    pub(super) async fn authorization_url(
        &self,
        attempt: &Attempt,
        redirect_uri: &Url,
        prompt: Option<Prompt>,
    ) -> Result<Url, NoProvider> {
        let provider = self.provider().await?;
        let binding = self.binding(redirect_uri.as_str());
        let client = provider.client.clone();
        let client = client.set_redirect_uri(RedirectUrl::from_url(redirect_uri.clone()));
        let state = CsrfToken::new(attempt.state(&binding));
        let nonce = Nonce::new(attempt.nonce(&binding));
        let verifier = PkceCodeVerifier::new(attempt.code_verifier(&binding).to_string());
        let mut request = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                || state,
                || nonce,
            )
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        let scopes = self.client.scopes.iter();
        for scope in scopes.filter(|scope| *scope != "openid") {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        for (name, value) in &self.client.extra_parameters {
            request = request.add_extra_param(name.clone(), value.clone());
        }
        if let Some(prompt) = prompt {
            request = request.add_prompt(CoreAuthPrompt::from(prompt));
        }
        Ok(request.url().0)
    }

    /// Redeems an authorization code, and checks what comes for it.
    pub(super) async fn log_in(
        self: &Arc<Self>,
        attempt: &Attempt,
        redirect_uri: &Url,
        code: String,
    ) -> Result<(LoggedIn, Unkept), Failure> {
        let provider = self.provider().await?;
        let binding = self.binding(redirect_uri.as_str());
        let client = provider.client.clone();
        let client = client.set_redirect_uri(RedirectUrl::from_url(redirect_uri.clone()));
        let verifier = PkceCodeVerifier::new(attempt.code_verifier(&binding).to_string());
        let answer = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(untrusted)?
            .set_pkce_verifier(verifier)
            .request_async(&Answers(&self.http))
            .await?;
        let unkept = Unkept::new(self, refresh_token(&answer));
        let nonce = Nonce::new(attempt.nonce(&binding));
        let identity = self.identity(&provider, &answer, Some(&nonce)).await?;
        let identity = identity.ok_or_else(|| untrusted("there is no ID token in it"))?;
        let sid = identity.claims.get("sid").map(|sid| sid.as_str());
        let session_id = match sid {
            Some(Some(sid)) => Some(session_id_of(sid).map_err(untrusted)?),
            Some(None) => return Err(untrusted("sid is no text")),
            None => None,
        };
        let mut claims = identity.claims;
        if self.client.user_info && provider.has_user_info() {
            let more = self
                .user_info(&provider, &answer, &identity.subject_id)
                .await?;
            for (name, value) in more {
                claims.entry(name).or_insert(value);
            }
        }
        for name in OF_THE_TOKEN {
            claims.remove(name);
        }
        let logged_in = LoggedIn {
            subject_id: identity.subject_id,
            session_id,
            claims,
            tokens: Tokens {
                access: Some(self.access_token(&answer)),
                refresh: refresh_token(&answer),
                id: answer.id_token().map(|token| Token::new(token.to_string())),
            },
        };
        Ok((logged_in, unkept))
    }

    /// Gets a new access token (RFC 6749 section 6, OpenID Connect Core 12), within
    /// [`RENEWAL`](Self::RENEWAL).
    pub(super) async fn renew(
        self: &Arc<Self>,
        provider: &Arc<Provider>,
        refresh: &Token,
        subject_id: Option<&SubjectId>,
    ) -> Result<Renewed, Failure> {
        let presented = RefreshToken::new(refresh.expose().to_owned());
        let request = provider
            .client
            .exchange_refresh_token(&presented)
            .map_err(untrusted)?;
        let http = Answers(&self.http);
        let answer = timeout(EXCHANGE, request.request_async(&http)).await;
        let answer = answer.map_err(no_answer)??;
        // Where the provider does not rotate them, it is still the session's.
        let new = refresh_token(&answer).filter(|new| new != refresh);
        let unkept = Unkept::new(self, new.clone());
        let identity = timeout(CHECK, self.identity(provider, &answer, None)).await;
        if let Some(identity) = identity.map_err(no_answer)??
            && Some(&identity.subject_id) != subject_id
        {
            return Err(untrusted("the ID token is another user's"));
        }
        Ok(Renewed {
            access: self.access_token(&answer),
            refresh: new,
            id: answer.id_token().map(|token| Token::new(token.to_string())),
            unkept,
        })
    }

    /// Revokes a refresh token (RFC 7009), where the provider knows how.
    ///
    /// `oauth2`'s own request refuses plain http, which development on one machine needs.
    pub(super) async fn revoke(&self, refresh: &Token) -> Result<(), Failure> {
        let provider = self.provider().await?;
        let Some(endpoint) = provider.revocation_endpoint() else {
            tracing::debug!(
                issuer = self.client.issuer.as_str(),
                "an OpenID provider revokes no tokens: refresh tokens last as long as they last"
            );
            return Ok(());
        };
        let request = self.revocation_request(endpoint, refresh);
        let request = request.map_err(untrusted)?;
        let answer = self.http.send(request).await.map_err(no_answer)?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status if status.is_server_error() => Err(no_answer(format!("status {status}"))),
            status => Err(Failure::Refused(format!("status {}", status.as_u16()))),
        }
    }

    fn revocation_request(
        &self,
        endpoint: &Url,
        refresh: &Token,
    ) -> Result<HttpRequest, http::Error> {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("token", refresh.expose())
            .append_pair("token_type_hint", "refresh_token");
        let mut request = http::Request::post(endpoint.as_str())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json");
        let client_id = self.client.client_id.as_str();
        match &self.client.secret {
            Some(secret) if !self.client.secret_in_body => {
                request = request.header(AUTHORIZATION, basic(client_id, secret.secret()));
            }
            secret => {
                form.append_pair("client_id", client_id);
                if let Some(secret) = secret {
                    form.append_pair("client_secret", secret.secret());
                }
            }
        }
        request.body(form.finish().into_bytes())
    }

    /// Checks a logout token; with the provider's new keys, if it names one that is not known.
    pub(super) async fn logout_token(
        &self,
        token: &str,
    ) -> Result<Result<LogoutToken, LogoutTokenError>, NoProvider> {
        let rules = LogoutTokenRules {
            typ: self.client.logout_token_type,
            issuer: self.client.issuer.as_str().to_owned(),
            client_id: self.client.client_id.as_str().to_owned(),
            algorithms: self.client.algorithms.clone(),
            max_age: self.client.logout_token_max_age,
            clock_skew: self.client.clock_skew,
        };
        let provider = self.provider().await?;
        let verified = LogoutToken::verify(token, &provider.keys, &rules, self.now());
        if verified != Err(LogoutTokenError::UnknownKey) {
            return Ok(verified);
        }
        let provider = self.discovery.with_new_keys(&provider).await;
        Ok(LogoutToken::verify(
            token,
            &provider.keys,
            &rules,
            self.now(),
        ))
    }

    async fn identity(
        &self,
        provider: &Arc<Provider>,
        answer: &CoreTokenResponse,
        nonce: Option<&Nonce>,
    ) -> Result<Option<Identity>, Failure> {
        if *answer.token_type() != CoreTokenType::Bearer {
            return Err(untrusted("the access token is no bearer token"));
        }
        let Some(id_token) = answer.id_token() else {
            return Ok(None);
        };
        let expected = Expected {
            provider,
            client: &self.client,
            access_token: answer.access_token(),
            nonce,
            now: self.now(),
        };
        match expected.check(id_token) {
            Err(IdTokenError::UnknownKey) => {
                let provider = self.discovery.with_new_keys(provider).await;
                let expected = Expected {
                    provider: &provider,
                    ..expected
                };
                expected.check(id_token).map(Some).map_err(untrusted)
            }
            checked => checked.map(Some).map_err(untrusted),
        }
    }

    /// What the user-info endpoint says of this subject and of no other (OpenID Connect Core 5.3).
    async fn user_info(
        &self,
        provider: &Provider,
        answer: &CoreTokenResponse,
        subject_id: &SubjectId,
    ) -> Result<Claims, Failure> {
        let subject = SubjectIdentifier::new(subject_id.as_str().to_owned());
        let request = provider
            .client
            .user_info(answer.access_token().clone(), Some(subject))
            .map_err(untrusted)?;
        let claims: UserInfoClaims<OtherClaims, CoreGenderClaim> = request
            .request_async(&Answers(&self.http))
            .await
            .map_err(|error| match error {
                UserInfoError::Request(error) => no_answer(error),
                // What came with an answer that cannot be used is not told.
                UserInfoError::Response(status, ..) => untrusted(format!("status {status}")),
                error => untrusted(error),
            })?;
        let claims = serde_json::to_value(claims).map_err(untrusted)?;
        serde_json::from_value(claims).map_err(untrusted)
    }

    fn access_token(&self, answer: &CoreTokenResponse) -> Token {
        let token = Token::new(answer.access_token().secret());
        let lifetime = answer.expires_in().map(TimeDelta::from_std);
        let expires = lifetime.and_then(|lifetime| self.now().checked_add_signed(lifetime.ok()?));
        match expires {
            Some(expires) => token.with_expires(expires),
            None => token,
        }
    }
}

fn refresh_token(answer: &CoreTokenResponse) -> Option<Token> {
    let token = answer.refresh_token();
    token.map(|token| Token::new(token.secret()))
}

/// Claims about the token rather than the user.
const OF_THE_TOKEN: [&str; 9] = [
    "aud", "azp", "at_hash", "c_hash", "exp", "iat", "iss", "nbf", "nonce",
];

/// All those that `openidconnect` has no name for.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct OtherClaims(Claims);

impl AdditionalClaims for OtherClaims {}

/// The client's name and secret, each encoded first (RFC 6749 section 2.3.1).
fn basic(client_id: &str, secret: &str) -> String {
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let (client_id, secret): (String, String) = (encode(client_id), encode(secret));
    format!("Basic {}", STANDARD.encode(format!("{client_id}:{secret}")))
}

fn untrusted(why: impl Into<BoxError>) -> Failure {
    Failure::Untrusted(why.into())
}

fn no_answer(why: impl Into<BoxError>) -> Failure {
    Failure::NoAnswer(why.into())
}

impl From<CoreRequestTokenError<HttpError>> for Failure {
    fn from(error: CoreRequestTokenError<HttpError>) -> Self {
        match error {
            RequestTokenError::ServerResponse(answer) => {
                let code = known_code(answer.error().as_ref());
                match answer.error() {
                    // The one that says something of the code or the refresh token itself.
                    CoreErrorResponseType::InvalidGrant => return Self::Refused(code),
                    CoreErrorResponseType::Extension(_) if is_passing(&code) => {}
                    // Nothing that a user could do anything about.
                    _ => tracing::error!(code, "an OpenID provider does not serve this client"),
                }
                no_answer(format!("it answered {code}"))
            }
            RequestTokenError::Request(error) => no_answer(error),
            // The answer itself, which comes with the error, holds tokens.
            RequestTokenError::Parse(error, _) => untrusted(error),
            RequestTokenError::Other(error) => untrusted(error),
        }
    }
}

/// Whether an error is over by itself.
fn is_passing(code: &str) -> bool {
    matches!(
        code,
        "server_error" | "slow_down" | "temporarily_unavailable"
    )
}

/// An error code, if it is one (RFC 6749 section 5.2: visible ASCII).
fn known_code(code: &str) -> String {
    let is_one = code.len() <= 64
        && code
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    if is_one { code } else { "an error" }.to_owned()
}
