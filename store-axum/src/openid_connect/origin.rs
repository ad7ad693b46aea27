//! Which provider a session comes from.

use store_tickets::{AuthenticationTicket, BagError, SessionBag};

use super::registration::Registration;

/// Where a session says which provider it comes from, and which client of it began it.
const ORIGIN: &str = "store-axum.origin";

impl Registration {
    /// Writes down that a session comes from here, whatever the bag said.
    pub(super) fn mark(&self, bag: &mut SessionBag) -> Result<(), BagError> {
        bag.set(ORIGIN, &self.origin())
    }

    /// Whether a session comes from here. A subject is a provider's own, and its tokens are for
    /// nobody else: where a front end gets another provider, or another client there, the sessions
    /// of the one before are nobody's, and so are those that do not say where they come from.
    pub(super) fn has_begun<T>(&self, ticket: &AuthenticationTicket<T>) -> bool {
        let origin: Option<(String, String)> = ticket.bag.get(ORIGIN).ok().flatten();
        origin.is_some_and(|(issuer, client_id)| {
            (issuer.as_str(), client_id.as_str()) == self.origin()
        })
    }

    fn origin(&self) -> (&str, &str) {
        (self.client.issuer.as_str(), self.client.client_id.as_str())
    }
}
