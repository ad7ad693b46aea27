//! The cookies of a request, byte by byte.

#[cfg(feature = "openid-connect")]
use http::{HeaderMap, header::COOKIE};

/// The names and values of one `Cookie` line: what stands between semicolons, around the first `=`,
/// without the spaces and tabs about it.
///
/// Nothing else is taken away. A browser refuses `__Host-sid` from a neighbouring subdomain, but
/// not the name that has a Unicode space before it: whoever trims that one has let the neighbour in.
pub(crate) fn pairs_of(line: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    line.split(|byte| *byte == b';').filter_map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        Some((trim(&pair[..equals]), trim(&pair[equals + 1..])))
    })
}

/// Those of all the lines of a request. One that is not UTF-8 costs no other its place.
#[cfg(feature = "openid-connect")]
pub(crate) fn pairs(request: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    let lines = request.get_all(COOKIE).into_iter();
    lines.flat_map(|line| pairs_of(line.as_bytes()))
}

/// Spaces and tabs are all that HTTP knows of white space: RFC 9110, section 5.6.3.
fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_spaces_and_tabs_is_taken_away() {
        let pairs: Vec<_> = pairs_of(b"a=b;\t c =\t d=e ; f;=g;;h=;\xa0i=\xff").collect();
        let expected: [(&[u8], &[u8]); 5] = [
            (b"a", b"b"),
            (b"c", b"d=e"),
            (b"", b"g"),
            (b"h", b""),
            (b"\xa0i", b"\xff"),
        ];
        assert_eq!(pairs, expected);
    }
}
