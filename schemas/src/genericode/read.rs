//! One pass over a document that should be a code list.

use std::collections::HashSet;
use std::io::BufRead;

use super::{
    CodeList, CodeListError, Key, MAX_CODE_BYTES, MAX_COLUMNS, MAX_KEYS, MAX_ROWS, MAX_VALUE_BYTES,
    MAX_VALUES, NAMESPACE, stranger,
};
use crate::xml::{self, DriveError, Event, EventSink, Limits, StartTag};

/// Reads at most `limit` bytes.
pub(super) fn read(mut input: impl BufRead, limit: u64) -> Result<CodeList, CodeListError> {
    if let Some(stranger) = stranger::by_first_octets(input.fill_buf()?) {
        return Err(stranger);
    }
    let limits = Limits { document_bytes: limit, ..Limits::default() };
    let mut sink = Sink::default();
    match xml::drive(input, &limits, &mut sink) {
        Ok(()) => sink.finish(),
        Err(DriveError::Sink(error)) => Err(error),
        Err(DriveError::Xml(error)) if !sink.is_list && !error.is_input() => {
            Err(stranger::unreadable(&error))
        }
        Err(DriveError::Xml(error)) => Err(CodeListError::Xml(error)),
    }
}

/// What an element is to us. Those of genericode have no namespace, those of XÖV have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Identification,
    ShortName,
    Version,
    CanonicalUri,
    CanonicalVersionUri,
    Annotation,
    ColumnSet,
    Column,
    Key,
    ColumnRef,
    /// `ColumnSetRef`, or a reference to a column or key of another file.
    Elsewhere,
    SimpleCodeList,
    Row,
    Value,
    SimpleValue,
    /// The first day of the version, in any edition of the code list handbook.
    ValidFrom,
    /// The mark of the key recommended for codes, in any edition.
    Recommended,
    /// The mark of a key that holds the names of codes.
    Names,
    Other,
}

impl Part {
    fn of(tag: &StartTag) -> Self {
        match (tag.namespace.is_empty(), tag.local.as_str()) {
            (true, "Identification") => Self::Identification,
            (true, "ShortName") => Self::ShortName,
            (true, "Version") => Self::Version,
            (true, "CanonicalUri") => Self::CanonicalUri,
            (true, "CanonicalVersionUri") => Self::CanonicalVersionUri,
            (true, "Annotation") => Self::Annotation,
            (true, "ColumnSet") => Self::ColumnSet,
            (true, "Column") => Self::Column,
            (true, "Key") => Self::Key,
            (true, "ColumnRef") => Self::ColumnRef,
            (true, "ColumnSetRef" | "KeyRef") => Self::Elsewhere,
            (true, "SimpleCodeList") => Self::SimpleCodeList,
            (true, "Row") => Self::Row,
            (true, "Value") => Self::Value,
            (true, "SimpleValue") => Self::SimpleValue,
            (false, "validFrom" | "datumGueltigkeitAb" | "datumgueltigkeitab") => Self::ValidFrom,
            (false, "recommendedKeyColumn" | "empfohleneCodeSpalte" | "xoev-code") => {
                Self::Recommended
            }
            (false, "xoev-codename") => Self::Names,
            _ => Self::Other,
        }
    }
}

#[derive(Default)]
struct Sink {
    list: CodeList,
    /// The open elements below the root.
    path: Vec<Part>,
    text: String,
    /// The key being read, and whether it is the one recommended.
    key: Key,
    recommended: bool,
    /// The column of the value before, in the row being read.
    column: Option<usize>,
    line: u64,
    is_list: bool,
}

impl Sink {
    fn start(&mut self, tag: &StartTag) -> Result<(), CodeListError> {
        self.line = tag.position.line;
        if tag.depth == 1 {
            self.is_list = tag.is(NAMESPACE, "CodeList");
            return if self.is_list { Ok(()) } else { Err(stranger::by_root(tag)) };
        }
        self.path.push(Part::of(tag));
        self.text.clear();
        match self.path[..] {
            [Part::ColumnSet, Part::Column] => self.column(tag),
            [Part::ColumnSet, Part::Key] => {
                self.key.id = tag.attribute("Id").unwrap_or_default().to_owned();
                self.recommended = false;
                Ok(())
            }
            [Part::ColumnSet, Part::Key, Part::ColumnRef] => self.key_column(tag),
            [Part::ColumnSet, Part::Key, Part::Annotation, .., Part::Recommended] => {
                self.recommended = true;
                Ok(())
            }
            [Part::ColumnSet, Part::Key, Part::Annotation, .., Part::Names] => {
                self.key.names = true;
                Ok(())
            }
            // A column defined elsewhere is written ColumnRef too, outside of keys.
            [Part::Elsewhere]
            | [Part::ColumnSet, Part::Elsewhere]
            | [Part::ColumnSet, Part::ColumnRef] => Err(self.shape(
                "columns or keys stand in another file; a pack needs the list with both in it",
            )),
            [Part::SimpleCodeList, Part::Row] => self.row(),
            [Part::SimpleCodeList, Part::Row, Part::Value] => self.value(tag),
            _ => Ok(()),
        }
    }

    fn column(&mut self, tag: &StartTag) -> Result<(), CodeListError> {
        let id = tag.attribute("Id").ok_or_else(|| self.shape("a column without Id"))?;
        if self.list.columns.len() >= MAX_COLUMNS {
            return Err(self.shape(format!("more than {MAX_COLUMNS} columns")));
        }
        if self.list.columns.iter().any(|known| known == id) {
            return Err(self.shape("two columns have the same Id"));
        }
        self.list.columns.push(id.to_owned());
        Ok(())
    }

