//! What annotations of a schema say to machines: XÖV names there the column of a code list.

use std::convert::Infallible;

use xsd_schema::SchemaSet;
use xsd_schema::parser::location::SourceMapStorage;
use xsd_schema::schema::annotation::AppInfoElement;

use crate::xml::{self, Event, EventSink, Limits};

/// Longest content of an `xs:appinfo` that is looked at, in bytes.
const MAX_APPINFO_BYTES: usize = 256 * 1024;

/// The column of a code list that `xs:appinfo` names: `genutzteCodeSpalte`, or as the XÖV handbook
/// had it before, `codelistenspalten/codeSpalte`. None as well where the content cannot be read by
/// itself, because it leans on names of the document around it: XÖV's does not.
pub(super) fn code_column(set: &SchemaSet, appinfo: &AppInfoElement) -> Option<Box<str>> {
    let SourceMapStorage::Full(maps) = &set.source_maps else { return None };
    let text = &maps.get(appinfo.content.doc_id as usize)?.text;
    // The library keeps the place of the start tag.
    let (before, after) = text.split_at_checked(appinfo.content.span.end)?;
    if before.ends_with("/>") {
        return None;
    }
    let ends = |at: &usize| {
        let name = after[at + 2..].split(['>', ' ', '\t', '\n', '\r']).next();
        name.is_some_and(|name| name.rsplit(':').next() == Some("appinfo"))
    };
    let end = after.match_indices("</").map(|(at, _)| at).find(ends)?;
    let content = &after[..end];
    if content.len() > MAX_APPINFO_BYTES || !content.contains("odeSpalte>") {
        return None;
    }
    let mut sink = Sink::default();
    let whole = format!("<appinfo>{content}</appinfo>");
    xml::drive(whole.as_bytes(), &Limits::default(), &mut sink).ok()?;
    sink.used.or(sink.only)
}

#[derive(Default)]
struct Sink {
    /// Whether `codelistenspalten` is open.
    columns: bool,
    text: String,
    /// `genutzteCodeSpalte`.
    used: Option<Box<str>>,
    /// `codelistenspalten/codeSpalte`.
    only: Option<Box<str>>,
}

impl EventSink for Sink {
    type Error = Infallible;

    fn event(&mut self, event: &Event<'_>) -> Result<(), Infallible> {
        match event {
            Event::Start(tag) => {
                self.text.clear();
                if tag.depth == 2 {
                    self.columns = tag.local == "codelistenspalten";
                }
            }
            Event::Text(_, piece, _) => self.text.push_str(piece),
            Event::End(tag, _) => {
                let said = || match self.text.trim() {
                    "" => None,
                    said => Some(said.into()),
                };
                if tag.depth == 2 && tag.local == "genutzteCodeSpalte" {
                    self.used = said();
                } else if tag.depth == 3 && tag.local == "codeSpalte" && self.columns {
                    self.only = said();
                }
                self.text.clear();
            }
            _ => {}
        }
        Ok(())
    }
}
