//! What a front end is to its provider.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use openidconnect::{ClientId, ClientSecret, IssuerUrl};
use url::{Host, Url};

use super::{LogoutTokenType, SigningAlgorithm};

/// A front end as its OpenID provider knows it: which provider, which client, and the address to
/// which browsers come back.
///
/// ```
/// use store_axum::openid_connect::OpenIdClient;
///
/// let client = OpenIdClient::new("https://id.example", "shop", "https://shop.example")?
///     .with_secret("what the provider gave")
///     .with_scopes(["openid", "profile", "offline_access"]);
/// # Ok::<(), store_axum::openid_connect::InvalidOpenIdClient>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct OpenIdClient {
    pub(super) issuer: IssuerUrl,
    pub(super) client_id: ClientId,
    pub(super) base_url: Url,
    pub(super) secret: Option<ClientSecret>,
    pub(super) secret_in_body: bool,
    pub(super) scopes: Vec<String>,
    pub(super) extra_parameters: Vec<(String, String)>,
    pub(super) algorithms: Vec<SigningAlgorithm>,
    pub(super) user_info: bool,
    pub(super) clock_skew: Duration,
    pub(super) logout_token_type: LogoutTokenType,
    pub(super) logout_token_max_age: Duration,
    pub(super) key_refetch_interval: Duration,
    pub(super) metadata_max_age: Duration,
}

/// What was given is no [`OpenIdClient`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidOpenIdClient {
    /// The issuer is no URL that one can be.
    #[error("the issuer is no https URL without query and fragment")]
    Issuer,
    /// The front end's address is no URL that one can be.
    #[error("the front end's address is no https URL without query and fragment")]
    BaseUrl,
    /// Plain `http` leads to another machine.
    #[error("plain http is for this machine alone: localhost, *.localhost, 127.0.0.0/8 and [::1]")]
    NotLocalhost,
    /// A client without an id.
    #[error("the client id is empty")]
    ClientId,
}

impl OpenIdClient {
    /// A client of this provider, for the front end that browsers find at `base_url`: its origin,
    /// and its path if it has one. The provider knows `{base_url}/bff/callback` as a redirect URI,
    /// `{base_url}/bff/logout/callback` as a post-logout redirect URI and
    /// `{base_url}/bff/backchannel` as the back-channel logout URI.
    ///
    /// The address is given and not taken from requests, whose `Host` anybody may choose.
    ///
    /// # Errors
    /// [`InvalidOpenIdClient`], and where one of the URLs is plain `http`: see
    /// [`insecure_for_localhost`](Self::insecure_for_localhost).
    pub fn new(
        issuer: &str,
        client_id: impl Into<String>,
        base_url: &str,
    ) -> Result<Self, InvalidOpenIdClient> {
        Self::with_scheme(issuer, client_id.into(), base_url, |url| {
            url.scheme() == "https"
        })
    }

    /// The same, for development: `http` is allowed where it stays on this machine, for the
    /// provider and for the front end.
    ///
    /// # Errors
    /// [`InvalidOpenIdClient`].
    pub fn insecure_for_localhost(
        issuer: &str,
        client_id: impl Into<String>,
        base_url: &str,
    ) -> Result<Self, InvalidOpenIdClient> {
        let urls = [issuer, base_url].map(Url::parse);
        if urls
            .iter()
            .flatten()
            .any(|url| url.scheme() == "http" && !is_local(url))
        {
            return Err(InvalidOpenIdClient::NotLocalhost);
        }
        Self::with_scheme(issuer, client_id.into(), base_url, |url| {
            matches!(url.scheme(), "http" | "https")
        })
    }

    fn with_scheme(
        issuer: &str,
        client_id: String,
        base_url: &str,
        scheme_is_fine: impl Fn(&Url) -> bool,
    ) -> Result<Self, InvalidOpenIdClient> {
        let is_fine = |url: &Url| {
            scheme_is_fine(url)
                && url.has_host()
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none()
        };
        let issuer = IssuerUrl::new(issuer.to_owned())
            .ok()
            .filter(|issuer| is_fine(issuer.url()))
            .ok_or(InvalidOpenIdClient::Issuer)?;
        let base_url = Url::parse(base_url)
            .ok()
            .filter(is_fine)
            .ok_or(InvalidOpenIdClient::BaseUrl)?;
        if client_id.is_empty() {
            return Err(InvalidOpenIdClient::ClientId);
        }
        Ok(Self {
            issuer,
            client_id: ClientId::new(client_id),
            base_url,
            secret: None,
            secret_in_body: false,
            scopes: ["openid", "profile"].map(str::to_owned).into(),
            extra_parameters: Vec::new(),
            algorithms: SigningAlgorithm::ALL.into(),
            user_info: false,
            clock_skew: Duration::from_secs(60),
            logout_token_type: LogoutTokenType::default(),
            logout_token_max_age: Duration::from_secs(10 * 60),
            key_refetch_interval: Duration::from_secs(60),
            metadata_max_age: Duration::from_secs(12 * 60 * 60),
        })
    }

    /// The client's secret. Default: none, a public client, which PKCE alone protects.
    pub fn with_secret(mut self, secret: impl Into<String>) -> Self {
        self.secret = Some(ClientSecret::new(secret.into()));
        self
    }

    /// Sends the secret in the body (`client_secret_post`). Default: in the `Authorization` header
    /// (`client_secret_basic`), as RFC 6749 section 2.3.1 asks for.
    pub fn with_secret_in_body(mut self) -> Self {
        self.secret_in_body = true;
        self
    }

    /// What is asked for. Default: `openid profile`. `openid` is asked for in any case; a refresh
    /// token mostly takes `offline_access`.
    pub fn with_scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// A parameter that goes with every authorization request: `audience`, `resource`,
    /// `acr_values` and the like. Default: none.
    pub fn with_extra_parameter(
        mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        self.extra_parameters.push((name.into(), value.into()));
        self
    }

