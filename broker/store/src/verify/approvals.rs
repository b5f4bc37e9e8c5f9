//! That what needed two people had two: each act of people against the proposal and the grant that
//! are on record.
//!
//! The proposal's record holds a digest only; the set it was taken over is in the rows, and counts as
//! far as it has that digest. Kept in memory are two numbers of leaves for each proposal and the sets of a
//! few; records are read again where they are needed.

use std::collections::{HashMap, VecDeque};

use amtsbote_domain::clearing::{
    Act, Granted, Grounds, LARGE, MAX_TARGETS, Person, Reason, Target, canonical,
};
use amtsbote_domain::digest::Digest;
use amtsbote_domain::evidence::Evidence;
use amtsbote_domain::identity::{HubId, ProposalId};
use amtsbote_domain::ports::StoreError;
use amtsbote_domain::state::{Event, State};
use jiff::Timestamp;
use openssl::sha::sha256;
use serde::Deserialize;

use super::{Breach, ProblemKind, VerifyReport};
use crate::error::unreadable;
use crate::rows::{read_digest, read_evidence};
use crate::sql::{Db, Row, params};

/// Most proposals that are kept, about 100 octets each. What lies beyond is told, not passed over.
const MAX_PROPOSALS: usize = 250_000;
/// Most sets kept at once; each has at most [`MAX_TARGETS`] deliveries.
const MAX_SETS: usize = 4;

/// What the records say about acts by two.
pub(crate) struct Approvals<'d> {
    db: &'d Db,
    known: HashMap<ProposalId, Known>,
    sets: VecDeque<(ProposalId, Set)>,
    max: usize,
}

/// Where a proposal is on record.
struct Known {
    proposed: i64,
    judged: Option<i64>,
    granted: bool,
    /// What is wrong with it: nothing that rests on it holds.
    breach: Option<Breach>,
}

/// What was proposed, read from its record.
struct Proposed {
    act: Act,
    digest: Digest,
    by: Person,
    reason: Reason,
    expires: Timestamp,
}

/// A proposal with whom it was granted by and what it was granted for.
struct Set {
    proposed: Proposed,
    granted_by: Person,
    targets: HashMap<HubId, (u64, Option<String>)>,
}

/// A change of a state, as its record has it.
pub(super) struct Change<'e> {
    /// Its leaf.
    pub(super) leaf: i64,
    pub(super) hub_id: &'e HubId,
    pub(super) from: State,
    pub(super) event: Event,
    /// The delivery's revision before, if its records could be followed to here.
    pub(super) revision: Option<u64>,
    pub(super) grounds: Option<&'e Grounds>,
}

impl<'d> Approvals<'d> {
    /// Reads what was proposed and judged, and compares each with the other and with the rows.
    pub(super) fn read(db: &'d Db, report: &mut VerifyReport) -> Result<Self, StoreError> {
        Self::read_at_most(db, report, MAX_PROPOSALS)
    }

