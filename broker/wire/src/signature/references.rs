//! Pass 2: the digests of what the signatures refer to, and which nodes that is.
//!
//! Where a profile is fixed beforehand the same digests are made on speculation, in the one pass
//! there is, and compared with what the signature turns out to say.

use amtsbote_domain::digest::Digest;
use amtsbote_schemas::xml::{Event, EventSink, Limits, NodeNumber, StartTag};

use super::certificate::SignerCertificate;
use super::checked::Checked;
use super::fault::SignatureFault;
use super::parts::Parts;
use super::profile::{Fixed, Name, Over, PathMatch, PathText, Profile};
use super::retrieval::Retrieval;
use super::run::{Digested, Plan, Run};
use super::scan::Found;
use super::signed_info::Reference;
use super::transforms::{Named, Omit, Step};
use super::verification::Verification;
use super::watch::Watches;
use crate::c14n::{Method, Scope, identifiers};

/// Digests while the document is read.
pub(crate) struct ReferencePass {
    slots: Vec<Slot>,
    /// Runs not ended, each with the slot it belongs to.
    runs: Vec<(usize, Run)>,
    own: Own,
    /// Kept where elements are looked for.
    around: Option<Around>,
    speculation: Option<Speculation>,
    pub(super) retrieval: Retrieval,
    watches: Watches,
    last: NodeNumber,
}

/// The open elements: what they declared, and their names.
#[derive(Default)]
struct Around {
    scope: Scope,
    path: PathText,
}

/// One thing to digest.
pub(super) struct Slot {
    /// The signature it belongs to.
    signature: usize,
    /// By what an element is known; none for the document.
    id: Option<String>,
    plan: Plan,
    pub(super) path: String,
    /// How many elements were named.
    pub(super) matches: u32,
    pub(super) outcome: Option<Result<Digested, &'static str>>,
}

/// Which element is the signature itself, for each that is looked at.
enum Own {
    /// By its node.
    Nodes(Vec<NodeNumber>),
    /// The first at its place, where it is still to come.
    Place { path: PathMatch, node: Option<NodeNumber> },
}

impl Own {
    fn node(&self, signature: usize) -> Option<NodeNumber> {
        match self {
            Self::Nodes(nodes) => nodes.get(signature).copied(),
            Self::Place { node, .. } => *node,
        }
    }
}

/// The elements that are digested before any reference is known.
struct Speculation {
    method: Method,
    fixed: Fixed,
    signature: &'static [Name],
    max: usize,
}

