//! Code lists of a pack, and the codes of a message looked up in them (XÖV codes of types 1 to 4).
//!
//! A list is known by its URI and its version. Both stand in the schema, fixed, or in the message,
//! in the attributes `listURI` and `listVersionID`; the code stands in the child element `code`.

mod watch;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use crate::genericode::CodeList;
use crate::pack::Days;
use crate::validate::Finding;
use crate::xml::Position;

pub(crate) use watch::{NOT_IN_LIST, Watch};

/// The rule that findings name.
const RULE: &str = "xoev-code";

/// What happens with a list that the pack does not carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// Nothing: its codes are not checked. A hub without the list cannot blame the message.
    #[default]
    Pass,
    /// It is a finding, and the message is invalid.
    Finding,
}

/// What a schema says about the codes of a complex type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CodeUse {
    /// The list, where it is fixed or a default.
    pub(crate) uri: Option<Box<str>>,
    /// Its version, where it is fixed or a default.
    pub(crate) version: Option<Box<str>>,
}

/// One version of a list, ready for look-ups.
#[derive(Debug)]
struct Listed {
    uri: String,
    version: String,
    codes: HashSet<Box<str>>,
    days: Option<Days>,
}

/// The lists of a pack.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    listed: Vec<Listed>,
    by_uri: HashMap<String, Vec<usize>>,
    unknown: Unknown,
}

impl Lists {
    /// No list yet.
    pub(crate) fn new(unknown: Unknown) -> Self {
        Self { unknown, ..Self::default() }
    }

    /// Adds a version of a list. `key` is the column that holds the codes; without it every key of
    /// one column does, for the standard may use any of them. `days` is when the version applies.
    ///
    /// # Errors
    ///
    /// The column is no key of the list, or this version is there already.
    pub(crate) fn add(
        &mut self,
        list: &CodeList,
        key: Option<&str>,
        days: Option<Days>,
    ) -> Result<(), &'static str> {
        if key.is_some_and(|key| !list.keys.iter().any(|known| known == key)) {
            return Err("the column named by key is no key of the list");
        }
        let known = self.by_uri.entry(list.canonical_uri.clone()).or_default();
        if known.iter().any(|n| self.listed[*n].version == list.version) {
            return Err("this version of the list is there already");
        }
        let columns = list.keys.iter().filter(|one| key.is_none_or(|key| key == one.as_str()));
        let codes = columns.filter_map(|column| list.column(column)).flatten();
        known.push(self.listed.len());
        self.listed.push(Listed {
            uri: list.canonical_uri.clone(),
            version: list.version.clone(),
            codes: codes.map(|code| code.trim().into()).collect(),
            days,
        });
        Ok(())
    }

    /// Whether there is anything to look for.
    pub(crate) fn watches(&self) -> bool {
        !self.listed.is_empty() || self.unknown == Unknown::Finding
    }

    /// Whether a version of a list has a code. None where the list or the version is not known.
    #[cfg(test)]
    fn has(&self, uri: &str, version: &str, code: &str) -> Option<bool> {
        let known = self.by_uri.get(uri)?;
        let listed = known.iter().map(|n| &self.listed[*n]).find(|one| one.version == version)?;
        Some(listed.has(code))
    }

    /// The findings about versions that do not apply at `at`.
    pub(crate) fn judge(&self, used: &Used, at: Timestamp) -> Vec<Finding> {
        let used = used.0.borrow();
        let expired = used.iter().filter_map(|one| {
            let listed = self.listed.get(one.listed)?;
            let days = listed.days.as_ref().filter(|days| !days.holds(at))?;
            Some(
                watch::expired(&one.name, &listed.uri, &listed.version, days)
                    .at(one.position, &one.path),
            )
        });
        expired.collect()
    }
}

impl Listed {
    fn has(&self, code: &str) -> bool {
        let code = code.trim_matches([' ', '\t', '\n', '\r']);
        if self.codes.contains(code) {
            return true;
        }
        // The type of `code` is xs:token: white space inside counts as one space.
        let inner = code.contains(['\t', '\n', '\r']) || code.contains("  ");
        let collapse = || code.split([' ', '\t', '\n', '\r']).filter(|part| !part.is_empty());
        inner && self.codes.contains(collapse().collect::<Vec<_>>().join(" ").as_str())
    }
}

/// Versions of limited time that a message used, each where it was used first. They are judged
/// when the time that counts for the message is known.
#[derive(Debug, Default)]
pub(crate) struct Used(RefCell<Vec<One>>);

#[derive(Debug)]
struct One {
    listed: usize,
    position: Position,
    path: String,
    name: String,
}

impl Used {
    fn lacks(&self, listed: usize) -> bool {
        self.0.borrow().iter().all(|one| one.listed != listed)
    }

    fn note(&self, listed: usize, position: Position, path: String, name: &str) {
        self.0.borrow_mut().push(One { listed, position, path, name: name.to_owned() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(keys: &[&str], rows: &[(&str, &str)]) -> CodeList {
        CodeList {
            canonical_uri: "urn:probe".to_owned(),
            version: "1".to_owned(),
            columns: vec!["code".to_owned(), "alt".to_owned()],
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
            rows: rows.iter().map(|(a, b)| vec![Some((*a).into()), Some((*b).into())]).collect(),
            ..CodeList::default()
        }
    }

    #[test]
    fn every_key_column_holds_codes_unless_the_pack_names_one() {
        let list = list(&["code", "alt"], &[("01", "DE"), ("02 x", "AT")]);
        let mut all = Lists::new(Unknown::Pass);
        all.add(&list, None, None).expect("added");
        for code in ["01", "DE", " 02  x\n", "AT"] {
            assert_eq!(all.has("urn:probe", "1", code), Some(true), "{code}");
        }
        assert_eq!(all.has("urn:probe", "1", "0"), Some(false));
        assert_eq!(all.has("urn:probe", "2", "01"), None);
        assert!(all.add(&list, None, None).is_err(), "twice");
        let mut one = Lists::new(Unknown::Pass);
        assert!(one.add(&list, Some("name"), None).is_err());
        one.add(&list, Some("alt"), None).expect("added");
        assert_eq!(one.has("urn:probe", "1", "01"), Some(false));
        assert_eq!(one.has("urn:probe", "1", "DE"), Some(true));
    }
}
