//! Sealed octets: AES-256-GCM over chunks of 64 KiB, so that any length is written and read in
//! bounded memory and nothing is given out before its tag has verified.
//!
//! Format: eight octets magic and version, then per chunk ciphertext and tag. The nonce is part
//! number, chunk number and a flag on the last chunk; the associated data are magic, part number
//! and content-id. So a chunk fits one place of one part of one message only, and an end cut off
//! or put on is noticed. One data key per message makes the nonces unique.

use std::io::{self, Read};
use std::sync::Arc;

use amtsbote_domain::digest::Digest;
use openssl::cipher::Cipher;
use openssl::cipher_ctx::CipherCtx;
use openssl::error::ErrorStack;
use openssl::sha::Sha256;

use crate::secret::Secret;

/// Octets of plain text in every chunk but the last, which may have fewer.
pub(crate) const CHUNK: usize = 64 * 1024;
const TAG: usize = 16;
/// Name, version of the format, and the binary logarithm of the chunk size.
const MAGIC: [u8; 8] = *b"ABseal\x01\x10";

/// Which part of which message: what the seal binds its octets to.
#[derive(Clone)]
pub(crate) struct Place {
    /// The message's data key.
    pub(crate) key: Arc<Secret>,
    /// Number of the part in the message, from 0.
    pub(crate) part: u32,
    /// Its content-id.
    pub(crate) cid: String,
}

impl Place {
    fn associated(&self) -> Vec<u8> {
        [&MAGIC[..], &self.part.to_be_bytes(), self.cid.as_bytes()].concat()
    }

    fn nonce(&self, chunk: u64, last: bool) -> [u8; 12] {
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(&self.part.to_be_bytes());
        nonce[4..11].copy_from_slice(&chunk.to_be_bytes()[1..]);
        nonce[11] = u8::from(last);
        nonce
    }
}

/// Seals octets as they come and takes their digest.
pub(crate) struct Sealer {
    place: Place,
    associated: Vec<u8>,
    cipher: CipherCtx,
    waiting: Vec<u8>,
    chunk: u64,
    size: u64,
    hash: Sha256,
}

impl Sealer {
    /// Begins; what is to be stored goes to `sealed`.
    pub(crate) fn new(place: Place, sealed: &mut Vec<u8>) -> Result<Self, ErrorStack> {
        let mut cipher = CipherCtx::new()?;
        cipher.encrypt_init(Some(Cipher::aes_256_gcm()), Some(place.key.octets()), None)?;
        sealed.extend_from_slice(&MAGIC);
        let associated = place.associated();
        let hash = Sha256::new();
        Ok(Self { place, associated, cipher, waiting: Vec::new(), chunk: 0, size: 0, hash })
    }

    /// Octets taken so far.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Takes octets; chunks that are certainly not the last are appended to `sealed`. At most one
    /// chunk more than `octets` is appended.
    pub(crate) fn write(&mut self, octets: &[u8], sealed: &mut Vec<u8>) -> Result<(), ErrorStack> {
        self.hash.update(octets);
        self.size += octets.len() as u64;
        let mut rest = octets;
        while self.waiting.len() + rest.len() > CHUNK {
            let (now, later) = rest.split_at(CHUNK - self.waiting.len());
            self.waiting.extend_from_slice(now);
            rest = later;
            self.seal_waiting(false, sealed)?;
        }
        self.waiting.extend_from_slice(rest);
        Ok(())
    }

    /// Ends; says size and digest of what was taken.
    pub(crate) fn finish(mut self, sealed: &mut Vec<u8>) -> Result<(u64, Digest), ErrorStack> {
        self.seal_waiting(true, sealed)?;
        Ok((self.size, Digest(self.hash.finish())))
    }

    fn seal_waiting(&mut self, last: bool, sealed: &mut Vec<u8>) -> Result<(), ErrorStack> {
        let nonce = self.place.nonce(self.chunk, last);
        self.cipher.encrypt_init(None, None, Some(&nonce))?;
        self.cipher.cipher_update(&self.associated, None)?;
        let at = sealed.len();
        sealed.resize(at + self.waiting.len() + TAG, 0);
        let (text, tag) = sealed[at..].split_at_mut(self.waiting.len());
        if !text.is_empty() {
            self.cipher.cipher_update(&self.waiting, Some(text))?;
        }
        self.cipher.cipher_final(&mut [])?;
        self.cipher.tag(tag)?;
        self.waiting.clear();
        self.chunk += 1;
        Ok(())
    }
}

