//! A set of texts that is built once and asked often: enumerations, code lists among them.

/// Texts by their hash, in one piece of memory. The hash has no secret: what is stored comes from
/// the schemas, so that a message cannot make a look-up slow.
#[derive(Debug, Default)]
pub(super) struct Codes {
    /// All texts, one behind the other.
    octets: Box<[u8]>,
    /// Where a text lies and its hash; a length that cannot be for none. The number of places is a power of two,
    /// at least twice the number of texts.
    places: Box<[Place]>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    hash: u32,
    from: u32,
    length: u32,
}

const EMPTY: Place = Place { hash: 0, from: 0, length: u32::MAX };

impl Codes {
    /// The set of these texts. Schemas are limited in size, so offsets fit into 32 bits.
    pub(super) fn new<T: AsRef<[u8]>>(texts: impl IntoIterator<Item = T>) -> Self {
        let texts: Vec<T> = texts.into_iter().collect();
        let mut places = vec![EMPTY; (texts.len() * 2).next_power_of_two().max(2)];
        let mut octets = Vec::new();
        for text in &texts {
            let text = text.as_ref();
            let hash = hash(text);
            let mut at = hash as usize & (places.len() - 1);
            while places[at].length != EMPTY.length {
                at = (at + 1) & (places.len() - 1);
            }
            let (from, length) = (octets.len() as u32, text.len() as u32);
            places[at] = Place { hash, from, length };
            octets.extend_from_slice(text);
        }
        Self { octets: octets.into(), places: places.into() }
    }

    /// Whether the set holds this text.
    #[inline]
    pub(super) fn holds(&self, text: &[u8]) -> bool {
        if self.places.is_empty() {
            return false;
        }
        let hash = hash(text);
        let mut at = hash as usize & (self.places.len() - 1);
        loop {
            let place = self.places[at];
            if place.length == EMPTY.length {
                return false;
            }
            let from = place.from as usize;
            if place.hash == hash
                && place.length as usize == text.len()
                && self.octets[from..from + text.len()] == *text
            {
                return true;
            }
            at = (at + 1) & (self.places.len() - 1);
        }
    }
}

/// Eight octets at a time; the length counts too.
#[inline]
fn hash(text: &[u8]) -> u32 {
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut state = text.len() as u64;
    let (words, rest) = text.as_chunks::<8>();
    for word in words {
        state = (state.rotate_left(23) ^ u64::from_le_bytes(*word)).wrapping_mul(FACTOR);
    }
    let last = rest.iter().fold(0, |last, b| last << 8 | u64::from(*b));
    state = (state.rotate_left(23) ^ last).wrapping_mul(FACTOR);
    (state >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_it_was_given_and_nothing_else() {
        let texts: Vec<String> = (0..10_000).map(|n| format!("{:08}", n * 7)).collect();
        let codes = Codes::new(&texts);
        for text in &texts {
            assert!(codes.holds(text.as_bytes()), "{text}");
        }
        for n in (0..70_000).filter(|n| n % 7 != 0) {
            assert!(!codes.holds(format!("{n:08}").as_bytes()), "{n}");
        }
        assert!(!codes.holds(b""));
        assert!(Codes::new(["", "", "a"]).holds(b""));
        assert!(!Codes::new([""; 0]).holds(b""));
        assert!(!Codes::default().holds(b"a"));
    }
}
