//! The bytes that stand in the `ticket` column.
//!
//! | | version | key id | nonce | body | tag or checksum |
//! |---|---|---|---|---|---|
//! | sealed | `1`, `3` | 8 bytes | 24 bytes | XChaCha20-Poly1305 | 16 bytes |
//! | plain | `2`, `4` | | | as it is | 16 bytes |
//!
//! `3` and `4` hold what adapters keep. In a table that both share, a ticket store takes them for
//! what it does not read, and not for broken tickets whose sessions it is to end.
//!
//! Nonces come from the operating system's random bits. With 192 of them a repetition is out of
//! the question, over all nodes and for the life of a key; the 96 bits of AES-GCM would allow
//! 2³² tickets to a key. The cipher takes constant time and runs as fast on machines without AES
//! instructions.
//!
//! The plain form's checksum tells accidents from good bytes, and a row that was copied to another
//! key. It keeps nobody out.

use std::mem;

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{Tag, XNonce};
use sha2::{Digest, Sha256};
use store_core::UserSession;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{KeyId, KeyRing, TicketKey};
use crate::TicketError;

/// Whose body it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Ticket,
    Adapter,
}

impl Form {
    fn sealed(self) -> u8 {
        match self {
            Self::Ticket => 1,
            Self::Adapter => 3,
        }
    }

    fn plain(self) -> u8 {
        match self {
            Self::Ticket => 2,
            Self::Adapter => 4,
        }
    }
}

const HEADER_LEN: usize = 1 + KeyId::LEN;
const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;
/// What goes before a body that is to be sealed.
pub(super) const ROOM: usize = HEADER_LEN + NONCE_LEN;

/// Why an envelope does not open.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum EnvelopeError {
    /// Cut, changed, or made for another row: it is of no use to anybody.
    Broken,
    /// This node does not have its key.
    UnknownKey(KeyId),
    /// This node does not know its form, or is not to accept it.
    UnknownVersion(u8),
}

/// What an envelope is bound to: the row that it was made for.
pub(super) struct Binding<'a> {
    pub(super) form: Form,
    pub(super) purpose: &'a str,
    pub(super) session: RowIdentity<'a>,
}

/// What of a row never changes without its ticket being written anew.
pub(super) struct RowIdentity<'a> {
    pub(super) partition_key: &'a str,
    pub(super) user_key: &'a str,
    pub(super) subject_id: Option<&'a str>,
    pub(super) session_id: Option<&'a str>,
}

impl<'a> From<&'a UserSession> for RowIdentity<'a> {
    fn from(session: &'a UserSession) -> Self {
        Self {
            partition_key: session.key.partition_key.as_str(),
            user_key: session.key.user_key.as_str(),
            subject_id: session.subject_id.as_ref().map(AsRef::as_ref),
            session_id: session.session_id.as_ref().map(AsRef::as_ref),
        }
    }
}

impl Binding<'_> {
    /// Behind the header, each part with its length before it, so that no two bindings look alike.
    fn associated_data(&self, header: &[u8]) -> Vec<u8> {
        let parts = [
            Some(self.purpose),
            Some(self.session.partition_key),
            Some(self.session.user_key),
            self.session.subject_id,
            self.session.session_id,
        ];
        let len = |part: &Option<&str>| 1 + size_of::<u32>() + part.map_or(0, str::len);
        let mut data = Vec::with_capacity(header.len() + parts.iter().map(len).sum::<usize>());
        data.extend_from_slice(header);
        for part in parts {
            data.push(part.is_some().into());
            let part = part.unwrap_or_default();
            // Keys are at most 255 bytes long, and a purpose is not 4 GiB.
            data.extend_from_slice(&(part.len() as u32).to_le_bytes());
            data.extend_from_slice(part.as_bytes());
        }
        data
    }
}

