//! Where the endpoints are, and what they allow.

use std::time::Duration;

use super::Prompt;

/// Where the endpoints are, below the front end's own address.
///
/// As axum's routes: they begin with `/` and hold no parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BffPaths {
    /// Default: `/bff/login`.
    pub login: String,
    /// Default: `/bff/silent-login`.
    pub silent_login: String,
    /// The redirect URI that the provider knows. Default: `/bff/callback`.
    pub callback: String,
    /// Default: `/bff/user`.
    pub user: String,
    /// Default: `/bff/logout`.
    pub logout: String,
    /// The post-logout redirect URI that the provider knows. Default: `/bff/logout/callback`.
    pub logout_callback: String,
    /// The back-channel logout URI that the provider knows. Default: `/bff/backchannel`.
    pub backchannel: String,
    /// Default: `/bff/sessions`.
    pub sessions: String,
}

impl BffPaths {
    /// All of them below this path.
    pub fn below(base: &str) -> Self {
        let path = |name: &str| format!("{}/{name}", base.trim_end_matches('/'));
        Self {
            login: path("login"),
            silent_login: path("silent-login"),
            callback: path("callback"),
            user: path("user"),
            logout: path("logout"),
            logout_callback: path("logout/callback"),
            backchannel: path("backchannel"),
            sessions: path("sessions"),
        }
    }
}

impl Default for BffPaths {
    fn default() -> Self {
        Self::below("/bff")
    }
}

/// What `/bff/user` answers where nobody is signed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnonymousUser {
    /// 401.
    #[default]
    Unauthorized,
    /// 200 and `null`.
    Null,
}

#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) paths: BffPaths,
    pub(super) prompts: Vec<Prompt>,
    pub(super) anonymous_user: AnonymousUser,
    pub(super) require_logout_session_id: bool,
    pub(super) keep_visitors_bag: bool,
    pub(super) login_lifetime: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            paths: BffPaths::default(),
            prompts: Prompt::ALL.into(),
            anonymous_user: AnonymousUser::default(),
            require_logout_session_id: true,
            keep_visitors_bag: false,
            login_lifetime: Duration::from_secs(10 * 60),
        }
    }
}
