//! Payload files: reserved by name, written beside their place, synced, moved, synced again.
//!
//! A name is reserved durably before its file may exist, and the reservation is removed by the
//! acceptance that refers to the file. So whatever a crash leaves behind is known by name.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, mpsc};

use amtsbote_domain::ports::StoreError;
use openssl::rand::rand_bytes;
use rusqlite::Connection;

use crate::error::{cipher_error, database_error, file_error};
use crate::group::{Group, Receipts};
use crate::writer::{Task, WeakQueue, not_run};

/// So many names are reserved at once: one commit for many files.
const NAMES: usize = 32;

/// The payload folder of one store.
pub(crate) struct Files {
    dir: PathBuf,
    names: Mutex<Vec<String>>,
    queue: WeakQueue,
}

impl Files {
    /// Makes the folders, removes what belongs to no message.
    pub(crate) fn open(
        dir: PathBuf,
        queue: WeakQueue,
        db: &Connection,
    ) -> Result<Self, StoreError> {
        for number in 0..=255u8 {
            fs::create_dir_all(dir.join(format!("{number:02x}"))).map_err(file_error)?;
        }
        sync_folder(&dir).map_err(file_error)?;
        let files = Self { dir, names: Mutex::default(), queue };
        files.remove_orphans(db)?;
        Ok(files)
    }

    /// A reserved name; waits for a commit once in a while.
    pub(crate) fn reserve(&self) -> Result<String, StoreError> {
        if let Some(name) = self.free_names().pop() {
            return Ok(name);
        }
        let (sender, answer) = mpsc::sync_channel(1);
        self.queue.push(Box::new(ReserveNames { names: Vec::new(), sender }))?;
        let mut names = match answer.recv().map_err(|_| not_run())? {
            // Nothing of the message depends on it: names reserved unknowingly are freed at the
            // next start.
            Err(StoreError::OutcomeUnknown(why)) => return Err(StoreError::Unavailable(why)),
            answer => answer?,
        };
        let name = names.pop().ok_or_else(not_run)?;
        self.free_names().append(&mut names);
        Ok(name)
    }

    /// Begins the file of a reserved name.
    pub(crate) fn create(&self, name: &str) -> io::Result<File> {
        File::options().read(true).write(true).create(true).truncate(true).open(self.draft(name))
    }

    /// Makes a written file durable under its final name.
    pub(crate) fn finish(&self, name: &str, file: &File) -> io::Result<()> {
        file.sync_all()?;
        let place = self.path(name);
        fs::rename(self.draft(name), &place)?;
        place.parent().map_or(Ok(()), sync_folder)
    }

    /// Opens a finished file.
    pub(crate) fn open_file(&self, name: &str) -> io::Result<File> {
        File::open(self.path(name))
    }

    /// Removes a file that no message refers to. Its name can be used again.
    pub(crate) fn discard(&self, name: String) {
        match self.remove(&name) {
            Ok(()) => self.free_names().push(name),
            // The reservation stands: the next start tries again.
            Err(error) => tracing::warn!(kind = %error.kind(), "a payload file was not removed"),
        }
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        for path in [self.draft(name), self.path(name)] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn remove_orphans(&self, db: &Connection) -> Result<(), StoreError> {
        let names: Vec<String> = db
            .prepare("SELECT name FROM reserved_file")
            .and_then(|mut sql| sql.query_map([], |row| row.get(0))?.collect())
            .map_err(database_error)?;
        for name in &names {
            if !is_name(name) {
                return Err(StoreError::Corrupt("a reserved file name".to_owned()));
            }
            self.remove(name).map_err(file_error)?;
        }
        db.execute("DELETE FROM reserved_file", []).map_err(database_error)?;
        if !names.is_empty() {
            tracing::info!(reserved = names.len(), "payload files without a message were removed");
        }
        Ok(())
    }

    fn free_names(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        // A panic elsewhere cannot leave the list half changed.
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, name: &str) -> PathBuf {
        path_in(&self.dir, name)
    }

    fn draft(&self, name: &str) -> PathBuf {
        self.path(name).with_extension("draft")
    }
}

/// Where the file of this name lies in the payload folder.
pub(crate) fn path_in(dir: &Path, name: &str) -> PathBuf {
    dir.join(name.get(..2).unwrap_or("00")).join(name).with_extension("sealed")
}

/// Whether it is a name made here, and so no path to somewhere else.
pub(crate) fn is_name(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Makes the entries of a folder durable.
pub(crate) fn sync_folder(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

struct ReserveNames {
    names: Vec<String>,
    sender: mpsc::SyncSender<Result<Vec<String>, StoreError>>,
}

impl Task for ReserveNames {
    fn run(&mut self, group: &mut Group<'_>) -> Result<(), StoreError> {
        self.names.clear();
        for _ in 0..NAMES {
            let mut octets = [0; 16];
            rand_bytes(&mut octets).map_err(cipher_error)?;
            let name: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
            group
                .db
                .prepare_cached("INSERT INTO reserved_file (name) VALUES (?1)")
                .and_then(|mut sql| sql.execute([&name]))
                .map_err(database_error)?;
            self.names.push(name);
        }
        group.touch();
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<&Receipts, StoreError>) {
        // An intake that has gone leaves its names to the next start.
        let Self { names, sender } = *self;
        let _ = sender.send(outcome.map(|_| names));
    }

    fn may_use_reserve(&self) -> bool {
        false
    }
}
