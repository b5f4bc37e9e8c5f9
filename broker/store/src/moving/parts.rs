//! Large parts, copied as they are: sealed, from whatever place into the one of the new store.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use openssl::sha::Sha256;

use super::{MoveError, Side};
use crate::error::file_error;
use crate::parts::folder::path_in;
use crate::parts::{Left, OBJECT, is_name, name_in};
use crate::sql::{WALK, params};

/// Octets copied at once.
const STEP: usize = 1 << 20;
/// In the folder of the new store: the upload that is under way.
const UPLOAD: &str = "moving-upload";

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

/// Copies every part that a message refers to, durably; says how many. One that is there already is
/// written again: it may be torn. What lies in a bucket that both share stays there.
pub(super) fn copy(from: &Side, to: &Side) -> Result<u64, MoveError> {
    let uploads = Uploads(to.dir.join(UPLOAD));
    uploads.break_off(to)?;
    let (mut count, mut after) = (0, String::new());
    loop {
        let page: Vec<String> = from.db.query_all(
            "SELECT DISTINCT file FROM payload WHERE file IS NOT NULL AND file > ?1
             ORDER BY file LIMIT ?2",
            params![after, WALK],
            |row| row.get(0),
        )?;
        let Some(last) = page.last() else { break };
        after.clone_from(last);
        for name in &page {
            if !is_name(name) {
                return Err(MoveError::Differs("the name of a part".to_owned()));
            }
            if to.shares_bucket && name.starts_with(OBJECT) {
                continue;
            }
            copy_one(from, to, name, &uploads)?;
            count += 1;
        }
    }
    uploads.end()?;
    Ok(count)
}

fn copy_one(from: &Side, to: &Side, name: &str, uploads: &Uploads) -> Result<(), MoveError> {
    let there = name_in(to.objects, name);
    if let (Some(from), Some(to), false, false) =
        (&from.folder, &to.folder, name.starts_with(OBJECT), to.objects)
    {
        other_file(&path_in(from, name), &path_in(to, &there))?;
    }
    let mut source = from.places.open(name)?;
    let mut draft = to.places.of(&there)?.begin(&there, uploads.begun(&there))?;
    let (mut sealed, mut hash, mut size) = (Vec::with_capacity(STEP), Sha256::new(), 0);
    while source.by_ref().take(STEP as u64).read_to_end(&mut sealed)? > 0 {
        hash.update(&sealed);
        size += sealed.len() as u64;
        draft.write(&mut sealed)?;
    }
    // In a bucket this looks at size and SHA-256 of what is there.
    draft.finish()?;
    if !to.objects && digest(&mut *to.places.open(&there)?)? != (size, hash.finish()) {
        return Err(MoveError::Differs("a part".to_owned()));
    }
    Ok(())
}

/// A mount may show one folder under two paths: the file itself says so.
fn other_file(from: &Path, to: &Path) -> Result<(), MoveError> {
    let own = fs::metadata(from)?;
    match fs::metadata(to) {
        Ok(there) if (there.dev(), there.ino()) == (own.dev(), own.ino()) => {
            Err(MoveError::SameFolder)
        }
        _ => Ok(()),
    }
}

fn digest(source: &mut dyn Read) -> io::Result<(u64, [u8; 32])> {
    let (mut hash, mut size, mut buffer) = (Sha256::new(), 0, vec![0; STEP]);
    loop {
        match source.read(&mut buffer)? {
            0 => return Ok((size, hash.finish())),
            read => {
                hash.update(&buffer[..read]);
                size += read as u64;
            }
        }
    }
}

/// The upload that is under way, known durably before anything is sent to it: wherever the move breaks
/// off, none is left that nobody knows of.
struct Uploads(PathBuf);

impl Uploads {
    fn begun(&self, name: &str) -> crate::parts::Begun {
        let (path, name) = (self.0.clone(), name.to_owned());
        Box::new(move |upload: &str| {
            let left = Left { name: name.clone(), upload: Some(upload.to_owned()) };
            note(&path, &left.row()).map_err(file_error)
        })
    }

    /// Ends what was under way when the move broke off.
    fn break_off(&self, to: &Side) -> Result<(), MoveError> {
        let row = match fs::read_to_string(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            read => read?,
        };
        // One that was being noted was not sent to.
        if let Some(row) = row.strip_suffix('\n') {
            let left = Left::parse(row)?;
            to.places.remove(&[left]).into_iter().collect::<io::Result<()>>()?;
        }
        self.end()
    }

    fn end(&self) -> Result<(), MoveError> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

fn note(path: &Path, row: &str) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(format!("{row}\n").as_bytes())?;
    file.sync_all()?;
    path.parent().map_or(Ok(()), crate::parts::folder::sync_folder)
}
