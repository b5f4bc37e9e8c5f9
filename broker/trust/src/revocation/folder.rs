//! What is known about revocation, kept in a folder, so that a restart does not begin blind.
//!
//! Lists and answers are kept as they came and verified again when they are loaded: whoever may
//! write there can remove knowledge, but not make up any. Remembered revocations are the hub's own
//! words; forged ones could only refuse, never admit.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;

use super::Reason;
use super::book::{Book, MAX_REVOKED, RevokedCertificate};
use super::certificate::{CertificateId, IssuerId, Serial};
use super::crl::MAX_CRL_BYTES;
use super::error::Refused;
use super::ocsp::{MAX_ANSWER_BYTES, Question};
use super::sources::{Place, Watched};
use crate::error::TrustError;
use crate::files;

/// A folder that one node writes.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

/// Longest line about a remembered revocation, in bytes.
const MAX_LINE_BYTES: usize = 512;
/// As much of an issuer's name stands in it, in bytes.
const MAX_ISSUER_BYTES: usize = 200;
/// Longest file of remembered revocations, in bytes.
const MAX_REVOKED_BYTES: usize = MAX_REVOKED * MAX_LINE_BYTES;
const REVOKED: &str = "revoked.txt";
const LIST: &str = "crl-";
const ANSWER: &str = "ocsp-";

impl Folder {
    /// Opens a folder; makes it if there is none. Refused where others may write to it: they could
    /// lead the hub to files of theirs.
    pub fn open(path: &Path) -> Result<Self, TrustError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| TrustError::Io(error).about(path))?;
        files::check_writers(path, 0)?;
        Ok(Self(path.to_owned()))
    }

    /// Keeps a list that was fetched from these places.
    pub(crate) fn keep_list(
        &self,
        issuer: &IssuerId,
        places: &[Place],
        octets: &[u8],
    ) -> Result<(), Refused> {
        self.write(&list_name(issuer, places), octets)
    }

    /// Keeps an answer.
    pub(crate) fn keep_answer(&self, id: &CertificateId, octets: &[u8]) -> Result<(), Refused> {
        self.write(&answer_name(id), octets)
    }

    /// Keeps all remembered revocations.
    pub(crate) fn keep_revoked(&self, revoked: &[RevokedCertificate]) -> Result<(), Refused> {
        let lines: String = revoked.iter().map(line).collect();
        self.write(REVOKED, lines.as_bytes())
    }

    /// Puts remembered revocations into the book.
    pub(crate) fn restore_revoked(&self, book: &Book) -> Result<(), Refused> {
        let Some(octets) = self.read(REVOKED, MAX_REVOKED_BYTES)? else { return Ok(()) };
        let text = String::from_utf8(octets).map_err(|_| Refused::File)?;
        // A line that cannot be read must not hide the others.
        book.restore(text.lines().filter_map(read_line).collect());
        Ok(())
    }

    /// Puts what is kept about watched certificates into the book, verified anew. What does not
    /// verify (any more) is passed over: it will be fetched.
    pub(crate) fn restore(&self, book: &Book, watched: &[Watched], now: Timestamp) {
        let mut issuers = BTreeSet::new();
        for Watched { certificate, issuer, .. } in watched {
            let Ok(id) = CertificateId::of(certificate, issuer) else { continue };
            if issuers.insert(id.issuer) {
                for name in self.names(&format!("{LIST}{}-", id.issuer)) {
                    if let Ok(Some(octets)) = self.read(&name, MAX_CRL_BYTES) {
                        let _passed_over = book.restore_list(&octets, issuer, now);
                    }
                }
            }
            if let Ok(Some(octets)) = self.read(&answer_name(&id), MAX_ANSWER_BYTES) {
                let question = Question::about(certificate, issuer);
                let _passed_over = book.restore_answer(&octets, &question, now);
            }
        }
    }

    /// Removes lists and answers that belong to no watched certificate.
    pub(crate) fn tidy(&self, watched: &[Watched]) {
        let mut keep = BTreeSet::new();
        for Watched { certificate, issuer, .. } in watched {
            let Ok(id) = CertificateId::of(certificate, issuer) else { continue };
            keep.insert(answer_name(&id));
            keep.insert(format!("{LIST}{}", id.issuer));
        }
        for name in self.names(ANSWER).into_iter().chain(self.names(LIST)) {
            let issuer = name.rsplit_once('-').map(|(issuer, _)| issuer);
            if !keep.contains(&name) && !issuer.is_some_and(|issuer| keep.contains(issuer)) {
                // It is only a copy; if it cannot be removed, nothing is lost.
                drop(fs::remove_file(self.0.join(&name)));
            }
        }
    }

    fn names(&self, beginning: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.0) else { return Vec::new() };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter(|name| name.starts_with(beginning) && name.ends_with(".der")).collect()
    }

    fn read(&self, name: &str, limit: usize) -> Result<Option<Vec<u8>>, Refused> {
        match read_file(&self.0.join(name), limit) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(_) => Err(Refused::File),
            Ok(octets) => octets.map(Some).ok_or(Refused::TooLarge),
        }
    }

    /// Atomically: whoever reads finds the old octets or the new ones.
    fn write(&self, name: &str, octets: &[u8]) -> Result<(), Refused> {
        let new = self.0.join(format!("{name}.new"));
        let go = || {
            // Left behind by a crash, or a link: what it leads to is not ours.
            match fs::remove_file(&new) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut options = OpenOptions::new();
            let mut file = options.write(true).create_new(true).mode(0o600).open(&new)?;
            file.write_all(octets)?;
            file.sync_all()?;
            fs::rename(&new, self.0.join(name))?;
            File::open(&self.0)?.sync_all()
        };
        go().map_err(|_: io::Error| Refused::File)
    }
}

