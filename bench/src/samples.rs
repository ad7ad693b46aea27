//! The sessions that everybody works on.

use chrono::{DateTime, TimeDelta, Utc};
use store_core::{Clock as _, SystemClock, Ticket};

/// How many sessions a subject has.
pub(crate) const SESSIONS_PER_SUBJECT: u64 = 4;

/// A session, as no contender in particular takes it.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) number: u64,
    pub(crate) user_key: String,
    pub(crate) subject_id: String,
    pub(crate) session_id: String,
    pub(crate) created: DateTime<Utc>,
    pub(crate) expires: DateTime<Utc>,
    /// Letters and digits, as a peer's text must be; random, since real ones are encrypted and no
    /// database can make them smaller.
    pub(crate) ticket: Ticket,
}

impl Sample {
    /// The same session with the session id of another, which it will replace.
    pub(crate) fn in_place_of(mut self, other: &Self) -> Self {
        self.session_id.clone_from(&other.session_id);
        self
    }

    /// The ticket as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(self.ticket.as_bytes()).unwrap_or_default()
    }

    /// A number that looks like a random identifier.
    pub(crate) fn id(&self) -> u128 {
        scrambled(self.number)
    }
}

/// Makes samples: the same ones for the same number, whenever and for whomever.
#[derive(Clone, Debug)]
pub(crate) struct Samples {
    pub(crate) ticket_len: usize,
    /// Tickets are pieces of it.
    noise: Ticket,
    now: DateTime<Utc>,
}

const NOISE: usize = 1 << 20;

impl Samples {
    pub(crate) fn new(ticket_len: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(42);
        let noise: Vec<u8> = (0..NOISE + ticket_len)
            .map(|_| random.alphanumeric() as u8)
            .collect();
        Self {
            ticket_len,
            noise: noise.into(),
            now: SystemClock.now(),
        }
    }

    /// One that lives for a day.
    pub(crate) fn live(&self, number: u64) -> Sample {
        self.sample(number, TimeDelta::days(1))
    }

    /// One that is over.
    pub(crate) fn expired(&self, number: u64) -> Sample {
        self.sample(number, TimeDelta::hours(-1))
    }

    /// The same session after a change: another ticket, a later end.
    pub(crate) fn changed(&self, number: u64, change: u64) -> Sample {
        Sample {
            ticket: self.ticket(number ^ change.rotate_left(32)),
            expires: self.now + TimeDelta::days(1) + TimeDelta::seconds(1 + change as i64 % 3600),
            ..self.live(number)
        }
    }

    fn sample(&self, number: u64, lifetime: TimeDelta) -> Sample {
        let subject = number / SESSIONS_PER_SUBJECT;
        Sample {
            number,
            user_key: format!("{:032x}", scrambled(number)),
            subject_id: format!("subject-{:016x}", scrambled(subject) as u64),
            session_id: format!("sid-{:032x}", scrambled(!number)),
            // One after the other, as in life: the newest is created last, and ends last.
            created: self.now - TimeDelta::days(1) + TimeDelta::microseconds(number as i64),
            expires: self.now + lifetime + TimeDelta::microseconds(number as i64),
            ticket: self.ticket(number),
        }
    }

    fn ticket(&self, number: u64) -> Ticket {
        let at = scrambled(number) as usize % NOISE;
        self.noise.as_bytes()[at..at + self.ticket_len]
            .to_vec()
            .into()
    }
}

/// Numbers in a row, spread over the whole range; no two become the same.
fn scrambled(number: u64) -> u128 {
    let upper = mixed(number);
    let lower = mixed(upper ^ 0x5851_F42D_4C95_7F2D);
    u128::from(upper) << 64 | u128::from(lower)
}

/// The finalizer of SplitMix64.
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stands_for_one_session() {
        let samples = Samples::new(2048);
        let (one, same, other) = (samples.live(7), samples.live(7), samples.live(8));
        assert_eq!(one.user_key, same.user_key);
        assert_eq!(one.ticket, same.ticket);
        assert_ne!(one.user_key, other.user_key);
        assert_eq!(one.subject_id, samples.live(4).subject_id);
        assert_ne!(one.subject_id, other.subject_id);
        assert_ne!(one.ticket, samples.changed(7, 1).ticket);
        assert!(one.created < other.created && other.created < samples.now);
    }
}
