//! Logout tokens (OpenID Connect Back-Channel Logout 1.0, sections 2.4 and 2.6).

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use openidconnect::core::CoreJsonWebKeySet;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use store_core::{SubjectId, UserSessionsFilter};

use super::SigningAlgorithm;
use super::jws::{Jws, JwsError, from_object};
use super::keys::session_id_of;

/// The member of `events` that makes a token a logout token.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
const MAX_LEN: usize = 16 * 1024;

/// What the header `typ` of a logout token has to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogoutTokenType {
    /// `logout+jwt`, and no other: what the standard recommends, so that no token made for another
    /// purpose can be taken for one.
    #[default]
    Required,
    /// `logout+jwt`, `JWT`, or none: for providers that write none. What else tells logout tokens
    /// from ID tokens, the event and the absence of a nonce, is checked all the same.
    Lenient,
}

/// What a logout token has to be.
#[derive(Clone, Debug)]
pub(super) struct LogoutTokenRules {
    pub(super) typ: LogoutTokenType,
    pub(super) issuer: String,
    pub(super) client_id: String,
    pub(super) algorithms: Vec<SigningAlgorithm>,
    pub(super) max_age: Duration,
    pub(super) clock_skew: Duration,
}

/// A logout token that the provider has made for this client, for now and for this purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogoutToken {
    /// The sessions that are to end.
    pub(super) filter: UserSessionsFilter,
    /// Its name: no two have the same.
    pub(super) id: String,
    /// From when on it is refused because of its age, whatever else.
    pub(super) refused_from: DateTime<Utc>,
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum LogoutTokenError {
    #[error("the token is longer than {MAX_LEN} bytes")]
    TooLong,
    #[error("the token is no signed JSON Web Token in compact form")]
    Malformed,
    #[error("the token is encrypted, which this client has not asked for")]
    Encrypted,
    #[error("the token asks for what this client does not support")]
    Unsupported,
    #[error("typ is not logout+jwt")]
    Type,
    #[error("the signing algorithm is not allowed")]
    Algorithm,
    #[error("no key of the provider's fits the token")]
    UnknownKey,
    #[error("the signature is not the provider's")]
    Signature,
    #[error("the claims are not what a logout token's are")]
    Claims,
    #[error("iss is not this client's provider")]
    Issuer,
    #[error("aud is not this client alone")]
    Audience,
    #[error("exp is missing or over")]
    Expired,
    #[error("iat is missing, in the future or too long ago")]
    IssuedAt,
    #[error("nbf is in the future")]
    NotBefore,
    #[error("events does not hold the back-channel logout event as an object")]
    Event,
    #[error("a logout token has no nonce")]
    Nonce,
    #[error("the token names neither sub nor sid")]
    Nobody,
    #[error("sub or sid is none that a session can have")]
    Name,
    #[error("jti is missing or empty")]
    Id,
}

impl From<JwsError> for LogoutTokenError {
    fn from(error: JwsError) -> Self {
        match error {
            JwsError::Malformed => Self::Malformed,
            JwsError::Encrypted => Self::Encrypted,
            JwsError::Unsupported => Self::Unsupported,
            JwsError::Algorithm => Self::Algorithm,
            JwsError::UnknownKey => Self::UnknownKey,
            JwsError::Signature => Self::Signature,
        }
    }
}

