//! The check finds what was changed behind the store's back, and nothing else.

use std::path::Path;

use amtsbote_domain::evidence::{Evidence, Refused};
use amtsbote_domain::fault::Code;
use amtsbote_domain::identity::HubId;
use amtsbote_domain::notice::{About, Kind};
use amtsbote_domain::ports::{Slots, Store};
use amtsbote_domain::state::Event;
use amtsbote_domain::wrapping::WrappingKeys;
use rusqlite::Connection;
use tempfile::tempdir;

use super::{log_key, options};
use crate::clearing::proposals::{COLUMNS, GOING_ON};
use crate::collecting::{BY_TRANSPORT_ID, FACTS};
use crate::contract::keys::DerivedKeys;
use crate::contract::readers::for_three;
use crate::contract::{Draft, ManualClock, account, after, octets};
use crate::issued;
use crate::naming::{IN_STATE, RECORD};
use crate::notices;
use crate::operation::detour::WAITING_FOR;
use crate::operation::lease::{DUE, NEXT_LANE, NEXT_PEER};
use crate::operation::order::{BEHIND, FIRST, GOING};
use crate::operation::sweep::{EXPIRED, LOST};
use crate::prior::{ANY, OF_ACCOUNT, OF_RELAYED};
use crate::reader::{INBOX, UNCERTAIN};
use crate::rows::DELIVERY;
use crate::sessions;
use crate::startup::{GUARD, PAYLOAD};
use crate::verify::{Problem, ProblemKind};
use crate::writer::database_path;
use crate::{SqliteStore, VerifyReport, verify_offline};

fn check(dir: &Path, with_keys: bool) -> VerifyReport {
    let keys = DerivedKeys::new([42; 32]);
    let keys = with_keys.then_some(&*keys as &dyn WrappingKeys);
    verify_offline(dir, log_key().verifier(), keys).expect("can be checked")
}

/// A store in which all kinds of things happened.
async fn eventful(dir: &Path) -> SqliteStore {
    let clock = ManualClock::new();
    let store = SqliteStore::open(options(dir, clock.clone())).expect("opens");
    for n in 0..6 {
        let attachment = (n == 3).then(|| octets(n, 200_000));
        let business_id = Some("uuid-1");
        Draft { attachment, business_id, ..Draft::inbox(n) }.accepted(&store).await;
        Draft { expires: Some(after(60)), ..Draft::peer(n + 10) }.accepted(&store).await;
    }
    let lemgo = account("lemgo");
    for n in [0, 1] {
        store.hand_out(&Draft::inbox(n).hub_id(), &lemgo).await.expect("is handed out");
    }
    let draft = Draft::inbox(0);
    let digest = Some(draft.digest());
    store.apply(&draft.hub_id(), Event::Acknowledge, None, digest).await.expect("acknowledged");
    store.hand_out(&draft.hub_id(), &account("other")).await.expect("is handed out");
    store.apply(&Draft::inbox(2).hub_id(), Event::Cancel, None, None).await.expect("cancelled");
    let leases =
        store.lease_due(Slots::any(3), std::time::Duration::from_secs(30)).await.expect("leases");
    for lease in &leases {
        store.begin_attempt(lease).await.expect("begins");
    }
    let retry_at = after(10);
    let failed = Event::AttemptFailed { retry_at };
    store.settle(&leases[0], failed, None, None).await.expect("settles");
    store.settle(&leases[1], Event::AttemptConfirmed, None, None).await.expect("settles");
    clock.advance(100);
    assert_eq!(store.sweep(100).await.expect("sweeps"), 1 + 4);
    store.started("0.1.0").await.expect("is recorded");
    let retry_at = after(0);
    let lost = &leases[2].hub_id;
    store.apply(lost, Event::ResendAllowed { retry_at }, None, None).await.expect("is allowed");
    let leases = store.lease_due(Slots::any(9), std::time::Duration::from_secs(30)).await;
    let lease = leases.expect("leases").remove(0);
    assert!(lease.repeated);
    store.begin_attempt(&lease).await.expect("begins");
    store.settle(&lease, Event::AttemptConfirmed, None, None).await.expect("settles");
    for hub_id in [Draft::inbox(4).hub_id(), Draft::inbox(99).hub_id()] {
        store.record(refusal(hub_id)).await.expect("is recorded");
    }
    store
}

