//! What stands in the book: lists, answers, and revocations that are remembered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use amtsbote_domain::Timestamp;

use super::{
    About, MAX_ALL_ANSWER_BYTES, MAX_ALL_ENTRIES, MAX_ANSWER_AGE, MAX_ANSWERS, MAX_LISTS,
    MAX_LISTS_OF_ONE, MAX_REVOKED, RevokedCertificate,
};
use crate::revocation::certificate::{CertificateId, Facts, IssuerId, Serial};
use crate::revocation::crl::Crl;
use crate::revocation::ocsp::{Answer, Status};
use crate::revocation::{Grace, Reason, Refused, Standing, Unknown};

#[derive(Debug, Default)]
pub(super) struct Pages {
    pub(super) lists: BTreeMap<IssuerId, Vec<Arc<Crl>>>,
    pub(super) answers: BTreeMap<CertificateId, Kept>,
    pub(super) revoked: BTreeMap<CertificateId, RevokedCertificate>,
    pub(super) watched: BTreeMap<CertificateId, About>,
    /// Issuers for which the configuration names sources.
    pub(super) configured: BTreeSet<IssuerId>,
    /// Grows with every change of `revoked`.
    pub(super) revision: u64,
}

#[derive(Debug)]
pub(super) struct Kept {
    pub(super) answer: Answer,
    pub(super) octets: Arc<[u8]>,
}

/// A revocation that some statement shows.
pub(super) struct Shown {
    pub(super) at: Timestamp,
    pub(super) reason: Reason,
    pub(super) as_of: Timestamp,
}

