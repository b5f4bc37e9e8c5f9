//! Digests of attachments, made while they stream by.

use std::io::{self, BufRead};

use openssl::error::ErrorStack;

use super::super::mime::MAX_PARTS;
use crate::signature::{DigestAlgorithm, Hasher, KnownPart, PartForm, Parts};

/// What stands before a content id in a reference (RFC 2392).
const SCHEME: &str = "cid:";

/// Digests one attachment, by each of some algorithms.
pub struct PartHasher {
    hashers: Vec<(DigestAlgorithm, Hasher)>,
    octets: u64,
}

impl PartHasher {
    /// For these algorithms; [`super::Claimed::hasher`] knows which.
    pub fn new(algorithms: &[DigestAlgorithm]) -> Self {
        let hashers = algorithms.iter().map(|algorithm| (*algorithm, Hasher::new(*algorithm)));
        Self { hashers: hashers.collect(), octets: 0 }
    }

    /// Takes the next octets of the attachment, after its transfer encoding was undone.
    pub fn update(&mut self, octets: &[u8]) {
        self.octets += octets.len() as u64;
        self.hashers.iter_mut().for_each(|(_, hasher)| hasher.update(octets));
    }

    /// The digests.
    pub fn finish(self) -> Result<PartDigest, ErrorStack> {
        let finished = |(algorithm, hasher): (_, Hasher)| Ok((algorithm, hasher.finish()?));
        let digests: Result<_, ErrorStack> = self.hashers.into_iter().map(finished).collect();
        Ok(PartDigest { digests: digests?, octets: self.octets })
    }
}

impl std::fmt::Debug for PartHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PartHasher").field("octets", &self.octets).finish_non_exhaustive()
    }
}

/// The digests of one attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartDigest {
    digests: Vec<(DigestAlgorithm, Vec<u8>)>,
    octets: u64,
}

impl PartDigest {
    /// By this algorithm, where it was made.
    pub fn by(&self, algorithm: DigestAlgorithm) -> Option<&[u8]> {
        self.digests.iter().find(|(own, _)| *own == algorithm).map(|(_, digest)| digest.as_slice())
    }

    /// How many octets were digested.
    pub fn octets(&self) -> u64 {
        self.octets
    }
}

/// Most attachments of one message: those that a MIME message has beside its root part.
pub const MAX_ATTACHMENTS: usize = MAX_PARTS - 1;

/// The attachments of one message.
#[derive(Clone, Debug, Default)]
pub(super) struct PartDigests {
    parts: Vec<One>,
}

#[derive(Clone, Debug)]
struct One {
    uri: String,
    encoded: bool,
    digest: PartDigest,
}

impl PartDigests {
    /// Enters an attachment under its content id, without angle brackets. `encoded` says that it came
    /// in Base64, which was undone. False where the id occurs twice: such a message is none.
    #[must_use]
    pub(super) fn add(&mut self, content_id: &str, encoded: bool, digest: PartDigest) -> bool {
        let uri = format!("{SCHEME}{content_id}");
        let new = self.parts.iter().all(|part| part.uri != uri);
        if new {
            self.parts.push(One { uri, encoded, digest });
        }
        new
    }

    pub(super) fn len(&self) -> usize {
        self.parts.len()
    }

    /// Whether one of this content id came.
    pub(super) fn has(&self, content_id: &str) -> bool {
        self.uris().any(|uri| uri.strip_prefix(SCHEME) == Some(content_id))
    }

    /// Content id, whether it came in Base64, and octets of each.
    pub(super) fn into_all(self) -> impl Iterator<Item = (String, bool, u64)> {
        self.parts.into_iter().map(|mut part| {
            let content_id = part.uri.split_off(SCHEME.len());
            (content_id, part.encoded, part.digest.octets)
        })
    }

    /// The URIs by which a signature must name them.
    pub(super) fn uris(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(|part| part.uri.as_str())
    }
}

impl Parts for PartDigests {
    fn open(&self, _: &str) -> io::Result<Option<Box<dyn BufRead + '_>>> {
        Ok(None)
    }

    fn known(&self, uri: &str, algorithm: DigestAlgorithm, form: PartForm) -> KnownPart {
        let Some(part) = self.parts.iter().find(|part| part.uri == uri) else {
            return KnownPart::Unread;
        };
        // Whoever sends an attachment in Base64 says so with a transform, or not: what is signed is
        // what it stands for.
        let made = match form {
            PartForm::Octets => true,
            PartForm::Base64 => part.encoded,
            PartForm::Canonical => false,
        };
        if !made {
            return KnownPart::Refused("Reference: an attachment is signed as it came");
        }
        match part.digest.by(algorithm) {
            Some(digest) => KnownPart::Digest(digest.to_vec(), part.digest.octets),
            None => KnownPart::Refused("DigestMethod: one too many for attachments"),
        }
    }
}
