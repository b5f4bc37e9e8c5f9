//! Acts that need two people: kept, judged, carried out piece by piece.

use amtsbote_domain::clearing::{
    Act, Decided, Decision, Granted, Judged, MAX_OPEN_PROPOSALS, MAX_TARGETS, Objection,
    PROPOSAL_LIFE, Person, Proposal, Reason, Standing, Target,
};
use amtsbote_domain::digest::Digest;
use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::identity::{HubId, ProposalId};
use amtsbote_domain::ports::{MAX_AT_ONCE, ProposedTarget, StoreError};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::decide::{Word, decide_one};
use super::person;
use crate::error::{database_error, misuse, unreadable};
use crate::group::Group;
use crate::reader::PAGE;
use crate::rows::{read_digest, read_time};

pub(crate) const COLUMNS: &str =
    "SELECT p.number, p.id, p.act, p.digest, p.name, p.certificate, p.reason,
        p.made_at, p.expires, p.standing, p.judged_name, p.judged_certificate, p.judged_reason,
        p.judged_at,
        (SELECT count(*) FROM proposal_target t WHERE t.proposal = p.number),
        (SELECT count(*) FROM proposal_target t WHERE t.proposal = p.number AND decided IS NULL)
    FROM proposal p";

/// What was granted and is not carried out to its end, the oldest first. What has ended is not looked
/// at again, however many there are.
pub(crate) const GOING_ON: &str =
    "WHERE p.standing = 'granted' AND p.finished = 0 ORDER BY p.number LIMIT 1";

/// A proposal with its number.
struct Numbered {
    number: i64,
    proposal: Proposal,
}

/// Keeps a decision until another person judges it.
pub(crate) fn propose(
    group: &mut Group<'_>,
    id: &ProposalId,
    decision: &Decision,
    digest: Digest,
) -> Result<Proposal, StoreError> {
    if decision.targets.is_empty() || decision.targets.len() > MAX_TARGETS {
        return Err(misuse("a proposal without targets, or with too many"));
    }
    let open: u32 = group
        .db
        .prepare_cached("SELECT count(*) FROM proposal WHERE standing = 'open' AND expires > ?1")
        .and_then(|mut sql| sql.query_row([group.now().as_microsecond()], |row| row.get(0)))
        .map_err(database_error)?;
    if open >= MAX_OPEN_PROPOSALS {
        return Err(Objection::TooManyOpen.into());
    }
    let Decision { act, by, reason, targets } = decision;
    let (now, expires) = (group.now(), group.now() + PROPOSAL_LIFE);
    group
        .db
        .prepare_cached(
            "INSERT INTO proposal
                (id, act, digest, name, certificate, reason, made_at, expires, standing)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'open')",
        )
        .and_then(|mut sql| {
            sql.execute(params![
                id.as_str(),
                act.as_str(),
                digest.0,
                by.name,
                by.certificate.0,
                reason.as_str(),
                now.as_microsecond(),
                expires.as_microsecond(),
            ])
        })
        .map_err(database_error)?;
    let number = group.db.last_insert_rowid();
    for (n, target) in targets.iter().enumerate() {
        group
            .db
            .prepare_cached(
                "INSERT INTO proposal_target (proposal, n, hub_id, revision, channel)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )
            .and_then(|mut sql| {
                let Target { hub_id, revision, channel } = target;
                sql.execute(params![number, n as i64, hub_id.as_str(), *revision as i64, channel])
            })
            .map_err(database_error)?;
    }
    let evidence = Evidence::Proposed {
        proposal: id.clone(),
        act: *act,
        count: targets.len() as u32,
        digest,
        by: by.clone(),
        reason: reason.clone(),
        expires,
    };
    group.append(&evidence, None)?;
    Ok(find(group.db, id)?.proposal)
}

