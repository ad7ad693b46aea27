//! The cookies that carry attempts.

use chrono::{DateTime, TimeDelta, Utc};
use cookie::{Cookie, SameSite};
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};

use super::OpenIdClient;
use super::attempt::{Attempt, Binding};
use crate::cookie_pairs::pairs;
use crate::cookies::is_token;

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
        // Another application's cookie may be of any bytes; a name of ours goes into a header again.
        pairs(self.request).filter_map(move |(name, value)| {
            let name = std::str::from_utf8(name).ok()?;
            let is_own = name.starts_with(prefix) && name.bytes().all(is_token);
            is_own.then(|| (name.to_owned(), String::from_utf8_lossy(value).into_owned()))
        })
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

#[cfg(test)]
mod tests {
    use http::header::COOKIE;

    use super::*;
    use crate::openid_connect::attempt::AttemptMode;
    use crate::openid_connect::return_url::ReturnUrl;

    const BINDING: Binding<'static> = Binding {
        partition: "",
        issuer: "https://id.example",
        client_id: "app",
        redirect_uri: "https://app.example/bff/callback",
    };

    fn client() -> OpenIdClient {
        OpenIdClient::new("https://id.example", "app", "https://app.example").expect("a client")
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).expect("a time")
    }

    fn attempt(return_url: &str, minutes: i64) -> Attempt {
        let return_url = ReturnUrl::parse(return_url, &client().base_url).expect("a local URL");
        let lifetime = TimeDelta::minutes(minutes);
        Attempt::begin(AttemptMode::Interactive, return_url, now(), lifetime).expect("random bits")
    }

    /// What the browser carries.
    fn request(carried: &[String]) -> HeaderMap {
        let mut request = HeaderMap::new();
        if !carried.is_empty() {
            let line = HeaderValue::from_str(&carried.join("; ")).expect("ASCII");
            request.insert(COOKIE, line);
        }
        request
    }

    fn carried(attempt: &Attempt) -> String {
        let state = attempt.state(&BINDING);
        let name = format!("__Host-bff-attempt-{}", &state[..ID_LEN]);
        format!("{name}={}", attempt.to_cookie().as_str())
    }

    fn set_cookies(response: &HeaderMap) -> Vec<String> {
        let lines = response.get_all(SET_COOKIE).iter();
        lines
            .map(|line| line.to_str().expect("ASCII").to_owned())
            .collect()
    }

    fn add(attempt: &Attempt, request: &HeaderMap) -> Vec<String> {
        let mut response = HeaderMap::new();
        let state = attempt.state(&BINDING);
        AttemptCookies::new(&client(), request).add(&mut response, attempt, &state, now());
        set_cookies(&response)
    }

    #[test]
    fn a_cookie_is_for_this_host_and_for_a_while() {
        let attempt = attempt("/", 10);
        let expected = format!(
            "{}; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=600",
            carried(&attempt)
        );
        assert_eq!(add(&attempt, &HeaderMap::new()), [expected]);
    }

    #[test]
    fn an_attempt_is_taken_once_whatever_else_is_carried() {
        let (mine, other) = (attempt("/", 10), attempt("/", 10));
        let name = carried(&mine);
        let name = name.split('=').next().expect("a name");
        // A neighbour has planted another under the same name.
        let planted = format!("{name}={}", other.to_cookie().as_str());
        let request = request(&[planted, carried(&other), carried(&mine), "a=b".to_owned()]);
        let client = client();
        let cookies = AttemptCookies::new(&client, &request);
        let mut response = HeaderMap::new();
        let state = mine.state(&BINDING);
        let taken = cookies.take(&mut response, &state, &BINDING, now());
        assert!(taken.is_some_and(|taken| taken.has_state(&state, &BINDING)));
        let removed = set_cookies(&response);
        assert_eq!(removed.len(), 1);
        assert!(removed[0].starts_with(&format!("{name}=;")), "{removed:?}");
        assert!(removed[0].ends_with("Max-Age=0"), "{removed:?}");
    }

    /// Of whatever bytes: other applications' cookies come in the same line.
    #[test]
    fn a_cookie_of_other_bytes_keeps_nobody_from_signing_in() {
        let mine = attempt("/", 10);
        let name = "__Host-bff-attempt-";
        let line = [
            b"latin=\xe9; ".as_slice(),
            carried(&mine).as_bytes(),
            format!("; {name}\u{e9}=x; \u{2000}{name}y=x").as_bytes(),
        ]
        .concat();
        let mut request = HeaderMap::new();
        request.insert(COOKIE, HeaderValue::from_bytes(&line).expect("a header"));
        let client = client();
        let cookies = AttemptCookies::new(&client, &request);
        assert_eq!(cookies.all().count(), 1);
        let mut response = HeaderMap::new();
        let state = mine.state(&BINDING);
        let taken = cookies.take(&mut response, &state, &BINDING, now());
        assert!(taken.is_some());
        assert_eq!(set_cookies(&response).len(), 1);
    }

    #[test]
    fn a_state_that_is_none_takes_nothing_and_writes_nothing() {
        let mine = attempt("/", 10);
        let request = request(&[carried(&mine)]);
        let client = client();
        let cookies = AttemptCookies::new(&client, &request);
        let state = mine.state(&BINDING);
        for state in [
            "",
            "é",
            "a; b",
            "\r\nSet-Cookie: a=b",
            &state[..ID_LEN],
            &"x".repeat(9999),
        ] {
            let mut response = HeaderMap::new();
            assert!(
                cookies
                    .take(&mut response, state, &BINDING, now())
                    .is_none()
            );
            assert!(response.is_empty(), "{state}");
        }
    }

    #[test]
    fn no_more_is_carried_than_can_be_sent() {
        let few: Vec<String> = (1..=7)
            .map(|minutes| carried(&attempt("/", minutes)))
            .collect();
        assert_eq!(add(&attempt("/", 10), &request(&few)).len(), 1);
        // One more, and the oldest goes.
        let more: Vec<String> = (1..=8)
            .map(|minutes| carried(&attempt("/", minutes)))
            .collect();
        let set = add(&attempt("/", 10), &request(&more));
        let oldest = more[0].split('=').next().expect("a name");
        assert_eq!(set.len(), 2);
        assert!(set[0].starts_with(&format!("{oldest}=;")), "{set:?}");
        // Long ones: two and the new one fit.
        let long = format!("/{}", "a".repeat(999));
        let long: Vec<String> = (1..=4)
            .map(|minutes| carried(&attempt(&long, minutes)))
            .collect();
        let set = add(&attempt("/", 10), &request(&long));
        let removed = set
            .iter()
            .filter(|line| line.ends_with("Max-Age=0"))
            .count();
        assert_eq!(removed, 2, "{set:?}");
        // What is no attempt any more goes first.
        let dead = ["__Host-bff-attempt-dead=x".to_owned()];
        assert!(
            add(&attempt("/", 10), &request(&dead))[0].starts_with("__Host-bff-attempt-dead=;")
        );
    }
}
