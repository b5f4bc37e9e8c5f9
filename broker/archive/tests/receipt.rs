//! Receipts: what is proven stays proven, and every change is noticed.

use amtsbote_archive::Hash;
use amtsbote_archive::checkpoint::{self, Checkpoint, CheckpointError};
use amtsbote_archive::note::{LogKey, NoteError};
use amtsbote_archive::receipt::{MAX_RECEIPT, Receipt, ReceiptError};
use amtsbote_archive::record::{Salt, canonical, leaf};
use amtsbote_archive::tree::{Appender, MemoryNodes, inclusion_proof, leaf_hash};
use proptest::prelude::*;
use serde_json::{Value, json};

const ORIGIN: &str = "amtsbote/hub/1";

fn record(number: usize) -> Value {
    json!({
        "kind": "attempt", "hub_id": format!("m{number}"), "attempt": number + 1,
        "log": ORIGIN, "time": "2026-11-23T08:00:00.000001Z", "peer": "Größe \"x\"\n",
    })
}

fn salt(number: usize) -> Salt {
    Salt([number as u8 + 1; 32])
}

/// A log of `size` records and a receipt over the one at `index`.
fn receipt(index: usize, size: usize) -> (Receipt, LogKey) {
    let key = LogKey::generate(ORIGIN).expect("key");
    let mut appender = Appender::empty();
    let mut new = Vec::new();
    for number in 0..size {
        let record = canonical(&record(number)).expect("canonical");
        appender.append(leaf_hash(&leaf(&salt(number), &record)), &mut new);
    }
    let mut nodes = MemoryNodes::default();
    nodes.extend(&new);
    let head = Checkpoint { origin: ORIGIN.to_owned(), size: size as u64, root: appender.root() };
    let head = checkpoint::sign(&head, &key).expect("signed");
    let proof = inclusion_proof(index as u64, size as u64, &nodes).expect("proof");
    let made = Receipt::new(record(index), salt(index), index as u64, proof, head);
    (made.expect("receipt"), key)
}

#[test]
fn made_written_read_verified() {
    for size in 1..=9 {
        for index in 0..size {
            let (receipt, key) = receipt(index, size);
            let octets = receipt.to_bytes();
            assert_eq!(octets.last(), Some(&b'\n'));
            let again = Receipt::parse(&octets).expect("read");
            assert_eq!(again, receipt);
            assert_eq!(again.to_bytes(), octets);
            let verified = again.verify(key.verifier()).expect("verified");
            assert_eq!(verified.record, &record(index));
            assert_eq!((verified.index, verified.checkpoint.size), (index as u64, size as u64));
        }
    }
}

#[test]
fn written_from_canonical_octets_it_is_the_same() {
    let (receipt, _) = receipt(2, 7);
    let octets = canonical(receipt.record()).expect("canonical");
    let (salt, index, head) = (*receipt.salt(), receipt.index(), receipt.head());
    let write =
        |octets: &[u8], index, proof: &[Hash]| Receipt::write(octets, salt, index, proof, head);
    let written = write(&octets, index, receipt.proof()).expect("written");
    assert_eq!(written, receipt.to_bytes());
    // What `new` refuses is refused here.
    let long = vec![Hash([0; 32]); 100];
    for refused in [
        write(b"[]", index, receipt.proof()),
        write(&octets, u64::MAX, receipt.proof()),
        write(&octets, index, &long),
    ] {
        assert!(matches!(refused, Err(ReceiptError::Form)), "{refused:?}");
    }
}

#[test]
fn the_stored_form_is_canonical_json() {
    let (receipt, _) = receipt(2, 7);
    let mut octets = receipt.to_bytes();
    octets.pop();
    let value: Value = serde_json::from_slice(&octets).expect("JSON");
    assert_eq!(canonical(&value).expect("canonical"), octets);
}

#[test]
fn a_receipt_laid_out_differently_proves_the_same() {
    let (receipt, key) = receipt(2, 7);
    let value: Value = serde_json::from_slice(&receipt.to_bytes()).expect("JSON");
    let pretty = serde_json::to_vec_pretty(&value).expect("JSON");
    let again = Receipt::parse(&pretty).expect("read");
    assert_eq!(again.to_bytes(), receipt.to_bytes());
    assert!(again.verify(key.verifier()).is_ok());
}

/// Every bit of every octet: the receipt is refused, or it says exactly the same (a capital letter
/// in an escape, say). Nothing that verifies says anything else.
#[test]
fn no_changed_octet_changes_what_is_proven() {
    let (receipt, key) = receipt(2, 7);
    let octets = receipt.to_bytes();
    let proven = receipt.verify(key.verifier()).expect("verified");
    let mut same = 0;
    for position in 0..octets.len() {
        for bit in 0..8 {
            let mut changed = octets.clone();
            changed[position] ^= 1 << bit;
            let Ok(read) = Receipt::parse(&changed) else { continue };
            if let Ok(verified) = read.verify(key.verifier()) {
                assert_eq!(verified, proven, "octet {position}, bit {bit}");
                assert_eq!(read.to_bytes(), octets, "octet {position}, bit {bit}");
                same += 1;
            }
        }
    }
    // The last newline may become other white space; hardly anything else can.
    assert!(same <= 4, "{same} changes went unnoticed");
}

