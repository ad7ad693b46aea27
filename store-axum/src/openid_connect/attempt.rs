//! One attempt to sign in, or to sign out, as the browser carries it through the provider.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::return_url::ReturnUrl;

/// An attempt: what came with it, and a secret that only the browser has.
///
/// The browser keeps it in a cookie, which binds the attempt to the browser and needs no place in a
/// store: whoever is not signed in yet can make the host write nothing. Everything that goes to the
/// provider is derived from the secret (HMAC-SHA256) together with all that the attempt is about,
/// so that `state`, `nonce` and the PKCE verifier fit each other and nothing else: another front
/// end, another provider, another return URL, a later end. What the provider gets to see, `state`,
/// `nonce` and the challenge, leads nobody back to the secret or to the verifier.
///
/// It ends when it is used, at its end, or when the browser closes. Whoever could replay its cookie
/// would still need a second code from the provider.
#[derive(Clone)]
pub(super) struct Attempt {
    secret: Zeroizing<[u8; Self::SECRET_LEN]>,
    pub(super) expires: DateTime<Utc>,
    pub(super) mode: AttemptMode,
    pub(super) return_url: ReturnUrl,
}

/// What is to happen when the browser comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AttemptMode {
    /// It goes to the return URL.
    Interactive,
    /// It stays in the frame in which it is, and tells the page around.
    Silent,
    /// It goes to the return URL, signed out.
    Logout,
}

/// What an attempt is about, beside what stands in its cookie: it fits nothing else.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binding<'a> {
    pub(super) partition: &'a str,
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) redirect_uri: &'a str,
}

impl AttemptMode {
    fn as_str(self) -> &'static str {
        match self {
            Self::Interactive => "i",
            Self::Silent => "s",
            Self::Logout => "o",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Interactive, Self::Silent, Self::Logout]
            .into_iter()
            .find(|mode| mode.as_str() == name)
    }
}

impl Attempt {
    const SECRET_LEN: usize = 32;

    /// A new one.
    pub(super) fn begin(
        mode: AttemptMode,
        return_url: ReturnUrl,
        now: DateTime<Utc>,
        lifetime: TimeDelta,
    ) -> Result<Self, getrandom::Error> {
        let mut secret = Zeroizing::new([0; Self::SECRET_LEN]);
        getrandom::fill(secret.as_mut_slice())?;
        Ok(Self {
            secret,
            // As precise as the cookie says it.
            expires: DateTime::from_timestamp((now + lifetime).timestamp(), 0).unwrap_or(now),
            mode,
            return_url,
        })
    }

    /// What the cookie holds.
    pub(super) fn to_cookie(&self) -> Zeroizing<String> {
        Zeroizing::new(format!(
            "{}.{}.{}.{}",
            URL_SAFE_NO_PAD.encode(self.secret.as_slice()),
            self.expires.timestamp(),
            self.mode.as_str(),
            URL_SAFE_NO_PAD.encode(self.return_url.as_str()),
        ))
    }

    /// Reads a cookie: an attempt at this front end that has not ended.
    pub(super) fn from_cookie(value: &str, base: &url::Url, now: DateTime<Utc>) -> Option<Self> {
        let mut parts = value.split('.');
        let (secret, expires, mode, return_url) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let mut bytes = Zeroizing::new([0; Self::SECRET_LEN]);
        match URL_SAFE_NO_PAD.decode_slice(secret, bytes.as_mut_slice()) {
            Ok(Self::SECRET_LEN) => {}
            _ => return None,
        }
        let return_url = String::from_utf8(URL_SAFE_NO_PAD.decode(return_url).ok()?).ok()?;
        let attempt = Self {
            secret: bytes,
            expires: DateTime::from_timestamp(expires.parse().ok()?, 0)?,
            mode: AttemptMode::from_name(mode)?,
            return_url: ReturnUrl::parse(&return_url, base).ok()?,
        };
        (now < attempt.expires).then_some(attempt)
    }

    /// `state`: names the attempt to the browser's cookies and to nobody else.
    pub(super) fn state(&self, binding: &Binding<'_>) -> String {
        self.derive("state", binding)
    }

    /// `nonce`.
    pub(super) fn nonce(&self, binding: &Binding<'_>) -> String {
        self.derive("nonce", binding)
    }

    /// The PKCE verifier (RFC 7636 section 4.1: 43 characters at least).
    pub(super) fn code_verifier(&self, binding: &Binding<'_>) -> Zeroizing<String> {
        Zeroizing::new(self.derive("code_verifier", binding))
    }

    /// Whether `state` is this attempt's. It takes the same time whatever differs.
    pub(super) fn has_state(&self, state: &str, binding: &Binding<'_>) -> bool {
        URL_SAFE_NO_PAD
            .decode(state)
            .is_ok_and(|state| self.mac("state", binding).verify_slice(&state).is_ok())
    }

    fn derive(&self, what: &str, binding: &Binding<'_>) -> String {
        URL_SAFE_NO_PAD.encode(self.mac(what, binding).finalize().into_bytes())
    }

