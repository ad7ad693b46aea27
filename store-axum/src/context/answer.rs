//! What the response says of the session.

use std::error::Error as StdError;
use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::response::IntoResponse;
use http::header::{CACHE_CONTROL, COOKIE, SET_COOKIE, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use store_tickets::{CookieSecret, Renewal, SessionKind};

use super::SessionContext;
use crate::cookies::Lasting;
use crate::presented::choice_name;
use crate::state::{Answer, Current, State};
use crate::{SessionData, SessionRejection};

impl<T: SessionData> SessionContext<T> {
    /// Ends the request's part in the session: saves what it has changed, renews the session if
    /// that is due, and answers the headers that its response is to have, to be appended to those
    /// that are there. [`ServerSideSessions`](crate::ServerSideSessions) does this for requests
    /// that pass it; no session can begin afterwards.
    ///
    /// # Errors
    /// As [`save`](Self::save). Called again, this answers the headers all the same.
    pub async fn close(&self) -> Result<HeaderMap, SessionRejection> {
        self.settle(StatusCode::OK).await?;
        let mut headers = HeaderMap::new();
        self.tell(&mut headers).await?;
        Ok(headers)
    }

    /// Lets the response leave.
    pub(crate) async fn leave(&self, response: Response<Body>) -> Response<Body> {
        let mut response = match self.settle(response.status()).await {
            Ok(()) => response,
            Err(rejection) => rejection.into_response(),
        };
        if let Err(rejection) = self.tell(response.headers_mut()).await {
            response = rejection.into_response();
        }
        response
    }

    async fn settle(&self, status: StatusCode) -> Result<(), SessionRejection> {
        self.0.left.store(true, Ordering::Relaxed);
        let has_changes = !self.lock_pending().is_empty();
        let saved = if !has_changes || status.is_server_error() {
            Ok(())
        } else {
            self.save().await
        };
        let mut state = self.0.state.lock().await;
        if !state.closed {
            state.closed = true;
            self.renew(&mut state).await;
        }
        saved
    }

    async fn renew(&self, state: &mut State<T>) {
        let Current::Live(live) = &mut state.current else {
            return;
        };
        if !self.0.renew.load(Ordering::Relaxed) {
            return;
        }
        match self.tickets().renew(&mut live.stored).await {
            // The cookie lasts as long as the session may in all.
            Ok(Renewal::NotDue | Renewal::Renewed) => {}
            // Whoever ended it has told the browser.
            Ok(Renewal::Ended) => state.current = Current::Ended,
            Err(error) => tracing::warn!(
                error = &error as &dyn StdError,
                "a session was not renewed: the next request tries again"
            ),
        }
    }

    async fn tell(&self, headers: &mut HeaderMap) -> Result<(), SessionRejection> {
        let state = self.0.state.lock().await;
        let before = headers.len();
        if self.speaks_headers() {
            self.tell_by_headers(&state, headers)?;
        } else {
            self.tell_by_cookies(&state, headers)?;
        }
        if headers.len() > before {
            keep_out_of_caches(headers);
        }
        if self.0.asked.load(Ordering::Relaxed) {
            headers.append(VARY, HeaderValue::from_name(COOKIE));
            if let Some(names) = &self.0.setup.options.headers {
                let [choice, choices] = &names.choice;
                for name in [&names.id, &names.permanent_id, choice, choices] {
                    headers.append(VARY, HeaderValue::from_name(name.clone()));
                }
            }
        }
        Ok(())
    }

    fn tell_by_cookies(
        &self,
        state: &State<T>,
        headers: &mut HeaderMap,
    ) -> Result<(), SessionRejection> {
        let jar = &self.0.place.jar;
        let presented = &self.0.presented;
        let mut set = |name: &str, value: &str, lasting| {
            append(headers, SET_COOKIE, &jar.set(name, value, lasting));
        };
        match (state.answer, &state.current) {
            (Answer::Secret, Current::Live(live)) => {
                let kind = live.stored.ticket.kind();
                let lasting = match kind {
                    SessionKind::Temporary => Lasting::Temporary,
                    SessionKind::Permanent => {
                        let ends = live.stored.ends();
                        Lasting::For(ends.map(|ends| ends - self.now()))
                    }
                };
                let value = live.secret.to_cookie();
                match &jar.permanent_id {
                    None => set(&jar.id, &value, lasting),
                    Some(permanent_id) if kind == SessionKind::Temporary => {
                        set(&jar.id, &value, lasting);
                        if presented.permanent_id.secret().is_none() {
                            let link = self.new_secret()?.to_cookie();
                            set(permanent_id, &link, self.longest());
                        }
                    }
                    Some(permanent_id) => {
                        set(permanent_id, &value, lasting);
                        if presented.id.secret().is_none() {
                            let id = self.new_secret()?.to_cookie();
                            set(&jar.id, &id, Lasting::Temporary);
                        }
                    }
                }
                if let Some(choice) = &jar.choice {
                    set(choice, choice_name(kind), Lasting::For(None));
                }
            }
            (Answer::SignedOut, _) => {
                for (name, slot) in [
                    (Some(&jar.id), &presented.id),
                    (jar.permanent_id.as_ref(), &presented.permanent_id),
                ] {
                    if let Some(name) = name
                        && !slot.is_missing()
                    {
                        append(headers, SET_COOKIE, &jar.remove(name));
                    }
                }
            }
            (Answer::Forget, _) if self.is_asked() && self.0.may_forget => {
                let name = match &jar.permanent_id {
                    Some(permanent_id) if presented.is_permanent() => permanent_id,
                    _ => &jar.id,
                };
                append(headers, SET_COOKIE, &jar.remove(name));
            }
            _ => {}
        }
        if let (Some(choice), Some(kind)) = (&jar.choice, *self.lock_choice())
            && state.answer != Answer::Secret
        {
            let chosen = jar.set(choice, choice_name(kind), Lasting::For(None));
            append(headers, SET_COOKIE, &chosen);
        }
        Ok(())
    }

    fn tell_by_headers(
        &self,
        state: &State<T>,
        headers: &mut HeaderMap,
    ) -> Result<(), SessionRejection> {
        let Some(names) = &self.0.setup.options.headers else {
            return Ok(());
        };
        let (Answer::Secret, Current::Live(live)) = (state.answer, &state.current) else {
            return Ok(());
        };
        let kind = live.stored.ticket.kind();
        let (own, other, presented) = match kind {
            SessionKind::Temporary => (
                &names.id,
                &names.permanent_id,
                &self.0.presented.permanent_id,
            ),
            SessionKind::Permanent => (&names.permanent_id, &names.id, &self.0.presented.id),
        };
        append(headers, own.clone(), &live.secret.to_cookie());
        if presented.secret().is_none() {
            append(headers, other.clone(), &self.new_secret()?.to_cookie());
        }
        let [choice, _] = &names.choice;
        append(headers, choice.clone(), choice_name(kind));
        Ok(())
    }

    /// An id that opens nothing: it links requests.
    fn new_secret(&self) -> Result<CookieSecret, SessionRejection> {
        CookieSecret::generate().map_err(|error| self.reject(error))
    }

    /// As long as a permanent session may last.
    fn longest(&self) -> Lasting {
        let absolute = self.tickets().policy().permanent.absolute;
        Lasting::For(absolute.and_then(|time| chrono::TimeDelta::from_std(time).ok()))
    }

    fn is_asked(&self) -> bool {
        self.0.asked.load(Ordering::Relaxed)
    }
}

fn append(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    let mut value = HeaderValue::from_str(value).expect("ids and attributes are ASCII");
    value.set_sensitive(true);
    headers.append(name, value);
}

/// A cache that hands one user's cookie to another has given his session away.
fn keep_out_of_caches(headers: &mut HeaderMap) {
    let is_kept_out = |value: &HeaderValue| {
        let directives = value.to_str().unwrap_or_default().split(',');
        directives.map(str::trim).any(|directive| {
            directive.eq_ignore_ascii_case("no-store") || directive.eq_ignore_ascii_case("private")
        })
    };
    if !headers.get_all(CACHE_CONTROL).iter().any(is_kept_out) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}
