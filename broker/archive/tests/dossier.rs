//! Dossiers: what they prove, what they merely assert, and what they cannot hide.

mod support;

use amtsbote_archive::dossier::{
    Anchor, Dossier, DossierError, DossierReport, Fault, History, MAX_ANCHORS, MAX_DOSSIER,
    MAX_ITEMS, Part, PartComparison, Trusted, Unaltered,
};
use amtsbote_archive::note::{LogKey, VerifierKey};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::Hub;

const ENVELOPE: &[u8] = b"<Envelope xmlns=\"urn:amtsbote:envelope:1\"/>";
const PAYLOAD: &[u8] = b"<nachricht/>";

fn hex(octets: &[u8]) -> String {
    openssl::sha::sha256(octets).iter().map(|octet| format!("{octet:02x}")).collect()
}

fn accepted() -> Value {
    let part = json!({
        "cid": "payload", "media_type": "application/xml", "size": PAYLOAD.len(),
        "sha256": hex(PAYLOAD),
    });
    json!({
        "kind": "accepted", "hub_id": "m1", "time": "2026-11-23T08:00:00.000001Z",
        "envelope_sha256": hex(ENVELOPE), "parts": [part],
    })
}

fn changed() -> Value {
    json!({ "kind": "changed", "hub_id": "m1", "time": "2026-11-23T08:00:01.000001Z" })
}

/// A log of 9 records: 1 accepts message m1, 4 changes it; the rest are others'.
fn hub() -> Hub {
    let mut hub = Hub::new(LogKey::generate("amtsbote/hub/1").expect("key"));
    for number in 0..9 {
        hub.record(match number {
            1 => accepted(),
            4 => changed(),
            _ => json!({ "kind": "handed-out", "hub_id": "m2", "number": number }),
        });
    }
    hub
}

/// The dossier of m1, with receipts under the heads of size 2 and 6 and the way to size 9.
fn dossier(hub: &Hub) -> Dossier {
    let receipts = vec![hub.receipt(1, 2), hub.receipt(4, 6)];
    let mut dossier = Dossier::new("m1".into(), vec![hub.key.verifier().clone()], receipts);
    dossier.envelope = Some(ENVELOPE.to_vec());
    dossier.consistency = vec![hub.consistency(2, 9), hub.consistency(6, 9)];
    dossier
}

fn codes(report: &DossierReport) -> Vec<&'static str> {
    report.statements().iter().map(|statement| statement.code).collect()
}

fn only_fault(report: DossierReport) -> Fault {
    assert!(!report.is_sound() && report.unaltered == Unaltered::Failed, "{report:?}");
    let mut faults = report.faults;
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults.remove(0)
}

#[test]
fn written_and_read() {
    let hub = hub();
    let mut dossier = dossier(&hub);
    dossier.anchors = vec![Anchor { kept_by: "Kreis Lippe".into(), head: hub.head(9) }];
    let octets = dossier.to_bytes().expect("written");
    assert_eq!(octets.last(), Some(&b'\n'));
    let again = Dossier::parse(&octets).expect("read");
    assert_eq!(again, dossier);
    assert_eq!(again.to_bytes().expect("written"), octets);
}

#[test]
fn with_the_key_given_it_is_proven() {
    let hub = hub();
    let report = dossier(&hub).check(Some(hub.key.verifier()));
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.unaltered, &report.history), (Unaltered::Proven, &History::NoAnchor));
    let kinds: Vec<_> =
        report.receipts.iter().map(|line| (line.kind.as_str(), line.index)).collect();
    assert_eq!(kinds, [("accepted", 1), ("changed", 4)]);
    assert_eq!((report.envelope, report.parts), (true, 1));
    let expected = ["unaltered-proven", "history-no-anchor", "author-signature-unchecked"];
    assert_eq!(codes(&report), expected);
}

#[test]
fn without_a_key_it_only_asserts_and_shows_the_key() {
    let hub = hub();
    let report = dossier(&hub).check(None);
    assert!(report.is_sound());
    assert_eq!(report.unaltered, Unaltered::SelfAsserted);
    assert_eq!(codes(&report)[..2], ["unaltered-self-asserted", "compare-key"]);
    let shown = hub.key.verifier().to_string();
    let statements = report.statements();
    assert!(statements[1].text("de").contains(&shown) && statements[1].text("en").contains(&shown));
}

/// Whoever forges everything, key included, passes only while nobody brings the real key.
#[test]
fn a_forged_hub_is_found_by_the_key() {
    let real = hub();
    let forged = dossier(&hub());
    assert_eq!(forged.check(None).unaltered, Unaltered::SelfAsserted);
    let report = forged.check(Some(real.key.verifier()));
    assert_eq!(report.unaltered, Unaltered::Failed);
    assert!(matches!(
        report.faults[..],
        [Fault::OtherKey, Fault::Receipt { number: 1, .. }, Fault::Receipt { number: 2, .. },]
    ));
}