#[test]
fn every_shortened_receipt_is_refused() {
    let (receipt, _) = receipt(0, 3);
    let octets = receipt.to_bytes();
    for end in 0..octets.len() - 1 {
        assert!(Receipt::parse(&octets[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn a_changed_field_is_noticed() {
    let (original, key) = receipt(2, 7);
    let value: Value = serde_json::from_slice(&original.to_bytes()).expect("JSON");
    let outcome = |change: &dyn Fn(&mut Value)| {
        let mut value = value.clone();
        change(&mut value);
        let octets = serde_json::to_vec(&value).expect("JSON");
        Receipt::parse(&octets).and_then(|receipt| receipt.verify(key.verifier()).map(|_| ()))
    };
    assert!(outcome(&|_| {}).is_ok());
    let proof = |result| matches!(result, Err(ReceiptError::Proof(_)));
    assert!(proof(outcome(&|value| value["record"]["attempt"] = json!(4))));
    assert!(proof(outcome(&|value| value["record"]["more"] = json!(null))));
    assert!(proof(outcome(&|value| value["index"] = json!(3))));
    assert!(proof(outcome(&|value| value["index"] = json!(7))));
    assert!(proof(outcome(&|value| value["proof"] = json!([]))));
    assert!(proof(outcome(&|value| value["salt"] = json!(Hash([0; 32])))));
    let form = |result| matches!(result, Err(ReceiptError::Form));
    assert!(form(outcome(&|value| value["salt"] = json!("short"))));
    assert!(form(outcome(&|value| value["index"] = json!(-1))));
    assert!(form(outcome(&|value| value["index"] = json!(1_u64 << 53))));
    assert!(form(outcome(&|value| value["record"] = json!([]))));
    assert!(form(outcome(&|value| value["unsigned"] = json!("believed by nobody"))));
    assert!(form(outcome(&|value| value["proof"] = json!(vec![Hash([0; 32]); 65]))));
    assert!(form(outcome(&|value| {
        value.as_object_mut().expect("object").remove("schema_version");
    })));
    let version = outcome(&|value| value["schema_version"] = json!(2));
    assert!(matches!(version, Err(ReceiptError::Version(2))));
}

#[test]
fn another_hubs_key_does_not_verify() {
    let (receipt, _) = receipt(0, 1);
    let other = LogKey::generate(ORIGIN).expect("key");
    let refused = receipt.verify(other.verifier());
    let unknown =
        matches!(refused, Err(ReceiptError::Head(CheckpointError::Note(NoteError::UnknownKey))));
    assert!(unknown, "{refused:?}");
}

/// A leaf that speaks of another log under this log's head.
#[test]
fn record_and_head_speak_of_one_log() {
    for log in [json!("amtsbote/hub/2"), json!(7), Value::Null] {
        let key = LogKey::generate(ORIGIN).expect("key");
        let record = json!({ "log": log });
        let canonical = canonical(&record).expect("canonical");
        let mut appender = Appender::empty();
        appender.append(leaf_hash(&leaf(&salt(0), &canonical)), &mut Vec::new());
        let head = Checkpoint { origin: ORIGIN.into(), size: 1, root: appender.root() };
        let head = checkpoint::sign(&head, &key).expect("signed");
        let receipt = Receipt::new(record, salt(0), 0, Vec::new(), head).expect("receipt");
        assert!(matches!(receipt.verify(key.verifier()), Err(ReceiptError::OtherLog)));
    }
}

#[test]
fn texts_two_readers_could_read_differently_are_refused() {
    let (receipt, _) = receipt(0, 1);
    let text = String::from_utf8(receipt.to_bytes()).expect("UTF-8");
    let doubled = text.replacen("\"attempt\":1", "\"attempt\":1,\"attempt\":1", 1);
    assert_ne!(doubled, text);
    assert!(matches!(Receipt::parse(doubled.as_bytes()), Err(ReceiptError::Json(_))));
    let float = text.replacen("\"attempt\":1", "\"attempt\":1.0", 1);
    assert!(matches!(Receipt::parse(float.as_bytes()), Err(ReceiptError::Json(_))));
    let twice = format!("{text}{text}");
    assert!(matches!(Receipt::parse(twice.as_bytes()), Err(ReceiptError::Json(_))));
    let long = vec![b' '; MAX_RECEIPT + 1];
    assert!(matches!(Receipt::parse(&long), Err(ReceiptError::TooLarge)));
}

proptest! {
    #[test]
    fn any_octets_are_answered(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Receipt::parse(&octets).is_err());
    }

    #[test]
    fn any_fields_are_answered(head in "(?s).{0,80}", index: u64, hashes in 0usize..70) {
        let value = json!({
            "schema_version": 1, "record": { "log": ORIGIN }, "salt": Hash([1; 32]),
            "index": index, "proof": vec![Hash([2; 32]); hashes], "head": head,
        });
        let octets = serde_json::to_vec(&value).expect("JSON");
        let key = LogKey::generate(ORIGIN).expect("key");
        if let Ok(receipt) = Receipt::parse(&octets) {
            prop_assert!(receipt.verify(key.verifier()).is_err());
        }
    }
}
