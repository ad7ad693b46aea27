//! Making a ticket store.

use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::sync::Arc;

use store_core::{Clock, PartitionKey, SystemClock, UserSessionStore};

use super::{Lines, ServerSideTicketStore, Shared};
use crate::seal::{Form, Protection, Sealer};
use crate::{KeyRing, SessionObservers, SessionPolicy};

/// Makes a [`ServerSideTicketStore`].
#[derive(Debug)]
#[must_use]
pub struct ServerSideTicketStoreBuilder<T> {
    shared: Shared,
    data: PhantomData<fn() -> T>,
}

impl<T> ServerSideTicketStoreBuilder<T> {
    pub(super) fn encrypted(store: Arc<dyn UserSessionStore>, keys: KeyRing) -> Self {
        Self::with_protection(store, Protection::encrypted(keys))
    }

    pub(super) fn unencrypted(store: Arc<dyn UserSessionStore>) -> Self {
        Self::with_protection(store, Protection::Plain)
    }

    fn with_protection(store: Arc<dyn UserSessionStore>, protection: Protection) -> Self {
        const CHANGE_ATTEMPTS: NonZeroU32 = NonZeroU32::new(64).unwrap();
        Self {
            shared: Shared {
                store,
                sealer: Sealer {
                    form: Form::Ticket,
                    purpose: String::new(),
                    protection,
                    compress_above: None,
                    max_payload_len: 16 << 20,
                },
                policy: SessionPolicy::default(),
                observers: SessionObservers::default(),
                clock: Arc::new(SystemClock),
                change_attempts: CHANGE_ATTEMPTS,
                lines: Lines::default(),
            },
            data: PhantomData,
        }
    }

    /// How long sessions last, and how many a subject may have. Default:
    /// [`SessionPolicy::default`].
    pub fn policy(mut self, policy: SessionPolicy) -> Self {
        self.shared.policy = policy;
        self
    }

    /// Who is told what happens. Default: an [`AuditLog`](crate::AuditLog).
    pub fn observers(mut self, observers: SessionObservers) -> Self {
        self.shared.observers = observers;
        self
    }

    /// The clock, which is to be the one of the store below. Default: the system's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.shared.clock = clock;
        self
    }

    /// What the tickets are for; they open for no other purpose. Two tables whose tickets are
    /// sealed with the same keys need a purpose each, or a row of one can be copied to the other.
    /// Default: "".
    pub fn purpose(mut self, purpose: impl Into<String>) -> Self {
        self.shared.sealer.purpose = purpose.into();
        self
    }

    /// Compresses tickets that are longer than this many bytes, with LZ4, before they are
    /// encrypted. Default: none.
    ///
    /// Lengths then tell something of what was compressed: not for tickets in which an attacker's
    /// text stands next to a secret, where he can see how long rows are.
    pub fn compress_above(mut self, bytes: usize) -> Self {
        self.shared.sealer.compress_above = Some(bytes);
        self
    }

    /// The longest ticket, in bytes, before compression: what is longer is not written, and not
    /// unpacked. The store below has a limit of its own for what it gets. Default: 16 MiB.
    pub fn max_ticket_len(mut self, bytes: usize) -> Self {
        self.shared.sealer.max_payload_len = bytes;
        self
    }

    /// How often a change is tried, when others change the same session, before it is
    /// [`Contended`](crate::TicketError::Contended). Default: 64.
    pub fn change_attempts(mut self, attempts: NonZeroU32) -> Self {
        self.shared.change_attempts = attempts;
        self
    }

    /// The store.
    pub fn build(self) -> ServerSideTicketStore<T> {
        ServerSideTicketStore {
            shared: Arc::new(self.shared),
            partition_key: PartitionKey::default(),
            data: PhantomData,
        }
    }
}
