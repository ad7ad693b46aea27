//! What can go wrong with tickets.

use store_core::Error as StoreError;

use crate::Unreadable;

/// Why an operation on tickets did not do what it was asked.
///
/// Absence is no error, and neither is a session whose ticket is broken: it is over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TicketError {
    /// The store below failed, or refused.
    #[error("the session store did not do it")]
    Store(#[from] StoreError),

    /// Others changed the session each time before this change could be written. Nothing has
    /// changed, and the same call may succeed a little later.
    #[error("the session was changed by others {attempts} times in a row")]
    Contended {
        /// How often it was tried.
        attempts: u32,
    },

    /// This node cannot read the session that was to be changed. Nothing has changed.
    #[error("this node cannot read the session")]
    Unreadable(#[source] Unreadable),

    /// The host's data cannot be encoded. Nothing has changed.
    #[error("the ticket cannot be encoded")]
    Encode(#[source] rmp_serde::encode::Error),

    /// The operating system has no random bits to give. Nothing has changed.
    #[error("the operating system gave no random bits")]
    Random(#[from] getrandom::Error),
}

/// What an operation on tickets answers.
pub type Result<T, E = TicketError> = std::result::Result<T, E>;

impl TicketError {
    /// Whether the same call may succeed a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Store(error) => error.is_transient(),
            Self::Contended { .. } => true,
            _ => false,
        }
    }

    /// What kind it is, as a metric's label says it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Store(error) => store_error_kind(error),
            Self::Contended { .. } => "contended",
            Self::Unreadable(unreadable) => unreadable.kind(),
            Self::Encode(_) => "encode",
            Self::Random(_) => "random",
        }
    }

    pub(crate) fn too_large(len: usize, max: usize) -> Self {
        Self::Store(StoreError::TicketTooLarge { len, max })
    }
}

pub(crate) fn store_error_kind(error: &StoreError) -> &'static str {
    match error {
        StoreError::AlreadyExists => "already_exists",
        StoreError::VersionMismatch => "version_mismatch",
        StoreError::SessionLimitReached => "session_limit_reached",
        StoreError::TicketTooLarge { .. } => "ticket_too_large",
        StoreError::InvalidTimestamp => "invalid_timestamp",
        StoreError::Corrupt { .. } => "corrupt",
        StoreError::NotMigrated => "not_migrated",
        StoreError::Configuration { .. } => "configuration",
        StoreError::Unavailable { .. } => "unavailable",
        StoreError::Backend { .. } => "backend",
        _ => "other",
    }
}
