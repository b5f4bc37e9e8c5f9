//! What a signature covers outside its document: parts that the caller has at hand.

use std::io::{self, BufRead};

use amtsbote_schemas::xml::{DriveError, Limits, drive};

use super::algorithm::DigestAlgorithm;
use super::base64_digest::Base64Digest;
use super::fault::SignatureFault;
use super::hasher::Hasher;
use super::transforms::Step;
use crate::c14n::{Apex, Canonicalizer};

/// The parts that came with a document. Nothing else is ever fetched: a reference to what is not
/// here is refused, whatever its URI says.
pub trait Parts {
    /// Opens the part that a reference names by exactly this URI, percent signs and all
    /// (`cid:...`, or the name of something detached); none where there is no such part.
    fn open(&self, uri: &str) -> io::Result<Option<Box<dyn BufRead + '_>>>;

    /// What was found out about a part while it came, so that it is not read again. By default
    /// nothing, and the part is opened.
    fn known(&self, _uri: &str, _algorithm: DigestAlgorithm, _form: PartForm) -> KnownPart {
        KnownPart::Unread
    }
}

/// What of a part is digested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PartForm {
    /// Its octets, as they are.
    Octets,
    /// What its octets stand for in Base64.
    Base64,
    /// Its canonical form.
    Canonical,
}

/// What is known of a part beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KnownPart {
    /// Nothing: it is opened and read, where it is at hand.
    Unread,
    /// Its digest, and how many octets went into it.
    Digest(Vec<u8>, u64),
    /// It is at hand, and this was not made of it: refused by this rule.
    Refused(&'static str),
}

/// No part at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoParts;

impl Parts for NoParts {
    fn open(&self, _: &str) -> io::Result<Option<Box<dyn BufRead + '_>>> {
        Ok(None)
    }
}

/// A part that a signature covers as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoveredPart {
    /// The URI by which the signature names it, as written there.
    pub uri: String,
    /// How many of its octets were read: all.
    pub bytes: u64,
}

/// Why a part has no digest.
pub(super) enum NoDigest {
    /// Not at hand, or not what the transforms need; the rule.
    Rule(&'static str),
    Fault(SignatureFault),
}

impl<E: Into<SignatureFault>> From<E> for NoDigest {
    fn from(fault: E) -> Self {
        Self::Fault(fault.into())
    }
}

/// The digest of a part, and its length in octets.
pub(super) fn digest(
    parts: &dyn Parts,
    uri: &str,
    step: &Step,
    algorithm: DigestAlgorithm,
    limits: &Limits,
) -> Result<(Vec<u8>, u64), NoDigest> {
    let form = match step {
        Step::Octets => PartForm::Octets,
        Step::Base64 => PartForm::Base64,
        Step::Nodes(_) => PartForm::Canonical,
    };
    match parts.known(uri, algorithm, form) {
        KnownPart::Unread => {}
        KnownPart::Digest(digest, bytes) => return Ok((digest, bytes)),
        KnownPart::Refused(rule) => return Err(NoDigest::Rule(rule)),
    }
    let mut hasher = Hasher::new(algorithm);
    let Some(part) = parts.open(uri)? else {
        return Err(NoDigest::Rule("Reference: it names neither an Id nor a part at hand"));
    };
    let mut part = Counted { inner: part, bytes: 0 };
    let hasher = match step {
        Step::Octets => {
            part.each(|octets| hasher.update(octets))?;
            hasher
        }
        Step::Base64 => {
            let mut decoder = Base64Digest::new(hasher);
            part.each(|octets| decoder.text(octets))?;
            let decoded = decoder.finish();
            decoded.ok_or(NoDigest::Rule("base64: the part is no Base64 text"))?.0
        }
        Step::Nodes(method) => {
            let mut sink = Canonicalizer::new(method.clone(), Apex::Document, hasher);
            drive(&mut part, limits, &mut sink).map_err(|error| match error {
                DriveError::Xml(error) if error.is_input() => NoDigest::Fault(error.into()),
                DriveError::Xml(_) => NoDigest::Rule(
                    "canonicalization: the part is not well-formed, or exceeds a limit",
                ),
                DriveError::Sink(never) => match never {},
            })?;
            sink.finish()
        }
    };
    Ok((hasher.finish()?, part.bytes))
}

/// Counts the octets that are taken.
struct Counted<'a> {
    inner: Box<dyn BufRead + 'a>,
    bytes: u64,
}

impl Counted<'_> {
    fn each(&mut self, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        loop {
            let octets = self.fill_buf()?;
            let count = octets.len();
            if count == 0 {
                return Ok(());
            }
            take(octets);
            self.consume(count);
        }
    }
}

impl io::Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes += count as u64;
        Ok(count)
    }
}

impl BufRead for Counted<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.bytes += amount as u64;
        self.inner.consume(amount);
    }
}
