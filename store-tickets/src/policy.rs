//! How long sessions last, and how many a subject may have.

use std::time::Duration;

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use store_core::StartPolicy;

const MINUTES: u64 = 60;
const HOURS: u64 = 60 * MINUTES;
const DAYS: u64 = 24 * HOURS;

/// Whether a session is meant to outlive the browser's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SessionKind {
    /// Ends with the browser's session, or earlier: see [`SessionPolicy::temporary`].
    #[default]
    Temporary,
    /// "Remember me": the cookie has a lifetime of its own. See [`SessionPolicy::permanent`].
    Permanent,
}

impl SessionKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Temporary => "temporary",
            Self::Permanent => "permanent",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Temporary, Self::Permanent]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }
}

/// How long a session lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLifetime {
    /// How long after its last renewal. `None`: for ever.
    pub idle: Option<Duration>,
    /// How long after its beginning, whatever the user does. Settled when the session begins, and
    /// moved by nothing afterwards. `None`: for ever.
    pub absolute: Option<Duration>,
}

/// How long sessions last, and how many a subject may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPolicy {
    /// For sessions of kind [`SessionKind::Temporary`]. Default: 1 hour idle, 12 hours in all.
    pub temporary: SessionLifetime,
    /// For sessions of kind [`SessionKind::Permanent`]. Default: 14 days idle, 90 days in all.
    pub permanent: SessionLifetime,
    /// Whether use renews a session. Default: true. If false, a session lasts for `idle` from its
    /// beginning.
    pub sliding: bool,
    /// What happens to the subject's other sessions at login. Default: the one with the same
    /// session id ends, and there is no cap.
    pub start: StartPolicy,
}

impl Default for SessionPolicy {
    fn default() -> Self {
        Self {
            temporary: SessionLifetime {
                idle: Some(Duration::from_secs(HOURS)),
                absolute: Some(Duration::from_secs(12 * HOURS)),
            },
            permanent: SessionLifetime {
                idle: Some(Duration::from_secs(14 * DAYS)),
                absolute: Some(Duration::from_secs(90 * DAYS)),
            },
            sliding: true,
            start: StartPolicy::default(),
        }
    }
}

/// When a session that begins now will be over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Begun {
    pub(crate) expires: Option<DateTime<Utc>>,
    pub(crate) ends: Option<DateTime<Utc>>,
}

/// What a renewal depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) kind: SessionKind,
    pub(crate) renewed: DateTime<Utc>,
    pub(crate) expires: Option<DateTime<Utc>>,
    pub(crate) ends: Option<DateTime<Utc>>,
}

impl SessionPolicy {
    fn lifetime(&self, kind: SessionKind) -> &SessionLifetime {
        match kind {
            SessionKind::Temporary => &self.temporary,
            SessionKind::Permanent => &self.permanent,
        }
    }

    pub(crate) fn begin(&self, kind: SessionKind, now: DateTime<Utc>) -> Begun {
        let lifetime = self.lifetime(kind);
        let ends = after(now, lifetime.absolute);
        let expires = earlier(after(now, lifetime.idle), ends);
        Begun { expires, ends }
    }

    /// Until when a session is renewed, if it is to be: more than half of its window has passed,
    /// and it would last longer. A clock that went back neither renews nor shortens anything.
    pub(crate) fn renewal(
        &self,
        standing: &Standing,
        now: DateTime<Utc>,
    ) -> Option<Option<DateTime<Utc>>> {
        let expires = standing.expires?;
        if !self.sliding || expires - now >= now - standing.renewed {
            return None;
        }
        let idle = self.lifetime(standing.kind).idle;
        let renewed_until = earlier(after(now, idle), standing.ends);
        let lasts_longer = renewed_until.is_none_or(|until| until > expires);
        lasts_longer.then_some(renewed_until)
    }
}

/// `None` is for ever, and so is what lies beyond what a store can hold.
fn after(now: DateTime<Utc>, lifetime: Option<Duration>) -> Option<DateTime<Utc>> {
    let lifetime = TimeDelta::from_std(lifetime?).ok()?;
    let at = now.checked_add_signed(lifetime)?;
    (at.year() <= 9999).then(|| store_core::floor_to_micros(at))
}

fn earlier(one: Option<DateTime<Utc>>, other: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_000_000_000 + seconds, 0).unwrap()
    }

    fn policy(idle: Option<u64>, absolute: Option<u64>) -> SessionPolicy {
        let lifetime = SessionLifetime {
            idle: idle.map(Duration::from_secs),
            absolute: absolute.map(Duration::from_secs),
        };
        SessionPolicy {
            temporary: lifetime,
            ..SessionPolicy::default()
        }
    }

    fn begun(policy: &SessionPolicy) -> Standing {
        let Begun { expires, ends } = policy.begin(SessionKind::Temporary, at(0));
        Standing {
            kind: SessionKind::Temporary,
            renewed: at(0),
            expires,
            ends,
        }
    }

    #[test]
    fn renewal_comes_after_half_the_window_and_not_at_it() {
        let policy = policy(Some(100), None);
        let standing = begun(&policy);
        assert_eq!(policy.renewal(&standing, at(0)), None);
        assert_eq!(policy.renewal(&standing, at(50)), None);
        let just_after = at(50) + TimeDelta::microseconds(1);
        let until = just_after + TimeDelta::seconds(100);
        assert_eq!(policy.renewal(&standing, just_after), Some(Some(until)));
    }

    #[test]
    fn the_absolute_limit_ends_renewals() {
        let policy = policy(Some(100), Some(150));
        let standing = begun(&policy);
        assert_eq!(policy.renewal(&standing, at(60)), Some(Some(at(150))));
        let last = Standing {
            renewed: at(60),
            expires: Some(at(150)),
            ..standing
        };
        assert_eq!(policy.renewal(&last, at(149)), None);
    }

    #[test]
    fn a_clock_that_went_back_changes_nothing() {
        let policy = policy(Some(100), None);
        assert_eq!(policy.renewal(&begun(&policy), at(-1000)), None);
    }

    #[test]
    fn without_limits_nothing_expires_and_nothing_is_renewed() {
        let policy = policy(None, None);
        let standing = begun(&policy);
        assert_eq!((standing.expires, standing.ends), (None, None));
        assert_eq!(policy.renewal(&standing, at(1_000_000)), None);
    }

    #[test]
    fn lifetimes_beyond_the_calendar_are_for_ever() {
        for lifetime in [Duration::MAX, Duration::from_secs(9000 * 365 * DAYS)] {
            assert_eq!(after(at(0), Some(lifetime)), None);
        }
    }

    #[test]
    fn a_limit_that_was_lifted_meanwhile_is_lifted_at_the_next_renewal() {
        let standing = begun(&policy(Some(100), None));
        assert_eq!(policy(None, None).renewal(&standing, at(60)), Some(None));
    }
}
