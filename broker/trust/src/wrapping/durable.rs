//! Files that are there whole or not at all, for their owner only.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// What is being written lies under this name in its folder until it is whole. One name is enough
/// for whoever holds the lock alone.
const DRAFT: &str = ".draft";

/// Writes a file durably, in place of one that may be there.
pub(super) fn write(path: &Path, octets: &[u8]) -> io::Result<()> {
    write_by(path, &folder_of(path).join(DRAFT), octets)
}

/// The same beside others who write: no two of them ever write a file of this name.
pub(super) fn write_beside_others(path: &Path, octets: &[u8]) -> io::Result<()> {
    let mut draft = std::ffi::OsString::from(DRAFT);
    draft.push("-");
    draft.push(path.file_name().unwrap_or_default());
    write_by(path, &folder_of(path).join(draft), octets)
}

fn write_by(path: &Path, draft: &Path, octets: &[u8]) -> io::Result<()> {
    forget(draft)?;
    step()?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    step()?;
    file.write_all(octets)?;
    step()?;
    file.sync_all()?;
    step()?;
    rename(draft, path)
}

/// Moves a file durably within its folder.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    step()?;
    sync(folder_of(to))
}

/// Removes a file for good; overwrites it before, which reaches the octets where the file system
/// keeps them in place. One that is not there is no error.
pub(super) fn destroy(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).open(path) {
        Ok(mut file) => {
            let length = file.metadata()?.len();
            file.write_all(&vec![0; usize::try_from(length.min(4096)).unwrap_or(4096)])?;
            file.sync_all()?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    step()?;
    fs::remove_file(path)?;
    step()?;
    sync(folder_of(path))
}

/// Makes a folder durably, for its owner only, if it is not there.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    step()?;
    // Also where it was there: whoever made it may not have come to this point.
    sync(folder_of(path))
}

/// A file of at most `limit` octets with its facts; none when it is not there.
pub(super) fn read(path: &Path, limit: u64) -> io::Result<Option<(Vec<u8>, Facts)>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    // The rights are those of the open file, not of whatever has its name by now.
    let data = file.metadata()?;
    let facts = Facts { private: data.mode() & 0o077 == 0, owner: data.uid() };
    let mut octets = Vec::new();
    file.take(limit + 1).read_to_end(&mut octets)?;
    if octets.len() as u64 > limit || !data.is_file() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(Some((octets, facts)))
}

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// Its owner and nobody else.
    pub(super) private: bool,
    /// The owner's number.
    pub(super) owner: u32,
}

fn forget(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()?;
    step()
}

/// Between any two steps a process may be killed: a test ends it here.
#[cfg(not(test))]
#[expect(clippy::unnecessary_wraps, reason = "in tests it fails")]
fn step() -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
pub(super) use faults::step;

#[cfg(test)]
pub(super) mod faults {
    //! Kills at the n-th step.

    use std::cell::Cell;
    use std::io;

    thread_local! {
        static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
    }

    /// What the error of a killed process says.
    pub(crate) const KILLED: &str = "killed by the test";

    /// Runs `work` and kills it at its step number `at`, from 0. True when it came to that step.
    pub(crate) fn killed_at<T, E>(at: u32, work: impl FnOnce() -> Result<T, E>) -> bool {
        LEFT.set(Some(at));
        let ended = work();
        let came = LEFT.take() == Some(u32::MAX);
        assert_eq!(came, ended.is_err(), "it fails where it is killed, and only there");
        came
    }

    pub(crate) fn step() -> io::Result<()> {
        match LEFT.get() {
            None => Ok(()),
            // The process is dead: nothing it does afterwards counts.
            Some(0 | u32::MAX) => {
                LEFT.set(Some(u32::MAX));
                Err(io::Error::other(KILLED))
            }
            Some(left) => {
                LEFT.set(Some(left - 1));
                Ok(())
            }
        }
    }
}
