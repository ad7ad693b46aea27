//! Access tokens that last.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use store_core::{UserSessionKey, UserSessionsFilter};
use store_tickets::{AuthenticationTicket, SessionBag, StoredTicket, Token, Tokens};

use super::OpenIdClients;
use super::provider::Provider;
use super::refusal::Refusal;
use super::registration::{Failure, Registration, Renewed};
use super::signed_in::signed_in;
use crate::{SessionContext, SessionData, SessionRejection};

/// Where a session says that somebody is renewing its tokens, and until when he may.
const CLAIM: &str = "store-axum.renewal";
/// How long whoever renews may take before others take over: longer than
/// [the renewal](Registration::RENEWAL) and the [pauses](PAUSES) while its outcome is written.
const CLAIM_LIFETIME: TimeDelta = TimeDelta::seconds(30);
/// How long a session is left alone whose tokens could not be renewed.
const AFTER_A_FAILURE: TimeDelta = TimeDelta::seconds(5);
/// How long, and how often, those look who wait for another node.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const LOOKS: u32 = 150;
/// How long a store that is not to be had is left alone before it is tried again.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(400),
    Duration::from_millis(1600),
    Duration::from_millis(3200),
];

const _: () = {
    let mut pauses = 0;
    let mut next = 0;
    while next < PAUSES.len() {
        pauses += PAUSES[next].as_millis();
        next += 1;
    }
    let renewal = Registration::RENEWAL.as_millis() + pauses;
    assert!(renewal < CLAIM_LIFETIME.num_milliseconds().unsigned_abs() as u128);
};

/// Access tokens for calls of the user's APIs, renewed in time (RFC 6749 section 6).
///
/// However many requests of a session ask at once, on however many nodes, **one** renews. The
/// others get the token that there is, as long as it is good, and then what the one got: many
/// providers take a refresh token that is used twice for a stolen one and end everything that came
/// of it. A renewal goes on if the browser hangs up, since what it brings would otherwise be lost; a
/// session that ends meanwhile stays over, and what was brought is given back. Where a renewal was in
/// vain, the session is left alone for 5 seconds. The refresh token goes only when the provider
/// says that it is none (`invalid_grant`).
///
/// A clone is the same.
///
/// ```no_run
/// # use store_axum::SessionContext;
/// use store_axum::openid_connect::{AccessTokenError, AccessTokens};
///
/// async fn call(tokens: &AccessTokens, session: &SessionContext<()>) -> Result<String, AccessTokenError> {
///     let token = tokens.fresh(session).await?;
///     Ok(format!("Bearer {}", token.expose()))
/// }
/// ```
#[derive(Clone, Debug)]
pub struct AccessTokens {
    clients: OpenIdClients,
    margin: TimeDelta,
    lines: Arc<Lines>,
}

