//! What the host asks of the provider beside signing users in: new access tokens, and the address
//! at which an API learns whom a token speaks for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use http::StatusCode;
use openidconnect::core::{CoreClient, CoreErrorResponseType, CoreProviderMetadata};
use openidconnect::{
    ClientId, ClientSecret, EndpointMaybeSet, EndpointNotSet, EndpointSet, IssuerUrl,
    OAuth2TokenResponse as _, RefreshToken, RequestTokenError,
};
use store_axum::{SessionContext, SessionRejection};
use store_core::{UserKey, UserSessionsFilter};
use store_tickets::{StoredTicket, Token};
use tokio::sync::{Mutex as AsyncMutex, OnceCell};
use url::Url;

use crate::problem::Problem;
use crate::session::{Refused, Visit, signed_in};

/// An access token is refreshed this long before it expires: it has to last on its way.
const EARLY: TimeDelta = TimeDelta::seconds(20);

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// The provider, as the host's own code asks it.
#[derive(Debug)]
pub(crate) struct Identity {
    issuer: IssuerUrl,
    client_id: ClientId,
    client_secret: Option<ClientSecret>,
    http: reqwest::Client,
    metadata: OnceCell<CoreProviderMetadata>,
    /// One at a time for each session: a refresh token is good for one use, and a provider that
    /// sees it twice takes everything back.
    refreshing: Mutex<HashMap<UserKey, Weak<AsyncMutex<()>>>>,
}

impl Identity {
    pub(crate) fn new(
        issuer: &str,
        client_id: &str,
        client_secret: Option<&str>,
        http: reqwest::Client,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            issuer: IssuerUrl::new(issuer.to_owned())?,
            client_id: ClientId::new(client_id.to_owned()),
            client_secret: client_secret.map(|secret| ClientSecret::new(secret.to_owned())),
            http,
            metadata: OnceCell::new(),
            refreshing: Mutex::default(),
        })
    }

    /// Where an API learns whom an access token speaks for.
    pub(crate) async fn user_info_endpoint(&self) -> anyhow::Result<Url> {
        let endpoint = self.metadata().await?.userinfo_endpoint();
        let endpoint = endpoint.context("the provider has no user-info endpoint")?;
        Ok(endpoint.url().clone())
    }

    /// An access token of the request's session that is good for now, refreshed if need be. With
    /// `refused`, one that is not this.
    pub(crate) async fn access_token(
        self: &Arc<Self>,
        context: &SessionContext<Visit>,
        refused: Option<&Token>,
    ) -> Result<Token, Refused> {
        let session = signed_in(context).await?;
        if let Some(token) = usable(&session, refused, context.now()) {
            return Ok(token);
        }
        // A browser that hangs up now must not lose what the provider gives once.
        let this = Arc::clone(self);
        let context = context.clone();
        let refused = refused.cloned();
        let work = async move { this.refresh(&context, session, refused.as_ref()).await };
        tokio::spawn(work).await.map_err(Problem::from)?
    }

    async fn refresh(
        &self,
        context: &SessionContext<Visit>,
        session: StoredTicket<Visit>,
        refused: Option<&Token>,
    ) -> Result<Token, Refused> {
        let turn = self.turn(&session.key().user_key);
        let _turn = turn.lock().await;
        // What another request has made of it while this one waited.
        let session = again(context, &session).await?;
        if let Some(token) = usable(&session, refused, context.now()) {
            return Ok(token);
        }
        let Some(refresh) = &session.ticket.tokens.refresh else {
            return Err(sign_in_again());
        };
        let client = self.client().await?;
        let old = RefreshToken::new(refresh.expose().to_owned());
        let request = client.exchange_refresh_token(&old).map_err(Problem::from)?;
        let answer = match request.request_async(&self.http).await {
            Ok(answer) => answer,
            Err(RequestTokenError::ServerResponse(error))
                if *error.error() == CoreErrorResponseType::InvalidGrant =>
            {
                return self.refreshed_elsewhere(context, &session, refused).await;
            }
            Err(error) => return Err(no_answer(&error)),
        };
        let access = Token::new(answer.access_token().secret());
        let lifetime = answer
            .expires_in()
            .and_then(|it| TimeDelta::from_std(it).ok());
        let access = match lifetime {
            Some(lifetime) => access.with_expires(context.now() + lifetime),
            None => access,
        };
        let refresh = answer.refresh_token().map(|new| Token::new(new.secret()));
        let kept = context.modify(|ticket| {
            ticket.tokens.access = Some(access.clone());
            if let Some(refresh) = &refresh {
                ticket.tokens.refresh = Some(refresh.clone());
            }
        });
        kept.await?.ok_or(SessionRejection::Ended)?;
        Ok(access)
    }

    /// The refresh token was used up. If another node has used it, the session has a new one.
    async fn refreshed_elsewhere(
        &self,
        context: &SessionContext<Visit>,
        before: &StoredTicket<Visit>,
        refused: Option<&Token>,
    ) -> Result<Token, Refused> {
        let session = again(context, before).await?;
        usable(&session, refused, context.now()).ok_or_else(sign_in_again)
    }

    fn turn(&self, session: &UserKey) -> Arc<AsyncMutex<()>> {
        let refreshing = self.refreshing.lock();
        let mut refreshing = refreshing.unwrap_or_else(PoisonError::into_inner);
        refreshing.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = refreshing.get(session).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        refreshing.insert(session.clone(), Arc::downgrade(&turn));
        turn
    }

    async fn metadata(&self) -> anyhow::Result<&CoreProviderMetadata> {
        let ask = || CoreProviderMetadata::discover_async(self.issuer.clone(), &self.http);
        let metadata = self.metadata.get_or_try_init(ask).await;
        metadata.context("the provider says nothing of itself")
    }

    async fn client(&self) -> Result<Client, Problem> {
        let metadata = self.metadata().await?.clone();
        let secret = self.client_secret.clone();
        let client_id = self.client_id.clone();
        Ok(CoreClient::from_provider_metadata(
            metadata, client_id, secret,
        ))
    }
}

/// The session's access token, unless it is about to expire or is the one that was refused.
fn usable(
    session: &StoredTicket<Visit>,
    refused: Option<&Token>,
    now: DateTime<Utc>,
) -> Option<Token> {
    let token = session.ticket.tokens.access.as_ref();
    let token = token.filter(|token| !token.is_expired(now + EARLY));
    token.filter(|token| refused != Some(*token)).cloned()
}

/// The same session as it stands in the store now.
async fn again(
    context: &SessionContext<Visit>,
    session: &StoredTicket<Visit>,
) -> Result<StoredTicket<Visit>, SessionRejection> {
    let subject = session.ticket.subject_id().cloned();
    let filter = UserSessionsFilter::try_new(subject, session.ticket.session_id().cloned());
    let filter = filter.map_err(|_| SessionRejection::NotSignedIn)?;
    let found = context.tickets().get_user_tickets(&filter).await;
    let found = found.map_err(|error| context.reject(error))?;
    let same = found.into_iter().find(|one| one.key() == session.key());
    same.ok_or(SessionRejection::Ended)
}

fn sign_in_again() -> Refused {
    Problem::forbidden("The provider gives this session no more access tokens: sign in again.")
        .into()
}

fn no_answer(error: &(dyn std::error::Error + 'static)) -> Refused {
    tracing::error!(error, "the provider refreshes no access token");
    Problem::new(StatusCode::BAD_GATEWAY, "The provider does not answer.").into()
}
