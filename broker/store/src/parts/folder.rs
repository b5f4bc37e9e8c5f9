//! A folder as the place: written beside their place, synced, moved, synced again.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Begun, Draft, Left, Place};

/// The payload folder of one store.
pub(crate) struct Folder {
    dir: PathBuf,
    /// Folders in it that are known to be durable.
    durable: Mutex<HashSet<PathBuf>>,
}

impl Folder {
    /// The folder as it is; nothing is looked at yet.
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir, durable: Mutex::default() }
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
        Ok(())
    }
}

impl Place for Folder {
    fn begin(&self, name: &str, _: Begun) -> io::Result<Box<dyn Draft>> {
        let (draft, place) = (draft_in(&self.dir, name), path_in(&self.dir, name));
        if let Some(folder) = draft.parent() {
            self.make_folder(folder)?;
        }
        let file =
            File::options().read(true).write(true).create(true).truncate(true).open(&draft)?;
        Ok(Box::new(FileDraft { file, draft, place }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(File::open(path_in(&self.dir, name))?))
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
        self.place.parent().map_or(Ok(()), sync_folder)
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
