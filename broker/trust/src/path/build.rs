//! Finds candidates for a path, best first, and judges each. OpenSSL alone would follow the first
//! issuer that it meets and not turn back; with two certificates of one authority, or two
//! authorities that certify each other, the first is often not the one that leads home.

use std::cmp::{Ordering, Reverse};

use openssl::x509::X509VerifyResult;

use super::anchors::{Demands, Set};
use super::fault::{Broken, PathFault, Reason};
use super::profile::{self, Role};
use super::{MAX_CANDIDATES, MAX_PATH, MAX_SIGNATURE_CHECKS, MAX_STEPS, constraints, engine};
use crate::der::certificate::Parsed;
use crate::pem::Certificate;
use crate::validity::{self, NotValid};

/// One search.
pub(super) struct Search<'a> {
    set: &'a Set,
    untrusted: Vec<(u32, &'a Certificate)>,
    demands: &'a Demands<'a>,
    /// Why the first candidate that reached an anchor did not hold.
    refused: Option<PathFault>,
    /// Where the longest of the others ended.
    ended: Option<PathFault>,
    signature_checks: usize,
    steps: usize,
    candidates: usize,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        set: &'a Set,
        untrusted: &'a [Certificate],
        demands: &'a Demands<'a>,
    ) -> Self {
        let hash =
            |certificate: &'a Certificate| (certificate.x509().subject_name_hash(), certificate);
        Self {
            set,
            untrusted: untrusted.iter().map(hash).collect(),
            demands,
            refused: None,
            ended: None,
            signature_checks: 0,
            steps: 0,
            candidates: 0,
        }
    }

    /// The first path that holds, or why there is none.
    pub(super) fn run(mut self, leaf: &'a Certificate) -> Result<Vec<&'a Certificate>, PathFault> {
        let mut path = vec![leaf];
        if self.extend(&mut path)? {
            return Ok(path);
        }
        let nothing = || Broken(Reason::NoAnchor, "RFC 5280, 6.1").at(0, leaf);
        Err(self.refused.or(self.ended).unwrap_or_else(nothing))
    }

    /// Whether a path that begins so holds; then it is whole. An error ends the whole search.
    fn extend(&mut self, path: &mut Vec<&'a Certificate>) -> Result<bool, PathFault> {
        let Some((last, depth)) = path.last().copied().zip(path.len().checked_sub(1)) else {
            return Ok(false);
        };
        if self.ends_with(last) {
            count(&mut self.candidates, MAX_CANDIDATES, "candidates for a path", path)?;
            match judge(path, self.demands, self.set.partial) {
                Ok(()) => return Ok(true),
                Err(fault) => _ = self.refused.get_or_insert(fault),
            }
        }
        if path.len() == MAX_PATH {
            self.end(Broken(Reason::PathLength, "longest path"), depth, last);
            return Ok(false);
        }
        let issuers = self.issuers(last, path)?;
        if issuers.is_empty() {
            self.end(Broken(Reason::NoAnchor, "RFC 5280, 6.1"), depth, last);
        }
        for issuer in issuers {
            count(&mut self.steps, MAX_STEPS, "certificates looked at to find a path", path)?;
            path.push(issuer);
            if self.extend(path)? {
                return Ok(true);
            }
            path.pop();
        }
        Ok(false)
    }

    fn ends_with(&self, certificate: &Certificate) -> bool {
        let root = names_fit(certificate, certificate);
        (root || self.set.partial) && self.set.anchors.holds(certificate)
    }

    /// Remembers where a branch ended, if none was longer.
    fn end(&mut self, broken: Broken, depth: usize, certificate: &Certificate) {
        if self.ended.as_ref().is_none_or(|ended| ended.depth < depth) {
            self.ended = Some(broken.at(depth, certificate));
        }
    }

    /// Who may have issued a certificate, the most promising first.
    fn issuers(
        &mut self,
        certificate: &Certificate,
        path: &[&'a Certificate],
    ) -> Result<Vec<&'a Certificate>, PathFault> {
        let hash = certificate.x509().issuer_name_hash();
        let Set { anchors, intermediates, .. } = self.set;
        let known = anchors.with_subject(hash).iter().chain(intermediates.with_subject(hash));
        let brought = self.untrusted.iter().filter(|(subject, _)| *subject == hash);
        let mut issuers: Vec<&'a Certificate> = Vec::new();
        for issuer in known.chain(brought.map(|(_, issuer)| *issuer)) {
            if names_fit(issuer, certificate) && !issuers.contains(&issuer) && is_new(issuer, path)
            {
                issuers.push(issuer);
            }
        }
        // With one alone the candidate will show whether the signature holds.
        if issuers.len() > 1 {
            let mut signed = Vec::new();
            for issuer in issuers {
                let (limit, what) = (MAX_SIGNATURE_CHECKS, "signatures checked to find a path");
                count(&mut self.signature_checks, limit, what, path)?;
                if has_signed(issuer, certificate) {
                    signed.push(issuer);
                }
            }
            issuers = signed;
        }
        issuers.sort_by_key(|issuer| {
            let validity = issuer.validity();
            let over = validity::judge(&validity, self.demands.at).is_err();
            // OpenSSL also compares the serial number that a certificate may name its issuer's with.
            let unlikely = issuer.x509().issued(certificate.x509()) != X509VerifyResult::OK;
            (over, unlikely, !anchors.holds(issuer), Reverse(validity.until))
        });
        Ok(issuers)
    }
}

