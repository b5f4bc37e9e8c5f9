//! What was published, as files in memory: a folder or a zip, within limits, and nothing that
//! leads out of it.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;

use super::fault::ImportError;

/// Most files of a source, those that are not taken included.
pub const MAX_FILES: usize = 20_000;
/// Largest file that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 64 << 20;
/// Most bytes that are read from one source, unpacked.
pub const MAX_SOURCE_BYTES: u64 = 256 << 20;
/// Largest archive, in bytes.
pub const MAX_ARCHIVE_BYTES: u64 = 256 << 20;
/// Longest path inside a source, in bytes.
pub const MAX_PATH_BYTES: usize = 500;
/// Folders inside folders.
pub const MAX_DEPTH: usize = 16;

/// What can be part of a pack.
const TAKEN: &[&str] = &[".xsd", ".xml", ".gc", ".genericode", ".sch"];
/// Archives inside a source are not opened: what is in them would be passed over in silence.
const ARCHIVES: &[&str] =
    &[".zip", ".jar", ".war", ".ear", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst"];

/// One file.
pub(super) struct SourceFile {
    /// From the root of the source, with `/`.
    pub(super) path: String,
    pub(super) octets: Vec<u8>,
}

/// All files of a source, in the order of their paths.
#[derive(Default)]
pub(super) struct Source {
    pub(super) files: Vec<SourceFile>,
    /// Paths of files that no pack holds.
    pub(super) passed_over: Vec<String>,
    names: HashSet<String>,
    bytes: u64,
}

impl Source {
    /// Reads a folder or a zip. Files named in `skip` are as good as not there.
    pub(super) fn read(path: &Path, skip: &[String]) -> Result<Self, ImportError> {
        let known = fs::metadata(path).map_err(|error| ImportError::io(path.display(), &error))?;
        let mut source = Self::default();
        if known.is_dir() {
            source.folder(path, "", 0, skip)?;
        } else {
            source.zip(path, known.len(), skip)?;
        }
        source.files.sort_by(|a, b| a.path.cmp(&b.path));
        source.passed_over.sort();
        Ok(source)
    }

    fn folder(
        &mut self,
        folder: &Path,
        above: &str,
        depth: usize,
        skip: &[String],
    ) -> Result<(), ImportError> {
        if depth > MAX_DEPTH {
            return Err(too_deep(above));
        }
        let fault = |error: &std::io::Error| ImportError::io(folder.display(), error);
        for entry in fs::read_dir(folder).map_err(|error| fault(&error))? {
            let entry = entry.map_err(|error| fault(&error))?;
            let kind = entry.file_type().map_err(|error| fault(&error))?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                let shown = name.to_string_lossy();
                return Err(bad_path(&format!("{above}{shown}")));
            };
            let path = format!("{above}{name}");
            if kind.is_dir() {
                self.folder(&entry.path(), &format!("{path}/"), depth + 1, skip)?;
            } else if !kind.is_file() {
                return Err(link(&path));
            } else if self.wanted(&path, skip)? {
                let file = File::open(entry.path()).map_err(|e| ImportError::io(&path, &e))?;
                self.take(path, file)?;
            }
        }
        Ok(())
    }

    fn zip(&mut self, path: &Path, size: u64, skip: &[String]) -> Result<(), ImportError> {
        let shown = path.display();
        if size > MAX_ARCHIVE_BYTES {
            return Err(ImportError::too_large(
                format!("{shown}: Das Archiv ist größer als 256 MiB."),
                format!("{shown}: the archive is larger than 256 MiB."),
            ));
        }
        let fault = |error: zip::result::ZipError| {
            ImportError::hostile(
                format!("{shown}: kein Ordner und kein lesbares Zip-Archiv ({error})."),
                format!("{shown}: neither a folder nor a zip that can be read ({error})."),
            )
        };
        let file = File::open(path).map_err(|error| ImportError::io(path.display(), &error))?;
        let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(fault)?;
        if archive.has_duplicate_names() {
            return Err(ImportError::hostile(
                format!("{shown}: Im Archiv steht ein Name doppelt."),
                format!("{shown}: a name is in the archive twice."),
            ));
        }
        if archive.len() > MAX_FILES {
            return Err(too_many());
        }
        if archive.has_overlapping_files().map_err(fault)? {
            return Err(ImportError::hostile(
                format!("{shown}: Dateien des Archivs überlappen einander."),
                format!("{shown}: files of the archive overlap."),
            ));
        }
        for index in 0..archive.len() {
            let raw = archive.by_index_raw(index).map_err(fault)?;
            let name = raw.name().map_err(fault)?.into_owned();
            let (folder, encrypted) = (raw.is_dir(), raw.encrypted());
            // A device or a socket is as little a file as a link is.
            let kind = raw.unix_mode().unwrap_or(0) & 0o170_000;
            let plain = folder || matches!(kind, 0 | 0o100_000);
            if raw.is_symlink() || !plain {
                return Err(link(&name));
            }
            drop(raw);
            if folder {
                inside(name.trim_end_matches('/'))?;
                continue;
            }
            if encrypted {
                return Err(ImportError::hostile(
                    format!("{name}: Die Datei im Archiv ist verschlüsselt."),
                    format!("{name}: the file in the archive is encrypted."),
                ));
            }
            if self.wanted(&name, skip)? {
                let entry = archive.by_index(index).map_err(fault)?;
                self.take(name, entry)?;
            }
        }
        Ok(())
    }

    /// Whether a file is to be read; a path that must not be is refused, wanted or not.
    fn wanted(&mut self, path: &str, skip: &[String]) -> Result<bool, ImportError> {
        inside(path)?;
        if self.names.len() >= MAX_FILES {
            return Err(too_many());
        }
        // Names that differ in case alone would be one file on other systems.
        if !self.names.insert(path.to_lowercase()) {
            return Err(ImportError::hostile(
                format!("{path}: Der Name steht doppelt."),
                format!("{path}: the name is there twice."),
            ));
        }
        if skip.iter().any(|name| name == path) {
            self.passed_over.push(path.to_owned());
            return Ok(false);
        }
        let lower = path.to_lowercase();
        if ARCHIVES.iter().any(|end| lower.ends_with(end)) {
            return Err(nested(path));
        }
        let taken = TAKEN.iter().any(|end| lower.ends_with(end));
        if !taken {
            self.passed_over.push(path.to_owned());
        }
        Ok(taken)
    }

    fn take(&mut self, path: String, input: impl Read) -> Result<(), ImportError> {
        let mut octets = Vec::new();
        let left = MAX_SOURCE_BYTES - self.bytes;
        // Sizes that an archive claims are not believed.
        let read = input.take(MAX_FILE_BYTES.min(left) + 1).read_to_end(&mut octets);
        let read = read.map_err(|error| ImportError::io(&path, &error))? as u64;
        if read > left {
            return Err(ImportError::too_large(
                format!("{path}: Die Quelle enthält entpackt mehr als 256 MiB."),
                format!("{path}: the source holds more than 256 MiB when unpacked."),
            ));
        }
        if read > MAX_FILE_BYTES {
            return Err(ImportError::too_large(
                format!("{path}: Die Datei ist größer als 64 MiB."),
                format!("{path}: the file is larger than 64 MiB."),
            ));
        }
        if octets.starts_with(b"PK\x03\x04") {
            return Err(nested(&path));
        }
        self.bytes += read;
        self.files.push(SourceFile { path, octets });
        Ok(())
    }
}

