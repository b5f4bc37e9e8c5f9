//! A set of octet strings that is small in memory: the keys of one constraint, the IDs of a document.
//!
//! The strings lie one behind the other; eight octets per place of an open-addressed table lead to
//! them. The hash is keyed at random for every document, because attackers choose the values.

use std::hash::{BuildHasher, RandomState};

/// Places of the smallest table; always a power of two.
const FIRST_SLOTS: usize = 16;
/// Bits of a slot that number an entry.
const NUMBER: u64 = (1 << 30) - 1;
const STATE_SHIFT: u32 = 30;
/// Lists at least this long grow by a quarter instead of doubling.
const LARGE: usize = 64 * 1024;

/// What an entry counts for (Structures 3.11.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is in the table.
    Here,
    /// Two children have it, for different nodes: it is not in the table of their parent, unless
    /// it is one of the parent's own.
    Conflict,
    /// It fell to a conflict further down.
    Absent,
}

impl State {
    const fn bits(self) -> u64 {
        (match self {
            Self::Here => 0,
            Self::Conflict => 1,
            Self::Absent => 2,
        }) << STATE_SHIFT
    }

    const fn of(slot: u64) -> Self {
        match (slot >> STATE_SHIFT) & 3 {
            0 => Self::Here,
            1 => Self::Conflict,
            _ => Self::Absent,
        }
    }
}

/// A set of octet strings.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Hash in the upper half, then the state, then the number of the entry from 1; 0 is free.
    slots: Vec<u64>,
    /// Where each entry ends in `octets`.
    ends: Vec<u32>,
    octets: Vec<u8>,
    /// Entries in [`State::Conflict`].
    conflicts: Vec<u32>,
}

impl Table {
    /// Entries, whatever their state.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<u64>()
            + (self.ends.capacity() + self.conflicts.capacity()) * size_of::<u32>()
            + self.octets.capacity()
    }

    /// Whether it is cheap to empty it for the next use.
    pub(super) fn is_small(&self) -> bool {
        self.slots.len() <= FIRST_SLOTS * 4 && self.octets.capacity() <= LARGE
    }

    pub(super) fn clear(&mut self) {
        self.slots.fill(0);
        self.ends.clear();
        self.octets.clear();
        self.conflicts.clear();
    }

    /// Puts a key in; false where it is there already.
    pub(super) fn insert(&mut self, key: &[u8], hash: &RandomState) -> bool {
        let hash = hashed(key, hash);
        match self.find(key, hash) {
            Ok(slot) if State::of(self.slots[slot]) == State::Here => false,
            Ok(slot) => {
                self.set(slot, State::Here);
                true
            }
            Err(slot) => {
                self.add(slot, key, hash);
                true
            }
        }
    }

    /// Whether a key is there.
    pub(super) fn contains(&self, key: &[u8], hash: &RandomState) -> bool {
        let found = self.find(key, hashed(key, hash));
        found.is_ok_and(|slot| State::of(self.slots[slot]) == State::Here)
    }

    /// Takes in the table of another child (3.11.5, clause 1): a key of both, which stands for
    /// different nodes there, is in neither from now on.
    pub(super) fn join(&mut self, mut other: Self, hash: &RandomState) {
        if other.len() > self.len() {
            std::mem::swap(self, &mut other);
        }
        self.expect(other.len());
        other.each(|key, state| {
            let hash = hashed(key, hash);
            match (self.find(key, hash), state) {
                (_, State::Absent) => {}
                (Err(slot), State::Here) => {
                    self.add(slot, key, hash);
                }
                (Err(slot), State::Conflict) => {
                    let slot = self.add(slot, key, hash);
                    self.conflict(slot);
                }
                (Ok(slot), State::Here) if State::of(self.slots[slot]) == State::Absent => {
                    self.set(slot, State::Here);
                }
                (Ok(slot), _) => self.conflict(slot),
            }
        });
    }

    /// Takes in the element's own keys (3.11.5, clause 2), which stand whatever the children say.
    pub(super) fn adopt(&mut self, mut own: Self, hash: &RandomState) {
        if own.len() > self.len() {
            std::mem::swap(self, &mut own);
        }
        self.expect(own.len());
        own.each(|key, state| {
            if state == State::Here {
                self.insert(key, hash);
            }
        });
    }

    /// The end of the element: keys in conflict are not in its table.
    pub(super) fn settle(&mut self, hash: &RandomState) {
        for number in std::mem::take(&mut self.conflicts) {
            let hash = hashed(self.key(number), hash);
            if let Ok(slot) = self.find(self.key(number), hash) {
                self.set(slot, State::Absent);
            }
        }
    }

    fn each(&self, mut visit: impl FnMut(&[u8], State)) {
        for slot in self.slots.iter().filter(|slot| **slot != 0) {
            visit(self.key((slot & NUMBER) as u32 - 1), State::of(*slot));
        }
    }

    fn key(&self, number: u32) -> &[u8] {
        let number = number as usize;
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        &self.octets[start..self.ends[number] as usize]
    }

    fn set(&mut self, slot: usize, state: State) {
        self.slots[slot] = self.slots[slot] & !(3 << STATE_SHIFT) | state.bits();
    }

    fn conflict(&mut self, slot: usize) {
        if State::of(self.slots[slot]) != State::Conflict {
            self.set(slot, State::Conflict);
            self.conflicts.push((self.slots[slot] & NUMBER) as u32 - 1);
        }
    }

    /// The slot of a key, or the free slot where it belongs.
    fn find(&self, key: &[u8], hash: u32) -> Result<usize, usize> {
        let Some(mask) = self.slots.len().checked_sub(1) else { return Err(0) };
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                return Err(at);
            }
            if (slot >> 32) as u32 == hash && self.key((slot & NUMBER) as u32 - 1) == key {
                return Ok(at);
            }
            at = (at + 1) & mask;
        }
    }

    fn add(&mut self, slot: usize, key: &[u8], hash: u32) -> usize {
        let full = self.is_full_with(1);
        if full {
            self.grow();
        }
        let slot = if full { self.free(hash) } else { slot };
        reserve(&mut self.octets, key.len());
        reserve(&mut self.ends, 1);
        self.octets.extend_from_slice(key);
        // The limit on the memory of keys is far below 2^30 octets.
        self.ends.push(self.octets.len() as u32);
        self.slots[slot] = u64::from(hash) << 32 | State::Here.bits() | self.len() as u64;
        slot
    }

    /// Makes room for another table. It comes in the order of its slots, so that a table growing
    /// meanwhile would first be filled up at one end, and each search there be long.
    fn expect(&mut self, more: usize) {
        while more > 0 && self.is_full_with(more) {
            self.grow();
        }
    }

    /// Whether so many more entries would fill more than seven slots of eight.
    fn is_full_with(&self, more: usize) -> bool {
        (self.len() + more) * 8 > self.slots.len() * 7
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(FIRST_SLOTS);
        let old = std::mem::replace(&mut self.slots, vec![0; size]);
        for slot in old.into_iter().filter(|slot| *slot != 0) {
            let free = self.free((slot >> 32) as u32);
            self.slots[free] = slot;
        }
    }

    fn free(&self, hash: u32) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while self.slots[at] != 0 {
            at = (at + 1) & mask;
        }
        at
    }
}

