//! Real messages: verdicts as the specification has them, and their way through a node.
//!
//! The corpus lies where `AMTSBOTE_CORPUS` says, else beside the checkout; it is no part of this
//! project, and nothing of it is copied but into folders that end with the run. Without it the
//! suite counts as skipped.

mod directory;
mod packs;
mod passage;
mod verdicts;

use std::convert::Infallible;
use std::path::PathBuf;

use amtsbote_domain::party::PartyId;
use amtsbote_schemas::header::{HeaderFacts, HeaderSink};
use amtsbote_schemas::xml::{self, DriveError, Limits};
use anyhow::{Context, Result, anyhow, ensure};

use super::{Settings, given};
use crate::report::Report;

/// The table of verdicts inside the corpus.
const TABLE: &str = "EXPECTED.tsv";
/// The catalog inside the corpus that leads from locations to files.
const CATALOG: &str = "catalog.xml";
/// What the corpus holds: messages, and how many of them are invalid.
const COUNTS: (usize, usize) = (145, 12);

/// The folder of real schemas and messages.
struct Corpus {
    folder: PathBuf,
    rows: Vec<Row>,
}

/// One line of the table.
struct Row {
    /// The message, relative to the corpus.
    file: String,
    /// The schema it is judged by, relative to the corpus.
    schema: String,
    /// The verdict by the specification.
    verdict: String,
    /// What another validator said, where it objects. It quotes values of the message.
    why: String,
}

/// A message, read.
struct Message<'a> {
    row: &'a Row,
    octets: Vec<u8>,
    facts: HeaderFacts,
}

/// Verdicts first, then the node.
pub(super) async fn run(settings: &Settings, report: &mut Report) -> Result<()> {
    let folder = given::corpus();
    if !folder.join(TABLE).is_file() {
        let why = "no corpus of real messages: set AMTSBOTE_CORPUS, or put it beside the checkout \
                   as ../shared/corpus";
        report.skip("corpus", why);
        return Ok(());
    }
    let corpus = Corpus::read(folder)?;
    report.add("verdicts/the-table-is-whole", corpus.counts());
    verdicts::run(settings, &corpus, report);
    passage::run(settings, &corpus, report).await
}

impl Corpus {
    fn read(folder: PathBuf) -> Result<Self> {
        // One spelling of every path, so that what leads out of the folder is seen.
        let folder = folder.canonicalize()?;
        let table = std::fs::read_to_string(folder.join(TABLE)).context("reading the table")?;
        let lines = table.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let rows = lines.map(Row::parse).collect::<Result<_>>()?;
        Ok(Self { folder, rows })
    }

    fn counts(&self) -> Result<String> {
        let invalid = self.rows.iter().filter(|row| row.verdict == "invalid").count();
        let (messages, wanted) = (self.rows.len(), COUNTS);
        ensure!((messages, invalid) == wanted, "{messages} messages, {invalid} invalid");
        Ok(format!("{messages} messages, {invalid} of them invalid"))
    }

    /// The messages of a standard: those in its folder.
    fn messages(&self, standard: &str) -> Result<Vec<Message<'_>>> {
        let rows = self.rows.iter().filter(|row| row.standard() == standard);
        let messages: Vec<_> = rows.map(|row| self.message(row)).collect::<Result<_>>()?;
        ensure!(!messages.is_empty(), "the corpus has no message of {standard}");
        Ok(messages)
    }

    fn message<'a>(&self, row: &'a Row) -> Result<Message<'a>> {
        let octets = std::fs::read(self.folder.join(&row.file))
            .with_context(|| format!("reading {}", row.file))?;
        let mut sink = HeaderSink::default();
        let read = xml::drive(&octets[..], &Limits::default(), &mut sink);
        read.map_err(|error: DriveError<Infallible>| anyhow!("{}: {error}", row.file))?;
        let facts = sink.into_facts().context("no root element")?;
        Ok(Message { row, octets, facts })
    }
}

impl Row {
    fn parse(line: &str) -> Result<Self> {
        let columns: Vec<&str> = line.split('\t').collect();
        let [file, schema, verdict, _libxml2, ref rest @ ..] = columns[..] else {
            return Err(anyhow!("{TABLE}: a line has too few columns"));
        };
        Ok(Self {
            file: file.to_owned(),
            schema: schema.to_owned(),
            verdict: verdict.to_owned(),
            why: rest.join("\t"),
        })
    }

    /// The folder that the message lies in: its standard or family of standards.
    fn standard(&self) -> &str {
        self.file.split('/').next().unwrap_or_default()
    }

    /// Its name without the folders.
    fn name(&self) -> &str {
        self.file.rsplit('/').next().unwrap_or_default()
    }
}

impl Message<'_> {
    /// Author and Reader, where the header names both.
    fn parties(&self) -> Result<Option<(PartyId, PartyId)>> {
        match (&self.facts.author, &self.facts.reader) {
            (Some(author), Some(reader)) => {
                Ok(Some((PartyId::parse(author)?, PartyId::parse(reader)?)))
            }
            _ => Ok(None),
        }
    }

    fn is_valid(&self) -> bool {
        self.row.verdict == "valid"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_table() {
        let row = Row::parse("a/1/m.xml\ta/1/s.xsd\tinvalid\tvalid\twhy").expect("a line");
        assert_eq!((row.standard(), row.name()), ("a", "m.xml"));
        assert_eq!((row.verdict.as_str(), row.why.as_str()), ("invalid", "why"));
        assert!(Row::parse("a\tb\tvalid\tvalid").expect("no reason").why.is_empty());
        assert!(Row::parse("a\tb\tvalid").is_err());
    }
}
