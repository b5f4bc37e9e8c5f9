//! Code lists in genericode 1.0, as XRepository delivers them and as our own packs hold them.
//!
//! Read are the identification (short name, version, canonical URIs), the columns, the keys, the
//! rows of a simple code list, and of the annotations of XÖV the first day of the version and the
//! key recommended for codes. Columns and keys that stand in another file, and sets of code lists,
//! are refused: a pack reads nothing but what lies in it.

mod read;
mod stranger;

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use jiff::civil::Date;

use crate::xml::XmlError;

/// The namespace of the root element; its children have none.
const NAMESPACE: &str = "http://docs.oasis-open.org/codelist/ns/genericode/1.0/";

/// Most bytes of a list as a file: twenty times the longest that XRepository is known to have.
pub const MAX_LIST_BYTES: u64 = 64 * 1024 * 1024;
/// Most rows of a list.
pub const MAX_ROWS: usize = 200_000;
/// Most columns of a list.
pub const MAX_COLUMNS: usize = 100;
/// Most keys of a list.
pub const MAX_KEYS: usize = 50;
/// Most values of a list: rows times columns, whether a row has them or not.
pub const MAX_VALUES: usize = 2_000_000;
/// Longest value in bytes.
pub const MAX_VALUE_BYTES: usize = 100_000;
/// Longest code in bytes: a value of a key.
pub const MAX_CODE_BYTES: usize = 4096;

/// One version of one code list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CodeList {
    /// `ShortName`.
    pub short_name: String,
    /// `Version`.
    pub version: String,
    /// `CanonicalUri`: the list whatever its version.
    pub canonical_uri: String,
    /// `CanonicalVersionUri`: this version of the list.
    pub canonical_version_uri: String,
    /// The first day of this version as the list writes it; see [`CodeList::first_day`].
    pub valid_from: Option<String>,
    /// The ids of the columns, in order.
    pub columns: Vec<String>,
    /// The keys, in order; the one recommended for codes first.
    pub keys: Vec<Key>,
    /// The rows: one entry per column, none where the row has no value.
    pub rows: Vec<Vec<Option<String>>>,
}

/// Columns whose values together tell every row from the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Key {
    /// Its id.
    pub id: String,
    /// The ids of its columns, in order: mostly one.
    pub columns: Vec<String>,
    /// Whether the list marks its values as the names of codes (`xoev-codename`): nobody sends them
    /// as codes.
    pub names: bool,
}

/// Why a code list could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CodeListError {
    /// The file could not be opened.
    #[error("the code list could not be read: {0}")]
    Io(#[from] io::Error),
    /// It is no well-formed XML.
    #[error("the code list is not well-formed: {0}")]
    Xml(XmlError),
    /// It is something else altogether.
    #[error("this is no code list in genericode 1.0 but {found}; {advice}")]
    NoCodeList {
        /// What it is, as far as that shows.
        found: String,
        /// What to do.
        advice: &'static str,
    },
    /// The pack uses it in a way that it does not allow.
    #[error("{0}")]
    Use(String),
    /// It is well-formed, and no code list.
    #[error("line {line}: {what}")]
    Shape {
        /// Where.
        line: u64,
        /// What is wrong.
        what: String,
    },
}

impl CodeList {
    /// Reads a file.
    pub fn load(file: &Path) -> Result<Self, CodeListError> {
        Self::read(BufReader::new(File::open(file)?))
    }

    /// Reads a document.
    pub fn read(input: impl BufRead) -> Result<Self, CodeListError> {
        read::read(input, MAX_LIST_BYTES)
    }

    /// The values of a column, in the order of the rows.
    pub fn column(&self, id: &str) -> Option<impl Iterator<Item = &str>> {
        let index = self.columns.iter().position(|column| column == id)?;
        Some(self.rows.iter().filter_map(move |row| row.get(index)?.as_deref()))
    }

    /// The codes: the values of the first key of one column.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        let key = self.keys.iter().find_map(|key| match &key.columns[..] {
            [column] => self.column(column),
            _ => None,
        });
        key.into_iter().flatten()
    }

    /// The columns that may hold the codes of messages: those that are a key of their own, and not
    /// one of names. Where there is none, those that are part of a key.
    pub fn code_columns(&self) -> Vec<&str> {
        let mut columns: Vec<&str> = Vec::new();
        let alone = |key: &&Key| key.columns.len() == 1 && !key.names;
        let any = self.keys.iter().any(|key| alone(&key));
        let keys = self.keys.iter().filter(|key| !any || alone(key));
        for column in keys.flat_map(|key| &key.columns) {
            if !columns.contains(&column.as_str()) {
                columns.push(column);
            }
        }
        columns
    }

    /// The first day of this version, where the list says it: `validFrom`, `datumGueltigkeitAb`.
    ///
    /// # Errors
    ///
    /// What it says is no day.
    pub fn first_day(&self) -> Result<Option<Date>, CodeListError> {
        let Some(text) = &self.valid_from else { return Ok(None) };
        // Both xs:date and xs:dateTime begin with the day; days of a list are days in Germany.
        let (day, rest) = text.split_at_checked(10).unwrap_or((text, ""));
        let day =
            if rest.is_empty() || rest.starts_with(['T', 'Z', '+', '-']) { day } else { text };
        day.parse().map(Some).map_err(|_| {
            CodeListError::Use(
                "the day from which the list says that it is valid is none; say valid_from in \
                 pack.toml"
                    .to_owned(),
            )
        })
    }
}

#[cfg(test)]
mod tests;
