//! The folder of wrapping keys.

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use amtsbote_domain::Timestamp;
use amtsbote_domain::wrapping::{KeyError, KeyId, Period, Tenant, WrappingKeys};

use super::durable;
use super::error::{WrappingError, cipher, unavailable};
use super::layout::{DESTROYED, KEY, generations, key_files, place};
use super::masters::{Masters, name_text};
use super::sealed::{self, Key, MAX_FILE_BYTES, Sealed, master_name};
use crate::master::MasterKey;

/// The folder in the key store.
pub(super) const FOLDER: &str = "wrapping";
const LOCK: &str = "lock";
/// Most keys remembered unwrapped; the others are read again.
const MAX_REMEMBERED: usize = 4096;
/// The wrapping keys of a key store. Opened by a node it is held: nobody else changes it.
pub struct WrappingFolder {
    store: PathBuf,
    pub(super) folder: PathBuf,
    pub(super) masters: Masters,
    known: Mutex<Known>,
    /// None when opened for reading.
    pub(super) lock: Option<Lock>,
    /// Other nodes may hold it too.
    shared: bool,
}

/// What was read so far.
#[derive(Default)]
struct Known {
    opened: HashMap<KeyId, Arc<Key>>,
    current: HashMap<(Tenant, Period), KeyId>,
}

/// One file in the folder.
#[derive(Debug)]
pub struct KeyFile {
    /// Where.
    pub path: PathBuf,
    /// Which key it says to be; none for one that is torn or no key.
    pub id: Option<KeyId>,
    /// The beginning of the fingerprint of the master key that it says to be sealed by.
    pub master: Option<String>,
    /// Why it is of no use.
    pub fault: Option<KeyError>,
}

impl WrappingFolder {
    /// Opens it to work with it, and makes it if it is not there. Refused while somebody else has
    /// it open like this. The key store must have a master key.
    pub fn open(store: &Path) -> Result<Self, WrappingError> {
        Self::hold(store, false)
    }

    /// Opens it to work with it beside other nodes that opened it in this way. New keys are made,
    /// each under a name of its own; nothing that is there is changed, so that two nodes may make a
    /// key with the same number for a tenant and month, and both are good. Refused while somebody
    /// has it for himself.
    pub fn open_shared(store: &Path) -> Result<Self, WrappingError> {
        Self::hold(store, true)
    }

    fn hold(store: &Path, shared: bool) -> Result<Self, WrappingError> {
        // First the master key: a folder that is no key store is left as it is.
        Masters::load(store)?;
        let folder = store.join(FOLDER);
        durable::make_folder(&folder).map_err(WrappingError::file(&folder))?;
        let lock = lock(&folder, shared)?;
        // Again: it may have been changed by the one who held the lock.
        let masters = Masters::load(store)?;
        Ok(Self { shared, ..Self::new(store, folder, masters, Some(lock)) })
    }

    /// Opens it for reading: keys that are there unwrap, none is made. A node may be at work.
    pub fn read(store: &Path) -> Result<Self, WrappingError> {
        Ok(Self::new(store, store.join(FOLDER), Masters::load(store)?, None))
    }

    fn new(store: &Path, folder: PathBuf, masters: Masters, lock: Option<Lock>) -> Self {
        let (store, known) = (store.to_owned(), Mutex::default());
        Self { store, folder, masters, known, lock, shared: false }
    }

    /// The key store.
    pub fn store(&self) -> &Path {
        &self.store
    }

    /// The present master key.
    pub fn master(&self) -> &MasterKey {
        &self.masters.present
    }

    /// Whether a rotation of the master key was begun and has not ended.
    pub fn rotation_pending(&self) -> bool {
        self.masters.next.is_some()
    }

    /// How many old master keys are still kept.
    pub fn old_masters(&self) -> usize {
        self.masters.old.len()
    }

    /// Every file, each opened with its master key; in the order of names.
    pub fn inventory(&self) -> Result<Vec<KeyFile>, WrappingError> {
        let mut files = Vec::new();
        for path in key_files(&self.folder)? {
            files.push(self.look(path)?);
        }
        Ok(files)
    }

    /// Makes a new key for every tenant that has one in the period of `at`, or for this tenant:
    /// what is accepted from now on is wrapped by it. Keys before it stay for what they wrapped.
    pub fn rotate_period(
        &self,
        tenant: Option<&Tenant>,
        at: Timestamp,
    ) -> Result<Vec<KeyId>, WrappingError> {
        let period = Period::of(at);
        let tenants = match tenant {
            Some(tenant) => vec![tenant.clone()],
            None => {
                let ids = self.inventory()?.into_iter().filter_map(|file| file.id);
                let mut tenants: Vec<Tenant> =
                    ids.filter(|id| *id.period() == period).map(|id| id.tenant().clone()).collect();
                tenants.sort();
                tenants.dedup();
                tenants
            }
        };
        let mut known = self.known();
        let mut made = Vec::new();
        for tenant in tenants {
            made.push(self.make(&mut known, &tenant, &period)?.0);
        }
        Ok(made)
    }

