//! The digest of one element, or of the whole document, while it is read.

use amtsbote_schemas::xml::{Event, EventSink, NodeNumber, StartTag};

use super::algorithm::DigestAlgorithm;
use super::base64_digest::Base64Digest;
use super::hasher::Hasher;
use super::signed_info::DSIG;
use super::transforms::{Omit, Step};
use crate::c14n::{Apex, Canonicalizer, Interval, Method, Mode, Scope};

/// What is digested, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) omit: Omit,
    pub(super) step: Step,
    pub(super) digest: DigestAlgorithm,
}

/// What came out.
pub(super) struct Digested {
    pub(super) value: Vec<u8>,
    /// First and last node that count, holes included.
    pub(super) nodes: Interval,
    /// What was left out.
    pub(super) holes: Vec<Interval>,
}

/// One digest in the making.
pub(super) struct Run {
    /// Depth of the element; 0 for the document.
    depth: u32,
    omit: Omit,
    digester: Digester,
    first: Option<NodeNumber>,
    hole: Option<(u32, NodeNumber)>,
    holes: Vec<Interval>,
    /// Nothing would be left, or a signature is named of which something is left out.
    hollow: bool,
}

/// What is named must outlast what is left out of it: a reference to a signature that leaves
/// signatures out digests nothing that its reader looks for.
const HOLLOW: &str = "Reference: nothing can be left out of a signature, nor the whole document";

enum Digester {
    Nodes(Box<Canonicalizer<Hasher>>),
    Text {
        decoder: Box<Base64Digest>,
        /// First and last node of the text.
        nodes: Option<Interval>,
        /// A rule that the element does not keep.
        broken: Option<&'static str>,
    },
}

impl Run {
    /// Over the whole document, of which nothing was shown yet.
    pub(super) fn document(plan: &Plan) -> Self {
        Self::new(plan, 0, |method, hasher| Canonicalizer::new(method, Apex::Document, hasher))
    }

    /// Over the element that `tag` begins; `scope` is what its ancestors declared. The tag is
    /// still to be shown.
    pub(super) fn element(plan: &Plan, scope: &Scope, tag: &StartTag) -> Self {
        let apex = Apex::Element(tag.node);
        let scope = scope.clone();
        Self::new(plan, tag.depth, |method, hasher| {
            Canonicalizer::within(scope, method, apex, hasher)
        })
    }

    fn new(
        plan: &Plan,
        depth: u32,
        canonicalizer: impl FnOnce(Method, Hasher) -> Canonicalizer<Hasher>,
    ) -> Self {
        let hasher = Hasher::new(plan.digest);
        let digester = match &plan.step {
            Step::Nodes(method) => Digester::Nodes(Box::new(canonicalizer(method.clone(), hasher))),
            // Nodes are never taken as they are: the plan of a part has no run.
            Step::Octets => {
                let method = Method::new(Mode::Inclusive, false);
                Digester::Nodes(Box::new(canonicalizer(method, hasher)))
            }
            Step::Base64 => Digester::Text {
                decoder: Box::new(Base64Digest::new(hasher)),
                nodes: None,
                broken: None,
            },
        };
        let (first, hole, holes, hollow) = (None, None, Vec::new(), false);
        Self { depth, omit: plan.omit, digester, first, hole, holes, hollow }
    }

    /// Takes one event. `own` is the signature itself, `last` the last node so far. True when the
    /// element has ended.
    pub(super) fn event(
        &mut self,
        event: &Event<'_>,
        own: Option<NodeNumber>,
        last: NodeNumber,
    ) -> bool {
        if self.first.is_none() {
            self.first = node_of(event);
        }
        if let Some((depth, first)) = self.hole {
            if let Event::End(tag, _) = event
                && tag.depth == depth
            {
                self.holes.push((first, last));
                self.hole = None;
                // The hole may be all there is. What follows is no longer what was named.
                return depth == self.depth;
            }
            return false;
        }
        if let Event::Start(tag) = event {
            let is_hole = match self.omit {
                Omit::Nothing => false,
                Omit::Own => own == Some(tag.node),
                Omit::All => tag.is(DSIG, "Signature"),
            };
            let is_signature = tag.depth == self.depth && tag.is(DSIG, "Signature");
            // Depth 1 is the root: of a document without it, comments are left at most.
            let is_all = is_hole && tag.depth == self.depth.max(1);
            self.hollow |= is_all || (is_signature && self.omit != Omit::Nothing);
            if is_hole {
                self.hole = Some((tag.depth, tag.node));
                return false;
            }
        }
        self.digester.event(event, self.depth);
        match event {
            Event::End(tag, _) => tag.depth == self.depth,
            Event::EndOfDocument => self.depth == 0,
            _ => false,
        }
    }

    /// What came out when the last node was `last`, or the rule that was broken.
    pub(super) fn finish(
        self,
        last: NodeNumber,
    ) -> Result<Result<Digested, &'static str>, openssl::error::ErrorStack> {
        if self.hollow {
            return Ok(Err(HOLLOW));
        }
        let holes = self.holes;
        Ok(match self.digester {
            Digester::Nodes(canonicalizer) => {
                let nodes = (self.first.unwrap_or(last), last);
                Ok(Digested { value: canonicalizer.finish().finish()?, nodes, holes })
            }
            Digester::Text { decoder, nodes, broken } => match (broken, nodes, decoder.finish()) {
                (Some(rule), ..) => Err(rule),
                (None, Some(nodes), Some((hasher, _))) => {
                    Ok(Digested { value: hasher.finish()?, nodes, holes })
                }
                _ => Err("base64: the element holds no Base64 text"),
            },
        })
    }
}

impl Digester {
    fn event(&mut self, event: &Event<'_>, apex: u32) {
        match self {
            Self::Nodes(canonicalizer) => {
                let Ok(()) = canonicalizer.event(event);
            }
            Self::Text { decoder, nodes, broken } => match event {
                Event::Start(tag) if tag.depth == apex => {}
                // What the text of a tree says depends on the tree, and that would not be signed.
                Event::Start(_) | Event::ProcessingInstruction(..) | Event::Comment(..) => {
                    *broken = Some("base64: the element must hold nothing but text");
                }
                Event::Text(node, text, _) => {
                    let first = nodes.map_or(*node, |(first, _)| first);
                    *nodes = Some((first, *node));
                    decoder.text(text.as_bytes());
                }
                Event::End(..) | Event::EndOfDocument => {}
            },
        }
    }
}

fn node_of(event: &Event<'_>) -> Option<NodeNumber> {
    match event {
        Event::Start(tag) => Some(tag.node),
        Event::Text(node, ..)
        | Event::Comment(node, ..)
        | Event::ProcessingInstruction(node, ..) => Some(*node),
        Event::End(..) | Event::EndOfDocument => None,
    }
}
