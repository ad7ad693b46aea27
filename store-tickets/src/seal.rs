//! Encryption at rest: keys, the envelope, and what goes into it.

mod compression;
mod envelope;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod key;
mod ring;
mod sealer;
mod ticket_sealer;

pub(crate) use self::envelope::Form;
pub use self::key::{KeyId, TicketKey};
pub use self::ring::{KeyRing, KeyRingError};
pub use self::sealer::{OpenError, Unreadable};
pub(crate) use self::sealer::{Opened, Protection, Sealer, Sealing};
pub use self::ticket_sealer::TicketSealer;
