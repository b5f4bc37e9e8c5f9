//! Every message against its acceptance, every state against its history, every part against its
//! digest.

use std::io;

use amtsbote_domain::digest::Digest;
use amtsbote_domain::evidence::{Accepted, Evidence};
use amtsbote_domain::identity::{HubId, Scope};
use amtsbote_domain::message::Part;
use amtsbote_domain::ports::{ENVELOPE_CID, StoreError};
use amtsbote_domain::state::{Event, State, next};
use amtsbote_domain::wrapping::WrappingKeys;
use jiff::Timestamp;

use super::approvals::{Approvals, Change, is_of};
use super::lists::{Stored, accepted_as};
use super::{ProblemKind, VerifyError, VerifyReport, failed, siblings};
use crate::error::file_error;
use crate::keys;
use crate::notices;
use crate::operation::accept::ACCEPTED;
use crate::parts::Places;
use crate::reader::StoredPart;
use crate::rows::{micros_up, read_digest, read_evidence, read_state};
use crate::sql::{Db, Row, WALK, params};

/// Goes through all messages in the order of acceptance.
pub(super) fn verify_messages(
    db: &Db,
    keys: Option<&dyn WrappingKeys>,
    places: &Places,
    report: &mut VerifyReport,
) -> Result<(), VerifyError> {
    let mut approvals = Approvals::read(db, report).map_err(failed)?;
    let messages = "SELECT * FROM message WHERE seq > ?1 ORDER BY seq LIMIT ?2";
    let mut after = Some(i64::MIN);
    while let Some(begin) = after.take() {
        let mut count = 0;
        db.for_each(messages, params![begin, WALK], |row| {
            count += 1;
            // A full page has another one behind it.
            after = Some(row.named("seq")?).filter(|_| count == WALK);
            verify_message(db, row, keys, places, &mut approvals, report)
        })
        .map_err(failed)?;
    }
    find_strays(db, report).map_err(failed)
}

fn verify_message(
    db: &Db,
    row: &Row<'_>,
    keys: Option<&dyn WrappingKeys>,
    places: &Places,
    approvals: &mut Approvals<'_>,
    report: &mut VerifyReport,
) -> Result<(), StoreError> {
    let seq: i64 = row.named("seq")?;
    let hub_id: String = row.named("hub_id")?;
    report.messages += 1;
    let Some((accepted, at)) = acceptance(db, row)? else {
        report.add(ProblemKind::Acceptance, hub_id);
        return Ok(());
    };
    if !row_agrees(row, &accepted, at)? {
        report.add(ProblemKind::Message, hub_id.as_str());
    }
    if !receipt_is_there(db, seq)? {
        report.add(ProblemKind::Receipt, hub_id.as_str());
    }
    if !notices::agree(db, seq, &accepted)? {
        report.add(ProblemKind::Message, hub_id.as_str());
    }
    if !siblings::agree(db, &accepted)? {
        report.add(ProblemKind::Siblings, hub_id.as_str());
    }
    let first: String = row.named("first_state")?;
    if !state_agrees(db, seq, &accepted, &first, approvals, report)? {
        report.add(ProblemKind::State, hub_id.as_str());
    }
    verify_parts(db, keys, places, seq, &accepted, report)
}

