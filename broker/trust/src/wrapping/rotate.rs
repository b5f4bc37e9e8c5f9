//! A new master key takes over, one wrapping key after the other; the old one stays beside it
//! until somebody retires it.

use std::io;

use amtsbote_domain::wrapping::{KeyError, KeyId, WrappingKeys};

use super::durable;
use super::error::WrappingError;
use super::folder::WrappingFolder;
use super::layout::key_files;
use super::masters::{MASTER_KEY, Masters, next_path, old_path, old_paths};
use super::record::BackupRecord;
use super::sealed::{self, MAX_FILE_BYTES, Sealed, master_name};
use crate::master::MasterKey;

/// What a rotation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MasterRotation {
    /// It went on with one that was broken off.
    pub resumed: bool,
    /// Keys wrapped anew by this run.
    pub wrapped: usize,
    /// Keys that were there, those done before included.
    pub keys: usize,
}

impl WrappingFolder {
    /// Makes a new master key and wraps every key by it. After a kill or a power cut at any step
    /// a node works as before, and the next call goes on. Refused before anything changes when a
    /// key does not open, here or of those in `named`: it could never be wrapped anew.
    ///
    /// `named` are the keys that the node's database names, read while this folder is held. A
    /// database of the first schema names none: it holds its keys itself, right under the master
    /// key, and whoever cannot read `named` from it must not come here.
    pub fn rotate_master(&mut self, named: &[KeyId]) -> Result<MasterRotation, WrappingError> {
        self.all_open()?;
        self.all_there(named)?;
        let store = self.store().to_owned();
        let next = next_path(&store);
        let resumed = self.masters.next.is_some();
        if !resumed {
            let key = MasterKey::generate()?;
            durable::write(&next, &key.to_secret().0).map_err(WrappingError::file(&next))?;
            self.masters.next = Some(key);
        }
        let key = MasterKey::load(&next)?;
        let (wrapped, keys) = self.wrap_all(&key)?;
        // The old one is kept under another name before its own is taken.
        let old = old_path(&store, &self.masters.present);
        let text = self.masters.present.to_secret();
        durable::write(&old, &text.0).map_err(WrappingError::file(&old))?;
        durable::rename(&next, &store.join(MASTER_KEY)).map_err(WrappingError::file(&next))?;
        self.masters = Masters::load(&store)?;
        self.forget();
        Ok(MasterRotation { resumed, wrapped, keys })
    }

    /// Removes the old master keys for good; says how many. Only when nothing needs them any more
    /// and the backup of the present one is known to work. `named` as for
    /// [`rotate_master`](Self::rotate_master).
    pub fn retire_old(
        &mut self,
        named: &[KeyId],
        record: Option<&BackupRecord>,
    ) -> Result<usize, WrappingError> {
        if self.rotation_pending() {
            return Err(WrappingError::RotationPending);
        }
        self.all_there(named)?;
        let master = self.masters.present.fingerprint();
        if !record.is_some_and(|record| record.master == master && record.verified.is_some()) {
            return Err(WrappingError::NoVerifiedBackup);
        }
        // What came back from an older backup of the folder may still be under an old one.
        let present = MasterKey::load(&self.store().join(MASTER_KEY))?;
        self.wrap_all(&present)?;
        self.all_open()?;
        let paths = old_paths(self.store())?;
        for path in &paths {
            durable::destroy(path).map_err(WrappingError::file(path))?;
        }
        self.masters = Masters::load(self.store())?;
        self.forget();
        Ok(paths.len())
    }

    /// Whether every file is a key that opens. One behind the note of its end is none any more.
    fn all_open(&self) -> Result<(), WrappingError> {
        for file in self.inventory()? {
            match (file.id, file.fault) {
                (_, Some(KeyError::Destroyed(_))) | (Some(_), None) => {}
                (_, Some(fault)) => return Err(fault.into()),
                (None, None) => {
                    let error = io::ErrorKind::InvalidData.into();
                    return Err(WrappingError::File { path: file.path, error });
                }
            }
        }
        Ok(())
    }

    /// Whether every key that the database names opens, or was destroyed on purpose.
    fn all_there(&self, named: &[KeyId]) -> Result<(), WrappingError> {
        for id in named {
            match self.check(id) {
                Ok(()) | Err(KeyError::Destroyed(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Wraps every key that another master key wraps by this one; how many, and how many there are.
    fn wrap_all(&self, master: &MasterKey) -> Result<(usize, usize), WrappingError> {
        let (mut wrapped, mut keys) = (0, 0);
        for path in key_files(&self.folder)? {
            let read = durable::read(&path, MAX_FILE_BYTES).map_err(WrappingError::file(&path))?;
            let octets = read.map(|(octets, _)| octets).unwrap_or_default();
            let Some(file) = Sealed::parse(&octets) else { continue };
            keys += 1;
            if file.master == master_name(master) {
                continue;
            }
            let key = match self.open_key(&file.id) {
                Err(KeyError::Destroyed(_)) => continue,
                opened => opened?,
            };
            let octets = sealed::to_file(master, &file.id, &key)?;
            let place = self.key_path(&file.id);
            durable::write(&place, &octets).map_err(WrappingError::file(&place))?;
            wrapped += 1;
        }
        Ok((wrapped, keys))
    }
}
