//! A deterministic automaton with counters, and the step through it.
//!
//! A node stands for all places in a model from which the same may follow. Where it lies within
//! counted groups, a run also knows how often each of them, outermost first, was passed before
//! the time that is under way. An edge says what becomes of those numbers, see [`super::closure`];
//! whether it may be gone depends on them.

use super::super::{ElementId, NamespaceSet, Symbol};
use super::{Expected, Run, Term};

/// Most counted groups around one element. `maxOccurs` up to 16 does not count: the library
/// writes such groups out.
pub(super) const MAX_NESTED_COUNTERS: usize = 4;
/// Most places with numbers that one run may be at, in a model whose counts a name does not
/// settle. 1,024 are 24 KiB.
pub(super) const MAX_CONFIGURATIONS: u64 = 1_024;
/// Most edges of a node that are looked through one by one.
const FEW: usize = 8;

/// A node with the numbers of its counters; those it does not have are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Configuration {
    node: u32,
    passed: [u32; MAX_NESTED_COUNTERS],
}

/// The bounds of a counted group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counter {
    /// The group may end when it was passed at least so often before this time.
    pub(super) least: u32,
    /// It may begin again when it was passed less often than that.
    pub(super) most: u32,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) edges: Span,
    pub(super) wild: Span,
    pub(super) counters: Span,
    /// Whether the content may end here, if all counted groups may.
    pub(super) accepting: bool,
}

/// A part of a table, from the first index to before the second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span(pub(super) u32, pub(super) u32);

impl Span {
    fn of<T>(self, table: &[T]) -> &[T] {
        &table[self.0 as usize..self.1 as usize]
    }
}

#[derive(Debug)]
pub(super) struct Edge {
    pub(super) symbol: Symbol,
    pub(super) to: Move,
}

/// An edge for the names that no other edge of the node has. The namespaces of two are the same
/// or have nothing in common.
#[derive(Debug)]
pub(super) struct WildEdge {
    pub(super) namespaces: NamespaceSet,
    pub(super) to: Move,
}

/// Where an edge leads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Move {
    pub(super) next: u32,
    pub(super) term: Term,
    /// Place of the term in document order.
    pub(super) order: u32,
    pub(super) keep: u8,
    pub(super) repeat: bool,
}

/// A compiled content model.
#[derive(Debug)]
pub(super) struct Automaton {
    /// The first is the start.
    pub(super) nodes: Box<[Node]>,
    /// Per node, sorted by symbol.
    pub(super) edges: Box<[Edge]>,
    pub(super) wild: Box<[WildEdge]>,
    pub(super) counters: Box<[Counter]>,
    /// Whether one name may lead to several configurations.
    pub(super) unsettled: bool,
}

impl Automaton {
    /// Whether it admits the empty content and nothing else.
    pub(super) fn is_empty(&self) -> bool {
        self.edges.is_empty() && self.wild.is_empty() && self.nodes[0].accepting
    }

    pub(super) fn elements(&self) -> Vec<(Symbol, ElementId)> {
        let all = self.edges.iter().filter_map(|edge| match edge.to.term {
            Term::Element(element) => Some((edge.symbol, element)),
            Term::Wildcard(_) => None,
        });
        all.collect()
    }

    pub(super) fn start(&self, run: &mut Run) {
        run.here = Configuration::default();
        if self.unsettled {
            run.all.clear();
            run.all.push(run.here);
        }
    }

    #[inline]
    pub(super) fn step(
        &self,
        run: &mut Run,
        symbol: Option<Symbol>,
        namespace: &str,
    ) -> Option<Term> {
        if self.unsettled {
            return self.step_all(run, symbol, namespace);
        }
        // Of the edges with this name at most one can be gone.
        let here = run.here;
        let edge = self.moves(&here, symbol, namespace).find_map(|edge| {
            run.here = self.after(&here, edge)?;
            Some(edge)
        })?;
        Some(edge.term)
    }

    fn step_all(&self, run: &mut Run, symbol: Option<Symbol>, namespace: &str) -> Option<Term> {
        run.next.clear();
        let mut first: Option<&Move> = None;
        for at in &run.all {
            for edge in self.moves(at, symbol, namespace) {
                if let Some(after) = self.after(at, edge) {
                    self.keep_best(&mut run.next, after);
                    first = first.filter(|first| first.order <= edge.order).or(Some(edge));
                }
            }
        }
        let first = first?;
        std::mem::swap(&mut run.all, &mut run.next);
        Some(first.term)
    }

    /// Goes on after an element that is not allowed here as if what lacks before it had been there:
    /// to the nearest place behind an element of that name. Counters that would have to be passed
    /// count as passed often enough. True where there is such a place ahead; else the run stays, and
    /// the answer is what admits the element anywhere in the model. For findings only: it allocates.
    pub(super) fn resume(&self, run: &mut Run, symbol: Symbol) -> Option<(Term, bool)> {
        let here = self.all_of(run).first().copied().unwrap_or_default();
        let mut ahead = std::collections::VecDeque::from([here.node]);
        let mut seen = vec![false; self.nodes.len()];
        while let Some(n) = ahead.pop_front() {
            if std::mem::replace(&mut seen[n as usize], true) {
                continue;
            }
            let node = &self.nodes[n as usize];
            let edges = node.edges.of(&self.edges);
            if let Some(edge) = named(edges, symbol).first() {
                self.put(run, edge.to.next);
                return Some((edge.to.term, true));
            }
            ahead.extend(edges.iter().map(|edge| edge.to.next));
            ahead.extend(node.wild.of(&self.wild).iter().map(|edge| edge.to.next));
        }
        let behind = self.edges.iter().find(|edge| edge.symbol == symbol)?;
        Some((behind.to.term, false))
    }

