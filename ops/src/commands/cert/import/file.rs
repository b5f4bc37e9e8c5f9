//! Changes a file of the configuration: one command at a time, whole or not at all, and never over
//! what somebody else wrote meanwhile.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::outcome::{Context, Failure};

/// How long one command waits for another one.
const WAIT: Duration = Duration::from_secs(10);
/// How often it asks meanwhile.
const PAUSE: Duration = Duration::from_millis(20);

/// A file that no other command changes meanwhile. The lock lies on its folder: the file itself is
/// another one after each change.
pub(super) struct Held {
    path: PathBuf,
    folder: File,
    /// Sees that what a folder names is on the disk. A test lets it fail.
    pub(super) confirm: fn(&File) -> io::Result<()>,
}

/// Why a file was not replaced.
#[derive(Debug)]
pub(super) enum NotReplaced {
    /// It is as it was.
    Unchanged(Failure),
    /// The new one is in its place; whether it is after a power cut is not certain.
    Unconfirmed(Failure),
}

impl Drop for Held {
    /// Closing is not enough: a program that is just being started has a copy of the folder.
    fn drop(&mut self) {
        drop(self.folder.unlock());
    }
}

impl Held {
    /// Waits until no other command holds it.
    pub(super) fn of(path: &Path) -> Result<Self, Failure> {
        Self::within(path, WAIT)
    }

    fn within(path: &Path, wait: Duration) -> Result<Self, Failure> {
        // Behind a link lies what is to be changed.
        let path = fs::canonicalize(path).or_not_now_at(path)?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        let held = File::open(folder).or_not_now_at(folder)?;
        let begun = Instant::now();
        loop {
            match held.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if begun.elapsed() < wait => thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    let shown = path.display();
                    return Err(Failure::not_now(
                        format!(
                            "{shown}: Ein anderes Kommando ändert die Datei gerade; wiederholen."
                        ),
                        format!("{shown}: another command is changing the file; try again."),
                    ));
                }
                Err(TryLockError::Error(error)) => return Err(error).or_not_now_at(folder),
            }
        }
        Ok(Self { path, folder: held, confirm: File::sync_all })
    }

    /// Writes a new file durably, readable by all; false when it was there already, with these
    /// octets. Its folder is made if there is none.
    pub(super) fn create(&self, path: &Path, octets: &[u8]) -> io::Result<bool> {
        match fs::read(path) {
            Ok(there) if there == octets => return Ok(false),
            Ok(_) => return Err(ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let folder = path.parent().unwrap_or(Path::new("."));
        if !folder.exists() {
            fs::create_dir_all(folder)?;
            fs::set_permissions(folder, Permissions::from_mode(0o755))?;
            if let Some(above) = folder.parent().filter(|above| above.exists()) {
                (self.confirm)(&File::open(above)?)?;
            }
        }
        let draft = draft(path);
        write(&draft, octets, |file| file.set_permissions(Permissions::from_mode(0o644)))?;
        fs::rename(&draft, path)?;
        (self.confirm)(&File::open(folder)?).map(|()| true)
    }

    /// Puts `new` in the place of `old`, with the rights and the owner that the file has: whoever
    /// reads it sees the old octets or the new ones, whole, also after a power cut. Refused where it
    /// has other octets than `old` by now.
    pub(super) fn replace(&self, old: &[u8], new: &[u8]) -> Result<(), NotReplaced> {
        let draft = draft(&self.path);
        let unchanged = |failure| {
            drop(fs::remove_file(&draft));
            NotReplaced::Unchanged(failure)
        };
        self.draft(&draft, new).or_not_now_at(&self.path).map_err(unchanged)?;
        let now = fs::read(&self.path).or_not_now_at(&self.path).map_err(unchanged)?;
        let shown = self.path.display();
        if now != old {
            return Err(unchanged(Failure::not_now(
                format!("{shown}: inzwischen von anderer Seite geändert; nichts eingetragen."),
                format!("{shown}: changed by somebody else meanwhile; nothing was entered."),
            )));
        }
        fs::rename(&draft, &self.path).or_not_now_at(&self.path).map_err(unchanged)?;
        let confirmed = (self.confirm)(&self.folder).or_not_now(
            format!("{shown} ist geändert, aber der Datenträger bestätigt es nicht"),
            format!("{shown} is changed, but the disk does not confirm it"),
        );
        confirmed.map_err(NotReplaced::Unconfirmed)
    }

    fn draft(&self, draft: &Path, octets: &[u8]) -> io::Result<()> {
        let data = fs::metadata(&self.path)?;
        write(draft, octets, |file| {
            let made = file.metadata()?;
            if made.gid() != data.gid() {
                // The node reads it through its group.
                fchown(file, None, Some(data.gid()))?;
            }
            if made.uid() != data.uid() {
                // Only root may; for others the group and the rights are enough.
                drop(fchown(file, Some(data.uid()), None));
            }
            file.set_permissions(Permissions::from_mode(data.mode() & 0o777))
        })
    }
}

/// What is being written lies here until it is whole.
fn draft(path: &Path) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    PathBuf::from(beside)
}

