//! Patterns (Datatypes 4.3.4 and Appendix F), compiled into automata.
//!
//! A pattern is read by our own reader, as XSD 1.0 has it, into the form that `regex-automata`
//! compiles: a table of states where that stays small, else an engine that makes its states while it
//! runs. Both take time in proportion to the length of a value, whatever the pattern.

mod blocks;
mod classes;
mod syntax;

use std::collections::HashMap;

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::{primitives::StateID, start};
use regex_automata::{Anchored, Input, MatchKind, meta};
use regex_syntax::hir::{ClassUnicode, Hir, HirKind, Look};

pub(crate) use blocks::block;

/// Longest pattern, in bytes.
const MAX_PATTERN: usize = 64 * 1024;
/// Largest automaton before states are made of it, in bytes.
const MAX_NFA: usize = 8 * 1024 * 1024;
/// Largest table of states, in bytes. The same again is allowed while building it.
const MAX_DFA: usize = 1024 * 1024;
/// All tables of states of one set, in bytes. What comes after works without a table.
const MAX_DFAS: usize = 64 * 1024 * 1024;
/// Longest run of characters of one class, alone in its pattern, that is a table of states; longer
/// ones are counted.
const MAX_TABLED: u32 = 16;

/// A table of states.
type Dfa = dense::DFA<Vec<u32>>;

/// The number of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PatternId(u32);

/// All patterns of a set; the same text is compiled once.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    engines: Vec<Engine>,
    known: HashMap<Box<str>, PatternId>,
    classes: classes::Classes,
    dfa_bytes: usize,
}

#[derive(Debug)]
enum Engine {
    /// A table of states.
    Table { dfa: Box<Dfa>, start: StateID, home: Option<Box<Home>> },
    /// From `min` to `max` characters of one class.
    Counted { class: Box<Class>, min: usize, max: usize },
    /// States are made as they are needed, in bounded memory.
    Lazy(Box<meta::Regex>),
}

impl Patterns {
    /// The pattern of this text; nothing where it cannot be compiled.
    pub(super) fn add(&mut self, text: &str) -> Option<PatternId> {
        if let Some(known) = self.known.get(text) {
            return Some(*known);
        }
        if text.len() > MAX_PATTERN {
            return None;
        }
        let hir = syntax::read(text, &mut self.classes)?;
        let engine = self.engine(&hir)?;
        let id = PatternId(u32::try_from(self.engines.len()).ok()?);
        self.engines.push(engine);
        self.known.insert(text.into(), id);
        Some(id)
    }

    /// Drops what only compiling needed.
    pub(super) fn finish(&mut self) {
        self.known = HashMap::new();
        self.classes = classes::Classes::default();
    }

    /// Whether the whole value matches.
    #[inline]
    pub(super) fn matches(&self, id: PatternId, value: &str) -> bool {
        match &self.engines[id.0 as usize] {
            Engine::Table { dfa, start, home } => {
                // A value that does not match leads to the dead state and stays there; to look for
                // that at every octet costs more than it saves.
                let step = |state, byte: &u8| dfa.next_state(state, *byte);
                let Some(home) = home else {
                    let state = value.as_bytes().iter().fold(*start, step);
                    return dfa.is_match_state(dfa.next_eoi_state(state));
                };
                let (mut state, mut rest) = (*start, value.as_bytes());
                loop {
                    if state == home.state {
                        rest = &rest[home.stays(rest)..];
                    }
                    let [byte, after @ ..] = rest else { break };
                    (state, rest) = (step(state, byte), after);
                }
                dfa.is_match_state(dfa.next_eoi_state(state))
            }
            Engine::Counted { class, min, max } => {
                let mut count = 0;
                let all = value.chars().all(|c| {
                    count += 1;
                    class.holds(c)
                });
                all && (*min..=*max).contains(&count)
            }
            Engine::Lazy(regex) => regex.is_match(Input::new(value).anchored(Anchored::Yes)),
        }
    }

    fn engine(&mut self, hir: &Hir) -> Option<Engine> {
        if let Some(counted) = counted(hir) {
            return Some(counted);
        }
        if let Some((dfa, start)) = table(hir)
            && self.dfa_bytes + dfa.memory_usage() <= MAX_DFAS
        {
            self.dfa_bytes += dfa.memory_usage();
            let home = Home::of(&dfa, start).map(Box::new);
            return Some(Engine::Table { dfa: Box::new(dfa), start, home });
        }
        lazy(hir)
    }
}

