//! From `KeyInfo` to the key of the data: which way, whether policy allows it, and the key at its
//! end.
//!
//! Everything up to the check depends on the document, the policy and on public keys alone. What
//! comes after never fails for a reason that a message could cause: where a step finds its input
//! wrong, it goes on with a random key, and the data do not decrypt in the end.

use amtsbote_schemas::xml::Position;
use openssl::pkey::{Id, PKey, Public};

use super::algorithm::{AgreementAlgorithm, KeyAlgorithm};
use super::allowed::{AllowedEncryption, MAX_KEY_CHAIN};
use super::derive::{derive, unwrap};
use super::fault::EncryptionFault;
use super::key_info::{Agreement, CURVES, EncryptedKey, Hint, KeyInfo, Originator, Source};
use super::keys::{DecryptError, Decryptor, Keys, RsaPadding, SharedSecret};
use super::method::{Derivation, KeyMethod};
use super::names::Known;
use super::scan::Certificates;
use super::secret::{KeyOctets, Random, random_key};
use crate::signature::DigestAlgorithm;

/// A way to a key, all of whose algorithms are allowed.
pub(super) enum Way<'a> {
    /// Both sides have it.
    Secret(&'a SharedSecret),
    /// It is encrypted for an RSA key of ours.
    Transported { method: &'a KeyMethod, value: &'a [u8], decryptor: &'a dyn Decryptor },
    /// It is encrypted under another key.
    Wrapped { method: &'a KeyMethod, value: &'a [u8], under: Box<Way<'a>> },
    /// It is derived from a secret that is agreed.
    Agreed { derivation: &'a Derivation, peer: &'a PKey<Public>, decryptor: &'a dyn Decryptor },
    /// It is derived from a secret that both sides have.
    Derived { derivation: &'a Derivation, secret: &'a SharedSecret },
    /// It stands in the message.
    Plain(&'a KeyOctets),
}

/// Looks for a way.
pub(super) struct Search<'a> {
    keys: Keys<'a>,
    known: Vec<(Candidate, &'a dyn Decryptor)>,
    allowed: &'a AllowedEncryption,
    /// Keys elsewhere in the document.
    elsewhere: &'a [EncryptedKey],
    /// Certificates elsewhere in the document.
    certificates: &'a [Certificates],
    /// Whether RSAES-PKCS1-v1_5 is on the way.
    pub(super) pkcs1: bool,
    /// Identifiers of keys elsewhere on the way.
    pub(super) retrieved: Vec<String>,
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
        let (pkcs1, retrieved) = (false, Vec::new());
        Self { keys, known, allowed, elsewhere, certificates, pkcs1, retrieved }
    }

    /// The first way that one of our keys opens, checked; `length` is that of the key at its end.
    pub(super) fn find(
        &mut self,
        info: &'a KeyInfo,
        length: usize,
        place: Position,
    ) -> Result<Way<'a>, EncryptionFault> {
        let rule = "KeyInfo names no key that is at hand";
        self.way(info, length, 0)?.ok_or(EncryptionFault::NoKey { place, rule })
    }

    fn way(
        &mut self,
        info: &'a KeyInfo,
        length: usize,
        depth: usize,
    ) -> Result<Option<Way<'a>>, EncryptionFault> {
        if depth > MAX_KEY_CHAIN {
            return Ok(None);
        }
        for source in &info.sources {
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
        let names = info.hints.iter().filter_map(|hint| match hint {
            Hint::Name(name) => Some(name.as_str()),
            _ => None,
        });
        let mut names = names.peekable();
        if info.sources.is_empty() && info.hints.is_empty() {
            return Ok(self.secret(None).map(Way::Secret));
        }
        Ok(names.find_map(|name| self.secret(Some(name))).map(Way::Secret))
    }

    fn secret(&self, name: Option<&str>) -> Option<&'a SharedSecret> {
        self.keys.secrets.iter().find(|secret| secret.name.as_deref() == name)
    }

    /// The key that is meant. Where nothing is said, the only one that could be.
    fn decryptor(
        &self,
        hints: &[Hint],
        fits: impl Fn(&Candidate) -> bool,
    ) -> Option<&(Candidate, &'a dyn Decryptor)> {
        let mut able = self.known.iter().filter(|(candidate, _)| fits(candidate));
        if hints.is_empty() {
            return able.next().filter(|_| able.next().is_none());
        }
        able.find(|(candidate, decryptor)| {
            hints.iter().any(|hint| match hint {
                Hint::Name(name) => decryptor.key_name() == Some(name),
                Hint::Elsewhere(id) if self.allowed.retrieval => self
                    .certificates
                    .iter()
                    .filter(|data| data.ids.contains(id))
                    .any(|data| data.hints.iter().any(|hint| candidate.known.is_meant(hint))),
                hint => candidate.known.is_meant(hint),
            })
        })
    }

    fn encrypted(
        &mut self,
        key: &'a EncryptedKey,
        depth: usize,
    ) -> Result<Option<Way<'a>>, EncryptionFault> {
        // A method that is not known may be for another reader; but not if we are named.
        let method = match &key.method {
            Ok(method) => method,
            Err(refused) => {
                let ours = self.decryptor(&key.key_info.hints, |_| true).is_some();
                return if ours && !key.key_info.hints.is_empty() {
                    Err((*refused).into())
                } else {
                    Ok(None)
                };
            }
        };
        let Some(wrapping) = method.algorithm.wrapping_octets() else {
            let rsa = |candidate: &Candidate| candidate.kind == Id::RSA;
            let Some((candidate, decryptor)) = self.decryptor(&key.key_info.hints, rsa) else {
                return Ok(None);
            };
            let decryptor = *decryptor;
            self.check_transport(method, candidate)?;
            self.pkcs1 |= method.algorithm == KeyAlgorithm::Rsa15;
            let value = key.value.as_ref().map_err(|refused| *refused)?;
            return Ok(Some(Way::Transported { method, value, decryptor }));
        };
        let Some(under) = self.way(&key.key_info, wrapping, depth + 1)? else { return Ok(None) };
        self.check_key_method(method)?;
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
        let elsewhere = self.elsewhere;
        let mut named = elsewhere.iter().filter(|key| key.id.as_deref() == Some(id));
        match (named.next(), named.next()) {
            (Some(key), None) if depth < MAX_KEY_CHAIN => {
                self.retrieved.push(id.to_owned());
                self.encrypted(key, depth + 1)
            }
            (Some(_), None) => Ok(None),
            _ => Err(EncryptionFault::Invalid {
                place,
                rule: "RetrievalMethod must lead to exactly one EncryptedKey",
            }),
        }
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
        let Some((candidate, decryptor)) = self.decryptor(&agreement.recipient, fits) else {
            return Ok(None);
        };
        let place = agreement.place;
        if !self.allowed.agreements.contains(&algorithm) {
            return not_allowed(place, "AgreementMethod: not in this profile");
        }
        if algorithm == AgreementAlgorithm::EcdhEs
            && (!candidate.curve || candidate.bits < self.allowed.min_ec_bits)
        {
            return not_allowed(place, "the curve of the recipient's key is not allowed");
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

    fn check_key_method(&self, method: &KeyMethod) -> Result<(), EncryptionFault> {
        if self.allowed.keys.contains(&method.algorithm) {
            Ok(())
        } else {
            not_allowed(method.place, "EncryptionMethod of a key: not in this profile")
        }
    }

    fn check_transport(
        &self,
        method: &KeyMethod,
        candidate: &Candidate,
    ) -> Result<(), EncryptionFault> {
        self.check_key_method(method)?;
        if candidate.bits < self.allowed.min_rsa_bits {
            return not_allowed(method.place, "the recipient's RSA key is too short");
        }
        if method.algorithm != KeyAlgorithm::Rsa15 {
            self.check_digest(method.digest, method.place)?;
            if method.stray_mask && !self.allowed.stray_mask {
                return not_allowed(method.place, "MGF must not stand beside rsa-oaep-mgf1p");
            }
            if !self.allowed.masks.contains(&method.mask) {
                return not_allowed(method.place, "MGF: not in this profile");
            }
        }
        Ok(())
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

fn not_allowed<T>(place: Position, rule: &'static str) -> Result<T, EncryptionFault> {
    Err(EncryptionFault::AlgorithmNotAllowed { place, rule })
}

impl Way<'_> {
    /// The key at the end, or a random one where there is none.
    pub(super) fn key(
        &self,
        length: usize,
        random: &mut dyn Random,
    ) -> Result<KeyOctets, EncryptionFault> {
        // Drawn before anything is known, so that it says nothing.
        let Ok(instead) = random_key(random, length) else {
            return Err(EncryptionFault::KeyStore);
        };
        let key = match self {
            Self::Secret(secret) => Ok(secret.octets.clone()),
            Self::Plain(key) => Ok((*key).clone()),
            Self::Transported { method, value, decryptor } => {
                let padding = match method.algorithm {
                    KeyAlgorithm::Rsa15 => RsaPadding::Pkcs1 { instead: &instead },
                    _ => RsaPadding::Oaep {
                        digest: method.digest,
                        mask: method.mask,
                        label: &method.label,
                    },
                };
                decryptor.unwrap_rsa(&padding, value)
            }
            Self::Wrapped { method, value, under } => {
                let wrapping = method.algorithm.wrapping_octets().unwrap_or_default();
                let wrapping = under.key(wrapping, random)?;
                unwrap(method.algorithm, wrapping.octets(), value).ok_or(DecryptError::Refused)
            }
            Self::Agreed { derivation, peer, decryptor } => {
                decryptor.agree(peer).and_then(|secret| derived(derivation, &secret, length))
            }
            Self::Derived { derivation, secret } => derived(derivation, &secret.octets, length),
        };
        match key {
            Ok(key) if key.octets().len() == length => Ok(key),
            Ok(_) | Err(DecryptError::Refused) => Ok(instead),
            Err(DecryptError::Unavailable(_)) => Err(EncryptionFault::KeyStore),
        }
    }
}

fn derived(
    derivation: &Derivation,
    secret: &KeyOctets,
    length: usize,
) -> Result<KeyOctets, DecryptError> {
    derive(derivation, secret.octets(), length).map_err(|_| DecryptError::Refused)
}