/// Why there is no access token. As a response each has its status, and a body as
/// [`SessionRejection`] has.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessTokenError {
    /// Nobody is signed in: 401.
    #[error("nobody is signed in")]
    NotSignedIn,
    /// There is none, or it is over and cannot be renewed: the user is to sign in again, 401.
    #[error("the access token is over and cannot be renewed")]
    SignInAgain,
    /// The provider cannot be asked for another: 503 with `Retry-After`.
    #[error("the access token cannot be renewed just now")]
    Unavailable(#[source] store_core::BoxError),
    /// The session cannot be read or written.
    #[error(transparent)]
    Session(#[from] SessionRejection),
}

impl AccessTokens {
    /// Those that these clients' providers give.
    pub fn new(clients: OpenIdClients) -> Self {
        Self {
            clients,
            margin: TimeDelta::seconds(60),
            lines: Arc::default(),
        }
    }

    /// How long before its end a token is renewed. Default: 60 seconds.
    #[must_use]
    pub fn with_margin(self, margin: Duration) -> Self {
        const LONGEST: TimeDelta = TimeDelta::days(1);
        Self {
            margin: TimeDelta::from_std(margin).map_or(LONGEST, |one| one.min(LONGEST)),
            ..self
        }
    }

    /// The session's access token, renewed if it is about to end.
    ///
    /// # Errors
    /// [`AccessTokenError`]. A token that is still good is handed out even if it cannot be renewed.
    pub async fn fresh<T: SessionData>(
        &self,
        session: &SessionContext<T>,
    ) -> Result<Token, AccessTokenError> {
        let stored = signed_in(session, &self.clients).await?;
        let stored = stored.ok_or(AccessTokenError::NotSignedIn)?;
        if let Some(token) = self.lasting(&stored.ticket.tokens, session.now()) {
            return Ok(token);
        }
        let this = self.clone();
        let session = session.clone();
        let work = tokio::spawn(async move { this.renew(&session, &stored).await });
        match work.await {
            Ok(answer) => answer,
            Err(panic) => match panic.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is shutting down, and whoever waits with it.
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// The access token, if it is not about to end.
    fn lasting(&self, tokens: &Tokens, now: DateTime<Utc>) -> Option<Token> {
        let token = tokens.access.clone()?;
        (!token.is_expired(now + self.margin)).then_some(token)
    }

    async fn renew<T: SessionData>(
        &self,
        session: &SessionContext<T>,
        stored: &StoredTicket<T>,
    ) -> Result<Token, AccessTokenError> {
        match self.renew_in_turn(session, stored).await {
            Err(
                error @ (AccessTokenError::Unavailable(_)
                | AccessTokenError::Session(SessionRejection::Unavailable { .. })),
            ) => still_good(&stored.ticket.tokens, session.now()).ok_or(error),
            answer => answer,
        }
    }

    async fn renew_in_turn<T: SessionData>(
        &self,
        session: &SessionContext<T>,
        stored: &StoredTicket<T>,
    ) -> Result<Token, AccessTokenError> {
        let client = self.clients.of(&stored.key().partition_key);
        let client = client.ok_or(AccessTokenError::SignInAgain)?;
        // One at a time here; between nodes, what the session says.
        let line = self.lines.of(stored.key(), session.now());
        let mut failed = match line.try_lock() {
            Ok(first) => first,
            Err(_) => match still_good(&stored.ticket.tokens, session.now()) {
                Some(token) => return Ok(token),
                None => line.lock().await,
            },
        };
        for _ in 0..LOOKS {
            let Some(tokens) = look(session, stored).await? else {
                return Err(AccessTokenError::NotSignedIn);
            };
            let now = session.now();
            if let Some(token) = self.lasting(&tokens, now) {
                return Ok(token);
            }
            let good = still_good(&tokens, now);
            if tokens.refresh.is_none() {
                return good.ok_or(AccessTokenError::SignInAgain);
            }
            if failed.is_some_and(|failed| now < failed + AFTER_A_FAILURE) {
                return good.ok_or_else(|| unavailable("it could not be renewed a moment ago"));
            }
            // Before the claim, whose time it does not take then.
            let provider = match client.provider().await {
                Ok(provider) => provider,
                Err(error) => {
                    *failed = Some(session.now());
                    return good.ok_or_else(|| unavailable(error));
                }
            };
            match self.claim(session).await? {
                Claimed::Mine(refresh, claim) => {
                    let renewal = Renewal {
                        provider,
                        refresh,
                        claim,
                    };
                    let renewed = self.renew_with(session, stored, client, &renewal).await;
                    if let Err(AccessTokenError::Unavailable(_)) = renewed {
                        *failed = Some(session.now());
                    }
                    return renewed.or_else(|error| good.ok_or(error));
                }
                Claimed::Others => match good {
                    Some(token) => return Ok(token),
                    None => tokio::time::sleep(LOOK_EVERY).await,
                },
                Claimed::NotNeeded => {}
            }
        }
        Err(unavailable("another node is at it, and does not get done"))
    }

    /// Says in the session that its tokens are being renewed, unless somebody else says so.
    async fn claim<T: SessionData>(
        &self,
        session: &SessionContext<T>,
    ) -> Result<Claimed, AccessTokenError> {
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).map_err(unavailable)?;
        let nonce = URL_SAFE_NO_PAD.encode(nonce);
        let claimed = session.modify(|ticket| {
            let now = session.now();
            let until = Claim::of(&ticket.bag).map(|claim| claim.until);
            if until.is_some_and(|until| now.timestamp_micros() < until) {
                return Claimed::Others;
            }
            let is_lasting = self.lasting(&ticket.tokens, now).is_some();
            let Some(refresh) = ticket.tokens.refresh.clone().filter(|_| !is_lasting) else {
                return Claimed::NotNeeded;
            };
            let claim = Claim {
                until: (now + CLAIM_LIFETIME).timestamp_micros(),
                nonce: nonce.clone(),
            };
            match ticket.bag.set(CLAIM, &claim) {
                Ok(()) => Claimed::Mine(refresh, claim),
                Err(_) => Claimed::NotNeeded,
            }
        });
        claimed.await?.ok_or(AccessTokenError::NotSignedIn)
    }

    async fn renew_with<T: SessionData>(
        &self,
        session: &SessionContext<T>,
        stored: &StoredTicket<T>,
        client: &Arc<Registration>,
        renewal: &Renewal,
    ) -> Result<Token, AccessTokenError> {
        let renewed = client
            .renew(
                &renewal.provider,
                &renewal.refresh,
                stored.ticket.subject_id(),
            )
            .await;
        // What the provider has given is given back wherever no session keeps it.
        let kept = self.keep(session, renewal, &renewed).await?;
        match (renewed, kept) {
            (Ok(renewed), Some(true)) => {
                renewed.unkept.kept();
                Ok(renewed.access)
            }
            // The session has ended, or has other tokens now.
            (Ok(_), _) | (Err(_), None) => Err(AccessTokenError::NotSignedIn),
            (Err(Failure::Refused(_)), Some(true)) => Err(AccessTokenError::SignInAgain),
            // Another node has taken over, or the provider has said nothing of the token.
            (Err(failure), Some(_)) => Err(unavailable(failure)),
        }
    }

    /// Writes down what a renewal has brought. What the provider has given is given, and the old
    /// refresh token may be good for nothing any more, so a store that is not to be had is tried
    /// again for a while.
    async fn keep<T: SessionData>(
        &self,
        session: &SessionContext<T>,
        renewal: &Renewal,
        renewed: &Result<Renewed, Failure>,
    ) -> Result<Option<bool>, SessionRejection> {
        let mut pauses = PAUSES.iter();
        loop {
            let kept = session.modify(|ticket| keep(ticket, renewal, renewed));
            match (kept.await, pauses.next()) {
                (Err(SessionRejection::Unavailable { .. }), Some(pause)) => {
                    tokio::time::sleep(*pause).await;
                }
                (kept, _) => return kept,
            }
        }
    }
}

/// That somebody renews the session's tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Claim {
    /// In microseconds.
    until: i64,
    /// Whose it is.
    nonce: String,
}

impl Claim {
    fn of(bag: &SessionBag) -> Option<Self> {
        bag.get(CLAIM).ok().flatten()
    }
}

/// A renewal that is under way.
struct Renewal {
    provider: Arc<Provider>,
    refresh: Token,
    claim: Claim,
}

enum Claimed {
    Mine(Token, Claim),
    Others,
    NotNeeded,
}

/// What the session keeps at the moment, which may be more than this request knows.
async fn look<T: SessionData>(
    session: &SessionContext<T>,
    stored: &StoredTicket<T>,
) -> Result<Option<Tokens>, AccessTokenError> {
    let ticket = &stored.ticket;
    let Some(subject_id) = ticket.subject_id() else {
        return Ok(None);
    };
    let filter = UserSessionsFilter::for_subject(subject_id.clone());
    let filter = match ticket.session_id() {
        Some(session_id) => filter.and_session(session_id.clone()),
        None => filter,
    };
    let found = session.tickets().get_user_tickets(&filter).await;
    let found = found.map_err(|error| session.reject(error))?;
    let same = found.into_iter().find(|one| one.key() == stored.key());
    Ok(same.map(|one| one.ticket.tokens))
}

/// Puts into the session what a renewal has brought, if it still is the session that was renewed.
fn keep<T>(
    ticket: &mut AuthenticationTicket<T>,
    renewal: &Renewal,
    renewed: &Result<Renewed, Failure>,
) -> bool {
    let is_mine = Claim::of(&ticket.bag).as_ref() == Some(&renewal.claim);
    if is_mine {
        ticket.bag.remove(CLAIM);
    }
    if let Ok(renewed) = renewed
        && ticket.tokens.access.as_ref() == Some(&renewed.access)
    {
        // An earlier try was said to have failed, and had not.
        return true;
    }
    if ticket.tokens.refresh.as_ref() != Some(&renewal.refresh) {
        return false;
    }
    match renewed {
        Ok(renewed) => {
            ticket.tokens.access = Some(renewed.access.clone());
            if let Some(refresh) = &renewed.refresh {
                ticket.tokens.refresh = Some(refresh.clone());
            }
            if let Some(id) = &renewed.id {
                ticket.tokens.id = Some(id.clone());
            }
        }
        // It will never be of use again. Whoever has taken over may have used it meanwhile, and
        // brings another.
        Err(Failure::Refused(_)) if is_mine => ticket.tokens.refresh = None,
        Err(Failure::Refused(_)) => return false,
        Err(_) => {}
    }
    true
}

fn still_good(tokens: &Tokens, now: DateTime<Utc>) -> Option<Token> {
    tokens.access.clone().filter(|token| !token.is_expired(now))
}

fn unavailable(why: impl Into<store_core::BoxError>) -> AccessTokenError {
    AccessTokenError::Unavailable(why.into())
}

impl IntoResponse for AccessTokenError {
    fn into_response(self) -> Response {
        match self {
            Self::NotSignedIn | Self::SignInAgain => SessionRejection::NotSignedIn.into_response(),
            Self::Unavailable(source) => {
                let failure = Failure::NoAnswer(source);
                Refusal::NoProvider(Some(failure)).into_problem()
            }
            Self::Session(rejection) => rejection.into_response(),
        }
    }
}

/// When a session's tokens could last not be renewed, for whoever stands first in its line.
type Line = tokio::sync::Mutex<Option<DateTime<Utc>>>;

/// Who waits for whom in this process, by session.
#[derive(Debug, Default)]
struct Lines(Mutex<HashMap<UserSessionKey, Arc<Line>>>);

impl Lines {
    /// How many are kept before those are looked for that are of no use any more.
    const MANY: usize = 1024;

    fn of(&self, key: &UserSessionKey, now: DateTime<Utc>) -> Arc<Line> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.get(key) {
            return Arc::clone(line);
        }
        if lines.len() >= Self::MANY {
            // Where nobody stands, and nothing has failed a moment ago.
            lines.retain(|_, line| {
                Arc::strong_count(line) > 1
                    || line.try_lock().is_ok_and(|failed| {
                        failed.is_some_and(|failed| now < failed + AFTER_A_FAILURE)
                    })
            });
        }
        let line = Arc::default();
        lines.insert(key.clone(), Arc::clone(&line));
        line
    }
}

