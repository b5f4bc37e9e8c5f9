//! Reading and writing files that may hold secrets.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::error::TrustError;

/// Longest file that is read, in bytes.
pub(crate) const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Octets that are overwritten when they are no longer needed. Best effort: the compiler is asked
/// to keep the overwriting, and copies made elsewhere are not reached.
pub(crate) struct Secret(pub(crate) Vec<u8>);

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        std::hint::black_box(&self.0);
    }
}

/// A file as it was when it was opened.
pub(crate) struct Contents {
    pub(crate) octets: Secret,
    /// Only its owner may read or write it.
    pub(crate) private: bool,
}

/// Reads a whole file of at most [`MAX_FILE_BYTES`].
pub(crate) fn read(path: &Path) -> Result<Contents, TrustError> {
    let go = || {
        let mut file = File::open(path)?;
        // The rights are those of the open file, not of whatever has its name by now.
        let facts = file.metadata()?;
        if !facts.is_file() {
            return Err(TrustError::Malformed);
        }
        let mut octets = Secret(Vec::new());
        // All room at once, so that no copy stays behind when the vector grows.
        octets.0.reserve_exact(facts.len().min(MAX_FILE_BYTES) as usize + 1);
        (&mut file).take(MAX_FILE_BYTES + 1).read_to_end(&mut octets.0)?;
        if octets.0.len() as u64 > MAX_FILE_BYTES {
            return Err(TrustError::TooLarge);
        }
        Ok(Contents { octets, private: facts.mode() & 0o077 == 0 })
    };
    go().map_err(|error: TrustError| error.about(path))
}

/// Writes a new file durably; refuses to touch one that exists.
pub(crate) fn create(path: &Path, mode: u32, octets: &[u8]) -> Result<(), TrustError> {
    let go = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        let written = file.write_all(octets).and_then(|()| file.sync_all());
        if let Err(error) = written {
            // A torn key must not be found later; if it cannot be removed, the error stands anyway.
            drop(std::fs::remove_file(path));
            return Err(error);
        }
        match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            Some(folder) => File::open(folder)?.sync_all(),
            None => File::open(".")?.sync_all(),
        }
    };
    go().map_err(|error| {
        let reason = match error.kind() {
            io::ErrorKind::AlreadyExists => TrustError::Exists,
            _ => TrustError::Io(error),
        };
        reason.about(path)
    })
}