#[test]
fn a_head_from_outside_excludes_a_second_history() {
    let hub = hub();
    let key = [hub.key.verifier().clone()];
    let check =
        |dossier: &Dossier, heads: &[String]| dossier.check_against(&Trusted { keys: &key, heads });
    let full = dossier(&hub);
    let report = check(&full, &[hub.head(9)]);
    assert_eq!((report.unaltered, &report.history), (Unaltered::Proven, &History::Proven));
    assert!(report.is_sound());
    // Anchored between the two: covers the first receipt only.
    let mut between = full.clone();
    between.consistency = vec![hub.consistency(2, 3), hub.consistency(3, 6)];
    assert_eq!(check(&between, &[hub.head(3)]).history, History::NotCovered { receipts: vec![2] });
    // Smaller than the receipt's head, but the record is inside.
    between.consistency.push(hub.consistency(5, 6));
    between.consistency.push(hub.consistency(2, 5));
    assert_eq!(check(&between, &[hub.head(5)]).history, History::Proven);
    // Two heads together may do what one cannot.
    assert_eq!(check(&between, &[hub.head(3), hub.head(5)]).history, History::Proven);
    // Without the proof nothing is known.
    let mut bare = full.clone();
    bare.consistency.clear();
    let report = check(&bare, &[hub.head(9)]);
    assert_eq!(report.history, History::NotCovered { receipts: vec![1, 2] });
    assert!(report.is_sound());
    // The head of the receipt itself needs none.
    bare.receipts = vec![hub.receipt(1, 9), hub.receipt(4, 9)];
    assert_eq!(check(&bare, &[hub.head(9)]).history, History::Proven);
}

#[test]
fn an_anchor_in_the_dossier_is_its_own_word() {
    let hub = hub();
    let mut dossier = dossier(&hub);
    dossier.anchors = vec![Anchor { kept_by: "Kreis Lippe".into(), head: hub.head(9) }];
    let report = dossier.check(Some(hub.key.verifier()));
    assert_eq!(report.history, History::Uncompared);
    assert!(report.is_sound() && codes(&report).contains(&"history-uncompared"));
}

#[test]
fn a_second_history_is_found_by_the_head_from_outside() {
    let hub = hub();
    let mut second = Hub::new(hub.key.clone());
    for number in 0..9 {
        second.record(match number {
            1 => accepted(),
            4 => changed(),
            _ => json!({ "kind": "another history", "hub_id": "m2" }),
        });
    }
    let forged = dossier(&second);
    assert!(forged.check(Some(hub.key.verifier())).is_sound(), "each history alone is sound");
    let trusted = Trusted { keys: std::slice::from_ref(hub.key.verifier()), heads: &[hub.head(9)] };
    let report = forged.check_against(&trusted);
    assert_eq!(report.history, History::Contradicted);
    assert!(matches!(
        report.faults[..],
        [Fault::Inconsistent { number: 1 }, Fault::Inconsistent { number: 2 },]
    ));
    // And inside one dossier: two heads of one size that differ.
    let mut both = dossier(&hub);
    both.receipts.push(second.receipt(4, 6));
    assert!(matches!(only_fault(both.check(Some(hub.key.verifier()))), Fault::SplitView));
}

#[test]
fn a_head_from_outside_must_be_the_hubs() {
    let hub = hub();
    let stranger = Hub::new(LogKey::generate("amtsbote/hub/1").expect("key"));
    for head in [stranger.head(0), "no head".to_owned()] {
        let trusted = Trusted { keys: std::slice::from_ref(hub.key.verifier()), heads: &[head] };
        let report = dossier(&hub).check_against(&trusted);
        assert_eq!(report.history, History::Contradicted);
        assert!(matches!(only_fault(report), Fault::Anchor { number: 1 }));
    }
}

