//! Where those who lost a race for a session line up.

use std::hash::{DefaultHasher, Hash, Hasher};

use store_core::UserSessionKey;
use tokio::sync::{Mutex, MutexGuard};

/// Changes of one session that collided on this node go on one by one, so that it is one node
/// against another and not two hundred requests against each other. Those that never collide pay
/// nothing. Sessions that share a line by chance wait for each other, which is all that happens.
#[derive(Debug)]
pub(super) struct Lines([Mutex<()>; 256]);

impl Default for Lines {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }
}

impl Lines {
    pub(super) async fn enter(&self, key: &UserSessionKey) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let line = hasher.finish() as usize % self.0.len();
        self.0[line].lock().await
    }
}
