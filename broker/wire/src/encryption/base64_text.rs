//! Base64 as it comes, in pieces of any length.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Characters decoded at once.
const BLOCK: usize = 8192;

/// What stands there is no Base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotBase64;

/// Decodes a text of any length; white space is of no account (RFC 2045, 6.8).
#[derive(Default)]
pub(crate) struct Base64Text {
    waiting: Vec<u8>,
    /// Padding was met: nothing may follow.
    ended: bool,
}

impl Base64Text {
    /// Takes a piece; decoded octets are appended to `out`, at most 6 KiB and those of `text`.
    pub(crate) fn text(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), NotBase64> {
        for byte in text {
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                self.waiting.push(*byte);
                if self.waiting.len() == BLOCK {
                    self.decode(out)?;
                }
            }
        }
        Ok(())
    }

    /// The text has ended.
    pub(crate) fn finish(mut self, out: &mut Vec<u8>) -> Result<(), NotBase64> {
        if self.waiting.is_empty() { Ok(()) } else { self.decode(out) }
    }

    /// BLOCK is a multiple of four: only the end of the text may hold padding.
    fn decode(&mut self, out: &mut Vec<u8>) -> Result<(), NotBase64> {
        let allowed = !self.ended;
        self.ended = self.waiting.last() == Some(&b'=');
        let decoded = STANDARD.decode_vec(&self.waiting, out);
        // Also after an error: whoever goes on must not fill the memory.
        self.waiting.clear();
        if allowed && decoded.is_ok() { Ok(()) } else { Err(NotBase64) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(pieces: &[&str]) -> Result<Vec<u8>, NotBase64> {
        let (mut text, mut out) = (Base64Text::default(), Vec::new());
        for piece in pieces {
            text.text(piece.as_bytes(), &mut out)?;
        }
        text.finish(&mut out)?;
        Ok(out)
    }

    #[test]
    fn only_base64_is_taken() {
        assert_eq!(decoded(&["QW10\n", " cw = ="]), Ok(b"Amts".to_vec()));
        assert_eq!(decoded(&[]), Ok(Vec::new()));
        for wrong in ["QW1", "QW10cw", "QW10cw==QW10", "QW-_", "=", "QW10cw==="] {
            assert_eq!(decoded(&[wrong]), Err(NotBase64), "{wrong}");
        }
        let padded = format!("{}QQ==", "AAAA".repeat(BLOCK / 4 - 1));
        assert!(decoded(&[&padded]).is_ok());
        assert_eq!(decoded(&[&padded, "AAAA"]), Err(NotBase64));
    }

    #[test]
    fn what_is_wrong_does_not_pile_up() {
        let (mut text, mut out) = (Base64Text::default(), Vec::new());
        for _ in 0..64 {
            out.clear();
            let _ = text.text(&[b'*'; 4096], &mut out);
            assert!(text.waiting.len() < BLOCK && out.len() <= BLOCK);
        }
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            octets in prop::collection::vec(any::<u8>(), 0..20_000),
            cut in any::<prop::sample::Index>(),
        ) {
            let text = STANDARD.encode(&octets);
            let (before, after) = text.split_at(cut.index(text.len() + 1));
            prop_assert_eq!(decoded(&[before, "\r\n", after]), Ok(octets));
        }
    }
}
