//! From the library's automaton to ours: states that one name reaches in the same way become one
//! node, and so do states after which the same follows.

use std::collections::HashMap;

use xsd_schema::ElementKey;
use xsd_schema::compiler::{NfaTable, NfaTerm, StateId};

use super::super::{ElementId, NamespaceSet, Symbol, Wildcard, WildcardId};
use super::Term;
use super::automaton::{Automaton, Counter, Edge, MAX_CONFIGURATIONS, Move, Node, Span, WildEdge};
use super::closure::{Closure, Graph, Reached};
use super::labels::{Label, Namer};

/// Most nodes of one content model.
const MAX_NODES: usize = 20_000;
/// Most edges of one content model.
const MAX_EDGES: usize = 500_000;
/// Most ways on that are gathered while one content model is compiled, over all nodes: small groups
/// written out within each other reach nearly everything from everywhere.
const MAX_GATHERED: usize = 5_000_000;

/// Compiles a content model.
pub(super) fn compile<E, W>(
    table: &NfaTable,
    namer: &mut Namer<'_, E, W>,
) -> Result<Automaton, &'static str>
where
    E: FnMut(&NfaTerm, Option<ElementKey>) -> ElementId,
    W: FnMut(Wildcard) -> WildcardId,
{
    let mut labels = vec![NO_LABEL; table.states.len()];
    let mut orders = vec![0; table.states.len()];
    let mut order = 0_u32;
    for (position, state) in table.states.iter().enumerate() {
        let Some(term) = &state.term else { continue };
        let label = namer.label(term)?;
        labels[position] = label;
        orders[position] = order;
        let names = match namer.get(label) {
            Label::Names(names) => names.len(),
            Label::Wildcard(..) => 1,
        };
        order = order.checked_add(names as u32).ok_or("a content model that is too large")?;
    }
    let graph = Graph::new(table)?;
    let mut builder = Builder {
        labels: &labels,
        orders: &orders,
        drafts: Vec::new(),
        by_follow: HashMap::new(),
        by_positions: HashMap::new(),
        gathered: 0,
        graph,
    };
    let closure = builder.graph.before()?;
    let start = builder.graph.start();
    let stack = builder.graph.stack_of(start);
    builder.node(stack, closure)?;
    let mut made = Automaton {
        nodes: Box::default(),
        edges: Box::default(),
        wild: Box::default(),
        counters: Box::default(),
        unsettled: false,
    };
    let (mut nodes, mut edges, mut wild) = (Vec::new(), Vec::new(), Vec::new());
    let mut counters = Counters::default();
    let mut configurations = 0_u64;
    while nodes.len() < builder.drafts.len() {
        let draft = builder.drafts[nodes.len()].clone();
        let around = builder.graph.counters(draft.stack);
        let (first_edge, first_wild) = (edges.len(), wild.len());
        builder.named_edges(&draft, namer, &mut edges)?;
        builder.wild_edges(&draft, namer, &mut wild)?;
        if edges.len() + wild.len() > MAX_EDGES {
            return Err("a content model that is too large");
        }
        let same_name = |one: &Edge, other: &Edge| one.symbol == other.symbol;
        let same_space = |one: &WildEdge, other: &WildEdge| one.namespaces == other.namespaces;
        let mut groups = edges[first_edge..].chunk_by(same_name);
        let mut wild_groups = wild[first_wild..].chunk_by(same_space);
        made.unsettled |= !groups.all(|group| exclusive(group.iter().map(|one| &one.to), &around))
            || !wild_groups.all(|group| exclusive(group.iter().map(|one| &one.to), &around));
        configurations = configurations.saturating_add(most_at_once(&around));
        nodes.push(Node {
            edges: span(first_edge, edges.len()),
            wild: span(first_wild, wild.len()),
            counters: counters.span(&around),
            accepting: draft.accepting,
        });
    }
    if made.unsettled && configurations > MAX_CONFIGURATIONS {
        return Err("counts that names do not settle");
    }
    made.nodes = nodes.into();
    made.edges = edges.into();
    made.wild = wild.into();
    made.counters = counters.all.into();
    Ok(made)
}

const NO_LABEL: usize = usize::MAX;

