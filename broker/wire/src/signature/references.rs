//! Pass 2: the digests of what the signatures refer to, and which nodes that is.
//!
//! Where a profile is fixed beforehand the same digests are made on speculation, in the one pass
//! there is, and compared with what the signature turns out to say.

use amtsbote_domain::digest::Digest;
use amtsbote_schemas::xml::{Event, EventSink, Limits, NodeNumber, StartTag};

use super::algorithm::DigestAlgorithm;
use super::certificate::SignerCertificate;
use super::checked::Checked;
use super::fault::SignatureFault;
use super::parts::Parts;
use super::profile::{Fixed, Name, Over, PathMatch, PathText, Profile};
use super::retrieval::Retrieval;
use super::run::{Plan, Run};
use super::scan::Found;
use super::signed_info::Reference;
use super::slot::{Own, Slot};
use super::speculation::{Speculation, TooMany};
use super::transforms::{Named, Omit, Step};
use super::verification::Verification;
use super::watch::Watches;
use crate::c14n::{Method, Scope, identifiers};

/// Most digests made at the same time for signatures that are met on the way, by whomever.
pub(crate) const MAX_OPEN_RUNS: usize = 16;

/// Digests while the document is read.
pub(crate) struct ReferencePass {
    slots: Vec<Slot>,
    /// Runs not ended, each with the slot it belongs to.
    runs: Vec<(usize, Run)>,
    own: Own,
    /// Kept where elements are looked for.
    around: Option<Around>,
    speculation: Option<Speculation>,
    /// Kept where signatures are followed: their slots, each with the depth of the element that
    /// holds signature and content. Inner ones come last.
    held: Option<Vec<(usize, u32)>>,
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

const TOO_MANY_RUNS: &str = "Reference: more is to be digested at the same time than is allowed";

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
        pass.held = Some(Vec::new());
        pass
    }

    /// Takes up what a signature that has just ended refers to. Found is only what is still to come
    /// in the open element at depth `holder`, as its child or grandchild; a reference to anything
    /// else is void. No more than [`MAX_OPEN_RUNS`] digests are made at the same time.
    pub(crate) fn follow(&mut self, found: &Found, holder: u32) {
        let (Own::Nodes(own), Some(held)) = (&mut self.own, &mut self.held) else { return };
        let n = own.len();
        own.push(found.node);
        if let Ok(content) = &found.content {
            for slot in content.info.references.iter().filter_map(|one| Slot::of(n, one)) {
                held.push((self.slots.len(), holder));
                self.slots.push(slot);
            }
        }
    }

    /// The signature may state other digests than the fixed one: the first `ahead` elements are
    /// digested by all of `digests`, until [`ReferencePass::settle`] says which counts.
    pub(crate) fn trying(mut self, digests: &[DigestAlgorithm], ahead: usize) -> Self {
        if let Some(speculation) = &mut self.speculation {
            speculation.trying(digests, ahead);
        }
        self
    }

    /// From here on what the signature says is digested, as it says, and nothing else; nothing at
    /// all where there is none. The first one counts.
    pub(crate) fn settle(&mut self, found: Option<&Found>) {
        if let Some(speculation) = &mut self.speculation {
            speculation.settle(found);
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
                pass.around = Some(Around::default());
                pass.speculation = Some(Speculation::new(profile, fixed));
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
            held: None,
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
        match (&mut self.speculation, wanted) {
            (Some(speculation), Some(wanted)) => {
                let Some(id) = identifiers(tag).next() else { return Ok(()) };
                let plans = speculation.plans(tag, id, wanted).map_err(|TooMany| {
                    let limit = "elements that must be covered by a reference each";
                    SignatureFault::Limit { place: tag.position, limit }
                })?;
                for plan in plans {
                    self.runs.push((self.slots.len(), Run::element(&plan, scope, tag)));
                    let (id, path) = (Some(id.to_owned()), path.as_str().to_owned());
                    self.slots.push(Slot {
                        signature: 0,
                        id,
                        plan,
                        path,
                        matches: 1,
                        outcome: None,
                    });
                }
            }
            (Some(_), None) => {}
            (None, _) if self.held.is_some() => {
                for &(n, holder) in self.held.iter().flatten() {
                    let near = tag.depth > holder && tag.depth - holder <= 2;
                    let Some(slot) = self.slots.get_mut(n).filter(|_| near) else { continue };
                    if !identifiers(tag).any(|id| slot.id.as_deref() == Some(id)) {
                        continue;
                    }
                    slot.matches += 1;
                    if slot.matches > 1 {
                        continue;
                    }
                    slot.path.push_str(path.as_str());
                    if self.runs.len() == MAX_OPEN_RUNS {
                        slot.outcome = Some(Err(TOO_MANY_RUNS));
                    } else {
                        self.runs.push((n, Run::element(&slot.plan, scope, tag)));
                    }
                }
            }
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
        if let Some(held) = &mut self.held {
            while held.pop_if(|(_, holder)| *holder == tag.depth).is_some() {}
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
