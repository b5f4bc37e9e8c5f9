//! Code lists in genericode 1.0, as XRepository delivers them and as our own packs hold them.
//!
//! Read are the identification (short name, version, canonical URIs), the columns, the keys and the
//! rows of a simple code list. Annotations, external column sets and code list sets are not read.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use crate::xml::{self, DriveError, Event, EventSink, Limits, StartTag, XmlError};

/// The namespace of the root element; its children have none.
const NAMESPACE: &str = "http://docs.oasis-open.org/codelist/ns/genericode/1.0/";

/// Most rows of a list.
pub const MAX_ROWS: usize = 200_000;
/// Most columns of a list.
pub const MAX_COLUMNS: usize = 100;
/// Longest value in bytes.
pub const MAX_VALUE_BYTES: usize = 100_000;

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
    /// The ids of the columns, in order.
    pub columns: Vec<String>,
    /// The ids of the columns that are a key of their own, in order; the recommended one first.
    pub keys: Vec<String>,
    /// The rows: one entry per column, none where the row has no value.
    pub rows: Vec<Vec<Option<String>>>,
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
    #[error(
        "this is no code list in genericode 1.0 but {found}; where a list is not to be had, \
         XRepository answers with a web page or a message: fetch the list again"
    )]
    NoCodeList {
        /// What it is, as far as that shows.
        found: String,
    },
    /// The pack uses it in a way that it does not allow.
    #[error("{0}")]
    Use(&'static str),
    /// It is well-formed, and no code list.
    #[error("line {line}: {what}")]
    Shape {
        /// Where.
        line: u64,
        /// What is wrong.
        what: &'static str,
    },
}

impl CodeList {
    /// Reads a file.
    pub fn load(file: &Path) -> Result<Self, CodeListError> {
        Self::read(BufReader::new(File::open(file)?))
    }

    /// Reads a document.
    pub fn read(input: impl BufRead) -> Result<Self, CodeListError> {
        let mut sink = Sink::default();
        match xml::drive(input, &Limits::default(), &mut sink) {
            Ok(()) => sink.finish(),
            Err(DriveError::Sink(error)) => Err(error),
            Err(DriveError::Xml(error)) if !sink.is_list && !error.is_input() => {
                Err(CodeListError::NoCodeList { found: format!("no XML ({error})") })
            }
            Err(DriveError::Xml(error)) => Err(CodeListError::Xml(error)),
        }
    }

    /// The values of a column, in the order of the rows.
    pub fn column(&self, id: &str) -> Option<impl Iterator<Item = &str>> {
        let index = self.columns.iter().position(|column| column == id)?;
        Some(self.rows.iter().filter_map(move |row| row.get(index)?.as_deref()))
    }

    /// The codes: the values of the first key column.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        self.keys.first().and_then(|key| self.column(key)).into_iter().flatten()
    }
}

#[derive(Default)]
struct Sink {
    list: CodeList,
    path: Vec<String>,
    text: String,
    key_column: Option<String>,
    recommended: bool,
    column: Option<usize>,
    line: u64,
    is_list: bool,
}

impl Sink {
    fn start(&mut self, tag: &StartTag) -> Result<(), CodeListError> {
        self.line = tag.position.line;
        if tag.depth == 1 {
            self.is_list = tag.is(NAMESPACE, "CodeList");
            if !self.is_list {
                let found = format!("<{}>", tag.local.chars().take(100).collect::<String>());
                return Err(CodeListError::NoCodeList { found });
            }
        }
        self.path.push(tag.local.clone());
        self.text.clear();
        match self.path_in_list().as_slice() {
            ["ColumnSet", "Column"] => {
                let id = tag.attribute("Id").ok_or_else(|| self.shape("a column without Id"))?;
                if self.list.columns.len() >= MAX_COLUMNS {
                    return Err(self.shape("too many columns"));
                }
                self.list.columns.push(id.to_owned());
            }
            ["ColumnSet", "Key"] => (self.key_column, self.recommended) = (None, false),
            ["ColumnSet", "Key", "ColumnRef"] => {
                // A key over several columns identifies a row, not a code: it is passed over.
                let first = self.key_column.is_none();
                self.key_column = tag
                    .attribute("Ref")
                    .filter(|_| first)
                    .map(str::to_owned)
                    .or(Some(String::new()));
            }
            ["ColumnSet", "Key", .., "recommendedKeyColumn"] => self.recommended = true,
            ["SimpleCodeList", "Row"] => {
                if self.list.rows.len() >= MAX_ROWS {
                    return Err(self.shape("too many rows"));
                }
                self.list.rows.push(vec![None; self.list.columns.len()]);
                self.column = None;
            }
            ["SimpleCodeList", "Row", "Value"] => self.column = Some(self.next_column(tag)?),
            _ => {}
        }
        Ok(())
    }

    /// A value without reference belongs to the column after the one before (genericode 1.0, 3).
    fn next_column(&self, tag: &StartTag) -> Result<usize, CodeListError> {
        let index = match tag.attribute("ColumnRef") {
            Some(id) => self.list.columns.iter().position(|column| column == id),
            None => Some(self.column.map_or(0, |column| column + 1)),
        };
        index
            .filter(|index| *index < self.list.columns.len())
            .ok_or_else(|| self.shape("a value of a column that does not exist"))
    }

