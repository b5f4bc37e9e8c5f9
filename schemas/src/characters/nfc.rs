//! Normal form C (Unicode Standard Annex 15), as DIN 91379 demands it, checked piece by piece.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

use super::{MAX_NAMED, Offence};

/// Most code points carried from one piece of text to the next: a base and its marks.
const MAX_CARRIED: usize = 32;

/// A text on its way through the check.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nfc {
    /// The last base of the pieces before, and its marks.
    carried: String,
}

impl Nfc {
    /// A new text begins.
    pub(crate) fn clear(&mut self) {
        self.carried.clear();
    }

    /// Reads a piece. The first place where it differs from its normal form, if there is one.
    pub(crate) fn piece(&mut self, piece: &str) -> Option<Offence> {
        // Below U+0300 every text is its own normal form, and nothing composes with what follows
        // but what lies above; the octets from 0xCC on begin the code points from U+0300 on.
        let plain = piece.bytes().all(|octet| octet < 0xCC);
        let offence = if plain {
            None
        } else if self.carried.is_empty() {
            difference(piece)
        } else {
            let carried = self.carried.chars().count();
            let whole = format!("{}{piece}", self.carried);
            difference(&whole).map(|offence| Offence {
                before: offence.before.saturating_sub(carried),
                ..offence
            })
        };
        self.carry(piece);
        offence
    }

    fn carry(&mut self, piece: &str) {
        if let Some(last @ 0..=0x7F) = piece.bytes().last() {
            self.carried.clear();
            self.carried.push(char::from(last));
            return;
        }
        let base = piece.char_indices().rev().take(MAX_CARRIED);
        let base = base.into_iter().find(|(_, one)| canonical_combining_class(*one) == 0);
        match base {
            Some((at, _)) => {
                self.carried.clear();
                self.carried.push_str(&piece[at..]);
            }
            None if self.carried.len() + piece.len() <= MAX_CARRIED * 4 => {
                self.carried.push_str(piece);
            }
            None => {}
        }
    }
}

/// The first character of a text that its normal form writes otherwise.
fn difference(text: &str) -> Option<Offence> {
    if unicode_normalization::is_nfc(text) {
        return None;
    }
    let same = text.chars().zip(text.nfc()).take_while(|(one, other)| one == other).count();
    // The character begins at its base.
    let starter = |one: &char| canonical_combining_class(*one) == 0;
    let all = || text.chars().enumerate();
    let before = all()
        .take(same + 1)
        .filter(|(_, one)| starter(one))
        .last()
        .map_or(same, |(place, _)| place);
    let mut rest = text.chars().skip(before);
    let mut code_points: Vec<char> = rest.next().into_iter().collect();
    code_points.extend(rest.take_while(|one| !starter(one)).take(MAX_NAMED - 1));
    Some(Offence { before, code_points })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(pieces: &[&str]) -> Option<(usize, usize, String)> {
        let mut nfc = Nfc::default();
        pieces.iter().enumerate().find_map(|(n, piece)| {
            let offence = nfc.piece(piece)?;
            Some((n, offence.before, offence.code_points.into_iter().collect()))
        })
    }

    #[test]
    fn what_is_composed_is_good() {
        for text in ["", "Müller", "C\u{308}elik", "K\u{35F}han", "e\u{304}\u{30D}"] {
            let good: String = text.nfc().collect();
            assert_eq!(at(&[&good]), None, "{text}");
        }
        assert_eq!(at(&["C", "\u{306}", "elik"]), None);
    }

    #[test]
    fn the_place_is_that_of_the_base() {
        let decomposed = "u\u{308}".to_owned();
        assert_eq!(at(&["Mu\u{308}ller"]), Some((0, 1, decomposed.clone())));
        assert_eq!(at(&["Mu", "\u{308}ller"]), Some((1, 0, decomposed)));
        assert_eq!(at(&["10 \u{212B}"]), Some((0, 3, "\u{212B}".to_owned())), "a singleton");
        let order = "z\u{301}\u{327}".to_owned();
        assert_eq!(at(&["az\u{301}\u{327}"]).map(|found| found.0), Some(0), "{order}");
    }

    proptest::proptest! {
        #[test]
        fn pieces_say_what_the_whole_says(text in "[uUzC\u{300}-\u{330}äÅ ]{0,12}", cut in 0..12usize) {
            let cut = text.char_indices().map(|(at, _)| at).nth(cut).unwrap_or(text.len());
            let whole = !unicode_normalization::is_nfc(&text);
            proptest::prop_assert_eq!(at(&[&text[..cut], &text[cut..]]).is_some(), whole);
        }
    }
}
