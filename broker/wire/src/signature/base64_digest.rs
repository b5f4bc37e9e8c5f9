//! Base64 taken apart while it comes, as a stream of octets: the transform `#base64`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::hasher::Hasher;

/// Characters decoded at once.
const BLOCK: usize = 4096;

/// Digests what the text stands for. White space is of no account, anything else that is no Base64
/// spoils it (RFC 2045, 6.8, read strictly).
pub(super) struct Base64Digest {
    hasher: Hasher,
    block: Vec<u8>,
    octets: Vec<u8>,
    taken: u64,
    sound: bool,
    padded: bool,
}

impl Base64Digest {
    pub(super) fn new(hasher: Hasher) -> Self {
        let block = Vec::with_capacity(BLOCK);
        Self { hasher, block, octets: Vec::new(), taken: 0, sound: true, padded: false }
    }

    pub(super) fn text(&mut self, text: &[u8]) {
        for &byte in text {
            if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                continue;
            }
            self.block.push(byte);
            if self.block.len() == BLOCK {
                self.decode();
            }
        }
    }

    /// Decodes what has come, which is a whole number of groups or the end.
    fn decode(&mut self) {
        self.octets.clear();
        // Padding ends the text: nothing may follow.
        self.sound &= !self.padded && STANDARD.decode_vec(&self.block, &mut self.octets).is_ok();
        self.padded = self.block.last() == Some(&b'=');
        self.block.clear();
        self.taken += self.octets.len() as u64;
        self.hasher.update(&self.octets);
    }

    /// The hasher and how many octets it took; none where the text was no Base64.
    pub(super) fn finish(mut self) -> Option<(Hasher, u64)> {
        if !self.block.is_empty() {
            self.decode();
        }
        self.sound.then_some((self.hasher, self.taken))
    }
}

#[cfg(test)]
mod tests {
    use openssl::sha::sha256;
    use proptest::prelude::*;

    use super::*;
    use crate::signature::DigestAlgorithm;

    fn digest(pieces: &[&str]) -> Option<Vec<u8>> {
        let mut decoder = Base64Digest::new(Hasher::new(DigestAlgorithm::Sha256));
        pieces.iter().for_each(|piece| decoder.text(piece.as_bytes()));
        decoder.finish().map(|(hasher, _)| hasher.finish().expect("a digest"))
    }

    #[test]
    fn only_base64_is_taken() {
        assert_eq!(digest(&["QW10\n", " cw = ="]), Some(sha256(b"Amts").to_vec()));
        assert_eq!(digest(&[]), Some(sha256(b"").to_vec()));
        for bad in ["QW1", "QW10cw", "QW10cw==QW10", "QW-_", "=", "QW10cw==="] {
            assert_eq!(digest(&[bad]), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            octets in prop::collection::vec(any::<u8>(), 0..9000),
            cut in any::<prop::sample::Index>(),
        ) {
            let text = STANDARD.encode(&octets);
            let (before, after) = text.split_at(cut.index(text.len() + 1));
            prop_assert_eq!(digest(&[before, "\r\n", after]), Some(sha256(&octets).to_vec()));
        }
    }
}
