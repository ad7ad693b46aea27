//! The cookies that the browser gets.

use chrono::TimeDelta;
use cookie::time::{Duration as CookieDuration, OffsetDateTime};
use cookie::{Cookie, CookieBuilder};

/// How long a cookie may last at most: browsers cut what is longer.
const LONGEST: TimeDelta = TimeDelta::days(400);
const HOST_PREFIX: &str = "__Host-";
const MAX_NAME_LEN: usize = 255;

/// With which cross-site requests the browser sends the cookie. `None` is not offered: whatever
/// page the user looks at could then act for him.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SameSite {
    /// With navigations to the host, from a link in a mail for example, and not with what other
    /// sites' pages fetch or post.
    #[default]
    Lax,
    /// With none. Whoever follows a link to the host, and whoever comes back from an identity
    /// provider on another site, arrives there without his session.
    Strict,
}

/// The cookies' names and attributes. One that a browser would refuse, or that would be sent in
/// the clear by accident, cannot be written down.
///
/// | | default | [`insecure_for_localhost`](Self::insecure_for_localhost) |
/// |---|---|---|
/// | name | `__Host-bff-session` | `bff-session` |
/// | `Secure` | yes | no |
/// | `HttpOnly` | yes | yes |
/// | `SameSite` | `Lax` | `Lax` |
/// | `Path` | `/` | `/` |
/// | `Domain` | none, ever | none, ever |
/// | `Max-Age` | of permanent sessions | of permanent sessions |
///
/// The cookie of a permanent session lasts until the session's absolute limit, or 400 days where it
/// has none, which is the most that browsers keep. No renewal sends it again, which could overwrite
/// the one of a login in another tab: when the session really is over, the store knows.
///
/// The `__Host-` prefix makes the browser refuse the cookie from any other host, and over plain
/// http: no neighbouring subdomain can plant one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieOptions {
    names: Names,
    same_site: SameSite,
    insecure: bool,
}

/// Which cookies there are.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Names {
    One(String),
    Two,
}

/// The text cannot be a cookie's name. Says which rule it broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCookieName {
    /// It is empty.
    #[error("the name is empty")]
    Empty,
    /// With it, the cookie would come near the 4,096 bytes that browsers take.
    #[error("the name is {len} bytes long, {MAX_NAME_LEN} are allowed")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// It has a character that a token of RFC 9110 may not have.
    #[error("the name has a character other than a token's")]
    NotAToken,
    /// It begins with `__`, which is where browsers look for prefixes. The right one is put in
    /// front by itself.
    #[error("the name begins with `__`, which is kept for prefixes")]
    Prefix,
}

impl Default for CookieOptions {
    fn default() -> Self {
        Self {
            names: Names::One("bff-session".to_owned()),
            same_site: SameSite::default(),
            insecure: false,
        }
    }
}

impl CookieOptions {
    /// **For development only**: cookies without `Secure` and `__Host-`, which browsers take over
    /// plain http.
    ///
    /// A request is refused as a whole,
    /// [`SessionRejection::NotLocalhost`](crate::SessionRejection::NotLocalhost), if its host is
    /// not `localhost`, a name below it, or a loopback address; if a proxy has left a trace
    /// (`Forwarded`, `Via`, `X-Real-IP`, `X-Forwarded-…`); and if a page of another host has sent
    /// it, as its `Origin` or, but for a link from another site, its `Referer` says. That is to
    /// find a mistake early and no protection: a proxy that says `localhost` for everybody and
    /// leaves no trace passes, at least with the first page. The layer warns in the log, too.
    pub fn insecure_for_localhost() -> Self {
        Self {
            insecure: true,
            ..Self::default()
        }
    }

    /// The same cookies, under this name, to which the prefix is added where there is one.
    ///
    /// # Errors
    /// [`InvalidCookieName`].
    pub fn with_name(self, name: impl Into<String>) -> Result<Self, InvalidCookieName> {
        let name = name.into();
        let len = name.len();
        if len == 0 {
            return Err(InvalidCookieName::Empty);
        }
        if len > MAX_NAME_LEN {
            return Err(InvalidCookieName::TooLong { len });
        }
        if !name.bytes().all(is_token) {
            return Err(InvalidCookieName::NotAToken);
        }
        if name.starts_with("__") {
            return Err(InvalidCookieName::Prefix);
        }
        Ok(Self {
            names: Names::One(name),
            ..self
        })
    }

    /// The same cookies, sent with these cross-site requests.
    #[must_use]
    pub fn with_same_site(self, same_site: SameSite) -> Self {
        Self { same_site, ..self }
    }

    /// ServiceStack's three cookies in place of the one: `ss-id` with a temporary id, `ss-pid`
    /// with a permanent one, and `ss-opt` with the user's choice between them, `temp` or `perm`.
    /// Each with the prefix where there is one.
    #[must_use]
    pub fn with_temporary_and_permanent_ids(self) -> Self {
        Self {
            names: Names::Two,
            ..self
        }
    }

    pub(crate) fn is_insecure(&self) -> bool {
        self.insecure
    }

    /// The cookies of one front end, whose suffix keeps them apart from another's on the same
    /// host.
    pub(crate) fn jar(&self, suffix: &str) -> CookieJar {
        let prefix = if self.insecure { "" } else { HOST_PREFIX };
        let name = |name: &str| format!("{prefix}{name}{suffix}");
        let (id, two) = match &self.names {
            Names::One(one) => (name(one), None),
            Names::Two => (name("ss-id"), Some((name("ss-pid"), name("ss-opt")))),
        };
        let (permanent_id, choice) = two.unzip();
        CookieJar {
            id,
            permanent_id,
            choice,
            same_site: self.same_site,
            secure: !self.insecure,
        }
    }
}

