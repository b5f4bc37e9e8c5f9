//! Pass 1: where the signatures are and what they say.
//!
//! Nothing is believed yet. What is kept does not grow with the document: the parts of a signature
//! that are held in memory have limits, and there is a limit to the number of signatures.

use amtsbote_schemas::xml::{Event, EventSink, NodeNumber, Position, StartTag};

use super::fault::SignatureFault;
use super::ids::Ids;
use super::key_info::KeyHints;
use super::profile::{Name, PathMatch, PathText};
use super::signed_info::{DSIG, SignedInfo, octets};
use super::tree::{self, Builder, Element, TooBig};
use crate::c14n::Scope;

/// Most signatures looked at in one document, where the profile does not say "one".
pub const MAX_SIGNATURES: usize = 16;

/// A signature that was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) node: NodeNumber,
    pub(super) last: NodeNumber,
    pub(crate) position: Position,
    /// Local names from the root to it; empty where a profile says where it stands.
    pub(super) path: String,
    pub(crate) at_place: bool,
    pub(super) content: Result<Content, SignatureFault>,
}

/// What it says.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) info: SignedInfo,
    /// The canonical form of `SignedInfo`: what was signed.
    pub(super) signed: Vec<u8>,
    pub(super) value: Vec<u8>,
    /// What `KeyInfo` says, trusted by nobody.
    pub(super) hints: KeyHints,
}

/// Looks for signatures while the document is read.
pub(crate) struct SignatureScan {
    scope: Scope,
    /// Kept where signatures at any place are reported.
    path: Option<PathText>,
    place: PathMatch,
    depth: u32,
    last: NodeNumber,
    open: Vec<Open>,
    found: Vec<Found>,
    /// Most signatures looked at.
    max: usize,
    /// Most octets of a part of one of them.
    part_bytes: usize,
    /// Where no identifier may occur twice.
    ids: Option<Ids>,
}

impl SignatureScan {
    /// For a profile that wants one signature at the absolute path `place`: no identifier may occur
    /// twice anywhere.
    pub(crate) fn new(place: &'static [Name]) -> Self {
        Self { ids: Some(Ids::default()), path: None, ..Self::general(place) }
    }

    /// For a document of which nothing is known: what a signature does not refer to may bear the
    /// same identifiers.
    pub(crate) fn general(place: &'static [Name]) -> Self {
        Self {
            ids: None,
            scope: Scope::default(),
            path: Some(PathText::default()),
            place: PathMatch::new(place),
            depth: 0,
            last: NodeNumber(0),
            open: Vec::new(),
            found: Vec::new(),
            max: MAX_SIGNATURES,
            part_bytes: tree::MAX_BYTES,
        }
    }

    /// The same beside a reader that refuses an identifier that occurs twice.
    pub(crate) fn beside_ids(self) -> Self {
        Self { ids: None, ..self }
    }

    /// The same with so many signatures instead of [`MAX_SIGNATURES`].
    pub(crate) fn at_most(self, max: usize) -> Self {
        Self { max, ..self }
    }

    /// The same with so many octets of `SignedInfo` and so on instead of [`tree::MAX_BYTES`].
    pub(crate) fn of_size(self, part_bytes: usize) -> Self {
        Self { part_bytes, ..self }
    }

    /// All signatures, inner ones before those that hold them.
    pub(crate) fn all(self) -> Vec<Found> {
        self.found
    }

    /// The signatures that have ended, but for the first `known` of them.
    pub(crate) fn ended(&self, known: usize) -> &[Found] {
        self.found.get(known..).unwrap_or_default()
    }

    /// The signatures at the place, and those elsewhere.
    pub(crate) fn parted(self) -> (Vec<Found>, Vec<Found>) {
        self.found.into_iter().partition(|found| found.at_place)
    }

