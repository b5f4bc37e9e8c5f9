//! Where an automaton of the library can go without reading, and what it counts on the way.
//!
//! A state lies within some counted groups, outermost first. Going from the state after one
//! element to the state before the next, the counts of the outer ones stay (`keep` of them), at
//! most one goes up by one because its group begins again (`repeat`), all further ones end, and
//! groups entered on the way begin at 0. So two small values say all that a way does.
//!
//! A group that may be empty counts only the times it was not: `B{n,m}` with an empty `B` is
//! `B'{0,m}` with `B'` without the empty one. Ways that pass a group without reading are therefore
//! not gone, and its lower bound is 0.

use xsd_schema::compiler::{CounterDef, NfaTable, StateId, TransitionKind};

use super::automaton::{Counter, MAX_NESTED_COUNTERS};

/// Most states visited while one model is compiled.
const MAX_WORK: usize = 20_000_000;

/// A state that reads an element, reached from another without reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Reached {
    /// The state; document order.
    pub(super) position: StateId,
    /// How many counts stay as they are.
    pub(super) keep: u8,
    /// Whether the count after those goes up by one.
    pub(super) repeat: bool,
}

/// All that is reached from a state.
#[derive(Clone, Debug, Default)]
pub(super) struct Closure {
    pub(super) reached: Vec<Reached>,
    /// Whether the end is, if all counted groups around the state may end.
    pub(super) accepting: bool,
}

/// The automaton with the counted groups around its states.
pub(super) struct Graph<'a> {
    table: &'a NfaTable,
    /// Per state an index into `stacks`, or `UNREACHED`.
    around: Vec<u32>,
    stacks: Vec<Vec<u16>>,
    /// The state after each counted group.
    exits: Vec<Option<StateId>>,
    /// Per state and way (keep, repeat) the number of the walk that was there last.
    visited: Vec<u32>,
    walk: u32,
    work: usize,
}

const UNREACHED: u32 = u32::MAX;
const WAYS: usize = 2 * (MAX_NESTED_COUNTERS + 1);
const STRANGE: &str = "counters that are not nested";

impl<'a> Graph<'a> {
    pub(super) fn new(table: &'a NfaTable) -> Result<Self, &'static str> {
        let count = table.states.len();
        let mut graph = Self {
            table,
            around: vec![UNREACHED; count],
            stacks: vec![Vec::new()],
            exits: vec![None; table.counter_defs.len()],
            visited: vec![0; count.checked_mul(WAYS).ok_or("a content model that is too large")?],
            walk: 0,
            work: 0,
        };
        graph.find_stacks()?;
        Ok(graph)
    }

    pub(super) fn start(&self) -> StateId {
        self.table.start_state
    }

    /// The counted groups around a state, as a number that equal ones share.
    pub(super) fn stack_of(&self, state: StateId) -> u32 {
        self.around[state as usize]
    }

    /// The counted groups of a stack, outermost first.
    pub(super) fn counters(&self, stack: u32) -> Vec<Counter> {
        let defs = &self.table.counter_defs;
        let of = |counter: &u16| bounds(&defs[usize::from(*counter)]);
        self.stacks[stack as usize].iter().map(of).collect()
    }

    /// All that is reached after the element of a state was read.
    pub(super) fn after(&mut self, position: StateId) -> Result<Closure, &'static str> {
        let table = self.table;
        let from = table.states[position as usize].consuming_transitions();
        self.closure(from.collect(), self.depth(position))
    }

