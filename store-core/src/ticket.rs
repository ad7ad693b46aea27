//! The payload of a session.

use std::fmt;

use bytes::Bytes;

/// What a host keeps in a session: bytes that the store neither reads nor changes.
///
/// Its `Debug` shows its length only. Cloning is cheap: the bytes are shared.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Ticket(Bytes);

impl Ticket {
    /// The longest ticket that a store takes unless told otherwise: 4 MiB, in bytes.
    pub const DEFAULT_MAX_LEN: usize = 4 << 20;

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, without a copy.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes. An empty ticket is as good as any other.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<u8>> for Ticket {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl From<Bytes> for Ticket {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl From<&[u8]> for Ticket {
    fn from(bytes: &[u8]) -> Self {
        Self(Bytes::copy_from_slice(bytes))
    }
}

impl From<&str> for Ticket {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

impl From<String> for Ticket {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl AsRef<[u8]> for Ticket {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticket({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_the_length_only() {
        assert_eq!(format!("{:?}", Ticket::from("secret")), "Ticket(6 bytes)");
    }
}