/// Reads sealed octets. Every chunk is given out only after its tag has verified, the last only
/// after size and digest agreed as well; anything else is an error of kind `InvalidData`, from
/// then on for ever.
pub(crate) struct Opener<R> {
    source: R,
    place: Place,
    associated: Vec<u8>,
    cipher: CipherCtx,
    size: u64,
    sha256: Digest,
    hash: Option<Sha256>,
    chunk: u64,
    plain: Vec<u8>,
    given: usize,
    state: Reading,
}

#[derive(Clone, Copy, PartialEq)]
enum Reading {
    Header,
    Chunks,
    Done,
    Broken,
}

impl<R: Read> Opener<R> {
    /// Begins to read what must have this size and digest.
    pub(crate) fn new(
        source: R,
        place: Place,
        size: u64,
        sha256: Digest,
    ) -> Result<Self, ErrorStack> {
        let mut cipher = CipherCtx::new()?;
        cipher.decrypt_init(Some(Cipher::aes_256_gcm()), Some(place.key.octets()), None)?;
        let associated = place.associated();
        Ok(Self {
            source,
            place,
            associated,
            cipher,
            size,
            sha256,
            hash: Some(Sha256::new()),
            chunk: 0,
            plain: Vec::new(),
            given: 0,
            state: Reading::Header,
        })
    }

    /// Number of the last chunk: an empty part has one empty chunk.
    fn last_chunk(&self) -> u64 {
        self.size.saturating_sub(1) / CHUNK as u64
    }

    fn advance(&mut self) -> io::Result<()> {
        if self.state == Reading::Header {
            let mut magic = [0; MAGIC.len()];
            self.source.read_exact(&mut magic).map_err(cut_off)?;
            if magic != MAGIC {
                return Err(altered("not of the sealed format"));
            }
            self.state = Reading::Chunks;
        }
        let last = self.chunk == self.last_chunk();
        let length = if last { (self.size - self.chunk * CHUNK as u64) as usize } else { CHUNK };
        let mut sealed = vec![0; length + TAG];
        self.source.read_exact(&mut sealed).map_err(cut_off)?;
        self.open_chunk(&sealed, last).map_err(|_| altered("the seal is broken"))?;
        let hash = self.hash.as_mut().ok_or_else(|| altered("read after its end"))?;
        hash.update(&self.plain);
        self.chunk += 1;
        if last {
            self.check_end()?;
            self.state = Reading::Done;
        }
        Ok(())
    }

    fn open_chunk(&mut self, sealed: &[u8], last: bool) -> Result<(), ErrorStack> {
        let (text, tag) = sealed.split_at(sealed.len() - TAG);
        let nonce = self.place.nonce(self.chunk, last);
        self.cipher.decrypt_init(None, None, Some(&nonce))?;
        self.cipher.set_tag(tag)?;
        self.cipher.cipher_update(&self.associated, None)?;
        self.given = 0;
        self.plain.clear();
        self.plain.resize(text.len(), 0);
        if !text.is_empty() {
            self.cipher.cipher_update(text, Some(&mut self.plain))?;
        }
        let verified = self.cipher.cipher_final(&mut []);
        if verified.is_err() {
            self.plain.clear();
        }
        verified.map(drop)
    }

    fn check_end(&mut self) -> io::Result<()> {
        let digest = self.hash.take().map(|hash| Digest(hash.finish()));
        let more = self.source.read(&mut [0])? != 0;
        if more || digest != Some(self.sha256) {
            self.plain.clear();
            return Err(altered("size or digest is not that taken at the door"));
        }
        Ok(())
    }
}

impl<R: Read> Read for Opener<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if target.is_empty() {
            return Ok(0);
        }
        while self.given == self.plain.len() {
            match self.state {
                Reading::Done => return Ok(0),
                Reading::Broken => return Err(altered("found altered before")),
                Reading::Header | Reading::Chunks => {
                    if let Err(error) = self.advance() {
                        self.plain.clear();
                        self.given = 0;
                        self.state = Reading::Broken;
                        return Err(error);
                    }
                }
            }
        }
        let count = target.len().min(self.plain.len() - self.given);
        target[..count].copy_from_slice(&self.plain[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}

fn altered(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("octets at rest were changed: {what}"))
}

