//! What DIN 91379:2022-08 admits: single characters by layers, and sequences by their marks.
//!
//! The data types lie inside one another but for a few characters of text files, so each character
//! is listed once, with the smallest set of data types that hold it. Sequences are the same in all
//! five. A test holds all of it against the patterns of the official schema.

use std::sync::LazyLock;

/// Data types as bits: A is 1, B is 2, C is 4, D is 8, E is 16.
pub(super) type Bits = u8;

/// Beyond it there is no character of the standard.
const END: usize = 0x2300;

type Ranges = &'static [(u16, u16)];

/// Letters of names and what stands between them: in all data types.
const NAMES: Ranges = &[
    (0x20, 0x20),
    (0x27, 0x27),
    (0x2C, 0x2E),
    (0x41, 0x5A),
    (0x60, 0x7A),
    (0x7E, 0x7E),
    (0xA8, 0xA8),
    (0xB4, 0xB4),
    (0xB7, 0xB7),
    (0xC0, 0xD6),
    (0xD8, 0xF6),
    (0xF8, 0x17E),
    (0x187, 0x188),
    (0x18F, 0x18F),
    (0x197, 0x197),
    (0x1A0, 0x1A1),
    (0x1AF, 0x1B0),
    (0x1B7, 0x1B7),
    (0x1CD, 0x1DC),
    (0x1DE, 0x1DF),
    (0x1E2, 0x1F0),
    (0x1F4, 0x1F5),
    (0x1F8, 0x1FF),
    (0x212, 0x213),
    (0x218, 0x21B),
    (0x21E, 0x21F),
    (0x227, 0x233),
    (0x259, 0x259),
    (0x268, 0x268),
    (0x292, 0x292),
    (0x2B9, 0x2BA),
    (0x2BE, 0x2BF),
    (0x2C8, 0x2C8),
    (0x2CC, 0x2CC),
    (0x1E02, 0x1E03),
    (0x1E06, 0x1E07),
    (0x1E0A, 0x1E11),
    (0x1E17, 0x1E17),
    (0x1E1C, 0x1E2B),
    (0x1E2F, 0x1E37),
    (0x1E3A, 0x1E3B),
    (0x1E40, 0x1E49),
    (0x1E52, 0x1E5B),
    (0x1E5E, 0x1E63),
    (0x1E6A, 0x1E6F),
    (0x1E80, 0x1E87),
    (0x1E8C, 0x1E97),
    (0x1E9E, 0x1E9E),
    (0x1EA0, 0x1EF9),
    (0x2019, 0x2019),
    (0x2021, 0x2021),
];

/// Digits and signs of addresses and titles: from B on.
const SIGNS: Ranges = &[
    (0x21, 0x26),
    (0x28, 0x2B),
    (0x2F, 0x40),
    (0x5B, 0x5F),
    (0x7B, 0x7D),
    (0xA1, 0xA3),
    (0xA5, 0xA5),
    (0xA7, 0xA7),
    (0xA9, 0xAC),
    (0xAE, 0xB3),
    (0xB5, 0xB6),
    (0xB9, 0xBB),
    (0xBF, 0xBF),
    (0xD7, 0xD7),
    (0xF7, 0xF7),
    (0x20AC, 0x20AC),
];

/// Rare signs: from C on.
const RARE: Ranges = &[(0xA4, 0xA4), (0xA6, 0xA6), (0xB8, 0xB8), (0xBC, 0xBE)];

/// Tabulator, line ends and the space that does not break: C and E only.
const LAYOUT: Ranges = &[(0x09, 0x0A), (0x0D, 0x0D), (0xA0, 0xA0)];

/// Greek letters and further signs, not normative: D and E.
const EXTENDED: Ranges = &[
    (0x192, 0x192),
    (0x2B0, 0x2B0),
    (0x2B3, 0x2B3),
    (0x2C6, 0x2C6),
    (0x2DC, 0x2DC),
    (0x2E2, 0x2E2),
    (0x386, 0x386),
    (0x388, 0x38A),
    (0x38C, 0x38C),
    (0x38E, 0x3A1),
    (0x3A3, 0x3CE),
    (0x1D48, 0x1D48),
    (0x1D57, 0x1D57),
    (0x2018, 0x2018),
    (0x201A, 0x201A),
    (0x201C, 0x201E),
    (0x2020, 0x2020),
    (0x2026, 0x2026),
    (0x2030, 0x2030),
    (0x2032, 0x2033),
    (0x2039, 0x203A),
    (0x2070, 0x2070),
    (0x2074, 0x2079),
    (0x207F, 0x2089),
    (0x2122, 0x2122),
    (0x221E, 0x221E),
    (0x2264, 0x2265),
];

