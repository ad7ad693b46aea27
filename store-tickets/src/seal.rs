//! Encryption at rest: keys, the envelope, and what goes into it.

mod compression;
mod envelope;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod key;
mod ring;
mod sealer;

pub use self::key::{KeyId, TicketKey};
pub use self::ring::{KeyRing, KeyRingError};
pub use self::sealer::Unreadable;
pub(crate) use self::sealer::{OpenError, Opened, Protection, Sealer, Sealing};
