//! The identity constraints of one document, while it is read (Structures 3.11.4).

mod field;
mod scope;

use std::hash::RandomState;

use field::Slot;
use scope::Scope;

use super::compile::Constraints;
use super::propagate::Propagation;
use super::table::Table;
use super::{Broken, GaveUp, MAX_FOLLOWED, MAX_KEY_BYTES, Value};
use crate::validate::MAX_FINDINGS;
use crate::validate::tables::{ConstraintId, Symbol};

/// The keys of one document. `P` is how the runner remembers a place.
///
/// The runner calls [`start`](Self::start) for each element; then, where
/// [`wants_attributes`](Self::wants_attributes), asks for each attribute whether it is wanted and
/// hands in its value; before the end [`content`](Self::content) where
/// [`wants_content`](Self::wants_content); then [`end`](Self::end). Attributes are those of the
/// schema as well: defaults that stand for absent ones, and `xsi:nil` and its like, which `@*`
/// finds. What a wildcard says to skip is not shown at all, neither element nor attribute. An
/// element that has no place where it stands has an [`Invalid`](Value::Invalid) content.
#[derive(Debug)]
pub(in crate::validate) struct Keys<'c, P> {
    constraints: &'c Constraints,
    /// Elements open.
    depth: u32,
    /// The open elements at which there is something to do or to follow.
    frames: Vec<Frame>,
    followed: Vec<Followed>,
    /// Slots that the content of the element goes to.
    wanted: Vec<u32>,
    owners: Vec<Owner>,
    targets: Vec<Target>,
    /// The fields of the open targets; those from `slots_used` on keep their memory for later.
    slots: Vec<Slot>,
    slots_used: usize,
    scopes: Vec<Scope<P>>,
    propagation: Propagation,
    /// Open keyrefs by the definition that they refer to.
    awaited: Vec<u32>,
    spare: Vec<Table>,
    sequence: Vec<u8>,
    hash: RandomState,
    /// Bytes of all tables, references and fields.
    bytes: usize,
    limit: usize,
    /// A limit was reached, and this document gets no answer any more.
    over: bool,
}

/// Where the parts of an open element begin in the lists.
#[derive(Clone, Copy, Debug)]
struct Frame {
    depth: u32,
    followed: u32,
    wanted: u32,
    owners: u32,
    targets: u32,
    slots: u32,
    scopes: u32,
}

/// A path that may still find something below an element.
#[derive(Clone, Copy, Debug)]
struct Followed {
    path: u32,
    goal: Goal,
    at: u128,
}

/// What the node is that a path finds.
#[derive(Clone, Copy, Debug)]
enum Goal {
    /// A target of this scope.
    Target(u32),
    /// A field, whose value goes to this slot.
    Field(u32),
}

/// A path that may find attributes of an element.
#[derive(Clone, Copy, Debug)]
struct Owner {
    path: u32,
    slot: u32,
    at: u128,
}

/// A member of the target node set.
#[derive(Clone, Copy, Debug)]
struct Target {
    scope: u32,
    /// Its fields begin here.
    slots: u32,
}

impl<'c, P: Copy> Keys<'c, P> {
    pub(in crate::validate) fn new(constraints: &'c Constraints) -> Self {
        Self {
            constraints,
            depth: 0,
            frames: Vec::new(),
            followed: Vec::new(),
            wanted: Vec::new(),
            owners: Vec::new(),
            targets: Vec::new(),
            slots: Vec::new(),
            slots_used: 0,
            scopes: Vec::new(),
            propagation: Propagation::default(),
            awaited: vec![0; constraints.all.len()],
            spare: Vec::new(),
            sequence: Vec::new(),
            hash: RandomState::new(),
            bytes: 0,
            limit: MAX_KEY_BYTES,
            over: false,
        }
    }

    /// With another limit than [`MAX_KEY_BYTES`].
    #[cfg(test)]
    pub(super) fn with_limit(constraints: &'c Constraints, limit: usize) -> Self {
        Self { limit, ..Self::new(constraints) }
    }

