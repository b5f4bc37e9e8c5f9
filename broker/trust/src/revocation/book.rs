//! What is known about revocation, asked from memory on the path of every message.
//!
//! A revocation once seen stays: neither an unreachable source nor a list from which an expired
//! certificate has gone takes it back. Only `certificateHold` is lifted, by a later statement of
//! the issuer. Older statements never replace newer ones, so that a recorded answer is of no use
//! to whoever plays it again.

mod pages;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use jiff::SignedDuration;

use self::pages::{Kept, Pages};
use super::certificate::{CertificateId, Facts, IssuerId};
use super::crl::Crl;
use super::error::Refused;
use super::ocsp::{Answer, Question, Status};
use super::{Grace, PathStanding, Reason, Standing, Unknown};
use crate::pem::Certificate;

/// Most lists that are kept, of all issuers together.
pub const MAX_LISTS: usize = 256;
/// Most lists of one issuer.
pub const MAX_LISTS_OF_ONE: usize = MAX_LISTS / 2;
/// Most entries of all lists together: 128 MB.
pub const MAX_ALL_ENTRIES: usize = 4_000_000;
/// Most answers that are kept.
pub const MAX_ANSWERS: usize = 20_000;
/// Most bytes of answers that are kept.
pub const MAX_ALL_ANSWER_BYTES: usize = 32 * 1024 * 1024;
/// Most revocations that are remembered beyond the lists.
pub const MAX_REVOKED: usize = 100_000;
/// Most certificates that are watched.
pub const MAX_WATCHED: usize = 10_000;
/// How long an OCSP answer counts at most, whatever next update it names.
pub const MAX_ANSWER_AGE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A certificate that was seen to be revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedCertificate {
    /// Its issuer and serial number.
    pub id: CertificateId,
    /// SHA-256 over its DER.
    pub fingerprint: Digest,
    /// The name of its issuer as RFC 4514 writes it.
    pub issuer: String,
    /// When it was revoked, as the issuer says.
    pub at: Timestamp,
    /// Why.
    pub reason: Reason,
    /// When this hub first saw it.
    pub seen: Timestamp,
    /// As of when the source spoke that said so.
    pub as_of: Timestamp,
}

/// What a list or an answer brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// As of when it speaks.
    pub as_of: Timestamp,
    /// Until when it is fresh.
    pub fresh_until: Timestamp,
    /// Entries of a list; 1 for an answer.
    pub entries: usize,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Lists.
    pub lists: usize,
    /// Entries of all lists.
    pub entries: usize,
    /// OCSP answers.
    pub answers: usize,
    /// Revocations remembered.
    pub revoked: usize,
}

/// The cache. Shared; every call is short, and none touches network or disk.
#[derive(Debug, Default)]
pub struct Book {
    pages: RwLock<Pages>,
}

impl Book {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// How a certificate of this issuer stands at `at`, which is now: what is found revoked here
    /// for the first time is remembered as seen then. That the issuer is the issuer, the caller has
    /// verified.
    pub fn standing(
        &self,
        certificate: &Certificate,
        issuer: &Certificate,
        at: Timestamp,
        grace: &Grace,
    ) -> Standing {
        let (Ok(facts), Ok(issuer_id)) = (Facts::read(certificate), IssuerId::of(issuer)) else {
            return Standing::Unknown(Unknown::Unreadable);
        };
        let id = CertificateId { issuer: issuer_id, serial: facts.serial };
        let shown = {
            let pages = self.read();
            if let Some(revoked) = pages.revoked.get(&id) {
                return Standing::Revoked { at: revoked.at, reason: revoked.reason };
            }
            match pages.shown(&id) {
                Some(shown) => shown,
                None => return pages.unrevoked(&id, &facts, at, grace),
            }
        };
        self.write().remember(id, about(certificate), &shown, at);
        Standing::Revoked { at: shown.at, reason: shown.reason }
    }

    /// How the links of a path stand, which goes from the leaf to the anchor, the anchor included.
    pub fn path_standing(
        &self,
        path: &[Certificate],
        at: Timestamp,
        grace: &Grace,
    ) -> PathStanding {
        let links = path.windows(2).map(|pair| self.standing(&pair[0], &pair[1], at, grace));
        PathStanding { links: links.collect() }
    }

    /// What was first seen to be revoked at `since` or later.
    pub fn revoked_since(&self, since: Timestamp) -> Vec<RevokedCertificate> {
        let pages = self.read();
        pages.revoked.values().filter(|revoked| revoked.seen >= since).cloned().collect()
    }

    /// The freshest OCSP answer for a certificate of ours, to be stapled by a TLS listener; none
    /// unless it is good and fresh at `at`.
    pub fn staple(
        &self,
        certificate: &Certificate,
        issuer: &Certificate,
        at: Timestamp,
    ) -> Option<Arc<[u8]>> {
        let id = CertificateId::of(certificate, issuer).ok()?;
        let pages = self.read();
        let kept = pages.answers.get(&id)?;
        let good = kept.answer.status() == Status::Good && !pages.revoked.contains_key(&id);
        (good && at <= kept.answer.fresh_until(MAX_ANSWER_AGE)).then(|| kept.octets.clone())
    }

