//! Where the files of wrapping keys lie: a folder for each tenant, in it a file for each key, or the
//! note of its end.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use amtsbote_domain::wrapping::{KeyError, KeyId, Period, Tenant};

use super::error::{WrappingError, unavailable};

/// The end of the name of a key's file, and of the note that it was destroyed.
pub(super) const KEY: &str = ".key";
pub(super) const DESTROYED: &str = ".destroyed";
/// Most files that are looked at: 300 tenants, every month, for 50 years.
const MAX_FILES: usize = 200_000;
/// Longest name of a folder that is spelt out; longer ones are hashed.
const MAX_NAME: usize = 200;

/// Where the file of a key, or the note of its end, lies.
pub(super) fn place(folder: &Path, id: &KeyId, ending: &str) -> PathBuf {
    let name = format!("{}.{}{ending}", id.period(), id.name());
    folder.join(folder_name(id.tenant())).join(name)
}

/// The keys of a tenant and period by their files' names, oldest first, and whether each is
/// still there.
pub(super) fn generations(
    folder: &Path,
    tenant: &Tenant,
    period: &Period,
) -> Result<Vec<(KeyId, bool)>, KeyError> {
    let folder = folder.join(folder_name(tenant));
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(|error| unavailable(&error))?,
    };
    let mut found: HashMap<KeyId, bool> = HashMap::new();
    for entry in entries.take(MAX_FILES) {
        let name = entry.map_err(|error| unavailable(&error))?.file_name();
        let name = name.to_str().unwrap_or_default();
        let there = name.strip_suffix(KEY).map(|name| (name, true));
        let Some((name, there)) =
            there.or_else(|| name.strip_suffix(DESTROYED).map(|name| (name, false)))
        else {
            continue;
        };
        let text = name.split_once('.').filter(|(of, _)| *of == period.as_str());
        let id = text.and_then(|(_, name)| KeyId::parse(&format!("{tenant}/{period}/{name}")));
        if let Some(id) = id {
            let entry = found.entry(id).or_insert(true);
            *entry &= there;
        }
    }
    let mut found: Vec<_> = found.into_iter().collect();
    found.sort_by(|(a, _), (b, _)| {
        (a.generation(), a.fingerprint()).cmp(&(b.generation(), b.fingerprint()))
    });
    Ok(found)
}

/// The key files below a folder of wrapping keys, sorted; none where there is no folder.
pub(super) fn key_files(folder: &Path) -> Result<Vec<PathBuf>, WrappingError> {
    let list = |folder: &Path| -> Result<Vec<PathBuf>, WrappingError> {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            read => read.map_err(WrappingError::file(folder))?,
        };
        entries
            .take(MAX_FILES + 1)
            .map(|entry| entry.map(|entry| entry.path()).map_err(WrappingError::file(folder)))
            .collect()
    };
    let mut found = Vec::new();
    for tenant in list(folder)?.into_iter().filter(|path| path.is_dir()) {
        let is_key = |path: &PathBuf| path.to_str().is_some_and(|path| path.ends_with(KEY));
        found.extend(list(&tenant)?.into_iter().filter(is_key));
        if found.len() > MAX_FILES {
            return Err(WrappingError::TooMany);
        }
    }
    found.sort();
    Ok(found)
}

/// The folder of a tenant: its name where that is harmless as one, else with octets spelt out.
fn folder_name(tenant: &Tenant) -> String {
    let mut name = String::new();
    for octet in tenant.as_str().bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b':' | b'-' | b'_' => {
                name.push(char::from(octet));
            }
            _ => name.push_str(&format!("%{octet:02x}")),
        }
    }
    if name.len() > MAX_NAME {
        let hash = openssl::sha::sha256(tenant.as_str().as_bytes());
        name = hash.iter().map(|octet| format!("{octet:02x}")).collect();
        name.insert(0, '%');
    }
    name
}