    pub(crate) fn read_at_most(
        db: &'d Db,
        report: &mut VerifyReport,
        max: usize,
    ) -> Result<Self, StoreError> {
        let mut all = Self { db, known: HashMap::new(), sets: VecDeque::new(), max };
        let free = "SELECT idx, record, at FROM leaf
             WHERE idx > ?1 AND message IS NULL ORDER BY idx LIMIT ?2";
        for found in db.walk(free, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))) {
            let (leaf, record, at): (i64, Vec<u8>, i64) = found?;
            if !is_of(&record, at) {
                report.add(ProblemKind::Time, format!("leaf {leaf}"));
            }
            // What cannot be read is told where the leaves are.
            let Ok(evidence) = read_evidence(&record) else { continue };
            if let Some(breach) = all.learn(leaf, evidence, &record)? {
                report.add(ProblemKind::Approval(breach), format!("leaf {leaf}"));
            }
        }
        all.compare_rows(report)?;
        Ok(all)
    }

    /// Takes one record in; says what is wrong with it.
    fn learn(
        &mut self,
        leaf: i64,
        evidence: Evidence,
        record: &[u8],
    ) -> Result<Option<Breach>, StoreError> {
        match evidence {
            Evidence::Proposed { proposal, act, count, digest, .. } => {
                if self.known.contains_key(&proposal) {
                    return Ok(Some(Breach::Repeated));
                }
                if self.known.len() >= self.max {
                    return Ok(Some(Breach::TooMany));
                }
                let targets = targets(self.db, &proposal)?;
                let same = targets.len() == count as usize
                    && digest == Digest(sha256(&canonical(act, &targets)));
                let breach = (!same).then_some(Breach::OtherSet);
                let known = Known { proposed: leaf, judged: None, granted: false, breach };
                self.known.insert(proposal, known);
                Ok(breach)
            }
            Evidence::Judged { proposal, digest, granted, by, .. } => {
                let Some(known) = self.known.get_mut(&proposal) else {
                    let full = self.known.len() >= self.max;
                    return Ok(Some(if full { Breach::TooMany } else { Breach::NoProposal }));
                };
                if known.judged.is_some() {
                    return Ok(Some(Breach::Repeated));
                }
                (known.judged, known.granted) = (Some(leaf), granted);
                let proposed = proposed(self.db, known.proposed)?;
                let breach = if digest != proposed.digest {
                    Some(Breach::OtherDigest)
                } else if granted && by.is(&proposed.by) {
                    Some(Breach::SamePerson)
                } else if time(record).is_none_or(|time| time >= proposed.expires) {
                    Some(Breach::Late)
                } else {
                    None
                };
                known.breach = known.breach.or(breach);
                Ok(breach)
            }
            _ => Ok(None),
        }
    }

    /// What the hub would act on next are the rows.
    fn compare_rows(&self, report: &mut VerifyReport) -> Result<(), StoreError> {
        let rows = "SELECT number, id, act, digest, name, certificate, reason, expires, standing,
                judged_name, judged_certificate
             FROM proposal WHERE number > ?1 ORDER BY number LIMIT ?2";
        for row in self.db.walk(rows, stored) {
            let row = row?;
            let known = ProposalId::parse(&row.id).ok().and_then(|id| self.known.get(&id));
            let breach = match known {
                None if self.known.len() >= self.max => Some(Breach::TooMany),
                None => Some(Breach::NoProposal),
                Some(known) => (!self.agrees(known, &row)?).then_some(Breach::Row),
            };
            if let Some(breach) = breach {
                report.add(ProblemKind::Approval(breach), format!("proposal {}", row.number));
            }
        }
        Ok(())
    }

    fn agrees(&self, known: &Known, row: &Stored) -> Result<bool, StoreError> {
        let proposed = proposed(self.db, known.proposed)?;
        let judged = known.judged.map(|leaf| judged_by(self.db, leaf)).transpose()?;
        let standing = match (&judged, known.granted) {
            (None, _) => matches!(row.standing.as_str(), "open" | "expired"),
            (Some(_), true) => row.standing == "granted",
            (Some(_), false) => row.standing == "denied",
        };
        Ok(standing
            && row.act == proposed.act.as_str()
            && row.by == Some(proposed.by)
            && row.judged == judged
            && row.reason == proposed.reason.as_str()
            && row.digest == proposed.digest.0
            && row.expires == proposed.expires.as_microsecond())
    }

    /// What is wrong with a change of a state, if it is one that people must make, or one by two.
    pub(super) fn breach(&mut self, change: &Change<'_>) -> Result<Option<Breach>, StoreError> {
        let Change { from, event, .. } = *change;
        let Some(grounds) = change.grounds else {
            let grave = Act::ALL.iter().any(|act| {
                act.is_grave(from) && [false, true].into_iter().any(|c| act.event(c) == event)
            });
            return Ok(grave.then_some(Breach::NoGrounds));
        };
        let collection = grounds.channel.as_deref() == Some("inbox");
        if grounds.act.event(collection) != event {
            return Ok(Some(Breach::OtherAct));
        }
        let Some(granted) = &grounds.granted else {
            let large = grounds.together.is_some_and(|count| count as usize > LARGE);
            return Ok((large || grounds.act.is_grave(from)).then_some(Breach::Alone));
        };
        let Some(known) = self.known.get(&granted.proposal) else {
            let full = self.known.len() >= self.max;
            return Ok(Some(if full { Breach::TooMany } else { Breach::NoGrant }));
        };
        if !known.granted || known.judged.is_none_or(|judged| judged > change.leaf) {
            return Ok(Some(Breach::NoGrant));
        }
        if known.breach.is_some() {
            return Ok(known.breach);
        }
        let set = self.set(&granted.proposal)?;
        Ok(set.breach(change, grounds, granted))
    }

    /// The set of a proposal that was granted.
    fn set(&mut self, id: &ProposalId) -> Result<&Set, StoreError> {
        if let Some(at) = self.sets.iter().position(|(kept, _)| kept == id) {
            self.sets.swap(0, at);
            return Ok(&self.sets[0].1);
        }
        let known = self.known.get(id).ok_or_else(|| unreadable("a proposal"))?;
        let judged = known.judged.ok_or_else(|| unreadable("a grant"))?;
        let targets = targets(self.db, id)?.into_iter();
        let set = Set {
            proposed: proposed(self.db, known.proposed)?,
            granted_by: judged_by(self.db, judged)?,
            targets: targets.map(|t| (t.hub_id, (t.revision, t.channel))).collect(),
        };
        self.sets.truncate(MAX_SETS - 1);
        self.sets.push_front((id.clone(), set));
        Ok(&self.sets[0].1)
    }
}