/// Grants or denies.
pub(crate) fn judge(
    group: &mut Group<'_>,
    id: &ProposalId,
    person: &Person,
    granted: bool,
    digest: Digest,
    reason: &Reason,
) -> Result<Proposal, StoreError> {
    let Numbered { number, proposal } = find(group.db, id)?;
    let standing = match proposal.standing {
        Standing::Open if proposal.expires <= group.now() => Standing::Expired,
        standing => standing,
    };
    if standing != Standing::Open {
        return Err(Objection::NotOpen(standing).into());
    }
    if digest != proposal.digest {
        return Err(Objection::OtherDigest.into());
    }
    if granted && person.is(&proposal.by) {
        return Err(Objection::SamePerson.into());
    }
    let standing = if granted { Standing::Granted } else { Standing::Denied };
    group
        .db
        .prepare_cached(
            "UPDATE proposal SET standing = ?2, judged_name = ?3, judged_certificate = ?4,
                judged_reason = ?5, judged_at = ?6
             WHERE number = ?1",
        )
        .and_then(|mut sql| {
            sql.execute(params![
                number,
                standing.as_str(),
                person.name,
                person.certificate.0,
                reason.as_str(),
                group.now().as_microsecond(),
            ])
        })
        .map_err(database_error)?;
    let evidence = Evidence::Judged {
        proposal: id.clone(),
        digest,
        granted,
        by: person.clone(),
        reason: reason.clone(),
    };
    group.append(&evidence, None)?;
    Ok(find(group.db, id)?.proposal)
}

/// Goes on with one granted proposal, and ends what nobody judged in time. Says whether there may be
/// more.
pub(crate) fn carry_out(group: &mut Group<'_>) -> Result<bool, StoreError> {
    let expired = group
        .db
        .prepare_cached(
            "UPDATE proposal SET standing = 'expired' WHERE standing = 'open' AND expires <= ?1",
        )
        .and_then(|mut sql| sql.execute([group.now().as_microsecond()]))
        .map_err(database_error)?;
    if expired > 0 {
        group.touch();
    }
    let found = group
        .db
        .prepare_cached(&format!("{COLUMNS} {GOING_ON}"))
        .and_then(|mut sql| sql.query_row([], numbered).optional())
        .map_err(database_error)?;
    let Some(numbered) = found.transpose()? else { return Ok(false) };
    carry_out_some(group, &numbered)?;
    Ok(true)
}

fn carry_out_some(group: &mut Group<'_>, numbered: &Numbered) -> Result<(), StoreError> {
    let Numbered { number, proposal } = numbered;
    let Some(judged) = &proposal.judged else { return Err(unreadable("a grant")) };
    let granted = Granted { proposal: proposal.id.clone(), by: judged.by.clone() };
    let word = Word {
        act: proposal.act,
        by: &proposal.by,
        reason: &proposal.reason,
        granted: Some(&granted),
    };
    let rest = "WHERE proposal = ?1 AND decided IS NULL ORDER BY n LIMIT ?2";
    let some = targets(group.db, rest, &[number, &(MAX_AT_ONCE as i64)])?;
    let last = some.len() < MAX_AT_ONCE;
    for (n, ProposedTarget { target, .. }) in some {
        let decided = decide_one(group, &word, &target)?;
        group
            .db
            .prepare_cached(
                "UPDATE proposal_target SET decided = ?3 WHERE proposal = ?1 AND n = ?2",
            )
            .and_then(|mut sql| sql.execute(params![number, n, write(&decided)]))
            .map_err(database_error)?;
    }
    if last {
        group
            .db
            .prepare_cached("UPDATE proposal SET finished = 1 WHERE number = ?1")
            .and_then(|mut sql| sql.execute([number]))
            .map_err(database_error)?;
    }
    group.touch();
    Ok(())
}

/// Newest first.
pub(crate) fn list(db: &Connection, open: bool, limit: u32) -> Result<Vec<Proposal>, StoreError> {
    let which = if open { "WHERE p.standing = 'open'" } else { "" };
    db.prepare_cached(&format!("{COLUMNS} {which} ORDER BY p.number DESC LIMIT ?1"))
        .and_then(|mut sql| {
            sql.query_map([limit.clamp(1, PAGE)], numbered)?.collect::<Result<Vec<_>, _>>()
        })
        .map_err(database_error)?
        .into_iter()
        .map(|numbered| Ok(numbered?.proposal))
        .collect()
}

