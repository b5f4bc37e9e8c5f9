//! What a dossier proves, step by step.

use super::report::{DossierReport, Fault, History, ReceiptLine, Unaltered};
use super::{Anchor, Dossier, hex, is_acceptance, recorded_parts};
use crate::checkpoint::{self, Checkpoint};
use crate::note::VerifierKey;
use crate::origin::Origin;
use crate::tree;

/// What the checker holds from elsewhere, and therefore believes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trusted<'t> {
    /// The hub's verifier keys. One also stands for the same node's other epochs, unless another
    /// one bears that epoch's name.
    pub keys: &'t [VerifierKey],
    /// Signed heads from a witness, a time stamp or the checker's own archive.
    pub heads: &'t [String],
}

pub(super) fn check(dossier: &Dossier, trusted: &Trusted<'_>) -> DossierReport {
    let mut run =
        Run { dossier, trusted, faults: Vec::new(), lines: Vec::new(), heads: Vec::new() };
    run.key();
    run.receipts();
    run.content();
    run.single_heads();
    let history = run.history();
    let unaltered = match (run.faults.is_empty(), trusted.keys.is_empty()) {
        (false, _) => Unaltered::Failed,
        (true, false) => Unaltered::Proven,
        (true, true) => Unaltered::SelfAsserted,
    };
    DossierReport {
        hub_id: dossier.hub_id.clone(),
        keys: dossier.keys.clone(),
        unaltered,
        history,
        receipts: run.lines,
        envelope: dossier.envelope.is_some(),
        parts: dossier.parts.len(),
        faults: run.faults,
    }
}

struct Run<'d> {
    dossier: &'d Dossier,
    trusted: &'d Trusted<'d>,
    faults: Vec<Fault>,
    /// The receipts that verified.
    lines: Vec<ReceiptLine>,
    /// Their heads, in the same order.
    heads: Vec<Checkpoint>,
}

