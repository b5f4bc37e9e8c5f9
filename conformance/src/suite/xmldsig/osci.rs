//! Recorded messages of OSCI-Transport 1.2: several references, RetrievalMethod, inclusive
//! canonicalization, attachments; and the same messages with one octet more in what is signed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::TrustedCertificate;
use amtsbote_domain::validity::Validity;
use amtsbote_schemas::xml::Limits;
use amtsbote_trust::path::Floors;
use amtsbote_wire::c14n::Mode;
use amtsbote_wire::signature::{
    Against, Allowed, DigestAlgorithm, Fixed, GeneralPolicy, Name, Over, Parts, Profile,
    Verification, verify_document, verify_stream,
};
use anyhow::{Context, Result, bail, ensure};
use openssl::sha::sha256;
use openssl::x509::X509;

use super::mime::{Message, find};
use super::trusted::{How, Trusted};
use crate::report::Report;

/// The folder inside the corpus.
pub(super) const FOLDER: &str = "osci-transport";
/// The folders with messages, and with the certificates that belong to them.
const FOLDERS: [(&str, &str); 3] =
    [("golden/sig", "golden/certs"), ("golden/opened", "golden/certs"), ("wire", "demo-pki")];

const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const OSCI: &str = "http://www.osci.de/2002/04/osci";
const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
const ENVELOPE: Name = Name::new(SOAP, "Envelope");
const HEADER: Name = Name::new(SOAP, "Header");
const SIGNATURE: Name = Name::new(DSIG, "Signature");
/// Where the signature of the sender of a request, or of an answer, stands.
const PLACES: [&[Name]; 2] = [
    &[ENVELOPE, HEADER, Name::new(OSCI, "ClientSignature"), SIGNATURE],
    &[ENVELOPE, HEADER, Name::new(OSCI, "SupplierSignature"), SIGNATURE],
];
const BODY: &[&[Name]] = &[&[ENVELOPE, Name::new(SOAP, "Body")]];
const BLOCKS: &[&[Name]] = &[&[ENVELOPE, HEADER]];

/// When the messages are judged: the certificates are those of test authorities.
const AT: &str = "2026-11-24T00:00:00Z";

pub(super) fn run(folder: &Path, report: &mut Report) -> Result<()> {
    for (messages, certificates) in FOLDERS {
        let certificates = Certificates::read(&folder.join(certificates))?;
        for file in files(&folder.join(messages), &["mime", "http-body"])? {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let message = Message::parse(&fs::read(&file)?)
                .with_context(|| format!("taking {name} apart"))?;
            if find(&message.document, b"<ds:SignatureValue").is_some() {
                report.add(format!("osci/{messages}/{name}"), judge(&message, &certificates));
            }
        }
    }
    Ok(())
}

fn files(folder: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("{}", folder.display()))? {
        let path = entry?.path();
        let extension = path.extension().map(|e| e.to_string_lossy().into_owned());
        if extension.is_some_and(|own| extensions.contains(&own.as_str())) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

struct Certificates(Vec<TrustedCertificate>);

impl Certificates {
    fn read(folder: &Path) -> Result<Self> {
        let mut certificates = Vec::new();
        for file in files(folder, &["cer"])? {
            let octets = fs::read(&file)?;
            let certificate = X509::from_der(&octets).or_else(|_| X509::from_pem(&octets))?;
            let der = certificate.to_der()?;
            let (fingerprint, validity) = (Digest(sha256(&der)), Validity::default());
            certificates.push(TrustedCertificate { der, fingerprint, validity });
        }
        ensure!(!certificates.is_empty(), "no certificates in {}", folder.display());
        Ok(Self(certificates))
    }
}

impl Parts for Message {
    fn open(&self, uri: &str) -> io::Result<Option<Box<dyn BufRead + '_>>> {
        let cid = uri.strip_prefix("cid:");
        let part = self.parts.iter().find(|(own, _)| Some(own.as_str()) == cid);
        Ok(part.map(|(_, octets)| Box::new(octets.as_slice()) as Box<dyn BufRead>))
    }
}

