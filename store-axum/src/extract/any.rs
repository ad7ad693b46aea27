//! The session of a request, whatever its data.

use std::sync::{Arc, MutexGuard};

use async_trait::async_trait;
use store_tickets::SessionBag as Bag;

use crate::pending::{Pending, PendingBag};
use crate::{SessionContext, SessionData, SessionRejection};

/// The session of a request, whatever its data.
#[derive(Clone)]
pub(crate) struct AnyContext(Arc<dyn BagOfAny>);

impl AnyContext {
    pub(crate) fn new<T: SessionData>(context: SessionContext<T>) -> Self {
        Self(Arc::new(context))
    }

    pub(crate) fn get(&self) -> &dyn BagOfAny {
        &*self.0
    }
}

pub(crate) type Modification<'a> = &'a mut (dyn FnMut(&mut Bag) + Send);

/// What [`SessionBag`](crate::SessionBag) does with a session whose data's type it does not know.
#[async_trait]
pub(crate) trait BagOfAny: Send + Sync {
    async fn read(&self) -> Result<(), SessionRejection>;
    async fn save(&self) -> Result<(), SessionRejection>;
    async fn modify(&self, change: Modification<'_>) -> Result<(), SessionRejection>;
    fn with(&self, look: &mut dyn FnMut(&mut PendingBag));
    fn has_left(&self) -> bool;
}

#[async_trait]
impl<T: SessionData> BagOfAny for SessionContext<T> {
    async fn read(&self) -> Result<(), SessionRejection> {
        self.read_bag().await
    }

    async fn save(&self) -> Result<(), SessionRejection> {
        SessionContext::save(self).await
    }

    async fn modify(&self, change: Modification<'_>) -> Result<(), SessionRejection> {
        self.modify_or_create(|ticket| change(&mut ticket.bag))
            .await
    }

    fn with(&self, look: &mut dyn FnMut(&mut PendingBag)) {
        let mut pending: MutexGuard<'_, Pending<T>> = self.lock_pending();
        look(pending.bag());
    }

    fn has_left(&self) -> bool {
        SessionContext::has_left(self)
    }
}
