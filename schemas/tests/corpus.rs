//! The real messages: every verdict as the specification has it (column 3 of `EXPECTED.tsv`).
//!
//! The corpus lies beside the checkout or where `AMTSBOTE_CORPUS` says; without it the test says
//! so and does nothing.

#[path = "../../conformance/tests/support/skipped.rs"]
mod skipped;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use amtsbote_schemas::genericode::CodeList;
use amtsbote_schemas::validate::{Schemas, Verdict};
use amtsbote_schemas::xml::Limits;

fn corpus() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let folder = std::env::var_os("AMTSBOTE_CORPUS").map_or_else(beside, PathBuf::from);
    let there = folder.join("EXPECTED.tsv").is_file();
    if !there {
        skipped::skipped("no corpus of real messages in AMTSBOTE_CORPUS, nor beside the checkout");
    }
    there.then_some(folder)
}

#[test]
fn every_real_message_gets_the_verdict_of_the_specification() {
    let Some(corpus) = corpus() else { return };
    let table = fs::read_to_string(corpus.join("EXPECTED.tsv")).expect("the table");
    let mut sets: BTreeMap<&str, Schemas> = BTreeMap::new();
    let (mut messages, mut invalid, mut wrong) = (0, 0, Vec::new());
    for row in table.lines().filter(|row| !row.starts_with('#')) {
        let columns: Vec<&str> = row.split('\t').collect();
        let [file, schema, expected] = columns[..3] else { panic!("{row}") };
        let schemas = sets.entry(schema).or_insert_with(|| {
            let catalog = corpus.join("catalog.xml");
            Schemas::load_single(&corpus.join(schema), Some(&catalog))
                .unwrap_or_else(|error| panic!("{schema}: {error}"))
        });
        let input = BufReader::new(File::open(corpus.join(file)).expect("a message"));
        let checked = schemas.check(input, &Limits::default(), &|| false);
        messages += 1;
        invalid += usize::from(checked.verdict == Verdict::Invalid);
        if checked.verdict.as_str() != expected {
            wrong.push(format!("{file}: {:?} {:?}", checked.verdict, checked.findings));
        }
    }
    assert!(wrong.is_empty(), "{} of {messages}:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!((messages, invalid), (145, 12));
}

#[test]
fn real_code_lists_are_read() {
    let Some(corpus) = corpus() else { return };
    let (mut lists, mut rows) = (0, 0);
    for folder in fs::read_dir(corpus.join("codelists")).expect("folders") {
        for entry in fs::read_dir(folder.expect("a folder").path()).expect("lists") {
            let path = entry.expect("an entry").path();
            if !path.extension().is_some_and(|e| e == "xml" || e == "gc") {
                continue;
            }
            let list = CodeList::load(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
            assert_eq!(list.codes().count(), list.rows.len(), "{path:?}");
            (lists, rows) = (lists + 1, rows + list.rows.len());
        }
    }
    assert!(lists >= 100, "{lists}");
    println!("{lists} code lists with {rows} rows");
}
