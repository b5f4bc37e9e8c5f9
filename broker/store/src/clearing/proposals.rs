//! Acts that need two people: kept, judged, carried out piece by piece.

use amtsbote_domain::clearing::{
    Act, Decided, Decision, Granted, Judged, MAX_OPEN_PROPOSALS, MAX_TARGETS, Objection,
    PROPOSAL_LIFE, Person, Proposal, Reason, Standing, Target,
};
use amtsbote_domain::digest::Digest;
use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::identity::{HubId, ProposalId};
use amtsbote_domain::ports::{MAX_AT_ONCE, ProposedTarget, StoreError};
use serde::de::DeserializeOwned;

use super::decide::{Word, decide_one};
use super::person;
use crate::error::{misuse, unreadable};
use crate::group::Group;
use crate::reader::PAGE;
use crate::rows::{read_digest, read_time};
use crate::sql::{Db, Row, Value, params};

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
    let open: u32 = group.db.query_one(
        "SELECT count(*) FROM proposal WHERE standing = 'open' AND expires > ?1",
        params![group.now().as_microsecond()],
        |row| row.get(0),
    )?;
    if open >= MAX_OPEN_PROPOSALS {
        return Err(Objection::TooManyOpen.into());
    }
    let Decision { act, by, reason, targets } = decision;
    let (now, expires) = (group.now(), group.now() + PROPOSAL_LIFE);
    let number = group.db.insert(
        "number",
        "INSERT INTO proposal
            (id, act, digest, name, certificate, reason, made_at, expires, standing)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'open')",
        params![
            id.as_str(),
            act.as_str(),
            digest.0,
            by.name,
            by.certificate.0,
            reason.as_str(),
            now.as_microsecond(),
            expires.as_microsecond(),
        ],
    )?;
    for (n, Target { hub_id, revision, channel }) in targets.iter().enumerate() {
        group.db.write(
            "INSERT INTO proposal_target (proposal, n, hub_id, revision, channel)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![number, n as i64, hub_id.as_str(), *revision as i64, *channel],
        )?;
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
    group.db.write(
        "UPDATE proposal SET standing = ?2, judged_name = ?3, judged_certificate = ?4,
            judged_reason = ?5, judged_at = ?6
         WHERE number = ?1",
        params![
            number,
            standing.as_str(),
            person.name,
            person.certificate.0,
            reason.as_str(),
            group.now().as_microsecond(),
        ],
    )?;
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
    let expired = group.db.execute(
        "UPDATE proposal SET standing = 'expired' WHERE standing = 'open' AND expires <= ?1",
        params![group.now().as_microsecond()],
    )?;
    if expired > 0 {
        group.touch();
    }
    let found = group.db.query_opt(&format!("{COLUMNS} {GOING_ON}"), &[], numbered)?;
    let Some(numbered) = found else { return Ok(false) };
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
        together: None,
        alone: None,
    };
    let rest = "WHERE proposal = ?1 AND decided IS NULL ORDER BY n LIMIT ?2";
    let some = targets(group.db, rest, params![*number, MAX_AT_ONCE as i64])?;
    let last = some.len() < MAX_AT_ONCE;
    for (n, ProposedTarget { target, .. }) in some {
        let decided = decide_one(group, &word, &target)?;
        let sql = "UPDATE proposal_target SET decided = ?3 WHERE proposal = ?1 AND n = ?2";
        group.db.write(sql, params![*number, n, write(&decided)?])?;
    }
    if last {
        group.db.write("UPDATE proposal SET finished = 1 WHERE number = ?1", params![*number])?;
    }
    group.touch();
    Ok(())
}

/// Newest first.
pub(crate) fn list(db: &Db, open: bool, limit: u32) -> Result<Vec<Proposal>, StoreError> {
    let which = if open { "WHERE p.standing = 'open'" } else { "" };
    let sql = format!("{COLUMNS} {which} ORDER BY p.number DESC LIMIT ?1");
    db.query_all(&sql, params![limit.clamp(1, PAGE)], |row| Ok(numbered(row)?.proposal))
}

/// One proposal with its targets from a position on.
pub(crate) fn show(
    db: &Db,
    id: &ProposalId,
    from: u32,
    limit: u32,
) -> Result<(Proposal, Vec<ProposedTarget>), StoreError> {
    let Numbered { number, proposal } = find(db, id)?;
    let rest = "WHERE proposal = ?1 AND n >= ?2 ORDER BY n LIMIT ?3";
    let found = targets(db, rest, params![number, from, limit.clamp(1, PAGE)])?;
    Ok((proposal, found.into_iter().map(|(_, target)| target).collect()))
}

fn find(db: &Db, id: &ProposalId) -> Result<Numbered, StoreError> {
    db.query_one(&format!("{COLUMNS} WHERE p.id = ?1"), params![id.as_str()], numbered)
}

type Judgement = (Option<String>, Option<Vec<u8>>, Option<String>, Option<i64>);

fn numbered(row: &Row<'_>) -> Result<Numbered, StoreError> {
    let judged: Judgement = (row.get(10)?, row.get(11)?, row.get(12)?, row.get(13)?);
    let (count, open): (u32, u32) = (row.get(14)?, row.get(15)?);
    let number = row.get(0)?;
    let (id, act, reason, standing): (String, String, String, String) =
        (row.get(1)?, row.get(2)?, row.get(6)?, row.get(9)?);
    let (digest, certificate): (Vec<u8>, Vec<u8>) = (row.get(3)?, row.get(5)?);
    let (name, made_at, expires): (String, i64, i64) = (row.get(4)?, row.get(7)?, row.get(8)?);
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
}

fn targets(
    db: &Db,
    rest: &str,
    values: &[Value<'_>],
) -> Result<Vec<(i64, ProposedTarget)>, StoreError> {
    let sql = format!("SELECT n, hub_id, revision, channel, decided FROM proposal_target {rest}");
    db.query_all(&sql, values, |row| {
        let hub_id = HubId::parse(&row.get::<String>(1)?).map_err(|_| unreadable("a hub id"))?;
        let revision = row.get::<i64>(2)?.unsigned_abs();
        let target = Target { hub_id, revision, channel: row.get(3)? };
        let decided: Option<String> = row.get(4)?;
        let decided = decided.as_deref().map(read::<Decided>).transpose()?;
        Ok((row.get(0)?, ProposedTarget { target, decided }))
    })
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| unreadable("a decision"))
}

fn read_reason(text: &str) -> Result<Reason, StoreError> {
    Reason::parse(text).map_err(|_| unreadable("a reason"))
}

/// What became of a target, for its column.
fn write(decided: &Decided) -> Result<String, StoreError> {
    serde_json::to_string(decided).map_err(|_| unreadable("a decision"))
}