    /// Destroys a key for good: nobody can open any more what it wrapped. First a durable note
    /// that this was on purpose, then the key. Done again, it ends what was begun.
    ///
    /// Copies of the file in backups of the key store must end too, and where a disk keeps what was
    /// overwritten the sealed key may still be found there; it opens with the master key alone, so
    /// rotating the master key and retiring the old one closes that way as well.
    pub fn destroy(&self, id: &KeyId, at: Timestamp) -> Result<(), WrappingError> {
        self.alone()?;
        let (key, note) = (place(&self.folder, id, KEY), place(&self.folder, id, DESTROYED));
        if !note.exists() {
            if !key.exists() {
                return Err(KeyError::Missing(id.clone()).into());
            }
            let text = format!("{id}\ndestroyed: {at}\n");
            durable::write(&note, text.as_bytes()).map_err(WrappingError::file(&note))?;
        }
        let mut known = self.known();
        known.opened.remove(id);
        known.current.retain(|_, current| current != id);
        durable::destroy(&key).map_err(WrappingError::file(&key))
    }

    /// What a file is.
    fn look(&self, path: PathBuf) -> Result<KeyFile, WrappingError> {
        let read = durable::read(&path, MAX_FILE_BYTES).map_err(WrappingError::file(&path));
        let octets = read?.map(|(octets, _)| octets).unwrap_or_default();
        let Some(sealed) = Sealed::parse(&octets) else {
            return Ok(KeyFile { path, id: None, master: None, fault: None });
        };
        let id = sealed.id.clone();
        let fault = if path == place(&self.folder, &id, KEY) {
            self.open_key(&id).err()
        } else {
            Some(KeyError::Damaged(id.clone()))
        };
        Ok(KeyFile { path, id: Some(id), master: Some(name_text(&sealed.master)), fault })
    }

    /// Reads and opens the file of a key.
    pub(super) fn open_key(&self, id: &KeyId) -> Result<Key, KeyError> {
        let path = place(&self.folder, id, KEY);
        let read = durable::read(&path, MAX_FILE_BYTES);
        // Destroyed comes first: a kill may have left the key behind its note.
        if place(&self.folder, id, DESTROYED).exists() {
            return Err(KeyError::Destroyed(id.clone()));
        }
        let (octets, facts) = match read {
            Ok(Some(read)) => read,
            Ok(None) => return Err(KeyError::Missing(id.clone())),
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                return Err(KeyError::Damaged(id.clone()));
            }
            Err(error) => return Err(unavailable(&error)),
        };
        let owner = fs::metadata(&self.folder).map_err(|error| unavailable(&error))?.uid();
        if !facts.private || facts.owner != owner {
            return Err(KeyError::OpenToOthers(id.clone()));
        }
        let sealed = Sealed::parse(&octets).filter(|sealed| sealed.id == *id);
        let sealed = sealed.ok_or_else(|| KeyError::Damaged(id.clone()))?;
        let master = self.masters.find(&sealed.master);
        let master = master.ok_or_else(|| KeyError::OtherMaster(id.clone()))?;
        sealed.open(master).ok_or_else(|| KeyError::Damaged(id.clone()))
    }

    /// Seals a key under the present master key and writes its file durably.
    fn keep(&self, id: &KeyId, key: &Key) -> Result<(), KeyError> {
        self.writable()?;
        let path = place(&self.folder, id, KEY);
        if let Some(folder) = path.parent() {
            durable::make_folder(folder).map_err(|error| unavailable(&error))?;
        }
        let file = sealed::to_file(&self.masters.present, id, key).map_err(cipher)?;
        let written = match self.shared {
            true => durable::write_beside_others(&path, &file),
            false => durable::write(&path, &file),
        };
        written.map_err(|error| unavailable(&error))
    }

    /// What changes or ends a key is for whoever has the folder for himself.
    fn alone(&self) -> Result<(), KeyError> {
        self.writable()?;
        (!self.shared).then_some(()).ok_or_else(|| {
            KeyError::Unavailable("opened beside other nodes, and a key would end".to_owned())
        })
    }

    fn writable(&self) -> Result<(), KeyError> {
        let opened = self.lock.is_some();
        opened.then_some(()).ok_or_else(|| {
            KeyError::Unavailable("opened for reading, and a key would have to be made".to_owned())
        })
    }

    /// The key with this id, read once.
    fn key(&self, known: &mut Known, id: &KeyId) -> Result<Arc<Key>, KeyError> {
        if let Some(key) = known.opened.get(id) {
            return Ok(Arc::clone(key));
        }
        let key = Arc::new(self.open_key(id)?);
        known.remember(id.clone(), Arc::clone(&key));
        Ok(key)
    }

    /// The key in use for a tenant and period, made if there is none.
    fn current(
        &self,
        known: &mut Known,
        tenant: &Tenant,
        period: &Period,
    ) -> Result<(KeyId, Arc<Key>), KeyError> {
        let place = (tenant.clone(), period.clone());
        if let Some(id) = known.current.get(&place).cloned() {
            let key = self.key(known, &id)?;
            return Ok((id, key));
        }
        match generations(&self.folder, tenant, period)?.pop() {
            Some((id, true)) => {
                let key = self.key(known, &id)?;
                known.current.insert(place, id.clone());
                Ok((id, key))
            }
            // The newest was destroyed: what comes now gets one of its own.
            Some((_, false)) | None => self.make(known, tenant, period),
        }
    }

    fn make(
        &self,
        known: &mut Known,
        tenant: &Tenant,
        period: &Period,
    ) -> Result<(KeyId, Arc<Key>), KeyError> {
        let last =
            generations(&self.folder, tenant, period)?.pop().map_or(0, |(id, _)| id.generation());
        let generation = last
            .checked_add(1)
            .ok_or_else(|| KeyError::Unavailable("too many keys in one period".to_owned()))?;
        let key = Key::random().map_err(cipher)?;
        let id = KeyId::new(tenant.clone(), period.clone(), generation, key.fingerprint());
        self.keep(&id, &key)?;
        let key = Arc::new(key);
        known.remember(id.clone(), Arc::clone(&key));
        known.current.insert((tenant.clone(), period.clone()), id.clone());
        Ok((id, key))
    }

    /// Where the key itself lies.
    pub(super) fn key_path(&self, id: &KeyId) -> PathBuf {
        place(&self.folder, id, KEY)
    }

    /// Forgets what was read: the master keys change.
    pub(super) fn forget(&self) {
        *self.known() = Known::default();
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // A panic elsewhere cannot leave the maps half changed.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn remember(&mut self, id: KeyId, key: Arc<Key>) {
        if self.opened.len() >= MAX_REMEMBERED {
            self.opened.clear();
            self.current.clear();
        }
        self.opened.insert(id, key);
    }
}