fn lazy(hir: &Hir) -> Option<Engine> {
    let whole = Hir::concat(vec![Hir::look(Look::Start), hir.clone(), Hir::look(Look::End)]);
    let config = meta::Config::new()
        .nfa_size_limit(Some(MAX_NFA))
        .onepass(false)
        .dfa(false)
        .hybrid_cache_capacity(MAX_DFA)
        .utf8_empty(false);
    let regex = meta::Builder::new().configure(config).build_from_hir(&whole).ok()?;
    Some(Engine::Lazy(Box::new(regex)))
}

fn table(hir: &Hir) -> Option<(Dfa, StateID)> {
    let nfa = thompson::Config::new()
        .utf8(false)
        .nfa_size_limit(Some(MAX_NFA))
        .which_captures(thompson::WhichCaptures::None);
    let nfa = thompson::Compiler::new().configure(nfa).build_from_hir(hir).ok()?;
    // Every way to match goes on to the end of the value, not only the first.
    let config = dense::Config::new()
        .match_kind(MatchKind::All)
        .start_kind(StartKind::Anchored)
        .accelerate(false)
        .dfa_size_limit(Some(MAX_DFA))
        .determinize_size_limit(Some(MAX_DFA));
    let dfa = dense::Builder::new().configure(config).build_from_nfa(&nfa).ok()?;
    let start = dfa.start_state(&start::Config::new().anchored(Anchored::Yes)).ok()?;
    Some((dfa, start))
}

/// A state that most octets of ASCII lead back to at once, as in `[…]*`. To skip them is much
/// quicker than to go from state to state, where each step waits for the one before.
#[derive(Debug)]
struct Home {
    state: StateID,
    stay: [bool; 256],
}

/// As few octets that stay are not worth a look.
const MIN_STAYING: usize = 20;

impl Home {
    /// The state with the most such octets, of those that one octet leads to.
    fn of(dfa: &Dfa, start: StateID) -> Option<Self> {
        let octets = || 0..0x80u8;
        let mut near: Vec<StateID> = octets().map(|b| dfa.next_state(start, b)).collect();
        near.sort_unstable();
        near.dedup();
        let staying =
            |state| move |octet: &u8| *octet < 0x80 && dfa.next_state(state, *octet) == state;
        let count = |state: StateID| octets().filter(staying(state)).count();
        let alive = near.into_iter().filter(|state| !dfa.is_dead_state(*state));
        let (most, state) = alive.map(|state| (count(state), state)).max()?;
        let stay = std::array::from_fn(|n| staying(state)(&(n as u8)));
        (most >= MIN_STAYING).then_some(Self { state, stay })
    }

    /// How many octets at the beginning lead nowhere else.
    #[inline]
    fn stays(&self, octets: &[u8]) -> usize {
        octets.iter().position(|b| !self.stay[usize::from(*b)]).unwrap_or(octets.len())
    }
}

/// `[…]{min,max}` with large numbers.
fn counted(hir: &Hir) -> Option<Engine> {
    let HirKind::Repetition(repetition) = hir.kind() else { return None };
    let max = repetition.max.unwrap_or(0);
    if repetition.min.max(max) <= MAX_TABLED {
        return None;
    }
    let class = Box::new(Class::new(syntax::class_of(&repetition.sub)?));
    let max = repetition.max.map_or(usize::MAX, |max| max as usize);
    Some(Engine::Counted { class, min: repetition.min as usize, max })
}

/// A set of characters, quick for those of ASCII.
#[derive(Debug)]
struct Class {
    ascii: [bool; 128],
    all: ClassUnicode,
}

impl Class {
    fn new(all: ClassUnicode) -> Self {
        let mut class = Self { ascii: [false; 128], all };
        class.ascii = std::array::from_fn(|n| class.within(n as u8 as char));
        class
    }

    #[inline]
    fn holds(&self, c: char) -> bool {
        self.ascii.get(c as usize).copied().unwrap_or_else(|| self.within(c))
    }

    fn within(&self, c: char) -> bool {
        let ranges = self.all.ranges();
        let before = ranges.partition_point(|range| range.end() < c);
        ranges.get(before).is_some_and(|range| range.start() <= c)
    }
}

#[cfg(test)]
mod tests;