/// Seals a body in place, in a buffer that has [`ROOM`] before it: so its plain text stands nowhere
/// else, and nothing has to be wiped.
pub(super) fn seal(
    key: &TicketKey,
    binding: &Binding<'_>,
    mut buffer: Zeroizing<Vec<u8>>,
) -> Result<Vec<u8>, TicketError> {
    let mut nonce = XNonce::default();
    getrandom::fill(&mut nonce)?;
    buffer[0] = binding.form.sealed();
    buffer[1..HEADER_LEN].copy_from_slice(key.id().as_bytes());
    buffer[HEADER_LEN..ROOM].copy_from_slice(&nonce);
    let (head, body) = buffer.split_at_mut(ROOM);
    let len = body.len();
    let associated_data = binding.associated_data(&head[..HEADER_LEN]);
    let tag = key
        .cipher
        .encrypt_inout_detached(&nonce, &associated_data, body.into())
        .map_err(|_| TicketError::too_large(len, u32::MAX as usize))?;
    buffer.extend_from_slice(&tag);
    // The buffer, which may have much more capacity, holds no secret any more: it is freed as it
    // is instead of being wiped.
    let buffer = mem::take(&mut *buffer);
    Ok(buffer.as_slice().to_vec())
}

/// Opens what [`seal`] made: the key's id and the body.
pub(super) fn open(
    keys: &KeyRing,
    binding: &Binding<'_>,
    envelope: &[u8],
) -> Result<(KeyId, Zeroizing<Vec<u8>>), EnvelopeError> {
    match envelope.first() {
        Some(&version) if version == binding.form.sealed() => {}
        Some(&other) => return Err(EnvelopeError::UnknownVersion(other)),
        None => return Err(EnvelopeError::Broken),
    }
    let (header, rest) = envelope
        .split_first_chunk::<HEADER_LEN>()
        .ok_or(EnvelopeError::Broken)?;
    let mut id = [0; KeyId::LEN];
    id.copy_from_slice(&header[1..]);
    let id = KeyId::from_bytes(id);
    let key = keys.find(id).ok_or(EnvelopeError::UnknownKey(id))?;

    let (nonce, rest) = rest
        .split_first_chunk::<NONCE_LEN>()
        .ok_or(EnvelopeError::Broken)?;
    let (body, tag) = rest
        .split_last_chunk::<TAG_LEN>()
        .ok_or(EnvelopeError::Broken)?;
    let mut body = Zeroizing::new(body.to_vec());
    key.cipher
        .decrypt_inout_detached(
            &XNonce::from(*nonce),
            &binding.associated_data(header),
            body.as_mut_slice().into(),
            &Tag::from(*tag),
        )
        .map_err(|_| EnvelopeError::Broken)?;
    Ok((id, body))
}

/// An envelope that anybody can read.
pub(super) fn wrap(binding: &Binding<'_>, body: &[u8]) -> Vec<u8> {
    let mut envelope = Vec::with_capacity(1 + body.len() + TAG_LEN);
    envelope.push(binding.form.plain());
    envelope.extend_from_slice(body);
    envelope.extend_from_slice(&checksum(binding, body));
    envelope
}

/// The body of what [`wrap`] made.
pub(super) fn unwrap<'a>(
    binding: &Binding<'_>,
    envelope: &'a [u8],
) -> Result<&'a [u8], EnvelopeError> {
    let (version, rest) = envelope.split_first().ok_or(EnvelopeError::Broken)?;
    if *version != binding.form.plain() {
        return Err(EnvelopeError::UnknownVersion(*version));
    }
    let (body, found) = rest
        .split_last_chunk::<TAG_LEN>()
        .ok_or(EnvelopeError::Broken)?;
    let intact: bool = checksum(binding, body).ct_eq(found).into();
    intact.then_some(body).ok_or(EnvelopeError::Broken)
}

fn checksum(binding: &Binding<'_>, body: &[u8]) -> [u8; TAG_LEN] {
    let digest = Sha256::new()
        .chain_update(binding.associated_data(&[binding.form.plain()]))
        .chain_update(body)
        .finalize();
    let mut checksum = [0; TAG_LEN];
    checksum.copy_from_slice(&digest[..TAG_LEN]);
    checksum
}