/// Cyrillic letters of Bulgarian, not normative: E only.
const CYRILLIC: Ranges = &[
    (0x40D, 0x40D),
    (0x410, 0x42A),
    (0x42C, 0x42C),
    (0x42E, 0x44A),
    (0x44C, 0x44C),
    (0x44E, 0x44F),
    (0x45D, 0x45D),
];

const LAYERS: &[(Bits, Ranges)] = &[
    (0b11111, NAMES),
    (0b11110, SIGNS),
    (0b11100, RARE),
    (0b10100, LAYOUT),
    (0b11000, EXTENDED),
    (0b10000, CYRILLIC),
];

/// Sequences: what follows the base, and the bases it may follow. The double macron below joins
/// two letters, so there the second letter belongs to what follows.
const SEQUENCES: &[(&str, &str)] = &[
    ("\u{300}", "CFGKMPSTZcfgkmpstz"),
    ("\u{301}", "JjÿĪī"),
    ("\u{302}", "DKLMNdklmn"),
    ("\u{304}", "CFHKNPSTZcfhknpstzÛûḲḳṢṣṬṭỤụ"),
    ("\u{306}", "CMNRZcmnrzÇç"),
    ("\u{307}", "KUku"),
    ("\u{308}", "CTZczẠạỌọỤụ"),
    ("\u{30B}", "Aa"),
    ("\u{30C}", "J"),
    ("\u{30D}", "ēō"),
    ("\u{310}", "Mm"),
    ("\u{315}", "CKPTckptČč"),
    ("\u{31B}", "KTkt"),
    ("\u{31B}\u{304}", "Ss"),
    ("\u{323}", "CPcpČč"),
    ("\u{325}", "LRlr"),
    ("\u{325}\u{304}", "LRlr"),
    ("\u{326}", "CHKLNchklnŽž"),
    ("\u{327}", "ZzŽž"),
    ("\u{328}\u{306}", "Cc"),
    ("\u{331}", "HSs"),
    ("\u{35F}H", "K"),
    ("\u{35F}h", "Kk"),
];

static ADMITTED: LazyLock<Box<[Bits]>> = LazyLock::new(|| {
    let mut table = vec![0; END];
    for (bits, ranges) in LAYERS {
        for (first, last) in *ranges {
            table[usize::from(*first)..=usize::from(*last)].fill(*bits);
        }
    }
    table.into()
});

/// The same for ASCII, which most texts are made of.
const ASCII: [Bits; 128] = {
    let mut table = [0; 128];
    let mut layer = 0;
    while layer < LAYERS.len() {
        let (bits, ranges) = LAYERS[layer];
        let mut range = 0;
        while range < ranges.len() {
            let (first, last) = ranges[range];
            let mut code = first;
            while code <= last && code < 128 {
                table[code as usize] = bits;
                code += 1;
            }
            range += 1;
        }
        layer += 1;
    }
    table
};

/// Whether a text is ASCII that the data types hold.
#[inline]
pub(super) fn plain(text: &str, bits: Bits) -> bool {
    text.bytes().all(|octet| ASCII.get(usize::from(octet)).is_some_and(|held| held & bits != 0))
}

/// The data types that hold a character by itself.
pub(super) fn admitted(character: char) -> Bits {
    ADMITTED.get(character as usize).copied().unwrap_or(0)
}

/// How far what follows a base has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follows {
    /// It makes a character.
    Whole,
    /// It is the beginning of one.
    Part,
    /// It makes none.
    Nothing,
}

/// Judges what follows a base.
pub(super) fn follows(base: char, following: &[char]) -> Follows {
    let rows = SEQUENCES.iter().filter(|(_, bases)| bases.contains(base));
    let mut answer = Follows::Nothing;
    for (row, _) in rows {
        let mut rest = row.chars();
        if following.iter().all(|one| rest.next() == Some(*one)) {
            match rest.next() {
                None => return Follows::Whole,
                Some(_) => answer = Follows::Part,
            }
        }
    }
    answer
}

/// Every sequence of the standard.
#[cfg(test)]
pub(super) fn sequences() -> impl Iterator<Item = String> {
    SEQUENCES.iter().flat_map(|(row, bases)| bases.chars().map(move |base| format!("{base}{row}")))
}