    fn end(&mut self) {
        let text = std::mem::take(&mut self.text);
        let value = || text.trim().to_owned();
        match self.path_in_list().as_slice() {
            ["Identification", "ShortName"] => self.list.short_name = value(),
            ["Identification", "Version"] => self.list.version = value(),
            ["Identification", "CanonicalUri"] => self.list.canonical_uri = value(),
            ["Identification", "CanonicalVersionUri"] => self.list.canonical_version_uri = value(),
            ["ColumnSet", "Key"] => {
                let column = self.key_column.take().filter(|id| self.list.columns.contains(id));
                if let Some(column) = column {
                    let at = if self.recommended { 0 } else { self.list.keys.len() };
                    self.list.keys.insert(at, column);
                }
            }
            ["SimpleCodeList", "Row", "Value", "SimpleValue"] => {
                if let (Some(row), Some(column)) = (self.list.rows.last_mut(), self.column) {
                    row[column] = Some(text);
                }
            }
            _ => {}
        }
        self.path.pop();
    }

    fn path_in_list(&self) -> Vec<&str> {
        self.path.iter().skip(1).map(String::as_str).collect()
    }

    fn shape(&self, what: &'static str) -> CodeListError {
        CodeListError::Shape { line: self.line, what }
    }

    fn finish(mut self) -> Result<CodeList, CodeListError> {
        self.line = 0;
        let list = &self.list;
        if list.canonical_uri.is_empty() || list.version.is_empty() {
            return Err(self.shape("CanonicalUri or Version is missing"));
        }
        if list.keys.is_empty() {
            return Err(self.shape("no column is a key"));
        }
        let mut codes: Vec<&str> = list.codes().collect();
        let all = codes.len();
        codes.sort_unstable();
        codes.dedup();
        if codes.len() != list.rows.len() || all != codes.len() {
            return Err(self.shape("a row has no code, or two rows have the same"));
        }
        Ok(self.list)
    }
}

impl EventSink for Sink {
    type Error = CodeListError;

    fn event(&mut self, event: &Event<'_>) -> Result<(), CodeListError> {
        match event {
            Event::Start(tag) => self.start(tag)?,
            Event::End(..) => self.end(),
            Event::Text(_, piece, _) => {
                if self.text.len() + piece.len() > MAX_VALUE_BYTES {
                    return Err(self.shape("a value is too long"));
                }
                self.text.push_str(piece);
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(columns: &str, rows: &str) -> Result<CodeList, CodeListError> {
        let text = format!(
            "<gc:CodeList xmlns:gc='{NAMESPACE}'><Identification><ShortName>Probe</ShortName>
             <Version>2</Version><CanonicalUri>urn:probe</CanonicalUri>
             <CanonicalVersionUri>urn:probe_2</CanonicalVersionUri></Identification>
             <ColumnSet>{columns}</ColumnSet><SimpleCodeList>{rows}</SimpleCodeList></gc:CodeList>"
        );
        CodeList::read(text.as_bytes())
    }

    const COLUMNS: &str = "<Column Id='a'/><Column Id='b'/><Column Id='c'/>
        <Key Id='k2'><ColumnRef Ref='b'/></Key>
        <Key Id='k1'><Annotation><AppInfo><recommendedKeyColumn/></AppInfo></Annotation>
        <ColumnRef Ref='a'/></Key><Key Id='k3'><ColumnRef Ref='a'/><ColumnRef Ref='c'/></Key>";

    #[test]
    fn rows_columns_and_keys_are_read() {
        let list = list(
            COLUMNS,
            "<Row><Value ColumnRef='a'><SimpleValue>1</SimpleValue></Value>
                  <Value><SimpleValue>eins</SimpleValue></Value></Row>
             <Row><Value ColumnRef='b'><SimpleValue>zwei</SimpleValue></Value>
                  <Value ColumnRef='a'><SimpleValue>2</SimpleValue></Value></Row>",
        )
        .expect("a list");
        assert_eq!(list.short_name, "Probe");
        assert_eq!(list.canonical_version_uri, "urn:probe_2");
        assert_eq!(list.keys, ["a", "b"], "the recommended key first, compound keys not at all");
        assert_eq!(list.codes().collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(list.column("b").expect("there").collect::<Vec<_>>(), ["eins", "zwei"]);
        assert_eq!(list.column("c").expect("there").count(), 0);
        assert!(list.column("d").is_none());
    }

    #[test]
    fn what_is_no_code_list_is_refused() {
        let row = "<Row><Value ColumnRef='a'><SimpleValue>1</SimpleValue></Value></Row>";
        for (columns, rows) in [
            ("<Column Id='a'/>", row.to_owned()),
            ("<Column/>", String::new()),
            (COLUMNS, format!("{row}{row}")),
            (COLUMNS, "<Row/>".to_owned()),
            (COLUMNS, "<Row><Value ColumnRef='z'/></Row>".to_owned()),
        ] {
            assert!(
                matches!(list(columns, &rows), Err(CodeListError::Shape { .. })),
                "{columns} {rows}"
            );
        }
        let cut = format!("<gc:CodeList xmlns:gc='{NAMESPACE}'><Identification>");
        assert!(matches!(CodeList::read(cut.as_bytes()), Err(CodeListError::Xml(_))));
    }

    #[test]
    fn error_pages_are_told_from_code_lists() {
        for (page, found) in [
            ("<a/>", "<a>"),
            ("", "no XML"),
            ("<!DOCTYPE html><html><body><br></body></html>", "no XML"),
            ("<html><body><h1>404</h1></body></html>", "<html>"),
            ("{\"status\":404}", "no XML"),
            ("<CodeList/>", "<CodeList>"),
        ] {
            let error = CodeList::read(page.as_bytes()).expect_err(page);
            assert!(matches!(error, CodeListError::NoCodeList { .. }), "{page}: {error}");
            assert!(error.to_string().contains(found), "{page}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_answered(bytes: Vec<u8>) {
            let _ = CodeList::read(&bytes[..]);
        }
    }
}
