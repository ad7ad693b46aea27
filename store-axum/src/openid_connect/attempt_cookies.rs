//! The cookies that carry attempts.

use chrono::{DateTime, TimeDelta, Utc};
use cookie::{Cookie, SameSite};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

use super::OpenIdClient;
use super::attempt::{Attempt, Binding};

/// How many attempts a browser carries at a time: tabs that sign in at once.
const MAX_ATTEMPTS: usize = 8;
/// How long they may be together: servers and proxies refuse requests with more than a few KiB of
/// headers, and so whoever makes a browser carry too much has locked its user out.
const MAX_LEN: usize = 4096;
/// How much of `state` tells attempts apart. The rest is compared, too.
const ID_LEN: usize = 16;

/// The cookies that carry attempts: one for each, so that tabs do not get in each other's way.
#[derive(Clone, Copy, Debug)]
pub(super) struct AttemptCookies<'a> {
    client: &'a OpenIdClient,
    request: &'a HeaderMap,
}

impl<'a> AttemptCookies<'a> {
    pub(super) fn new(client: &'a OpenIdClient, request: &'a HeaderMap) -> Self {
        Self { client, request }
    }

    /// Has the browser carry an attempt; and no more than it can send.
    pub(super) fn add(
        &self,
        response: &mut HeaderMap,
        attempt: &Attempt,
        state: &str,
        now: DateTime<Utc>,
    ) {
        let value = attempt.to_cookie();
        let mut room = MAX_LEN.saturating_sub(value.len());
        let mut carried: Vec<(DateTime<Utc>, usize, String)> = Vec::new();
        for (name, value) in self.all() {
            match Attempt::from_cookie(&value, &self.client.base_url, now) {
                Some(attempt) => carried.push((attempt.expires, value.len(), name)),
                None => self.remove(response, &name),
            }
        }
        // The latest first.
        carried.sort_by(|one, other| other.cmp(one));
        for (place, (_, len, name)) in carried.into_iter().enumerate() {
            match room.checked_sub(len) {
                Some(left) if place + 1 < MAX_ATTEMPTS => room = left,
                _ => {
                    room = 0;
                    self.remove(response, &name);
                }
            }
        }
        let cookie = self.cookie(self.name(state), value.to_string());
        let cookie = cookie.max_age(seconds(attempt.expires - now));
        append(response, &cookie.build());
    }

    /// The attempt that `state` names, if this browser carries it, which it does not any more then.
    pub(super) fn take(
        &self,
        response: &mut HeaderMap,
        state: &str,
        binding: &Binding<'_>,
        now: DateTime<Utc>,
    ) -> Option<Attempt> {
        let name = self.name(state);
        let mut found = None;
        // Another host of the same site may have planted one of the same name.
        for (_, value) in self.all().filter(|(other, _)| *other == name) {
            let attempt = Attempt::from_cookie(&value, &self.client.base_url, now);
            found = found.or(attempt.filter(|attempt| attempt.has_state(state, binding)));
        }
        if found.is_some() {
            self.remove(response, &name);
        }
        found
    }

    fn all(&self) -> impl Iterator<Item = (String, String)> {
        let prefix = self.prefix();
        let lines = self.request.get_all(COOKIE).iter();
        lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| Cookie::split_parse(line).flatten())
            .filter(move |cookie| cookie.name().starts_with(prefix))
            .map(|cookie| (cookie.name().to_owned(), cookie.value().to_owned()))
    }

    fn remove(&self, response: &mut HeaderMap, name: &str) {
        let cookie = self.cookie(name.to_owned(), String::new());
        append(
            response,
            &cookie.max_age(cookie::time::Duration::ZERO).build(),
        );
    }

    /// `SameSite=Lax`, since the browser comes back from another site.
    fn cookie(&self, name: String, value: String) -> cookie::CookieBuilder<'static> {
        Cookie::build((name, value))
            .path("/")
            .secure(self.client.is_secure())
            .http_only(true)
            .same_site(SameSite::Lax)
    }

    fn name(&self, state: &str) -> String {
        // What is not made of these characters is no `state` of ours.
        let is_safe = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let id: String = state.chars().filter(is_safe).take(ID_LEN).collect();
        format!("{}{id}", self.prefix())
    }

    fn prefix(&self) -> &'static str {
        match self.client.is_secure() {
            true => "__Host-bff-attempt-",
            false => "bff-attempt-",
        }
    }
}

fn seconds(delta: TimeDelta) -> cookie::time::Duration {
    cookie::time::Duration::seconds(delta.num_seconds().max(0))
}

fn append(response: &mut HeaderMap, cookie: &Cookie<'_>) {
    let value = HeaderValue::from_str(&cookie.to_string());
    let mut value = value.expect("base64url and attributes are ASCII");
    value.set_sensitive(true);
    response.append(SET_COOKIE, value);
}