fn hashed(key: &[u8], hash: &RandomState) -> u32 {
    (hash.hash_one(key) >> 32) as u32
}

/// Makes room without ever taking much more than is needed.
pub(super) fn reserve<T>(list: &mut Vec<T>, more: usize) {
    let need = list.len() + more;
    if need > list.capacity() && list.len() >= LARGE {
        list.reserve_exact(more.max(list.len() / 4));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn keys_are_octets_and_many_of_them_stay_small() {
        let (mut table, hash) = (Table::default(), RandomState::new());
        assert!(!table.contains(b"", &hash));
        assert!(
            table.insert(b"", &hash) && !table.insert(b"", &hash) && table.contains(b"", &hash)
        );
        for n in 0..100_000u32 {
            assert!(table.insert(&n.to_be_bytes(), &hash), "{n}");
        }
        for n in (0..100_000u32).step_by(7) {
            assert!(table.contains(&n.to_be_bytes(), &hash), "{n}");
            assert!(!table.insert(&n.to_be_bytes(), &hash), "{n}");
            assert!(!table.contains(&(n + 100_000).to_be_bytes(), &hash), "{n}");
        }
        assert!(table.bytes() < 100_000 * 24, "{}", table.bytes());
        table.clear();
        assert!(!table.contains(b"", &hash) && table.insert(b"", &hash));
    }

    fn of(keys: &[u8], hash: &RandomState) -> Table {
        let mut table = Table::default();
        for key in keys {
            table.insert(&[*key], hash);
        }
        table
    }

    #[test]
    fn what_fell_to_a_conflict_does_not_come_back_with_other_keys() {
        let hash = RandomState::new();
        let fallen = || {
            let mut table = of(&[5], &hash);
            table.join(of(&[5], &hash), &hash);
            table.settle(&hash);
            table
        };
        let mut adopting = fallen();
        adopting.adopt(of(&[1, 2, 3], &hash), &hash);
        let mut joining = fallen();
        joining.join(of(&[1, 2, 3], &hash), &hash);
        for table in [adopting, joining] {
            assert!(table.contains(&[2], &hash) && !table.contains(&[5], &hash));
        }
        let mut again = fallen();
        again.join(of(&[5], &hash), &hash);
        assert!(again.contains(&[5], &hash));
    }

    proptest! {
        #[test]
        fn children_in_conflict_and_own_keys(
            levels in vec((vec(vec(0..12u8, 0..9), 0..5), vec(0..12u8, 0..4)), 1..5),
        ) {
            // Each level has the table of the level below as its first child, and own keys.
            let hash = RandomState::new();
            let mut table = Table::default();
            let mut model = BTreeSet::new();
            for (children, own) in levels {
                let mut counts: BTreeMap<u8, u32> = model.iter().map(|key| (*key, 1)).collect();
                for child in children {
                    table.join(of(&child, &hash), &hash);
                    for key in child.into_iter().collect::<BTreeSet<_>>() {
                        *counts.entry(key).or_default() += 1;
                    }
                }
                table.settle(&hash);
                table.adopt(of(&own, &hash), &hash);
                model = counts.into_iter().filter(|(_, n)| *n == 1).map(|(key, _)| key).collect();
                model.extend(own);
                for key in 0..12 {
                    prop_assert_eq!(table.contains(&[key], &hash), model.contains(&key), "{}", key);
                }
            }
        }
    }
}
