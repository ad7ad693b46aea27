//! What a host's data has to be.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The host's own data in a session: whatever is `Serialize`, `DeserializeOwned`, `Clone`,
/// `Default`, `Send`, `Sync` and `'static`.
///
/// `Default` is what a visitor's session begins with. Data that has no default of its own goes
/// into an `Option`.
pub trait SessionData:
    Serialize + DeserializeOwned + Clone + Default + Send + Sync + 'static
{
}

impl<T> SessionData for T where
    T: Serialize + DeserializeOwned + Clone + Default + Send + Sync + 'static
{
}
