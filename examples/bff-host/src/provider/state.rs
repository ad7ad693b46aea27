//! What the provider remembers: who is signed in at it, and what it has given out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use store_core::Clock;
use url::Url;

use super::Client;
use super::keys::SigningKey;

/// How long a code is good for.
const CODE_LIFETIME: TimeDelta = TimeDelta::minutes(1);
/// How long an access token is good for: short, so that whoever clicks sees one refreshed.
pub(super) const ACCESS_TOKEN_LIFETIME: TimeDelta = TimeDelta::minutes(2);
/// How long a user stays signed in at the provider.
pub(super) const SESSION_LIFETIME: TimeDelta = TimeDelta::hours(24);

pub(super) struct State {
    pub(super) issuer: String,
    pub(super) client: Client,
    pub(super) key: SigningKey,
    pub(super) http: reqwest::Client,
    clock: Arc<dyn Clock>,
    memory: Mutex<Memory>,
}

/// Everything goes by the session in which it was given out, and ends with it.
#[derive(Default)]
struct Memory {
    /// By what the browser's cookie holds.
    sessions: HashMap<String, Session>,
    codes: HashMap<String, Code>,
    access_tokens: HashMap<String, AccessToken>,
    refresh_tokens: HashMap<String, RefreshToken>,
}

/// A user who is signed in at the provider.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Session {
    pub(super) sub: String,
    pub(super) sid: String,
    pub(super) began: DateTime<Utc>,
}

/// What a user has let the client do, in a session.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Grant {
    pub(super) id: String,
    pub(super) session: Session,
    pub(super) scope: String,
}

/// What an authorization code stands for.
#[derive(Clone)]
pub(super) struct Code {
    pub(super) grant: Grant,
    pub(super) nonce: Option<String>,
    pub(super) code_challenge: String,
    expires: DateTime<Utc>,
    used: bool,
}

struct AccessToken {
    grant: Grant,
    expires: DateTime<Utc>,
}

struct RefreshToken {
    grant: Grant,
    used: bool,
}

impl State {
    pub(super) fn new(
        issuer: Url,
        client: Client,
        clock: Arc<dyn Clock>,
        key: SigningKey,
    ) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(5))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .context("an HTTP client")?;
        Ok(Self {
            issuer: issuer.as_str().trim_end_matches('/').to_owned(),
            client,
            key,
            http,
            clock,
            memory: Mutex::default(),
        })
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.forget_what_has_expired(self.now());
        memory
    }

    /// Signs a user in. What the browser is to keep in its cookie.
    pub(super) fn begin_session(&self, sub: &str) -> anyhow::Result<(String, Session)> {
        let cookie = random()?;
        let session = Session {
            sub: sub.to_owned(),
            sid: random()?,
            began: self.now(),
        };
        let mut memory = self.memory();
        memory.sessions.insert(cookie.clone(), session.clone());
        Ok((cookie, session))
    }

    pub(super) fn session(&self, cookie: &str) -> Option<Session> {
        self.memory().sessions.get(cookie).cloned()
    }

    /// Ends the sessions that match, with everything that was given out in them.
    pub(super) fn end_sessions(&self, matches: impl Fn(&Session) -> bool) -> Vec<Session> {
        let mut memory = self.memory();
        let ended = memory.sessions.extract_if(|_, session| matches(session));
        let ended: Vec<Session> = ended.map(|(_, session)| session).collect();
        memory.forget_grants(|grant| ended.contains(&grant.session));
        ended
    }

    pub(super) fn issue_code(
        &self,
        session: Session,
        scope: &str,
        nonce: Option<String>,
        code_challenge: String,
    ) -> anyhow::Result<String> {
        let code = random()?;
        let issued = Code {
            grant: Grant {
                id: random()?,
                session,
                scope: scope.to_owned(),
            },
            nonce,
            code_challenge,
            expires: self.now() + CODE_LIFETIME,
            used: false,
        };
        self.memory().codes.insert(code.clone(), issued);
        Ok(code)
    }

    /// What a code stands for, the first time. The second time it has been stolen, by this caller
    /// or by the other: what was given out for it is taken back.
    pub(super) fn redeem_code(&self, code: &str) -> Option<Code> {
        let mut memory = self.memory();
        let found = memory.codes.get_mut(code)?;
        let again = std::mem::replace(&mut found.used, true);
        let found = found.clone();
        if again {
            memory.forget_grants(|grant| grant.id == found.grant.id);
            return None;
        }
        Some(found)
    }

    pub(super) fn issue_access_token(&self, grant: &Grant) -> anyhow::Result<String> {
        let token = random()?;
        let issued = AccessToken {
            grant: grant.clone(),
            expires: self.now() + ACCESS_TOKEN_LIFETIME,
        };
        self.memory().access_tokens.insert(token.clone(), issued);
        Ok(token)
    }

    pub(super) fn issue_refresh_token(&self, grant: &Grant) -> anyhow::Result<String> {
        let token = random()?;
        let issued = RefreshToken {
            grant: grant.clone(),
            used: false,
        };
        self.memory().refresh_tokens.insert(token.clone(), issued);
        Ok(token)
    }

    /// Whom an access token speaks for.
    pub(super) fn bearer(&self, token: &str) -> Option<Grant> {
        let memory = self.memory();
        memory.access_tokens.get(token).map(|one| one.grant.clone())
    }

    /// What a refresh token stands for, the first time. The second time it has been stolen, as a
    /// code has.
    pub(super) fn redeem_refresh_token(&self, token: &str) -> Option<Grant> {
        let mut memory = self.memory();
        let found = memory.refresh_tokens.get_mut(token)?;
        let again = std::mem::replace(&mut found.used, true);
        let grant = found.grant.clone();
        if again {
            memory.forget_grants(|one| one.id == grant.id);
            return None;
        }
        Some(grant)
    }

    /// Takes a token back: a refresh token with all that came of it.
    pub(super) fn revoke(&self, token: &str) {
        let mut memory = self.memory();
        memory.access_tokens.remove(token);
        if let Some(RefreshToken { grant, .. }) = memory.refresh_tokens.remove(token) {
            memory.forget_grants(|one| one.id == grant.id);
        }
    }
}

impl Memory {
    fn forget_what_has_expired(&mut self, now: DateTime<Utc>) {
        self.sessions
            .retain(|_, session| now < session.began + SESSION_LIFETIME);
        self.codes.retain(|_, code| now < code.expires);
        self.access_tokens.retain(|_, token| now < token.expires);
        self.refresh_tokens
            .retain(|_, token| now < token.grant.session.began + SESSION_LIFETIME);
    }

    fn forget_grants(&mut self, matches: impl Fn(&Grant) -> bool) {
        self.codes
            .retain(|_, code| code.used || !matches(&code.grant));
        self.access_tokens.retain(|_, token| !matches(&token.grant));
        self.refresh_tokens
            .retain(|_, token| !matches(&token.grant));
    }
}

/// 256 random bits, as base64url.
pub(super) fn random() -> anyhow::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