/// Counts up to a limit.
fn count(
    counter: &mut usize,
    limit: usize,
    what: &'static str,
    path: &[&Certificate],
) -> Result<(), PathFault> {
    *counter += 1;
    match path {
        [leaf, ..] if *counter > limit => {
            Err(Broken(Reason::TooManyCertificates, what).at(0, leaf))
        }
        _ => Ok(()),
    }
}

/// Names fit, and the key identifiers where both have one. Whether the issuer may issue is judged
/// later, so that it can be said.
fn names_fit(issuer: &Certificate, certificate: &Certificate) -> bool {
    let (issuer, certificate) = (issuer.x509(), certificate.x509());
    let names = issuer.subject_name().try_cmp(certificate.issuer_name());
    let named = certificate.authority_key_id().map(|id| id.as_slice());
    let own = issuer.subject_key_id().map(|id| id.as_slice());
    names.is_ok_and(Ordering::is_eq) && named.zip(own).is_none_or(|(named, own)| named == own)
}

fn has_signed(issuer: &Certificate, certificate: &Certificate) -> bool {
    let key = issuer.x509().public_key();
    key.and_then(|key| certificate.x509().verify(&key)).unwrap_or(false)
}

/// An authority stands in a path once: the same name with the same key would be a loop.
fn is_new(issuer: &Certificate, path: &[&Certificate]) -> bool {
    let key = |certificate: &Certificate| certificate.x509().public_key().ok();
    let Some(own) = key(issuer) else { return false };
    let same = |earlier: &&Certificate| {
        earlier.subject() == issuer.subject() && key(earlier).is_some_and(|key| key.public_eq(&own))
    };
    !path.iter().any(same)
}

/// Judges a candidate. Its leaf was judged for itself already.
fn judge(
    candidate: &[&Certificate],
    demands: &Demands<'_>,
    partial: bool,
) -> Result<(), PathFault> {
    let mut path = Vec::with_capacity(candidate.len());
    for (depth, certificate) in candidate.iter().enumerate() {
        let broken = |broken: Broken| broken.at(depth, certificate);
        let parsed = profile::read(certificate.der()).map_err(broken)?;
        let last = depth + 1 == candidate.len();
        if depth > 0 {
            let role = if last { Role::Anchor } else { Role::Intermediate };
            self::certificate(certificate, &parsed, role, demands).map_err(broken)?;
        }
        // Nothing rests on the signature of an anchor.
        if !last {
            demands.floors.signature(&parsed.algorithm).map_err(broken)?;
        }
        path.push(parsed);
    }
    let between = path.get(1..path.len() - 1).unwrap_or_default();
    let intermediates = between.iter().filter(|parsed| !parsed.is_self_issued()).count();
    let leaf = candidate[0];
    if intermediates > demands.max_intermediates {
        return Err(Broken(Reason::PathLength, "intermediates allowed by the caller").at(0, leaf));
    }
    constraints::judge(&path).map_err(|broken| broken.at(0, leaf))?;
    engine::judge(candidate, demands, partial)
}

/// What is asked of each certificate of a path for itself.
pub(super) fn certificate(
    certificate: &Certificate,
    parsed: &Parsed<'_>,
    role: Role,
    demands: &Demands<'_>,
) -> Result<(), Broken> {
    const RULE: &str = "RFC 5280, 4.1.2.5: validity";
    match validity::judge(&certificate.validity(), demands.at) {
        Ok(()) => {}
        Err(NotValid::NotYet { .. }) => return Err(Broken(Reason::NotYetValid, RULE)),
        Err(NotValid::Expired { .. }) => return Err(Broken(Reason::Expired, RULE)),
    }
    profile::judge(parsed, role)?;
    if role == Role::Intermediate {
        demands.purpose.within(parsed)?;
    }
    demands.floors.key(certificate.x509(), parsed)
}
