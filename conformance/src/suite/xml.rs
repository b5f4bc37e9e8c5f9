//! The W3C XML conformance suite: what is not well-formed is refused, what is well-formed, in
//! UTF-8 and without a document type declaration is read.
//!
//! The suite lies where `AMTSBOTE_SUITES` says, else beside the checkout; it is no part of this
//! project and is unpacked into a folder that ends with the run. Without it the suite counts as
//! skipped.

mod case;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use amtsbote_schemas::xml::{Event, Limits, Reader, XmlError};
use anyhow::{Context, Result, anyhow, ensure};

use super::{Settings, given};
use crate::report::Report;
use case::{Case, Expected};

/// The archive inside the folder of suites.
const ARCHIVE: &str = "xmlconf-20130923.zip";
/// The table beside it.
const TABLE: &str = "xmlconf-cases.tsv";
/// Lines of the table.
const ROWS: usize = 2_585;

/// Cases that the suite and the reader judge differently: identifier, and why.
const DISAGREEMENTS: &[(&str, &str)] = &[
    ("o-p04pass1", "names with colons: well-formed XML 1.0, but not namespace-well-formed"),
    ("o-p05pass1", "names with colons: well-formed XML 1.0, but not namespace-well-formed"),
];

pub(crate) async fn run(_: &Settings, report: &mut Report) -> Result<()> {
    let suites = given::suites();
    if !suites.join(ARCHIVE).is_file() {
        let why = "no xmlconf-20130923.zip: set AMTSBOTE_SUITES, or put it beside the checkout as \
                   ../shared/suites";
        report.skip("xmlconf", why);
        return Ok(());
    }
    let scratch = tempfile::tempdir()?;
    unpack(&suites.join(ARCHIVE), scratch.path())?;
    let table = fs::read_to_string(suites.join(TABLE)).context(TABLE)?;
    let cases = Case::read_all(&table)?;
    report.add("the-table-is-whole", whole(&cases));
    let mut tally = Tally::default();
    for case in &cases {
        let octets = fs::read(scratch.path().join(&case.path)).context(case.path.clone())?;
        tally.add(case, &octets, report);
    }
    tally.finish(report);
    Ok(())
}

fn unpack(archive: &Path, into: &Path) -> Result<()> {
    let done = Command::new("unzip")
        .arg("-q")
        .arg(archive)
        .arg("-d")
        .arg(into)
        .status()
        .context("unzip: install the Debian package unzip")?;
    // 1: unpacked, with warnings.
    ensure!(matches!(done.code(), Some(0 | 1)), "the archive of cases cannot be unpacked");
    Ok(())
}

/// Every case is there, and no disagreement speaks of one that is not.
fn whole(cases: &[Case]) -> Result<String> {
    ensure!(cases.len() == ROWS, "{} cases instead of {ROWS}", cases.len());
    for (id, _) in DISAGREEMENTS {
        ensure!(cases.iter().any(|case| case.id == *id), "{id} is listed and unknown");
    }
    Ok(format!("{ROWS} cases, {} of them listed as disagreements", DISAGREEMENTS.len()))
}

fn read(octets: &[u8]) -> Result<(), XmlError> {
    let mut reader = Reader::new(octets, Limits::default());
    while reader.next()? != Event::EndOfDocument {}
    Ok(())
}

#[derive(Default)]
struct Tally {
    read: usize,
    refused: usize,
    codes: BTreeMap<&'static str, usize>,
    open: BTreeMap<&'static str, usize>,
}

impl Tally {
    /// Counts a case. What is neither as published nor listed is reported at once.
    fn add(&mut self, case: &Case, octets: &[u8], report: &mut Report) {
        let found = read(octets);
        let expected = case.expected(octets);
        let listed = DISAGREEMENTS.iter().find(|(id, _)| *id == case.id);
        match (&expected, &found, listed) {
            (Expected::Open(why), ..) => *self.open.entry(why).or_default() += 1,
            (Expected::Read, Ok(()), None) => self.read += 1,
            (Expected::Refused, Err(error), None) => {
                self.refused += 1;
                *self.codes.entry(error.code()).or_default() += 1;
            }
            (Expected::Read, Ok(()), Some(_)) | (Expected::Refused, Err(_), Some(_)) => {
                report.add(&case.id, Err(anyhow!("agrees: take it off the list")));
            }
            (_, _, Some((_, why))) => report.skip(&case.id, *why),
            (Expected::Read, Err(error), None) => {
                report.add(&case.id, Err(anyhow!("must be read: {error} ({})", case.path)));
            }
            (Expected::Refused, Ok(()), None) => {
                report.add(&case.id, Err(anyhow!("must be refused ({})", case.path)));
            }
        }
    }

    fn finish(self, report: &mut Report) {
        let enough = |count: usize, least: usize| {
            ensure!(count >= least, "{count}; the suite holds at least {least}");
            Ok(count)
        };
        let read = enough(self.read, 30).map(|count| format!("{count} documents"));
        report.add("what-is-well-formed-is-read", read);
        let codes: Vec<String> =
            self.codes.iter().map(|(code, count)| format!("{code} {count}")).collect();
        let refused = enough(self.refused, 1_500)
            .map(|count| format!("{count} documents: {}", codes.join(", ")));
        report.add("what-is-not-is-refused", refused);
        for (why, count) in self.open {
            report.skip(format!("left open: {count}"), why);
        }
    }
}