/// A path that stays inside, on every system.
fn inside(path: &str) -> Result<(), ImportError> {
    let parts = path.split('/');
    let depth = parts.clone().count();
    let normal = parts.clone().all(|part| !part.is_empty() && part != "." && part != "..");
    if !normal || path.contains(['\\', ':']) || path.chars().any(char::is_control) {
        return Err(bad_path(path));
    }
    if path.len() > MAX_PATH_BYTES || depth > MAX_DEPTH + 1 {
        return Err(too_deep(path));
    }
    Ok(())
}

fn bad_path(path: &str) -> ImportError {
    let shown = path.escape_debug();
    ImportError::hostile(
        format!("{shown}: Der Pfad führt aus der Quelle hinaus oder ist keiner."),
        format!("{shown}: the path leads out of the source or is none."),
    )
}

fn too_deep(path: &str) -> ImportError {
    ImportError::too_large(
        format!("{path}: mehr als {MAX_DEPTH} Ordner tief oder länger als {MAX_PATH_BYTES} Byte."),
        format!(
            "{path}: more than {MAX_DEPTH} folders deep or longer than {MAX_PATH_BYTES} bytes."
        ),
    )
}

fn too_many() -> ImportError {
    ImportError::too_large(
        format!("Die Quelle hat mehr als {MAX_FILES} Dateien."),
        format!("The source has more than {MAX_FILES} files."),
    )
}

fn link(path: &str) -> ImportError {
    let shown = path.escape_debug();
    ImportError::hostile(
        format!("{shown}: ein Verweis oder Gerät, keine Datei."),
        format!("{shown}: a link or device, not a file."),
    )
}

fn nested(path: &str) -> ImportError {
    ImportError::hostile(
        format!(
            "{path}: ein Archiv in der Quelle. Bitte erst entpacken, oder mit --skip übergehen."
        ),
        format!(
            "{path}: an archive inside the source. Unpack it first, or pass it over by --skip."
        ),
    )
}