#[test]
fn receipts_from_two_epochs() {
    let first = hub();
    let second_key = first.key.for_origin("amtsbote/hub/2").expect("key");
    let mut second = Hub::new(second_key);
    second.record(json!({ "kind": "epoch-opened", "previous": first.head(9) }));
    second.record(changed());
    let mut dossier = dossier(&first);
    dossier.receipts.push(second.receipt(1, 2));
    // From the dossier itself every epoch's key must be named; the given key stands for its node.
    assert!(matches!(only_fault(dossier.check(None)), Fault::NoKey { number: 3 }));
    dossier.keys.push(second.key.verifier().clone());
    assert!(dossier.check(None).is_sound());
    assert!(dossier.check(Some(first.key.verifier())).is_sound());
    assert!(dossier.check(Some(second.key.verifier())).is_sound());
    // A head of one epoch says nothing about the other's receipts.
    let key = [first.key.verifier().clone()];
    let heads = [first.head(9)];
    let report = dossier.check_against(&Trusted { keys: &key, heads: &heads });
    assert_eq!(report.history, History::NotCovered { receipts: vec![3] });
    let heads = [first.head(9), second.head(2)];
    let report = dossier.check_against(&Trusted { keys: &key, heads: &heads });
    assert_eq!(report.history, History::Proven);
    // Another node's key does not stand for this one.
    let other = first.key.verifier().for_origin("amtsbote/other/1").expect("name");
    let report = dossier.check(Some(&other));
    assert!(matches!(report.faults[0], Fault::NoKey { number: 1 }), "{report:?}");
}

#[test]
fn two_epochs_with_two_keys() {
    let first = hub();
    let mut second = Hub::new(LogKey::generate("amtsbote/hub/2").expect("key"));
    second.record(changed());
    let mut dossier = dossier(&first);
    dossier.receipts.push(second.receipt(0, 1));
    dossier.keys.push(second.key.verifier().clone());
    let keys = [first.key.verifier().clone(), second.key.verifier().clone()];
    let report = dossier.check_against(&Trusted { keys: &keys, heads: &[] });
    assert_eq!(report.unaltered, Unaltered::Proven);
    assert_eq!(dossier.check(Some(&keys[0])).unaltered, Unaltered::Failed);
}

#[test]
fn content_hangs_on_the_acceptance() {
    let hub = hub();
    let key = Some(hub.key.verifier());
    let with = |change: &dyn Fn(&mut Dossier)| {
        let mut dossier = dossier(&hub);
        change(&mut dossier);
        only_fault(dossier.check(key))
    };
    assert!(matches!(with(&|d| d.envelope = Some(b"<Other/>".to_vec())), Fault::Envelope));
    assert!(matches!(with(&|d| d.parts[0].size += 1), Fault::Parts));
    assert!(matches!(with(&|d| d.parts[0].sha256 = hex(b"other")), Fault::Parts));
    assert!(matches!(with(&|d| d.parts.clear()), Fault::Parts));
    assert!(matches!(with(&|d| d.parts.push(d.parts[0].clone())), Fault::Parts));
    assert!(matches!(with(&|d| drop(d.receipts.remove(0))), Fault::NoAcceptance));
    assert!(matches!(with(&|d| d.receipts.push(hub.receipt(1, 9))), Fault::TwoAcceptances));
    let other = with(&|d| d.receipts.push(hub.receipt(2, 9)));
    assert!(matches!(other, Fault::OtherMessage { number: 3 }));
    let empty = Dossier::new("m1".into(), Vec::new(), Vec::new());
    assert!(matches!(only_fault(empty.check(key)), Fault::NoReceipt));
    let renamed = Dossier { hub_id: "m2".into(), ..dossier(&hub) };
    assert!(matches!(
        renamed.check(key).faults[..],
        [Fault::OtherMessage { number: 1 }, Fault::OtherMessage { number: 2 },]
    ));
}

#[test]
fn without_envelope_nothing_is_said_about_it() {
    let hub = hub();
    let mut dossier = dossier(&hub);
    dossier.envelope = None;
    let report = dossier.check(Some(hub.key.verifier()));
    assert!(report.is_sound() && !report.envelope);
    assert!(!codes(&report).contains(&"author-signature-unchecked"));
}

#[test]
fn octets_beside_the_dossier() {
    let dossier = dossier(&hub());
    let compare = |cid: &str, octets: &[u8]| dossier.compare_part(cid, octets).expect("read");
    assert_eq!(compare("payload", PAYLOAD), PartComparison::Same);
    assert_eq!(compare("payload", b"<nachrichT/>"), PartComparison::Different);
    assert_eq!(compare("payload", &PAYLOAD[1..]), PartComparison::Different);
    assert_eq!(compare("payload", &vec![0; 1 << 20]), PartComparison::Different);
    assert_eq!(compare("other", PAYLOAD), PartComparison::Unlisted);
}

/// One bit in each octet of the file in turn: refused, no longer proven, or exactly the same
/// dossier.
#[test]
fn a_bit_in_any_octet_of_a_dossier_counts() {
    let hub = hub();
    let original = dossier(&hub);
    let octets = original.to_bytes().expect("written");
    let trusted = Trusted { keys: std::slice::from_ref(hub.key.verifier()), heads: &[hub.head(9)] };
    for position in 0..octets.len() {
        let mut changed = octets.clone();
        changed[position] ^= 1 << (position % 7);
        let Ok(read) = Dossier::parse(&changed) else { continue };
        let report = read.check_against(&trusted);
        let proven = report.is_sound() && report.history == History::Proven;
        assert!(!proven || read == original, "octet {position}");
    }
}