impl WrappingKeys for WrappingFolder {
    fn wrap(
        &self,
        tenant: &Tenant,
        at: Timestamp,
        context: &[u8],
        key: &[u8; 32],
    ) -> Result<(KeyId, Vec<u8>), KeyError> {
        let (id, under) = self.current(&mut self.known(), tenant, &Period::of(at))?;
        let wrapped = sealed::wrap(&under.0, context, key).map_err(cipher)?;
        Ok((id, wrapped))
    }

    fn unwrap(
        &self,
        id: &KeyId,
        context: &[u8],
        wrapped: &[u8],
        key: &mut [u8; 32],
    ) -> Result<(), KeyError> {
        let under = self.key(&mut self.known(), id)?;
        let opened = sealed::unwrap(&under.0, context, wrapped).ok_or(KeyError::Changed)?;
        key.copy_from_slice(&opened.0);
        Ok(())
    }

    fn check(&self, id: &KeyId) -> Result<(), KeyError> {
        self.open_key(id).map(drop)
    }

    fn adopt(&self, period: &Period, wrapped: &[u8]) -> Result<KeyId, KeyError> {
        let masters = [&self.masters.present].into_iter().chain(&self.masters.old);
        let key = masters
            .filter_map(|master| {
                sealed::unwrap(master.octets(), period.as_str().as_bytes(), wrapped)
            })
            .next()
            .ok_or(KeyError::NotOurs)?;
        let id = KeyId::new(Tenant::shared(), period.clone(), 1, key.fingerprint());
        match self.open_key(&id) {
            Ok(_) => {}
            // The first time. A torn file cannot be: it is moved when it is whole.
            Err(KeyError::Missing(_)) => self.keep(&id, &key)?,
            Err(error) => return Err(error),
        }
        Ok(id)
    }
}

/// The lock of the folder, held until it is dropped.
pub(super) struct Lock(pub(super) File);

impl Drop for Lock {
    /// Closing the file is not enough: a program that another thread starts at this moment has a
    /// copy of it, and with it of the lock, until it runs.
    fn drop(&mut self) {
        drop(self.0.unlock());
    }
}

/// Takes the lock of the folder, beside others who share it or alone.
fn lock(folder: &Path, shared: bool) -> Result<Lock, WrappingError> {
    use std::os::unix::fs::OpenOptionsExt;
    let path = folder.join(LOCK);
    let mut options = File::options();
    // To share a lock, some file systems want a file that can be read.
    options.create(true).truncate(false).read(true).write(true).mode(0o600);
    let file = options.open(&path).map_err(WrappingError::file(&path))?;
    let locked = if shared { file.try_lock_shared() } else { file.try_lock() };
    match locked {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(WrappingError::InUse),
        Err(TryLockError::Error(error)) => Err(WrappingError::File { path, error }),
    }
}

/// Whether a master key opens a file.
pub(super) fn opens(master: &MasterKey, path: &Path) -> Result<Option<KeyId>, WrappingError> {
    let read = durable::read(path, MAX_FILE_BYTES).map_err(WrappingError::file(path))?;
    let octets = read.map(|(octets, _)| octets).unwrap_or_default();
    Ok(Sealed::parse(&octets).and_then(|sealed| {
        let ours = sealed.master == master_name(master) && sealed.open(master).is_some();
        ours.then_some(sealed.id)
    }))
}
