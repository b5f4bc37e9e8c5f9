//! Real messages and schemas (`AMTSBOTE_CORPUS`): all are read, and the headers of real messages
//! give their facts.

#[path = "../../conformance/tests/support/skipped.rs"]
mod skipped;

use std::fs;
use std::path::{Path, PathBuf};

use amtsbote_schemas::header::{HeaderFacts, HeaderSink};
use amtsbote_schemas::xml::{DriveError, Limits, XmlErrorKind, drive};

fn corpus() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let folder = std::env::var_os("AMTSBOTE_CORPUS").map_or(beside, PathBuf::from);
    if !folder.is_dir() {
        skipped::skipped("no corpus of real messages in AMTSBOTE_CORPUS, nor beside the checkout");
        return None;
    }
    Some(folder)
}

fn documents(folder: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the corpus") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            documents(&path, endings, found);
        } else if path.extension().is_some_and(|e| endings.iter().any(|ending| e == *ending)) {
            found.push(path);
        }
    }
}

fn facts(path: &Path) -> Result<HeaderFacts, DriveError<std::convert::Infallible>> {
    let input = fs::read(path).expect("a file of the corpus");
    let mut sink = HeaderSink::default();
    drive(&input[..], &Limits::default(), &mut sink)?;
    Ok(sink.into_facts().expect("a root element"))
}

#[test]
fn every_document_without_a_dtd_is_read() {
    let Some(folder) = corpus() else { return };
    let mut all = Vec::new();
    documents(&folder, &["xml", "xsd", "wsdl"], &mut all);
    let (mut read, mut dtd) = (0, 0);
    for path in &all {
        match facts(path) {
            Ok(_) => read += 1,
            Err(DriveError::Xml(error)) if error.kind == XmlErrorKind::Dtd => dtd += 1,
            Err(error) => panic!("{}: {error}", path.display()),
        }
    }
    println!("{read} read, {dtd} with a DTD");
    assert!(read > 100, "the corpus shrank: {read}");
}

#[test]
fn real_headers_give_their_facts() {
    let Some(folder) = corpus() else { return };
    let (mut with_header, mut parties) = (0, 0);
    for (standard, name, namespace) in [
        ("xwasser", "XWasser", ""),
        ("xbeteiligung", "XBeteiligung", "http://xoev.de/schemata/basisnachricht/g2g/1_1"),
    ] {
        let mut all = Vec::new();
        documents(&folder.join(standard), &["xml"], &mut all);
        for path in all {
            let facts = facts(&path).expect("read");
            if facts.header_namespace.is_none() {
                continue;
            }
            with_header += 1;
            let shown = path.display();
            assert_eq!(facts.header_namespace.as_deref(), Some(namespace), "{shown}");
            assert_eq!(facts.standard.as_deref(), Some(name), "{shown}");
            assert!(facts.version.is_some() && facts.created.is_some(), "{shown}");
            assert!(facts.message_type.is_some_and(|t| t.len() == 4), "{shown}");
            assert!(facts.message_uuid.is_some_and(|uuid| uuid.len() == 36), "{shown}");
            // Two of the examples leave the parties empty.
            for party in [&facts.author, &facts.reader].into_iter().flatten() {
                assert!(party.contains(':'), "{shown}");
                parties += 1;
            }
            assert!(!facts.repeated && !facts.oversized, "{shown}");
        }
    }
    println!("{with_header} headers, {parties} parties");
    assert!(with_header > 10 && parties > 20, "the corpus shrank: {with_header}, {parties}");
}