/// A request about a message that was refused.
fn refusal(hub_id: HubId) -> Evidence {
    Evidence::Refused(Box::new(Refused {
        error_id: "e-1".to_owned(),
        account: account("other"),
        code: Code::StateForbids,
        hub_id: Some(hub_id),
        findings: vec![],
        transport_id: None,
        parties: None,
        other_readers: vec![],
        envelope_sha256: None,
    }))
}

#[tokio::test]
async fn an_untouched_store_holds_with_and_without_the_hub() {
    let dir = tempdir().expect("a folder");
    let store = eventful(dir.path()).await;
    for report in [store.verify(true).await.expect("can be checked"), check(dir.path(), true)] {
        assert!(report.holds(), "{report:?}");
        assert_eq!((report.messages, report.parts), (12, Some(25)));
        assert_eq!(report.log.leaves, store.figures().await.expect("figures").leaves);
        assert_eq!((report.log.outside, report.log.erased), (1, 0));
        assert!(report.log.heads > 12 && report.receipts >= 20, "{report:?}");
    }
    drop(store);
    let report = check(dir.path(), false);
    assert!(report.holds(), "{report:?}");
    assert_eq!(report.parts, None);
}

#[tokio::test]
async fn every_change_behind_its_back_is_found() {
    let original = tempdir().expect("a folder");
    drop(eventful(original.path()).await);
    let message = |n: u32| format!("(SELECT seq FROM message WHERE hub_id LIKE '%{n:04x}')");
    let of = |table: &str, change: &str, n: u32| {
        let column = if table == "delivery" || table == "message" { "seq" } else { "message" };
        format!("{} {change} WHERE {column} = {}", table_verb(table, change), message(n))
    };
    use ProblemKind as K;
    let changes: Vec<(String, K)> = vec![
        (of("delivery", "SET state = '{\"state\":\"delivered\"}'", 4), K::State),
        (of("delivery", "SET word = 'cancelled'", 4), K::State),
        (of("delivery", "SET attempts = 7", 4), K::State),
        (of("delivery", "", 5), K::State),
        (of("message", "SET reader = 'ags:05766020'", 4), K::Message),
        (of("message", "SET scope = 'author:ags:05766048'", 4), K::Message),
        (of("message", "SET transport = 'hub'", 4), K::Message),
        (of("message", "SET content_digest = zeroblob(32)", 4), K::Message),
        (of("message", "SET expires = 1", 4), K::Message),
        (of("message", "SET leaf = 0", 4), K::Acceptance),
        (of("message", "SET hub_id = 'abc'", 4), K::Acceptance),
        (of("message", "SET first_state = '{\"state\":\"delivered\"}'", 2), K::State),
        (of("payload", "SET sha256 = zeroblob(32)", 4), K::Parts),
        (of("payload", "", 4), K::Parts),
        (of("payload", "SET body = zeroblob(length(body))", 4), K::Octets),
        (of("message", "SET wrapped_key = zeroblob(60)", 4), K::Octets),
        (of("receipt", "", 4), K::Receipt),
        (of("receipt", "SET body = x'7b7d'", 4), K::Receipt),
        (of("receipt", "SET leaf = 100000", 4), K::Receipt),
        (
            format!(
                "UPDATE receipt SET body = (SELECT body FROM receipt WHERE message = {})
                 WHERE message = {}",
                message(5),
                message(4)
            ),
            K::Receipt,
        ),
        ("UPDATE leaf SET message = NULL WHERE idx = 0".to_owned(), K::Stray),
        (of("leaf", "SET message = 1", 4), K::Acceptance),
        ("DELETE FROM message WHERE seq = 3".to_owned(), K::Stray),
        (
            format!("UPDATE leaf SET message = {} WHERE record LIKE '%\"e-1\"%'", message(3)),
            K::State,
        ),
        // Handed to the other sender as its own.
        (
            format!(
                "UPDATE receipt SET message = CASE message WHEN {a} THEN {b} ELSE {a} END
                 WHERE message IN ({a}, {b}) AND kind = 'accepted'",
                a = message(3),
                b = message(4)
            ),
            K::Receipt,
        ),
        (of("receipt", "SET kind = 'delivered'", 3), K::Receipt),
        // An hour earlier than it was, wherever rows say so.
        (
            format!(
                "UPDATE leaf SET at = at - 3600000000 WHERE message = {a};
                 UPDATE message SET accepted_at = accepted_at - 3600000000 WHERE seq = {a}",
                a = message(4)
            ),
            K::Time,
        ),
        ("UPDATE leaf SET at = 0 WHERE record LIKE '%\"started\"%'".to_owned(), K::Time),
        // As if it had come in like this; no record says that it went anywhere.
        (
            format!(
                "UPDATE message SET first_state = '{{\"state\":\"delivered\"}}' WHERE seq = {a};
                 UPDATE delivery SET state = '{{\"state\":\"delivered\"}}', word = 'delivered',
                    inbox = NULL WHERE seq = {a}",
                a = message(5)
            ),
            K::State,
        ),
        (of("delivery", "SET channel = 'peer:lage'", 5), K::State),
        // Nobody will ever see it, or somebody else.
        (of("delivery", "SET inbox = NULL", 5), K::State),
        (of("delivery", "SET inbox = 'ags:05766020'", 5), K::State),
        // What was asked about a message disappears from its history.
        ("UPDATE leaf SET message = NULL WHERE record LIKE '%\"e-1\"%'".to_owned(), K::Stray),
        ("UPDATE leaf SET message = 999 WHERE record LIKE '%\"started\"%'".to_owned(), K::Stray),
    ];
    for (change, kind) in changes {
        let report = changed(original.path(), &change);
        let found = report.problems.iter().any(|problem| problem.kind == kind);
        assert!(found, "{change}: {report:?}");
        assert!(!report.holds());
    }
    let log_changes = [
        "UPDATE leaf SET record = CAST(replace(record, 'lage', 'lagf') AS BLOB) WHERE idx = 2",
        "UPDATE leaf SET salt = zeroblob(32) WHERE idx = 2",
        "UPDATE leaf SET hash = zeroblob(32) WHERE idx = 2",
        "DELETE FROM leaf WHERE idx = 2",
        "UPDATE node SET hash = zeroblob(32) WHERE level = 1 AND idx = 1",
        "DELETE FROM node WHERE level = 1 AND idx = 1",
        "DELETE FROM log_head",
        "UPDATE log_head SET note = replace(note, 'amtsbote', 'amtsbotf')",
    ];
    for change in log_changes {
        let report = changed(original.path(), change);
        assert!(report.log_fault().is_some() && !report.holds(), "{change}: {report:?}");
    }
}

