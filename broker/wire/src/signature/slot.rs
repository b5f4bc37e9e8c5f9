//! What a pass digests: one thing for each reference, and of which signature.

use amtsbote_schemas::xml::NodeNumber;

use super::profile::PathMatch;
use super::run::{Digested, Plan};
use super::signed_info::Reference;
use super::transforms::Named;

/// One thing to digest.
pub(super) struct Slot {
    /// The signature it belongs to.
    pub(super) signature: usize,
    /// By what an element is known; none for the document.
    pub(super) id: Option<String>,
    pub(super) plan: Plan,
    pub(super) path: String,
    /// How many elements were named.
    pub(super) matches: u32,
    pub(super) outcome: Option<Result<Digested, &'static str>>,
}

impl Slot {
    /// Whether this is the digest of what is named, made as planned.
    pub(super) fn is(&self, named: &Named, plan: &Plan) -> bool {
        let names = match named {
            Named::Document => self.id.is_none(),
            Named::Id(id) => self.id.as_ref() == Some(id),
            Named::Part(_) => false,
        };
        names && self.plan == *plan
    }

    pub(super) fn of(signature: usize, reference: &Reference) -> Option<Self> {
        let (id, path, matches) = match &reference.named {
            Named::Document => (None, "/".to_owned(), 1),
            Named::Id(id) => (Some(id.clone()), String::new(), 0),
            Named::Part(_) => return None,
        };
        Some(Self { signature, id, plan: Plan::of(reference), path, matches, outcome: None })
    }
}

impl Plan {
    pub(super) fn of(reference: &Reference) -> Self {
        let Reference { omit, step, digest, .. } = reference;
        Self { omit: *omit, step: step.clone(), digest: *digest }
    }
}

/// Which element is the signature itself, for each that is looked at.
pub(super) enum Own {
    /// By its node.
    Nodes(Vec<NodeNumber>),
    /// The first at its place, where it is still to come.
    Place { path: PathMatch, node: Option<NodeNumber> },
}

impl Own {
    pub(super) fn node(&self, signature: usize) -> Option<NodeNumber> {
        match self {
            Self::Nodes(nodes) => nodes.get(signature).copied(),
            Self::Place { node, .. } => *node,
        }
    }
}
