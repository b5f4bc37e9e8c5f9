//! What we write is read as what it was, and its blocks are their own canonical form.

use proptest::prelude::*;

use super::{canonical, generate};
use crate::osci::*;

/// A block that stands for a signature.
fn signature(kind: MessageType) -> String {
    let name = if kind.is_response() { "SupplierSignature" } else { "ClientSignature" };
    format!(
        "<osci:{name} Id=\"{}\" soap:actor=\"http://schemas.xmlsoap.org/soap/actor/next\" \
         soap:mustUnderstand=\"1\"><ds:Signature></ds:Signature></osci:{name}>",
        name.to_lowercase()
    )
}

proptest! {
    #[test]
    fn writing_then_reading_is_the_identity(
        (message, enclosed, contents) in generate::with_content(),
        is_signed in any::<bool>(),
    ) {
        let kind = message.message_type();
        let draft = message.write(&enclosed).expect("written");
        let signed: Vec<String> = draft.blocks().map(|(id, _)| id.to_owned()).collect();
        let block = signature(kind);
        let octets = draft.clone().finish(is_signed.then_some(block.as_bytes()));
        for (id, block) in draft.blocks() {
            prop_assert_eq!(block, canonical(&octets, id), "{}", id);
        }
        let read = read(octets.as_slice(), &Limits::default()).expect("read");
        prop_assert_eq!(identify(octets.as_slice(), &Limits::default()), Ok(kind));
        prop_assert_eq!(&read.message, &message);
        prop_assert_eq!(message.feedback().is_empty(), !kind.is_response());
        let features = signed.iter().any(|id| id == "featuredescription");
        prop_assert_eq!(message.features().is_some(), features);
        let certificates = signed.iter().any(|id| id == "nonintermediarycertificates");
        prop_assert_eq!(message.certificates().is_some(), certificates);
        let intermediary = signed.iter().any(|id| id == "intermediarycertificates");
        prop_assert_eq!(message.intermediary().is_some(), intermediary);
        prop_assert_eq!(&signed[0], "controlblock");
        let ids: Vec<_> = read.blocks.iter().map(|b| b.id.clone().expect("an Id")).collect();
        prop_assert_eq!(ids, signed);
        prop_assert_eq!(read.signature.is_some(), is_signed);
        if let Some(signature) = &read.signature {
            // The signature is the second block of the header.
            prop_assert!(read.blocks[0].node < signature.node);
            prop_assert!(signature.node < read.blocks[1].node);
            let range = signature.octets.start as usize..signature.octets.end as usize;
            prop_assert_eq!(&octets[range], block.as_bytes());
        }
        prop_assert_eq!(read.package.is_some(), enclosed.package.is_some());
        let package = read.package.unwrap_or_default();
        prop_assert_eq!(package.containers.len(), contents.len());
        for (container, contents) in package.containers.iter().zip(&contents) {
            prop_assert_eq!(container.contents.len(), contents.len());
            for (found, own) in container.contents.iter().zip(contents) {
                match (&found.kind, own) {
                    (ContentKind::Base64(found), OwnContent::Base64 { id, octets: own }) => {
                        prop_assert_eq!(found.id.as_ref(), Some(id));
                        prop_assert_eq!(&found.decode_of(&octets).expect("decoded"), own);
                        prop_assert_eq!(found.octets, own.len() as u64);
                    }
                    (ContentKind::Attachment(found), OwnContent::Attachment { cid, .. }) => {
                        prop_assert_eq!(found, cid);
                    }
                    _ => prop_assert!(false, "another kind of content"),
                }
            }
        }
    }

    #[test]
    fn content_leaves_as_it_came(
        (message, enclosed, contents) in generate::with_content(),
        other in generate::any_message(),
    ) {
        prop_assume!(enclosed.package.is_some());
        let octets = message.write(&enclosed).expect("written").finish(None);
        let read = read(octets.as_slice(), &Limits::default()).expect("read");
        let items: Vec<PackageItem> = read.package.unwrap_or_default().containers.iter()
            .map(|container| {
                let canonical = container.element.canonical_of(&octets).expect("an element");
                PackageItem::new(&canonical).expect("an item")
            })
            .collect();
        prop_assert_eq!(Some(&items), enclosed.package.as_ref());
        if other.message_type().content() != ContentRule::Never {
            let again = Enclosed { package: Some(items), custom: Vec::new() };
            let relayed = other.write(&again).expect("written").finish(None);
            for n in 0..contents.len() {
                let id = format!("contentcontainer{n}");
                prop_assert_eq!(canonical(&relayed, &id), canonical(&octets, &id));
            }
        }
    }
}

#[test]
fn every_type_is_generated_and_has_an_element_of_its_own() {
    let kinds: Vec<_> = generate::kinds().collect();
    assert_eq!(kinds.len(), 24);
    for kind in MessageType::ALL {
        assert_eq!(MessageType::from_name(kind.name()), Some(*kind));
        let found = MessageType::of_element(kind.namespace(), kind.element(), kind.place());
        assert_eq!(found, Some(*kind));
    }
}

#[test]
fn the_card_of_a_chunk_is_read_by_both_its_names() {
    use proptest::strategy::{Strategy, ValueTree};
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let strategy = generate::message(MessageType::ResponseToPartialStoreDelivery).prop_filter(
        "a card",
        |message| {
            let text = message.write(&Enclosed::default()).expect("written").finish(None);
            String::from_utf8_lossy(&text).contains("osci:ProcessCardBundle")
        },
    );
    let message = strategy.new_tree(&mut runner).expect("a message").current();
    let octets = message.write(&Enclosed::default()).expect("written").finish(None);
    let text = String::from_utf8(octets).expect("UTF-8");
    let other = text.replace("osci:ProcessCardBundle", "osci:procard");
    let read = |text: &str| read(text.as_bytes(), &Limits::default()).expect("read").message;
    assert_eq!(read(&text), message);
    assert_eq!(read(&other), message);
}