/// One proposal with its targets from a position on.
pub(crate) fn show(
    db: &Connection,
    id: &ProposalId,
    from: u32,
    limit: u32,
) -> Result<(Proposal, Vec<ProposedTarget>), StoreError> {
    let Numbered { number, proposal } = find(db, id)?;
    let rest = "WHERE proposal = ?1 AND n >= ?2 ORDER BY n LIMIT ?3";
    let found = targets(db, rest, &[&number, &from, &limit.clamp(1, PAGE)])?;
    Ok((proposal, found.into_iter().map(|(_, target)| target).collect()))
}

fn find(db: &Connection, id: &ProposalId) -> Result<Numbered, StoreError> {
    db.prepare_cached(&format!("{COLUMNS} WHERE p.id = ?1"))
        .and_then(|mut sql| sql.query_row([id.as_str()], numbered).optional())
        .map_err(database_error)?
        .ok_or(StoreError::NotFound)?
}

type Judgement = (Option<String>, Option<Vec<u8>>, Option<String>, Option<i64>);

fn numbered(row: &Row<'_>) -> rusqlite::Result<Result<Numbered, StoreError>> {
    let judged: Judgement = (row.get(10)?, row.get(11)?, row.get(12)?, row.get(13)?);
    let (count, open): (u32, u32) = (row.get(14)?, row.get(15)?);
    let number = row.get(0)?;
    let (id, act, reason, standing): (String, String, String, String) =
        (row.get(1)?, row.get(2)?, row.get(6)?, row.get(9)?);
    let (digest, certificate): (Vec<u8>, Vec<u8>) = (row.get(3)?, row.get(5)?);
    let (name, made_at, expires): (String, i64, i64) = (row.get(4)?, row.get(7)?, row.get(8)?);
    let build = || {
        let judged = match judged {
            (Some(name), Some(certificate), Some(reason), Some(at)) => Some(Judged {
                by: person(name, &certificate)?,
                reason: read_reason(&reason)?,
                at: read_time(at)?,
            }),
            _ => None,
        };
        Ok(Numbered {
            number,
            proposal: Proposal {
                id: ProposalId::parse(&id).map_err(|_| unreadable("a proposal"))?,
                act: read::<Act>(&format!("\"{act}\""))?,
                digest: read_digest(&digest)?,
                count,
                settled: count - open.min(count),
                by: person(name, &certificate)?,
                reason: read_reason(&reason)?,
                made_at: read_time(made_at)?,
                expires: read_time(expires)?,
                standing: read::<Standing>(&format!("\"{standing}\""))?,
                judged,
            },
        })
    };
    Ok(build())
}

fn targets(
    db: &Connection,
    rest: &str,
    values: &[&dyn ToSql],
) -> Result<Vec<(i64, ProposedTarget)>, StoreError> {
    type Raw = (i64, String, i64, Option<String>, Option<String>);
    let found: Vec<Raw> = db
        .prepare_cached(&format!(
            "SELECT n, hub_id, revision, channel, decided FROM proposal_target {rest}"
        ))
        .and_then(|mut sql| {
            let raw = |row: &Row<'_>| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
            };
            sql.query_map(values, raw)?.collect()
        })
        .map_err(database_error)?;
    found
        .into_iter()
        .map(|(n, hub_id, revision, channel, decided)| {
            let hub_id = HubId::parse(&hub_id).map_err(|_| unreadable("a hub id"))?;
            let target = Target { hub_id, revision: revision.unsigned_abs(), channel };
            let decided = decided.as_deref().map(read::<Decided>).transpose()?;
            Ok((n, ProposedTarget { target, decided }))
        })
        .collect()
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| unreadable("a decision"))
}

fn read_reason(text: &str) -> Result<Reason, StoreError> {
    Reason::parse(text).map_err(|_| unreadable("a reason"))
}

/// What became of a target, for its column. These words are always JSON.
fn write(decided: &impl Serialize) -> String {
    serde_json::to_string(decided).unwrap_or_default()
}
