//! Normal form C (Unicode Standard Annex 15), as DIN 91379 demands it, checked piece by piece.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{canonical_combining_class, compose};

use super::{MAX_NAMED, Offence};

/// A text on its way through the check. Of a text that is in normal form so far, its last base and
/// its last mark decide what may follow, however many marks there are between them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nfc {
    /// The last base of the pieces before, and the first of its marks, at most [`MAX_NAMED`].
    carried: Vec<char>,
    /// The combining class of the last code point; 0 for a base.
    last: u8,
}

impl Nfc {
    /// A new text begins.
    pub(crate) fn clear(&mut self) {
        self.carried.clear();
        self.last = 0;
    }

    /// Reads a piece. The first place where it differs from its normal form, if there is one.
    pub(crate) fn piece(&mut self, piece: &str) -> Option<Offence> {
        // Below U+0300 every text is its own normal form, and nothing composes with what follows
        // but what lies above; the octets from 0xCC on begin the code points from U+0300 on.
        let plain = piece.bytes().all(|octet| octet < 0xCC);
        let offence = if plain { None } else { self.seam(piece).or_else(|| difference(piece)) };
        self.carry(piece);
        offence
    }

    /// What is wrong where the piece meets what came before it: marks out of order, or something
    /// that composes with the last base.
    fn seam(&self, piece: &str) -> Option<Offence> {
        let base = self.carried.first().filter(|one| canonical_combining_class(**one) == 0);
        let mut last = self.last;
        for character in piece.chars() {
            let class = canonical_combining_class(character);
            // A mark of the same class, or any mark before a base, stands between them.
            let reaches = if class == 0 { last == 0 } else { last < class };
            let composes = reaches && base.is_some_and(|base| compose(*base, character).is_some());
            if composes || (class != 0 && class < last) {
                let marks = piece.chars().take_while(|one| canonical_combining_class(*one) != 0);
                let code_points = self.carried.iter().copied().chain(marks).take(MAX_NAMED);
                return Some(Offence { before: 0, code_points: code_points.collect() });
            }
            if class == 0 {
                break;
            }
            last = class;
        }
        None
    }

    fn carry(&mut self, piece: &str) {
        let Some(last) = piece.chars().next_back() else { return };
        self.last = canonical_combining_class(last);
        let base = match self.last {
            0 => Some(piece.len() - last.len_utf8()),
            _ => piece.rfind(|one| canonical_combining_class(one) == 0),
        };
        if base.is_some() {
            self.carried.clear();
        }
        let room = MAX_NAMED - self.carried.len();
        self.carried.extend(piece[base.unwrap_or(0)..].chars().take(room));
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

    #[test]
    fn marks_without_number_belong_to_the_last_base() {
        let many = format!("q{}", "\u{301}".repeat(70));
        assert_eq!(at(&["a", &many, "\u{301}"]), None, "not to the base before");
        assert_eq!(at(&[&many, "\u{327}"]).map(|found| found.0), Some(1), "out of order");
        let blocked = format!("a{}", "\u{305}".repeat(70));
        assert_eq!(at(&[&blocked, "\u{301}"]), None, "a mark of its class stands before it");
        assert_eq!(at(&["a\u{327}", "\u{301}"]).map(|found| found.0), Some(1), "none does");
        assert_eq!(at(&["\u{1100}", "\u{1161}"]), Some((1, 0, "\u{1100}".to_owned())), "one base");
    }

    proptest::proptest! {
        #[test]
        fn pieces_say_what_the_whole_says(
            text in "([uUzCaqK\u{300}-\u{330}\u{345}\u{35F}äÅ \u{212B}\u{1100}\u{1161}\u{11A8}\u{AC00}\u{9C7}\u{9BE}\u{5BC}\u{5B8}]|\u{301}{30,40}|\u{305}{1,70}){0,12}",
            cuts in proptest::collection::vec(0..200usize, 0..5),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().filter_map(|n| {
                let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
                ends.get(n.checked_rem(ends.len())?).copied()
            }).collect();
            cuts.sort_unstable();
            let ends = cuts.iter().copied().chain([text.len()]);
            let pieces: Vec<&str> = std::iter::once(0).chain(cuts.iter().copied()).zip(ends)
                .map(|(from, to)| &text[from..to]).collect();
            let whole = !unicode_normalization::is_nfc(&text);
            proptest::prop_assert_eq!(at(&pieces).is_some(), whole, "{:?}", pieces);
        }
    }
}