fn table_verb(table: &str, change: &str) -> String {
    if change.is_empty() { format!("DELETE FROM {table}") } else { format!("UPDATE {table}") }
}

/// The report over a copy of the store with one change.
fn changed(original: &Path, change: &str) -> VerifyReport {
    let dir = tempdir().expect("a folder");
    for name in ["hub.db", GUARD] {
        std::fs::copy(original.join(name), dir.path().join(name)).expect("copies");
    }
    // The files are only read.
    std::os::unix::fs::symlink(original.join(PAYLOAD), dir.path().join(PAYLOAD)).expect("links");
    let db = Connection::open(database_path(dir.path())).expect("opens");
    let sql = format!("PRAGMA foreign_keys = OFF; {change};");
    db.execute_batch(&sql).unwrap_or_else(|error| panic!("{change}: {error}"));
    drop(db);
    check(dir.path(), true)
}

/// Of what waits, nobody would hear any more, or somebody else, or for ever.
#[tokio::test]
async fn what_waits_stands_where_it_is_looked_for() {
    let dir = tempdir().expect("a folder");
    let store = SqliteStore::open(options(dir.path(), ManualClock::new())).expect("opens");
    Draft { expires: Some(after(60)), ..Draft::peer(1) }.accepted(&store).await;
    for n in [2, 3] {
        Draft { in_order: true, ..Draft::peer(n) }.accepted(&store).await;
    }
    drop(store);
    let alone = "(SELECT min(seq) FROM delivery)";
    let last = "(SELECT max(seq) FROM delivery)";
    assert!(changed(dir.path(), "").holds());
    for change in [
        format!("ready = NULL WHERE seq = {alone}"),
        format!("ends = NULL WHERE seq = {alone}"),
        format!("ends = ends + 1 WHERE seq = {alone}"),
        format!("peer = 'lage' WHERE seq = {alone}"),
        format!("cause = 'refused' WHERE seq = {alone}"),
        format!("open_attempt = 1 WHERE seq = {alone}"),
        format!("inbox = 'ags:05766044' WHERE seq = {alone}"),
        format!("queue = NULL WHERE seq = {last}"),
    ] {
        let report = changed(dir.path(), &format!("UPDATE delivery SET {change}"));
        let kinds: Vec<ProblemKind> = report.problems.iter().map(|problem| problem.kind).collect();
        assert_eq!(kinds, [ProblemKind::State], "{change}: {report:?}");
    }
}

