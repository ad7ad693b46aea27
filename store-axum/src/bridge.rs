//! The store as a `SessionStore` of tower-sessions.

mod delete;
mod error;
mod identity;
mod load;
mod record;
mod save;
mod traits;

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use store_core::{
    BoxError, Clock, PartitionKey, StartPolicy, SystemClock, UserKey, UserSessionKey,
    UserSessionStore, floor_to_micros,
};
use store_tickets::{KeyRing, SessionObservers, TicketSealer};
use tower_sessions_core::session::{Id, Record};

use self::error::BridgeError;
pub use self::identity::{InvalidUserId, SessionIdentity, axum_login_identity};

#[doc = include_str!("bridge/bridge.md")]
pub struct TowerSessionStore<S: ?Sized = dyn UserSessionStore> {
    store: Arc<S>,
    sealer: TicketSealer,
    identify: Arc<Identify>,
    policy: StartPolicy,
    observers: SessionObservers,
    clock: Arc<dyn Clock>,
    partition_key: PartitionKey,
}

type Identify = dyn Fn(&Record) -> Result<SessionIdentity, BoxError> + Send + Sync;

impl<S: UserSessionStore + ?Sized> TowerSessionStore<S> {
    /// What bridges seal their rows for, unless they are [given](Self::with_sealer) another.
    pub const PURPOSE: &str = "tower-sessions";

    /// A session store of tower-sessions that encrypts with these keys.
    pub fn new(store: Arc<S>, keys: KeyRing) -> Self {
        Self::with_sealer(store, TicketSealer::new(Self::PURPOSE, keys))
    }

    /// One that does **not** encrypt: whoever reads the table or a backup of it reads what every
    /// session holds, and whoever writes it can make sessions. It does not read what an encrypting
    /// one wrote, nor the other way round.
    pub fn unencrypted(store: Arc<S>) -> Self {
        Self::with_sealer(store, TicketSealer::unencrypted(Self::PURPOSE))
    }

    /// One that seals with this: for a purpose of its own, where two tables have the same keys.
    pub fn with_sealer(store: Arc<S>, sealer: TicketSealer) -> Self {
        Self {
            store,
            sealer,
            identify: Arc::new(|_| Ok(SessionIdentity::default())),
            policy: StartPolicy::default(),
            observers: SessionObservers::default(),
            clock: Arc::new(SystemClock),
            partition_key: PartitionKey::default(),
        }
    }

    /// Whose session a record is. Default: nobody's.
    ///
    /// It is asked whenever a record is written. If it fails, the record is not written: better no
    /// login than one that no logout finds.
    #[must_use]
    pub fn identify<E: Into<BoxError>>(
        self,
        identify: impl Fn(&Record) -> Result<SessionIdentity, E> + Send + Sync + 'static,
    ) -> Self {
        let identify = move |record: &Record| identify(record).map_err(Into::into);
        Self {
            identify: Arc::new(identify),
            ..self
        }
    }

    /// What happens to the subject's other sessions when one begins. Default:
    /// [`StartPolicy::default`], that is no cap.
    #[must_use]
    pub fn start_policy(self, policy: StartPolicy) -> Self {
        Self { policy, ..self }
    }

    /// Who is told what happens. Default: an [`AuditLog`](store_tickets::AuditLog).
    #[must_use]
    pub fn observers(self, observers: SessionObservers) -> Self {
        Self { observers, ..self }
    }

    /// The clock, which is to be the one of the store below. Default: the system's, which is the
    /// one that tower-sessions itself reads.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// The same store for another front end. Without this it is the default partition, "".
    #[must_use]
    pub fn in_partition(&self, partition_key: PartitionKey) -> Self {
        Self {
            partition_key,
            ..self.clone()
        }
    }

    /// The front end whose sessions these are.
    pub fn partition_key(&self) -> &PartitionKey {
        &self.partition_key
    }

    /// The store below.
    pub fn user_session_store(&self) -> &Arc<S> {
        &self.store
    }

    /// Takes other keys from now on, in all clones: the first one writes, all of them read. Whether
    /// this store encrypts at all.
    pub fn replace_keys(&self, keys: KeyRing) -> bool {
        self.sealer.replace_keys(keys)
    }

    /// The row of the session with this id: for a filter's `except`, for example.
    pub fn key(&self, id: &Id) -> UserSessionKey {
        UserSessionKey::new(self.partition_key.clone(), user_key(id))
    }

    fn now(&self) -> DateTime<Utc> {
        floor_to_micros(self.clock.now())
    }

    fn identity(&self, record: &Record) -> Result<SessionIdentity, BridgeError> {
        (self.identify)(record).map_err(BridgeError::Identity)
    }
}

/// SHA-256 of the id's bytes, as base64url: from the table nobody gets back to the cookie.
fn user_key(id: &Id) -> UserKey {
    let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(id.0.to_le_bytes()));
    UserKey::try_from(digest).expect("43 characters of base64url are a key")
}

impl<S: ?Sized> Clone for TowerSessionStore<S> {
    fn clone(&self) -> Self {
        Self {
            store: Arc::clone(&self.store),
            sealer: self.sealer.clone(),
            identify: Arc::clone(&self.identify),
            policy: self.policy.clone(),
            observers: self.observers.clone(),
            clock: Arc::clone(&self.clock),
            partition_key: self.partition_key.clone(),
        }
    }
}

impl<S: fmt::Debug + ?Sized> fmt::Debug for TowerSessionStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TowerSessionStore")
            .field("store", &self.store)
            .field("sealer", &self.sealer)
            .field("policy", &self.policy)
            .field("observers", &self.observers)
            .field("partition_key", &self.partition_key)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_the_digest_of_the_id() {
        // `head -c 16 /dev/zero | sha256sum | xxd -r -p | basenc --base64url`
        assert_eq!(
            user_key(&Id(0)).as_str(),
            "N0cI__dxndWXnsh11WzSKG9tPPfsMXo7JWMqqyjsN7s"
        );
        // The bytes are those that the cookie's text stands for.
        let id = Id(0x0102);
        let bytes = URL_SAFE_NO_PAD.decode(id.to_string()).expect("base64url");
        let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(bytes));
        assert_eq!(user_key(&id).as_str(), digest);
    }
}
