//! What we write is valid against the official schema.

use std::fs;
use std::path::Path;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::generate;
use crate::osci::*;
use crate::testing::{material, run};

/// Where the schema refers to, and what the corpus holds for it.
const EXTERN: [(&str, &str); 7] = [
    ("http://www.w3.org/2001/xml.xsd", "xml.xsd"),
    ("http://schemas.xmlsoap.org/soap/envelope/", "soap-envelope.xsd"),
    (
        "http://www.w3.org/TR/2001/CR-xmldsig-core-20010419/xmldsig-core-schema.xsd",
        "xmldsig-core-schema.xsd",
    ),
    (
        "http://www.w3.org/TR/2002/REC-xmldsig-core-20020212/xmldsig-core-schema.xsd",
        "xmldsig-core-schema.xsd",
    ),
    ("http://www.w3.org/TR/xmlenc-core/xenc-schema.xsd", "xenc-schema.xsd"),
    ("http://www.w3.org/TR/2002/REC-xmlenc-core-20021210/xenc-schema.xsd", "xenc-schema.xsd"),
    (
        "https://www.w3.org/2008/xmlsec/Drafts/xmlenc-core-11/xenc-schema-11.xsd",
        "xenc-schema-11.xsd",
    ),
];

const ENCRYPTED: &str = "<xenc:EncryptedData Id='e0' MimeType='text/xml'><xenc:CipherData>\
     <xenc:CipherValue>QQ==</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>";

/// The verdict of xmllint over these files: those that are not valid, by what it says.
fn invalid(schemas: &Path, kind: MessageType, folder: &Path, files: &[String]) -> Vec<String> {
    let catalog = folder.join("catalog.xml");
    let entries: String = EXTERN
        .iter()
        .map(|(name, file)| {
            let file = schemas.join("extern").join(file);
            format!("<uri name=\"{name}\" uri=\"file://{}\"/>", file.display())
        })
        .collect();
    let head = "<catalog xmlns=\"urn:oasis:names:tc:entity:xmlns:xml:catalog\">";
    fs::write(&catalog, format!("{head}{entries}</catalog>")).expect("written");
    let schema = schemas.join(format!("soap{}.xsd", kind.name()));
    let set = format!("XML_CATALOG_FILES={}", catalog.display());
    let mut arguments = vec![set, "xmllint".to_owned()];
    arguments.extend(["--noout", "--nonet", "--schema"].map(str::to_owned));
    arguments.push(schema.display().to_string());
    arguments.extend_from_slice(files);
    let output = run("env", "libxml2-utils", &arguments);
    let lines: Vec<&str> = output.stderr.lines().collect();
    let valid = lines.iter().filter(|line| line.ends_with(" validates")).count();
    let wrong: Vec<String> =
        lines.iter().filter(|line| line.contains("error")).map(|line| (*line).to_owned()).collect();
    if wrong.is_empty() {
        assert!(output.yes && valid == files.len(), "{kind:?}: {}", output.stderr);
    }
    wrong
}

/// Whether the schema itself makes it impossible, or asks for what clients do not understand: see
/// [`ResponseToFetchProcessCard`], [`ResponseToPartialFetchDelivery`] and
/// [`ResponseToPartialStoreDelivery`].
fn cannot_be_valid(message: &Message) -> bool {
    match message {
        Message::ResponseToFetchProcessCard(answer) => {
            let plain = match &answer.criteria.selection {
                Some(ProcessCardSelection::ReceptionOfDelivery(date)) => {
                    date.no_reception.is_none() && date.role.is_none()
                }
                Some(ProcessCardSelection::MessageIds(ids)) => ids.len() == 1,
                Some(ProcessCardSelection::RecentModification(_)) | None => false,
            };
            !plain || answer.criteria.limit.is_some()
        }
        Message::ResponseToPartialFetchDelivery(answer) => answer.selection.is_none(),
        Message::ResponseToPartialStoreDelivery(answer) => answer.process_card.is_some(),
        _ => false,
    }
}

#[test]
fn what_we_write_is_valid() {
    let Some(corpus) = material("AMTSBOTE_CORPUS", "shared/corpus") else { return };
    let schemas = corpus.join("osci-transport/1.2").canonicalize().expect("a folder");
    let folder = tempfile::tempdir().expect("a folder");
    let mut runner = TestRunner::deterministic();
    for kind in generate::kinds() {
        let (mut files, mut impossible) = (Vec::new(), Vec::new());
        let strategy = (generate::message(kind), generate::with_content());
        while files.len() < 6 {
            let (message, (_, enclosed, _)) =
                strategy.new_tree(&mut runner).expect("a message").current();
            let mut items = enclosed.package.unwrap_or_default();
            items.push(PackageItem::new(ENCRYPTED.as_bytes()).expect("an item"));
            let package = (kind.content() != ContentRule::Never).then_some(items);
            let custom =
                CustomHeader::new(b"<x:a xmlns:x='urn:x' Id='x'>1</x:a>").expect("a block");
            let enclosed = Enclosed { package, custom: vec![custom] };
            let octets = message.write(&enclosed).expect("written").finish(None);
            let number = files.len() + impossible.len();
            let file = folder.path().join(format!("{}-{number}.xml", kind.name()));
            fs::write(&file, octets).expect("written");
            let list = if cannot_be_valid(&message) { &mut impossible } else { &mut files };
            list.push(file.display().to_string());
        }
        let wrong = invalid(&schemas, kind, folder.path(), &files);
        assert!(wrong.is_empty(), "{kind:?}: {wrong:#?}");
        if let Some(file) = impossible.first() {
            // If this ever changes, the remark at the type must change as well.
            let wrong = invalid(&schemas, kind, folder.path(), std::slice::from_ref(file));
            assert!(!wrong.is_empty(), "{kind:?}: valid after all");
        }
    }
}
