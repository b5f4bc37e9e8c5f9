//! Tests of the folder connector: every state that a crash can leave behind.

use amtsbote_domain::digest::Digest;
use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::text::Language;

use super::*;
use crate::port::PartFile;
use crate::testing::metadata;

fn id() -> HubId {
    HubId::parse("0190-1").expect("an id")
}

fn part(cid: &str, octets: &[u8]) -> Part {
    Part {
        cid: cid.to_owned(),
        media_type: "application/xml".to_owned(),
        size: octets.len() as u64,
        sha256: Digest(openssl::sha::sha256(octets)),
    }
}

fn parts() -> Vec<Part> {
    vec![part("payload", b"<a/>"), part("../../plan?.pdf", b"%PDF")]
}

fn signature() -> SignatureFacts {
    SignatureFacts {
        certificate: Digest([3; 32]),
        subject: "CN=TEST".to_owned(),
        algorithm: "urn:a".to_owned(),
    }
}

/// Stages the message as the collector does; with `whole` it is handed over as well.
fn take(inbox: &mut FolderInbox, whole: bool) {
    let staging = inbox.stage(&id()).expect("a folder");
    assert_eq!(fs::read_dir(&staging).expect("a folder").count(), 0);
    fs::write(staging.join("envelope.xml"), b"<e/>").expect("written");
    let mut files = Vec::new();
    for (number, (part, octets)) in parts().into_iter().zip([&b"<a/>"[..], b"%PDF"]).enumerate() {
        let path = staging.join(file_name(number, &part.cid));
        fs::write(&path, octets).expect("written");
        files.push(PartFile { part, path });
    }
    if whole {
        let (metadata, signature) = (metadata(), signature());
        let incoming = Incoming {
            id: &id(),
            metadata: &metadata,
            signature: &signature,
            files: &files,
            staging: &staging,
        };
        inbox.hand_over(&incoming).expect("handed over");
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn a_message_appears_whole_under_its_id() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut inbox = FolderInbox::open(folder.path()).expect("open");
    assert!(!inbox.holds(&id(), &parts()).expect("looked"));
    take(&mut inbox, true);
    assert!(inbox.holds(&id(), &parts()).expect("looked"));
    let place = inbox.place(&id());
    let wanted = ["01-payload", "02-.._.._plan_.pdf", "envelope.xml", "message.json"];
    assert_eq!(names(&place), wanted);
    assert_eq!(names(folder.path()), [".staging", "0190-1"]);
    assert!(names(&folder.path().join(".staging")).is_empty());
    let read = fs::read(place.join("message.json")).expect("there");
    let message: MessageFile = serde_json::from_slice(&read).expect("JSON");
    assert_eq!((message.id, message.metadata), (id(), metadata()));
    assert_eq!(message.files[1].file, wanted[1]);
    assert_eq!(message.files[1].part, parts()[1]);
}

#[test]
fn a_crash_before_the_rename_leaves_nothing_that_looks_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    take(&mut FolderInbox::open(folder.path()).expect("open"), false);
    let mut inbox = FolderInbox::open(folder.path()).expect("open again");
    assert!(!inbox.holds(&id(), &parts()).expect("looked"));
    assert_eq!(names(folder.path()), [".staging"]);
    take(&mut inbox, true);
    assert!(inbox.holds(&id(), &parts()).expect("looked"));
}

#[test]
fn a_crash_after_the_rename_is_seen_and_a_repetition_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    take(&mut FolderInbox::open(folder.path()).expect("open"), true);
    let mut inbox = FolderInbox::open(folder.path()).expect("open again");
    assert!(inbox.holds(&id(), &parts()).expect("looked"));
    take(&mut inbox, true);
    assert!(inbox.holds(&id(), &parts()).expect("looked"));
    assert_eq!(names(folder.path()), [".staging", "0190-1"]);
    assert!(names(&folder.path().join(".staging")).is_empty());
}

#[test]
fn a_damaged_message_is_not_held_and_is_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut inbox = FolderInbox::open(folder.path()).expect("open");
    let damages: [fn(&Path); 3] = [
        |place| fs::write(place.join("01-payload"), b"<b/>").expect("written"),
        |place| fs::remove_file(place.join("02-.._.._plan_.pdf")).expect("removed"),
        |place| fs::remove_file(place.join("message.json")).expect("removed"),
    ];
    for damage in damages {
        take(&mut inbox, true);
        damage(&inbox.place(&id()));
        assert!(!inbox.holds(&id(), &parts()).expect("looked"));
    }
    // A crash between the two renames of a replacement: the old one is aside, no new one is there.
    fs::rename(inbox.place(&id()), folder.path().join(".staging/0190-1.old")).expect("renamed");
    assert!(!inbox.holds(&id(), &parts()).expect("looked"));
    take(&mut inbox, true);
    assert!(inbox.holds(&id(), &parts()).expect("looked"));
    assert!(names(&folder.path().join(".staging")).is_empty());
}

