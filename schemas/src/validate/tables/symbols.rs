//! Expanded names that the schemas know, as small numbers.

use crate::xml::same;

/// An expanded name of the schemas: an element, an attribute or a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::validate) struct Symbol(u32);

impl Symbol {
    /// Its number, from 0 without gaps: an index into a table.
    pub(in crate::validate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// All names of one schema set. Built while compiling, only asked afterwards: a message teaches it
/// nothing.
///
/// Every element and attribute of a message is looked up here, so the hash is a quick one without
/// a secret. That is safe: what is stored comes from the schemas alone, and the table is at most
/// half full, so no message can make a look-up longer than the schemas made it.
#[derive(Debug, Default)]
pub(in crate::validate) struct Symbols {
    names: Vec<Name>,
    /// Hash in the upper half, number of the name from 1 in the lower; 0 is free. The number of
    /// places is a power of two.
    places: Vec<u64>,
}

/// Places of the smallest table.
const FIRST_PLACES: usize = 64;

#[derive(Debug)]
struct Name {
    namespace: Box<str>,
    local: Box<str>,
}

impl Symbols {
    /// The symbol of a name, which is known from now on. The empty namespace is none.
    pub(in crate::validate) fn add(&mut self, namespace: &str, local: &str) -> Symbol {
        if let Some(known) = self.find(namespace, local) {
            return known;
        }
        // A set has at most MAX_SCHEMA_BYTES of text, so far less than 2^32 names.
        let symbol = Symbol(self.names.len() as u32);
        self.names.push(Name { namespace: namespace.into(), local: local.into() });
        if self.names.len() * 2 > self.places.len() {
            let places = (self.places.len() * 2).max(FIRST_PLACES);
            let old = std::mem::replace(&mut self.places, vec![0; places]);
            old.into_iter().filter(|place| *place != 0).for_each(|place| self.put(place));
        }
        self.put(u64::from(hash(namespace, local)) << 32 | (u64::from(symbol.0) + 1));
        symbol
    }

    /// Puts an entry into the first free place for its hash.
    fn put(&mut self, entry: u64) {
        let last = self.places.len() - 1;
        let mut at = (entry >> 32) as usize & last;
        while self.places[at] != 0 {
            at = (at + 1) & last;
        }
        self.places[at] = entry;
    }

    /// The symbol of a name, if the schemas know it.
    #[inline]
    pub(in crate::validate) fn find(&self, namespace: &str, local: &str) -> Option<Symbol> {
        let hash = hash(namespace, local);
        let last = self.places.len().wrapping_sub(1);
        let mut at = hash as usize & last;
        loop {
            // Nothing where the table is empty.
            let place = *self.places.get(at)?;
            if place == 0 {
                return None;
            }
            if (place >> 32) as u32 == hash {
                let number = (place as u32).wrapping_sub(1);
                let name = &self.names[number as usize];
                if same(&name.local, local) && same(&name.namespace, namespace) {
                    return Some(Symbol(number));
                }
            }
            at = (at + 1) & last;
        }
    }

    /// The local name.
    pub(in crate::validate) fn local(&self, symbol: Symbol) -> &str {
        &self.names[symbol.index()].local
    }

    /// The namespace; empty for none.
    pub(in crate::validate) fn namespace(&self, symbol: Symbol) -> &str {
        &self.names[symbol.index()].namespace
    }

    /// The one with this number.
    pub(in crate::validate) fn at(&self, index: usize) -> Option<Symbol> {
        // As many as `add` has numbered.
        (index < self.names.len()).then_some(Symbol(index as u32))
    }

    /// How many there are.
    pub(in crate::validate) fn len(&self) -> usize {
        self.names.len()
    }
}

/// Eight octets of the local name at a time; of the namespace its length and its end, for names that
/// the schemas have in several.
#[inline]
fn hash(namespace: &str, local: &str) -> u32 {
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let mix = |state: u64, word: u64| (state.rotate_left(23) ^ word).wrapping_mul(FACTOR);
    let end = namespace.as_bytes().last_chunk::<8>().map_or(0, |end| u64::from_le_bytes(*end));
    let mut state = end ^ (namespace.len() as u64) << 32 ^ local.len() as u64;
    let (words, rest) = local.as_bytes().as_chunks::<8>();
    for word in words {
        state = mix(state, u64::from_le_bytes(*word));
    }
    // The last eight octets, some of them again, where there are so many: no loop then.
    let last = match (local.as_bytes().last_chunk::<8>(), rest) {
        (_, []) => 0,
        (Some(last), _) => u64::from_le_bytes(*last),
        (None, rest) => rest.iter().fold(0, |last, octet| last << 8 | u64::from(*octet)),
    };
    (mix(state, last) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_again_and_no_others() {
        let mut symbols = Symbols::default();
        assert_eq!(symbols.find("", "a"), None, "nothing is known at first");
        let spaces = ["", "urn:a", "urn:b", "http://www.example.org/a", "http://www.example.org/b"];
        let locals: Vec<String> =
            (0..500).map(|n| "nachricht.".repeat(n % 4) + &n.to_string()).collect();
        for (n, space) in spaces.iter().enumerate() {
            for (m, local) in locals.iter().enumerate() {
                let symbol = symbols.add(space, local);
                assert_eq!(symbol.index(), n * locals.len() + m);
                assert_eq!(symbols.add(space, local), symbol, "known from now on");
            }
        }
        assert_eq!(symbols.len(), spaces.len() * locals.len());
        for (n, space) in spaces.iter().enumerate() {
            for (m, local) in locals.iter().enumerate() {
                let found = symbols.find(space, local).expect("known");
                assert_eq!(found.index(), n * locals.len() + m);
                assert_eq!((symbols.namespace(found), symbols.local(found)), (*space, &**local));
                assert_eq!(symbols.find("urn:c", local), None);
                assert_eq!(symbols.find(space, &format!("{local}x")), None);
            }
        }
    }
}
