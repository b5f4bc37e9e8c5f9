//! The search for a way from a key of ours to the key of the data.
//!
//! It depends on the document, the policy and on public keys alone. Each `EncryptedKey` is looked at
//! once, however many references lead to it, and all looking is counted.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use amtsbote_schemas::xml::Position;
use openssl::pkey::Id;

use super::algorithm::{AgreementAlgorithm, KeyAlgorithm};
use super::allowed::{AllowedEncryption, MAX_KEY_CHAIN, MAX_SEARCH_STEPS};
use super::fault::{EncryptionFault, Refused};
use super::key_info::{Agreement, CURVES, EncryptedKey, Hint, KeyInfo, Originator, Source};
use super::keys::{Decryptor, KeyUse, Keys, SharedSecret};
use super::method::{Derivation, KeyMethod};
use super::names::Known;
use super::scan::Certificates;
use super::way::Way;
use crate::signature::DigestAlgorithm;

/// Looks for a way.
pub(super) struct Search<'a> {
    keys: Keys<'a>,
    known: Vec<(Candidate, &'a dyn Decryptor)>,
    allowed: &'a AllowedEncryption,
    /// Keys elsewhere in the document.
    elsewhere: &'a [EncryptedKey],
    /// Which of them has an identifier; none where several claim it.
    named: BTreeMap<&'a str, Option<usize>>,
    /// Certificates elsewhere in the document, by the identifiers that lead to them.
    certificates: BTreeMap<&'a str, Vec<&'a Certificates>>,
    /// Keys that were looked at, by where they begin.
    visited: BTreeSet<Position>,
    /// Keys elsewhere on the way.
    path: Vec<usize>,
    /// The first key that was passed over for its algorithm.
    passed_over: Option<Refused>,
    steps: Cell<u32>,
}

/// A key of ours, as far as it is public.
struct Candidate {
    known: Known,
    kind: Id,
    bits: u32,
    /// A curve that is on the list.
    curve: bool,
}

impl Candidate {
    fn of(decryptor: &dyn Decryptor) -> Option<Self> {
        let known = Known::new(decryptor.certificate_der())?;
        let key = known.certificate().public_key().ok()?;
        let curve = key.ec_key().ok().and_then(|key| key.group().curve_name());
        let curve = curve.is_some_and(|curve| CURVES.iter().any(|(_, nid)| *nid == curve));
        Some(Self { known, kind: key.id(), bits: key.bits(), curve })
    }
}

impl<'a> Search<'a> {
    pub(super) fn new(
        keys: Keys<'a>,
        allowed: &'a AllowedEncryption,
        elsewhere: &'a [EncryptedKey],
        certificates: &'a [Certificates],
    ) -> Self {
        let candidate = |d: &&'a dyn Decryptor| Some((Candidate::of(*d)?, *d));
        let known = keys.decryptors.iter().filter_map(candidate).collect();
        let mut named = BTreeMap::new();
        for (n, key) in elsewhere.iter().enumerate() {
            if let Some(id) = &key.id {
                named.entry(id.as_str()).and_modify(|one| *one = None).or_insert(Some(n));
            }
        }
        let mut by_id: BTreeMap<&str, Vec<&Certificates>> = BTreeMap::new();
        for data in certificates {
            for id in &data.ids {
                by_id.entry(id).or_default().push(data);
            }
        }
        Self {
            keys,
            known,
            allowed,
            elsewhere,
            named,
            certificates: by_id,
            visited: BTreeSet::new(),
            path: Vec::new(),
            passed_over: None,
            steps: Cell::new(0),
        }
    }

