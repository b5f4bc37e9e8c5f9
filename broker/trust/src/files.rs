//! Reading and writing files that may hold secrets.
//!
//! A secret lies in a file that belongs to root or to the user of the process and that nobody else
//! may read, in a folder where nobody else can put another file in its place.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::error::TrustError;

/// Longest file that is read, in bytes.
pub(crate) const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Octets that are overwritten when they are no longer needed. Best effort: the compiler is asked
/// to keep the overwriting, and copies made elsewhere are not reached.
pub(crate) struct Secret(pub(crate) Vec<u8>);

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        std::hint::black_box(&self.0);
    }
}

impl Secret {
    /// The first line without its end, of 1 to `max` octets.
    pub(crate) fn first_line(mut self, max: usize) -> Option<Self> {
        let end = self.0.iter().position(|c| matches!(c, b'\n' | b'\r')).unwrap_or(self.0.len());
        if end == 0 || end > max {
            return None;
        }
        self.0[end..].fill(0);
        self.0.truncate(end);
        Some(self)
    }
}

/// Who may read a file with a secret besides its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Nobody.
    Nobody,
    /// A group. systemd lets the user of a service read a credential through an access control
    /// list, and the mask of such a list stands where the rights of the group stand.
    AccessList,
}

/// Reads a whole file with a secret, of at most [`MAX_FILE_BYTES`].
pub(crate) fn read_secret(path: &Path, readers: Readers) -> Result<Secret, TrustError> {
    let (octets, facts) = open_and_read(path)?;
    let closed = match readers {
        Readers::Nobody => 0o077,
        Readers::AccessList => 0o037,
    };
    if facts.mode() & closed != 0 {
        return Err(TrustError::OpenToOthers.about(path));
    }
    if !is_ours(&facts) {
        return Err(TrustError::ForeignOwner.about(path));
    }
    check_folder(path)?;
    Ok(octets)
}

/// Sees that nobody else can put another file in the place of this one: neither where its name
/// stands, nor where a link leads.
fn check_folder(path: &Path) -> Result<(), TrustError> {
    // Where the sticky bit is set, others cannot rename or remove what is not theirs.
    const STICKY: u32 = 0o1000;
    let real = path.canonicalize().map_err(|error| TrustError::Io(error).about(path))?;
    for file in [path, &real] {
        let folder = match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        check_writers(folder, STICKY)?;
    }
    Ok(())
}

/// Sees that a folder belongs to root or to the user of the process, and that nobody else may write
/// to it unless it has this bit.
pub(crate) fn check_writers(folder: &Path, unless: u32) -> Result<(), TrustError> {
    let facts = std::fs::metadata(folder).map_err(|error| TrustError::Io(error).about(folder))?;
    if !is_ours(&facts) || facts.mode() & 0o022 != 0 && facts.mode() & unless == 0 {
        return Err(TrustError::OpenFolder.about(folder));
    }
    Ok(())
}

/// Whether a file belongs to root or to the user of the process.
fn is_ours(facts: &Metadata) -> bool {
    facts.uid() == 0 || facts.uid() == rustix::process::geteuid().as_raw()
}

/// Reads a whole file of at most [`MAX_FILE_BYTES`].
pub(crate) fn read(path: &Path) -> Result<Secret, TrustError> {
    open_and_read(path).map(|(octets, _)| octets)
}

fn open_and_read(path: &Path) -> Result<(Secret, Metadata), TrustError> {
    let go = || {
        let mut file = File::open(path)?;
        // The rights are those of the open file, not of whatever has its name by now.
        let facts = file.metadata()?;
        if !facts.is_file() {
            return Err(TrustError::Malformed);
        }
        let mut octets = Secret(Vec::new());
        // All room at once, so that no copy stays behind when the vector grows.
        octets.0.reserve_exact(facts.len().min(MAX_FILE_BYTES) as usize + 1);
        (&mut file).take(MAX_FILE_BYTES + 1).read_to_end(&mut octets.0)?;
        if octets.0.len() as u64 > MAX_FILE_BYTES {
            return Err(TrustError::TooLarge);
        }
        Ok((octets, facts))
    };
    go().map_err(|error: TrustError| error.about(path))
}

