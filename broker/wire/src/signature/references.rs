//! Pass 2: the digests of what the signatures refer to, and which nodes that is.

use amtsbote_domain::digest::Digest;
use amtsbote_schemas::xml::{Event, EventSink, NodeNumber, Position, StartTag};

use super::algorithm::Hasher;
use super::certificate::SignerCertificate;
use super::fault::SignatureFault;
use super::profile::{Name, PathMatch, PathText};
use super::scan::Found;
use super::signed_info::Reference;
use super::verification::Verification;
use crate::c14n::{Apex, Canonicalizer, Interval};

/// Most elements that the paths of one profile may name in one document.
const MAX_WATCHED: usize = 10_000;

/// One thing that a signature covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoveredNode {
    /// Local names from the root to the element; `/` is the whole document.
    pub path: String,
    /// Its first and last node.
    pub nodes: Interval,
    /// The signature lies in it and is left out.
    pub without_signature: bool,
}

/// What the references of one signature turned out to be.
pub(super) struct Checked {
    pub(super) nodes: Vec<CoveredNode>,
    /// Stretches of the document, ordered and parted, without what was left out.
    pub(super) covered: Vec<Interval>,
}

/// Digests while the document is read again.
pub(crate) struct ReferencePass {
    runs: Vec<Run>,
    watches: Vec<Watch>,
    watched: usize,
    path: PathText,
    last: NodeNumber,
}

/// One reference of one signature.
struct Run {
    signature: usize,
    place: Position,
    enveloped: bool,
    expected: Vec<u8>,
    path: String,
    canonicalizer: Canonicalizer<Hasher>,
}

/// The elements at one path that a profile names.
struct Watch {
    path: PathMatch,
    open: Option<NodeNumber>,
    elements: Vec<Interval>,
}

impl ReferencePass {
    /// For all references of these signatures; those that could not be read are passed over.
    pub(crate) fn new<'a>(
        signatures: impl IntoIterator<Item = &'a Found>,
        must_cover: &[&'static [Name]],
    ) -> Self {
        let runs = signatures.into_iter().enumerate().flat_map(|(n, found)| {
            let content = found.content.iter();
            let references = content.flat_map(|content| &content.info.references);
            references.map(move |reference| Run::new(n, reference, found.node))
        });
        let watch = |path: &&'static [Name]| Watch {
            path: PathMatch::new(path),
            open: None,
            elements: vec![],
        };
        Self {
            runs: runs.collect(),
            watches: must_cover.iter().map(watch).collect(),
            watched: 0,
            path: PathText::default(),
            last: NodeNumber(0),
        }
    }

    /// The outcome for each of `signatures` signatures, and the elements at the paths to cover.
    pub(super) fn finish(
        self,
        signatures: usize,
    ) -> (Vec<Result<Checked, SignatureFault>>, Vec<Vec<Interval>>) {
        let mut outcomes: Vec<_> = (0..signatures)
            .map(|_| Ok(Checked { nodes: Vec::new(), covered: Vec::new() }))
            .collect();
        for run in self.runs {
            let signature = run.signature;
            if let Some(outcome @ Ok(_)) = outcomes.get_mut(signature)
                && let Err(fault) = run.finish(outcome)
            {
                *outcome = Err(fault);
            }
        }
        for checked in outcomes.iter_mut().flatten() {
            checked.covered = merged(std::mem::take(&mut checked.covered));
        }
        (outcomes, self.watches.into_iter().map(|watch| watch.elements).collect())
    }

    /// The outcome for the one signature of a profile: its references hold, and everything at
    /// the paths to cover is covered.
    pub(crate) fn one(
        self,
        found: &Found,
        signer: SignerCertificate,
        document: Digest,
    ) -> Result<Verification, SignatureFault> {
        let content = found.read()?;
        let (outcomes, watched) = self.finish(1);
        let mut covered = Vec::new();
        for outcome in outcomes {
            covered = outcome?.covered;
        }
        let references = content.info.references.len();
        let verification =
            Verification::new(signer, content.info.algorithm, covered, references, document);
        let place = Some(found.position);
        for elements in watched {
            if elements.is_empty() {
                let rule = "an element that must be signed is missing";
                return Err(SignatureFault::Coverage { place, rule });
            }
            for element in elements {
                let signature = (found.node, found.last);
                let hole =
                    (element.0 <= found.node && found.last <= element.1).then_some(signature);
                if !without(element, hole).all(|stretch| verification.covers(stretch)) {
                    let rule = "an element that must be signed is not, or not as a whole";
                    return Err(SignatureFault::Coverage { place, rule });
                }
            }
        }
        Ok(verification)
    }

    fn start(&mut self, tag: &StartTag) -> Result<(), SignatureFault> {
        self.last = tag.attributes.last().map_or(tag.node, |a| a.node);
        self.path.start(tag);
        for watch in &mut self.watches {
            if watch.path.start(tag) {
                watch.open = Some(tag.node);
                self.watched += 1;
            }
        }
        if self.watched > MAX_WATCHED {
            let limit = "elements that must be covered";
            return Err(SignatureFault::Limit { place: tag.position, limit });
        }
        Ok(())
    }

    fn end(&mut self, tag: &StartTag) {
        self.path.end();
        for watch in &mut self.watches {
            if watch.path.end(tag)
                && let Some(first) = watch.open.take()
            {
                watch.elements.push((first, self.last));
            }
        }
    }
}

