//! A whole log checked offline, and every way to damage it.

mod support;

use std::convert::Infallible;

use amtsbote_archive::Hash;
use amtsbote_archive::checkpoint::{self, Checkpoint};
use amtsbote_archive::log::{Entry, Leaf, LogFault, LogReport, verify};
use amtsbote_archive::note::LogKey;
use amtsbote_archive::record::{Salt, leaf};
use amtsbote_archive::tree::Nodes;
use proptest::prelude::*;
use serde_json::json;
use support::Hub;

const SIZES: [u64; 6] = [0, 1, 3, 7, 7, 12];

fn hub() -> Hub {
    let mut hub = Hub::new(LogKey::generate("amtsbote/hub/1").expect("key"));
    for number in 0..12 {
        hub.record(json!({ "kind": "started", "number": number }));
    }
    hub
}

fn heads(hub: &Hub) -> Vec<String> {
    SIZES.iter().map(|&size| hub.head(size)).collect()
}

fn run(hub: &Hub, entries: &[Entry], heads: &[String], outside: &[String]) -> LogReport {
    let entries = entries.iter().cloned().map(Ok::<_, Infallible>);
    let heads = heads.iter().cloned().map(Ok);
    let node_is = |&(level, index, hash): &_| Ok(hub.nodes.node(level, index) == Ok(hash));
    verify(hub.key.verifier(), entries, heads, outside, node_is).expect("sources do not fail")
}

fn fault(hub: &Hub, entries: &[Entry], heads: &[String], outside: &[String]) -> LogFault {
    let report = run(hub, entries, heads, outside);
    let fault = report.fault.expect("the damage must be noticed");
    let wording = fault.wording();
    assert!(wording.code.starts_with("log-") && wording.en != wording.de, "{wording:?}");
    fault
}

#[test]
fn a_good_log_holds() {
    let hub = hub();
    let outside = [hub.head(12), hub.head(5), hub.head(0), hub.head(5)];
    let report = run(&hub, &hub.entries, &heads(&hub), &outside);
    assert!(report.holds(), "{report:?}");
    assert_eq!((report.leaves, report.records, report.erased), (12, 12, 0));
    assert_eq!((report.heads, report.outside), (6, 4));
    let newest = Checkpoint::unverified(&hub.head(12)).expect("head");
    assert_eq!(report.root, newest.root);
}

#[test]
fn an_empty_log_holds() {
    let hub = Hub::new(LogKey::generate("amtsbote/hub/1").expect("key"));
    assert!(run(&hub, &[], &[], &[]).holds());
    assert!(run(&hub, &[], &[hub.head(0)], &[]).holds());
}

#[test]
fn erased_records_leave_the_log_whole() {
    let hub = hub();
    let mut entries = hub.entries.clone();
    entries[3].opening = None;
    // Where only the leaf hash is kept, the record is compared all the same.
    entries[4].leaf = Leaf::Hash(entries[4].leaf.hash());
    let report = run(&hub, &entries, &heads(&hub), &[]);
    assert!(report.holds(), "{report:?}");
    assert_eq!((report.records, report.erased), (11, 1));
}

#[test]
fn lost_doubled_and_exchanged_leaves() {
    let hub = hub();
    for position in 0..11 {
        let mut lost = hub.entries.clone();
        lost.remove(position);
        let LogFault::Order { expected, found } = fault(&hub, &lost, &heads(&hub), &[]) else {
            panic!("a lost leaf is a gap");
        };
        assert_eq!((expected, found), (position as u64, position as u64 + 1));
        let mut exchanged = hub.entries.clone();
        exchanged.swap(position, position + 1);
        let found = fault(&hub, &exchanged, &heads(&hub), &[]);
        assert!(matches!(found, LogFault::Order { .. }), "{found:?}");
        let mut doubled = hub.entries.clone();
        doubled.insert(position, doubled[position].clone());
        let found = fault(&hub, &doubled, &heads(&hub), &[]);
        assert!(matches!(found, LogFault::Order { .. }), "{found:?}");
    }
    // Renumbering the rest does not hide it.
    let mut renumbered = hub.entries.clone();
    renumbered.remove(4);
    renumbered.iter_mut().enumerate().for_each(|(index, entry)| entry.index = index as u64);
    let all_nodes = |_: &_| Ok::<_, Infallible>(true);
    let report = verify(
        hub.key.verifier(),
        renumbered.into_iter().map(Ok),
        heads(&hub).into_iter().map(Ok),
        &[],
        all_nodes,
    )
    .expect("sources do not fail");
    assert!(matches!(report.fault, Some(LogFault::Root { size: 7, outside: false })));
}

#[test]
fn leaves_cut_off_at_the_end() {
    let hub = hub();
    let found = fault(&hub, &hub.entries[..10], &heads(&hub), &[]);
    assert!(matches!(found, LogFault::Missing { size: 12, leaves: 10, outside: false }));
    // A database put back to an older state agrees with itself; the head kept elsewhere tells.
    let found = fault(&hub, &hub.entries[..7], &heads(&hub)[..5], &[hub.head(12)]);
    assert!(matches!(found, LogFault::Missing { size: 12, leaves: 7, outside: true }));
}

#[test]
fn leaves_nobody_signed_for() {
    let hub = hub();
    let found = fault(&hub, &hub.entries, &heads(&hub)[..5], &[]);
    assert!(matches!(found, LogFault::Uncovered { index: 7 }));
}

