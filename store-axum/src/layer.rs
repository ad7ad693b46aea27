//! The layer and its service.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::response::IntoResponse;
use http::request::Parts;
use http::{HeaderMap, Request, Response};
use store_core::BoxError;
use store_tickets::{ServerSideTicketStore, SessionRevocation, StoredTicket};
use tower_layer::Layer;
use tower_service::Service;

use crate::extract::AnyContext;
use crate::front_ends::{self, Nowhere};
use crate::options::{Options, Place};
use crate::{
    Antiforgery, CookieOptions, FrontEnds, SessionContext, SessionData, SessionHeaders,
    SessionRejection,
};

/// Server-side sessions for every route below this layer.
///
/// # What it does
/// - **It loads lazily**: a request whose handler does not ask for its session touches no
///   database, and one that asks several times asks the store once.
/// - **It saves what changed before the response leaves.** If that fails, the handler's answer is
///   replaced by the failure, [`SessionRejection`]: no success is told that has not happened. After
///   a handler that failed itself, with a status of 500 or above, nothing is saved.
/// - **It renews** a session that was asked for, if that is due, when the response leaves, unless
///   the handler said [`do_not_renew`](SessionContext::do_not_renew). If that fails, the next
///   request tries again.
/// - **It answers 503 with `Retry-After`** when the store is not to be had. A session that cannot
///   be loaded is not taken for one that is not there: no visitor's session is put over it.
/// - **It removes dead cookies**: if the session was asked for and has ended, the browser forgets
///   it. Where a page's script fetches something (`Sec-Fetch-Mode`), that is left to the next
///   navigation, since another tab may be signing in, whose new cookie would go with the dead one.
///   For the same reason no visitor's session begins there: what such a request writes is
///   [`Ended`](SessionRejection::Ended), 401.
/// - **It brings nothing back**: where a session ends while the request runs, whoever ended it has
///   told the browser, and this response neither writes it nor touches the cookie.
/// - **It keeps caches out**: a response that sets a cookie has `Cache-Control: no-store`, unless it
///   says `no-store` or `private` itself, and one whose session was asked for `Vary: Cookie`.
///
/// Cookies are appended, so that those which the host sets stay. The body is passed on as it is,
/// and never read.
///
/// # Where it goes
/// Outside of whatever asks for sessions, inside of what must answer without a store. With axum's
/// `Router::layer` it runs after routing. It needs no state and no other layer. Where a clone of it
/// stands inside of another, the outer one does the work.
pub struct ServerSideSessions<T> {
    setup: Arc<Setup<T>>,
}

#[derive(Debug)]
pub(crate) struct Setup<T> {
    pub(crate) options: Options<T>,
    places: Vec<Arc<Place<T>>>,
}

impl<T: SessionData> ServerSideSessions<T> {
    /// These sessions, with safe cookies and everything else at its defaults.
    pub fn new(tickets: ServerSideTicketStore<T>) -> Self {
        Self::with(Options {
            tickets,
            revocation: None,
            cookie: CookieOptions::default(),
            headers: None,
            front_ends: None,
            antiforgery: Antiforgery::default(),
            retry_after: Duration::from_secs(5),
        })
    }

    fn with(options: Options<T>) -> Self {
        let places = options.places();
        let setup = Arc::new(Setup { options, places });
        Self { setup }
    }

    fn changed(self, change: impl FnOnce(&mut Options<T>)) -> Self {
        let mut options = self.setup.options.clone();
        change(&mut options);
        Self::with(options)
    }

    /// The cookies' names and attributes. Default: [`CookieOptions::default`].
    #[must_use]
    pub fn cookie(self, cookie: CookieOptions) -> Self {
        if cookie.is_insecure() {
            tracing::warn!("session cookies are insecure: this is for development on localhost");
        }
        self.changed(|options| options.cookie = cookie)
    }

    /// How sessions end at a logout, with their refresh tokens. It is put into each request's
    /// partition. Default: refresh tokens stay as they are.
    #[must_use]
    pub fn revocation(self, revocation: SessionRevocation<T>) -> Self {
        self.changed(|options| options.revocation = Some(revocation))
    }

    /// Which partition a request belongs to, by its host name or its path. Default: all requests
    /// belong to the tickets' own.
    #[must_use]
    pub fn front_ends(self, front_ends: FrontEnds) -> Self {
        self.changed(|options| options.front_ends = Some(front_ends))
    }

    /// Takes session ids from headers too. Default: it does not.
    #[must_use]
    pub fn headers(self, headers: SessionHeaders) -> Self {
        self.changed(|options| options.headers = Some(headers))
    }