    /// All that is reached before any element.
    pub(super) fn before(&mut self) -> Result<Closure, &'static str> {
        self.closure(vec![self.table.start_state], 0)
    }

    fn depth(&self, state: StateId) -> u8 {
        // find_stacks lets none grow longer than MAX_NESTED_COUNTERS.
        self.stacks[self.around[state as usize] as usize].len() as u8
    }

    fn closure(&mut self, from: Vec<StateId>, depth: u8) -> Result<Closure, &'static str> {
        let table = self.table;
        let mut found = Closure::default();
        let mut open: Vec<(StateId, u8, bool)> = Vec::new();
        open.extend(from.into_iter().map(|state| (state, depth, false)));
        self.walk += 1;
        while let Some((at, keep, repeat)) = open.pop() {
            let seen =
                &mut self.visited[at as usize * WAYS + usize::from(keep) * 2 + usize::from(repeat)];
            if std::mem::replace(seen, self.walk) == self.walk {
                continue;
            }
            self.work += 1;
            if self.work > MAX_WORK {
                return Err("a content model that is too large");
            }
            let state = &table.states[at as usize];
            if state.term.is_some() {
                found.reached.push(Reached { position: at, keep, repeat });
            }
            found.accepting |= at == table.accept_state;
            for way in &state.transitions {
                match way.kind {
                    TransitionKind::Consume => {}
                    TransitionKind::Epsilon => open.push((way.target, keep, repeat)),
                    TransitionKind::CounterReset(counter) => {
                        open.push((way.target, keep, repeat));
                        let passable = table.counter_defs[usize::from(counter)].body_nullable;
                        if let (true, Some(exit)) = (passable, self.exits[usize::from(counter)]) {
                            open.push((exit, keep, repeat));
                        }
                    }
                    TransitionKind::CounterIncrement(_) => {
                        let slot = self.depth(at).checked_sub(1).ok_or(STRANGE)?;
                        if slot >= keep {
                            continue; // entered on this way: an empty pass
                        }
                        for choice in &table.states[way.target as usize].transitions {
                            match choice.kind {
                                TransitionKind::CounterMaxGuard(_) => {
                                    open.push((choice.target, slot, true));
                                }
                                TransitionKind::CounterMinGuard(_) => {
                                    open.push((choice.target, slot, false));
                                }
                                _ => return Err(STRANGE),
                            }
                        }
                    }
                    TransitionKind::CounterMaxGuard(_) | TransitionKind::CounterMinGuard(_) => {
                        return Err(STRANGE);
                    }
                }
            }
        }
        found.reached.sort_unstable();
        Ok(found)
    }

    /// Finds the counted groups around every state, and makes sure that each state has one answer.
    fn find_stacks(&mut self) -> Result<(), &'static str> {
        let table = self.table;
        self.around[table.start_state as usize] = 0;
        let mut open = vec![table.start_state];
        while let Some(at) = open.pop() {
            let here = self.around[at as usize];
            for way in &table.states[at as usize].transitions {
                let there = match way.kind {
                    TransitionKind::Epsilon | TransitionKind::Consume => here,
                    TransitionKind::CounterReset(counter) => self.inside(here, counter)?,
                    TransitionKind::CounterIncrement(counter)
                    | TransitionKind::CounterMaxGuard(counter) => {
                        self.outside(here, counter)?;
                        here
                    }
                    TransitionKind::CounterMinGuard(counter) => {
                        self.exits[usize::from(counter)] = Some(way.target);
                        self.outside(here, counter)?
                    }
                };
                let known = &mut self.around[way.target as usize];
                if *known == UNREACHED {
                    *known = there;
                    open.push(way.target);
                } else if *known != there {
                    return Err(STRANGE);
                }
            }
        }
        match self.around[table.accept_state as usize] {
            0 | UNREACHED => Ok(()),
            _ => Err(STRANGE),
        }
    }

    fn inside(&mut self, stack: u32, counter: u16) -> Result<u32, &'static str> {
        let mut longer = self.stacks[stack as usize].clone();
        if longer.len() == MAX_NESTED_COUNTERS {
            return Err("counted groups nested more than four deep");
        }
        longer.push(counter);
        let known = self.stacks.iter().position(|known| *known == longer);
        Ok(known.unwrap_or_else(|| {
            self.stacks.push(longer);
            self.stacks.len() - 1
        }) as u32)
    }

    fn outside(&self, stack: u32, counter: u16) -> Result<u32, &'static str> {
        let (last, shorter) = self.stacks[stack as usize].split_last().ok_or(STRANGE)?;
        if *last != counter {
            return Err(STRANGE);
        }
        let known = self.stacks.iter().position(|known| known == shorter);
        known.map(|known| known as u32).ok_or(STRANGE)
    }
}

fn bounds(counter: &CounterDef) -> Counter {
    let min = if counter.body_nullable { 0 } else { counter.min };
    Counter { least: min.saturating_sub(1), most: counter.max.saturating_sub(1) }
}