    /// The one signature at the place that the profile prescribes, built as it must be. `others`
    /// says whether there may be signatures at other places.
    pub(crate) fn one(self, others: bool) -> Result<Found, SignatureFault> {
        let missing = |place, rule| Err(SignatureFault::Missing { place, rule });
        let (mut at_place, elsewhere) = self.parted();
        let counted = if others { &[][..] } else { &elsewhere };
        if let Some(second) = at_place.iter().chain(counted).nth(1) {
            let place = Some(second.position);
            return missing(place, "there are two signatures; exactly one is demanded");
        }
        match (at_place.pop(), elsewhere.first()) {
            (Some(found), _) => match found.content {
                Err(fault) => Err(fault),
                Ok(content) => Ok(Found { content: Ok(content), ..found }),
            },
            (None, None) => missing(None, "there is no signature; exactly one is demanded"),
            (None, Some(other)) => {
                missing(Some(other.position), "the signature is not at the place prescribed")
            }
        }
    }

    fn start(&mut self, tag: &StartTag) -> Result<(), SignatureFault> {
        self.depth = tag.depth;
        self.last = tag.attributes.last().map_or(tag.node, |a| a.node);
        if let Some(ids) = &mut self.ids {
            ids.start(tag)?;
        }
        if let Some(path) = &mut self.path {
            path.start(tag);
        }
        let at_place = self.place.start(tag);
        if tag.is(DSIG, "Signature") {
            if self.open.len() + self.found.len() == self.max {
                let limit = "signatures in a document";
                return Err(SignatureFault::Limit { place: tag.position, limit });
            }
            if let Some(outer) = self.open.last_mut().filter(|outer| outer.part.is_some()) {
                outer.fail(tag.position, "a signature inside SignedInfo or KeyInfo");
            }
            let path = self.path.as_ref().map(PathText::as_str);
            let path = path.unwrap_or_default();
            self.open.push(Open::new(tag, path, at_place, self.part_bytes));
        } else if let Some(signature) = self.open.last_mut() {
            signature.start(tag, &self.scope);
        }
        self.scope.open(tag);
        Ok(())
    }

    fn end(&mut self, tag: &StartTag) {
        self.scope.close();
        if let Some(path) = &mut self.path {
            path.end();
        }
        self.place.end(tag);
        self.depth = tag.depth.saturating_sub(1);
        if let Some(signature) = self.open.last_mut() {
            signature.end();
            if signature.depth == tag.depth
                && let Some(signature) = self.open.pop()
            {
                self.found.push(signature.close(self.last));
            }
        }
    }
}

impl EventSink for SignatureScan {
    type Error = SignatureFault;

    fn event(&mut self, event: &Event<'_>) -> Result<(), SignatureFault> {
        match *event {
            Event::Start(tag) => self.start(tag)?,
            Event::End(tag, _) => self.end(tag),
            Event::Text(node, text, position) => {
                self.last = node;
                if let Some(signature) = self.open.last_mut() {
                    signature.text(text, position, self.depth);
                }
            }
            Event::Comment(node, _, position)
            | Event::ProcessingInstruction(node, _, _, position) => {
                self.last = node;
                // Comments are left out of what is signed, so they could part a value in two
                // for a careless reader. Nobody has a reason to write one here.
                if let Some(signature) = self.open.last_mut().filter(|s| s.part.is_some()) {
                    let rule = "comment or processing instruction inside a signature";
                    signature.fail(position, rule);
                }
            }
            Event::EndOfDocument => {}
        }
        Ok(())
    }
}

/// How far the children of a signature have come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Begun,
    SignedInfo,
    SignatureValue,
    KeyInfo,
    Object,
}

/// A signature whose end is still to come.
struct Open {
    node: NodeNumber,
    depth: u32,
    position: Position,
    path: String,
    at_place: bool,
    stage: Stage,
    /// The child being collected.
    part: Option<Builder>,
    /// Most octets of one.
    part_bytes: usize,
    /// What the ancestors of `SignedInfo` declared.
    scope: Scope,
    signed_info: Option<Element>,
    value: Option<Element>,
    key_info: Option<Element>,
    fault: Option<SignatureFault>,
}

impl Open {
    fn new(tag: &StartTag, path: &str, at_place: bool, part_bytes: usize) -> Self {
        let mut open = Self {
            node: tag.node,
            depth: tag.depth,
            position: tag.position,
            path: path.to_owned(),
            at_place,
            stage: Stage::Begun,
            part: None,
            part_bytes,
            scope: Scope::default(),
            signed_info: None,
            value: None,
            key_info: None,
            fault: None,
        };
        if tag.attributes.iter().any(|a| a.local != "Id" || !a.namespace.is_empty()) {
            open.fail(tag.position, "unknown attribute in a signature");
        }
        open
    }