    /// The header that [`RequireAntiforgery`](crate::RequireAntiforgery) asks for. Default:
    /// `X-CSRF: 1`.
    #[must_use]
    pub fn antiforgery(self, antiforgery: Antiforgery) -> Self {
        self.changed(|options| options.antiforgery = antiforgery)
    }

    /// When clients are to try again after a 503, in whole seconds, at least one. Default: 5
    /// seconds.
    #[must_use]
    pub fn retry_after(self, retry_after: Duration) -> Self {
        self.changed(|options| options.retry_after = retry_after)
    }

    /// The session of a request outside of any handler: for background work, web sockets and other
    /// frameworks. Nothing is loaded yet.
    ///
    /// Whoever opens it has to [close](SessionContext::close) it and to send the headers that this
    /// answers.
    ///
    /// # Errors
    /// [`SessionRejection::UnknownHost`], [`SessionRejection::UnknownPath`],
    /// [`SessionRejection::NotLocalhost`].
    pub fn open(&self, request: &Parts) -> Result<SessionContext<T>, SessionRejection> {
        let setup = &self.setup;
        let options = &setup.options;
        if options.cookie.is_insecure() && !front_ends::is_local(request) {
            return Err(SessionRejection::NotLocalhost);
        }
        let index = match &options.front_ends {
            None => 0,
            Some(front_ends) => front_ends.find(request).map_err(|nowhere| match nowhere {
                Nowhere::Host => SessionRejection::UnknownHost,
                Nowhere::Path => SessionRejection::UnknownPath,
            })?,
        };
        let place = Arc::clone(&setup.places[index]);
        Ok(SessionContext::open(
            Arc::clone(setup),
            place,
            &request.headers,
        ))
    }

    /// The session of a request, or a visitor's new one, outside of any handler; and the headers
    /// that the response has to have, so that the browser gets its cookie.
    ///
    /// # Errors
    /// As [`open`](Self::open) and [`SessionContext::get_or_create`].
    pub async fn get_or_create(
        &self,
        request: &Parts,
    ) -> Result<(StoredTicket<T>, HeaderMap), SessionRejection> {
        let context = self.open(request)?;
        let stored = context.get_or_create().await?;
        let headers = context.close().await?;
        Ok((stored, headers))
    }
}

impl<T> Clone for ServerSideSessions<T> {
    fn clone(&self) -> Self {
        Self {
            setup: Arc::clone(&self.setup),
        }
    }
}

impl<T> fmt::Debug for ServerSideSessions<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerSideSessions")
            .field("cookie", &self.setup.options.cookie)
            .field("headers", &self.setup.options.headers)
            .field("front_ends", &self.setup.options.front_ends)
            .finish_non_exhaustive()
    }
}

impl<S, T> Layer<S> for ServerSideSessions<T> {
    type Service = ServerSideSessionsService<S, T>;

    fn layer(&self, inner: S) -> Self::Service {
        ServerSideSessionsService {
            inner,
            sessions: self.clone(),
        }
    }
}

/// What [`ServerSideSessions`] makes of a service.
pub struct ServerSideSessionsService<S, T> {
    inner: S,
    sessions: ServerSideSessions<T>,
}

impl<S: Clone, T> Clone for ServerSideSessionsService<S, T> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            sessions: self.sessions.clone(),
        }
    }
}

impl<S: fmt::Debug, T> fmt::Debug for ServerSideSessionsService<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerSideSessionsService")
            .field("inner", &self.inner)
            .field("sessions", &self.sessions)
            .finish()
    }
}

impl<S, T, ReqBody, ResBody> Service<Request<ReqBody>> for ServerSideSessionsService<S, T>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Future: Send,
    T: SessionData,
    ReqBody: Send + 'static,
    ResBody: HttpBody<Data = Bytes> + Send + 'static,
    ResBody::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        // The one that is ready is called; its clone may not be.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let sessions = self.sessions.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let around = parts.extensions.get::<SessionContext<T>>();
            if around.is_some_and(|context| context.is_of(&sessions.setup)) {
                let response = inner.call(Request::from_parts(parts, body)).await?;
                return Ok(response.map(Body::new));
            }
            let context = match sessions.open(&parts) {
                Ok(context) => context,
                Err(rejection) => return Ok(rejection.into_response()),
            };
            let antiforgery = sessions.setup.options.antiforgery.clone();
            parts.extensions.insert(antiforgery);
            parts.extensions.insert(AnyContext::new(context.clone()));
            parts.extensions.insert(context.clone());
            let response = inner.call(Request::from_parts(parts, body)).await?;
            let response = response.map(Body::new);
            Ok(context.leave(response).await)
        })
    }
}