/// Reads a file; nothing if it is longer than `limit` bytes. Pipes and devices are none: to open one
/// may take for ever.
pub(crate) fn read_file(path: &Path, limit: usize) -> io::Result<Option<Vec<u8>>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut octets = Vec::new();
    File::open(path)?.take(limit as u64 + 1).read_to_end(&mut octets)?;
    Ok((octets.len() <= limit).then_some(octets))
}

fn list_name(issuer: &IssuerId, places: &[Place]) -> String {
    let places: Vec<String> = places.iter().map(Place::text).collect();
    let places = Digest(openssl::sha::sha256(places.join("\n").as_bytes())).to_string();
    format!("{LIST}{issuer}-{}.der", &places[..16])
}

fn answer_name(id: &CertificateId) -> String {
    format!("{ANSWER}{}.der", id.digest())
}

fn line(revoked: &RevokedCertificate) -> String {
    let RevokedCertificate { id, fingerprint, issuer, at, reason, seen, as_of } = revoked;
    let mut room = MAX_ISSUER_BYTES;
    let fits = |c: &char| {
        let left = room.checked_sub(c.len_utf8());
        room = left.unwrap_or_default();
        left.is_some()
    };
    let issuer: String = issuer.chars().filter(|c| !c.is_control()).take_while(fits).collect();
    let reason = reason.number();
    format!("{} {} {fingerprint} {at} {reason} {seen} {as_of} {issuer}\n", id.issuer, id.serial)
}

fn read_line(line: &str) -> Option<RevokedCertificate> {
    let mut fields = line.splitn(8, ' ');
    let mut next = || fields.next();
    Some(RevokedCertificate {
        id: CertificateId {
            issuer: IssuerId(Digest::parse(next()?).ok()?),
            serial: Serial::parse(next()?)?,
        },
        fingerprint: Digest::parse(next()?).ok()?,
        at: next()?.parse().ok()?,
        reason: Reason::from_number(next()?.parse().ok()?),
        seen: next()?.parse().ok()?,
        as_of: next()?.parse().ok()?,
        issuer: next()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::revocation::certificate::MAX_SERIAL_BYTES;

    #[test]
    fn a_folder_that_others_write_is_not_used() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("a/revocation");
        let mode = || fs::metadata(&path).expect("there").permissions().mode() & 0o777;
        assert!(Folder::open(&path).is_ok());
        assert_eq!(mode(), 0o700);
        for (mode, used) in [(0o755, true), (0o775, false), (0o1777, false), (0o702, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
            assert_eq!(Folder::open(&path).is_ok(), used, "{mode:o}");
        }
    }

    #[test]
    fn what_is_written_goes_where_it_belongs() {
        let home = tempfile::tempdir().expect("a folder");
        let other = home.path().join("other");
        fs::write(&other, b"of somebody else").expect("written");
        let folder = Folder::open(&home.path().join("revocation")).expect("a folder");
        for name in [REVOKED.to_owned(), format!("{REVOKED}.new")] {
            symlink(&other, folder.0.join(name)).expect("linked");
        }
        assert_eq!(folder.keep_revoked(&[]), Ok(()));
        assert_eq!(fs::read(&other).expect("octets"), b"of somebody else");
        assert_eq!(folder.read(REVOKED, 10), Ok(Some(Vec::new())));
        assert!(folder.0.join(REVOKED).symlink_metadata().expect("there").is_file());
    }

    #[test]
    fn only_files_are_read() {
        let home = tempfile::tempdir().expect("a folder");
        let file = home.path().join("file");
        fs::write(&file, b"12345").expect("written");
        assert_eq!(read_file(&file, 5).expect("read"), Some(b"12345".to_vec()));
        assert_eq!(read_file(&file, 4).expect("read"), None);
        // A pipe would be worse: whoever opens it waits until somebody writes.
        assert!(read_file(Path::new("/dev/null"), 5).is_err());
        assert!(read_file(home.path(), 5).is_err());
    }

    /// Else the file could grow beyond what is read at the next start.
    #[test]
    fn lines_are_no_longer_than_there_is_room_for() {
        let at: Timestamp = "2026-11-23T12:00:00.123456789Z".parse().expect("an instant");
        let digest = Digest([7; 32]);
        let serial = Serial::new(&[0xff; MAX_SERIAL_BYTES]).expect("a serial number");
        let revoked = RevokedCertificate {
            id: CertificateId { issuer: IssuerId(digest), serial },
            fingerprint: digest,
            issuer: "\nCN=TEST Gr\u{fc}n ".repeat(1000),
            at,
            reason: Reason::AaCompromise,
            seen: at,
            as_of: at,
        };
        let line = line(&revoked);
        assert!(line.len() <= MAX_LINE_BYTES, "{}", line.len());
        let read = read_line(line.trim_end_matches('\n')).expect("a line");
        assert!(revoked.issuer.replace('\n', "").starts_with(&read.issuer));
        assert_eq!(RevokedCertificate { issuer: revoked.issuer.clone(), ..read }, revoked);
    }
}
