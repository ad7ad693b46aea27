//! Refresh tokens that no session keeps.

use std::fmt;
use std::sync::Arc;

use store_tickets::Token;
use tokio::runtime::Handle;

use super::registration::Registration;

/// A refresh token that the provider has just given. Unless a session [keeps](Self::kept) it, it is
/// revoked when this is dropped: whatever failed, and if the browser hangs up. Nobody waits for it.
pub(super) struct Unkept {
    client: Arc<Registration>,
    refresh: Option<Token>,
}

impl Unkept {
    pub(super) fn new(client: &Arc<Registration>, refresh: Option<Token>) -> Self {
        Self {
            client: Arc::clone(client),
            refresh,
        }
    }

    /// A session keeps it now.
    pub(super) fn kept(mut self) {
        self.refresh = None;
    }
}

impl Drop for Unkept {
    fn drop(&mut self) {
        let (Some(refresh), Ok(runtime)) = (self.refresh.take(), Handle::try_current()) else {
            return;
        };
        let client = Arc::clone(&self.client);
        runtime.spawn(async move {
            if let Err(error) = client.revoke(&refresh).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "a refresh token that no session keeps was not revoked"
                );
            }
        });
    }
}

impl fmt::Debug for Unkept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unkept").finish_non_exhaustive()
    }
}
