//! What a signature must be like at one entry point. The message chooses none of it.

use amtsbote_schemas::xml::StartTag;

use super::algorithm::{DigestAlgorithm, MIN_EC_BITS, MIN_RSA_BITS, SignatureAlgorithm};
use crate::c14n::{Method, Mode};

/// The name of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    /// Its namespace; empty for none.
    pub namespace: &'static str,
    /// Its local name.
    pub local: &'static str,
}

impl Name {
    /// A name.
    pub const fn new(namespace: &'static str, local: &'static str) -> Self {
        Self { namespace, local }
    }
}

/// The algorithms, keys and effort that are allowed: made by policy, handed in by the caller. The
/// message chooses none of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// For the signature.
    pub signatures: Vec<SignatureAlgorithm>,
    /// For what is referenced, and for the mask of RSASSA-PSS.
    pub digests: Vec<DigestAlgorithm>,
    /// For `SignedInfo` and for what is referenced.
    pub canonicalizations: Vec<Mode>,
    /// Shortest RSA modulus in bits.
    pub min_rsa_bits: u32,
    /// Shortest order of an elliptic curve in bits; which curves there are is fixed.
    pub min_ec_bits: u32,
    /// Most references in one signature.
    pub max_references: usize,
}

impl Default for Allowed {
    /// Everything modern that is implemented: no SHA-1, RSA from 2048 bits, curves from 250.
    fn default() -> Self {
        let signatures = SignatureAlgorithm::ALL.iter().copied();
        let digests = DigestAlgorithm::ALL.iter().copied();
        Self {
            signatures: signatures.filter(|algorithm| !algorithm.is_legacy()).collect(),
            digests: digests.filter(|algorithm| !algorithm.is_legacy()).collect(),
            canonicalizations: Mode::ALL.to_vec(),
            min_rsa_bits: MIN_RSA_BITS,
            min_ec_bits: MIN_EC_BITS,
            max_references: 64,
        }
    }
}

impl Allowed {
    /// Everything that is implemented, for reading old data: SHA-1, RSA from 1024 bits and curves
    /// from 190 as well.
    pub fn legacy() -> Self {
        Self {
            signatures: SignatureAlgorithm::ALL.to_vec(),
            digests: DigestAlgorithm::ALL.to_vec(),
            min_rsa_bits: 1024,
            min_ec_bits: 190,
            ..Self::default()
        }
    }

    /// The same, with no more than these canonicalizations and so many references.
    pub fn narrowed(&self, canonicalizations: &[Mode], max_references: usize) -> Self {
        let mut narrowed = self.clone();
        narrowed.canonicalizations.retain(|mode| canonicalizations.contains(mode));
        narrowed.max_references = self.max_references.min(max_references);
        narrowed
    }

    /// Whether the method may be used; comments and prefix list make no difference.
    pub(super) fn canonicalizes(&self, method: &Method) -> bool {
        self.canonicalizations.contains(&method.mode)
    }
}

/// What one entry point demands: exactly one signature at this place, over all of these elements,
/// and no identifier twice anywhere in the document.
#[derive(Clone, Copy, Debug)]
pub struct Profile<'a> {
    /// Where the signature stands: names from the root to it.
    pub signature: &'static [Name],
    /// Whether there may be signatures at other places. They prove nothing here.
    pub others: bool,
    /// What it must cover, but for itself: names from the root. At least one element must stand
    /// at each path, and all that do must be covered.
    pub must_cover: &'a [&'static [Name]],
    /// Elements of which every child with an Id must be covered, but for the one in which the
    /// signature stands: the header of a SOAP message, for example.
    pub must_cover_children: &'a [&'static [Name]],
    /// It covers those elements and nothing else of the document: each reference into it names one
    /// of them as a whole, and no two the same.
    pub only: bool,
    /// With what.
    pub allowed: &'a Allowed,
    /// What is known beforehand about the references, so that one pass is enough.
    pub fixed: Option<Fixed>,
    /// What becomes of a signature that is built otherwise than `fixed` says.
    pub otherwise: Otherwise,
}

/// How every reference into the document is built, decided before the document comes: what it
/// names is digested on speculation, in the same pass that finds the signature. If the signature is
/// built otherwise, the digests are thrown away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// What the references name.
    pub over: Over,
    /// The canonicalization, without comments and without a prefix list.
    pub canonicalization: Mode,
    /// The digest.
    pub digest: DigestAlgorithm,
}

/// What becomes of a signature that is built otherwise than a [`Fixed`] profile says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// It is refused.
    Refuse,
    /// It is verified in a second pass, by the same profile.
    SecondPass,
}

/// What the references of a [`Fixed`] signature name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The whole document without the signature: URI "", enveloped-signature.
    Document,
    /// The elements of [`Profile::must_cover`] and [`Profile::must_cover_children`], each by its
    /// Id, and with enveloped-signature where the signature stands inside.
    Elements,
}

impl<'a> Profile<'a> {
    /// One signature in the whole document, at `signature`, over `must_cover`; in two passes.
    pub const fn new(
        signature: &'static [Name],
        must_cover: &'a [&'static [Name]],
        allowed: &'a Allowed,
    ) -> Self {
        Self {
            signature,
            others: false,
            must_cover,
            must_cover_children: &[],
            only: false,
            allowed,
            fixed: None,
            otherwise: Otherwise::Refuse,
        }
    }
}

/// Follows the open elements along an absolute path.
pub(super) struct PathMatch {
    path: &'static [Name],
    /// How many of the outermost open elements are the first of the path.
    matched: usize,
}

impl PathMatch {
    pub(super) fn new(path: &'static [Name]) -> Self {
        Self { path, matched: 0 }
    }

    /// Enters an element; says whether it is the one at the end of the path.
    pub(super) fn start(&mut self, tag: &StartTag) -> bool {
        let next = self.path.get(self.matched);
        let here = tag.depth as usize == self.matched + 1
            && next.is_some_and(|name| tag.is(name.namespace, name.local));
        self.matched += usize::from(here);
        here && self.matched == self.path.len()
    }

    /// Whether `tag`, just entered, is a child of the element at the end of the path.
    pub(super) fn is_parent_of(&self, tag: &StartTag) -> bool {
        self.matched == self.path.len() && tag.depth as usize == self.matched + 1
    }

    /// Leaves an element; says whether it was the one at the end of the path.
    pub(super) fn end(&mut self, tag: &StartTag) -> bool {
        let here = tag.depth as usize == self.matched;
        let at_end = here && self.matched == self.path.len();
        self.matched -= usize::from(here);
        at_end
    }
}

/// The open elements as a text, `/Envelope/Metadata`. Names only, no values.
#[derive(Default)]
pub(super) struct PathText {
    text: String,
    ends: Vec<usize>,
}

impl PathText {
    pub(super) fn start(&mut self, tag: &StartTag) {
        self.ends.push(self.text.len());
        self.text.push('/');
        self.text.push_str(&tag.local);
    }

    pub(super) fn end(&mut self) {
        self.text.truncate(self.ends.pop().unwrap_or(0));
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}