/// The record that the message names, if it is the acceptance of this message, and its time.
fn acceptance(db: &Db, row: &Row<'_>) -> Result<Option<(Accepted, i64)>, StoreError> {
    let (seq, leaf): (i64, i64) = (row.named("seq")?, row.named("leaf")?);
    let hub_id: String = row.named("hub_id")?;
    let sql = "SELECT record, at FROM leaf WHERE idx = ?1 AND message = ?2";
    let found: Option<(Vec<u8>, i64)> =
        db.query_opt(sql, params![leaf, seq], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(found.and_then(|(record, at)| match read_evidence(&record) {
        Ok(Evidence::Accepted(accepted)) if accepted.hub_id.as_str() == hub_id => {
            Some((*accepted, at))
        }
        _ => None,
    }))
}

/// Whether the columns say what was recorded.
fn row_agrees(row: &Row<'_>, accepted: &Accepted, at: i64) -> Result<bool, StoreError> {
    let metadata = &accepted.metadata;
    let scope = accepted.scope.to_string();
    if let Scope::Relayed { author, .. } = accepted.scope.of_message()
        && *author != metadata.author
    {
        return Ok(false);
    }
    if let Scope::OfReader { reader, .. } = &accepted.scope
        && *reader != metadata.reader
    {
        return Ok(false);
    }
    let text = |column| row.named::<Option<String>>(column);
    let texts = [
        ("account", Some(accepted.account.as_str())),
        ("transport", Some(accepted.transport().as_str())),
        ("transport_id", Some(metadata.transport_id.as_str())),
        ("scope", Some(&*scope)),
        ("author", Some(metadata.author.as_str())),
        ("reader", Some(metadata.reader.as_str())),
        ("service", Some(metadata.service.as_str())),
        ("channel", Some(accepted.channel.as_str())),
        ("business_author", accepted.business_id.as_ref().map(|id| id.author.as_str())),
        ("business_uuid", accepted.business_id.as_ref().map(|id| id.uuid.as_str())),
    ];
    for (column, recorded) in texts {
        if text(column)?.as_deref() != recorded {
            return Ok(false);
        }
    }
    let payload: Option<Vec<u8>> = row.named("payload_digest")?;
    let content: Vec<u8> = row.named("content_digest")?;
    Ok(payload.as_deref() == accepted.parts.first().map(|part| &part.sha256.0[..])
        && content == accepted.content_digest.0
        && row.named::<Option<i64>>("expires")? == metadata.expires.map(micros_up)
        && row.named::<i64>("accepted_at")? == at)
}

fn receipt_is_there(db: &Db, seq: i64) -> Result<bool, StoreError> {
    db.exists("SELECT 1 FROM receipt WHERE message = ?1 AND kind = ?2", params![seq, ACCEPTED])
}

/// Replays the records of a message from its first state and compares where they lead.
/// On the way the acts that needed two people are held against their grants.
fn state_agrees(
    db: &Db,
    seq: i64,
    accepted: &Accepted,
    first: &str,
    approvals: &mut Approvals<'_>,
    report: &mut VerifyReport,
) -> Result<bool, StoreError> {
    let hub_id = &accepted.hub_id;
    let stored = db.query_opt(Stored::SELECT, params![seq], Stored::read)?;
    let Some(stored) = stored else { return Ok(false) };
    let (Ok(state), Ok(first)) = (read_state(&stored.state), read_state(first)) else {
        return Ok(false);
    };
    let mut history = History {
        hub_id,
        state: first,
        attempts: 0,
        accepted: 0,
        revision: 1,
        channel: String::new(),
    };
    let mut follows = first == accepted_as(accepted);
    let sql = "SELECT record, idx, at FROM leaf WHERE message = ?1 ORDER BY idx";
    db.for_each(sql, params![seq], |row| {
        let (record, leaf): (Vec<u8>, i64) = (row.get(0)?, row.get(1)?);
        if !is_of(&record, row.get(2)?) {
            report.add(ProblemKind::Time, format!("leaf {leaf}"));
        }
        let Ok(evidence) = read_evidence(&record) else {
            follows = false;
            return Ok(());
        };
        if let Evidence::Changed { from, event, grounds, .. } = &evidence {
            let (from, event, grounds) = (*from, *event, grounds.as_deref());
            let revision = follows.then_some(history.revision);
            let change = Change { leaf, hub_id, from, event, revision, grounds };
            if let Some(breach) = approvals.breach(&change)? {
                report.add(ProblemKind::Approval(breach), format!("{hub_id} leaf {leaf}"));
            }
        }
        follows = follows && history.follow(&evidence);
        Ok(())
    })?;
    Ok(follows
        && history.accepted == 1
        && (history.state, history.attempts) == (state, stored.attempts)
        && stored.channel.as_ref().unwrap_or(&accepted.channel) == &history.channel
        && stored.agrees(state, accepted, &history.channel))
}

/// What the records of one message have led to so far.
struct History<'m> {
    hub_id: &'m HubId,
    state: State,
    attempts: u32,
    accepted: u32,
    /// How often it changed, as people saw it: from 1.
    revision: u64,
    channel: String,
}

impl History<'_> {
    /// Goes one record on; false when it cannot follow.
    fn follow(&mut self, evidence: &Evidence) -> bool {
        match evidence {
            Evidence::Accepted(record) => {
                self.accepted += 1;
                self.channel.clone_from(&record.channel);
                record.hub_id == *self.hub_id
            }
            Evidence::Attempt { hub_id, attempt, repeated, .. } => {
                self.attempts += 1;
                hub_id == self.hub_id
                    && *attempt == self.attempts
                    && self.apply(Event::AttemptBegun)
                    && self.state == State::InDelivery { repeated: *repeated }
            }
            Evidence::HandedOut { hub_id, .. } => {
                // What is acknowledged may be read again without a change.
                hub_id == self.hub_id
                    && (self.state == State::Acknowledged || self.apply(Event::CollectionBegun))
            }
            Evidence::Changed { hub_id, from, event, to, grounds, detour, .. } => {
                // It goes where it is sent, from the way it was on, and from that one alone.
                let follows = matches!(event, Event::Detour { .. }) == detour.is_some()
                    && detour.as_ref().is_none_or(|detour| detour.from == self.channel);
                let named = grounds.as_ref().and_then(|grounds| grounds.channel.clone());
                if let Some(channel) = named.or(detour.as_ref().map(|detour| detour.to.clone())) {
                    self.channel = channel;
                    // Whoever names a way begins anew.
                    self.attempts = 0;
                }
                follows
                    && hub_id == self.hub_id
                    && *from == self.state
                    && self.apply(*event)
                    && *to == self.state
            }
            Evidence::Operator { hub_id, .. } => hub_id.as_ref() == Some(self.hub_id),
            Evidence::Noticed { hub_id, .. } => hub_id == self.hub_id,
            Evidence::Refused(refused) => refused.hub_id.as_ref() == Some(self.hub_id),
            Evidence::Started { .. } | Evidence::Proposed { .. } | Evidence::Judged { .. } => false,
        }
    }

    fn apply(&mut self, event: Event) -> bool {
        // The time decides only when something is due, never what it becomes.
        match next(self.state, event, Timestamp::UNIX_EPOCH) {
            Ok(next) => {
                self.state = next.state;
                self.revision += 1;
                true
            }
            Err(_) => false,
        }
    }
}

