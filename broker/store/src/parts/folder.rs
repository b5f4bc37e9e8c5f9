//! A folder as the place: written beside their place, synced, moved, synced again.
//!
//! One that nodes share bears a mark. Without it the folder is away, and what is seen in its place is
//! where it was mounted: nothing is missing there, and nothing may go there.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{AWAY, Begun, Draft, Left, Place};

/// The file that says to which store a shared folder belongs.
pub(crate) const MARK: &str = "store";

/// A folder, and how it is recognised.
#[derive(Clone)]
struct Known {
    dir: PathBuf,
    mark: Option<Vec<u8>>,
}

impl Known {
    /// Refused where it is away.
    fn check(&self) -> io::Result<()> {
        let here = match &self.mark {
            Some(mark) => fs::read(self.dir.join(MARK)).is_ok_and(|found| found == *mark),
            None => self.dir.is_dir(),
        };
        match here {
            true => Ok(()),
            false => Err(io::Error::new(AWAY, "the folder for large parts is away")),
        }
    }

    /// The same where there is a mark to go by; a folder of one node's own is made when it is needed.
    fn check_mark(&self) -> io::Result<()> {
        self.mark.as_ref().map_or(Ok(()), |_| self.check())
    }
}

/// The payload folder of one store.
pub(crate) struct Folder {
    dir: PathBuf,
    known: Known,
    /// Folders in it that are known to be durable.
    durable: Mutex<HashSet<PathBuf>>,
}

impl Folder {
    /// The folder as it is, with its mark where it has one; nothing is looked at yet.
    pub(crate) fn new(dir: PathBuf, mark: Option<Vec<u8>>) -> Self {
        let known = Known { dir: dir.clone(), mark };
        Self { dir, known, durable: Mutex::default() }
    }

    /// Makes it where it is absent.
    pub(super) fn make(&self) -> io::Result<()> {
        fs::create_dir_all(&self.dir)
    }

    /// Makes a folder of files durable, once in the life of this process: without it a power cut
    /// could take the folder away with what is synced in it.
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        if !durable.contains(folder) {
            fs::create_dir_all(folder)?;
            sync_folder(&self.dir)?;
            durable.insert(folder.to_owned());
        }
        Ok(())
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        for path in [draft_in(&self.dir, name), path_in(&self.dir, name)] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        // What is not there may be where the folder is.
        self.known.check_mark()
    }
}

impl Place for Folder {
    fn begin(&self, name: &str, _: Begun) -> io::Result<Box<dyn Draft>> {
        self.known.check_mark()?;
        let (draft, place) = (draft_in(&self.dir, name), path_in(&self.dir, name));
        if let Some(folder) = draft.parent() {
            self.make_folder(folder)?;
        }
        let file =
            File::options().read(true).write(true).create(true).truncate(true).open(&draft)?;
        let known = self.known.clone();
        Ok(Box::new(FileDraft { file, draft, place, known }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        let opened = File::open(path_in(&self.dir, name));
        if opened.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            self.known.check()?;
        }
        Ok(Box::new(opened?))
    }

    fn discard(&self, left: &Left) -> bool {
        match self.unlink(&left.name) {
            Ok(()) => true,
            Err(error) => {
                // It is tried again in the background.
                tracing::warn!(kind = %error.kind(), "a payload file was not removed");
                false
            }
        }
    }

    fn remove(&self, left: &[Left]) -> Vec<io::Result<()>> {
        let mut results: Vec<_> = left.iter().map(|left| self.unlink(&left.name)).collect();
        let folder_of = |left: &Left| Some(path_in(&self.dir, &left.name).parent()?.to_owned());
        let folders: BTreeSet<PathBuf> = left.iter().filter_map(folder_of).collect();
        // A removal that did not last must not lose its name first, for then nobody would ever find the
        // octets again.
        for folder in folders.iter().filter(|folder| folder.is_dir()) {
            if let Err(error) = sync_folder(folder) {
                for (left, result) in left.iter().zip(&mut results) {
                    if result.is_ok() && folder_of(left).as_ref() == Some(folder) {
                        *result = Err(error.kind().into());
                    }
                }
            }
        }
        results
    }

    /// What is removed here is gone: whoever still writes has nothing that could be moved to its place.
    fn quiet(&self) -> Duration {
        Duration::ZERO
    }
}

/// A file beside its place.
struct FileDraft {
    file: File,
    draft: PathBuf,
    place: PathBuf,
    known: Known,
}

impl Draft for FileDraft {
    fn write(&mut self, sealed: &mut Vec<u8>) -> io::Result<()> {
        self.file.write_all(sealed)?;
        sealed.clear();
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.draft, &self.place)?;
        self.place.parent().map_or(Ok(()), sync_folder)?;
        self.known.check_mark()
    }
}

/// Where the file of this name lies in the payload folder.
pub(crate) fn path_in(dir: &Path, name: &str) -> PathBuf {
    dir.join(name.get(..2).unwrap_or("00")).join(name).with_extension("sealed")
}

fn draft_in(dir: &Path, name: &str) -> PathBuf {
    path_in(dir, name).with_extension("draft")
}

/// Makes the entries of a folder durable.
pub(crate) fn sync_folder(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