    /// The first way that one of our keys opens, checked; `length` is that of the key at its end.
    pub(super) fn find(
        &mut self,
        info: &'a KeyInfo,
        length: usize,
        place: Position,
    ) -> Result<Way<'a>, EncryptionFault> {
        let rule = "KeyInfo names no key that is at hand";
        match (self.way(info, length, place, 0)?, self.passed_over) {
            (Some(way), _) => Ok(way),
            (None, Some(refused)) => Err(refused.into()),
            (None, None) => Err(EncryptionFault::NoKey { place, rule }),
        }
    }

    /// Which of the keys elsewhere are on the way that was found.
    pub(super) fn path(&self) -> &[usize] {
        &self.path
    }

    /// How much was looked at so far.
    #[cfg(test)]
    pub(super) fn steps(&self) -> u32 {
        self.steps.get()
    }

    /// Counts one source, or one comparison of a hint with a key of ours.
    fn step(&self, place: Position) -> Result<(), EncryptionFault> {
        if self.steps.get() == MAX_SEARCH_STEPS {
            return Err(EncryptionFault::Limit { place, limit: "steps of the search for a key" });
        }
        self.steps.set(self.steps.get() + 1);
        Ok(())
    }

    fn way(
        &mut self,
        info: &'a KeyInfo,
        length: usize,
        place: Position,
        depth: usize,
    ) -> Result<Option<Way<'a>>, EncryptionFault> {
        if depth > MAX_KEY_CHAIN {
            return Ok(None);
        }
        for source in &info.sources {
            self.step(place)?;
            let way = match source {
                Source::Encrypted(key) => self.encrypted(key, depth)?,
                Source::Retrieval(place, id) => self.retrieved(*place, id, depth)?,
                Source::Plain(key) => self.allowed.plain_keys.then_some(Way::Plain(key)),
                Source::Agreed(agreement) => self.agreed(agreement, length)?,
                Source::Derived(derivation, name) => match self.secret(name.as_deref()) {
                    None => None,
                    Some(secret) => {
                        let derivation = derivation.as_ref().map_err(|refused| *refused)?;
                        self.check_derivation(derivation, length)?;
                        Some(Way::Derived { derivation, secret })
                    }
                },
            };
            if way.is_some() {
                return Ok(way);
            }
        }
        if info.sources.is_empty() && info.hints.is_empty() {
            return Ok(self.secret(None).map(Way::Secret));
        }
        for hint in &info.hints {
            if let Hint::Name(name) = hint {
                self.step(place)?;
                if let Some(secret) = self.secret(Some(name)) {
                    return Ok(Some(Way::Secret(secret)));
                }
            }
        }
        Ok(None)
    }

    fn secret(&self, name: Option<&str>) -> Option<&'a SharedSecret> {
        self.keys.secrets.iter().find(|secret| secret.name.as_deref() == name)
    }

    /// The key that is meant. Where nothing is said, the only one that could be.
    fn decryptor(
        &self,
        hints: &[Hint],
        place: Position,
        fits: impl Fn(&Candidate) -> bool,
    ) -> Result<Option<&(Candidate, &'a dyn Decryptor)>, EncryptionFault> {
        let mut able = self.known.iter().filter(|(candidate, _)| fits(candidate));
        if hints.is_empty() {
            return Ok(able.next().filter(|_| able.next().is_none()));
        }
        for one in able {
            for hint in hints {
                if self.is_meant(one, hint, place)? {
                    return Ok(Some(one));
                }
            }
        }
        Ok(None)
    }

    fn is_meant(
        &self,
        (candidate, decryptor): &(Candidate, &dyn Decryptor),
        hint: &Hint,
        place: Position,
    ) -> Result<bool, EncryptionFault> {
        self.step(place)?;
        Ok(match hint {
            Hint::Name(name) => decryptor.key_name() == Some(name),
            Hint::Elsewhere(id) if self.allowed.retrieval => {
                let found = self.certificates.get(id.as_str()).into_iter().flatten();
                for hint in found.flat_map(|data| &data.hints) {
                    self.step(place)?;
                    if candidate.known.is_meant(hint) {
                        return Ok(true);
                    }
                }
                false
            }
            hint => candidate.known.is_meant(hint),
        })
    }

    fn encrypted(
        &mut self,
        key: &'a EncryptedKey,
        depth: usize,
    ) -> Result<Option<Way<'a>>, EncryptionFault> {
        if !self.visited.insert(key.place) {
            // It led nowhere: else the search would have ended there.
            return Ok(None);
        }
        let hints = &key.key_info.hints;
        // A method that is not known may be for another reader; but not if we are named.
        let method = match &key.method {
            Ok(method) => method,
            Err(refused) => {
                let ours = self.decryptor(hints, key.place, |_| true)?.is_some();
                return if ours && !hints.is_empty() { Err((*refused).into()) } else { Ok(None) };
            }
        };
        let Some(wrapping) = method.algorithm.wrapping_octets() else {
            let rsa = |candidate: &Candidate| candidate.kind == Id::RSA;
            let Some((candidate, decryptor)) = self.decryptor(hints, key.place, rsa)? else {
                return Ok(None);
            };
            let decryptor = *decryptor;
            self.check_transport(method, candidate, decryptor)?;
            let value = key.value.as_ref().map_err(|refused| *refused)?;
            return Ok(Some(Way::Transported { method, value, decryptor }));
        };
        // What must not be used is not followed. It may be for another reader.
        if !self.allowed.keys.contains(&method.algorithm) {
            let refused = Refused::NotAllowed(method.place, NOT_IN_PROFILE);
            self.passed_over.get_or_insert(refused);
            return Ok(None);
        }
        let Some(under) = self.way(&key.key_info, wrapping, key.place, depth + 1)? else {
            return Ok(None);
        };
        let value = key.value.as_ref().map_err(|refused| *refused)?;
        Ok(Some(Way::Wrapped { method, value, under: Box::new(under) }))
    }

    fn retrieved(
        &mut self,
        place: Position,
        id: &str,
        depth: usize,
    ) -> Result<Option<Way<'a>>, EncryptionFault> {
        if !self.allowed.retrieval {
            return not_allowed(place, "RetrievalMethod: not in this profile");
        }
        let rule = "RetrievalMethod must lead to exactly one EncryptedKey";
        let one = self.named.get(id).copied().flatten();
        let one = one.and_then(|n| Some((n, self.elsewhere.get(n)?)));
        let (n, key) = one.ok_or(EncryptionFault::Invalid { place, rule })?;
        if depth >= MAX_KEY_CHAIN {
            return Ok(None);
        }
        let before = self.path.len();
        self.path.push(n);
        let way = self.encrypted(key, depth + 1)?;
        if way.is_none() {
            self.path.truncate(before);
        }
        Ok(way)
    }

    fn agreed(
        &mut self,
        agreement: &'a Agreement,
        length: usize,
    ) -> Result<Option<Way<'a>>, EncryptionFault> {
        let Ok(algorithm) = agreement.algorithm else { return Ok(None) };
        let fits = |candidate: &Candidate| match algorithm {
            AgreementAlgorithm::EcdhEs => candidate.kind == Id::EC,
            AgreementAlgorithm::X25519 => candidate.kind == Id::X25519,
            AgreementAlgorithm::X448 => candidate.kind == Id::X448,
        };
        let place = agreement.place;
        let Some((candidate, decryptor)) = self.decryptor(&agreement.recipient, place, fits)?
        else {
            return Ok(None);
        };
        if !self.allowed.agreements.contains(&algorithm) {
            return not_allowed(place, "AgreementMethod: not in this profile");
        }
        if algorithm == AgreementAlgorithm::EcdhEs
            && (!candidate.curve || candidate.bits < self.allowed.min_ec_bits)
        {
            return not_allowed(place, "the curve of the recipient's key is not allowed");
        }
        if !decryptor.can(KeyUse::Agree) {
            return not_allowed(place, NOT_WITH_THIS_KEY);
        }
        let derivation = agreement.derivation.as_ref().map_err(|refused| *refused)?;
        self.check_derivation(derivation, length)?;
        let peer = match &agreement.originator {
            Originator::Key(key) => Some(key),
            Originator::Name(name) => {
                let mut known = self.keys.originators.iter();
                known.find(|originator| originator.name == *name).map(|found| &found.key)
            }
            Originator::Unknown => None,
        };
        match peer {
            Some(peer) => Ok(Some(Way::Agreed { derivation, peer, decryptor: *decryptor })),
            None => Err(EncryptionFault::Invalid {
                place,
                rule: "OriginatorKeyInfo must hold a public key, or name a known one",
            }),
        }
    }

    fn check_transport(
        &self,
        method: &KeyMethod,
        candidate: &Candidate,
        decryptor: &dyn Decryptor,
    ) -> Result<(), EncryptionFault> {
        if !self.allowed.keys.contains(&method.algorithm) {
            return not_allowed(method.place, NOT_IN_PROFILE);
        }
        if candidate.bits < self.allowed.min_rsa_bits {
            return not_allowed(method.place, "the recipient's RSA key is too short");
        }
        let mut wanted = KeyUse::Pkcs1;
        if method.algorithm != KeyAlgorithm::Rsa15 {
            self.check_digest(method.digest, method.place)?;
            if method.stray_mask && !self.allowed.stray_mask {
                return not_allowed(method.place, "MGF must not stand beside rsa-oaep-mgf1p");
            }
            if !self.allowed.masks.contains(&method.mask) {
                return not_allowed(method.place, "MGF: not in this profile");
            }
            wanted = KeyUse::Oaep { digest: method.digest, mask: method.mask };
        }
        if decryptor.can(wanted) { Ok(()) } else { not_allowed(method.place, NOT_WITH_THIS_KEY) }
    }

    fn check_digest(&self, digest: DigestAlgorithm, at: Position) -> Result<(), EncryptionFault> {
        if self.allowed.digests.contains(&digest) {
            Ok(())
        } else {
            not_allowed(at, "DigestMethod or PRF: not in this profile")
        }
    }

    fn check_derivation(
        &self,
        derivation: &Derivation,
        length: usize,
    ) -> Result<(), EncryptionFault> {
        let place = derivation.place;
        if !self.allowed.derivations.contains(&derivation.algorithm) {
            return not_allowed(place, "KeyDerivationMethod: not in this profile");
        }
        self.check_digest(derivation.digest, place)?;
        if derivation.iterations > self.allowed.max_iterations {
            return Err(EncryptionFault::Limit { place, limit: "iterations of a key derivation" });
        }
        if derivation.length.is_some_and(|said| said != length) {
            let rule = "KeyLength: not that of the key that is needed";
            return Err(EncryptionFault::Invalid { place, rule });
        }
        Ok(())
    }
}

const NOT_IN_PROFILE: &str = "EncryptionMethod of a key: not in this profile";
/// A key that policy allows, in a store that does not do this.
pub(super) const NOT_WITH_THIS_KEY: &str = "the recipient's key cannot be used in this way";

fn not_allowed<T>(place: Position, rule: &'static str) -> Result<T, EncryptionFault> {
    Err(EncryptionFault::AlgorithmNotAllowed { place, rule })
}