fn verify_parts(
    db: &Db,
    keys: Option<&dyn WrappingKeys>,
    places: &Places,
    seq: i64,
    accepted: &Accepted,
    report: &mut VerifyReport,
) -> Result<(), StoreError> {
    let stored: Vec<(i64, Part)> = db.query_all(
        "SELECT part, cid, media_type, size, sha256 FROM payload WHERE message = ?1
         ORDER BY part",
        params![seq],
        part,
    )?;
    let numbered = (0..).zip(&stored).all(|(number, (part, _))| number == *part);
    let envelope = stored.first().is_some_and(|(_, part)| {
        part.cid == ENVELOPE_CID && part.sha256 == accepted.envelope_sha256
    });
    let others = stored.iter().skip(1).map(|(_, part)| part);
    if !numbered || !envelope || !others.eq(&accepted.parts) {
        report.add(ProblemKind::Parts, accepted.hub_id.as_str());
    }
    let Some(keys) = keys else { return Ok(()) };
    if keys::is_erased(db, keys, seq)? {
        return Ok(());
    }
    for (number, part) in &stored {
        let read = StoredPart::find(db, keys, &accepted.hub_id, &part.cid)
            .and_then(|part| part.open(places))
            .map_err(|error| match error {
                StoreError::Corrupt(_) => None,
                other => Some(other),
            })
            .and_then(|mut octets| {
                io::copy(&mut octets, &mut io::sink()).map_err(|error| match error.kind() {
                    io::ErrorKind::InvalidData => None,
                    _ => Some(file_error(error)),
                })
            });
        match read {
            Ok(_) => report.parts = report.parts.map(|count| count + 1),
            Err(None) => {
                report.add(ProblemKind::Octets, format!("{} part {number}", accepted.hub_id));
            }
            Err(Some(error)) => return Err(error),
        }
    }
    Ok(())
}

fn part(row: &Row<'_>) -> Result<(i64, Part), StoreError> {
    let size: i64 = row.get(3)?;
    let sha256: Vec<u8> = row.get(4)?;
    // One that is no digest cannot agree with the recorded one either.
    let sha256 = read_digest(&sha256).unwrap_or(Digest([0; 32]));
    let part =
        Part { cid: row.get(1)?, media_type: row.get(2)?, size: size.unsigned_abs(), sha256 };
    Ok((row.get(0)?, part))
}

/// Leaves that are about a message but belong to none, and those that belong to one that is not there.
fn find_strays(db: &Db, report: &mut VerifyReport) -> Result<(), StoreError> {
    let leaves = "SELECT l.idx, l.record, l.message FROM leaf l
         WHERE l.idx > ?1 AND (l.message IS NULL
            OR NOT EXISTS (SELECT 1 FROM message m WHERE m.seq = l.message))
         ORDER BY l.idx LIMIT ?2";
    for found in db.walk(leaves, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))) {
        let (index, record, message): (i64, Vec<u8>, Option<i64>) = found?;
        if message.is_some() || !is_free(db, index, &record)? {
            report.add(ProblemKind::Stray, format!("leaf {index}"));
        }
    }
    Ok(())
}

/// Whether a record is about no message that there was when it was made.
fn is_free(db: &Db, index: i64, record: &[u8]) -> Result<bool, StoreError> {
    let about = match read_evidence(record) {
        Ok(Evidence::Refused(refused)) => refused.hub_id,
        Ok(Evidence::Operator { hub_id, .. }) => hub_id,
        Ok(Evidence::Proposed { .. } | Evidence::Judged { .. } | Evidence::Started { .. }) => None,
        _ => return Ok(false),
    };
    let Some(about) = about else { return Ok(true) };
    let sql = "SELECT 1 FROM message WHERE hub_id = ?1 AND leaf < ?2";
    Ok(!db.exists(sql, params![about.as_str(), index])?)
}