struct Builder<'a> {
    labels: &'a [usize],
    orders: &'a [u32],
    drafts: Vec<Draft>,
    by_follow: HashMap<Draft, u32>,
    by_positions: HashMap<Vec<StateId>, u32>,
    gathered: usize,
    graph: Graph<'a>,
}

/// A node before its edges are made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Draft {
    /// The counted groups around it.
    stack: u32,
    /// What may follow.
    follow: Vec<Reached>,
    accepting: bool,
}

/// The way of an edge, and the groups around its target: edges that agree in it lead to one node.
type Way = (u8, bool, u32);

impl Builder<'_> {
    /// The node from which that follows.
    fn node(&mut self, stack: u32, closure: Closure) -> Result<u32, &'static str> {
        let Closure { mut reached, accepting } = closure;
        self.drop_covered(stack, &mut reached);
        let draft = Draft { stack, follow: reached, accepting };
        if let Some(known) = self.by_follow.get(&draft) {
            return Ok(*known);
        }
        if self.drafts.len() == MAX_NODES {
            return Err("a content model that is too large");
        }
        let id = self.drafts.len() as u32;
        self.drafts.push(draft.clone());
        self.by_follow.insert(draft, id);
        Ok(id)
    }

    /// The node after one of some positions was read; all lie within the same groups.
    fn after(&mut self, positions: Vec<StateId>) -> Result<u32, &'static str> {
        if let Some(known) = self.by_positions.get(&positions) {
            return Ok(*known);
        }
        let mut all = Closure::default();
        for &position in &positions {
            let one = self.graph.after(position)?;
            self.gathered += one.reached.len();
            if self.gathered > MAX_GATHERED {
                return Err("a content model that is too large");
            }
            all.reached.extend(one.reached);
            all.accepting |= one.accepting;
        }
        all.reached.sort_unstable();
        all.reached.dedup();
        let node = self.node(self.graph.stack_of(positions[0]), all)?;
        self.by_positions.insert(positions, node);
        Ok(node)
    }

    /// Of several ways to one position drops those that another can replace always, and those
    /// that can never be gone.
    fn drop_covered(&self, stack: u32, reached: &mut Vec<Reached>) {
        let here = self.graph.counters(stack);
        reached.retain(|one| !one.repeat || here[usize::from(one.keep)].most > 0);
        if here.is_empty() {
            return; // there is one way only
        }
        let all = reached.clone();
        reached.retain(|one| {
            let first = all.partition_point(|other| other.position < one.position);
            let ways = all[first..].iter().take_while(|other| other.position == one.position);
            let there = self.graph.counters(self.graph.stack_of(one.position));
            !{ ways }.any(|other| other != one && covers(other, one, &here, &there))
        });
    }

    fn named_edges<E, W>(
        &mut self,
        draft: &Draft,
        namer: &Namer<'_, E, W>,
        into: &mut Vec<Edge>,
    ) -> Result<(), &'static str>
    where
        E: FnMut(&NfaTerm, Option<ElementKey>) -> ElementId,
        W: FnMut(Wildcard) -> WildcardId,
    {
        let mut all: Vec<(Symbol, Way, Candidate)> = Vec::new();
        let mut wild = Vec::new();
        for reached in &draft.follow {
            let way = self.way(reached);
            let order = self.orders[reached.position as usize];
            match namer.get(self.labels[reached.position as usize]) {
                Label::Names(names) => {
                    for (index, &(symbol, element)) in names.iter().enumerate() {
                        // Counted while labels were given: it fits.
                        let order = order + index as u32;
                        let term = Term::Element(element);
                        all.push((symbol, way, Candidate { order, term, at: reached.position }));
                    }
                }
                Label::Wildcard(namespaces, id) => {
                    let term = Term::Wildcard(*id);
                    wild.push((namespaces, way, Candidate { order, term, at: reached.position }));
                }
            }
            if all.len() > MAX_EDGES {
                return Err("a content model that is too large");
            }
        }
        if !wild.is_empty() {
            // Only where unique attribution is broken: a wildcard beside the name.
            let mut names: Vec<Symbol> = all.iter().map(|(symbol, ..)| *symbol).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                let namespace = namer.symbols.namespace(name);
                let also = wild.iter().filter(|(namespaces, ..)| namespaces.admits(namespace));
                all.extend(also.map(|(_, way, candidate)| (name, *way, *candidate)));
            }
        }
        all.sort_unstable_by_key(|(symbol, way, candidate)| (*symbol, *way, candidate.order));
        for group in all.chunk_by(|one, other| (one.0, one.1) == (other.0, other.1)) {
            let (symbol, way, _) = group[0];
            let to = self.edge(way, group.iter().map(|(.., candidate)| *candidate))?;
            into.push(Edge { symbol, to });
        }
        Ok(())
    }

    fn wild_edges<E, W>(
        &mut self,
        draft: &Draft,
        namer: &Namer<'_, E, W>,
        into: &mut Vec<WildEdge>,
    ) -> Result<(), &'static str>
    where
        E: FnMut(&NfaTerm, Option<ElementKey>) -> ElementId,
        W: FnMut(Wildcard) -> WildcardId,
    {
        let mut wild: Vec<(NamespaceSet, Way, Candidate)> = Vec::new();
        for reached in &draft.follow {
            let at = reached.position;
            if let Label::Wildcard(namespaces, id) = namer.get(self.labels[at as usize]) {
                let order = self.orders[at as usize];
                let candidate = Candidate { order, term: Term::Wildcard(*id), at };
                wild.push((namespaces.clone(), self.way(reached), candidate));
            }
        }
        let sets: Vec<&NamespaceSet> = wild.iter().map(|(namespaces, ..)| namespaces).collect();
        for class in classes(&sets) {
            let mut members: Vec<(Way, Candidate)> =
                class.members.iter().map(|&index| (wild[index].1, wild[index].2)).collect();
            members.sort_unstable_by_key(|(way, candidate)| (*way, candidate.order));
            for group in members.chunk_by(|one, other| one.0 == other.0) {
                let to = self.edge(group[0].0, group.iter().map(|(_, candidate)| *candidate))?;
                into.push(WildEdge { namespaces: class.namespaces.clone(), to });
            }
        }
        Ok(())
    }

    fn way(&self, reached: &Reached) -> Way {
        (reached.keep, reached.repeat, self.graph.stack_of(reached.position))
    }

    /// One edge for candidates that are reached in one way, sorted by document order.
    fn edge(
        &mut self,
        (keep, repeat, _): Way,
        candidates: impl Iterator<Item = Candidate> + Clone,
    ) -> Result<Move, &'static str> {
        let mut positions: Vec<StateId> = candidates.clone().map(|one| one.at).collect();
        positions.sort_unstable();
        positions.dedup();
        let next = self.after(positions)?;
        let first = candidates.min_by_key(|one| one.order).ok_or("an edge without a term")?;
        Ok(Move { next, term: first.term, order: first.order, keep, repeat })
    }
}