#[tokio::test]
async fn a_lost_payload_file_is_found() {
    let dir = tempdir().expect("a folder");
    drop(eventful(dir.path()).await);
    let db = Connection::open(database_path(dir.path())).expect("opens");
    let name: String = db
        .query_row("SELECT file FROM payload WHERE file IS NOT NULL", [], |row| row.get(0))
        .expect("one is in a file");
    let path = crate::parts::folder::path_in(&dir.path().join(PAYLOAD), &name);
    std::fs::remove_file(path).expect("removes");
    let report = check(dir.path(), true);
    assert_eq!(report.problem_count, 1, "{report:?}");
    assert_eq!(report.problems[0].kind, ProblemKind::Octets);
    assert!(report.problems[0].place.ends_with("part 2"), "{report:?}");
}

/// A notice names the intent that it settled, and the intent the notice: one without the other is told.
#[tokio::test]
async fn a_notice_without_its_intent_is_found() {
    let dir = tempdir().expect("a folder");
    let clock = ManualClock::new();
    let store = SqliteStore::open(options(dir.path(), clock.clone())).expect("opens");
    let expired = Draft { expires: Some(after(60)), ..Draft::inbox(1) };
    expired.accepted(&store).await;
    clock.advance(60);
    store.sweep(10).await.expect("sweeps");
    let about = Some(About { hub_id: expired.hub_id(), notice: Kind::Expired });
    Draft { about, account: "hub", ..Draft::inbox(2) }.accepted(&store).await;
    drop(store);
    let report = check(dir.path(), false);
    assert!(report.holds(), "{report:?}");
    let db = Connection::open(database_path(dir.path())).expect("opens");
    db.execute("UPDATE notice SET made = 1", []).expect("changes");
    let report = check(dir.path(), false);
    let kinds: Vec<ProblemKind> = report.problems.iter().map(|problem| problem.kind).collect();
    assert_eq!(kinds, [ProblemKind::Message], "{report:?}");
}

