//! References whose goal has not been seen yet, with their places.

use super::table::{Table, reserve};
use std::hash::RandomState;

/// Octet strings in the order they came.
#[derive(Debug)]
pub(super) struct References<P> {
    octets: Vec<u8>,
    /// Where each ends, and its place.
    ends: Vec<(u32, P)>,
}

impl<P> Default for References<P> {
    fn default() -> Self {
        Self { octets: Vec::new(), ends: Vec::new() }
    }
}

impl<P: Copy> References<P> {
    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.octets.capacity() + self.ends.capacity() * size_of::<(u32, P)>()
    }

    pub(super) fn push(&mut self, key: &[u8], place: P) {
        reserve(&mut self.octets, key.len());
        reserve(&mut self.ends, 1);
        self.octets.extend_from_slice(key);
        // The limit on the memory of keys is far below 2^32 octets.
        self.ends.push((self.octets.len() as u32, place));
    }

    /// The places of those that `goals` does not hold.
    pub(super) fn dangling<'r>(
        &'r self,
        goals: Option<&'r Table>,
        hash: &'r RandomState,
    ) -> impl Iterator<Item = P> + 'r {
        let mut start = 0;
        self.ends.iter().filter_map(move |(end, place)| {
            let key = &self.octets[start..*end as usize];
            start = *end as usize;
            let found = goals.is_some_and(|goals| goals.contains(key, hash));
            (!found).then_some(*place)
        })
    }
}