#[derive(Clone, Copy)]
struct Candidate {
    order: u32,
    term: Term,
    at: StateId,
}

/// Names that some wildcards treat alike.
struct Class {
    namespaces: NamespaceSet,
    /// The wildcards that admit them, as indexes.
    members: Vec<usize>,
}

/// Parts all names into classes by the wildcards that admit them. One class where the wildcards
/// are one, as unique attribution wants it, or have the same namespaces.
fn classes(sets: &[&NamespaceSet]) -> Vec<Class> {
    let Some(first) = sets.first() else { return Vec::new() };
    if sets.iter().all(|set| set == first) {
        let members = (0..sets.len()).collect();
        return vec![Class { namespaces: (*first).clone(), members }];
    }
    let mut mentioned: Vec<&str> = Vec::new();
    for set in sets {
        if let NamespaceSet::Not(these) | NamespaceSet::These(these) = set {
            mentioned.extend(these.iter().map(|one| &**one));
        }
    }
    mentioned.sort_unstable();
    mentioned.dedup();
    let members = |allows: &dyn Fn(&NamespaceSet) -> bool| -> Vec<usize> {
        (0..sets.len()).filter(|&index| allows(sets[index])).collect()
    };
    let others = members(&|set| !matches!(set, NamespaceSet::These(_)));
    let mut by_members: Vec<(Vec<usize>, Vec<Box<str>>)> = Vec::new();
    let mut unlike_others: Vec<Box<str>> = Vec::new();
    for namespace in mentioned {
        let admit = members(&|set| set.admits(namespace));
        if admit == others {
            continue;
        }
        unlike_others.push(namespace.into());
        match by_members.iter_mut().find(|(known, _)| *known == admit) {
            Some((_, namespaces)) => namespaces.push(namespace.into()),
            None => by_members.push((admit, vec![namespace.into()])),
        }
    }
    let rest = match unlike_others.is_empty() {
        true => NamespaceSet::Any,
        false => NamespaceSet::Not(unlike_others.into()),
    };
    let these = by_members.into_iter().map(|(members, namespaces)| Class {
        namespaces: NamespaceSet::These(namespaces.into()),
        members,
    });
    let all = std::iter::once(Class { namespaces: rest, members: others }).chain(these);
    all.filter(|class| !class.members.is_empty()).collect()
}