impl Set {
    fn breach(&self, change: &Change<'_>, grounds: &Grounds, granted: &Granted) -> Option<Breach> {
        let Proposed { act, by, reason, .. } = &self.proposed;
        if (grounds.act, &grounds.by, &grounds.reason, &granted.by)
            != (*act, by, reason, &self.granted_by)
        {
            return Some(Breach::OtherAct);
        }
        let inside = self.targets.get(change.hub_id).is_some_and(|(revision, channel)| {
            *channel == grounds.channel && change.revision.is_none_or(|now| now == *revision)
        });
        (!inside).then_some(Breach::OutsideSet)
    }
}

/// What the rows of proposals say.
struct Stored {
    number: i64,
    id: String,
    act: String,
    digest: Vec<u8>,
    by: Option<Person>,
    reason: String,
    expires: i64,
    standing: String,
    judged: Option<Person>,
}

fn stored(row: &Row<'_>) -> Result<Stored, StoreError> {
    let person = |name: Option<String>, certificate: Option<Vec<u8>>| {
        let certificate = read_digest(&certificate?).ok()?;
        Some(Person { name: name?, certificate })
    };
    Ok(Stored {
        number: row.get(0)?,
        id: row.get(1)?,
        act: row.get(2)?,
        digest: row.get(3)?,
        by: person(row.get(4)?, row.get(5)?),
        reason: row.get(6)?,
        expires: row.get(7)?,
        standing: row.get(8)?,
        judged: person(row.get(9)?, row.get(10)?),
    })
}

/// The deliveries stored for a proposal, in their order.
fn targets(db: &Db, id: &ProposalId) -> Result<Vec<Target>, StoreError> {
    let sql = "SELECT t.hub_id, t.revision, t.channel
         FROM proposal_target t JOIN proposal p ON p.number = t.proposal
         WHERE p.id = ?1 ORDER BY t.n LIMIT ?2";
    db.query_all(sql, params![id.as_str(), MAX_TARGETS as i64 + 1], |row| {
        let hub_id = HubId::parse(&row.get::<String>(0)?).ok();
        let (revision, channel) = (row.get::<i64>(1)?.unsigned_abs(), row.get(2)?);
        Ok(hub_id.map(|hub_id| Target { hub_id, revision, channel }))
    })
    // One that is none is missing, so that the digest is another.
    .map(|found| found.into_iter().flatten().collect())
}

fn record(db: &Db, leaf: i64) -> Result<Evidence, StoreError> {
    let record: Vec<u8> =
        db.query_one("SELECT record FROM leaf WHERE idx = ?1", params![leaf], |row| row.get(0))?;
    read_evidence(&record)
}

fn proposed(db: &Db, leaf: i64) -> Result<Proposed, StoreError> {
    match record(db, leaf)? {
        Evidence::Proposed { act, digest, by, reason, expires, .. } => {
            Ok(Proposed { act, digest, by, reason, expires })
        }
        _ => Err(unreadable("a proposal")),
    }
}

fn judged_by(db: &Db, leaf: i64) -> Result<Person, StoreError> {
    match record(db, leaf)? {
        Evidence::Judged { by, .. } => Ok(by),
        _ => Err(unreadable("a grant")),
    }
}

/// Whether a record says the time that is stored beside it.
pub(super) fn is_of(record: &[u8], at: i64) -> bool {
    time(record).is_some_and(|time| time.as_microsecond() == at)
}

/// When it was recorded, by the record itself.
pub(super) fn time(record: &[u8]) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Recorded {
        time: Timestamp,
    }
    serde_json::from_slice(record).ok().map(|recorded: Recorded| recorded.time)
}