    /// Remembers the first fault and stops collecting.
    fn fail(&mut self, place: Position, rule: &'static str) {
        self.set_fault(SignatureFault::Invalid { place, rule });
    }

    fn set_fault(&mut self, fault: SignatureFault) {
        self.part = None;
        self.fault.get_or_insert(fault);
    }

    fn too_big(&mut self, place: Position) {
        self.set_fault(SignatureFault::Limit { place, limit: "octets or depth of a signature" });
    }

    fn start(&mut self, tag: &StartTag, scope: &Scope) {
        if self.fault.is_some() {
            return;
        }
        if let Some(part) = &mut self.part {
            if let Err(TooBig) = part.start(tag) {
                self.too_big(tag.position);
            }
        } else if tag.depth == self.depth + 1 {
            self.child(tag, scope);
        }
    }

    /// SignedInfo, SignatureValue, KeyInfo or none, Objects: in this order.
    fn child(&mut self, tag: &StartTag, scope: &Scope) {
        let stage = match (tag.namespace == DSIG, tag.local.as_str()) {
            (true, "SignedInfo") => Stage::SignedInfo,
            (true, "SignatureValue") => Stage::SignatureValue,
            (true, "KeyInfo") => Stage::KeyInfo,
            (true, "Object") => Stage::Object,
            _ => return self.fail(tag.position, "unknown element in a signature"),
        };
        let follows = match stage {
            Stage::SignedInfo => self.stage == Stage::Begun,
            Stage::SignatureValue => self.stage == Stage::SignedInfo,
            Stage::KeyInfo => self.stage == Stage::SignatureValue,
            Stage::Object => self.stage >= Stage::SignatureValue,
            Stage::Begun => false,
        };
        if !follows {
            let rule = "the order is SignedInfo, SignatureValue, KeyInfo, Object";
            return self.fail(tag.position, rule);
        }
        self.stage = stage;
        if stage == Stage::SignedInfo {
            self.scope = scope.clone();
        }
        if stage != Stage::Object {
            match Builder::at_most(self.part_bytes, tag) {
                Ok(builder) => self.part = Some(builder),
                Err(TooBig) => self.too_big(tag.position),
            }
        }
    }

    fn text(&mut self, text: &str, position: Position, depth: u32) {
        if self.fault.is_some() {
            return;
        }
        if let Some(part) = &mut self.part {
            if let Err(TooBig) = part.text(text) {
                self.too_big(position);
            }
        } else if depth == self.depth && text.contains(|c| !matches!(c, ' ' | '\t' | '\r' | '\n')) {
            self.fail(position, "text between the elements of a signature");
        }
    }

    fn end(&mut self) {
        if let Some(element) = self.part.as_mut().and_then(Builder::end) {
            self.part = None;
            match self.stage {
                Stage::SignedInfo => self.signed_info = Some(element),
                Stage::SignatureValue => self.value = Some(element),
                Stage::KeyInfo => self.key_info = Some(element),
                Stage::Begun | Stage::Object => {}
            }
        }
    }

    fn close(mut self, last: NodeNumber) -> Found {
        let content = self.content();
        Found {
            node: self.node,
            last,
            position: self.position,
            path: self.path,
            at_place: self.at_place,
            content,
        }
    }

    fn content(&mut self) -> Result<Content, SignatureFault> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let (Some(signed_info), Some(value)) = (&self.signed_info, &self.value) else {
            let rule = "a signature has SignedInfo and SignatureValue";
            return Err(SignatureFault::Invalid { place: self.position, rule });
        };
        let scope = std::mem::take(&mut self.scope);
        let info = SignedInfo::parse(signed_info, &scope)?;
        let signed = signed_info.canonical(scope, info.canonicalization.clone());
        let value = octets(value)?;
        let hints = self.key_info.as_ref().map(KeyHints::parse).transpose()?.unwrap_or_default();
        Ok(Content { info, signed, value, hints })
    }
}