    /// An element with the constraints of its declaration.
    #[inline]
    pub(in crate::validate) fn start(
        &mut self,
        name: Option<Symbol>,
        namespace: &str,
        declared: &[ConstraintId],
    ) -> Result<(), GaveUp> {
        self.depth += 1;
        let parent = self.frames.last().filter(|frame| frame.depth + 1 == self.depth);
        match parent.map(|frame| frame.followed as usize) {
            None if declared.is_empty() => Ok(()),
            first => {
                self.enter(first.unwrap_or(self.followed.len()), name, namespace, declared);
                self.bounded()
            }
        }
    }

    /// Whether any attribute of the element just started may be a field.
    #[inline]
    pub(in crate::validate) fn wants_attributes(&self) -> bool {
        self.frame().is_some_and(|frame| self.owners.len() > frame.owners as usize)
    }

    /// Whether this attribute is a field.
    pub(in crate::validate) fn wants_attribute(
        &self,
        name: Option<Symbol>,
        namespace: &str,
    ) -> bool {
        let Some(frame) = self.frame() else { return false };
        let owners = &self.owners[frame.owners as usize..];
        owners.iter().any(|owner| self.owns(owner, name, namespace))
    }

    /// The value of an attribute that is wanted.
    pub(in crate::validate) fn attribute(
        &mut self,
        name: Option<Symbol>,
        namespace: &str,
        value: Value<'_>,
    ) {
        let Some(first) = self.frame().map(|frame| frame.owners as usize) else { return };
        for n in first..self.owners.len() {
            let owner = self.owners[n];
            if self.owns(&owner, name, namespace) {
                self.fill(owner.slot, value, false);
            }
        }
    }

    /// Whether the content of the innermost open element is a field.
    #[inline]
    pub(in crate::validate) fn wants_content(&self) -> bool {
        self.frame().is_some_and(|frame| self.wanted.len() > frame.wanted as usize)
    }

    /// The content of the innermost open element, the default or fixed value of its declaration
    /// where it is empty, before its end. `nillable`: whether its declaration says so.
    pub(in crate::validate) fn content(&mut self, value: Value<'_>, nillable: bool) {
        let Some(first) = self.frame().map(|frame| frame.wanted as usize) else { return };
        for n in first..self.wanted.len() {
            self.fill(self.wanted[n], value, nillable);
        }
    }

    /// The end of the innermost open element. What does not hold comes out in `found`, at most
    /// one more than anybody reports; `place` gives the place of this element.
    #[inline]
    pub(in crate::validate) fn end(
        &mut self,
        place: &mut dyn FnMut() -> P,
        found: &mut Vec<Broken<P>>,
    ) -> Result<(), GaveUp> {
        let frame = self.frame().copied();
        let risen = self.propagation.reached(self.depth);
        if frame.is_some() || risen {
            self.leave(frame, place, found);
        }
        self.depth = self.depth.saturating_sub(1);
        self.bounded()
    }

    fn bounded(&mut self) -> Result<(), GaveUp> {
        self.over |= self.bytes > self.limit || self.followed.len() > MAX_FOLLOWED;
        if self.over { Err(GaveUp) } else { Ok(()) }
    }

    /// Puts what a field found where the key sequence is made from.
    fn fill(&mut self, slot: u32, value: Value<'_>, nillable: bool) {
        if !self.over {
            let slot = &mut self.slots[slot as usize];
            let before = slot.octets.len();
            slot.fill(value, nillable);
            self.bytes += slot.octets.len() - before;
            self.over = self.bytes > self.limit;
        }
    }

    fn frame(&self) -> Option<&Frame> {
        self.frames.last().filter(|frame| frame.depth == self.depth)
    }

    fn owns(&self, owner: &Owner, name: Option<Symbol>, namespace: &str) -> bool {
        self.constraints.paths[owner.path as usize].is_attribute(owner.at, name, namespace)
    }

