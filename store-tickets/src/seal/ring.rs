//! The keys that a node has.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use zeroize::Zeroizing;

use super::{KeyId, TicketKey};

/// The keys that a node has: the first one writes, all of them read.
///
/// As text it is a key to a line, base64 of 32 random bytes (`openssl rand -base64 32`), the newest
/// one first. Blank lines and what follows a `#` are passed over; in one line, commas or blanks
/// separate keys.
///
/// ```
/// use store_tickets::KeyRing;
///
/// let keys: KeyRing = "
///     zX2B8sBzsbTF0y1w2Xj9UoSZHZHkJd0pWmhoDg4o2hQ=   # since March
///     q1c3b3tRkzGmYB4bUZfVZJHQ6mBM5tRVXn7Dhnf8xOs=   # until February
/// ".parse()?;
/// assert_eq!(keys.key_ids().len(), 2);
/// # Ok::<(), store_tickets::KeyRingError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRing(
    /// Never empty, and no key twice.
    Vec<TicketKey>,
);

/// Why there is no [`KeyRing`]. Says where it went wrong, never what stood there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRingError {
    /// There is no key at all.
    #[error("there is no key: make one with `openssl rand -base64 32`")]
    Empty,
    /// A key is not base64.
    #[error("the key in line {line} is not base64")]
    NotBase64 {
        /// Counted from one.
        line: usize,
    },
    /// A key is too short or too long.
    #[error("the key in line {line} is {len} bytes long, it must be {expected}", expected = TicketKey::LEN)]
    WrongLength {
        /// Counted from one.
        line: usize,
        /// Its length in bytes, decoded.
        len: usize,
    },
    /// A key of 32 equal bytes: somebody's placeholder.
    #[error("the key in line {line} is not random")]
    NotRandom {
        /// Counted from one.
        line: usize,
    },
    /// A key is there twice.
    #[error("key {id} is there twice")]
    Duplicate {
        /// Which one.
        id: KeyId,
    },
    /// The environment variable is not set, or is not UTF-8.
    #[error("the environment variable {name} cannot be read")]
    Environment {
        /// Its name.
        name: String,
        /// What is wrong with it. Its `NotUnicode` would show the keys, so it does not become one.
        not_unicode: bool,
    },
    /// The file cannot be read.
    #[error("the key file {} cannot be read", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
}

impl KeyRing {
    /// One key, which writes and reads.
    pub fn new(key: TicketKey) -> Self {
        Self(vec![key])
    }

    /// The same ring with an older key, which only reads.
    ///
    /// # Errors
    /// [`KeyRingError::Duplicate`].
    pub fn with_older(mut self, key: TicketKey) -> Result<Self, KeyRingError> {
        self.push(key)?;
        Ok(self)
    }