impl EventSink for ReferencePass {
    type Error = SignatureFault;

    fn event(&mut self, event: &Event<'_>) -> Result<(), SignatureFault> {
        match *event {
            Event::Start(tag) => self.start(tag)?,
            Event::End(tag, _) => self.end(tag),
            Event::Text(node, ..)
            | Event::Comment(node, ..)
            | Event::ProcessingInstruction(node, ..) => self.last = node,
            Event::EndOfDocument => {}
        }
        for run in &mut self.runs {
            let before = run.canonicalizer.matches();
            let Ok(()) = run.canonicalizer.event(event);
            if before == 0 && run.canonicalizer.matches() == 1 && run.path.is_empty() {
                run.path.push_str(self.path.as_str());
            }
        }
        Ok(())
    }
}

impl Run {
    fn new(signature: usize, reference: &Reference, node: NodeNumber) -> Self {
        let hasher = reference.digest.hasher();
        let (method, apex) = (reference.method.clone(), reference.target.clone());
        let path = if apex == Apex::Document { "/".to_owned() } else { String::new() };
        let canonicalizer = Canonicalizer::new(method, apex, hasher);
        Self {
            signature,
            place: reference.place,
            enveloped: reference.enveloped,
            expected: reference.value.clone(),
            path,
            canonicalizer: if reference.enveloped {
                canonicalizer.omitting(node)
            } else {
                canonicalizer
            },
        }
    }

    fn finish(self, outcome: &mut Result<Checked, SignatureFault>) -> Result<(), SignatureFault> {
        let Ok(checked) = outcome else { return Ok(()) };
        let place = self.place;
        let invalid = |rule| Err(SignatureFault::Invalid { place, rule });
        let (covered, omitted) = (self.canonicalizer.covered(), self.canonicalizer.omitted());
        let nodes = match (self.canonicalizer.matches(), covered) {
            (1, Some(nodes)) => nodes,
            (0, _) | (_, None) => return invalid("Reference: no element has this Id"),
            _ => {
                let rule = "Reference: more than one element has this Id";
                return Err(SignatureFault::Coverage { place: Some(place), rule });
            }
        };
        if self.enveloped && omitted.is_none() {
            return invalid("enveloped-signature: the signature is not inside what it refers to");
        }
        if self.canonicalizer.finish().finish() != self.expected {
            return invalid("DigestValue: it does not fit what the Reference refers to");
        }
        checked.covered.extend(without(nodes, omitted));
        let without_signature = omitted.is_some();
        checked.nodes.push(CoveredNode { path: self.path, nodes, without_signature });
        Ok(())
    }
}

/// `stretch` without `hole`, which lies inside it.
pub(super) fn without(
    (first, last): Interval,
    hole: Option<Interval>,
) -> impl Iterator<Item = Interval> {
    let pieces = match hole {
        None => [Some((first, last)), None],
        Some((from, to)) => {
            let before = (first < from).then(|| (first, NodeNumber(from.0 - 1)));
            [before, (to < last).then(|| (NodeNumber(to.0 + 1), last))]
        }
    };
    pieces.into_iter().flatten()
}

/// Ordered, with overlapping and adjoining stretches made one.
fn merged(mut stretches: Vec<Interval>) -> Vec<Interval> {
    stretches.sort_unstable();
    let mut merged: Vec<Interval> = Vec::with_capacity(stretches.len());
    for (first, last) in stretches {
        match merged.last_mut() {
            Some((_, end)) if first.0 <= end.0 + 1 => *end = (*end).max(last),
            _ => merged.push((first, last)),
        }
    }
    merged
}