impl Run<'_> {
    /// The key of `origin`: a trusted one, or else, where none is trusted, the dossier's.
    fn key_for(&self, origin: &str) -> Option<VerifierKey> {
        let trusted = self.trusted.keys;
        let keys = if trusted.is_empty() { &self.dossier.keys[..] } else { trusted };
        if let Some(key) = keys.iter().find(|key| key.name() == origin) {
            return Some(key.clone());
        }
        // A hub keeps its key over its epochs; only the name in front of it changes. What the
        // dossier merely asserts is not stretched like that.
        let node = Origin::parse(origin).ok()?;
        let same_node = |key: &&VerifierKey| {
            Origin::parse(key.name()).is_ok_and(|ours| ours.node() == node.node())
        };
        trusted.iter().find(same_node)?.for_origin(origin).ok()
    }

    /// A dossier that names other keys than the trusted ones contradicts them.
    fn key(&mut self) {
        let trusted = self.trusted.keys;
        let known = |key: &VerifierKey| trusted.iter().any(|ours| ours.public() == key.public());
        if !trusted.is_empty() && !self.dossier.keys.iter().all(known) {
            self.faults.push(Fault::OtherKey);
        }
    }

    fn receipts(&mut self) {
        let dossier = self.dossier;
        if dossier.receipts.is_empty() {
            self.faults.push(Fault::NoReceipt);
        }
        for (position, receipt) in dossier.receipts.iter().enumerate() {
            let number = position + 1;
            let origin = match Checkpoint::unverified(receipt.head()) {
                Ok(head) => head.origin,
                Err(error) => {
                    self.faults.push(Fault::Receipt { number, error: error.into() });
                    continue;
                }
            };
            let Some(key) = self.key_for(&origin) else {
                self.faults.push(Fault::NoKey { number });
                continue;
            };
            match receipt.verify(&key) {
                Ok(proven) => {
                    if text(proven.record, "hub_id") != Some(&dossier.hub_id) {
                        self.faults.push(Fault::OtherMessage { number });
                    }
                    self.lines.push(ReceiptLine {
                        number,
                        kind: text(proven.record, "kind").unwrap_or_default().to_owned(),
                        time: text(proven.record, "time").map(ToOwned::to_owned),
                        log: proven.checkpoint.origin.clone(),
                        index: proven.index,
                        size: proven.checkpoint.size,
                    });
                    self.heads.push(proven.checkpoint);
                }
                Err(error) => self.faults.push(Fault::Receipt { number, error }),
            }
        }
    }

    /// Envelope and list of parts are what the one acceptance records.
    fn content(&mut self) {
        let dossier = self.dossier;
        let records = dossier.receipts.iter().map(|receipt| receipt.record());
        let acceptances: Vec<_> = records.filter(|record| is_acceptance(record)).collect();
        let [accepted] = acceptances[..] else {
            if acceptances.len() > 1 {
                self.faults.push(Fault::TwoAcceptances);
            } else if dossier.envelope.is_some() || !dossier.parts.is_empty() {
                self.faults.push(Fault::NoAcceptance);
            }
            return;
        };
        if recorded_parts(accepted).as_ref() != Some(&dossier.parts) {
            self.faults.push(Fault::Parts);
        }
        if let Some(envelope) = &dossier.envelope {
            let digest = hex(&openssl::sha::sha256(envelope));
            if text(accepted, "envelope_sha256") != Some(&digest) {
                self.faults.push(Fault::Envelope);
            }
        }
    }

    /// One log, one size, one root: two signed heads that differ are two histories.
    fn single_heads(&mut self) {
        let split = self.heads.iter().enumerate().any(|(position, head)| {
            self.heads[..position].iter().any(|earlier| contradicts(earlier, head))
        });
        if split {
            self.faults.push(Fault::SplitView);
        }
    }

    fn history(&mut self) -> History {
        let outside = self.trusted.heads;
        let notes: Vec<&str> = if outside.is_empty() {
            self.dossier.anchors.iter().map(|Anchor { head, .. }| head.as_str()).collect()
        } else {
            outside.iter().map(String::as_str).collect()
        };
        if notes.is_empty() {
            return History::NoAnchor;
        }
        let faults_before = self.faults.len();
        let anchors = self.anchors(&notes);
        let mut uncovered = Vec::new();
        for position in 0..self.lines.len() {
            if !self.covered(position, &anchors) {
                uncovered.push(self.lines[position].number);
            }
        }
        if self.faults.len() > faults_before {
            History::Contradicted
        } else if self.lines.is_empty() || self.lines.len() < self.dossier.receipts.len() {
            History::NotCovered { receipts: Vec::new() }
        } else if !uncovered.is_empty() {
            History::NotCovered { receipts: uncovered }
        } else if outside.is_empty() {
            History::Uncompared
        } else {
            History::Proven
        }
    }

    /// The anchored heads that are this hub's.
    fn anchors(&mut self, notes: &[&str]) -> Vec<Checkpoint> {
        let mut anchors = Vec::new();
        for (position, note) in notes.iter().enumerate() {
            let head = Checkpoint::unverified(note)
                .ok()
                .and_then(|head| self.key_for(&head.origin))
                .and_then(|key| checkpoint::verify(note, &key).ok());
            match head {
                Some(head) => anchors.push(head),
                None => self.faults.push(Fault::Anchor { number: position + 1 }),
            }
        }
        anchors
    }

    /// Whether some anchored head holds the record of this receipt in one history with it. What is
    /// found to contradict becomes a fault.
    fn covered(&mut self, position: usize, anchors: &[Checkpoint]) -> bool {
        let (index, number) = (self.lines[position].index, self.lines[position].number);
        let head = self.heads[position].clone();
        let mut covered = false;
        for anchor in anchors.iter().filter(|anchor| anchor.origin == head.origin) {
            match self.consistent(&head, anchor) {
                // A head anchored before the record was made says nothing about the record.
                Some(true) => covered |= index < anchor.size,
                Some(false) => self.faults.push(Fault::Inconsistent { number }),
                None => {}
            }
        }
        covered
    }

    /// Whether two heads of one log are one history; `None` where the dossier has no proof.
    fn consistent(&self, one: &Checkpoint, other: &Checkpoint) -> Option<bool> {
        if contradicts(one, other) {
            return Some(false);
        }
        if one.size == other.size {
            return Some(true);
        }
        let (old, new) = if one.size < other.size { (one, other) } else { (other, one) };
        if old.size == 0 {
            return Some(old.root == tree::empty_root());
        }
        // One proof for a pair of heads: a second could only repeat the first.
        let given = self.dossier.consistency.iter().find(|given| {
            (given.old, given.new) == (old.size, new.size) && given.log == old.origin
        })?;
        let proof = &given.proof;
        Some(tree::verify_consistency(old.size, &old.root, new.size, &new.root, proof).is_ok())
    }
}

fn contradicts(one: &Checkpoint, other: &Checkpoint) -> bool {
    one.origin == other.origin && one.size == other.size && one.root != other.root
}

fn text<'v>(record: &'v serde_json::Value, name: &str) -> Option<&'v str> {
    record.get(name).and_then(serde_json::Value::as_str)
}
