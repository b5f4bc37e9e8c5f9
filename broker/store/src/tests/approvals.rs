//! The check finds every act that needed two people and did not have them.

use std::path::Path;
use std::time::Duration;

use amtsbote_domain::clearing::{Act, Decision, LARGE, PROPOSAL_LIFE, Person, Reason, Target};
use amtsbote_domain::digest::Digest;
use amtsbote_domain::identity::ProposalId;
use amtsbote_domain::ports::{Clearing, Slots, Store};
use amtsbote_domain::state::Event;
use rusqlite::{Connection, params};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use super::{log_key, options};
use crate::contract::{Draft, ManualClock, digest};
use crate::sql::Source;
use crate::startup::GUARD;
use crate::verify::approvals::Approvals;
use crate::verify::{Breach, ProblemKind};
use crate::writer::database_path;
use crate::{SqliteStore, VerifyReport, verify_offline};

fn person(name: &str, octet: u8) -> Person {
    Person { name: name.to_owned(), certificate: Digest([octet; 32]) }
}

fn anna() -> Person {
    person("anna", 1)
}

fn berta() -> Person {
    person("berta", 2)
}

fn reason(text: &str) -> Reason {
    Reason::parse(text).expect("a reason")
}

fn id(text: &str) -> ProposalId {
    ProposalId::parse(text).expect("an id")
}

fn decision(act: Act, targets: Vec<Target>) -> Decision {
    Decision { act, by: anna(), reason: reason("Anruf in Lemgo"), targets }
}

/// One attempt of each ends so.
async fn stuck(store: &SqliteStore, numbers: impl Iterator<Item = u32>, event: Event) {
    for number in numbers {
        Draft::peer(number).accepted(store).await;
        let lease = store.lease_due(Slots::any(1), Duration::from_secs(60)).await;
        let lease = lease.expect("leases").pop().expect("one is due");
        store.begin_attempt(&lease).await.expect("begins");
        store.settle(&lease, event, None, None).await.expect("settles");
        if event == Event::AttemptLost {
            let hub_id = Draft::peer(number).hub_id();
            store.apply(&hub_id, Event::OutcomeUnknowable, None, None).await.expect("applies");
        }
    }
}

async fn target(store: &SqliteStore, number: u32, channel: Option<&str>) -> Target {
    let delivery = store.delivery(&Draft::peer(number).hub_id()).await.expect("is there");
    let channel = channel.map(str::to_owned);
    Target { hub_id: delivery.record.hub_id, revision: delivery.revision, channel }
}

async fn targets(store: &SqliteStore, numbers: impl Iterator<Item = u32>) -> Vec<Target> {
    let mut all = Vec::new();
    for number in numbers {
        all.push(target(store, number, None).await);
    }
    all
}

/// A store with acts by two: `p-close` closed messages 1 and 2 and left 3 alone, `p-send` sent 4
/// again, `p-denied` was denied, `p-open` waits; message 6 was decided by one person, and may be.
async fn eventful(dir: &Path) {
    let store = SqliteStore::open(options(dir, ManualClock::new())).expect("opens");
    stuck(&store, 1..=5, Event::AttemptLost).await;
    stuck(&store, 6..=6, Event::AttemptRefused).await;
    let close = decision(Act::Close, targets(&store, 1..=3).await);
    let send = decision(Act::Resubmit, vec![target(&store, 4, Some("peer:krz")).await]);
    let other = decision(Act::Close, targets(&store, 5..=5).await);
    for (name, decision) in
        [("p-close", &close), ("p-send", &send), ("p-denied", &other), ("p-open", &other)]
    {
        let over = digest(&decision.canonical());
        store.propose(id(name), decision.clone(), over).await.expect("proposes");
        if name != "p-open" {
            let granted = name != "p-denied";
            let why = reason("geprüft");
            store.judge(&id(name), &berta(), granted, over, &why).await.expect("judges");
        }
    }
    // The Reader confirms one before the grant takes effect.
    let third = Draft::peer(3);
    let confirmed = Some(third.digest());
    store.apply(&third.hub_id(), Event::Acknowledge, None, confirmed).await.expect("confirms");
    while store.carry_out().await.expect("carries out") {}
    let alone = decision(Act::Reject, vec![target(&store, 6, None).await]);
    store.decide(alone).await.expect("decides");
}

fn check(dir: &Path) -> VerifyReport {
    verify_offline(dir, log_key().verifier(), None).expect("can be checked")
}

/// Where which rule of acts by two does not hold.
fn breaches(report: &VerifyReport) -> Vec<(String, Breach)> {
    let found = report.problems.iter().filter_map(|problem| match problem.kind {
        ProblemKind::Approval(breach) => Some((problem.place.clone(), breach)),
        _ => None,
    });
    found.collect()
}

