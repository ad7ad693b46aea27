//! What the provider is to ask the user.

use openidconnect::core::CoreAuthPrompt;

/// What the provider is to ask the user at login (OpenID Connect Core 1.0 section 3.1.2.1, and
/// Initiating User Registration 1.0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Prompt {
    /// Nothing: a silent login.
    None,
    /// To sign in, even if signed in.
    Login,
    /// To consent.
    Consent,
    /// To choose an account.
    SelectAccount,
    /// To register.
    Create,
}

impl Prompt {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::None,
        Self::Login,
        Self::Consent,
        Self::SelectAccount,
        Self::Create,
    ];

    /// As the parameter `prompt` names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Login => "login",
            Self::Consent => "consent",
            Self::SelectAccount => "select_account",
            Self::Create => "create",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|prompt| prompt.as_str() == name)
    }
}

impl From<Prompt> for CoreAuthPrompt {
    fn from(prompt: Prompt) -> Self {
        match prompt {
            Prompt::None => Self::None,
            Prompt::Login => Self::Login,
            Prompt::Consent => Self::Consent,
            Prompt::SelectAccount => Self::SelectAccount,
            Prompt::Create => Self::Extension("create".to_owned()),
        }
    }
}