/// Writes a draft, in place of one that a kill left behind.
fn write(
    draft: &Path,
    octets: &[u8],
    rights: impl FnOnce(&File) -> io::Result<()>,
) -> io::Result<()> {
    match fs::remove_file(draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    rights(&file)?;
    file.write_all(octets)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use amtsbote_domain::text::Language;

    fn file(octets: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("directory.toml");
        fs::write(&path, octets).expect("written");
        (dir, path)
    }

    #[test]
    fn two_take_turns() {
        let (_dir, path) = file(b"1");
        let first = Held::of(&path).expect("is free");
        let second = Held::within(&path, Duration::ZERO).err().expect("is held");
        assert!(second.text(Language::De).contains("anderes Kommando"), "{second:?}");
        let copy = first.folder.try_clone().expect("a copy");
        drop(first);
        Held::within(&path, Duration::ZERO).expect("is free again");
        drop(copy);
    }

    #[test]
    fn what_many_add_at_once_is_all_there() {
        let (_dir, path) = file(b"");
        let add = |n: u8| {
            let held = Held::of(&path).expect("its turn comes");
            let old = fs::read(&path).expect("there");
            let new = [&old[..], &[n]].concat();
            held.replace(&old, &new).expect("replaced");
        };
        thread::scope(|scope| {
            for n in 0..8 {
                scope.spawn(move || add(n));
            }
        });
        let mut all = fs::read(&path).expect("there");
        all.sort_unstable();
        assert_eq!(all, (0..8).collect::<Vec<u8>>());
    }

    #[test]
    fn rights_and_links_stay_and_drafts_go() {
        let (dir, path) = file(b"old");
        fs::set_permissions(&path, Permissions::from_mode(0o664)).expect("set");
        let link = dir.path().join("link.toml");
        std::os::unix::fs::symlink(&path, &link).expect("made");
        fs::write(draft(&path), "left by a kill").expect("written");
        let held = Held::of(&link).expect("is free");
        held.replace(b"old", b"new").expect("replaced");
        assert_eq!(fs::read(&path).expect("there"), b"new");
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o664);
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        let refused = held.replace(b"old", b"newer");
        assert!(matches!(refused, Err(NotReplaced::Unchanged(_))), "{refused:?}");
        assert_eq!(fs::read(&path).expect("there"), b"new");
        assert!(!draft(&path).exists());
    }

    #[test]
    fn a_file_that_is_there_is_not_overwritten() {
        let (dir, path) = file(b"");
        let held = Held::of(&path).expect("is free");
        let pem = dir.path().join("certs/x.pem");
        assert!(held.create(&pem, b"x").expect("made"));
        assert!(!held.create(&pem, b"x").expect("as after a kill"));
        assert!(held.create(&pem, b"y").is_err());
        assert_eq!(fs::read(&pem).expect("there"), b"x");
        assert_eq!(fs::metadata(&pem).expect("there").mode() & 0o777, 0o644);
    }
}