    /// Reads the keys from a file.
    ///
    /// # Errors
    /// [`KeyRingError::File`], and whatever may be wrong with the text.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, KeyRingError> {
        let path = path.as_ref();
        match std::fs::read_to_string(path) {
            Ok(text) => Zeroizing::new(text).parse(),
            Err(source) => Err(KeyRingError::File {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// Reads the keys from an environment variable.
    ///
    /// # Errors
    /// [`KeyRingError::Environment`], and whatever may be wrong with the text.
    pub fn from_env(name: &str) -> Result<Self, KeyRingError> {
        match std::env::var(name) {
            Ok(text) => Zeroizing::new(text).parse(),
            Err(error) => Err(KeyRingError::Environment {
                name: name.to_owned(),
                not_unicode: matches!(error, std::env::VarError::NotUnicode(_)),
            }),
        }
    }

    /// The ids of the keys, in order: the first one's writes.
    pub fn key_ids(&self) -> impl ExactSizeIterator<Item = KeyId> {
        self.0.iter().map(TicketKey::id)
    }

    pub(super) fn newest(&self) -> &TicketKey {
        &self.0[0]
    }

    pub(super) fn find(&self, id: KeyId) -> Option<&TicketKey> {
        self.0.iter().find(|key| key.id() == id)
    }

    fn push(&mut self, key: TicketKey) -> Result<(), KeyRingError> {
        if self.find(key.id()).is_some() {
            return Err(KeyRingError::Duplicate { id: key.id() });
        }
        self.0.push(key);
        Ok(())
    }
}

impl FromStr for KeyRing {
    type Err = KeyRingError;

    fn from_str(text: &str) -> Result<Self, KeyRingError> {
        let mut ring = Self(Vec::new());
        for (line, content) in (1..).zip(text.lines()) {
            let content = content.split('#').next().unwrap_or_default();
            let keys = content.split(|c: char| c == ',' || c.is_whitespace());
            for text in keys.filter(|text| !text.is_empty()) {
                let key = TicketKey::from_base64(text).map_err(|len| match len {
                    Some(len) => KeyRingError::WrongLength { line, len },
                    None => KeyRingError::NotBase64 { line },
                })?;
                if key.is_one_byte_repeated() {
                    return Err(KeyRingError::NotRandom { line });
                }
                ring.push(key)?;
            }
        }
        if ring.0.is_empty() {
            return Err(KeyRingError::Empty);
        }
        Ok(ring)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "zX2B8sBzsbTF0y1w2Xj9UoSZHZHkJd0pWmhoDg4o2hQ=";
    const OTHER: &str = "q1c3b3tRkzGmYB4bUZfVZJHQ6mBM5tRVXn7Dhnf8xOs=";

    fn error(text: &str) -> KeyRingError {
        text.parse::<KeyRing>().unwrap_err()
    }

    #[test]
    fn keys_are_read_in_order_however_they_are_separated() {
        let lines: KeyRing = format!("# keys\n{ONE} # newest\r\n\n  {OTHER}\n")
            .parse()
            .unwrap();
        let commas: KeyRing = format!("{ONE}, {OTHER}").parse().unwrap();
        assert_eq!(lines, commas);
        assert_eq!(lines.newest().expose_base64().as_str(), ONE);
        assert_eq!(lines.key_ids().len(), 2);
    }

    #[test]
    fn either_alphabet_will_do_padded_or_not() {
        let bytes: [u8; 32] = std::array::from_fn(|i| 0xff - i as u8);
        let standard = TicketKey::from_bytes(bytes).expose_base64();
        let url_safe = standard.replace('+', "-").replace('/', "_");
        for text in [&*standard, &url_safe, url_safe.trim_end_matches('=')] {
            let ring: KeyRing = text.parse().unwrap();
            assert_eq!(ring.newest(), &TicketKey::from_bytes(bytes));
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_showing_it() {
        assert!(matches!(error(""), KeyRingError::Empty));
        assert!(matches!(error("# none\n\n"), KeyRingError::Empty));
        assert!(matches!(
            error(&format!("{ONE}\nnot base64!")),
            KeyRingError::NotBase64 { line: 2 }
        ));
        assert!(matches!(
            error("c2VjcmV0"),
            KeyRingError::WrongLength { line: 1, len: 6 }
        ));
        assert!(matches!(
            error(&"A".repeat(43)),
            KeyRingError::NotRandom { line: 1 }
        ));
        assert!(matches!(
            error(&format!("{ONE}\n{ONE}")),
            KeyRingError::Duplicate { .. }
        ));
        assert!(!error("c2VjcmV0").to_string().contains("c2VjcmV0"));
    }

    #[test]
    fn a_ring_comes_from_a_file_or_the_environment() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        assert!(matches!(
            KeyRing::from_file(&path),
            Err(KeyRingError::File { .. })
        ));
        std::fs::write(&path, ONE).unwrap();
        assert_eq!(KeyRing::from_file(&path).unwrap().key_ids().len(), 1);
        assert!(matches!(
            KeyRing::from_env("STORE_TICKETS_NO_SUCH_VARIABLE"),
            Err(KeyRingError::Environment {
                not_unicode: false,
                ..
            })
        ));
    }

    #[test]
    fn debug_shows_ids_only() {
        let ring: KeyRing = ONE.parse().unwrap();
        let shown = format!("{ring:?}");
        assert!(shown.contains(&ring.newest().id().to_string()), "{shown}");
        assert!(shown.len() < 80, "{shown}");
    }
}