#[test]
fn file_names_are_harmless_and_unique() {
    assert_eq!(file_name(0, "payload.xml"), "01-payload.xml");
    assert_eq!(file_name(1, "a/b:c@d"), "02-a_b_c_d");
    assert_eq!(file_name(99, &"x".repeat(255)).len(), "100-".len() + 100);
}

fn order(folder: &Path, name: &str, file: &str) {
    let place = folder.join(name);
    fs::create_dir(&place).expect("made");
    fs::write(place.join("payload.xml"), b"<a/>").expect("written");
    let files = vec![OrderFile {
        file: file.to_owned(),
        cid: "payload".to_owned(),
        media_type: "application/xml".to_owned(),
    }];
    let order = Order { metadata: metadata(), files };
    let octets = serde_json::to_vec(&order).expect("JSON");
    fs::write(place.join("order.json"), octets).expect("written");
}

fn problem() -> Problem {
    Problem::new(&Fault::new(Code::ContentInvalid), Language::De, "e-1")
}

#[test]
fn orders_come_by_name_and_stay_until_they_are_done() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut outbox = FolderOutbox::open(folder.path()).expect("open");
    assert!(outbox.collect().expect("looked").is_none());
    order(folder.path(), "b", "payload.xml");
    order(folder.path(), "a", "payload.xml");
    order(folder.path(), ".unfinished", "payload.xml");
    fs::create_dir(folder.path().join("0-without-order")).expect("made");
    for _ in 0..2 {
        let first = outbox.collect().expect("looked").expect("an order");
        assert_eq!(first.name, "a");
        assert_eq!(first.metadata, metadata());
        assert!(first.attachments.is_empty());
    }
    let first = outbox.collect().expect("looked").expect("an order");
    for _ in 0..2 {
        outbox.abort(&first, &problem()).expect("aborted");
    }
    let refused = fs::read(folder.path().join(".refused/a/problem.json")).expect("there");
    assert_eq!(Problem::parse(&refused).expect("a problem"), problem());
    let second = outbox.collect().expect("looked").expect("an order");
    assert_eq!(second.name, "b");
    outbox.finish(&second.name, SENT, "receipt.json", b"receipt").expect("confirmed");
    assert!(outbox.collect().expect("looked").is_none());
    let receipt = fs::read(folder.path().join(".sent/b/receipt.json")).expect("there");
    assert_eq!(receipt, b"receipt");

    order(folder.path(), "b", "payload.xml");
    outbox.finish("b", SENT, "receipt.json", b"another").expect("confirmed");
    assert_eq!(names(&folder.path().join(".sent")), ["b", "b-2"]);
}

#[test]
fn an_order_that_cannot_be_read_makes_way() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut outbox = FolderOutbox::open(folder.path()).expect("open");
    fs::write(folder.path().join("secret"), b"geheim").expect("written");
    for (number, file) in
        ["../secret", "/etc/hostname", "absent", "..", "", "link"].iter().enumerate()
    {
        order(folder.path(), &format!("a{number}"), file);
    }
    std::os::unix::fs::symlink("../secret", folder.path().join("a5/link")).expect("linked");
    order(folder.path(), "b", "payload.xml");
    fs::write(folder.path().join("b/order.json"), b"{\"geheim\": 1}").expect("written");
    order(folder.path(), "c", "payload.xml");
    let long = vec![b' '; MAX_ORDER_BYTES as usize + 1];
    fs::write(folder.path().join("c/order.json"), long).expect("written");
    order(folder.path(), "z", "payload.xml");
    assert_eq!(outbox.collect().expect("looked").expect("an order").name, "z");
    let refused = folder.path().join(".refused");
    assert_eq!(names(&refused), ["a0", "a1", "a2", "a3", "a4", "a5", "b", "c"]);
    let text = fs::read_to_string(refused.join("b/problem.json")).expect("there");
    assert!(text.contains("line 1") && !text.contains("geheim"), "{text}");
}
