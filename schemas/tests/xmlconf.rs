//! The W3C XML conformance suite (`AMTSBOTE_SUITES`): what is not well-formed is refused, what is
//! well-formed, in UTF-8 and without a document type declaration is read.

#[path = "../../conformance/tests/support/skipped.rs"]
mod skipped;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use amtsbote_schemas::xml::{Event, Limits, Reader, XmlError};

/// Documents that the suite and the reader judge differently: identifier, and why.
const DISAGREEMENTS: &[(&str, &str)] = &[
    ("o-p04pass1", "names with colons: well-formed XML 1.0, but not namespace-well-formed"),
    ("o-p05pass1", "names with colons: well-formed XML 1.0, but not namespace-well-formed"),
];

struct Case {
    id: String,
    kind: String,
    version: String,
    editions: String,
    path: PathBuf,
}

fn suites() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/suites");
    let folder = std::env::var_os("AMTSBOTE_SUITES").map_or(beside, PathBuf::from);
    folder.join("xmlconf-20130923.zip").exists().then_some(folder)
}

fn unpack(archive: &Path, into: &Path) {
    let done = Command::new("unzip")
        .arg("-q")
        .arg(archive)
        .arg("-d")
        .arg(into)
        .status()
        .expect("unzip is missing: install the Debian package `unzip`");
    // 1: unpacked, with warnings.
    assert!(matches!(done.code(), Some(0 | 1)), "unzip failed: {done}");
}

fn cases(table: &Path, root: &Path) -> Vec<Case> {
    let text = fs::read_to_string(table).expect("the table of cases");
    text.lines()
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            let [kind, _, version, _, editions, id, path] = cells[..] else {
                panic!("seven columns expected: {line}");
            };
            Case {
                id: id.to_owned(),
                kind: kind.to_owned(),
                version: version.to_owned(),
                editions: editions.to_owned(),
                path: root.join(path),
            }
        })
        .collect()
}

fn read(bytes: &[u8]) -> Result<(), XmlError> {
    let mut reader = Reader::new(bytes, Limits::default());
    while reader.next()? != Event::EndOfDocument {}
    Ok(())
}

/// What must come out.
#[derive(Debug, PartialEq)]
enum Expected {
    Read,
    Refused,
    /// The suite leaves it open, or speaks of rules that do not concern this reader.
    Open(&'static str),
}

fn expected(case: &Case, bytes: &[u8]) -> Expected {
    if case.version == "1.1" && case.kind != "not-wf" {
        return Expected::Open("XML 1.1");
    }
    if !case.editions.is_empty() && !case.editions.contains('5') {
        return Expected::Open("an edition before the fifth");
    }
    if case.kind == "not-wf" {
        return Expected::Refused;
    }
    if has_document_type(bytes) {
        return Expected::Refused;
    }
    if case.kind == "error" {
        return Expected::Open("an error that a processor need not report");
    }
    let declaration = bytes.split(|b| *b == b'>').next().unwrap_or_default();
    let declaration = String::from_utf8_lossy(declaration).to_ascii_lowercase();
    let other_encoding = declaration.contains("encoding")
        && !declaration.contains("utf-8")
        && !declaration.contains("us-ascii");
    if str::from_utf8(bytes).is_err() || bytes.contains(&0) || other_encoding {
        return Expected::Refused;
    }
    Expected::Read
}

/// Whether a document type declaration stands before the root element.
fn has_document_type(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(start) = rest.iter().position(|b| *b == b'<') {
        rest = &rest[start..];
        let end: &[u8] = match rest {
            [b'<', b'!', b'-', b'-', ..] => b"-->",
            [b'<', b'?', ..] => b"?>",
            _ => return rest.starts_with(b"<!DOCTYPE"),
        };
        let Some(length) = rest.windows(end.len()).position(|w| w == end) else { return false };
        rest = &rest[length + end.len()..];
    }
    false
}

#[test]
fn the_w3c_suite_agrees() {
    let Some(folder) = suites() else {
        skipped::skipped("no xmlconf-20130923.zip in AMTSBOTE_SUITES, nor beside the checkout");
        return;
    };
    let scratch = tempfile::tempdir().expect("a scratch folder");
    unpack(&folder.join("xmlconf-20130923.zip"), scratch.path());
    let (mut read_well, mut refused_well, mut open) = (0, 0, BTreeMap::<_, usize>::new());
    let mut wrong = Vec::new();
    let mut codes = BTreeMap::<&str, usize>::new();
    for case in cases(&folder.join("xmlconf-cases.tsv"), scratch.path()) {
        let bytes = fs::read(&case.path).expect("a case of the table");
        let found = read(&bytes);
        if let Err(error) = &found {
            *codes.entry(error.code()).or_default() += 1;
        }
        match (expected(&case, &bytes), &found) {
            (Expected::Open(why), _) => *open.entry(why).or_default() += 1,
            (Expected::Read, Ok(())) => read_well += 1,
            (Expected::Refused, Err(_)) => refused_well += 1,
            (expected, found) => {
                let what = format!("{expected:?}, but {found:?} ({})", case.path.display());
                wrong.push((case.id, what));
            }
        }
    }
    println!("read: {read_well}; refused: {refused_well}; left open: {open:?}; codes: {codes:?}");
    let known: BTreeMap<_, _> = DISAGREEMENTS.iter().copied().collect();
    let unknown: Vec<_> = wrong.iter().filter(|(id, _)| !known.contains_key(id.as_str())).collect();
    assert!(unknown.is_empty(), "{} disagree: {unknown:#?}", unknown.len());
    for (id, _) in DISAGREEMENTS {
        assert!(
            wrong.iter().any(|(other, _)| other == id),
            "{id} agrees now: take it off the list"
        );
    }
    assert!(read_well > 30 && refused_well > 1500, "the suite shrank: {read_well}, {refused_well}");
}