impl Pages {
    fn lists_of(&self, issuer: &IssuerId) -> &[Arc<Crl>] {
        self.lists.get(issuer).map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn all_entries(&self) -> usize {
        self.lists.values().flatten().map(|list| list.len()).sum()
    }

    /// The revocation that lists and answers show. A list of other scope that names the serial
    /// number all the same is believed: it is the issuer's word.
    pub(super) fn shown(&self, id: &CertificateId) -> Option<Shown> {
        let answer = self.answers.get(id).map(|kept| &kept.answer);
        if let Some((answer, Status::Revoked { at, reason })) =
            answer.map(|answer| (answer, answer.status()))
        {
            return Some(Shown { at, reason, as_of: answer.this_update() });
        }
        let good = answer.filter(|answer| answer.status() == Status::Good);
        self.lists_of(&id.issuer).iter().find_map(|list| {
            let (at, reason) = list.revokes(&id.serial)?;
            let lifted = reason == Reason::CertificateHold
                && good.is_some_and(|answer| answer.this_update() > list.this_update());
            (!lifted).then(|| Shown { at, reason, as_of: list.this_update() })
        })
    }

    /// The standing of a certificate that nothing shows to be revoked.
    pub(super) fn unrevoked(
        &self,
        id: &CertificateId,
        facts: &Facts<'_>,
        at: Timestamp,
        grace: &Grace,
    ) -> Standing {
        let lists = self.lists_of(&id.issuer).iter();
        let silent = lists.filter(|list| list.speaks_of(facts));
        let silent = silent.map(|list| (list.next_update(), list.this_update()));
        let answer = self.answers.get(id).map(|kept| &kept.answer);
        let good = answer.filter(|answer| answer.status() == Status::Good);
        let good = good.map(|answer| (answer.fresh_until(MAX_ANSWER_AGE), answer.this_update()));
        if let Some((fresh_until, as_of)) = silent.chain(good).max() {
            let ends = fresh_until.saturating_add(grace.duration()).unwrap_or(fresh_until);
            return match () {
                () if at <= fresh_until => Standing::Good { as_of },
                () if at < ends => Standing::Grace { fresh_until, ends },
                () => Standing::Unknown(Unknown::GraceOver { fresh_until }),
            };
        }
        match answer.map(Answer::status) {
            Some(Status::Unknown) => Standing::Unknown(Unknown::NotKnownToResponder),
            _ if self.has_source(id, facts) => Standing::Unknown(Unknown::NeverObtained),
            _ => Standing::NoSource,
        }
    }

    /// Whether there is something to ask. A certificate whose extensions cannot be read counts as
    /// one that names a source which cannot be reached.
    fn has_source(&self, id: &CertificateId, facts: &Facts<'_>) -> bool {
        self.configured.contains(&id.issuer) || facts.places().map_or(true, |places| places.named)
    }

    pub(super) fn take_list(&mut self, list: Arc<Crl>, now: Timestamp) -> Result<(), Refused> {
        let issuer = list.issuer();
        let others = self.lists_of(&issuer);
        let same = others.iter().position(|other| other.scope() == list.scope());
        let gone = same.map_or(0, |at| others[at].len());
        if same.is_some_and(|at| others[at].this_update() > list.this_update()) {
            return Err(Refused::Older);
        }
        let count: usize = self.lists.values().map(Vec::len).sum();
        if self.all_entries() - gone + list.len() > MAX_ALL_ENTRIES
            || (same.is_none() && (count >= MAX_LISTS || others.len() >= MAX_LISTS_OF_ONE))
        {
            return Err(Refused::Full);
        }
        // What the old list had shown about watched certificates was remembered when it came.
        let lists = self.lists.entry(issuer).or_default();
        match same {
            Some(at) => lists[at] = list.clone(),
            None => lists.push(list.clone()),
        }
        // What a responder has said that is now revoked, others may have said with its key.
        let revoked = |serial: Serial| list.revokes(&serial).is_some();
        self.answers.retain(|id, kept| {
            id.issuer != issuer || !kept.answer.responder().is_some_and(revoked)
        });
        self.judge_holds(&list);
        self.look_for_revoked(issuer, now);
        Ok(())
    }

    /// `certificateHold` ends when a later list of the issuer no longer names the certificate, and
    /// becomes a revocation when it names it for another reason.
    fn judge_holds(&mut self, list: &Crl) {
        let issuer = list.issuer();
        let held = |id: &CertificateId, reason, as_of: Timestamp| {
            id.issuer == issuer && reason == Reason::CertificateHold && as_of < list.this_update()
        };
        let lifts = |id: &CertificateId| list.speaks_of_all() && list.revokes(&id.serial).is_none();
        self.revoked.retain(|id, revoked| {
            if !held(id, revoked.reason, revoked.as_of) {
                return true;
            }
            self.revision += 1;
            if let Some((at, reason)) = list.revokes(&id.serial) {
                (revoked.at, revoked.reason, revoked.as_of) = (at, reason, list.this_update());
            }
            !lifts(id)
        });
        self.answers.retain(|id, kept| match kept.answer.status() {
            Status::Revoked { reason, .. } => {
                !(held(id, reason, kept.answer.this_update()) && lifts(id))
            }
            Status::Good | Status::Unknown => true,
        });
    }

    pub(super) fn take_answer(
        &mut self,
        kept: Kept,
        about: About,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let (id, this_update) = (kept.answer.id(), kept.answer.this_update());
        if let Some(serial) = kept.answer.responder() {
            let responder = CertificateId { issuer: id.issuer, serial };
            if self.revoked.contains_key(&responder) || self.shown(&responder).is_some() {
                return Err(Refused::ResponderRevoked);
            }
        }
        let before = self.answers.get(&id).map(|kept| &kept.answer);
        if before.is_some_and(|before| before.this_update() > this_update) {
            return Err(Refused::Older);
        }
        if let Status::Revoked { at, reason } = kept.answer.status() {
            self.remember(id, about, &Shown { at, reason, as_of: this_update }, now);
        } else if kept.answer.status() == Status::Good
            && self.revoked.get(&id).is_some_and(|revoked| {
                revoked.reason == Reason::CertificateHold && revoked.as_of < this_update
            })
        {
            self.revoked.remove(&id);
            self.revision += 1;
        }
        self.make_room(&id, kept.octets.len())?;
        self.answers.insert(id, kept);
        Ok(())
    }

    /// Room for one more answer: certificates that nobody watches give way.
    fn make_room(&mut self, id: &CertificateId, bytes: usize) -> Result<(), Refused> {
        let before = self.answers.get(id).map_or(0, |kept| kept.octets.len());
        loop {
            let all: usize = self.answers.values().map(|kept| kept.octets.len()).sum();
            let count = self.answers.len() + usize::from(before == 0);
            if count <= MAX_ANSWERS && all - before + bytes <= MAX_ALL_ANSWER_BYTES {
                return Ok(());
            }
            let unwatched = self
                .answers
                .iter()
                .filter(|(other, _)| *other != id && !self.watched.contains_key(other));
            let oldest = unwatched.min_by_key(|(_, kept)| kept.answer.this_update());
            let oldest = oldest.map(|(id, _)| *id).ok_or(Refused::Full)?;
            self.answers.remove(&oldest);
        }
    }

    /// Remembers which watched certificates of an issuer are revoked.
    pub(super) fn look_for_revoked(&mut self, issuer: IssuerId, now: Timestamp) {
        let first = CertificateId { issuer, serial: Serial::SMALLEST };
        let watched = self.watched.range(first..).take_while(|(id, _)| id.issuer == issuer);
        let found: Vec<_> = watched
            .filter(|(id, _)| !self.revoked.contains_key(id))
            .filter_map(|(id, about)| Some((*id, about.clone(), self.shown(id)?)))
            .collect();
        for (id, about, shown) in found {
            self.remember(id, about, &shown, now);
        }
    }

    pub(super) fn remember(
        &mut self,
        id: CertificateId,
        (fingerprint, issuer): About,
        shown: &Shown,
        now: Timestamp,
    ) {
        let Shown { at, reason, as_of } = *shown;
        if let Some(before) = self.revoked.get_mut(&id) {
            // A hold may become a revocation for good, and is confirmed by later statements.
            if before.reason == Reason::CertificateHold && as_of >= before.as_of {
                (before.at, before.reason, before.as_of) = (at, reason, as_of);
                self.revision += 1;
            }
            return;
        }
        if self.revoked.len() >= MAX_REVOKED {
            tracing::error!("no room to remember one more revoked certificate");
            return;
        }
        let revoked = RevokedCertificate { id, fingerprint, issuer, at, reason, seen: now, as_of };
        self.revoked.insert(id, revoked);
        self.revision += 1;
    }
}
