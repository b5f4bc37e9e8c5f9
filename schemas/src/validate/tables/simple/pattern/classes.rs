//! Sets of characters with a name: categories, blocks and the escapes for several characters.

use std::collections::HashMap;

use regex_syntax::Parser;
use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};
use xsd_schema::regex_convert::{ConvertOptions, convert_xml_pattern};

use super::super::names::{NAME_MORE, NAME_START};
use super::blocks::BLOCKS;
use super::syntax::class_of;

/// The sets asked for so far; making one takes a while.
#[derive(Debug, Default)]
pub(super) struct Classes(HashMap<String, ClassUnicode>);

/// The categories of Appendix F. `Cs` holds no characters.
const CATEGORIES: [&str; 37] = [
    "L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N", "Nd", "Nl", "No", "P", "Pc",
    "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Z", "Zs", "Zl", "Zp", "S", "Sm", "Sc", "Sk", "So", "C",
    "Cc", "Cf", "Co", "Cn", "Cs",
];

/// Categories that hold, all together, what is a character at all.
const ASSIGNED: [&str; 9] = ["L", "M", "N", "P", "Z", "S", "Cc", "Cf", "Co"];

impl Classes {
    /// `\p{name}`.
    pub(super) fn property(&mut self, name: &str) -> Option<&ClassUnicode> {
        if !self.0.contains_key(name) {
            let set = match name.strip_prefix("Is") {
                Some(block) => {
                    let (_, ranges) = BLOCKS.iter().find(|(name, _)| *name == block)?;
                    of_ranges(ranges)
                }
                None if CATEGORIES.contains(&name) => self.category(name)?,
                None => return None,
            };
            self.0.insert(name.to_owned(), set);
        }
        self.0.get(name)
    }

    /// `\s`, `\i`, `\c`, `\d`, `\w`.
    pub(super) fn multiple(&mut self, escape: char) -> Option<&ClassUnicode> {
        let key = format!("\\{escape}");
        if !self.0.contains_key(&key) {
            let set = match escape {
                's' => of_ranges(&[('\t', '\n'), ('\r', '\r'), (' ', ' ')]),
                'i' => of_ranges(&NAME_START),
                'c' => {
                    let mut set = of_ranges(&NAME_START);
                    set.union(&of_ranges(&NAME_MORE));
                    set
                }
                'd' => self.property("Nd")?.clone(),
                // All but punctuation, separators and what is no character for use in text.
                'w' => {
                    let mut set = ClassUnicode::empty();
                    for name in ["P", "Z", "C"] {
                        set.union(self.property(name)?);
                    }
                    complement(&set)
                }
                _ => return None,
            };
            self.0.insert(key.clone(), set);
        }
        self.0.get(&key)
    }

    /// A general category. Characters that Unicode 3.0 knows, the version at the time of XSD 1.0,
    /// are of the category it gave them; for others Appendix F encourages later versions, as `ẞ` and
    /// all characters beyond the first 65,536 are. Some tests of the W3C that their authors queried
    /// want those unassigned; more that were accepted want them assigned.
    fn category(&mut self, name: &str) -> Option<ClassUnicode> {
        match name {
            "Cs" => return Some(ClassUnicode::empty()),
            "C" => {
                let mut set = ClassUnicode::empty();
                for name in ["Cc", "Cf", "Co", "Cn"] {
                    set.union(self.property(name)?);
                }
                return Some(set);
            }
            "Cn" => {
                let mut set = ClassUnicode::empty();
                for name in ASSIGNED {
                    set.union(self.property(name)?);
                }
                return Some(complement(&set));
            }
            _ => {}
        }
        let mut later = parsed(&format!(r"\p{{{name}}}"))?;
        later.difference(self.first_assigned()?);
        let mut set = first(name)?;
        set.union(&later);
        Some(set)
    }

    /// What Unicode 3.0 knows.
    fn first_assigned(&mut self) -> Option<&ClassUnicode> {
        const KEY: &str = "";
        if !self.0.contains_key(KEY) {
            let mut set = ClassUnicode::empty();
            for name in ASSIGNED {
                set.union(&first(name)?);
            }
            self.0.insert(KEY.to_owned(), set);
        }
        self.0.get(KEY)
    }
}

/// A category of Unicode 3.0, from the tables of the schema library.
fn first(name: &str) -> Option<ClassUnicode> {
    let options = ConvertOptions { anchor: false, ..ConvertOptions::xsd_v1_0() };
    parsed(&convert_xml_pattern(&format!(r"\p{{{name}}}"), options))
}

fn parsed(pattern: &str) -> Option<ClassUnicode> {
    class_of(&Parser::new().parse(pattern).ok()?)
}

/// All other characters. (`ClassUnicode::negate` goes wrong where ranges meet at the surrogates.)
pub(super) fn complement(set: &ClassUnicode) -> ClassUnicode {
    let mut others = Vec::new();
    let mut from = Some('\0');
    for range in set.ranges() {
        let before = (range.start() > '\0').then(|| ('\0'..range.start()).next_back()).flatten();
        if let (Some(from), Some(before)) = (from, before)
            && from <= before
        {
            others.push(ClassUnicodeRange::new(from, before));
        }
        from = (range.end()..=char::MAX).nth(1);
    }
    others.extend(from.map(|from| ClassUnicodeRange::new(from, char::MAX)));
    ClassUnicode::new(others)
}

fn of_ranges(ranges: &[(char, char)]) -> ClassUnicode {
    ClassUnicode::new(ranges.iter().map(|(low, high)| ClassUnicodeRange::new(*low, *high)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_has_one_category() {
        let mut classes = Classes::default();
        let mut all = ClassUnicode::empty();
        for name in CATEGORIES.iter().filter(|name| name.len() == 2) {
            let set = classes.property(name).unwrap().clone();
            let mut twice = all.clone();
            twice.intersect(&set);
            assert!(twice.ranges().is_empty(), "{name} {:?}", twice.ranges());
            all.union(&set);
        }
        assert_eq!(complement(&all), ClassUnicode::empty());
    }

    #[test]
    fn a_complement_holds_all_the_others() {
        let set = of_ranges(&[
            ('b', 'd'),
            ('f', 'f'),
            ('\u{D7A4}', '\u{D7FF}'),
            ('\u{E000}', '\u{E001}'),
        ]);
        let others = complement(&set);
        let expected = [('\0', 'a'), ('e', 'e'), ('g', '\u{D7A3}'), ('\u{E002}', char::MAX)];
        assert_eq!(others, of_ranges(&expected));
        let whole = [('b', 'd'), ('f', 'f'), ('\u{D7A4}', '\u{E001}')];
        assert_eq!(complement(&others), of_ranges(&whole));
        assert_eq!(complement(&ClassUnicode::empty()), of_ranges(&[('\0', char::MAX)]));
    }

    #[test]
    fn blocks_follow_one_another() {
        let mut ranges: Vec<_> = BLOCKS.iter().flat_map(|(_, ranges)| ranges.iter()).collect();
        ranges.sort();
        assert!(ranges.windows(2).all(|pair| pair[0].1 < pair[1].0));
        assert!(ranges.iter().all(|(low, high)| low <= high));
    }
}
