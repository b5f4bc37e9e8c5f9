//! What the references of one signature turned out to cover.

use amtsbote_schemas::xml::{Limits, NodeNumber};

use super::fault::SignatureFault;
use super::parts::{self, CoveredPart, NoDigest, Parts};
use super::run::Digested;
use super::signed_info::Reference;
use super::slot::Slot;
use super::transforms::{Named, Omit, Step};
use crate::c14n::Interval;

/// One thing that a signature covers inside the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoveredNode {
    /// Local names from the root to the element; `/` is the whole document.
    pub path: String,
    /// First and last node that count as signed, but for signatures left out.
    pub nodes: Interval,
    /// A signature lies in it and is left out.
    pub without_signature: bool,
    /// Only what its text stands for in Base64 is signed, not the element around it.
    pub text_only: bool,
}

/// What the references of one signature turned out to be.
#[derive(Default)]
pub(super) struct Checked {
    pub(super) nodes: Vec<CoveredNode>,
    pub(super) parts: Vec<CoveredPart>,
    /// Stretches of the document, ordered and parted, without what was left out.
    pub(super) covered: Vec<Interval>,
}

impl Checked {
    /// Judges one reference: by `slot` where it names nodes, else by the part it names.
    pub(super) fn take(
        &mut self,
        reference: &Reference,
        slot: Option<Slot>,
        parts: &dyn Parts,
        limits: &Limits,
    ) -> Result<(), SignatureFault> {
        let place = reference.place;
        let invalid = |rule| Err(SignatureFault::Invalid { place, rule });
        const DIFFERS: &str = "DigestValue: it does not fit what the Reference refers to";
        if let Named::Part(uri) = &reference.named {
            return match parts::digest(parts, uri, &reference.step, reference.digest, limits) {
                Ok((value, _)) if value != reference.value => invalid(DIFFERS),
                Ok((_, bytes)) => {
                    self.parts.push(CoveredPart { uri: uri.clone(), bytes });
                    Ok(())
                }
                Err(NoDigest::Rule(rule)) => invalid(rule),
                Err(NoDigest::Fault(fault)) => Err(fault),
            };
        }
        let (path, digested) = match slot {
            Some(Slot { matches: 1, path, outcome: Some(Ok(digested)), .. }) => (path, digested),
            Some(Slot { matches: 2.., .. }) => {
                let rule = "Reference: more than one element has this Id";
                return Err(SignatureFault::Coverage { place: Some(place), rule });
            }
            Some(Slot { outcome: Some(Err(rule)), .. }) => return invalid(rule),
            _ => return invalid("Reference: no element has this Id"),
        };
        let Digested { value, nodes, holes } = digested;
        if reference.omit == Omit::Own && holes.is_empty() {
            return invalid("enveloped-signature: the signature is not inside what it refers to");
        }
        if value != reference.value {
            return invalid(DIFFERS);
        }
        let without_signature = !holes.is_empty();
        let text_only = reference.step == Step::Base64;
        // Text without the element around it says nothing about the document: it could stand in
        // any element that is given the Id.
        if !text_only {
            self.covered.extend(without(nodes, &holes));
        }
        self.nodes.push(CoveredNode { path, nodes, without_signature, text_only });
        Ok(())
    }

    pub(super) fn merged(mut self) -> Self {
        self.covered = merged(self.covered);
        self
    }
}

/// `stretch` without `holes`, which lie inside it, in order and apart.
pub(super) fn without(
    (first, last): Interval,
    holes: &[Interval],
) -> impl Iterator<Item = Interval> {
    let begins = std::iter::once(first).chain(holes.iter().map(|hole| NodeNumber(hole.1.0 + 1)));
    let ends = holes.iter().map(|hole| hole.0.0.checked_sub(1).map(NodeNumber));
    let ends = ends.chain(std::iter::once(Some(last)));
    begins.zip(ends).filter_map(|(from, to)| to.filter(|to| from <= *to).map(|to| (from, to)))
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