/// The hot questions walk an index, however many rows there are.
#[tokio::test]
async fn hot_questions_use_their_index() {
    let dir = tempdir().expect("a folder");
    drop(eventful(dir.path()).await);
    let db = Connection::open(database_path(dir.path())).expect("opens");
    let with_record = |rest: &str| format!("{DELIVERY} {rest}");
    let questions = [
        (with_record(INBOX), "delivery_inbox", 0),
        // The page is sorted, not the table.
        (with_record(UNCERTAIN), "delivery_uncertain", 1),
        (NEXT_PEER.to_owned(), "delivery_ready", 0),
        (NEXT_LANE.to_owned(), "delivery_ready", 0),
        (DUE.to_owned(), "delivery_ready", 0),
        (with_record(WAITING_FOR), "delivery_ready", 0),
        (FIRST.to_owned(), "delivery_queue", 0),
        (BEHIND.to_owned(), "delivery_queue", 0),
        (GOING.to_owned(), "delivery_going", 0),
        (LOST.to_owned(), "delivery_open", 0),
        (EXPIRED.to_owned(), "delivery_ends", 0),
        (IN_STATE.to_owned(), "COVERING INDEX delivery_word", 0),
        (RECORD.to_owned(), "PRIMARY KEY", 0),
        (sessions::OF_ACCOUNT.to_owned(), "COVERING INDEX session_account", 0),
        (sessions::OPEN.to_owned(), "COVERING INDEX session_ends", 0),
        (sessions::ENDED.to_owned(), "session_ends", 0),
        (issued::OF_ACCOUNT.to_owned(), "COVERING INDEX issued_id_account", 0),
        (issued::ENDED.to_owned(), "COVERING INDEX issued_id_ends", 0),
        (issued::USED.to_owned(), "sqlite_autoindex_message", 0),
        (format!("{FACTS} {BY_TRANSPORT_ID}"), "message_transport_id", 0),
        (format!("{COLUMNS} {GOING_ON}"), "proposal_going_on", 0),
        (notices::DUE.to_owned(), "notice_due", 0),
        // Most of the time this alone.
        (ANY.to_owned(), "sqlite_autoindex_message_2", 0),
        // Few have one id.
        (OF_ACCOUNT.to_owned(), "sqlite_autoindex_message_2", 1),
        (OF_RELAYED.to_owned(), "sqlite_autoindex_message_2", 0),
    ];
    for (question, index, sorts) in questions {
        let mut plan = db.prepare(&format!("EXPLAIN QUERY PLAN {question}")).expect("a plan");
        let values = rusqlite::params_from_iter(vec![1; plan.parameter_count()]);
        let steps: Vec<String> = plan
            .query_map(values, |row| row.get(3))
            .expect("steps")
            .map(|s| s.expect("text"))
            .collect();
        let plan = steps.join("; ");
        assert!(plan.contains(index) && !plan.contains("SCAN"), "{question}: {plan}");
        assert_eq!(plan.matches("TEMP B-TREE").count(), sorts, "{question}: {plan}");
    }
}

/// Deliveries that were accepted together are there together, and name each other.
#[tokio::test]
async fn a_reader_that_is_missing_is_found() {
    let original = tempdir().expect("a folder");
    let store = SqliteStore::open(options(original.path(), ManualClock::new())).expect("opens");
    let draft = for_three(1);
    draft.accepted(&store).await;
    for_three(2).accepted(&store).await;
    drop(store);
    let report = check(original.path(), true);
    assert!(report.holds(), "{report:?}");
    assert_eq!((report.messages, report.parts), (6, Some(18)));

    let (first, second) = (draft.hub_id_for(0), draft.hub_id_for(1));
    let of_second = format!("(SELECT seq FROM message WHERE hub_id = '{second}')");
    let gone = ["handed_out", "payload", "receipt", "leaf", "notice"]
        .map(|table| format!("DELETE FROM {table} WHERE message = {of_second}; "));
    let gone = format!(
        "{}DELETE FROM delivery WHERE seq = {of_second};
         DELETE FROM message WHERE hub_id = '{second}'",
        gone.concat()
    );
    for change in [
        gone,
        format!("UPDATE message SET hub_id = 'abc' WHERE hub_id = '{second}'"),
        format!("UPDATE message SET reader = 'ags:1' WHERE hub_id = '{second}'"),
        format!("UPDATE message SET transport_id = 'other' WHERE hub_id = '{second}'"),
        format!("UPDATE message SET scope = 'author:ags:05766048' WHERE hub_id = '{second}'"),
    ] {
        let report = changed(original.path(), &change);
        let at = |problem: &&Problem| problem.place == first.as_str();
        let found = report.problems.iter().find(at).map(|problem| problem.kind);
        assert_eq!(found, Some(ProblemKind::Siblings), "{change}: {report:?}");
    }
}