    /// What the provider's tokens may be signed with. Default: [`SigningAlgorithm::ALL`].
    pub fn with_signing_algorithms(
        mut self,
        algorithms: impl IntoIterator<Item = SigningAlgorithm>,
    ) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Also asks the user-info endpoint for claims at login, where the provider has one. Default: false.
    pub fn with_user_info(mut self, user_info: bool) -> Self {
        self.user_info = user_info;
        self
    }

    /// How far the provider's clock and this host's may be apart. Default: 60 seconds.
    pub fn with_clock_skew(mut self, clock_skew: Duration) -> Self {
        self.clock_skew = clock_skew;
        self
    }

    /// What the header `typ` of logout tokens has to be. Default: [`LogoutTokenType::Required`].
    pub fn with_logout_token_type(mut self, typ: LogoutTokenType) -> Self {
        self.logout_token_type = typ;
        self
    }

    /// How old a logout token may be. Default: 10 minutes.
    pub fn with_logout_token_max_age(mut self, max_age: Duration) -> Self {
        self.logout_token_max_age = max_age;
        self
    }

    /// How often, at most, the provider's keys are fetched again because a token names one that is
    /// not among them. Default: 60 seconds.
    pub fn with_key_refetch_interval(mut self, interval: Duration) -> Self {
        self.key_refetch_interval = interval;
        self
    }

    /// For how long what the provider says of itself, and its keys, are used before they are
    /// fetched again. Default: 12 hours.
    pub fn with_metadata_max_age(mut self, max_age: Duration) -> Self {
        self.metadata_max_age = max_age;
        self
    }

    /// Whether cookies are to be `Secure`.
    pub(super) fn is_secure(&self) -> bool {
        self.base_url.scheme() == "https"
    }

    /// The address of this path below the front end's.
    pub(super) fn url_of(&self, path: &str) -> Url {
        let mut url = self.base_url.clone();
        url.set_path(&self.path_of(path));
        url
    }

    /// This path below the front end's.
    pub(super) fn path_of(&self, path: &str) -> String {
        format!("{}{path}", self.base_url.path().trim_end_matches('/'))
    }
}

/// No secret, and nothing that is at its default.
impl fmt::Debug for OpenIdClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenIdClient")
            .field("issuer", &self.issuer.as_str())
            .field("client_id", &self.client_id.as_str())
            .field("base_url", &self.base_url.as_str())
            .finish_non_exhaustive()
    }
}

/// Whether a URL stays on this machine.
pub(super) fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Made = Result<OpenIdClient, InvalidOpenIdClient>;

    const ISSUER: &str = "https://id.example";
    const BASE: &str = "https://app.example";

    #[test]
    fn plain_http_has_to_be_asked_for_and_stays_here() {
        let refused = |made: Made| made.err();
        let new = |issuer, base| refused(OpenIdClient::new(issuer, "c", base));
        assert_eq!(new(ISSUER, BASE), None);
        assert_eq!(
            new("http://localhost", BASE),
            Some(InvalidOpenIdClient::Issuer)
        );
        assert_eq!(
            new(ISSUER, "http://localhost"),
            Some(InvalidOpenIdClient::BaseUrl)
        );

        let local = |issuer, base| refused(OpenIdClient::insecure_for_localhost(issuer, "c", base));
        for here in [
            "http://localhost:1",
            "http://a.localhost",
            "http://127.0.0.2",
            "http://[::1]:4",
            BASE,
        ] {
            assert_eq!(local(here, here), None, "{here}");
        }
        for elsewhere in [
            "http://id.example",
            "http://localhost.example",
            "http://10.0.0.1",
        ] {
            let not_here = Some(InvalidOpenIdClient::NotLocalhost);
            assert_eq!(local(elsewhere, BASE), not_here, "{elsewhere}");
            assert_eq!(local(ISSUER, elsewhere), not_here, "{elsewhere}");
        }
    }

    #[test]
    fn other_urls_are_refused() {
        for bad in [
            "",
            "id.example",
            "ftp://id.example",
            "https://a@id.example",
            "https://id.example?a",
            "https://id.example#a",
        ] {
            let issuer = OpenIdClient::new(bad, "c", BASE).err();
            assert_eq!(issuer, Some(InvalidOpenIdClient::Issuer), "{bad}");
            let base = OpenIdClient::new(ISSUER, "c", bad).err();
            assert_eq!(base, Some(InvalidOpenIdClient::BaseUrl), "{bad}");
        }
        let nobody = OpenIdClient::new(ISSUER, "", BASE).err();
        assert_eq!(nobody, Some(InvalidOpenIdClient::ClientId));
    }

    #[test]
    fn paths_are_below_the_front_ends() {
        for (base, path, url) in [
            (BASE, "/bff/x", "https://app.example/bff/x"),
            (
                "https://app.example/shop",
                "/shop/bff/x",
                "https://app.example/shop/bff/x",
            ),
            (
                "https://app.example/shop/",
                "/shop/bff/x",
                "https://app.example/shop/bff/x",
            ),
        ] {
            let client = OpenIdClient::new(ISSUER, "c", base).expect("a client");
            assert_eq!(client.path_of("/bff/x"), path);
            assert_eq!(client.url_of("/bff/x").as_str(), url);
        }
    }

    #[test]
    fn the_secret_is_not_shown() {
        let client = OpenIdClient::new(ISSUER, "c", BASE).expect("a client");
        let debug = format!("{:?}", client.with_secret("very secret"));
        assert!(
            debug.contains(ISSUER) && !debug.contains("very secret"),
            "{debug}"
        );
    }
}
