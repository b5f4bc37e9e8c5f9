//! The log and the receipts over it, handed to the archive leaf by leaf.

use amtsbote_archive::Hash;
use amtsbote_archive::log::{self, Entry, Leaf, LogReport, Opening};
use amtsbote_archive::note::VerifierKey;
use amtsbote_archive::receipt::Receipt;
use amtsbote_archive::record::Salt;
use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::ports::StoreError;
use serde_json::Value;

use super::split::Splits;
use super::{ProblemKind, VerifyReport};
use crate::operation::accept::ACCEPTED;
use crate::rows::read_evidence;
use crate::sql::{Db, Row, params};

/// Feeds leaves, nodes and heads to the archive. The heads are those of the receipts in the order
/// in which they were released, then the newest; the guard's is the one kept outside. `splits` sees every
/// record on the way.
pub(super) fn verify_log(
    db: &Db,
    verifier: &VerifierKey,
    guarded: Option<String>,
    splits: &mut Splits,
) -> Result<LogReport, StoreError> {
    let leaves = "SELECT idx, hash, salt, record FROM leaf WHERE idx > ?1 ORDER BY idx LIMIT ?2";
    let entries = db.walk(leaves, |row| {
        let entry = entry(row)?;
        if let Some(opening) = &entry.opening {
            splits.learn(entry.index, &opening.record);
        }
        Ok(entry)
    });
    let bodies = "SELECT leaf, body FROM receipt WHERE leaf > ?1 ORDER BY leaf LIMIT ?2";
    let mut last = String::new();
    let of_receipts = db.walk(bodies, |row| row.get::<Vec<u8>>(1)).filter_map(|body| {
        let head = match body {
            // An unreadable one is told when the receipts are checked.
            Ok(body) => Receipt::parse(&body).ok()?.head().to_owned(),
            Err(error) => return Some(Err(error)),
        };
        if head == last {
            return None;
        }
        last.clone_from(&head);
        Some(Ok(head))
    });
    let newest = db.query_opt("SELECT note FROM log_head", &[], |row| row.get(0))?;
    let heads = of_receipts.chain(newest.map(Ok));
    let outside: Vec<String> = guarded.into_iter().collect();
    let node = "SELECT hash FROM node WHERE level = ?1 AND idx = ?2";
    log::verify(verifier, entries, heads, &outside, |&(level, index, hash)| {
        if level == 0 {
            // The leaf's own row is what was read.
            return Ok(true);
        }
        let stored: Option<[u8; 32]> =
            db.query_opt(node, params![level, index as i64], |row| row.get(0))?;
        Ok(stored == Some(hash.0))
    })
}

fn entry(row: &Row<'_>) -> Result<Entry, StoreError> {
    let index: i64 = row.get(0)?;
    let opening = Opening { salt: Salt(row.get(2)?), record: row.get(3)? };
    Ok(Entry {
        index: index.unsigned_abs(),
        leaf: Leaf::Hash(Hash(row.get(1)?)),
        opening: Some(opening),
    })
}

/// Every stored receipt verifies and proves the record of its own leaf.
pub(super) fn verify_receipts(
    db: &Db,
    verifier: &VerifierKey,
    report: &mut VerifyReport,
) -> Result<(), StoreError> {
    let receipts = "SELECT r.leaf, r.body, l.record, r.kind,
            CASE WHEN l.message = r.message THEN 1 ELSE 0 END
         FROM receipt r LEFT JOIN leaf l ON l.idx = r.leaf
         WHERE r.leaf > ?1 ORDER BY r.leaf LIMIT ?2";
    type Found = (i64, Vec<u8>, Option<Vec<u8>>, String, bool);
    let read =
        |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
    for found in db.walk(receipts, read) {
        let (leaf, body, record, kind, of_message): Found = found?;
        report.receipts += 1;
        // What is given out under a message and a word is about that message, and says that word.
        let named = of_message && record.as_deref().is_some_and(|record| is_called(record, &kind));
        if !named || !proves(&body, leaf.unsigned_abs(), record.as_deref(), verifier) {
            report.add(ProblemKind::Receipt, format!("leaf {leaf}"));
        }
    }
    Ok(())
}

/// Whether receipts over this record are kept under this word.
fn is_called(record: &[u8], kind: &str) -> bool {
    match read_evidence(record) {
        Ok(Evidence::Accepted(_)) => kind == ACCEPTED,
        Ok(Evidence::Changed { to, .. }) => kind == to.as_str(),
        _ => false,
    }
}

fn proves(body: &[u8], leaf: u64, record: Option<&[u8]>, verifier: &VerifierKey) -> bool {
    let Ok(receipt) = Receipt::parse(body) else { return false };
    let Some(Ok(record)) = record.map(serde_json::from_slice::<Value>) else { return false };
    receipt
        .verify(verifier)
        .is_ok_and(|verified| verified.index == leaf && *verified.record == record)
}