    /// Takes in an answer that the peer of a TLS connection has stapled for its certificate.
    /// Afterwards [`Book::standing`] tells how it stands.
    pub fn take_staple(
        &self,
        octets: &[u8],
        certificate: &Certificate,
        issuer: &Certificate,
        now: Timestamp,
    ) -> Result<Taken, Refused> {
        self.take_answer(octets, &Question::about(certificate, issuer), now)
    }

    /// Takes in a list of an issuer. A stale one is refused but kept: what it revokes is revoked,
    /// and grace counts from its end.
    pub fn take_list(
        &self,
        octets: &[u8],
        issuer: &Certificate,
        now: Timestamp,
    ) -> Result<Taken, Refused> {
        self.enter_list(Crl::read(octets, issuer, Some(now))?, now)?.unless_stale(now)
    }

    /// Takes in the answer to a question. Stale ones as with lists.
    pub fn take_answer(
        &self,
        octets: &[u8],
        question: &Question<'_>,
        now: Timestamp,
    ) -> Result<Taken, Refused> {
        let answer = Answer::read(octets, question, Some(now))?;
        self.enter_answer(answer, octets, question, now)?.unless_stale(now)
    }

    /// Takes in a list that was kept from before.
    pub(crate) fn restore_list(
        &self,
        octets: &[u8],
        issuer: &Certificate,
        now: Timestamp,
    ) -> Result<Taken, Refused> {
        self.enter_list(Crl::read(octets, issuer, None)?, now)
    }

    /// Takes in an answer that was kept from before.
    pub(crate) fn restore_answer(
        &self,
        octets: &[u8],
        question: &Question<'_>,
        now: Timestamp,
    ) -> Result<Taken, Refused> {
        self.enter_answer(Answer::read(octets, question, None)?, octets, question, now)
    }

    fn enter_list(&self, list: Crl, now: Timestamp) -> Result<Taken, Refused> {
        let (as_of, fresh_until) = (list.this_update(), list.next_update());
        let taken = Taken { as_of, fresh_until, entries: list.len() };
        self.write().take_list(Arc::new(list), now)?;
        Ok(taken)
    }

    fn enter_answer(
        &self,
        answer: Answer,
        octets: &[u8],
        question: &Question<'_>,
        now: Timestamp,
    ) -> Result<Taken, Refused> {
        let fresh_until = answer.fresh_until(MAX_ANSWER_AGE);
        let taken = Taken { as_of: answer.this_update(), fresh_until, entries: 1 };
        let kept = Kept { answer, octets: octets.into() };
        self.write().take_answer(kept, about(question.certificate), now)?;
        Ok(taken)
    }

    /// The certificates to watch, which replace those of before, and the issuers for which the
    /// configuration names sources.
    pub(crate) fn watch(
        &self,
        watched: BTreeMap<CertificateId, About>,
        configured: BTreeSet<IssuerId>,
        now: Timestamp,
    ) {
        let mut pages = self.write();
        pages.watched = watched;
        pages.configured = configured;
        let issuers: BTreeSet<_> = pages.watched.keys().map(|id| id.issuer).collect();
        issuers.into_iter().for_each(|issuer| pages.look_for_revoked(issuer, now));
    }

    /// Remembers revocations that were kept from before.
    pub(crate) fn restore(&self, revoked: Vec<RevokedCertificate>) {
        let mut pages = self.write();
        for certificate in revoked {
            if pages.revoked.len() < MAX_REVOKED {
                pages.revoked.entry(certificate.id).or_insert(certificate);
            }
        }
    }

    /// Grows with every change of what [`Book::revoked_since`] shows.
    pub(crate) fn revision(&self) -> u64 {
        self.read().revision
    }

    /// How much is kept.
    pub fn sizes(&self) -> Sizes {
        let pages = self.read();
        Sizes {
            lists: pages.lists.values().map(Vec::len).sum(),
            entries: pages.all_entries(),
            answers: pages.answers.len(),
            revoked: pages.revoked.len(),
        }
    }

    // Nothing is half done when a lock is released, not even by a panic.
    fn read(&self) -> RwLockReadGuard<'_, Pages> {
        self.pages.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Pages> {
        self.pages.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn unless_stale(self, now: Timestamp) -> Result<Self, Refused> {
        if now > self.fresh_until { Err(Refused::Stale) } else { Ok(self) }
    }
}

/// What is remembered about a certificate: its fingerprint and the name of its issuer.
pub(crate) type About = (Digest, String);

pub(crate) fn about(certificate: &Certificate) -> About {
    (certificate.fingerprint(), certificate.issuer().to_owned())
}
