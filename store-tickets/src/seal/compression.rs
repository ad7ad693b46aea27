//! The body of an envelope: a ticket, compressed or not.

use zeroize::Zeroizing;

const PLAIN: u8 = 0;
const LZ4: u8 = 1;
const LEN: usize = size_of::<u32>();
/// For what goes behind a body.
const SLACK: usize = 16;

/// Why a body cannot be unpacked, though whoever wrote it had the key.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnpackError {
    #[error("the body is empty")]
    Empty,
    #[error("the body is packed in an unknown way: {0}")]
    UnknownPacking(u8),
    #[error("the body would be {len} bytes long, {max} are allowed")]
    TooLong { len: usize, max: usize },
    #[error("the body cannot be decompressed")]
    Decompress(#[source] Option<lz4_flex::block::DecompressError>),
}

/// A buffer for a body: `room` bytes for what goes before it, then the byte that says how it is
/// packed. The payload is to be written behind.
pub(super) fn buffer(room: usize, capacity: usize) -> Zeroizing<Vec<u8>> {
    let mut buffer = Vec::with_capacity(capacity);
    buffer.resize(room, 0);
    buffer.push(PLAIN);
    Zeroizing::new(buffer)
}

/// Packs what was written to a [`buffer`], compressed if that is asked for and makes it shorter.
/// The room before it stays.
pub(super) fn pack(buffer: Zeroizing<Vec<u8>>, room: usize, compress: bool) -> Zeroizing<Vec<u8>> {
    if !compress {
        return buffer;
    }
    let payload = &buffer[room + 1..];
    let Ok(len) = u32::try_from(payload.len()) else {
        return buffer;
    };
    let compressed = Zeroizing::new(lz4_flex::block::compress(payload));
    if compressed.len() + LEN >= payload.len() {
        return buffer;
    }
    let mut packed = Vec::with_capacity(room + 1 + LEN + compressed.len() + SLACK);
    packed.resize(room, 0);
    packed.push(LZ4);
    packed.extend_from_slice(&len.to_le_bytes());
    packed.extend_from_slice(&compressed);
    Zeroizing::new(packed)
}

/// Unpacks what [`pack`] made, and gives the payload to `read`. Memory is bounded by `max_len`,
/// whatever the body says of itself.
pub(super) fn unpack<R>(
    body: &[u8],
    max_len: usize,
    read: impl FnOnce(&[u8]) -> R,
) -> Result<R, UnpackError> {
    let (packing, body) = body.split_first().ok_or(UnpackError::Empty)?;
    match *packing {
        PLAIN => Ok(read(body)),
        LZ4 => {
            let (len, compressed) = body
                .split_first_chunk::<LEN>()
                .ok_or(UnpackError::Decompress(None))?;
            let len = u32::from_le_bytes(*len) as usize;
            if len > max_len {
                return Err(UnpackError::TooLong { len, max: max_len });
            }
            let payload = lz4_flex::block::decompress(compressed, len)
                .map_err(|error| UnpackError::Decompress(Some(error)))?;
            let payload = Zeroizing::new(payload);
            if payload.len() != len {
                return Err(UnpackError::Decompress(None));
            }
            Ok(read(&payload))
        }
        other => Err(UnpackError::UnknownPacking(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(bytes: &[u8], compress: bool) -> Zeroizing<Vec<u8>> {
        const ROOM: usize = 3;
        let mut buffer = buffer(ROOM, 0);
        buffer.extend_from_slice(bytes);
        let packed = pack(buffer, ROOM, compress);
        assert_eq!(packed[..ROOM], [0; ROOM]);
        Zeroizing::new(packed[ROOM..].to_vec())
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        let noise: Vec<u8> = (0..999).map(|_| fastrand::u8(..)).collect();
        for bytes in [&b""[..], b"short", &[7; 5000], &noise] {
            for compress in [false, true] {
                let body = packed(bytes, compress);
                assert!(body.len() <= bytes.len() + 1);
                let unpacked = unpack(&body, bytes.len(), <[u8]>::to_vec).unwrap();
                assert_eq!(unpacked, bytes);
            }
        }
        assert!(packed(&[7; 5000], true).len() < 100);
    }

    #[test]
    fn a_bomb_does_not_go_off() {
        let bomb = packed(&vec![0; 1 << 20], true);
        let error = unpack(&bomb, 1000, <[u8]>::len).unwrap_err();
        assert!(matches!(error, UnpackError::TooLong { max: 1000, .. }));

        // It says that it is small, and is not.
        let mut liar = bomb.to_vec();
        liar[1..5].copy_from_slice(&100_u32.to_le_bytes());
        let error = unpack(&liar, 1000, <[u8]>::len).unwrap_err();
        assert!(matches!(error, UnpackError::Decompress(_)));
    }

    #[test]
    fn nonsense_is_an_error() {
        for body in [
            &[][..],
            &[2, 3],
            &[1],
            &[1, 9, 0, 0],
            &[1, 9, 0, 0, 0, 0xff],
        ] {
            assert!(unpack(body, 1000, <[u8]>::len).is_err(), "{body:?}");
        }
    }
}