#[cfg(test)]
mod tests {
    use openidconnect::core::CoreJsonWebKeySet;

    use super::*;
    use crate::openid_connect::OpenIdClient;

    fn claim(nonce: &str) -> Claim {
        Claim {
            until: 1,
            nonce: nonce.to_owned(),
        }
    }

    fn renewal(claim: Claim) -> Renewal {
        let client = OpenIdClient::new("https://op.test", "app", "https://app.test");
        let client = client.expect("a client");
        let keys = CoreJsonWebKeySet::new(Vec::new());
        Renewal {
            provider: Arc::new(Provider::with_keys_alone(&client, keys)),
            refresh: Token::new("refresh"),
            claim,
        }
    }

    fn ticket(claim: &Claim, refresh: &str) -> AuthenticationTicket<()> {
        let tokens = Tokens {
            refresh: Some(Token::new(refresh)),
            ..Tokens::default()
        };
        let mut ticket = AuthenticationTicket::anonymous(()).with_tokens(tokens);
        ticket.bag.set(CLAIM, claim).expect("it can be encoded");
        ticket
    }

    /// Keeps what a renewal with the claim "mine" has brought. Whether it was kept, whose claim
    /// there is then, and which refresh token.
    fn kept(whose: &str, refresh: &str, failure: Failure) -> (bool, String, String) {
        let mut ticket = ticket(&claim(whose), refresh);
        let kept = keep(&mut ticket, &renewal(claim("mine")), &Err(failure));
        let claim = Claim::of(&ticket.bag).map(|claim| claim.nonce);
        let refresh = ticket.tokens.refresh;
        (
            kept,
            claim.unwrap_or_default(),
            refresh.map_or(String::new(), |token| token.expose().to_owned()),
        )
    }

    #[test]
    fn whoever_has_lost_his_claim_takes_nothing_away() {
        let result = |kept, claim: &str, refresh: &str| (kept, claim.into(), refresh.into());
        let refused = || Failure::Refused("invalid_grant".to_owned());
        assert_eq!(kept("mine", "refresh", refused()), result(true, "", ""));
        assert_eq!(
            kept("another", "refresh", refused()),
            result(false, "another", "refresh")
        );
        assert_eq!(kept("mine", "newer", refused()), result(false, "", "newer"));
        let no_answer = || Failure::NoAnswer("it is late".into());
        assert_eq!(
            kept("mine", "refresh", no_answer()),
            result(true, "", "refresh")
        );
        assert_eq!(
            kept("another", "refresh", no_answer()),
            result(true, "another", "refresh")
        );
    }
}