    fn key_column(&mut self, tag: &StartTag) -> Result<(), CodeListError> {
        let known = tag.attribute("Ref").filter(|id| self.list.columns.iter().any(|c| c == id));
        let id = known.ok_or_else(|| self.shape("a key of a column that does not exist"))?;
        if self.key.columns.iter().all(|known| known != id) {
            self.key.columns.push(id.to_owned());
        }
        Ok(())
    }

    fn row(&mut self) -> Result<(), CodeListError> {
        let rows = self.list.rows.len() + 1;
        if rows > MAX_ROWS {
            return Err(self.shape(format!("more than {MAX_ROWS} rows")));
        }
        if rows * self.list.columns.len() > MAX_VALUES {
            return Err(self.shape(format!("more than {MAX_VALUES} values, rows times columns")));
        }
        self.list.rows.push(vec![None; self.list.columns.len()]);
        self.column = None;
        Ok(())
    }

    /// A value without reference belongs to the column after the one before (genericode 1.0, R38).
    fn value(&mut self, tag: &StartTag) -> Result<(), CodeListError> {
        let index = match tag.attribute("ColumnRef") {
            Some(id) => self.list.columns.iter().position(|column| column == id),
            None => Some(self.column.map_or(0, |column| column + 1)),
        };
        let index = index
            .filter(|index| *index < self.list.columns.len())
            .ok_or_else(|| self.shape("a value of a column that does not exist"))?;
        self.column = Some(index);
        Ok(())
    }

    fn end(&mut self) -> Result<(), CodeListError> {
        let text = &self.text;
        let value = || text.trim().to_owned();
        match self.path[..] {
            [Part::Identification, Part::ShortName] => self.list.short_name = value(),
            [Part::Identification, Part::Version] => self.list.version = value(),
            [Part::Identification, Part::CanonicalUri] => self.list.canonical_uri = value(),
            [Part::Identification, Part::CanonicalVersionUri] => {
                self.list.canonical_version_uri = value();
            }
            [Part::Annotation, .., Part::ValidFrom] if !text.trim().is_empty() => {
                // Lists that follow two editions of the handbook say it twice.
                self.list.valid_from.get_or_insert_with(value);
            }
            [Part::ColumnSet, Part::Key] => return self.end_key(),
            [Part::SimpleCodeList, Part::Row, Part::Value, Part::SimpleValue] => {
                let text = std::mem::take(&mut self.text);
                if let (Some(row), Some(column)) = (self.list.rows.last_mut(), self.column) {
                    row[column] = Some(text);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn end_key(&mut self) -> Result<(), CodeListError> {
        let key = std::mem::take(&mut self.key);
        if key.columns.is_empty() {
            return Err(self.shape("a key without columns"));
        }
        if self.list.keys.len() >= MAX_KEYS {
            return Err(self.shape(format!("more than {MAX_KEYS} keys")));
        }
        let at = if self.recommended { 0 } else { self.list.keys.len() };
        self.list.keys.insert(at, key);
        Ok(())
    }

    fn shape(&self, what: impl Into<String>) -> CodeListError {
        CodeListError::Shape { line: self.line, what: what.into() }
    }

    fn finish(mut self) -> Result<CodeList, CodeListError> {
        // The end of a document is no place of the fault: it is about the list as a whole.
        self.line = 1;
        let list = &self.list;
        if list.canonical_uri.is_empty() || list.version.is_empty() {
            return Err(self.shape("CanonicalUri or Version is missing"));
        }
        if list.rows.is_empty() {
            return Err(self.shape("the list has no rows"));
        }
        let columns = |key: &Key| -> Vec<usize> {
            let at = |id| list.columns.iter().position(|column| column == id);
            key.columns.iter().filter_map(at).collect()
        };
        for column in list.keys.iter().flat_map(columns) {
            let mut values = list.rows.iter().filter_map(|row| row[column].as_deref());
            if values.any(|value| value.len() > MAX_CODE_BYTES) {
                return Err(self.shape(format!("a code of more than {MAX_CODE_BYTES} bytes")));
            }
        }
        // What a second key lacks costs nobody anything: its codes are only more.
        if let Some(key) = list.keys.first() {
            self.check_key(&columns(key))?;
        }
        Ok(self.list)
    }

    /// Every row has a value in every column of the key (R34, R37), and no two have the same.
    fn check_key(&self, columns: &[usize]) -> Result<(), CodeListError> {
        let mut seen = HashSet::with_capacity(self.list.rows.len());
        for row in &self.list.rows {
            let values: Option<Vec<&str>> =
                columns.iter().map(|column| row[*column].as_deref().map(str::trim)).collect();
            let Some(values) = values.filter(|all| all.iter().all(|one| !one.is_empty())) else {
                return Err(self.shape("a row has no value in a column of the key"));
            };
            if !seen.insert(values) {
                return Err(self.shape("two rows have the same code"));
            }
        }
        Ok(())
    }
}

impl EventSink for Sink {
    type Error = CodeListError;

    fn event(&mut self, event: &Event<'_>) -> Result<(), CodeListError> {
        match event {
            Event::Start(tag) => self.start(tag)?,
            Event::End(..) => {
                self.end()?;
                self.path.pop();
            }
            Event::Text(_, piece, _) => {
                if self.text.len() + piece.len() > MAX_VALUE_BYTES {
                    let what = format!("a value of more than {MAX_VALUE_BYTES} bytes");
                    return Err(self.shape(what));
                }
                self.text.push_str(piece);
            }
            _ => {}
        }
        Ok(())
    }
}
