//! `hexBinary` and `base64Binary` (Datatypes 3.2.15, 3.2.16).

/// The octets that hexadecimal digits stand for, to their number.
pub(super) fn hex_length(text: &str) -> Option<usize> {
    let good = text.len().is_multiple_of(2) && text.bytes().all(|b| b.is_ascii_hexdigit());
    good.then_some(text.len() / 2)
}

/// Writes the octets. The text is valid.
pub(super) fn hex_key(text: &str, into: &mut Vec<u8>) {
    let digit = |b: u8| (b as char).to_digit(16).unwrap_or_default() as u8;
    into.extend(text.as_bytes().chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])));
}

/// The number of octets, where the text is Base64: groups of four, the last one perhaps padded,
/// with bits beyond the last octet 0, and white space between any two characters. (Lines of at most
/// 76 characters are RFC 2045's wish; 3.2.16 takes it back.)
pub(super) fn base64_length(text: &str) -> Option<usize> {
    let (mut digits, mut padding, mut last) = (0_usize, 0_usize, 0);
    for byte in text.bytes() {
        match VALUES[usize::from(byte)] {
            SPACE => {}
            PAD => padding += 1,
            NOTHING => return None,
            _ if padding > 0 => return None,
            value => {
                digits += 1;
                last = value;
            }
        }
    }
    let good = match padding {
        0 => digits.is_multiple_of(4),
        1 => digits % 4 == 3 && last & 0b11 == 0,
        2 => digits % 4 == 2 && last & 0b1111 == 0,
        _ => false,
    };
    good.then_some(digits * 3 / 4)
}

/// Writes the octets. The text is valid.
pub(super) fn base64_key(text: &str, into: &mut Vec<u8>) {
    let (mut bits, mut count) = (0_u32, 0);
    for value in text.bytes().map(|b| VALUES[usize::from(b)]).filter(|v| *v < PAD) {
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            into.push((bits >> count) as u8);
        }
    }
}

const PAD: u8 = 64;
const SPACE: u8 = 65;
const NOTHING: u8 = 66;

/// What each octet of a text stands for.
static VALUES: [u8; 256] = values();

const fn values() -> [u8; 256] {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut table = [NOTHING; 256];
    let mut n = 0;
    while n < alphabet.len() {
        table[alphabet[n] as usize] = n as u8;
        n += 1;
    }
    table[b'=' as usize] = PAD;
    table[b' ' as usize] = SPACE;
    table[b'\t' as usize] = SPACE;
    table[b'\n' as usize] = SPACE;
    table[b'\r' as usize] = SPACE;
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal() {
        assert_eq!(hex_length("00fF"), Some(2));
        assert_eq!(hex_length(""), Some(0));
        for bad in ["0", "0g", "00 00", "0x", "ää"] {
            assert_eq!(hex_length(bad), None, "{bad}");
        }
        let mut octets = Vec::new();
        hex_key("00fFa1", &mut octets);
        assert_eq!(octets, [0, 0xff, 0xa1]);
    }

    #[test]
    fn base64() {
        for (text, octets) in [
            ("", &b""[..]),
            ("TQ==", b"M"),
            ("TWE=", b"Ma"),
            ("TWFu", b"Man"),
            ("T W F\nu T Q = =", b"ManM"),
        ] {
            assert_eq!(base64_length(text), Some(octets.len()), "{text}");
            let mut found = Vec::new();
            base64_key(text, &mut found);
            assert_eq!(found, octets, "{text}");
        }
        for bad in ["T", "TQ", "TQ=", "TQ===", "TR==", "TWF=", "TQ==TQ==", "=", "TW-u", "TWFü"] {
            assert_eq!(base64_length(bad), None, "{bad}");
        }
    }
}