    fn mac(&self, what: &str, binding: &Binding<'_>) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_slice())
            .expect("HMAC takes keys of any length");
        let expires = self.expires.timestamp().to_string();
        for part in [
            what,
            binding.partition,
            binding.issuer,
            binding.client_id,
            binding.redirect_uri,
            &expires,
            self.mode.as_str(),
            self.return_url.as_str(),
        ] {
            // With its length in front, so that no two lists of parts read the same.
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("expires", &self.expires)
            .field("mode", &self.mode)
            .field("return_url", &self.return_url)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    const BINDING: Binding<'static> = Binding {
        partition: "shop",
        issuer: "https://id.example",
        client_id: "shop-client",
        redirect_uri: "https://shop.example/bff/callback",
    };

    fn base() -> Url {
        Url::parse("https://shop.example").expect("a URL")
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + seconds, 0).expect("a time")
    }

    fn attempt(return_url: &str) -> Attempt {
        let return_url = ReturnUrl::parse(return_url, &base()).expect("a local URL");
        Attempt::begin(
            AttemptMode::Interactive,
            return_url,
            at(0),
            TimeDelta::minutes(10),
        )
        .expect("random bits")
    }

    #[test]
    fn the_browser_carries_it_there_and_back() {
        let attempt = attempt("/orders?a=b.c#d");
        let cookie = attempt.to_cookie();
        let back = Attempt::from_cookie(&cookie, &base(), at(599)).expect("an attempt");
        assert_eq!(back.return_url.as_str(), "/orders?a=b.c#d");
        assert_eq!(back.mode, AttemptMode::Interactive);
        assert!(back.has_state(&attempt.state(&BINDING), &BINDING));
        assert_eq!(back.nonce(&BINDING), attempt.nonce(&BINDING));
        assert_eq!(
            back.code_verifier(&BINDING),
            attempt.code_verifier(&BINDING)
        );
        assert!(Attempt::from_cookie(&cookie, &base(), at(600)).is_none());
    }

    #[test]
    fn what_it_sends_tells_nothing_of_what_it_keeps() {
        let attempt = attempt("/");
        let verifier = attempt.code_verifier(&BINDING);
        let all = [
            attempt.state(&BINDING),
            attempt.nonce(&BINDING),
            verifier.to_string(),
        ];
        assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2]);
        let cookie = attempt.to_cookie();
        for one in &all {
            assert_eq!(one.len(), 43);
            assert!(!cookie.contains(one.as_str()));
        }
        assert!(!format!("{attempt:?}").contains(cookie.split('.').next().expect("a secret")));
    }

    #[test]
    fn it_fits_nothing_else() {
        let attempt = attempt("/");
        let state = attempt.state(&BINDING);
        for other in [
            Binding {
                partition: "bank",
                ..BINDING
            },
            Binding {
                issuer: "https://evil.example",
                ..BINDING
            },
            Binding {
                client_id: "bank-client",
                ..BINDING
            },
            Binding {
                redirect_uri: "https://bank.example/bff/callback",
                ..BINDING
            },
            // The same letters, cut elsewhere.
            Binding {
                partition: "shophttps",
                issuer: "://id.example",
                ..BINDING
            },
        ] {
            assert!(!attempt.has_state(&state, &other), "{other:?}");
        }
    }

    #[test]
    fn a_cookie_that_was_changed_is_another_attempt_or_none() {
        let attempt = attempt("/orders");
        let state = attempt.state(&BINDING);
        let cookie = attempt.to_cookie();
        let parts: Vec<&str> = cookie.split('.').collect();
        let later = (at(600).timestamp() + 1).to_string();
        let elsewhere = URL_SAFE_NO_PAD.encode("/other");
        let evil = URL_SAFE_NO_PAD.encode("//evil.example");
        for (changed, is_one) in [
            ([parts[0], &later, parts[2], parts[3]].join("."), true),
            ([parts[0], parts[1], "s", parts[3]].join("."), true),
            ([parts[0], parts[1], parts[2], &elsewhere].join("."), true),
            ([parts[0], parts[1], parts[2], &evil].join("."), false),
            ([parts[0], parts[1], "x", parts[3]].join("."), false),
            (
                [&parts[0][1..], parts[1], parts[2], parts[3]].join("."),
                false,
            ),
            ([parts[0], "", parts[2], parts[3]].join("."), false),
            (parts[..3].join("."), false),
            (format!("{}.", cookie.as_str()), false),
            (String::new(), false),
        ] {
            match Attempt::from_cookie(&changed, &base(), at(0)) {
                Some(other) => {
                    assert!(is_one && !other.has_state(&state, &BINDING), "{changed}");
                }
                None => assert!(!is_one, "{changed}"),
            }
        }
    }

    #[test]
    fn other_states_are_refused() {
        let one = attempt("/");
        assert!(!one.has_state(&attempt("/").state(&BINDING), &BINDING));
        for state in ["", "AAAA", "not base64url!", &one.nonce(&BINDING)] {
            assert!(!one.has_state(state, &BINDING), "{state}");
        }
    }
}
