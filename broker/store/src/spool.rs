//! A place for plaintext on its way: an encrypted temporary file that nobody else can read and
//! nobody finds afterwards.
//!
//! What is written is sealed as payloads at rest are (`seal.rs`), under a key that only this process
//! holds and only for as long as the spool lives. The file loses its name as soon as it is open, so
//! that a crash leaves nothing behind, and no plaintext ever reaches the disk. Not here: durability;
//! what must survive goes through the store.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use amtsbote_domain::digest::Digest;
use openssl::rand::rand_bytes;

use crate::seal::{CHUNK, Opener, Place, Sealer};
use crate::secret::Secret;

/// Takes octets up to a limit; [`SealedSpool::finish`] makes them readable.
///
/// Writing more than the limit fails with [`io::ErrorKind::FileTooLarge`].
pub struct SealedSpool {
    file: File,
    place: Place,
    sealer: Sealer,
    sealed: Vec<u8>,
    limit: u64,
}

/// What was spooled. Read as often as needed, each time from the start; gone with the last of its
/// readers.
#[derive(Clone)]
pub struct SealedOctets {
    file: Arc<File>,
    place: Place,
    size: u64,
    sha256: Digest,
}

impl SealedSpool {
    /// An empty spool in the folder `dir`, which holds at most `limit` octets.
    pub fn create(dir: &Path, limit: u64) -> io::Result<Self> {
        let mut name = [0; 16];
        rand_bytes(&mut name)?;
        let name: String = name.iter().map(|octet| format!("{octet:02x}")).collect();
        let path = dir.join(format!("spool-{name}"));
        let file =
            File::options().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        // From here on the file lives as long as it is open.
        fs::remove_file(&path)?;
        let key = Arc::new(Secret::random()?);
        let place = Place { key, part: 0, cid: "spool".to_owned() };
        let mut sealed = Vec::new();
        let sealer = Sealer::new(place.clone(), &mut sealed)?;
        Ok(Self { file, place, sealer, sealed, limit })
    }

    /// Octets written so far.
    pub fn size(&self) -> u64 {
        self.sealer.size()
    }

    /// Ends writing.
    pub fn finish(mut self) -> io::Result<SealedOctets> {
        let (size, sha256) = self.sealer.finish(&mut self.sealed)?;
        self.file.write_all(&self.sealed)?;
        Ok(SealedOctets { file: Arc::new(self.file), place: self.place, size, sha256 })
    }
}

impl Write for SealedSpool {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if self.sealer.size() + octets.len() as u64 > self.limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        // A chunk at a time: what is held in memory does not depend on the caller's buffer.
        let octets = &octets[..octets.len().min(CHUNK)];
        self.sealer.write(octets, &mut self.sealed)?;
        self.file.write_all(&self.sealed)?;
        self.sealed.clear();
        Ok(octets.len())
    }

    /// Octets of a chunk that is not full stay in memory until the end.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SealedOctets {
    /// Octets in it.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// SHA-256 over them.
    pub fn sha256(&self) -> Digest {
        self.sha256
    }

    /// Reads from the start. What was altered on the disk is an error of kind `InvalidData`.
    pub fn reader(&self) -> io::Result<impl Read + use<>> {
        let file = FromStart { file: Arc::clone(&self.file), at: 0 };
        Ok(Opener::new(file, self.place.clone(), self.size, self.sha256)?)
    }
}

/// Reads a file at a place of its own, so that several can at once.
struct FromStart {
    file: Arc<File>,
    at: u64,
}

impl Read for FromStart {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(target, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl std::fmt::Debug for SealedSpool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedSpool").field("size", &self.size()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for SealedOctets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedOctets").field("size", &self.size).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn everything(octets: &SealedOctets) -> io::Result<Vec<u8>> {
        let mut read = Vec::new();
        octets.reader()?.read_to_end(&mut read).map(|_| read)
    }

    #[test]
    fn what_is_written_is_read_several_times() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut spool = SealedSpool::create(dir.path(), 1 << 20).expect("a spool");
        let plain: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
        for piece in plain.chunks(7_777) {
            spool.write_all(piece).expect("room");
        }
        assert_eq!(spool.size(), 300_000);
        let octets = spool.finish().expect("ends");
        assert_eq!(octets.sha256(), Digest(openssl::sha::sha256(&plain)));
        // Two at once, in turns.
        let (mut one, mut two) = (octets.reader().expect("one"), octets.reader().expect("two"));
        let mut start = [0; 100];
        one.read_exact(&mut start).expect("octets");
        assert_eq!(start, plain[..100]);
        two.read_exact(&mut start).expect("octets");
        assert_eq!(start, plain[..100]);
        assert_eq!(everything(&octets).expect("whole"), plain);
        assert_eq!(everything(&octets.clone()).expect("whole"), plain);
    }

    #[test]
    fn nothing_lies_in_the_folder() {
        let dir = tempfile::tempdir().expect("a folder");
        let spool = SealedSpool::create(dir.path(), 10).expect("a spool");
        assert_eq!(fs::read_dir(dir.path()).expect("a folder").count(), 0);
        let octets = spool.finish().expect("ends");
        assert_eq!(everything(&octets).expect("whole"), b"");
        assert!(SealedSpool::create(&dir.path().join("absent"), 10).is_err());
    }

    #[test]
    fn no_plaintext_is_in_the_file() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut spool = SealedSpool::create(dir.path(), 1 << 20).expect("a spool");
        let plain = b"KANARIENVOGEL ".repeat(20_000);
        spool.write_all(&plain).expect("room");
        let octets = spool.finish().expect("ends");
        let mut raw = vec![0; octets.file.metadata().expect("a file").len() as usize];
        octets.file.read_exact_at(&mut raw, 0).expect("octets");
        assert!(raw.len() > plain.len());
        assert!(!raw.windows(8).any(|window| window == b"KANARIEN"));
    }

    #[test]
    fn more_than_the_limit_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut spool = SealedSpool::create(dir.path(), 100).expect("a spool");
        spool.write_all(&[1; 100]).expect("room");
        let error = spool.write_all(&[1]).expect_err("full");
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn what_was_altered_is_not_given_out() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut spool = SealedSpool::create(dir.path(), 1 << 20).expect("a spool");
        spool.write_all(&[7; 200_000]).expect("room");
        let octets = spool.finish().expect("ends");
        let mut octet = [0];
        octets.file.read_exact_at(&mut octet, 100_000).expect("an octet");
        octets.file.write_all_at(&[octet[0] ^ 1], 100_000).expect("written");
        let error = everything(&octets).expect_err("altered");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn any_octets_in_any_pieces(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..70_000), 0..4),
        ) {
            let dir = tempfile::tempdir().expect("a folder");
            let mut spool = SealedSpool::create(dir.path(), 1 << 20).expect("a spool");
            for piece in &pieces {
                spool.write_all(piece).expect("room");
            }
            let octets = spool.finish().expect("ends");
            prop_assert_eq!(everything(&octets).expect("whole"), pieces.concat());
        }
    }
}
