//! What happens to a subject's other sessions when one starts.

use std::num::NonZeroU32;

/// What [`start_user_session`](crate::UserSessionStore::start_user_session) does about the sessions
/// that are there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartPolicy {
    /// End the session with the same (partition, session id). Default: true. If false, a live one
    /// is [`AlreadyExists`](crate::Error::AlreadyExists).
    pub replace_same_session_id: bool,
    /// How many live sessions a subject may have, this one included. Default: `None`, any number.
    pub max_sessions_per_subject: Option<NonZeroU32>,
    /// What to do when there are as many. Default: [`WhenFull::EndOldest`].
    pub when_full: WhenFull,
}

impl Default for StartPolicy {
    fn default() -> Self {
        Self {
            replace_same_session_id: true,
            max_sessions_per_subject: None,
            when_full: WhenFull::default(),
        }
    }
}

/// What happens when a subject has as many live sessions as the policy allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// End as many of the oldest, by (`created`, `user_key`), as it takes to leave room.
    #[default]
    EndOldest,
    /// Answer [`SessionLimitReached`](crate::Error::SessionLimitReached), and change nothing.
    Reject,
}
