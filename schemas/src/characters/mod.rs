//! Characters after DIN 91379:2022-08: data types A to E, combining sequences, normal form C.
//!
//! A base with its combining marks is one character of the standard. Here is judged, never
//! repaired: the hub changes no octet that is signed (P4).

mod nfc;
mod scan;
mod table;
#[cfg(test)]
mod tests;
mod watch;

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use unicode_normalization::char::canonical_combining_class;

pub(crate) use nfc::Nfc;
pub(crate) use scan::Scan;
pub(crate) use watch::{Parts, Policy, Watch};

/// Most code points of one character that a finding names; the longest of the standard has three.
pub const MAX_NAMED: usize = 4;

/// A data type of DIN 91379.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Datatype {
    /// Names of natural persons.
    A,
    /// Other names: places, streets, house numbers.
    B,
    /// All normative characters, for free text.
    C,
    /// Names of legal persons and products: B and characters that are not normative.
    D,
    /// All characters of the standard, normative or not.
    E,
}

impl Datatype {
    /// The type that the official schemas define under this name; none for every other name.
    pub fn of_official(namespace: &str, local: &str) -> Option<Self> {
        if namespace != "urn:xoev-de:kosit:xoev:datentyp:din-91379_2022-08" {
            return None;
        }
        Some(match local {
            "datatypeA" => Self::A,
            "datatypeB" => Self::B,
            "datatypeC" => Self::C,
            "datatypeD" => Self::D,
            "datatypeE" => Self::E,
            _ => return None,
        })
    }

    /// Judges a text: the first character that the data type does not hold.
    ///
    /// # Errors
    ///
    /// There is one.
    pub fn check(self, text: &str) -> Result<(), Offence> {
        let mut scan = Scan::new(self, false);
        let mut seen = 0;
        for character in text.chars() {
            scan.step(character).map_err(|broken| broken.at(seen))?;
            seen += 1;
        }
        scan.finish().map_err(|broken| broken.at(seen))
    }

    fn bit(self) -> table::Bits {
        1 << self as u8
    }
}

/// A character that may not be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offence {
    /// Code points before it in the text.
    pub before: usize,
    /// Its code points, a base and its marks, at most [`MAX_NAMED`].
    pub code_points: Vec<char>,
}

/// What a simple type of the schemas asks of the characters of its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The same of the whole value.
    Whole(Own),
    /// It is a list or a union: its items or members say it.
    Parts,
}

/// A simple type that stands for a data type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Own {
    /// The data type.
    pub(crate) datatype: Datatype,
    /// Tabulators and line ends count as spaces: the type replaces or collapses them.
    pub(crate) spaced: bool,
}

impl Own {
    /// Judges a value that is there in one piece.
    fn check(self, text: &str) -> Result<(), Offence> {
        if self.spaced && text.contains(['\t', '\n', '\r']) {
            return self.datatype.check(&text.replace(['\t', '\n', '\r'], " "));
        }
        self.datatype.check(text)
    }
}

/// Counts the characters of a value that can be told apart: a base and its combining marks are one,
/// and so are two letters that a double mark joins. White space and what is not seen do not count,
/// so where there is one character, naming it names the whole trimmed value.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    joined: bool,
    count: usize,
}

impl Count {
    /// Counts a piece as well.
    pub(crate) fn add(&mut self, piece: &str) {
        for character in piece.chars() {
            if self.count > 1 {
                return;
            }
            match character {
                // Double marks (U+035C to U+0362) reach over the next letter.
                '\u{35C}'..='\u{362}' => self.joined = true,
                _ if canonical_combining_class(character) != 0 || is_unseen(character) => {}
                _ if self.joined => self.joined = false,
                _ => self.count += 1,
            }
        }
    }

    /// There is at most one.
    pub(crate) fn alone(self) -> bool {
        self.count <= 1
    }
}

/// There is at most one character in a value.
pub(crate) fn is_alone(value: &str) -> bool {
    let mut count = Count::default();
    count.add(value);
    count.alone()
}

/// White space, and signs that only steer how the text around them is shown.
fn is_unseen(character: char) -> bool {
    character.is_whitespace()
        || matches!(character, '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{E0000}'..='\u{E0FFF}')
}

/// A combining mark of the block that the standard's sequences are made of.
fn is_mark(character: char) -> bool {
    ('\u{300}'..='\u{36F}').contains(&character)
}

/// Code points and their names in Unicode: `U+0075 U+0308 (LATIN SMALL LETTER U, COMBINING
/// DIAERESIS)`.
pub fn describe(code_points: &[char]) -> String {
    let mut codes = String::new();
    let mut names = String::new();
    for character in code_points.iter().take(MAX_NAMED) {
        if !codes.is_empty() {
            codes.push(' ');
            names.push_str(", ");
        }
        // Writing into a String does not fail.
        let _ = write!(codes, "U+{:04X}", *character as u32);
        match unicode_names2::name(*character) {
            Some(name) => {
                let _ = write!(names, "{name}");
            }
            None if character.is_control() => names.push_str("control character"),
            None => names.push_str("no name"),
        }
    }
    format!("{codes} ({names})")
}
