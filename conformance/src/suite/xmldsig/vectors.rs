//! The vectors of the xmlsec project.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use amtsbote_domain::Timestamp;
use amtsbote_domain::fault::Code;
use amtsbote_schemas::xml::Limits;
use amtsbote_trust::path::Floors;
use amtsbote_wire::signature::{Allowed, GeneralPolicy, Parts, SignatureFault, verify_document};
use anyhow::{Context, Result, anyhow};
use openssl::asn1::Asn1Time;
use openssl::pkey::PKey;
use openssl::x509::X509;

use super::keys;
use super::mime::find;
use super::resigned::resigned;
use super::row::Row;
use super::trusted::{How, Trusted};
use crate::report::Report;
use crate::suite::given;

/// The table beside the archive.
const TABLE: &str = "xmlsec-dsig-cases.tsv";
/// Lines of the table.
const ROWS: usize = 251;
/// When the vectors are judged, unless they say otherwise: their certificates are from March 2026.
const NOW: &str = "2026-11-01T00:00:00Z";
/// A time at which the certificates hold whose validity does not count.
const THEN: &str = "2026-03-15T00:00:00Z";

/// What the vectors refer to on the network, and the copy of it that lies with them.
const MAPPED: [(&str, &str); 3] = [
    ("http://www.w3.org/TR/xml-stylesheet", "external-data/xml-stylesheet-2005"),
    (
        "http://www.w3.org/Signature/2002/04/xml-stylesheet.b64",
        "external-data/xml-stylesheet-2005.b64",
    ),
    ("http://www.ietf.org/rfc/rfc3161.txt", "external-data/rfc3161.txt"),
];

pub(super) fn run(suites: &Path, report: &mut Report) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    given::unpack(&suites.join(given::VECTORS), scratch.path())?;
    let tests = scratch.path().join("xmlsec/tests");
    let rows = Row::read_all(&suites.join(TABLE))?;
    let whole = if rows.len() == ROWS {
        Ok(format!("{ROWS} vectors"))
    } else {
        Err(anyhow!("{} vectors instead of {ROWS}", rows.len()))
    };
    report.add("xmlsec/the-table-is-whole", whole);
    for row in &rows {
        let Ok(document) = fs::read(tests.join(format!("{}.xml", row.file))) else {
            report.skip(row.name(), "the file is not in the set");
            continue;
        };
        let judged = judge(row, &tests, &document);
        let why = reason(row, &document);
        match (row.holds, judged, why) {
            // The reason may lie in what is not looked at: a manifest, for example.
            (true, Ok(note), None | Some((_, Code::AlgorithmNotAllowed))) if may_hold(row) => {
                report.add(row.name(), Ok(note));
            }
            (true, Ok(_), _) => report.add(row.name(), Err(anyhow!("it holds, but must not"))),
            (_, Err(error), Some((why, code))) if code_of(&error) == Some(code) => {
                report.skip(row.name(), why);
                if row.holds && !may_hold(row) && find(&document, b"<!DOCTYPE").is_none() {
                    let digests = digests(row, &tests, &document);
                    let name = format!("{}/digests", row.name());
                    match digests {
                        // A transform, a digest or a canonicalization is refused as well.
                        Err(error) if code_of(&error) == Some(Code::AlgorithmNotAllowed) => {}
                        digests => report.add(name, digests),
                    }
                }
            }
            (true, Err(error), _) => report.add(row.name(), Err(error)),
            (false, Err(error), _) => report.add(row.name(), Ok(format!("refused: {error:#}"))),
            (false, Ok(_), Some((why, _))) if row.told.revocation => report.skip(row.name(), why),
            (false, Ok(_), _) => report.add(row.name(), Err(anyhow!("it holds, but must not"))),
        }
    }
    Ok(())
}

fn code_of(error: &anyhow::Error) -> Option<Code> {
    error.downcast_ref::<SignatureFault>().map(SignatureFault::code)
}

/// Whether nothing is at work in the signature itself that must not count here.
fn may_hold(row: &Row) -> bool {
    !["hmac", "dsa-", "ml-dsa", "slh-dsa", "gost", "md5", "ripemd"].iter().any(|w| row.uses_any(w))
}

/// Why a vector is not one for this library, and how that is refused.
fn reason(row: &Row, document: &[u8]) -> Option<(&'static str, Code)> {
    let mut code = Code::AlgorithmNotAllowed;
    let why = if find(document, b"<!DOCTYPE").is_some() {
        code = Code::XmlLimit;
        "a document type declaration: refused by design"
    } else if row.uses_any("hmac") {
        "HMAC: not built by design; a shared secret proves nothing to others"
    } else if row.uses_any("dsa-") {
        "DSA: not built by design"
    } else if row.uses_any("ml-dsa") || row.uses_any("slh-dsa") {
        "post-quantum signatures: not asked for, and OpenSSL 3.0 has none"
    } else if row.uses_any("eddsa-ed448")
        || row.uses_any("eddsa-ed25519p")
        || row.uses_any("eddsa-ed25519c")
    {
        "Ed448, and Ed25519 with context or prehash: not asked for"
    } else if row.uses_any("gost") {
        "GOST: not built"
    } else if row.uses_any("md5")
        || row.uses_any("ripemd")
        || row.uses("rsa-md5")
        || row.uses("rsa-ripemd160")
    {
        "MD5 and RIPEMD-160: not built by design"
    } else if row.uses_any("rsa-pss-sha3-224") || row.uses_any("ecdsa-sha3-224") {
        "SHA3-224: not asked for"
    } else if row.uses("relationship") {
        "the transform of Open Packaging Conventions: refused like every other not listed"
    } else if row.uses("xslt") {
        "XSLT: refused by design"
    } else if row.uses("xpath2") && find(document, b"intersect").is_some() {
        "XPath Filter 2 that is not on the list: refused by design"
    } else if row.uses("xpath") && find(document, b"@*").is_some() {
        "XPath that is not on the list: refused by design"
    } else if row.told.der_values {
        code = Code::SignatureInvalid;
        "ECDSA values in DER: no XML signature; refused by design"
    } else if row.told.revocation && !row.holds {
        "revocation lists: the business of the package trust"
    } else {
        return None;
    };
    Some((why, code))
}

