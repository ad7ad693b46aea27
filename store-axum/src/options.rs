//! What the layer is told, and what follows from it for each front end.

use std::sync::Arc;
use std::time::Duration;

use store_tickets::{RevocationOptions, ServerSideTicketStore, SessionRevocation};

use crate::cookies::CookieJar;
use crate::{Antiforgery, CookieOptions, FrontEnd, FrontEnds, SessionData, SessionHeaders};

/// What the layer is told.
#[derive(Clone, Debug)]
pub(crate) struct Options<T> {
    pub(crate) tickets: ServerSideTicketStore<T>,
    pub(crate) revocation: Option<SessionRevocation<T>>,
    pub(crate) cookie: CookieOptions,
    pub(crate) headers: Option<SessionHeaders>,
    pub(crate) front_ends: Option<FrontEnds>,
    pub(crate) antiforgery: Antiforgery,
    pub(crate) retry_after: Duration,
}

/// Where a request arrives.
#[derive(Debug)]
pub(crate) struct Place<T> {
    pub(crate) tickets: ServerSideTicketStore<T>,
    pub(crate) revocation: SessionRevocation<T>,
    pub(crate) front_end: Option<FrontEnd>,
    pub(crate) jar: CookieJar,
}

impl<T: SessionData> Options<T> {
    /// The places there are, in the order of the front ends.
    pub(crate) fn places(&self) -> Vec<Arc<Place<T>>> {
        match &self.front_ends {
            None => vec![self.place(None)],
            Some(front_ends) => front_ends.iter().map(|one| self.place(Some(one))).collect(),
        }
    }

    fn place(&self, front_end: Option<&FrontEnd>) -> Arc<Place<T>> {
        let partition_key = front_end.map_or(self.tickets.partition_key(), FrontEnd::partition_key);
        let tickets = self.tickets.in_partition(partition_key.clone());
        let revocation = match &self.revocation {
            Some(revocation) => revocation.in_partition(partition_key.clone()),
            None => SessionRevocation::without_refresh_tokens(
                tickets.clone(),
                RevocationOptions::default(),
            ),
        };
        let suffix = front_end.map_or(String::new(), FrontEnd::cookie_suffix);
        Arc::new(Place {
            tickets,
            revocation,
            front_end: front_end.cloned(),
            jar: self.cookie.jar(&suffix),
        })
    }
}
