//! The constraints of an open element: key sequences as they become complete, and what they mean
//! where the element ends.

use super::field::{Found, MAX_KEPT};
use super::{Goal, Keys, Target};
use crate::validate::MAX_FINDINGS;
use crate::validate::tables::ConstraintId;
use crate::validate::tables::identity::Broken;
use crate::validate::tables::identity::compile::Kind;
use crate::validate::tables::identity::references::References;
use crate::validate::tables::identity::table::Table;

/// Emptied tables kept for the next scope.
const MAX_SPARE: usize = 32;

/// A constraint on an open element.
#[derive(Debug)]
pub(super) struct Scope<P> {
    pub(super) constraint: ConstraintId,
    /// Keys of a key or unique.
    table: Table,
    /// References of a keyref that the keys so far do not satisfy for good.
    references: References<P>,
    /// For a keyref: the scope on the same element with the keys it refers to. They satisfy it
    /// whatever happens elsewhere (3.11.5, clause 2).
    beside: Option<u32>,
}

impl<P: Copy> Keys<'_, P> {
    /// Begins the scope of a constraint at the element.
    pub(super) fn open(&mut self, id: ConstraintId) {
        let constraint = self.constraints.get(id);
        let table = match constraint.kind {
            Kind::Keyref(goal) => {
                self.awaited[goal.0 as usize] += 1;
                Table::default()
            }
            Kind::Unique | Kind::Key => self.spare.pop().unwrap_or_default(),
        };
        self.bytes += table.bytes();
        let n = self.scopes.len() as u32;
        let references = References::default();
        self.scopes.push(Scope { constraint: id, table, references, beside: None });
        let start = self.constraints.paths[constraint.selector as usize].start;
        self.arrive(constraint.selector, Goal::Target(n), start);
    }

    /// Shows each keyref of the element the keys it refers to, where the element has them itself.
    pub(super) fn pair(&mut self, first: usize) {
        let constraints = self.constraints;
        for n in first..self.scopes.len() {
            let Kind::Keyref(goal) = constraints.get(self.scopes[n].constraint).kind else {
                continue;
            };
            let is_goal = |scope: &Scope<P>| constraints.get(scope.constraint).definition == goal;
            let beside = self.scopes[first..].iter().position(is_goal);
            self.scopes[n].beside = beside.map(|at| (first + at) as u32);
        }
    }

    /// A target is complete: its key sequence, or the clause that it breaks.
    pub(super) fn judge(
        &mut self,
        target: Target,
        place: &mut dyn FnMut() -> P,
    ) -> Option<&'static str> {
        let scope = &self.scopes[target.scope as usize];
        let constraint = self.constraints.get(scope.constraint);
        let first = target.slots as usize;
        let slots = &self.slots[first..first + constraint.fields as usize];
        let any = |what: Found| slots.iter().any(|slot| slot.found == what);
        let key = constraint.kind == Kind::Key;
        if any(Found::Unfit) {
            return Some("cvc-identity-constraint.3");
        }
        if any(Found::Invalid) {
            return None;
        }
        if any(Found::Nothing) {
            return key.then_some("cvc-identity-constraint.4.2.1");
        }
        let nillable = slots.iter().any(|slot| slot.nillable);
        self.sequence.clear();
        self.sequence.shrink_to(MAX_KEPT);
        for slot in slots {
            slot.append(&mut self.sequence);
        }
        let new = match constraint.kind {
            Kind::Keyref(_) => {
                self.refer(target.scope as usize, place);
                return None;
            }
            Kind::Unique | Kind::Key => {
                let table = &mut self.scopes[target.scope as usize].table;
                let before = table.bytes();
                let new = table.insert(&self.sequence, &self.hash);
                self.bytes += table.bytes() - before;
                new
            }
        };
        match (key, nillable, new) {
            (true, true, _) => Some("cvc-identity-constraint.4.2.3"),
            (true, _, false) => Some("cvc-identity-constraint.4.2.2"),
            (false, _, false) => Some("cvc-identity-constraint.4.1"),
            (_, _, true) => None,
        }
    }

    /// Keeps a reference, unless it is satisfied already whatever comes.
    fn refer(&mut self, scope: usize, place: &mut dyn FnMut() -> P) {
        let beside = self.scopes[scope].beside.map(|n| &self.scopes[n as usize].table);
        if beside.is_some_and(|table| table.contains(&self.sequence, &self.hash)) {
            return;
        }
        let references = &mut self.scopes[scope].references;
        let before = references.bytes();
        references.push(&self.sequence, place());
        self.bytes += references.bytes() - before;
    }

    /// Ends the scopes of the element, which are those from `first` on.
    pub(super) fn close(&mut self, first: usize, found: &mut Vec<Broken<P>>) {
        for n in first..self.scopes.len() {
            let constraint = self.constraints.get(self.scopes[n].constraint);
            if matches!(constraint.kind, Kind::Keyref(_)) {
                continue;
            }
            let table = std::mem::take(&mut self.scopes[n].table);
            if self.awaited[constraint.definition.0 as usize] > 0 {
                self.bytes -= table.bytes();
                self.propagation.adopt(self.depth, constraint.definition, table, &self.hash);
            } else {
                self.keep(table);
            }
        }
        for scope in self.scopes.drain(first..) {
            let Kind::Keyref(goal) = self.constraints.get(scope.constraint).kind else { continue };
            self.awaited[goal.0 as usize] -= 1;
            self.bytes -= scope.references.bytes() + scope.table.bytes();
            let goals = self.propagation.table(self.depth, goal);
            for place in scope.references.dangling(goals, &self.hash) {
                if found.len() > MAX_FINDINGS {
                    break;
                }
                let rule = "cvc-identity-constraint.4.3";
                found.push(Broken { rule, constraint: scope.constraint, place });
            }
        }
    }

    /// Puts a table away for the next scope.
    fn keep(&mut self, mut table: Table) {
        self.bytes -= table.bytes();
        if table.is_small() && self.spare.len() < MAX_SPARE {
            table.clear();
            self.spare.push(table);
        }
    }
}
