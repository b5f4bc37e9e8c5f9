//! `xs:all` of XSD 1.0 (Structures 3.8): each member at most once, in any order.

use xsd_schema::ElementKey;
use xsd_schema::compiler::{AllGroupModel, MaxOccurs, NfaTerm};

use super::super::{ElementId, Symbol, Wildcard, WildcardId};
use super::labels::{Label, Namer};
use super::{Expected, Run, Term};

/// A compiled `xs:all`.
#[derive(Debug)]
pub(super) struct AllGroup {
    /// Sorted by symbol, then by member.
    entries: Box<[Entry]>,
    /// The bits of the members that must come.
    required: Box<[u64]>,
    /// The whole group may be missing.
    optional: bool,
}

#[derive(Debug)]
struct Entry {
    symbol: Symbol,
    member: u32,
    element: ElementId,
    /// Place in document order.
    order: u32,
}

impl AllGroup {
    pub(super) fn compile<E, W>(
        group: &AllGroupModel,
        namer: &mut Namer<'_, E, W>,
    ) -> Result<Self, &'static str>
    where
        E: FnMut(&NfaTerm, Option<ElementKey>) -> ElementId,
        W: FnMut(Wildcard) -> WildcardId,
    {
        if group.open_content.is_some() {
            return Err("open content");
        }
        let mut entries = Vec::new();
        let mut required = vec![0; group.particles.len().div_ceil(64)];
        for (member, particle) in group.particles.iter().enumerate() {
            match (particle.min_occurs, particle.max_occurs) {
                (0, MaxOccurs::Bounded(0)) => continue,
                (0, MaxOccurs::Bounded(1)) => {}
                (1, MaxOccurs::Bounded(1)) => required[member / 64] |= 1 << (member % 64),
                _ => return Err("a member of xs:all more than once"),
            }
            let label = namer.label(&particle.term)?;
            let Label::Names(names) = namer.get(label) else {
                return Err("a wildcard in xs:all");
            };
            for &(symbol, element) in names {
                let order = entries.len() as u32;
                entries.push(Entry { symbol, member: member as u32, element, order });
            }
        }
        entries.sort_unstable_by_key(|entry| (entry.symbol, entry.member));
        let optional = group.outer_optional;
        Ok(Self { entries: entries.into(), required: required.into(), optional })
    }

    pub(super) fn start(&self, run: &mut Run) {
        run.seen.clear();
        run.seen.resize(self.required.len(), 0);
    }

    pub(super) fn step(&self, run: &mut Run, symbol: Symbol) -> Option<Term> {
        let first = self.entries.partition_point(|entry| entry.symbol < symbol);
        let mut same = self.entries[first..].iter().take_while(|entry| entry.symbol == symbol);
        // Two members of one name break the rule of unique attribution; then the first in
        // document order that has not come yet.
        let entry = same.find(|entry| !has_come(run, entry.member))?;
        run.seen[entry.member as usize / 64] |= 1 << (entry.member % 64);
        Some(Term::Element(entry.element))
    }

    /// What admits an element that has come already.
    pub(super) fn declared(&self, symbol: Symbol) -> Option<Term> {
        let entry = self.entries.iter().find(|entry| entry.symbol == symbol)?;
        Some(Term::Element(entry.element))
    }

    pub(super) fn elements(&self) -> Vec<(Symbol, ElementId)> {
        self.entries.iter().map(|entry| (entry.symbol, entry.element)).collect()
    }

    pub(super) fn accepts(&self, run: &Run) -> bool {
        let complete = || self.required.iter().zip(&run.seen).all(|(all, seen)| all & !seen == 0);
        (self.optional && run.seen.iter().all(|seen| *seen == 0)) || complete()
    }

    pub(super) fn expected(&self, run: &Run) -> Vec<(u32, Expected)> {
        let open = self.entries.iter().filter(|entry| !has_come(run, entry.member));
        open.map(|entry| (entry.order, Expected::Element(entry.symbol))).collect()
    }
}

fn has_come(run: &Run, member: u32) -> bool {
    run.seen[member as usize / 64] >> (member % 64) & 1 == 1
}