fn cut_off(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => altered("the end is missing"),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place(part: u32, cid: &str) -> Place {
        Place { key: Arc::new(Secret::new([7; 32])), part, cid: cid.to_owned() }
    }

    fn seal(octets: &[u8], step: usize) -> (Vec<u8>, u64, Digest) {
        let mut sealed = Vec::new();
        let mut sealer = Sealer::new(place(1, "a"), &mut sealed).expect("a cipher");
        for piece in octets.chunks(step.max(1)) {
            sealer.write(piece, &mut sealed).expect("sealed");
        }
        let (size, digest) = sealer.finish(&mut sealed).expect("sealed");
        (sealed, size, digest)
    }

    fn open(sealed: &[u8], place: Place, size: u64, digest: Digest) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        Opener::new(sealed, place, size, digest).expect("a cipher").read_to_end(&mut plain)?;
        Ok(plain)
    }

    #[test]
    fn octets_come_back_around_every_edge_of_a_chunk() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 17] {
            let octets: Vec<u8> = (0..length).map(|n| (n * 31 % 251) as u8).collect();
            for step in [1000, CHUNK, 5 * CHUNK] {
                let (sealed, size, digest) = seal(&octets, step);
                assert_eq!(size as usize, length);
                assert_eq!(digest, Digest(openssl::sha::sha256(&octets)));
                let plain = open(&sealed, place(1, "a"), size, digest).expect("opens");
                assert!(plain == octets, "{length} in steps of {step}");
            }
        }
    }

    #[test]
    fn every_kind_of_change_is_found() {
        let octets: Vec<u8> = (0..2 * CHUNK + 5).map(|n| n as u8).collect();
        let (sealed, size, digest) = seal(&octets, CHUNK);
        let refused = |sealed: &[u8], place, size, digest| {
            let error = open(sealed, place, size, digest).expect_err("must be refused");
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
        };
        let flip = |at: usize| {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            changed
        };
        for at in [0, 6, 8, CHUNK, MAGIC.len() + CHUNK + 3, sealed.len() - 1] {
            refused(&flip(at), place(1, "a"), size, digest);
        }
        for end in [0, 4, 8, MAGIC.len() + CHUNK + TAG, sealed.len() - 1] {
            refused(&sealed[..end], place(1, "a"), size, digest);
        }
        refused(&[&sealed[..], &[0]].concat(), place(1, "a"), size, digest);
        // A whole chunk dropped, with the size changed to fit; two chunks swapped.
        let block = CHUNK + TAG;
        let (first, second) = (&sealed[8..8 + block], &sealed[8 + block..8 + 2 * block]);
        let dropped = [&sealed[..8], first, &sealed[8 + 2 * block..]].concat();
        refused(&dropped, place(1, "a"), size - CHUNK as u64, digest);
        refused(&sealed[..8 + block], place(1, "a"), CHUNK as u64, digest);
        let swapped = [&sealed[..8], second, first, &sealed[8 + 2 * block..]].concat();
        refused(&swapped, place(1, "a"), size, digest);
        // The right octets in the wrong place.
        refused(&sealed, place(2, "a"), size, digest);
        refused(&sealed, place(1, "b"), size, digest);
        let other = Place { key: Arc::new(Secret::new([8; 32])), ..place(1, "a") };
        refused(&sealed, other, size, digest);
        refused(&sealed, place(1, "a"), size, Digest([0; 32]));
        refused(&sealed, place(1, "a"), u64::MAX, digest);
    }

    #[test]
    fn after_an_error_nothing_more_comes_out() {
        let octets = vec![1; 3 * CHUNK];
        let (mut sealed, size, digest) = seal(&octets, CHUNK);
        sealed[MAGIC.len() + CHUNK + TAG + 9] ^= 1;
        let mut opener = Opener::new(&sealed[..], place(1, "a"), size, digest).expect("a cipher");
        let mut first = vec![0; CHUNK];
        opener.read_exact(&mut first).expect("the first chunk is whole");
        for _ in 0..3 {
            let error = opener.read(&mut [0; 10]).expect_err("the second is not");
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_answered(
            sealed in proptest::collection::vec(any::<u8>(), 0..200),
            size in 0u64..1000,
            with_magic: bool,
        ) {
            let sealed = if with_magic { [&MAGIC[..], &sealed].concat() } else { sealed };
            let error = open(&sealed, place(0, ""), size, Digest([0; 32])).expect_err("no seal");
            prop_assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
    }
}
