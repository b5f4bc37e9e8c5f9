//! The files of parts, copied as they are: sealed.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use openssl::sha::Sha256;

use super::MoveError;
use crate::parts::folder::{path_in, sync_folder};
use crate::parts::{OBJECT, is_name};
use crate::sql::{Db, WALK, params};

/// Octets copied at once.
const STEP: usize = 1 << 20;

/// Refuses folders that are one, or one within the other, by whatever path they are named.
pub(super) fn apart(from: &Path, to: &Path) -> Result<(), MoveError> {
    let real = |path: &Path| match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    };
    match (real(from)?, real(to)?) {
        (Some(one), Some(other)) if one.starts_with(&other) || other.starts_with(&one) => {
            Err(MoveError::SameFolder)
        }
        _ => Ok(()),
    }
}

/// Copies every file that a message refers to, durably; says how many. One that is there already is
/// written again: it may be torn.
pub(super) fn copy(db: &Db, from: &Path, to: &Path) -> Result<u64, MoveError> {
    let mut count = 0;
    let mut folders = BTreeSet::new();
    let mut after = String::new();
    loop {
        let page: Vec<String> = db.query_all(
            "SELECT file FROM payload WHERE file IS NOT NULL AND file > ?1 ORDER BY file LIMIT ?2",
            params![after, WALK],
            |row| row.get(0),
        )?;
        let Some(last) = page.last() else { break };
        after.clone_from(last);
        for name in &page {
            if name.starts_with(OBJECT) {
                return Err(MoveError::Objects);
            }
            if !is_name(name) {
                return Err(MoveError::Differs("the name of a file".to_owned()));
            }
            let place = path_in(to, name);
            if let Some(folder) = place.parent().map(Path::to_owned)
                && folders.insert(folder.clone())
            {
                fs::create_dir_all(&folder)?;
            }
            let sent = copy_one(&path_in(from, name), &place)?;
            if digest(&place)? != sent {
                return Err(MoveError::Differs("the file of a part".to_owned()));
            }
            count += 1;
        }
    }
    let folders: Vec<PathBuf> = folders.into_iter().chain([to.to_owned()]).collect();
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        sync_folder(folder)?;
    }
    Ok(count)
}

fn copy_one(from: &Path, to: &Path) -> Result<[u8; 32], MoveError> {
    let mut input = File::open(from)?;
    let own = input.metadata()?;
    // A mount may show one folder under two paths: the file itself says so.
    if fs::metadata(to).is_ok_and(|there| (there.dev(), there.ino()) == (own.dev(), own.ino())) {
        return Err(MoveError::SameFolder);
    }
    let mut output = File::create(to)?;
    let sent = each_step(&mut input, |octets| output.write_all(octets))?;
    output.sync_all()?;
    if output.metadata()?.len() != own.len() {
        return Err(MoveError::Differs("the length of a file".to_owned()));
    }
    Ok(sent)
}

fn digest(path: &Path) -> io::Result<[u8; 32]> {
    each_step(&mut File::open(path)?, |_| Ok(()))
}

fn each_step(
    input: &mut File,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<[u8; 32]> {
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; STEP]);
    loop {
        match input.read(&mut buffer)? {
            0 => return Ok(hash.finish()),
            read => {
                hash.update(&buffer[..read]);
                each(&buffer[..read])?;
            }
        }
    }
}
