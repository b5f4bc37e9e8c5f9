//! Every recorded message is read, and written again octet for octet.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::testing::material;

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|e| e == "mime" || e == "http-body"))
        .collect();
    paths.sort();
    paths
}

/// The message again, from what was read of it.
fn rewritten(original: &[u8], boundary: &str, parts: &Parts) -> Vec<u8> {
    let leading = if original.starts_with(b"\r\n") { Leading::LineBreak } else { Leading::Nothing };
    let boundary = Boundary::parse(boundary).expect("a boundary");
    let mut writer = Writer::new(Vec::new(), leading, boundary).expect("a writer");
    for (n, (headers, octets)) in parts.iter().enumerate() {
        let length = octets.len() as u64;
        let head = match (n, headers.content_length) {
            (0, None) => PartHead::root(),
            (0, Some(_)) => PartHead::encrypted_root(length),
            (_, None) => PartHead::ciphertext(headers.content_id.clone()),
            (_, Some(_)) => PartHead::attachment(headers.content_id.clone(), length),
        };
        writer.begin(&head).expect("begins");
        writer.data(octets).expect("written");
    }
    writer.finish().expect("ends")
}

/// In front of encrypted messages the reference library states a wrong Content-Length.
fn without_root_length(octets: &[u8]) -> Vec<u8> {
    let (name, end) = (&b"<osci@message>\r\nContent-Length: "[..], b"\r\n\r\n");
    let Some(at) = octets.windows(name.len()).position(|w| w == name) else {
        return octets.to_vec();
    };
    let from = at + name.len();
    let length = octets[from..].windows(end.len()).position(|w| w == end).expect("its end");
    [&octets[..from], &octets[from + length..]].concat()
}

#[test]
fn every_recorded_message_is_read_and_written_again() {
    let Some(corpus) = material("AMTSBOTE_CORPUS", "shared/corpus") else { return };
    let corpus = corpus.join("osci-transport");
    let (mut messages, mut attachments) = (0, 0);
    for folder in ["golden/sig", "golden/sig+enc", "golden/opened", "wire"] {
        for path in files(&corpus.join(folder)) {
            let octets = fs::read(&path).expect("a file");
            let name = path.display();
            let whole = read_with(&octets, &[usize::MAX], Limits::default());
            let (boundary, parts) = whole.unwrap_or_else(|fault| panic!("{name}: {fault}"));
            for size in [1, 13, 4096] {
                let cut = read_with(&octets, &[size], Limits::default()).expect("reads");
                assert_eq!(cut, (boundary.clone(), parts.clone()), "{name}: pieces of {size}");
            }
            let again = without_root_length(&rewritten(&octets, &boundary, &parts));
            assert!(again == without_root_length(&octets), "{name}: written in another way");
            assert!(parts[0].1.starts_with(XML_DECLARATION.as_bytes()), "{name}");
            messages += 1;
            attachments += parts.len() - 1;
        }
    }
    assert!(messages > 140 && attachments > 70, "{messages} messages, {attachments} attachments");
}