/// The signature of the transport, if there is one, in two passes and in one; those of authors; and
/// every tampered copy.
fn judge(message: &Message, certificates: &Certificates) -> Result<String> {
    let all = every(message, certificates)?;
    let in_header = PLACES.iter().find(|place| {
        let path = format!("{}>", place[2].local);
        find(&message.document, format!("</osci:{path}").as_bytes()).is_some()
    });
    let mut note = format!("{all} signatures");
    if let Some(place) = in_header {
        let allowed = Allowed::default().narrowed(&[Mode::Inclusive], 64);
        let fixed = Fixed {
            over: Over::Elements,
            canonicalization: Mode::Inclusive,
            digest: DigestAlgorithm::Sha256,
        };
        let two_passes = Profile {
            others: true,
            must_cover_children: BLOCKS,
            ..Profile::new(place, BODY, &allowed)
        };
        let one_pass = Profile { fixed: Some(fixed), ..two_passes };
        let verification = transport(message, &two_passes, certificates)?;
        let again = transport(message, &one_pass, certificates).context("in one pass")?;
        ensure!(verification.covered() == again.covered(), "one pass covers something else");
        for (cid, _) in &message.parts {
            ensure!(verification.covers_part(&format!("cid:{cid}")), "a part is not covered");
        }
        let copies = tampered(message)?;
        for (what, copy) in &copies {
            for profile in [&two_passes, &one_pass] {
                if transport(copy, profile, certificates).is_ok() {
                    bail!("a copy holds in which {what} was changed");
                }
            }
        }
        let (blocks, parts) = (verification.nodes().len(), verification.parts().len());
        note = format!("{note}; {blocks} blocks, {parts} parts, {} copies refused", copies.len());
    }
    Ok(note)
}

fn transport(
    message: &Message,
    profile: &Profile<'_>,
    certificates: &Certificates,
) -> Result<Verification> {
    let against = Against {
        trusted: &certificates.0,
        at: AT.parse()?,
        parts: message,
        limits: &Limits::default(),
    };
    Ok(verify_stream(&|| Ok(message.document.as_slice()), profile, &against)?)
}

/// Every signature in the message holds, by one of the certificates.
fn every(message: &Message, certificates: &Certificates) -> Result<usize> {
    let at: Timestamp = AT.parse()?;
    let candidates: Vec<_> = certificates.0.iter().map(|one| one.der.clone()).collect();
    let trusted = Trusted::new(candidates.clone(), Vec::new(), Floors::default())?;
    let policy =
        GeneralPolicy { candidates, allowed: Allowed::default(), limits: Limits::default() };
    let report = verify_document(&|| Ok(message.document.as_slice()), message, &policy)?;
    let count = report.signatures.len();
    for signature in report.signatures {
        let content = signature.outcome.with_context(|| signature.path.clone())?;
        let how = trusted.judge(&content, at)?;
        ensure!(!matches!(how, How::OldPath(_)), "its certificate is not as RFC 5280 wants it");
    }
    Ok(count)
}

/// Copies with one octet more in each block that has an Id, and one changed in each part.
fn tampered(message: &Message) -> Result<BTreeMap<String, Message>> {
    let mut copies = BTreeMap::new();
    let document = &message.document;
    let mut at = 0;
    while let Some(next) = find(&document[at..], b"<ds:Reference URI=\"#") {
        let from = at + next + b"<ds:Reference URI=\"#".len();
        let length = find(&document[from..], b"\"").context("a quote")?;
        let id = std::str::from_utf8(&document[from..from + length])?;
        at = from;
        let own = find(document, format!(" Id=\"{id}\"").as_bytes()).context("an Id")?;
        let end = own + find(&document[own..], b">").context("the end of a tag")? + 1;
        let mut copy = message.clone();
        copy.document.insert(end, b' ');
        copies.insert(format!("#{id}"), copy);
    }
    for n in 0..message.parts.len() {
        let mut copy = message.clone();
        let (cid, octets) = &mut copy.parts[n];
        octets.first_mut().map_or_else(|| (), |first| *first ^= 1);
        copies.insert(format!("cid:{cid}"), copy);
    }
    Ok(copies)
}
