//! A key that seals tickets.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::TicketError;

/// Names a key without giving it away: the beginning of a digest of it.
///
/// Since it is computed, no operator can give one name to two keys, which would make good tickets
/// look tampered with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId([u8; Self::LEN]);

impl KeyId {
    pub(super) const LEN: usize = 8;

    fn of(key: &[u8; TicketKey::LEN]) -> Self {
        let digest = Sha256::new()
            .chain_update(b"store-tickets key id\0")
            .chain_update(key)
            .finalize();
        let mut id = [0; Self::LEN];
        id.copy_from_slice(&digest[..Self::LEN]);
        Self(id)
    }

    pub(super) fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Sixteen hexadecimal digits.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// A key of 256 bits. `Debug` shows its id only, and its memory is wiped when it is dropped.
#[derive(Clone)]
pub struct TicketKey {
    id: KeyId,
    bytes: Zeroizing<[u8; Self::LEN]>,
    pub(super) cipher: XChaCha20Poly1305,
}

impl TicketKey {
    /// How long a key is, in bytes.
    pub const LEN: usize = 32;

    /// A new one.
    ///
    /// # Errors
    /// [`TicketError::Random`] if the operating system has no random bits to give.
    pub fn generate() -> Result<Self, TicketError> {
        let mut bytes = Zeroizing::new([0; Self::LEN]);
        getrandom::fill(bytes.as_mut_slice())?;
        Ok(Self::from_zeroizing(bytes))
    }

    /// The key made of these bytes, which are to be random: they are used as they are.
    pub fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self::from_zeroizing(Zeroizing::new(bytes))
    }

    fn from_zeroizing(bytes: Zeroizing<[u8; Self::LEN]>) -> Self {
        Self {
            id: KeyId::of(&bytes),
            cipher: XChaCha20Poly1305::new((&*bytes).into()),
            bytes,
        }
    }

    /// Reads base64 of either alphabet, padded or not. Answers how many bytes there were if they
    /// are not as many as a key has, and nothing if it is no base64.
    pub(super) fn from_base64(text: &str) -> Result<Self, Option<usize>> {
        const CONFIG: GeneralPurposeConfig =
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
        const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG);

        let decoded = STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text));
        let decoded = Zeroizing::new(decoded.map_err(|_| None)?);
        let bytes = <[u8; Self::LEN]>::try_from(decoded.as_slice());
        Ok(Self::from_bytes(bytes.map_err(|_| Some(decoded.len()))?))
    }

    /// The key as base64, as [`KeyRing`](crate::KeyRing) reads it: to write it down.
    pub fn expose_base64(&self) -> Zeroizing<String> {
        use base64::engine::general_purpose::STANDARD;
        Zeroizing::new(STANDARD.encode(self.bytes.as_slice()))
    }

    pub(super) fn is_one_byte_repeated(&self) -> bool {
        self.bytes.iter().all(|byte| *byte == self.bytes[0])
    }

    /// Its id.
    pub fn id(&self) -> KeyId {
        self.id
    }
}

impl PartialEq for TicketKey {
    fn eq(&self, other: &Self) -> bool {
        self.bytes.ct_eq(other.bytes.as_slice()).into()
    }
}

impl Eq for TicketKey {}

impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
