//! The audit log.

use std::fmt;

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use store_core::{BoxError, UserKey};
use zeroize::Zeroizing;

use super::{EndReason, SessionEvent, SessionEvents};

/// Writes a line for each event by `tracing`: level `INFO`, target `session.audit`.
///
/// Keys, subjects and session ids stand there as salted fingerprints of 16 hexadecimal digits: the
/// lines of one session or one user can be put together, and lead nobody to either. Lines of
/// several nodes, or from before and after a restart, have the same fingerprints only with the same
/// salt.
///
/// ```text
/// INFO session.audit: session ended event="ended" reason="logged_out" partition="" session=3b…
/// ```
pub struct AuditLog {
    salt: Zeroizing<Vec<u8>>,
}

impl AuditLog {
    /// The target of its lines.
    pub const TARGET: &'static str = "session.audit";

    /// With a random salt, which nobody else has.
    pub fn new() -> Self {
        let mut salt = [0; 32];
        if getrandom::fill(&mut salt).is_err() {
            // Without a salt, anybody could compute a known subject's fingerprint. This one is
            // at least not the same everywhere; the store's own random bits fail loudly.
            fastrand::fill(&mut salt);
        }
        Self::with_salt(salt)
    }

    /// With a salt that other nodes have too. Whoever knows it can tell whether a line is of a
    /// subject that he knows.
    pub fn with_salt(salt: impl Into<Vec<u8>>) -> Self {
        Self {
            salt: Zeroizing::new(salt.into()),
        }
    }

    /// The fingerprint by which a line names this key, subject or session id.
    pub fn fingerprint(&self, of: &str) -> String {
        let digest = Sha256::new()
            .chain_update((self.salt.len() as u64).to_le_bytes())
            .chain_update(&*self.salt)
            .chain_update(of)
            .finalize();
        digest[..8]
            .iter()
            .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }

    fn write(&self, session: &SessionEvent, what: &What<'_>) {
        let fingerprint = |of: Option<&str>| of.map(|of| self.fingerprint(of));
        let subject = fingerprint(session.subject_id.as_ref().map(AsRef::as_ref));
        let session_id = fingerprint(session.session_id.as_ref().map(AsRef::as_ref));
        let from = fingerprint(what.from.map(UserKey::as_str));
        tracing::info!(
            target: AuditLog::TARGET,
            event = what.event,
            reason = what.reason.map(EndReason::as_str),
            partition = session.key.partition_key.as_str(),
            session = self.fingerprint(session.key.user_key.as_str()),
            from,
            subject,
            sid = session_id,
            at = %session.at.to_rfc3339(),
            "session {}",
            what.event,
        );
    }
}

#[derive(Default)]
struct What<'a> {
    event: &'static str,
    reason: Option<EndReason>,
    from: Option<&'a UserKey>,
}

impl What<'_> {
    fn named(event: &'static str) -> Self {
        Self {
            event,
            ..Self::default()
        }
    }
}

impl Default for AuditLog {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog").finish_non_exhaustive()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl SessionEvents for AuditLog {
    async fn created(&self, session: &SessionEvent) -> Result<(), BoxError> {
        self.write(session, &What::named("created"));
        Ok(())
    }

    async fn authenticated(&self, session: &SessionEvent) -> Result<(), BoxError> {
        self.write(session, &What::named("authenticated"));
        Ok(())
    }

    async fn renewed(&self, session: &SessionEvent) -> Result<(), BoxError> {
        self.write(session, &What::named("renewed"));
        Ok(())
    }

    async fn rotated(&self, session: &SessionEvent, from: &UserKey) -> Result<(), BoxError> {
        let what = What {
            from: Some(from),
            ..What::named("rotated")
        };
        self.write(session, &what);
        Ok(())
    }

    async fn ended(&self, session: &SessionEvent, reason: EndReason) -> Result<(), BoxError> {
        let what = What {
            reason: Some(reason),
            ..What::named("ended")
        };
        self.write(session, &what);
        Ok(())
    }
}
