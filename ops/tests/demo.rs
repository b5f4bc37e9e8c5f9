//! The demo, as a process: every message must end as expected, and every case must occur.

mod common;

use std::collections::BTreeMap;

use common::{amtsbote, exits, objects, stdout};

/// The endings that the contract and the code table promise, one per case.
const CASES: [(&str, &str); 27] = [
    ("notice", "acknowledged"),
    ("answer", "acknowledged"),
    ("attachment", "acknowledged"),
    ("identical-repeat", "acknowledged"),
    ("not-before", "waiting"),
    ("cancelled", "cancelled"),
    ("same-id-other-content", "AB5001"),
    ("foreign-key", "AB2005"),
    ("foreign-account", "AB2007"),
    ("test-to-production", "AB3005"),
    ("not-well-formed", "AB4001"),
    ("schema-invalid", "AB4002"),
    ("entity", "AB1008"),
    ("deeply-nested", "AB1008"),
    ("wrong-encoding", "AB4001"),
    ("unknown-standard", "AB4003"),
    ("bad-signature", "AB2003"),
    ("wrapped-signature", "AB1003"),
    ("tampered-envelope", "AB2003"),
    ("tampered-payload", "AB1005"),
    ("unsigned", "AB2002"),
    ("broken-envelope", "AB1002"),
    ("not-permitted", "AB3001"),
    ("unknown-reader", "AB3002"),
    ("expired", "AB5002"),
    ("part-missing", "AB1006"),
    ("part-too-many", "AB1006"),
];

#[test]
fn every_message_ends_as_it_must_and_the_evidence_holds() {
    let dir = tempfile::tempdir().expect("a folder");
    let kept = dir.path().join("kept");
    let output = amtsbote(dir.path())
        .args(["demo", "--messages", "60", "-o", "json", "--keep"])
        .arg(&kept)
        .output()
        .expect("it runs");
    exits(&output, 0);
    let lines = objects(&output);
    let (summary, messages) = lines.split_last().expect("lines");
    assert_eq!(messages.len(), 60);

    let mut endings: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for message in messages {
        assert_eq!(message["ok"], true, "{message}");
        assert_eq!(message["expected"], message["ended"], "{message}");
        assert!(message["id"].is_string() && message["from"] != message["to"], "{message}");
        let word = |key: &str| message[key].as_str().expect("a text");
        endings.entry(word("case")).or_default().push(word("ended"));
        // Refusals explain themselves; acceptances have an id of the hub.
        let refused = word("ended").starts_with("AB");
        assert_eq!(message["title"].is_string(), refused, "{message}");
        assert_eq!(message["error_id"].is_string(), refused, "{message}");
        assert!(refused || message["hub_id"].is_string(), "{message}");
    }
    for (case, ending) in CASES {
        let ended = endings.remove(case).unwrap_or_else(|| panic!("{case} does not occur"));
        assert!(ended.iter().all(|e| *e == ending), "{case}: {ended:?}");
    }
    assert!(endings.is_empty(), "cases that this test does not know: {endings:?}");

    assert_eq!(summary["summary"], true);
    assert_eq!(summary["ok"], true, "{summary}");
    assert_eq!(summary["messages"], 60);
    assert_eq!(summary["archive_verified"], true);
    assert_eq!(summary["dossier_proven"], true);
    let figure = |key: &str| summary[key].as_u64().expect("a number");
    let notices = messages.iter().filter(|m| m["ended"] == "acknowledged").count() as u64;
    // The first messages of the pairs with other content are taken as well.
    assert_eq!(figure("acknowledgements_verified"), notices + 1);
    assert!(figure("receipts_verified") > notices, "{summary}");

    // What was kept can be checked again, by another process.
    let config = kept.join("amtsbote.toml");
    let verify = |dir: &std::path::Path| {
        amtsbote(dir)
            .args(["archive", "verify", "--offline", "-o", "json", "--config"])
            .arg(&config)
            .output()
            .expect("it runs")
    };
    let output = verify(dir.path());
    exits(&output, 0);
    let report = objects(&output);
    assert_eq!(report[0]["holds"], true);
    assert_eq!(report[0]["leaves"], summary["archive"]["leaves"]);
    assert_eq!(report[0]["root"], summary["archive"]["root"]);
    damage(&kept.join("data"));
    let output = verify(dir.path());
    assert_ne!(
        output.status.code(),
        Some(0),
        "a damaged store was called good: {}",
        stdout(&output)
    );
}

/// Changes one octet of a record, in the database or in its log of writes.
fn damage(data: &std::path::Path) {
    let record: &[u8] = b"\"kind\":\"accepted\"";
    for name in ["hub.db", "hub.db-wal"] {
        let file = data.join(name);
        let Ok(mut octets) = std::fs::read(&file) else { continue };
        let found = octets.windows(record.len()).rposition(|window| window == record);
        if let Some(place) = found {
            octets[place + 9] ^= 1;
            std::fs::write(&file, octets).expect("it can be written");
            return;
        }
    }
    panic!("no record in the clear in {}", data.display());
}

#[test]
fn too_few_messages_are_wrong_use() {
    let dir = tempfile::tempdir().expect("a folder");
    let output = amtsbote(dir.path()).args(["demo", "--messages", "59"]).output().expect("it runs");
    exits(&output, 2);
}
