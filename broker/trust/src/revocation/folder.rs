//! What is known about revocation, kept in a folder, so that a restart does not begin blind.
//!
//! Lists and answers are kept as they came and verified again when they are loaded: whoever may
//! write there can remove knowledge, but not make up any. Remembered revocations are the hub's own
//! words; forged ones could only refuse, never admit.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
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

/// A folder that one node writes.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

/// Longest file of remembered revocations, in bytes.
const MAX_REVOKED_BYTES: usize = MAX_REVOKED * 512;
const REVOKED: &str = "revoked.txt";
const LIST: &str = "crl-";
const ANSWER: &str = "ocsp-";

impl Folder {
    /// Opens a folder; makes it if there is none.
    pub fn open(path: &Path) -> Result<Self, TrustError> {
        fs::create_dir_all(path).map_err(|error| TrustError::Io(error).about(path))?;
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
            let mut options = OpenOptions::new();
            let mut file =
                options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            file.write_all(octets)?;
            file.sync_all()?;
            fs::rename(&new, self.0.join(name))?;
            File::open(&self.0)?.sync_all()
        };
        go().map_err(|_: io::Error| Refused::File)
    }
}

/// Reads a file; nothing if it is longer than `limit` bytes.
pub(crate) fn read_file(path: &Path, limit: usize) -> io::Result<Option<Vec<u8>>> {
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
    let issuer: String = issuer.chars().filter(|c| !c.is_control()).collect();
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
