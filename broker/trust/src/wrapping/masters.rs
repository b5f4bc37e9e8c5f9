//! The master keys of a key store: the present one, and during a rotation those beside it.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::WrappingError;
use super::sealed::{MasterName, master_name};
use crate::master::MasterKey;

/// The file of the present master key.
pub const MASTER_KEY: &str = "master.key";
/// The file of a new one while it takes over.
const NEXT: &str = "master.next.key";
/// The files of those before it: this, the fingerprint, and the ending.
const OLD: &str = "master.old-";
const ENDING: &str = ".key";
/// Most old ones that are read: one is left behind by each rotation until it is retired.
const MAX_OLD: usize = 16;

/// They.
pub(super) struct Masters {
    pub(super) present: MasterKey,
    pub(super) next: Option<MasterKey>,
    pub(super) old: Vec<MasterKey>,
}

/// How a master key is named to people: the first 16 hexadecimal digits of its fingerprint.
pub fn fingerprint_text(key: &MasterKey) -> String {
    name_text(&master_name(key))
}

/// The same from the name in files.
pub(super) fn name_text(name: &MasterName) -> String {
    name[..8].iter().map(|octet| format!("{octet:02x}")).collect()
}

impl Masters {
    /// Reads them. There must be a present one.
    pub(super) fn load(store: &Path) -> Result<Self, WrappingError> {
        let next = next_path(store);
        let next = match next.exists() {
            true => Some(MasterKey::load(&next)?),
            false => None,
        };
        let old = old_paths(store)?;
        let old = old.iter().map(|path| MasterKey::load(path)).collect::<Result<_, _>>()?;
        Ok(Self { present: MasterKey::load(&store.join(MASTER_KEY))?, next, old })
    }

    /// The one with this name.
    pub(super) fn find(&self, name: &MasterName) -> Option<&MasterKey> {
        [&self.present]
            .into_iter()
            .chain(&self.next)
            .chain(&self.old)
            .find(|master| master_name(master) == *name)
    }
}

/// Where a new master key lies while it takes over.
pub(super) fn next_path(store: &Path) -> PathBuf {
    store.join(NEXT)
}

/// Where an old one is kept.
pub(super) fn old_path(store: &Path, key: &MasterKey) -> PathBuf {
    store.join(format!("{OLD}{}{ENDING}", fingerprint_text(key)))
}

/// The files of old ones, at most [`MAX_OLD`].
pub(super) fn old_paths(store: &Path) -> Result<Vec<PathBuf>, WrappingError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(store).map_err(WrappingError::file(store))? {
        let path = entry.map_err(WrappingError::file(store))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with(OLD) && name.ends_with(ENDING) {
            found.push(path);
        }
    }
    found.sort();
    if found.len() > MAX_OLD {
        return Err(WrappingError::TooMany);
    }
    Ok(found)
}