/// Holds if what the vector refers to does, whatever its value is worth.
fn digests(row: &Row, tests: &Path, document: &[u8]) -> Result<String> {
    let (signed, certificate) = resigned(document)?;
    let policy = GeneralPolicy {
        candidates: vec![certificate],
        allowed: Allowed::legacy(),
        limits: Limits::default(),
    };
    let parts = Folder::of(row, tests);
    let mut report = verify_document(&|| Ok(signed.as_slice()), &parts, &policy)?;
    let content = report.signatures.swap_remove(0).outcome?;
    let verification = content.verification;
    Ok(format!("{} nodes, {} parts", verification.nodes().len(), verification.parts().len()))
}

/// Holds if every signature does, by someone who is trusted.
fn judge(row: &Row, tests: &Path, document: &[u8]) -> Result<String> {
    let told = &row.told;
    let read = |files: &[PathBuf]| {
        let read = files.iter().filter_map(|file| certificate(tests, file).transpose());
        read.collect::<Result<Vec<_>>>()
    };
    let (mut trust, mut known) = (read(&told.trusted)?, read(&told.untrusted)?);
    let pinned = read(&told.pinned)?;
    if told.verify_pinned { &mut known } else { &mut trust }.extend(pinned.iter().cloned());
    if told.takes_key_values()
        && let Ok(key) = keys::in_document(document)
    {
        trust.push(keys::certificate(&key)?.to_der()?);
    }
    let at = match (&told.at, &pinned[..]) {
        (Some(at), _) => at.parse()?,
        // Whoever pins a key does not ask how old its certificate is.
        (None, [first, ..]) if !told.verify_pinned => soon_after_issue(first)?,
        _ if told.timeless => THEN.parse()?,
        _ => NOW.parse()?,
    };
    let allowed = Allowed::legacy();
    let floors = Floors {
        min_rsa_bits: allowed.min_rsa_bits,
        min_ec_bits: allowed.min_ec_bits,
        allow_sha1: true,
    };
    let candidates = [&trust[..], &known[..]].concat();
    let trusted = Trusted::new(trust, known, floors)?;
    let policy = GeneralPolicy { candidates, allowed, limits: Limits::default() };
    let parts = Folder::of(row, tests);
    let report = verify_document(&|| Ok(document), &parts, &policy)?;
    let mut notes = Vec::new();
    for signature in report.signatures {
        let content = signature.outcome?;
        let facts = content.verification.facts();
        notes.push(facts.algorithm.rsplit(['#', '/']).next().unwrap_or_default().to_owned());
        if !told.insecure
            && let How::OldPath(rule) = trusted.judge(&content, at)?
        {
            notes.push(format!("(no path for the hub: {rule})"));
        }
    }
    Ok(notes.join(" "))
}

fn soon_after_issue(der: &[u8]) -> Result<Timestamp> {
    let certificate = X509::from_der(der)?;
    let after = Asn1Time::from_unix(0)?.diff(certificate.not_before())?;
    Ok(Timestamp::from_second(i64::from(after.days) * 86_400 + i64::from(after.secs) + 60)?)
}

/// The certificate in a file, or one for the key in it; none where OpenSSL knows no such key.
fn certificate(tests: &Path, file: &Path) -> Result<Option<Vec<u8>>> {
    // Relative to the vector's folder, or to that of all vectors.
    let octets = fs::read(tests.join(file)).or_else(|_| {
        let below: PathBuf = file.components().skip(1).collect();
        fs::read(tests.join(below))
    });
    let octets = octets.with_context(|| format!("{}", file.display()))?;
    if let Ok(certificate) = X509::from_der(&octets).or_else(|_| X509::from_pem(&octets)) {
        return Ok(Some(certificate.to_der()?));
    }
    let key = PKey::public_key_from_pem(&octets).or_else(|_| PKey::public_key_from_der(&octets));
    Ok(match key {
        Ok(key) => Some(keys::certificate(&key)?.to_der()?),
        Err(_) => None,
    })
}

/// Files beside a vector, and the copies of what it refers to on the network.
struct Folder<'a> {
    tests: &'a Path,
    newer: bool,
    folder: PathBuf,
}

impl<'a> Folder<'a> {
    fn of(row: &Row, tests: &'a Path) -> Self {
        let file = tests.join(&row.file);
        let folder = file.parent().unwrap_or(tests).to_owned();
        Self { tests, folder, newer: row.told.newer }
    }
}

impl Parts for Folder<'_> {
    fn open(&self, uri: &str) -> io::Result<Option<Box<dyn BufRead + '_>>> {
        let mapped = MAPPED.iter().find(|(from, _)| *from == uri);
        let path = match mapped {
            Some((_, file)) if self.newer => self.tests.join(file.replace("2005", "2018")),
            Some((_, file)) => self.tests.join(file),
            None if uri.contains(':') || uri.contains("..") => return Ok(None),
            None => self.folder.join(uri),
        };
        match File::open(path) {
            Ok(file) => Ok(Some(Box::new(BufReader::new(file)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