impl ReferencePass {
    /// For all references of these signatures; those that could not be read are passed over.
    pub(crate) fn new<'a>(signatures: impl IntoIterator<Item = &'a Found>) -> Self {
        let (mut slots, mut own, mut retrieval) = (Vec::new(), Vec::new(), Retrieval::default());
        for (n, found) in signatures.into_iter().enumerate() {
            own.push(found.node);
            if let Ok(content) = &found.content {
                retrieval.want(&content.hints.retrievals);
                let references = content.info.references.iter();
                slots.extend(references.filter_map(|reference| Slot::of(n, reference)));
            }
        }
        let mut pass = Self::empty(Own::Nodes(own));
        pass.retrieval = retrieval;
        if slots.iter().any(|slot: &Slot| slot.id.is_some()) {
            pass.around = Some(Around::default());
        }
        for slot in slots {
            let whole = slot.id.is_none();
            let run = whole.then(|| Run::document(&slot.plan));
            pass.add(slot, run);
        }
        pass
    }

    /// For signatures that are met while the document is read: see [`ReferencePass::follow`].
    pub(crate) fn following() -> Self {
        let mut pass = Self::empty(Own::Nodes(Vec::new()));
        pass.around = Some(Around::default());
        pass
    }

    /// Takes up what a signature that has just ended refers to. Only what is still to come is
    /// found; a reference to the document as a whole is void.
    pub(crate) fn follow(&mut self, found: &Found) {
        let Own::Nodes(own) = &mut self.own else { return };
        let n = own.len();
        own.push(found.node);
        if let Ok(content) = &found.content {
            let references = content.info.references.iter();
            self.slots.extend(references.filter_map(|reference| Slot::of(n, reference)));
        }
    }

    /// For the one pass of a fixed profile.
    pub(crate) fn speculative(profile: &Profile<'_>, fixed: Fixed) -> Self {
        let path = PathMatch::new(profile.signature);
        let mut pass = Self::empty(Own::Place { path, node: None });
        let method = Method::new(fixed.canonicalization, false);
        match fixed.over {
            Over::Document => {
                let step = Step::Nodes(method);
                let plan = Plan { omit: Omit::Own, step, digest: fixed.digest };
                let run = Run::document(&plan);
                let path = "/".to_owned();
                let slot = Slot { signature: 0, id: None, plan, path, matches: 1, outcome: None };
                pass.add(slot, Some(run));
            }
            Over::Elements => {
                let (signature, max) = (profile.signature, profile.allowed.max_references);
                pass.around = Some(Around::default());
                pass.speculation = Some(Speculation { method, fixed, signature, max });
            }
        }
        pass.watching(profile)
    }

    fn empty(own: Own) -> Self {
        Self {
            slots: Vec::new(),
            runs: Vec::new(),
            own,
            around: None,
            speculation: None,
            retrieval: Retrieval::default(),
            watches: Watches::default(),
            last: NodeNumber(0),
        }
    }

    /// Also notes where the elements are that the profile wants covered.
    pub(crate) fn watching(mut self, profile: &Profile<'_>) -> Self {
        self.watches = Watches::of(profile);
        self
    }

    fn add(&mut self, slot: Slot, run: Option<Run>) {
        self.runs.extend(run.map(|run| (self.slots.len(), run)));
        self.slots.push(slot);
    }

    /// The outcome for each of the signatures that [`ReferencePass::new`] was given, in that order.
    pub(super) fn finish(
        self,
        signatures: &[Found],
        parts: &dyn Parts,
        limits: &Limits,
    ) -> Vec<Result<Checked, SignatureFault>> {
        let mut slots = self.slots.into_iter().peekable();
        let one = |(n, found): (usize, &Found)| {
            let mut checked = Checked::default();
            let references = found.content.iter().flat_map(|content| &content.info.references);
            let mut outcome = Ok(());
            for reference in references {
                // In the order in which they were made; taken even after a fault.
                let slot = match reference.named {
                    Named::Part(_) => None,
                    _ => slots.next_if(|slot| slot.signature == n),
                };
                if outcome.is_ok() {
                    outcome = checked.take(reference, slot, parts, limits);
                }
            }
            outcome.map(|()| checked.merged())
        };
        signatures.iter().enumerate().map(one).collect()
    }

    /// The outcome for the one signature of a profile: its references hold, and everything at
    /// the paths to cover is covered.
    pub(super) fn one(
        mut self,
        found: &Found,
        signer: SignerCertificate,
        document: Digest,
        parts: &dyn Parts,
        limits: &Limits,
    ) -> Result<Verification, SignatureFault> {
        let content = found.read()?;
        let mut checked = Checked::default();
        for reference in &content.info.references {
            let slot = match &reference.named {
                Named::Part(_) => None,
                named => Some(self.slot(reference, named)?),
            };
            checked.take(reference, slot, parts, limits)?;
        }
        let verification = Verification::new(signer, &content.info, checked.merged(), document);
        self.watches.judge(found, &verification)?;
        Ok(verification)
    }

    /// Whether every digest and certificate that the signature asks for was made on speculation.
    pub(crate) fn fits(&self, found: &Found) -> bool {
        let Ok(content) = &found.content else { return true };
        let mut left: Vec<&Slot> = self.slots.iter().collect();
        let made = content.info.references.iter().all(|reference| {
            let plan = Plan::of(reference);
            let known = left.iter().position(|slot| slot.is(&reference.named, &plan));
            matches!(reference.named, Named::Part(_)) || known.map(|n| left.remove(n)).is_some()
        });
        let retrievals = &content.hints.retrievals;
        made && self.retrieval.of(retrievals).count() == retrievals.len()
    }

    /// The digest that a reference asks for: the next one, or the one made on speculation.
    fn slot(&mut self, reference: &Reference, named: &Named) -> Result<Slot, SignatureFault> {
        let place = reference.place;
        let plan = Plan::of(reference);
        let known = self.slots.iter().position(|slot| slot.is(named, &plan));
        match known.map(|n| self.slots.remove(n)) {
            Some(slot) => Ok(slot),
            None if matches!(self.own, Own::Place { .. }) => {
                let rule = "Reference: not built as this entry point fixes it beforehand";
                Err(SignatureFault::AlgorithmNotAllowed { place: Some(place), rule })
            }
            None => Err(SignatureFault::Invalid { place, rule: "Reference: it has no digest" }),
        }
    }

    fn start(&mut self, tag: &StartTag) -> Result<(), SignatureFault> {
        self.last = tag.attributes.last().map_or(tag.node, |a| a.node);
        self.retrieval.start(tag);
        if let Own::Place { path, node } = &mut self.own
            && path.start(tag)
        {
            node.get_or_insert(tag.node);
        }
        let wanted = self.watches.start(tag)?;
        if let Some(around) = &mut self.around {
            around.path.start(tag);
        }
        self.begin(tag, wanted)?;
        if let Some(around) = &mut self.around {
            around.scope.open(tag);
        }
        Ok(())
    }

    /// Begins the digests that start with this element.
    fn begin(
        &mut self,
        tag: &StartTag,
        wanted: Option<(&'static [Name], bool)>,
    ) -> Result<(), SignatureFault> {
        let Some(Around { scope, path }) = &self.around else { return Ok(()) };
        match (&self.speculation, wanted) {
            (Some(speculation), Some((names, children))) => {
                if self.slots.len() >= speculation.max {
                    let limit = "elements that must be covered by a reference each";
                    return Err(SignatureFault::Limit { place: tag.position, limit });
                }
                // The child of a header in which the signature stands is not signed.
                let inside = !children && speculation.signature.starts_with(names);
                let plan = Plan {
                    omit: if inside { Omit::Own } else { Omit::Nothing },
                    step: Step::Nodes(speculation.method.clone()),
                    digest: speculation.fixed.digest,
                };
                for id in identifiers(tag).take(1) {
                    self.runs.push((self.slots.len(), Run::element(&plan, scope, tag)));
                    self.slots.push(Slot {
                        signature: 0,
                        id: Some(id.to_owned()),
                        plan: plan.clone(),
                        path: path.as_str().to_owned(),
                        matches: 1,
                        outcome: None,
                    });
                }
            }
            (Some(_), None) => {}
            (None, _) => {
                for id in identifiers(tag) {
                    for (n, slot) in self.slots.iter_mut().enumerate() {
                        if slot.id.as_deref() != Some(id) {
                            continue;
                        }
                        slot.matches += 1;
                        // A second match is only counted: the result is void already.
                        if slot.matches == 1 {
                            slot.path.push_str(path.as_str());
                            self.runs.push((n, Run::element(&slot.plan, scope, tag)));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn end(&mut self, tag: &StartTag) {
        if let Some(Around { scope, path }) = &mut self.around {
            scope.close();
            path.end();
        }
        if let Own::Place { path, .. } = &mut self.own {
            path.end(tag);
        }
        self.watches.end(tag, self.last);
    }
}

impl std::fmt::Debug for ReferencePass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReferencePass").finish_non_exhaustive()
    }
}

impl EventSink for ReferencePass {
    type Error = SignatureFault;

    fn event(&mut self, event: &Event<'_>) -> Result<(), SignatureFault> {
        match *event {
            Event::Start(tag) => self.start(tag)?,
            Event::End(tag, _) => self.retrieval.end(tag),
            Event::Text(node, text, _) => {
                self.last = node;
                self.retrieval.text(text);
            }
            Event::Comment(node, ..) | Event::ProcessingInstruction(node, ..) => self.last = node,
            Event::EndOfDocument => {}
        }
        let mut n = 0;
        while let Some((slot, run)) = self.runs.get_mut(n) {
            let slot = *slot;
            let own = self.slots.get(slot).and_then(|slot| self.own.node(slot.signature));
            if run.event(event, own, self.last) {
                let (_, run) = self.runs.swap_remove(n);
                let outcome = run.finish(self.last)?;
                if let Some(slot) = self.slots.get_mut(slot) {
                    slot.outcome = Some(outcome);
                }
            } else {
                n += 1;
            }
        }
        if let Event::End(tag, _) = *event {
            self.end(tag);
        }
        Ok(())
    }
}

impl Plan {
    fn of(reference: &Reference) -> Self {
        let Reference { omit, step, digest, .. } = reference;
        Self { omit: *omit, step: step.clone(), digest: *digest }
    }
}

impl Slot {
    /// Whether this is the digest of what is named, made as planned.
    fn is(&self, named: &Named, plan: &Plan) -> bool {
        let names = match named {
            Named::Document => self.id.is_none(),
            Named::Id(id) => self.id.as_ref() == Some(id),
            Named::Part(_) => false,
        };
        names && self.plan == *plan
    }

    fn of(signature: usize, reference: &Reference) -> Option<Self> {
        let (id, path, matches) = match &reference.named {
            Named::Document => (None, "/".to_owned(), 1),
            Named::Id(id) => (Some(id.clone()), String::new(), 0),
            Named::Part(_) => return None,
        };
        Some(Self { signature, id, plan: Plan::of(reference), path, matches, outcome: None })
    }
}
