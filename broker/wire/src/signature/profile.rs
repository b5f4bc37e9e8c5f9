//! What a signature must be like at one entry point. The message chooses none of it.

use amtsbote_schemas::xml::StartTag;

use super::algorithm::{DigestAlgorithm, SignatureAlgorithm};
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

/// The algorithms and the effort that are allowed.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    /// For the signature.
    pub signatures: &'static [SignatureAlgorithm],
    /// For what is referenced.
    pub digests: &'static [DigestAlgorithm],
    /// For `SignedInfo` and for what is referenced. The transform `enveloped-signature` is always
    /// allowed, any other than these and that one never.
    pub canonicalizations: &'static [Mode],
    /// Most references in one signature.
    pub max_references: usize,
}

impl Allowed {
    /// Whether the method may be used; comments and prefix list make no difference.
    pub(super) fn canonicalizes(&self, method: &Method) -> bool {
        self.canonicalizations.contains(&method.mode)
    }
}

/// What one entry point demands: exactly one signature in the whole document, at this place, over
/// all of these elements.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// Where the signature stands: names from the root to it.
    pub signature: &'static [Name],
    /// What it must cover, but for itself: names from the root. At least one element must stand
    /// at each path, and all that do must be covered.
    pub must_cover: &'static [&'static [Name]],
    /// With what.
    pub allowed: Allowed,
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
