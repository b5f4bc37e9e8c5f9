//! Code lists of a pack, and the codes of a message looked up in them (XÖV codes of types 1 to 4).
//!
//! A list is known by its URI and its version. Both stand in the schema, fixed, or in the message,
//! in the attributes `listURI` and `listVersionID`; the code stands in the child element `code`.
//! Which column of the list holds it is for the pack to say, else for the schema
//! (`genutzteCodeSpalte`); where neither does, every column that is a key by itself may hold it.

mod watch;

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::genericode::{CodeList, MAX_COLUMNS};
use crate::pack::Days;
use crate::validate::Finding;
use crate::xml::Position;

pub(crate) use watch::{NOT_IN_LIST, Watch};

/// The rule that findings name.
const RULE: &str = "xoev-code";
/// The first day of a version whose first day is not told: before all messages.
pub(crate) const LONG_AGO: Date = jiff::civil::date(1900, 1, 1);

/// What happens with a list, or a version of one, that the pack does not carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// Nothing: its codes are not checked. A hub without the list cannot blame the message, and new
    /// versions come out before a hub has them.
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
    /// The column of the list that holds the codes, where an annotation names it.
    pub(crate) column: Option<Box<str>>,
}

/// What a pack says about a list, beyond what the list says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// The column that holds the codes, or a key of one column, by its id.
    pub(crate) key: Option<String>,
    /// First day of this version.
    pub(crate) valid_from: Option<Date>,
    /// Last day of this version.
    pub(crate) valid_until: Option<Date>,
}

/// Some of the columns of a list that may hold codes: one bit each.
type Columns = u128;
const _: () = assert!(MAX_COLUMNS <= Columns::BITS as usize);

/// One version of one list, ready for look-ups.
#[derive(Debug)]
struct Listed {
    uri: String,
    version: String,
    /// The columns that may hold codes, in the order of their bits.
    columns: Vec<Box<str>>,
    /// Each code with the columns in which it stands.
    codes: HashMap<Box<str>, Columns>,
    /// The pack names the column: there is one, and the schema is not asked.
    named: bool,
    days: Option<Days>,
}

/// The lists of a pack.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    listed: Vec<Listed>,
    by_uri: HashMap<String, Vec<usize>>,
    unknown: Unknown,
    unknown_versions: Unknown,
}

impl Lists {
    /// No list yet. What happens with codes of unknown lists, and of unknown versions of the lists.
    pub(crate) fn new(unknown: Unknown, unknown_versions: Unknown) -> Self {
        Self { unknown, unknown_versions, ..Self::default() }
    }

    /// Adds a version of a list, used as the pack says.
    ///
    /// # Errors
    ///
    /// The pack names a column that is not there or a key of several columns, or nobody says which
    /// column holds the codes; the days are none; or this version is there already.
    pub(crate) fn add(&mut self, list: &CodeList, said: &Said) -> Result<(), String> {
        let columns = match &said.key {
            Some(name) => vec![named_column(list, name)?],
            None => list.code_columns(),
        };
        if columns.is_empty() {
            return Err("no column of the list is a key: name the one that holds the codes with \
                        key"
            .to_owned());
        }
        let days = days(list, said)?;
        let known = self.by_uri.entry(list.canonical_uri.clone()).or_default();
        if known.iter().any(|n| self.listed[*n].version == list.version) {
            return Err("this version of the list is there already".to_owned());
        }
        let mut codes: HashMap<Box<str>, Columns> = HashMap::with_capacity(list.rows.len());
        for (n, column) in columns.iter().enumerate() {
            for code in list.column(column).into_iter().flatten() {
                *codes.entry(collapsed(code).into()).or_default() |= 1 << n;
            }
        }
        known.push(self.listed.len());
        self.listed.push(Listed {
            uri: list.canonical_uri.clone(),
            version: list.version.clone(),
            columns: columns.into_iter().map(Into::into).collect(),
            codes,
            named: said.key.is_some(),
            days,
        });
        Ok(())
    }

    /// Whether there is anything to look for.
    pub(crate) fn watches(&self) -> bool {
        !self.listed.is_empty() || self.unknown == Unknown::Finding
    }

    /// The findings about versions that do not apply at `at`.
    pub(crate) fn judge(&self, used: &Used, at: Timestamp) -> Vec<Finding> {
        let used = used.0.borrow();
        let expired = used.iter().filter_map(|one| {
            let listed = self.listed.get(one.listed)?;
            let days = listed.days.as_ref().filter(|days| !days.holds(at))?;
            let others = self.versions(&listed.uri, |other| {
                other.days.as_ref().is_none_or(|days| days.holds(at))
            });
            Some(watch::expired(&one.name, listed, days, &others).at(one.position, &one.path))
        });
        expired.collect()
    }

    /// The versions of a list that the pack carries, the first ten of those that `wanted` takes.
    fn versions(&self, uri: &str, wanted: impl Fn(&Listed) -> bool) -> String {
        let all = self.by_uri.get(uri).into_iter().flatten().map(|n| &self.listed[*n]);
        let all = all.filter(|one| wanted(one)).map(|one| one.version.as_str()).take(10);
        all.collect::<Vec<_>>().join(", ")
    }
}

impl Listed {
    /// The columns in which a code may stand, by a type whose schema names this one or none. A
    /// column that this version does not have is no help: the schema may be about another one.
    fn columns(&self, by_schema: Option<&str>) -> Columns {
        let one = by_schema.filter(|_| !self.named);
        let one = one.and_then(|name| self.columns.iter().position(|known| **known == *name));
        one.map_or(Columns::MAX, |n| 1 << n)
    }

    fn has(&self, code: &str, columns: Columns) -> bool {
        self.codes.get(&*collapsed(code)).is_some_and(|there| there & columns != 0)
    }
}

/// The column that a pack names by its own id, or by that of the key that it is.
fn named_column<'l>(list: &'l CodeList, name: &str) -> Result<&'l str, String> {
    if let Some(column) = list.columns.iter().find(|column| *column == name) {
        return Ok(column);
    }
    match list.keys.iter().find(|key| key.id == name).map(|key| &key.columns[..]) {
        Some([column]) => Ok(column),
        Some(columns) => Err(format!(
            "key '{name}' of the list has several columns ({}): name the one that holds the codes",
            columns.join(", ")
        )),
        None => Err(format!(
            "the list has neither a column nor a key '{name}' (columns: {})",
            list.columns.iter().take(20).map(String::as_str).collect::<Vec<_>>().join(", ")
        )),
    }
}

/// When a version applies: as the pack says, else from the day that the list says.
fn days(list: &CodeList, said: &Said) -> Result<Option<Days>, String> {
    let own = match said.valid_from {
        None => list.first_day().map_err(|error| error.to_string())?,
        Some(_) => None,
    };
    let (from, until) = (said.valid_from.or(own), said.valid_until);
    if from.is_none() && until.is_none() {
        return Ok(None);
    }
    let days = Days::new(from.unwrap_or(LONG_AGO), until).map_err(|reason| match own {
        Some(day) => format!("{reason}, which the list gives as {day}"),
        None => reason,
    })?;
    Ok(Some(days))
}

/// A code as its type, xs:token, has it: white space at the ends is gone, and inside it is one
/// space.
fn collapsed(code: &str) -> Cow<'_, str> {
    const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];
    let code = code.trim_matches(SPACE);
    if code.contains(['\t', '\n', '\r']) || code.contains("  ") {
        let parts: Vec<&str> = code.split(SPACE).filter(|part| !part.is_empty()).collect();
        Cow::Owned(parts.join(" "))
    } else {
        Cow::Borrowed(code)
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
mod tests;
