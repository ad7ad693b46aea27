//! Logins under way, and logouts that overtake them.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use store_core::{PartitionKey, SessionId, SubjectId, UserSessionsFilter};

/// Logins that are under way in this process, and the logouts that came meanwhile.
///
/// A provider may say that a user has signed out while the host is still about to begin his
/// session, which a removal of sessions then does not find. So a logout is noted before it removes
/// anything, and a login looks here after its session has begun: one of the two finds the other.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<Log>);

#[derive(Debug, Default)]
struct Log {
    next: u64,
    /// When the logins under way have begun.
    logins: BTreeSet<u64>,
    /// What came since the first of them has.
    logouts: Vec<(u64, PartitionKey, UserSessionsFilter)>,
}

/// A login under way, until it is dropped.
#[derive(Debug)]
pub(super) struct Flight<'a> {
    flights: &'a Flights,
    begun: u64,
}

impl Flights {
    /// A login begins: before anything is asked of the provider.
    pub(super) fn begin(&self) -> Flight<'_> {
        let mut log = self.lock();
        let begun = log.tick();
        log.logins.insert(begun);
        Flight {
            flights: self,
            begun,
        }
    }

    /// A logout comes: before anything is removed.
    pub(super) fn note(&self, partition_key: &PartitionKey, filter: &UserSessionsFilter) {
        let mut log = self.lock();
        let now = log.tick();
        if !log.logins.is_empty() {
            log.logouts
                .push((now, partition_key.clone(), filter.clone()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    fn tick(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl Flight<'_> {
    /// Whether a logout that ends this session came since the login has begun.
    pub(super) fn was_overtaken(
        &self,
        partition_key: &PartitionKey,
        subject_id: &SubjectId,
        session_id: Option<&SessionId>,
    ) -> bool {
        let names = |filter: &UserSessionsFilter| {
            filter.subject_id().is_none_or(|named| named == subject_id)
                && filter
                    .session_id()
                    .is_none_or(|named| Some(named) == session_id)
        };
        let log = self.flights.lock();
        log.logouts
            .iter()
            .any(|(at, of, filter)| self.begun < *at && of == partition_key && names(filter))
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut log = self.flights.lock();
        log.logins.remove(&self.begun);
        match log.logins.first().copied() {
            Some(first) => log.logouts.retain(|(at, ..)| first < *at),
            None => log.logouts.clear(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(subject: Option<&str>, session: Option<&str>) -> UserSessionsFilter {
        let subject = subject.map(|subject| subject.parse().expect("a subject"));
        let session = session.map(|session| session.parse().expect("a session"));
        UserSessionsFilter::try_new(subject, session).expect("a filter")
    }

    fn is_overtaken(flight: &Flight<'_>) -> bool {
        let (shop, alice): (PartitionKey, SubjectId) = (
            "shop".parse().expect("a key"),
            "alice".parse().expect("a key"),
        );
        let session = "sid 1".parse().expect("a key");
        flight.was_overtaken(&shop, &alice, Some(&session))
    }

    #[test]
    fn a_logout_overtakes_the_logins_that_it_names_and_no_others() {
        for (partition, subject, session, overtakes) in [
            ("shop", Some("alice"), None, true),
            ("shop", None, Some("sid 1"), true),
            ("shop", Some("alice"), Some("sid 1"), true),
            ("shop", Some("bob"), None, false),
            ("shop", None, Some("sid 2"), false),
            ("shop", Some("bob"), Some("sid 1"), false),
            ("bank", Some("alice"), None, false),
        ] {
            let flights = Flights::default();
            let flight = flights.begin();
            let partition = partition.parse().expect("a key");
            flights.note(&partition, &filter(subject, session));
            assert_eq!(is_overtaken(&flight), overtakes, "{subject:?} {session:?}");
        }
    }

    #[test]
    fn a_login_that_begins_later_is_not_overtaken_and_nothing_is_kept_for_long() {
        let flights = Flights::default();
        let shop: PartitionKey = "shop".parse().expect("a key");
        flights.note(&shop, &filter(Some("alice"), None));
        let first = flights.begin();
        assert!(!is_overtaken(&first));
        flights.note(&shop, &filter(Some("alice"), None));
        let second = flights.begin();
        assert!(is_overtaken(&first) && !is_overtaken(&second));
        drop(first);
        assert!(flights.lock().logouts.is_empty());
        flights.note(&shop, &filter(Some("alice"), None));
        assert!(is_overtaken(&second));
        drop(second);
        assert!(flights.lock().logouts.is_empty() && flights.lock().logins.is_empty());
    }
}
