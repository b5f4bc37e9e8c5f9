//! The documents of the corpus.

use amtsbote_schemas::xml::{DriveError, XmlErrorKind};

use super::*;
use crate::testing::material;

/// Reads a document, when it is one that the reader takes (no DTD, UTF-8).
fn readable(file: &Path) -> Option<Vec<u8>> {
    let octets = fs::read(file).ok()?;
    let mut nobody = Find("", None);
    match drive(octets.as_slice(), &Limits::default(), &mut nobody) {
        Ok(()) => Some(octets),
        Err(DriveError::Xml(error)) => {
            let kind = &error.kind;
            let known = [XmlErrorKind::Dtd, XmlErrorKind::Utf16, XmlErrorKind::Encoding];
            assert!(
                known.contains(kind) || file.components().any(|c| c.as_os_str() == "_derived"),
                "{}: {error}",
                file.display()
            );
            None
        }
    }
}

fn xml_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            xml_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "xml" || e == "xsd")
            && entry.metadata().is_ok_and(|m| m.len() < 1 << 20)
        {
            found.push(path);
        }
    }
}

#[test]
fn documents_of_the_corpus_agree_with_xmllint() {
    let Some(corpus) = material("AMTSBOTE_CORPUS", "shared/corpus") else { return };
    let mut files = Vec::new();
    xml_files(&corpus, &mut files);
    files.sort();
    let step = files.len().div_ceil(400).max(1);
    let documents: Vec<(PathBuf, Vec<u8>)> = files
        .into_iter()
        .step_by(step)
        .filter_map(|file| readable(&file).map(|octets| (file, octets)))
        .collect();
    println!("{} documents of the corpus", documents.len());
    for batch in documents.chunks(20) {
        let names: Vec<PathBuf> = batch.iter().map(|(file, _)| file.clone()).collect();
        for &mode in Mode::ALL {
            let ours = batch
                .iter()
                .flat_map(|(_, octets)| canonical(octets, Method::new(mode, true), Apex::Document));
            assert!(
                ours.eq(xmllint(mode, &names)),
                "{mode:?}: one of {names:?} differs from what xmllint writes"
            );
        }
    }
}
