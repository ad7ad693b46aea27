//! Telling the client who has signed out: OpenID Connect Back-Channel Logout 1.0.

use serde_json::{Value, json};

use super::state::{Session, State, random};

/// Whose sessions are over.
pub(super) enum Whom<'a> {
    /// One session: named by `sub` and `sid`.
    Session(&'a Session),
    /// All of a subject's: named by `sub` alone.
    Subject(&'a str),
}

/// Sends the client a logout token. That it does not answer is logged and no more: the user has
/// signed out at the provider all the same.
pub(super) async fn tell(state: &State, whom: Whom<'_>) -> anyhow::Result<()> {
    let token = logout_token(state, whom)?;
    let target = state.client.back_channel_logout_uri.clone();
    let answer = state
        .http
        .post(target)
        .form(&[("logout_token", token)])
        .send()
        .await
        .and_then(reqwest::Response::error_for_status);
    if let Err(error) = answer {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the client was not told of a logout"
        );
    }
    Ok(())
}

fn logout_token(state: &State, whom: Whom<'_>) -> anyhow::Result<String> {
    let now = state.now().timestamp();
    let mut claims = json!({
        "iss": state.issuer,
        "aud": state.client.id,
        "iat": now,
        "exp": now + 120,
        "jti": random()?,
        "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
    });
    match whom {
        Whom::Session(session) => {
            claims["sub"] = Value::String(session.sub.clone());
            claims["sid"] = Value::String(session.sid.clone());
        }
        Whom::Subject(sub) => claims["sub"] = sub.into(),
    }
    state.key.sign("logout+jwt", &claims)
}