    /// Follows the parent's paths, which begin at `first`, and those of new scopes.
    fn enter(
        &mut self,
        first: usize,
        name: Option<Symbol>,
        namespace: &str,
        declared: &[ConstraintId],
    ) {
        let constraints = self.constraints;
        // All of these stay far below 2^32: MAX_FOLLOWED bounds them.
        let frame = Frame {
            depth: self.depth,
            followed: self.followed.len() as u32,
            wanted: self.wanted.len() as u32,
            owners: self.owners.len() as u32,
            targets: self.targets.len() as u32,
            slots: self.slots_used as u32,
            scopes: self.scopes.len() as u32,
        };
        for n in first..frame.followed as usize {
            let Followed { path, goal, at } = self.followed[n];
            let at = constraints.paths[path as usize].step(at, name, namespace);
            if at != 0 {
                self.arrive(path, goal, at);
            }
        }
        for id in declared {
            self.open(*id);
        }
        self.pair(frame.scopes as usize);
        if self.followed.len() > frame.followed as usize
            || self.wanted.len() > frame.wanted as usize
            || self.owners.len() > frame.owners as usize
            || self.targets.len() > frame.targets as usize
            || self.scopes.len() > frame.scopes as usize
        {
            self.frames.push(frame);
        }
    }

    /// A path has come to the element with these positions.
    fn arrive(&mut self, path: u32, goal: Goal, at: u128) {
        let this = &self.constraints.paths[path as usize];
        if this.goes_on(at) {
            self.followed.push(Followed { path, goal, at });
        }
        match goal {
            Goal::Target(scope) if this.is_element(at) => self.target(scope),
            Goal::Target(_) => {}
            Goal::Field(slot) => {
                if this.is_element(at) {
                    self.wanted.push(slot);
                }
                if this.may_have_attributes(at) {
                    self.owners.push(Owner { path, slot, at });
                }
            }
        }
    }

    /// The element is a target: its fields are looked for from here.
    fn target(&mut self, scope: u32) {
        let constraint = self.constraints.get(self.scopes[scope as usize].constraint);
        let slots = self.slots_used as u32;
        self.targets.push(Target { scope, slots });
        for n in 0..constraint.fields {
            if self.slots_used == self.slots.len() {
                self.slots.push(Slot::default());
            }
            self.slots[self.slots_used].empty();
            self.slots_used += 1;
            let path = constraint.selector + 1 + n;
            let start = self.constraints.paths[path as usize].start;
            self.arrive(path, Goal::Field(slots + n), start);
        }
    }

    fn leave(
        &mut self,
        frame: Option<Frame>,
        place: &mut dyn FnMut() -> P,
        found: &mut Vec<Broken<P>>,
    ) {
        if let Some(frame) = frame {
            for n in frame.targets as usize..self.targets.len() {
                let target = self.targets[n];
                let Some(rule) = self.judge(target, place) else { continue };
                if found.len() <= MAX_FINDINGS {
                    let constraint = self.scopes[target.scope as usize].constraint;
                    found.push(Broken { rule, constraint, place: place() });
                }
            }
            self.followed.truncate(frame.followed as usize);
            self.wanted.truncate(frame.wanted as usize);
            self.owners.truncate(frame.owners as usize);
            self.targets.truncate(frame.targets as usize);
            let slots = &self.slots[frame.slots as usize..self.slots_used];
            self.bytes -= slots.iter().map(|slot| slot.octets.len()).sum::<usize>();
            self.slots_used = frame.slots as usize;
            self.frames.pop();
        }
        let before = self.propagation.bytes(self.depth);
        self.propagation.settle(self.depth, &self.hash);
        if let Some(frame) = frame {
            self.close(frame.scopes as usize, found);
        }
        self.propagation.rise(self.depth, &self.awaited, &self.hash);
        self.bytes = (self.bytes + self.propagation.bytes(self.depth)).saturating_sub(before);
    }
}