#[test]
fn another_history_under_the_same_key() {
    let hub = hub();
    let mut second = Hub::new(hub.key.clone());
    for number in 0..12 {
        let number = if number == 4 { 400 } else { number };
        second.record(json!({ "kind": "started", "number": number }));
    }
    let found = fault(&second, &second.entries, &heads(&second), &[hub.head(7)]);
    assert!(matches!(found, LogFault::Root { size: 7, outside: true }));
    let found = fault(&second, &second.entries, &heads(&hub), &[]);
    assert!(matches!(found, LogFault::Root { size: 7, outside: false }));
    assert!(run(&second, &second.entries, &heads(&second), &[hub.head(3)]).holds());
}

#[test]
fn changed_records_and_salts() {
    let hub = hub();
    let changed = |change: &dyn Fn(&mut Entry)| {
        let mut entries = hub.entries.clone();
        change(&mut entries[5]);
        fault(&hub, &entries, &heads(&hub), &[])
    };
    let at_5 = |fault| matches!(fault, LogFault::Record { index: 5 });
    let opening = |entry: &mut Entry| entry.opening.clone().expect("opening");
    assert!(at_5(changed(&|entry| {
        let mut new = opening(entry);
        new.salt = Salt([0; 32]);
        entry.opening = Some(new);
    })));
    assert!(at_5(changed(&|entry| {
        let mut new = opening(entry);
        let text = String::from_utf8(new.record).expect("UTF-8").replace(":5}", ":6}");
        new.record = text.into_bytes();
        entry.opening = Some(new);
    })));
    // A record in another spelling, or of another log, even where the leaf commits to it.
    for text in ["{\"log\": \"amtsbote/hub/1\"}", "{\"log\":\"amtsbote/hub/2\"}", "no JSON"] {
        assert!(at_5(changed(&|entry| {
            let mut new = opening(entry);
            new.record = text.as_bytes().to_vec();
            entry.leaf = Leaf::Data(leaf(&new.salt, &new.record));
            entry.opening = Some(new);
        })));
    }
}

#[test]
fn a_wrong_node_is_found() {
    let hub = hub();
    let node_is =
        |&(level, index, _): &(u8, u64, Hash)| Ok::<_, Infallible>((level, index) != (1, 2));
    let entries = hub.entries.iter().cloned().map(Ok);
    let heads = heads(&hub).into_iter().map(Ok);
    let report = verify(hub.key.verifier(), entries, heads, &[], node_is).expect("no error");
    assert!(matches!(report.fault, Some(LogFault::Node { index: 5, level: 1 })), "{report:?}");
    assert_eq!(report.leaves, 5);
}

#[test]
fn heads_out_of_order_or_false() {
    let hub = hub();
    let mut shuffled = heads(&hub);
    shuffled.swap(2, 3);
    let found = fault(&hub, &hub.entries, &shuffled, &[]);
    assert!(matches!(found, LogFault::Shrinks { position: 3 }), "{found:?}");
    let stranger = Hub::new(LogKey::generate("amtsbote/hub/1").expect("key"));
    let mut forged = heads(&hub);
    forged[1] = stranger.head(0);
    let found = fault(&hub, &hub.entries, &forged, &[]);
    assert!(matches!(found, LogFault::Head { position: 1, outside: false, .. }), "{found:?}");
    let found = fault(&hub, &hub.entries, &heads(&hub), &[hub.head(1), stranger.head(0)]);
    assert!(matches!(found, LogFault::Head { position: 1, outside: true, .. }), "{found:?}");
    // Two heads of one size with different roots, both really signed.
    let mut split = heads(&hub);
    let other = Checkpoint { origin: "amtsbote/hub/1".into(), size: 7, root: Hash([1; 32]) };
    split[4] = checkpoint::sign(&other, &hub.key).expect("signed");
    let found = fault(&hub, &hub.entries, &split, &[]);
    assert!(matches!(found, LogFault::Root { size: 7, outside: false }), "{found:?}");
}

#[test]
fn a_source_that_fails_ends_the_check() {
    let hub = hub();
    let entries = [Ok(hub.entries[0].clone()), Err("disk")];
    let outcome = verify(hub.key.verifier(), entries, [], &[], |_| Ok(true));
    assert_eq!(outcome.err(), Some("disk"));
    let outcome = verify(hub.key.verifier(), [], [Err("disk")], &[], |_| Ok(true));
    assert_eq!(outcome.err(), Some("disk"));
    let entries = [Ok(hub.entries[0].clone())];
    let outcome = verify(hub.key.verifier(), entries, [], &[], |_| Err("node"));
    assert_eq!(outcome.err(), Some("node"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// One bit anywhere in leaves, salts or records: never a log that holds.
    #[test]
    fn one_bit_is_enough(position in 0usize..12, what in 0u8..3, octet: u16, bit in 0u8..8) {
        let hub = hub();
        let mut entries = hub.entries.clone();
        let entry = &mut entries[position];
        let flip = |octets: &mut [u8]| octets[usize::from(octet) % octets.len()] ^= 1 << bit;
        match (what, &mut entry.leaf, &mut entry.opening) {
            (0, Leaf::Data(data), _) => flip(data),
            (1, _, Some(opening)) => flip(&mut opening.salt.0),
            (_, _, Some(opening)) => flip(&mut opening.record),
            _ => unreachable!("the hub keeps leaf and record"),
        }
        let found = fault(&hub, &entries, &heads(&hub), &[]);
        let here = matches!(found, LogFault::Record { index } if index == position as u64);
        prop_assert!(here);
    }

    #[test]
    fn any_heads_are_answered(text in "(?s).{0,100}") {
        let hub = hub();
        let found = fault(&hub, &hub.entries, std::slice::from_ref(&text), &[]);
        let malformed = matches!(found, LogFault::Head { position: 0, .. });
        prop_assert!(malformed);
    }
}