/// Whether of two ways to one position the first always leads as far as the second: it asks for
/// no more, and its numbers are as good (see `Automaton::covers`).
fn covers(one: &Reached, other: &Reached, here: &[Counter], there: &[Counter]) -> bool {
    let ends = |way: &Reached, slot: usize| {
        slot >= usize::from(way.keep) + usize::from(way.repeat) && here[slot].least > 0
    };
    let asks_no_more =
        !one.repeat && (0..here.len()).all(|slot| !ends(one, slot) || ends(other, slot));
    asks_no_more
        && there.iter().enumerate().all(|(slot, counter)| {
            let (one, other) = (number(one, slot), number(other, slot));
            one == other
                || (counter.least == 0
                    && matches!((one, other), (Number::Zero, _) | (Number::Same, Number::Higher)))
        })
}

#[derive(PartialEq)]
enum Number {
    Zero,
    Same,
    Higher,
}

fn number(way: &Reached, slot: usize) -> Number {
    let keep = usize::from(way.keep);
    match slot {
        _ if slot < keep => Number::Same,
        _ if slot == keep && way.repeat => Number::Higher,
        _ => Number::Zero,
    }
}

/// Whether at most one of some edges can be gone at any time.
fn exclusive<'a>(edges: impl Iterator<Item = &'a Move> + Clone, around: &[Counter]) -> bool {
    let one_excludes = |one: &Move, other: &Move| {
        let keep = usize::from(one.keep);
        // One begins a group again that the other ends, and there is no number for both.
        one.repeat
            && (usize::from(other.keep) + usize::from(other.repeat) <= keep)
            && around[keep].least >= around[keep].most
    };
    edges.clone().enumerate().all(|(index, one)| {
        edges
            .clone()
            .skip(index + 1)
            .all(|other| one_excludes(one, other) || one_excludes(other, one))
    })
}

/// Most configurations of one node of which none covers another: of all counters but one any
/// numbers, and of that one those too low to end, and one more.
fn most_at_once(around: &[Counter]) -> u64 {
    let each = (0..around.len()).map(|best| {
        let numbers = around.iter().enumerate().map(|(slot, counter)| {
            let highest = if slot == best { counter.least } else { counter.most };
            u64::from(highest).saturating_add(1)
        });
        numbers.fold(1, u64::saturating_mul)
    });
    each.min().unwrap_or(1)
}

/// The counters of all nodes, equal lists shared.
#[derive(Default)]
struct Counters {
    all: Vec<Counter>,
    spans: Vec<Span>,
}

impl Counters {
    fn span(&mut self, around: &[Counter]) -> Span {
        let of = |span: &Span| &self.all[span.0 as usize..span.1 as usize];
        if let Some(known) = self.spans.iter().find(|span| of(span) == around) {
            return *known;
        }
        let first = self.all.len();
        self.all.extend_from_slice(around);
        let made = span(first, self.all.len());
        self.spans.push(made);
        made
    }
}

/// Lengths are bounded by MAX_EDGES.
fn span(first: usize, end: usize) -> Span {
    Span(first as u32, end as u32)
}
