//! What can go wrong between a record and its row.

use std::error::Error as StdError;

use store_core::{BoxError, Error as StoreError};
use store_tickets::{TicketError, Unreadable};
use tower_sessions_core::session_store;

/// Why an operation on a record was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum BridgeError {
    #[error("the session store did not do it")]
    Store(#[from] StoreError),
    #[error("the record cannot be sealed")]
    Seal(#[from] TicketError),
    #[error("this node cannot read the session")]
    Unreadable(#[source] Unreadable),
    #[error("it cannot be said whose session this is")]
    Identity(#[source] BoxError),
    #[error("the session has ended, or never was: nothing was written")]
    Ended,
    #[error("the session was changed by others {attempts} times in a row")]
    Contended { attempts: u32 },
}

/// tower-sessions has texts for errors, so this is where theirs become one.
impl From<BridgeError> for session_store::Error {
    fn from(error: BridgeError) -> Self {
        let text = with_sources(&error);
        match error {
            BridgeError::Seal(TicketError::Encode(_)) | BridgeError::Identity(_) => {
                Self::Encode(text)
            }
            BridgeError::Unreadable(Unreadable::Incompatible(_)) => Self::Decode(text),
            _ => Self::Backend(text),
        }
    }
}

fn with_sources(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_all_the_causes() {
        let error = BridgeError::Store(StoreError::unavailable("no route to host"));
        let session_store::Error::Backend(text) = error.into() else {
            panic!("it is the store that failed");
        };
        assert_eq!(
            text,
            "the session store did not do it: the database is unavailable: no route to host"
        );
    }
}