/// The claims, each as it stands there: a claim that is `null` is there, too. A claim that stands
/// there twice makes the token malformed.
#[derive(Debug, Deserialize)]
struct Claims {
    #[serde(default, deserialize_with = "present")]
    iss: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    aud: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    exp: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    iat: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    nbf: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    jti: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    events: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    nonce: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    sub: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    sid: Option<Value>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl LogoutToken {
    /// Checks a token by these rules at this time.
    pub(super) fn verify(
        token: &str,
        keys: &CoreJsonWebKeySet,
        rules: &LogoutTokenRules,
        now: DateTime<Utc>,
    ) -> Result<Self, LogoutTokenError> {
        if token.len() > MAX_LEN {
            return Err(LogoutTokenError::TooLong);
        }
        let token = Jws::parse(token)?;
        if !rules.typ.allows(token.typ()) {
            return Err(LogoutTokenError::Type);
        }
        let payload = token.verify(keys, &rules.algorithms)?;
        let claims: Claims = from_object(payload).ok_or(LogoutTokenError::Claims)?;
        rules.check(claims, now)
    }
}

impl LogoutTokenType {
    fn allows(self, typ: Option<&str>) -> bool {
        let is = |name: &str, typ: &str| {
            // Media types may leave out "application/", and know no case (RFC 7515 section 4.1.9).
            let typ = typ.to_ascii_lowercase();
            typ.strip_prefix("application/").unwrap_or(&typ) == name
        };
        match (self, typ) {
            (_, Some(typ)) if is("logout+jwt", typ) => true,
            (Self::Lenient, Some(typ)) => is("jwt", typ),
            (Self::Lenient, None) => true,
            (Self::Required, _) => false,
        }
    }
}

impl LogoutTokenRules {
    fn check(&self, claims: Claims, now: DateTime<Utc>) -> Result<LogoutToken, LogoutTokenError> {
        if claims.iss.as_ref().and_then(Value::as_str) != Some(&self.issuer) {
            return Err(LogoutTokenError::Issuer);
        }
        if !claims.aud.is_some_and(|aud| self.is_for_this_client(&aud)) {
            return Err(LogoutTokenError::Audience);
        }
        let skew = delta(self.clock_skew);
        let expires = claims.exp.as_ref().and_then(numeric_date);
        let expires = expires
            .and_then(|expires| expires.checked_add_signed(skew))
            .filter(|expires| now < *expires)
            .ok_or(LogoutTokenError::Expired)?;
        let too_old = claims
            .iat
            .as_ref()
            .and_then(numeric_date)
            .filter(|issued| *issued <= now + skew)
            .and_then(|issued| issued.checked_add_signed(delta(self.max_age) + skew))
            .filter(|too_old| now < *too_old)
            .ok_or(LogoutTokenError::IssuedAt)?;
        if let Some(not_before) = &claims.nbf {
            numeric_date(not_before)
                .filter(|not_before| *not_before <= now + skew)
                .ok_or(LogoutTokenError::NotBefore)?;
        }
        let event = claims
            .events
            .as_ref()
            .and_then(Value::as_object)
            .and_then(|events| events.get(EVENT));
        if !event.is_some_and(Value::is_object) {
            return Err(LogoutTokenError::Event);
        }
        if claims.nonce.is_some() {
            return Err(LogoutTokenError::Nonce);
        }
        let filter = whom(claims.sub.as_ref(), claims.sid.as_ref())?;
        let id = claims.jti.as_ref().and_then(Value::as_str);
        let id = id
            .filter(|id| !id.is_empty())
            .ok_or(LogoutTokenError::Id)?
            .to_owned();
        Ok(LogoutToken {
            filter,
            id,
            refused_from: expires.min(too_old),
        })
    }

    fn is_for_this_client(&self, aud: &Value) -> bool {
        match aud {
            Value::String(aud) => *aud == self.client_id,
            // As with ID tokens, others whom this client does not trust may not be in it (OpenID
            // Connect Core 3.1.3.7), and it trusts none.
            Value::Array(all) => {
                !all.is_empty() && all.iter().all(|aud| aud.as_str() == Some(&self.client_id))
            }
            _ => false,
        }
    }
}

fn whom(sub: Option<&Value>, sid: Option<&Value>) -> Result<UserSessionsFilter, LogoutTokenError> {
    let text = |claim: &Value| claim.as_str().map(str::to_owned);
    let text = |claim: Option<&Value>| match claim {
        Some(claim) => text(claim).map(Some).ok_or(LogoutTokenError::Name),
        None => Ok(None),
    };
    let subject_id = text(sub)?.map(SubjectId::try_from).transpose();
    let session_id = text(sid)?.map(|sid| session_id_of(&sid)).transpose();
    let (Ok(subject_id), Ok(session_id)) = (subject_id, session_id) else {
        return Err(LogoutTokenError::Name);
    };
    UserSessionsFilter::try_new(subject_id, session_id).map_err(|_| LogoutTokenError::Nobody)
}

/// Seconds since 1970 (RFC 7519 section 2), of which fractions do not matter here.
fn numeric_date(value: &Value) -> Option<DateTime<Utc>> {
    let Value::Number(number) = value else {
        return None;
    };
    let seconds = match number.as_i64() {
        Some(seconds) => seconds,
        // `as` saturates, and what is out of the calendar is no time.
        None => number.as_f64()?.floor() as i64,
    };
    DateTime::from_timestamp(seconds, 0)
}

/// Up to a century, so that sums stay within the calendar.
fn delta(duration: Duration) -> TimeDelta {
    const CENTURY: TimeDelta = TimeDelta::days(36_525);
    TimeDelta::from_std(duration).map_or(CENTURY, |delta| delta.min(CENTURY))
}

#[cfg(test)]
mod tests;