/// A copy to be changed.
fn copy(original: &Path) -> (TempDir, Connection) {
    let dir = tempdir().expect("a folder");
    for name in ["hub.db", GUARD] {
        std::fs::copy(original.join(name), dir.path().join(name)).expect("copies");
    }
    let db = Connection::open(database_path(dir.path())).expect("opens");
    db.execute_batch("PRAGMA foreign_keys = OFF").expect("is set");
    (dir, db)
}

/// The records, with the numbers of their leaves.
fn records(db: &Connection) -> Vec<(i64, Value)> {
    let mut rows = db.prepare("SELECT idx, record FROM leaf ORDER BY idx").expect("a question");
    let found = rows
        .query_map([], |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?)))
        .expect("rows")
        .map(|row| row.expect("a row"));
    found.map(|(leaf, record)| (leaf, serde_json::from_slice(&record).expect("json"))).collect()
}

/// The leaf of one kind about a proposal, or about a message.
fn leaf(db: &Connection, kind: &str, about: &str) -> i64 {
    let names = |record: &Value| {
        record["kind"] == kind
            && (record["proposal"] == about
                || (record["hub_id"] == about && record.get("grounds").is_some()))
    };
    let found = records(db).into_iter().find(|(_, record)| names(record));
    found.unwrap_or_else(|| panic!("{kind} {about}")).0
}

/// Writes another record into a leaf.
fn edit(db: &Connection, leaf: i64, change: impl FnOnce(&mut Value)) {
    let (_, mut record) = records(db).into_iter().find(|(n, _)| *n == leaf).expect("a record");
    change(&mut record);
    let octets = serde_json::to_vec(&record).expect("json");
    db.execute("UPDATE leaf SET record = ?2 WHERE idx = ?1", params![leaf, octets])
        .expect("writes");
}

#[tokio::test]
async fn acts_by_two_hold() {
    let dir = tempdir().expect("a folder");
    eventful(dir.path()).await;
    let report = check(dir.path());
    assert!(report.holds(), "{report:?}");
}

/// The store carries out what it is told: that a hub told it so by mistake must not stay unseen.
#[tokio::test]
async fn what_one_person_did_alone_is_found() {
    let dir = tempdir().expect("a folder");
    let store = SqliteStore::open(options(dir.path(), ManualClock::new())).expect("opens");
    stuck(&store, 1..=3, Event::AttemptLost).await;
    stuck(&store, 4..=4, Event::AttemptRefused).await;
    let alone = [
        decision(Act::Close, targets(&store, 1..=1).await),
        decision(Act::Resubmit, vec![target(&store, 2, Some("peer:krz")).await]),
        decision(Act::Reject, targets(&store, 3..=3).await),
        decision(Act::Reroute, vec![target(&store, 4, Some("inbox")).await]),
    ];
    for decision in alone {
        store.decide(decision).await.expect("decides");
    }
    drop(store);
    let report = check(dir.path());
    let found = breaches(&report);
    assert_eq!(found.len() as u64, report.problem_count, "nothing else: {report:?}");
    assert_eq!(found.len(), 4, "{found:?}");
    for (at, number) in (1..=4).enumerate() {
        let (place, breach) = &found[at];
        let hub_id = Draft::peer(number).hub_id();
        assert!(place.starts_with(&format!("{hub_id} leaf ")), "{place}");
        assert_eq!(*breach, Breach::Alone);
    }
}

/// The store does not split a large act; that something made it forget must not stay unseen.
#[tokio::test]
async fn what_one_person_did_bit_by_bit_is_found() {
    let dir = tempdir().expect("a folder");
    let many = LARGE as u32 + 1;
    let reopened = || SqliteStore::open(options(dir.path(), ManualClock::new())).expect("opens");
    let store = reopened();
    stuck(&store, 1..=many, Event::AttemptRefused).await;
    for number in 1..many {
        let one = decision(Act::Reject, targets(&store, number..=number).await);
        store.decide(one).await.expect("decides");
    }
    drop(store);
    assert!(check(dir.path()).holds(), "as many as one person may");
    let db = Connection::open(database_path(dir.path())).expect("opens");
    assert_eq!(db.execute("DELETE FROM done_alone", []).expect("forgets"), LARGE);
    drop(db);
    let store = reopened();
    let last = decision(Act::Reject, targets(&store, many..=many).await);
    store.decide(last).await.expect("decides");
    drop(store);
    let report = check(dir.path());
    let found = breaches(&report);
    assert_eq!(report.problem_count, 1, "{report:?}");
    let hub_id = Draft::peer(many).hub_id();
    assert!(found[0].0.starts_with(&format!("{hub_id} leaf ")), "{found:?}");
    assert_eq!(found[0].1, Breach::Split);
}

