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

pub(crate) use nfc::Nfc;
pub(crate) use scan::Scan;
pub(crate) use watch::{Policy, Watch};

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
        let mut scan = Scan::new(self);
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

/// How many characters of the standard a text has: a base and its combining marks are one, and so
/// are two letters that a double mark joins.
pub fn count(text: &str) -> usize {
    let mut joined = false;
    let mut count = 0;
    for character in text.chars() {
        match character {
            // Double marks (U+035C to U+0362) reach over the next letter.
            '\u{35C}'..='\u{362}' => joined = true,
            _ if is_mark(character) => {}
            _ if joined => joined = false,
            _ => count += 1,
        }
    }
    count
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