#[test]
fn malformed_dossiers_are_refused() {
    let hub = hub();
    let octets = dossier(&hub).to_bytes().expect("written");
    let value: Value = serde_json::from_slice(&octets).expect("JSON");
    let parse = |change: &dyn Fn(&mut Value)| {
        let mut value = value.clone();
        change(&mut value);
        Dossier::parse(value.to_string().as_bytes()).map(|_| ())
    };
    assert!(parse(&|_| {}).is_ok());
    let form = |result| matches!(result, Err(DossierError::Form));
    assert!(form(parse(&|value| value["claim"] = json!("unproven"))));
    assert!(form(parse(&|value| value["parts"][0]["name"] = json!("unproven"))));
    assert!(form(parse(&|value| value["envelope"] = json!("*"))));
    assert!(form(parse(&|value| value["hub_id"] = json!(1))));
    assert!(form(parse(&|value| value["consistency"][0]["proof"] = json!(["short"]))));
    assert!(matches!(
        parse(&|value| value["schema_version"] = json!(2)),
        Err(DossierError::Version(2))
    ));
    assert!(matches!(parse(&|value| value["keys"][0] = json!("key")), Err(DossierError::Key(1))));
    let receipt = parse(&|value| value["receipts"][1]["salt"] = json!(""));
    assert!(matches!(receipt, Err(DossierError::Receipt { position: 2, .. })));
    let anchor = json!({ "kept_by": "", "head": "" });
    let anchors = parse(&|value| value["anchors"] = json!(vec![&anchor; MAX_ANCHORS + 1]));
    assert!(matches!(anchors, Err(DossierError::TooLarge)));
    let proof = value["consistency"][0].clone();
    let proofs = parse(&|value| value["consistency"] = json!(vec![&proof; MAX_ITEMS + 1]));
    assert!(matches!(proofs, Err(DossierError::TooLarge)));
    let long = vec![b' '; MAX_DOSSIER + 1];
    assert!(matches!(Dossier::parse(&long), Err(DossierError::TooLarge)));
    let text = String::from_utf8(octets).expect("UTF-8");
    let doubled = text.replacen("\"hub_id\"", "\"hub_id\":\"m1\",\"hub_id\"", 1);
    assert!(matches!(Dossier::parse(doubled.as_bytes()), Err(DossierError::Json(_))));
}

#[test]
fn what_cannot_be_read_is_not_written() {
    let mut dossier = dossier(&hub());
    let part = Part { cid: String::new(), size: 0, sha256: String::new() };
    dossier.parts = vec![part; MAX_ITEMS + 1];
    assert!(matches!(dossier.to_bytes(), Err(DossierError::TooLarge)));
}

/// Every sentence exists in both languages, and no two faults share a code.
#[test]
fn every_fault_has_its_words() {
    let hub = hub();
    let other = LogKey::generate("k").expect("key");
    let error = hub.receipt(1, 2).verify(other.verifier()).expect_err("other key");
    let faults = [
        Fault::NoReceipt,
        Fault::OtherKey,
        Fault::NoKey { number: 1 },
        Fault::Receipt { number: 1, error },
        Fault::OtherMessage { number: 1 },
        Fault::NoAcceptance,
        Fault::TwoAcceptances,
        Fault::Envelope,
        Fault::Parts,
        Fault::SplitView,
        Fault::Anchor { number: 1 },
        Fault::Inconsistent { number: 1 },
    ];
    let mut codes = std::collections::BTreeSet::new();
    for fault in &faults {
        let wording = fault.wording();
        assert!(codes.insert(wording.code), "{} twice", wording.code);
        assert!(!wording.en.is_empty() && !wording.de.is_empty() && wording.en != wording.de);
    }
}

proptest! {
    #[test]
    fn any_octets_are_answered(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Dossier::parse(&octets).is_err());
    }

    #[test]
    fn any_fields_are_answered(head in "(?s).{0,60}", hub_id in ".{0,9}", key in ".{0,60}", old: u64, new: u64) {
        let value = json!({
            "schema_version": 1, "hub_id": hub_id, "keys": [], "receipts": [], "parts": [],
            "anchors": [{ "kept_by": key, "head": head }],
            "consistency": [{ "log": "l", "old": old, "new": new, "proof": [] }],
        });
        let dossier = Dossier::parse(value.to_string().as_bytes()).expect("the form is right");
        prop_assert!(!dossier.check(VerifierKey::parse(&key).ok().as_ref()).is_sound());
    }
}
