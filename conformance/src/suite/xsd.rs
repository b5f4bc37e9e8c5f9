//! Schemas and documents of the W3C XML Schema Test Suite, its cases for XSD 1.0: does a schema
//! load or is it refused, and is a document valid by it? Two judges answer for each document: the
//! tables of [`amtsbote_schemas::validate::Schemas`], which judge messages, and the library they
//! are compiled from.
//!
//! The suite lies where `AMTSBOTE_SUITES` says, else beside the checkout; it is no part of this
//! project and is unpacked into a folder that ends with the run. Without it the suite counts as
//! skipped. Where a judge and the published answer differ, `xsd/disagreements.tsv` says why; a
//! difference that is not listed there fails, and so does a line that is no longer true.

mod case;
mod judge;
mod known;
mod pool;
mod tally;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{Settings, given};
use crate::report::Report;
use case::Case;
use judge::{Job, Judged};
use known::Known;
use tally::Tally;

/// The archive inside the folder of suites.
const ARCHIVE: &str = "xsdtests.tar.xz";
/// The folder in it.
const FOLDER: &str = "xsdtests";
/// The table in that folder.
const TABLE: &str = "cases.tsv";
/// Lines of the table that are for XSD 1.0.
const ROWS: usize = 39_505;
/// Sets judged at once.
const THREADS: usize = 2;
/// Time for one set of schemas with all its documents, before it counts as hanging.
const TIME_PER_SET: Duration = Duration::from_secs(60);

pub(crate) async fn run(_: &Settings, report: &mut Report) -> Result<()> {
    let archive = given::suites().join(ARCHIVE);
    if !archive.is_file() {
        let why = "no xsdtests.tar.xz: set AMTSBOTE_SUITES, or put it beside the checkout as \
                   ../shared/suites";
        report.skip("xsdtests", why);
        return Ok(());
    }
    let scratch = tempfile::tempdir()?;
    given::unpack(&archive, scratch.path())?;
    let root = Arc::new(scratch.path().join(FOLDER).canonicalize()?);
    let table = std::fs::read_to_string(root.join(TABLE)).context(TABLE)?;
    let cases = Case::read_all(&table)?;
    let known = Known::read()?;
    report.add("the-table-is-whole", whole(&cases, &known));
    let began = Instant::now();
    let jobs = jobs(cases);
    let judged = pool::run(&root, &jobs, THREADS, TIME_PER_SET, judge::judge)?;
    let mut tally = Tally::new(known);
    for (job, answer) in jobs.iter().zip(judged) {
        let answer = answer.unwrap_or_else(|| Judged::hanging(job.cases.len()));
        tally.add(job, answer, report);
    }
    tally.finish(report);
    let seconds = began.elapsed().as_secs();
    report.add("sets", Ok(format!("{} sets of schemas in {seconds} s", jobs.len())));
    Ok(())
}

/// Every case is there under a name of its own, and no line of the list speaks of another.
fn whole(cases: &[Case], known: &Known) -> Result<String> {
    ensure!(cases.len() == ROWS, "{} cases instead of {ROWS}", cases.len());
    let mut names: Vec<_> = cases.iter().map(Case::key).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    ensure!(names.len() == count, "{} cases share a name and a document", count - names.len());
    for (test, document) in known.keys() {
        let there = names.binary_search(&(test, document)).is_ok();
        ensure!(there, "{test} ({document}) is listed and unknown");
    }
    Ok(format!("{count} cases for XSD 1.0, {} of them listed as disagreements", known.len()))
}

/// The cases by the documents their set is made of: each set is loaded once.
fn jobs(cases: Vec<Case>) -> Arc<[Job]> {
    let mut sets = BTreeMap::<Vec<String>, Vec<Case>>::new();
    for case in cases {
        sets.entry(case.schemas.clone()).or_default().push(case);
    }
    sets.into_iter().map(|(documents, cases)| Job { documents, cases }).collect()
}
