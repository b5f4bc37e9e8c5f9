//! The log and the receipts over it, handed to the archive leaf by leaf.

use amtsbote_archive::Hash;
use amtsbote_archive::log::{self, Entry, Leaf, LogReport, Opening};
use amtsbote_archive::note::VerifierKey;
use amtsbote_archive::receipt::Receipt;
use amtsbote_archive::record::Salt;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use serde_json::Value;

use super::{ProblemKind, VerifyReport};

/// Feeds leaves, nodes and heads to the archive. The heads are those of the receipts in the order
/// in which they were released, then the newest; the guard's is the one kept outside.
pub(super) fn verify_log(
    db: &Connection,
    verifier: &VerifierKey,
    guarded: Option<String>,
) -> Result<LogReport> {
    let mut leaves = db.prepare("SELECT idx, hash, salt, record FROM leaf ORDER BY idx")?;
    let entries = leaves.query_map([], entry)?;
    let mut bodies = db.prepare("SELECT body FROM receipt ORDER BY leaf")?;
    let mut last = String::new();
    let of_receipts = bodies.query_map([], |row| row.get::<_, Vec<u8>>(0))?.filter_map(|body| {
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
    let newest = db.query_row("SELECT note FROM log_head", [], |row| row.get(0)).optional()?;
    let heads = of_receipts.chain(newest.map(Ok));
    let outside: Vec<String> = guarded.into_iter().collect();
    let mut node = db.prepare("SELECT hash FROM node WHERE level = ?1 AND idx = ?2")?;
    log::verify(verifier, entries, heads, &outside, |&(level, index, hash)| {
        if level == 0 {
            // The leaf's own row is what was read.
            return Ok(true);
        }
        let stored: Option<[u8; 32]> =
            node.query_row(params![level, index as i64], |row| row.get(0)).optional()?;
        Ok(stored == Some(hash.0))
    })
}

fn entry(row: &Row<'_>) -> Result<Entry> {
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
    db: &Connection,
    verifier: &VerifierKey,
    report: &mut VerifyReport,
) -> Result<()> {
    let mut receipts = db.prepare(
        "SELECT r.leaf, r.body, l.record FROM receipt r LEFT JOIN leaf l ON l.idx = r.leaf
         ORDER BY r.leaf",
    )?;
    let mut rows = receipts.query([])?;
    while let Some(row) = rows.next()? {
        let (leaf, body): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
        let record: Option<Vec<u8>> = row.get(2)?;
        report.receipts += 1;
        if !proves(&body, leaf.unsigned_abs(), record.as_deref(), verifier) {
            report.add(ProblemKind::Receipt, format!("leaf {leaf}"));
        }
    }
    Ok(())
}

fn proves(body: &[u8], leaf: u64, record: Option<&[u8]>, verifier: &VerifierKey) -> bool {
    let Ok(receipt) = Receipt::parse(body) else { return false };
    let Some(Ok(record)) = record.map(serde_json::from_slice::<Value>) else { return false };
    receipt
        .verify(verifier)
        .is_ok_and(|verified| verified.index == leaf && *verified.record == record)
}