    /// Puts a run at a node, all its counters at the least they need.
    fn put(&self, run: &mut Run, node: u32) {
        run.here = Configuration { node, passed: [0; MAX_NESTED_COUNTERS] };
        let counters = self.nodes[node as usize].counters.of(&self.counters);
        for (passed, counter) in run.here.passed.iter_mut().zip(counters) {
            *passed = counter.least;
        }
        if self.unsettled {
            run.all.clear();
            run.all.push(run.here);
        }
    }

    #[inline]
    pub(super) fn accepts(&self, run: &Run) -> bool {
        self.all_of(run).iter().any(|at| {
            let node = &self.nodes[at.node as usize];
            let mut counters = node.counters.of(&self.counters).iter().zip(&at.passed);
            node.accepting && counters.all(|(counter, passed)| *passed >= counter.least)
        })
    }

    pub(super) fn expected(&self, run: &Run) -> Vec<(u32, Expected)> {
        let mut found = Vec::new();
        for at in self.all_of(run) {
            let node = &self.nodes[at.node as usize];
            let named = node.edges.of(&self.edges).iter();
            found.extend(
                named
                    .filter(|edge| self.after(at, &edge.to).is_some())
                    .map(|edge| (edge.to.order, Expected::Element(edge.symbol))),
            );
            let wild = node.wild.of(&self.wild).iter().map(|edge| &edge.to);
            found.extend(wild.filter(|to| self.after(at, to).is_some()).filter_map(|to| {
                match to.term {
                    Term::Wildcard(id) => Some((to.order, Expected::Wildcard(id))),
                    Term::Element(_) => None,
                }
            }));
        }
        found
    }

    fn all_of<'a>(&self, run: &'a Run) -> &'a [Configuration] {
        if self.unsettled { &run.all } else { std::slice::from_ref(&run.here) }
    }

    /// The edges for a name, whatever the counters say.
    #[inline]
    fn moves(
        &self,
        at: &Configuration,
        symbol: Option<Symbol>,
        namespace: &str,
    ) -> impl Iterator<Item = &Move> {
        let node = &self.nodes[at.node as usize];
        let named = symbol.map(|symbol| named(node.edges.of(&self.edges), symbol));
        let named = named.unwrap_or_default();
        // The edges of a name hold what the wildcards do with it as well.
        let wild = if named.is_empty() { node.wild.of(&self.wild) } else { &[] };
        let wild = wild.iter().filter(move |edge| edge.namespaces.admits(namespace));
        named.iter().map(|edge| &edge.to).chain(wild.map(|edge| &edge.to))
    }

    /// Goes along an edge, if the counters allow it.
    #[inline]
    fn after(&self, at: &Configuration, edge: &Move) -> Option<Configuration> {
        let mut after = Configuration { node: edge.next, passed: [0; MAX_NESTED_COUNTERS] };
        let counters = self.nodes[at.node as usize].counters.of(&self.counters);
        let keep = usize::from(edge.keep);
        for (slot, (counter, passed)) in counters.iter().zip(&at.passed).enumerate() {
            if slot < keep {
                after.passed[slot] = *passed;
            } else if slot == keep && edge.repeat {
                if *passed >= counter.most {
                    return None;
                }
                after.passed[slot] = *passed + 1;
            } else if *passed < counter.least {
                return None;
            }
        }
        Some(after)
    }

    /// Adds a configuration unless another can do all that it can, and drops those that can do no
    /// more than it. Of two numbers of a counter the lower is as good where it suffices to end.
    fn keep_best(&self, set: &mut Vec<Configuration>, new: Configuration) {
        if !set.iter().any(|old| self.covers(old, &new)) {
            set.retain(|old| !self.covers(&new, old));
            set.push(new);
        }
    }

    fn covers(&self, one: &Configuration, other: &Configuration) -> bool {
        if one.node != other.node {
            return false;
        }
        let counters = self.nodes[one.node as usize].counters.of(&self.counters);
        let mut numbers = counters.iter().zip(one.passed.iter().zip(&other.passed));
        numbers
            .all(|(counter, (one, other))| one == other || (one < other && *one >= counter.least))
    }
}

/// The edges of one symbol, of those of a node.
#[inline]
fn named(edges: &[Edge], symbol: Symbol) -> &[Edge] {
    let first = if edges.len() <= FEW {
        edges.iter().position(|edge| edge.symbol == symbol).unwrap_or(edges.len())
    } else {
        edges.partition_point(|edge| edge.symbol < symbol)
    };
    let rest = &edges[first..];
    let same = rest.iter().position(|edge| edge.symbol != symbol).unwrap_or(rest.len());
    &rest[..same]
}