/// Anything else would hide who decided.
#[tokio::test]
async fn a_grave_act_without_grounds_is_found() {
    let dir = tempdir().expect("a folder");
    let store = SqliteStore::open(options(dir.path(), ManualClock::new())).expect("opens");
    stuck(&store, 1..=1, Event::AttemptLost).await;
    let hub_id = Draft::peer(1).hub_id();
    let operator = Some("anna".to_owned());
    store.apply(&hub_id, Event::CloseAsDelivered, operator, None).await.expect("applies");
    drop(store);
    let found = breaches(&check(dir.path()));
    assert_eq!(found.iter().map(|(_, breach)| *breach).collect::<Vec<_>>(), [Breach::NoGrounds]);
}

type Change = fn(&Connection) -> (String, Breach);

/// One change behind the store's back each; where it is told, and as what.
const CHANGES: [(&str, Change); 20] = [
    ("more at once than one person may", |db| {
        let done = leaf(db, "changed", Draft::peer(6).hub_id().as_str());
        edit(db, done, |record| record["grounds"]["together"] = (LARGE + 1).into());
        (act(db, 6), Breach::Alone)
    }),
    ("a grant taken away", |db| {
        delete(db, leaf(db, "judged", "p-close"));
        (act(db, 1), Breach::NoGrant)
    }),
    ("a proposal taken away", |db| {
        delete(db, leaf(db, "proposed", "p-close"));
        (at(leaf(db, "judged", "p-close")), Breach::NoProposal)
    }),
    ("a denial made of a grant", |db| {
        edit(db, leaf(db, "judged", "p-close"), |record| record["granted"] = false.into());
        (act(db, 1), Breach::NoGrant)
    }),
    ("a grant after the act", |db| {
        let judged = leaf(db, "judged", "p-close");
        db.execute("UPDATE leaf SET idx = 1000 WHERE idx = ?1", [judged]).expect("moves");
        (act(db, 2), Breach::NoGrant)
    }),
    ("a grant by who proposed", |db| {
        let judged = leaf(db, "judged", "p-close");
        edit(db, judged, |record| record["by"]["name"] = "anna".into());
        (at(judged), Breach::SamePerson)
    }),
    ("a grant under the certificate of who proposed", |db| {
        let judged = leaf(db, "judged", "p-send");
        let other = records(db).into_iter().find(|(n, _)| *n == leaf(db, "proposed", "p-send"));
        let certificate = other.expect("proposed").1["by"]["certificate"].clone();
        edit(db, judged, |record| record["by"]["certificate"] = certificate);
        (act(db, 4), Breach::SamePerson)
    }),
    ("a grant after its time", |db| {
        let judged = leaf(db, "judged", "p-close");
        edit(db, judged, |record| record["time"] = late(record).into());
        (at(judged), Breach::Late)
    }),
    ("a grant of another digest", |db| {
        let judged = leaf(db, "judged", "p-close");
        let other = json!(Digest([9; 32]));
        edit(db, judged, |record| record["digest"] = other);
        (act(db, 1), Breach::OtherDigest)
    }),
    ("a second grant", |db| {
        let judged = leaf(db, "judged", "p-close");
        let sql = "INSERT INTO leaf SELECT 1000, hash, salt, record, at, message FROM leaf WHERE idx = ?1";
        db.execute(sql, [judged]).expect("copies");
        (at(1000), Breach::Repeated)
    }),
    ("another act proposed", |db| {
        let proposed = leaf(db, "proposed", "p-close");
        edit(db, proposed, |record| record["act"] = "reject".into());
        (at(proposed), Breach::OtherSet)
    }),
    ("another reason proposed", |db| {
        edit(db, leaf(db, "proposed", "p-close"), |record| record["reason"] = "anders".into());
        (act(db, 1), Breach::OtherAct)
    }),
    ("another granter named by the act", |db| {
        let done = leaf(db, "changed", Draft::peer(1).hub_id().as_str());
        edit(db, done, |record| record["grounds"]["granted"]["by"]["name"] = "carla".into());
        (act(db, 1), Breach::OtherAct)
    }),
    ("no grant named by the act", |db| {
        let done = leaf(db, "changed", Draft::peer(1).hub_id().as_str());
        edit(db, done, |record| {
            record["grounds"].as_object_mut().expect("grounds").remove("granted");
        });
        (act(db, 1), Breach::Alone)
    }),
    ("a grant named that was for others", |db| {
        let done = leaf(db, "changed", Draft::peer(4).hub_id().as_str());
        edit(db, done, |record| record["grounds"]["channel"] = "peer:d-nrw".into());
        (act(db, 4), Breach::OutsideSet)
    }),
    ("a delivery put under a grant", |db| {
        db.execute("UPDATE proposal_target SET revision = 99 WHERE n = 2", []).expect("writes");
        (at(leaf(db, "proposed", "p-close")), Breach::OtherSet)
    }),
    ("a set taken away", |db| {
        db.execute("DELETE FROM proposal_target", []).expect("deletes");
        (at(leaf(db, "proposed", "p-open")), Breach::OtherSet)
    }),
    ("a grant that is only a row", |db| {
        let sql = "UPDATE proposal SET standing = 'granted', judged_name = 'berta',
                judged_certificate = zeroblob(32), judged_reason = 'x', judged_at = 1
             WHERE id = 'p-open'";
        db.execute(sql, []).expect("writes");
        ("proposal 4".to_owned(), Breach::Row)
    }),
    ("a longer time that is only a row", |db| {
        db.execute("UPDATE proposal SET expires = expires + 1 WHERE id = 'p-open'", [])
            .expect("writes");
        ("proposal 4".to_owned(), Breach::Row)
    }),
    ("a proposal that is only a row", |db| {
        db.execute("UPDATE proposal SET id = 'p-else' WHERE id = 'p-open'", []).expect("writes");
        ("proposal 4".to_owned(), Breach::NoProposal)
    }),
];

