//! Payload files: reserved by name, written beside their place, synced, moved, synced again.
//!
//! A name is reserved durably before its file may exist, and the reservation is removed by the
//! acceptance that refers to the file. So whatever a crash leaves behind is known by name.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use amtsbote_domain::ports::StoreError;
use openssl::rand::rand_bytes;

use crate::error::{cipher_error, file_error};
use crate::group::{Group, Receipts};
use crate::sql::{Db, params};
use crate::writer::{Task, WeakQueue};

/// So many names are reserved at once: one commit for many files.
const NAMES: usize = 64;
/// With fewer left, the next ones are reserved ahead, so that hardly anybody waits.
const FEW: usize = 16;

/// The payload folder of one store.
pub(crate) struct Files {
    dir: PathBuf,
    names: Arc<Names>,
    /// Folders known to be durable.
    folders: Mutex<HashSet<PathBuf>>,
    queue: WeakQueue,
}

/// Reserved names that nobody uses.
#[derive(Default)]
struct Names {
    pool: Mutex<Pool>,
    changed: Condvar,
}

#[derive(Default)]
struct Pool {
    free: Vec<String>,
    /// More are on their way.
    coming: bool,
    /// The last attempt to reserve some failed.
    failed: Option<StoreError>,
}

impl Files {
    /// Makes the folder, removes what belongs to no message.
    pub(crate) fn open(dir: PathBuf, queue: WeakQueue, db: &Db) -> Result<Self, StoreError> {
        fs::create_dir_all(&dir).map_err(file_error)?;
        let files = Self { dir, names: Arc::default(), folders: Mutex::default(), queue };
        files.remove_orphans(db)?;
        Ok(files)
    }

    /// A reserved name. Waits for a commit only where names are used up faster than reserved.
    pub(crate) fn reserve(&self) -> Result<String, StoreError> {
        loop {
            let mut pool = self.names.lock();
            let name = pool.free.pop();
            let order = pool.free.len() < FEW && !pool.coming;
            pool.coming |= order;
            if order {
                // Not under the lock: the writer takes it too, and may have to make room first.
                drop(pool);
                let names = Arc::clone(&self.names);
                let ordered = self.queue.push(Box::new(ReserveNames { names, made: Vec::new() }));
                pool = self.names.lock();
                if name.is_none() {
                    ordered?;
                }
            }
            if let Some(name) = name {
                return Ok(name);
            }
            while pool.coming {
                pool = self.names.wait(pool);
            }
            if pool.free.is_empty()
                && let Some(error) = pool.failed.take()
            {
                return Err(error);
            }
        }
    }

    /// Begins the file of a reserved name.
    pub(crate) fn create(&self, name: &str) -> io::Result<File> {
        let draft = self.draft(name);
        if let Some(folder) = draft.parent() {
            self.make_folder(folder)?;
        }
        File::options().read(true).write(true).create(true).truncate(true).open(draft)
    }

    /// Makes a folder of files durable, once in the life of this process: without it a power cut
    /// could take the folder away with what is synced in it.
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        let mut made = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        if !made.contains(folder) {
            fs::create_dir_all(folder)?;
            sync_folder(&self.dir)?;
            made.insert(folder.to_owned());
        }
        Ok(())
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
            Ok(()) => self.names.lock().free.push(name),
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

    fn remove_orphans(&self, db: &Db) -> Result<(), StoreError> {
        // Where there are several nodes, only what former lives of this one have left behind.
        let of_node = "holder IN (SELECT life FROM node_life WHERE name = ?1 AND life < ?2)";
        let names: Vec<String> = match db.life() {
            None => db.query_all("SELECT name FROM reserved_file", &[], |row| row.get(0))?,
            Some(life) => db.query_all(
                &format!("SELECT name FROM reserved_file WHERE {of_node}"),
                params![life.name, life.number],
                |row| row.get(0),
            )?,
        };
        for name in &names {
            if !is_name(name) {
                return Err(StoreError::Corrupt("a reserved file name".to_owned()));
            }
            self.remove(name).map_err(file_error)?;
        }
        // A removal that a power cut could undo must not lose its name first: then nobody would
        // ever find the file again.
        let folders: BTreeSet<PathBuf> =
            names.iter().filter_map(|name| Some(self.path(name).parent()?.to_owned())).collect();
        for folder in folders.iter().filter(|folder| folder.is_dir()) {
            sync_folder(folder).map_err(file_error)?;
        }
        match db.life() {
            None => db.execute("DELETE FROM reserved_file", &[])?,
            Some(life) => db.execute(
                &format!("DELETE FROM reserved_file WHERE {of_node}"),
                params![life.name, life.number],
            )?,
        };
        if !names.is_empty() {
            tracing::info!(reserved = names.len(), "payload files without a message were removed");
        }
        Ok(())
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

impl Names {
    fn lock(&self) -> MutexGuard<'_, Pool> {
        // A panic elsewhere cannot leave the pool half changed.
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'p>(&self, pool: MutexGuard<'p, Pool>) -> MutexGuard<'p, Pool> {
        self.changed.wait(pool).unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reserves names ahead.
struct ReserveNames {
    names: Arc<Names>,
    made: Vec<String>,
}

impl Task for ReserveNames {
    fn run(&mut self, group: &mut Group<'_>) -> Result<(), StoreError> {
        self.made.clear();
        for _ in 0..NAMES {
            let mut octets = [0; 16];
            rand_bytes(&mut octets).map_err(cipher_error)?;
            let name: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
            match group.db.life() {
                None => {
                    group.db.write("INSERT INTO reserved_file (name) VALUES (?1)", params![name])?
                }
                Some(life) => group.db.write(
                    "INSERT INTO reserved_file (name, holder) VALUES (?1, ?2)",
                    params![name, life.number],
                )?,
            };
            self.made.push(name);
        }
        group.touch();
        Ok(())
    }

    fn finish(mut self: Box<Self>, outcome: Result<&Receipts, StoreError>) {
        match outcome {
            Ok(_) => self.names.lock().free.append(&mut self.made),
            // Nothing of a message depends on it: names that were reserved unknowingly are freed
            // at the next start.
            Err(StoreError::OutcomeUnknown(why)) => {
                self.names.lock().failed = Some(StoreError::Unavailable(why));
            }
            Err(error) => self.names.lock().failed = Some(error),
        }
    }

    fn may_use_reserve(&self) -> bool {
        false
    }
}

impl Drop for ReserveNames {
    fn drop(&mut self) {
        // However it ended, even unanswered when the writer is gone: nobody must wait for it.
        self.names.lock().coming = false;
        self.names.changed.notify_all();
    }
}
