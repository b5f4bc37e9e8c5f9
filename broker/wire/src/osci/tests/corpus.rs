//! The recorded messages of the reference library: read completely, and read the same when we have
//! written them again.

use std::fs;
use std::path::Path;

use super::canonical;
use crate::osci::*;
use crate::testing::material;

/// The root part of a recorded body: the first part, which is XML.
fn root_part(body: &[u8]) -> &[u8] {
    let find = |what: &[u8]| body.windows(what.len()).position(|window| window == what);
    let start = find(b"<?xml").expect("an XML declaration");
    let end = b"</soap:Envelope>";
    let last = body.windows(end.len()).rposition(|window| window == end).expect("an envelope");
    &body[start..last + end.len()]
}

/// The recorded bodies of these folders, by name.
fn recorded(folder: &Path, fits: impl Fn(&str) -> bool) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<_> = fs::read_dir(folder)
        .expect("a readable folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| fits(&path.to_string_lossy()))
        .map(|path| (path.to_string_lossy().into_owned(), fs::read(path).expect("a file")))
        .collect();
    found.sort();
    found
}

/// Reads, writes what was read, and reads that.
fn check(name: &str, octets: &[u8]) -> MessageType {
    let limits = Limits::default();
    let first = read(octets, &limits).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
    let kind = first.message.message_type();
    assert_eq!(identify(octets, &limits), Ok(kind), "{name}");
    let location = kind.schema_location();
    let stated = format!("xsi:schemaLocation=\"{location}\"");
    assert!(String::from_utf8_lossy(octets).contains(&stated), "{name}");
    let package = first.package.as_ref().map(|package| {
        let containers = package.containers.iter().map(|container| &container.element);
        let all = package.encrypted.iter().chain(containers);
        all.map(|element| {
            assert!(element.keeps_form, "{name}");
            let canonical = element.canonical_of(octets).expect("an element");
            PackageItem::new(&canonical).expect("an item")
        })
        .collect()
    });
    assert!(first.custom.is_empty(), "{name}");
    let draft = first.message.write(&Enclosed { package, custom: Vec::new() });
    let draft = draft.unwrap_or_else(|fault| panic!("{name}: {fault}"));
    let signature = first
        .signature
        .as_ref()
        .map(|signature| &octets[signature.octets.start as usize..signature.octets.end as usize]);
    let written = draft.clone().finish(signature);
    let second = read(written.as_slice(), &limits).unwrap_or_else(|r| panic!("{name}: {r}"));
    assert_eq!(first.message, second.message, "{name}");
    // Every block is there under its identifier, in the same order and with the canonical form that
    // the library gave it, so that its signature holds over what we write. Older recordings end
    // Base64 with a line feed.
    let of = |part: &RootPart| {
        part.blocks.iter().map(|block| block.id.clone().expect("an Id")).collect::<Vec<_>>()
    };
    assert_eq!(of(&first), of(&second), "{name}");
    for id in of(&first) {
        let form = |octets| {
            let text = String::from_utf8(canonical(octets, &id)).expect("UTF-8");
            text.replace("\n</", "</")
        };
        assert_eq!(form(octets), form(&written), "{name}: {id}");
    }
    kind
}

#[test]
fn recorded_messages_are_read_completely_and_written_the_same() {
    let Some(corpus) = material("AMTSBOTE_CORPUS", "shared/corpus") else { return };
    let osci = corpus.join("osci-transport");
    let mut bodies = recorded(&osci.join("golden/opened"), |name| name.ends_with(".mime"));
    bodies.extend(recorded(&osci.join("golden/sig"), |name| name.ends_with(".mime")));
    bodies.extend(recorded(&osci.join("wire"), |name| name.contains(".plain.")));
    let mut kinds: Vec<MessageType> = Vec::new();
    let mut read = 0;
    for (name, body) in &bodies {
        let octets = root_part(body);
        match identify(octets, &Limits::default()).expect("a message") {
            MessageType::MessageEncrypted | MessageType::MessageFault => {}
            _ => {
                kinds.push(check(name, octets));
                read += 1;
            }
        }
    }
    kinds.sort_unstable();
    kinds.dedup();
    assert!(read >= 100 && kinds.len() == 20, "{read} messages of {} types", kinds.len());
}

#[test]
fn recorded_encrypted_messages_are_known_for_what_they_are() {
    let Some(corpus) = material("AMTSBOTE_CORPUS", "shared/corpus") else { return };
    let folder = corpus.join("osci-transport/wire");
    let bodies = recorded(&folder, |name| name.contains(".enc."));
    assert!(!bodies.is_empty());
    for (name, body) in bodies {
        let octets = root_part(&body);
        let limits = Limits::default();
        assert_eq!(identify(octets, &limits), Ok(MessageType::MessageEncrypted), "{name}");
        assert!(read(octets, &limits).is_err(), "{name}");
    }
}