fn at(leaf: i64) -> String {
    format!("leaf {leaf}")
}

/// The place of what was done with a message.
fn act(db: &Connection, number: u32) -> String {
    let hub_id = Draft::peer(number).hub_id();
    format!("{hub_id} leaf {}", leaf(db, "changed", hub_id.as_str()))
}

fn delete(db: &Connection, leaf: i64) {
    assert_eq!(db.execute("DELETE FROM leaf WHERE idx = ?1", [leaf]).expect("deletes"), 1);
}

/// The end of a proposal's life after the time of a record.
fn late(record: &Value) -> String {
    let time: jiff::Timestamp = record["time"].as_str().expect("a time").parse().expect("a time");
    (time + PROPOSAL_LIFE).to_string()
}

#[tokio::test]
async fn every_forged_or_missing_approval_is_found() {
    let original = tempdir().expect("a folder");
    eventful(original.path()).await;
    for (what, change) in CHANGES {
        let (dir, db) = copy(original.path());
        let expected = change(&db);
        drop(db);
        let report = check(dir.path());
        let found = breaches(&report);
        assert!(found.contains(&expected), "{what}: {expected:?} in {found:?}");
        assert!(!report.holds());
    }
}

/// Another delivery under a grant: its own record says so, and the set does not.
#[tokio::test]
async fn an_act_outside_the_set_is_found() {
    let original = tempdir().expect("a folder");
    eventful(original.path()).await;
    let (dir, db) = copy(original.path());
    let granted = records(&db)
        .into_iter()
        .find(|(n, _)| *n == leaf(&db, "changed", Draft::peer(1).hub_id().as_str()))
        .expect("closed")
        .1["grounds"]
        .clone();
    // Message 6 was rejected by one person; now it says that two closed it.
    let done = leaf(&db, "changed", Draft::peer(6).hub_id().as_str());
    edit(&db, done, |record| {
        record["grounds"] = granted;
        record["event"] = json!({ "event": "close-as-delivered" });
    });
    let place = act(&db, 6);
    drop(db);
    let found = breaches(&check(dir.path()));
    assert_eq!(found, [(place, Breach::OutsideSet)]);
}

/// What the check cannot keep is told, never taken for right.
#[tokio::test]
async fn more_proposals_than_are_kept_are_told() {
    let dir = tempdir().expect("a folder");
    eventful(dir.path()).await;
    let mut report = check(dir.path());
    let db = Source::Sqlite(database_path(dir.path())).reader().expect("opens");
    Approvals::read_at_most(&db, &mut report, 3).expect("can be read");
    let found: Vec<Breach> = breaches(&report).into_iter().map(|(_, breach)| breach).collect();
    // Its record, and its row.
    assert_eq!(found, [Breach::TooMany, Breach::TooMany]);
}

#[test]
fn every_rule_has_a_word_of_its_own() {
    let words: std::collections::BTreeSet<_> = Breach::ALL.iter().map(|b| b.as_str()).collect();
    assert_eq!(words.len(), Breach::ALL.len());
    let kind = ProblemKind::Approval(Breach::Late);
    assert_eq!((kind.as_str(), kind.rule()), ("approval", Some("late")));
    let problem = crate::Problem { kind, place: "leaf 3".to_owned() };
    let document = serde_json::to_value(&problem).expect("json");
    assert_eq!((&document["kind"], &document["rule"]), (&json!("approval"), &json!("late")));
}