/// The characters of a token: RFC 9110, section 5.6.2.
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The cookies of one front end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CookieJar {
    pub(crate) id: String,
    pub(crate) permanent_id: Option<String>,
    pub(crate) choice: Option<String>,
    same_site: SameSite,
    secure: bool,
}

/// How long the browser is to keep a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lasting {
    /// As long as its own session.
    Temporary,
    /// This long, or as long as it may where that is `None`.
    For(Option<TimeDelta>),
}

impl CookieJar {
    /// A `Set-Cookie` value.
    pub(crate) fn set(&self, name: &str, value: &str, lasting: Lasting) -> String {
        let cookie = self.with_attributes(name, value);
        match lasting {
            Lasting::Temporary => cookie.build().to_string(),
            Lasting::For(time) => {
                let time = time.unwrap_or(LONGEST).clamp(TimeDelta::zero(), LONGEST);
                let seconds = CookieDuration::seconds(time.num_seconds());
                cookie.max_age(seconds).build().to_string()
            }
        }
    }

    /// A `Set-Cookie` value that makes the browser forget a cookie.
    pub(crate) fn remove(&self, name: &str) -> String {
        self.with_attributes(name, "")
            .max_age(CookieDuration::ZERO)
            .expires(OffsetDateTime::UNIX_EPOCH)
            .build()
            .to_string()
    }

    fn with_attributes<'a>(&self, name: &'a str, value: &'a str) -> CookieBuilder<'a> {
        let same_site = match self.same_site {
            SameSite::Lax => cookie::SameSite::Lax,
            SameSite::Strict => cookie::SameSite::Strict,
        };
        Cookie::build((name, value))
            .path("/")
            .secure(self.secure)
            .http_only(true)
            .same_site(same_site)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_attributes_are_these_and_no_others() {
        let jar = CookieOptions::default().jar("");
        assert_eq!(
            jar.set(&jar.id, "v", Lasting::Temporary),
            "__Host-bff-session=v; HttpOnly; SameSite=Lax; Secure; Path=/"
        );
        assert_eq!(
            jar.set(&jar.id, "v", Lasting::For(Some(TimeDelta::hours(1)))),
            "__Host-bff-session=v; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=3600"
        );
        assert_eq!(
            jar.remove(&jar.id),
            "__Host-bff-session=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0; \
             Expires=Thu, 01 Jan 1970 00:00:00 GMT"
        );
        let jar = CookieOptions::insecure_for_localhost()
            .with_same_site(SameSite::Strict)
            .jar("");
        assert_eq!(
            jar.set(&jar.id, "v", Lasting::Temporary),
            "bff-session=v; HttpOnly; SameSite=Strict; Path=/"
        );
    }

    #[test]
    fn no_cookie_lasts_longer_than_browsers_keep_it() {
        let jar = CookieOptions::default().jar("");
        for time in [None, Some(TimeDelta::MAX)] {
            let cookie = jar.set("n", "v", Lasting::For(time));
            assert!(cookie.ends_with("; Max-Age=34560000"), "{cookie}");
        }
        let cookie = jar.set("n", "v", Lasting::For(Some(TimeDelta::seconds(-1))));
        assert!(cookie.ends_with("; Max-Age=0"), "{cookie}");
    }

    #[test]
    fn the_two_ids_have_the_names_of_the_seed() {
        let options = CookieOptions::insecure_for_localhost().with_temporary_and_permanent_ids();
        let jar = options.jar("");
        assert_eq!(jar.id, "ss-id");
        assert_eq!(jar.permanent_id.as_deref(), Some("ss-pid"));
        assert_eq!(jar.choice.as_deref(), Some("ss-opt"));
        let jar = CookieOptions::default()
            .with_temporary_and_permanent_ids()
            .jar(".shop");
        assert_eq!(jar.id, "__Host-ss-id.shop");
    }

    #[test]
    fn names_are_tokens_without_a_prefix() {
        let name = |name: &str| CookieOptions::default().with_name(name);
        assert!(name("sid").is_ok());
        assert!(name(&"n".repeat(255)).is_ok());
        assert_eq!(name(""), Err(InvalidCookieName::Empty));
        assert_eq!(
            name(&"n".repeat(256)),
            Err(InvalidCookieName::TooLong { len: 256 })
        );
        for not_a_token in ["a b", "a=b", "a;b", "é", "a\r\nSet-Cookie", "a,b", "\"a\""] {
            assert_eq!(name(not_a_token), Err(InvalidCookieName::NotAToken));
        }
        for prefix in ["__Host-sid", "__Secure-sid", "__host-sid", "__Http-sid"] {
            assert_eq!(name(prefix), Err(InvalidCookieName::Prefix));
        }
    }

    #[test]
    fn the_longest_cookie_is_one_that_browsers_take() {
        let jar = CookieOptions::default()
            .with_name("n".repeat(MAX_NAME_LEN))
            .expect("a name")
            .with_same_site(SameSite::Strict)
            .jar(&"s".repeat(crate::front_ends::MAX_SUFFIX_LEN));
        let set = jar.set(&jar.id, &"v".repeat(43), Lasting::For(None));
        assert!(set.len() < 4096, "{}", set.len());
        assert!(jar.remove(&jar.id).len() < 4096);
    }
}