/// Writes a new file durably; refuses to touch one that exists.
pub(crate) fn create(path: &Path, mode: u32, octets: &[u8]) -> Result<(), TrustError> {
    let go = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        let written = file.write_all(octets).and_then(|()| file.sync_all());
        if let Err(error) = written {
            // A torn key must not be found later; if it cannot be removed, the error stands anyway.
            drop(std::fs::remove_file(path));
            return Err(error);
        }
        match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            Some(folder) => File::open(folder)?.sync_all(),
            None => File::open(".")?.sync_all(),
        }
    };
    go().map_err(|error| {
        let reason = match error.kind() {
            io::ErrorKind::AlreadyExists => TrustError::Exists,
            _ => TrustError::Io(error),
        };
        reason.about(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};
    use std::path::PathBuf;

    struct Place {
        folder: tempfile::TempDir,
        file: PathBuf,
    }

    fn place() -> Place {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("secret");
        create(&file, 0o600, b"geheim\n").expect("written");
        Place { folder, file }
    }

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("set");
    }

    fn reason(path: &Path) -> String {
        match read_secret(path, Readers::Nobody) {
            Ok(_) => "read".to_owned(),
            Err(error) => format!("{:?}", error.reason()),
        }
    }

    #[test]
    fn only_the_owner_may_read() {
        let Place { folder: _folder, file } = place();
        for (mode, nobody, list) in [
            (0o600, true, true),
            (0o400, true, true),
            (0o440, false, true),
            (0o460, false, false),
            (0o620, false, false),
            (0o604, false, false),
            (0o644, false, false),
        ] {
            set(&file, mode);
            for (readers, allowed) in [(Readers::Nobody, nobody), (Readers::AccessList, list)] {
                let read = read_secret(&file, readers);
                assert_eq!(read.is_ok(), allowed, "{mode:o} {readers:?}");
            }
        }
    }

    #[test]
    fn nobody_else_can_put_another_in_its_place() {
        let Place { folder, file } = place();
        let way = folder.path().join("way");
        fs::create_dir(&way).expect("made");
        let link = way.join("link");
        symlink(&file, &link).expect("linked");
        for (mode, result) in [
            (0o700, "read"),
            (0o755, "read"),
            (0o775, "OpenFolder"),
            (0o777, "OpenFolder"),
            (0o1777, "read"),
        ] {
            set(folder.path(), mode);
            set(&way, 0o700);
            assert_eq!(reason(&file), result, "{mode:o}");
            assert_eq!(reason(&link), result, "where the link leads: {mode:o}");
            set(folder.path(), 0o700);
            set(&way, mode);
            assert_eq!(reason(&link), result, "where the link stands: {mode:o}");
        }
    }

    #[test]
    fn a_file_of_another_user_is_refused() {
        let Place { folder, file } = place();
        // Only root can give files away; anybody else has a file of root's to look at, and that
        // one is not refused for its owner.
        const NOBODY: u32 = 65534;
        if rustix::process::geteuid().is_root() {
            chown(&file, Some(NOBODY), None).expect("given away");
            assert_eq!(reason(&file), "ForeignOwner");
            chown(&file, Some(0), None).expect("taken back");
            chown(folder.path(), Some(NOBODY), None).expect("given away");
            assert_eq!(reason(&file), "OpenFolder");
        } else {
            let theirs = fs::metadata("/etc/passwd").expect("there");
            assert!(is_ours(&theirs));
        }
    }

    #[test]
    fn the_first_line_is_bounded() {
        let line = |text: &str| {
            let line = Secret(text.as_bytes().to_vec()).first_line(6);
            line.map(|line| String::from_utf8(line.0.clone()).expect("text"))
        };
        assert_eq!(line("geheim").as_deref(), Some("geheim"));
        assert_eq!(line("a b\r\nc").as_deref(), Some("a b"));
        for bad in ["", "\n", "\ngeheim", "geheim1"] {
            assert_eq!(line(bad), None, "{bad:?}");
        }
    }
}
