//! Which algorithms and keys may be used, by purpose and date: data after BSI TR-02102.
//!
//! A policy is read once (`data`) and asked often. Asking is pure: purpose, algorithm or key,
//! instant and whether the partner is under the legacy profile go in, a [`Judgement`] comes out.
//! There is no clock and no file here. What a policy does not list is refused.

mod algorithm;
mod certificate;
mod data;
mod encryption;

use amtsbote_domain::Timestamp;
use amtsbote_domain::text::Language;
use amtsbote_wire::signature::{Allowed, DigestAlgorithm, SignatureAlgorithm};

pub use algorithm::{Algorithm, Family, Key, KeyKind};
pub use certificate::{CertificateFacts, signature_algorithm};
pub use data::{ALLOW_KEYS, MAX_RULES, POLICY_KEYS, PolicyError, RULE_KEYS};

/// What an algorithm or a key is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// Signatures of Authors over content.
    ContentSignature,
    /// Signatures of transport nodes over what they hand on.
    TransportSignature,
    /// The signature of an authority under a certificate.
    CertificateSignature,
    /// Encryption of data under a symmetric key.
    DataEncryption,
    /// How that key reaches its reader.
    KeyTransport,
    /// TLS: certificates of servers and clients, key agreement.
    Tls,
}

impl Purpose {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::ContentSignature,
        Self::TransportSignature,
        Self::CertificateSignature,
        Self::DataEncryption,
        Self::KeyTransport,
        Self::Tls,
    ];

    /// Its name in a policy.
    pub fn name(self) -> &'static str {
        match self {
            Self::ContentSignature => "content-signature",
            Self::TransportSignature => "transport-signature",
            Self::CertificateSignature => "certificate-signature",
            Self::DataEncryption => "data-encryption",
            Self::KeyTransport => "key-transport",
            Self::Tls => "tls",
        }
    }

    /// The one with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|purpose| purpose.name() == name)
    }
}

/// Since when something holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// Since ever.
    Ever,
    /// From this instant on: the first of a German day.
    From(Timestamp),
}

impl Since {
    /// Whether it holds at `at`.
    pub fn reached(self, at: Timestamp) -> bool {
        match self {
            Self::Ever => true,
            Self::From(from) => from <= at,
        }
    }
}

/// From when something allowed is warned about or refused, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name: letters, digits, `-`, `_` and `.`, at most 64; goes into logs and answers.
    pub id: String,
    /// For which purposes it holds.
    pub purposes: Vec<Purpose>,
    /// About which algorithms.
    pub algorithms: Vec<Algorithm>,
    /// About which kinds of keys.
    pub keys: Vec<KeyKind>,
    /// Keys only below so many bits; none means of any length.
    pub below_bits: Option<u32>,
    /// Since when there is a warning.
    pub warn: Option<Since>,
    /// Since when it is refused.
    pub refuse: Option<Since>,
    /// Partners under the legacy profile are warned where others are refused.
    pub legacy: bool,
    /// The clause it follows.
    pub clause: String,
    de: String,
    en: String,
}

impl Rule {
    /// Why, and what to do.
    pub fn reason(&self, language: Language) -> &str {
        match language {
            Language::De => &self.de,
            Language::En => &self.en,
        }
    }

    fn is_about(&self, subject: Subject) -> bool {
        match subject {
            Subject::Algorithm(algorithm) => self.algorithms.contains(&algorithm),
            Subject::Key(key) => {
                self.keys.contains(&key.kind) && self.below_bits.is_none_or(|n| key.bits < n)
            }
        }
    }

    /// What the rule says of what it is about.
    fn judge(&self, at: Timestamp, legacy: bool) -> Judgement<'_> {
        let now = |since: Option<Since>| since.filter(|since| since.reached(at));
        match (now(self.refuse), now(self.warn)) {
            (Some(since), _) if legacy && self.legacy => Judgement::Warn { rule: self, since },
            (Some(since), _) => Judgement::Refuse { rule: self, since },
            (None, Some(since)) => Judgement::Warn { rule: self, since },
            (None, None) => Judgement::Good,
        }
    }
}

/// What is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An algorithm.
    Algorithm(Algorithm),
    /// A key.
    Key(Key),
}

impl From<Algorithm> for Subject {
    fn from(algorithm: Algorithm) -> Self {
        Self::Algorithm(algorithm)
    }
}

impl From<Key> for Subject {
    fn from(key: Key) -> Self {
        Self::Key(key)
    }
}

/// How a policy judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement<'a> {
    /// Nothing against it.
    Good,
    /// Still accepted; somebody should do something.
    Warn {
        /// By which rule.
        rule: &'a Rule,
        /// Since when.
        since: Since,
    },
    /// Not accepted.
    Refuse {
        /// By which rule.
        rule: &'a Rule,
        /// Since when.
        since: Since,
    },
}

impl<'a> Judgement<'a> {
    /// Whether it is refused.
    pub fn is_refused(self) -> bool {
        matches!(self, Self::Refuse { .. })
    }

    /// The rule, unless all is well.
    pub fn rule(self) -> Option<&'a Rule> {
        match self {
            Self::Good => None,
            Self::Warn { rule, .. } | Self::Refuse { rule, .. } => Some(rule),
        }
    }

    /// One word: `good`, `warn`, `refuse`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warn { .. } => "warn",
            Self::Refuse { .. } => "refuse",
        }
    }

    /// The graver of two; of two alike the first.
    pub fn worse(self, other: Self) -> Self {
        let weight = |judgement| match judgement {
            Self::Good => 0,
            Self::Warn { .. } => 1,
            Self::Refuse { .. } => 2,
        };
        if weight(other) > weight(self) { other } else { self }
    }
}

/// What may be used for one purpose at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Listed {
    keys: Vec<KeyKind>,
    algorithms: Vec<Algorithm>,
}

/// A whole policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlgorithmPolicy {
    name: String,
    edition: String,
    /// In the order of [`Purpose::ALL`].
    listed: Vec<Listed>,
    rules: Vec<Rule>,
    /// The rule that refuses whatever is not listed.
    unlisted: Rule,
}

impl AlgorithmPolicy {
    /// The policy that the program carries: BSI TR-02102.
    pub fn built_in() -> Self {
        Self::read(BUILT_IN).expect("the policy in the program is right; a test reads it")
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which edition of it.
    pub fn edition(&self) -> &str {
        &self.edition
    }

    /// Its rules, in order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The algorithms that may be used for a purpose at all; rules may be against some of them.
    pub fn algorithms(&self, purpose: Purpose) -> &[Algorithm] {
        &self.listed(purpose).algorithms
    }

    /// The kinds of keys that may be used for a purpose at all.
    pub fn keys(&self, purpose: Purpose) -> &[KeyKind] {
        &self.listed(purpose).keys
    }

    /// Judges an algorithm or a key at `at`; `legacy` says whether the partner is under the legacy
    /// profile. A refusal beats a warning; among several the first rule is named.
    pub fn judge(
        &self,
        purpose: Purpose,
        subject: impl Into<Subject>,
        at: Timestamp,
        legacy: bool,
    ) -> Judgement<'_> {
        let (subject, listed) = (subject.into(), self.listed(purpose));
        let known = match subject {
            Subject::Algorithm(algorithm) => listed.algorithms.contains(&algorithm),
            Subject::Key(key) => listed.keys.contains(&key.kind),
        };
        if !known {
            return self.unlisted();
        }
        self.rules
            .iter()
            .filter(|rule| rule.purposes.contains(&purpose) && rule.is_about(subject))
            .map(|rule| rule.judge(at, legacy))
            .fold(Judgement::Good, Judgement::worse)
    }

    /// What a signature may use for this purpose at `at`. How many references it may have, and how
    /// it is canonicalised, is no matter of cryptography and stays as the entry point has it.
    pub fn allowed(&self, purpose: Purpose, legacy: bool, at: Timestamp) -> Allowed {
        let open = |uri: &str| {
            Algorithm::from_uri(uri).is_some_and(|algorithm| {
                let key = match algorithm.family() {
                    Family::Signature(kind) => self.floor(purpose, kind, legacy, at).is_some(),
                    _ => true,
                };
                key && !self.judge(purpose, algorithm, at, legacy).is_refused()
            })
        };
        let all = SignatureAlgorithm::ALL.iter().copied();
        let digests = DigestAlgorithm::ALL.iter().copied();
        let floor = |kind| self.floor(purpose, kind, legacy, at).unwrap_or(u32::MAX);
        Allowed {
            signatures: all.filter(|algorithm| open(algorithm.uri())).collect(),
            digests: digests.filter(|algorithm| open(algorithm.uri())).collect(),
            min_rsa_bits: floor(KeyKind::Rsa),
            min_ec_bits: floor(KeyKind::Ec),
            ..Allowed::default()
        }
    }

    /// Fewest bits that a key of this kind must have at `at`; none where the kind is refused as a
    /// whole, 0 where its length is no matter.
    pub fn floor(
        &self,
        purpose: Purpose,
        kind: KeyKind,
        legacy: bool,
        at: Timestamp,
    ) -> Option<u32> {
        if !self.listed(purpose).keys.contains(&kind) {
            return None;
        }
        self.rules
            .iter()
            .filter(|rule| rule.purposes.contains(&purpose) && rule.keys.contains(&kind))
            .filter(|rule| rule.judge(at, legacy).is_refused())
            .try_fold(0, |floor, rule| rule.below_bits.map(|bits| bits.max(floor)))
    }

    /// The algorithms of a family that are not refused for a purpose at `at`.
    pub fn open(
        &self,
        purpose: Purpose,
        family: Family,
        legacy: bool,
        at: Timestamp,
    ) -> Vec<Algorithm> {
        let all = self.listed(purpose).algorithms.iter().copied();
        all.filter(|algorithm| algorithm.family() == family)
            .filter(|algorithm| !self.judge(purpose, *algorithm, at, legacy).is_refused())
            .collect()
    }

    /// Whether there is any rule that warns for this purpose at `at`. Most of the time there is
    /// none, and nobody need look at every single key.
    pub fn warns(&self, purpose: Purpose, legacy: bool, at: Timestamp) -> bool {
        self.rules
            .iter()
            .filter(|rule| rule.purposes.contains(&purpose))
            .any(|rule| matches!(rule.judge(at, legacy), Judgement::Warn { .. }))
    }

    /// The judgement of what is not listed.
    fn unlisted(&self) -> Judgement<'_> {
        Judgement::Refuse { rule: &self.unlisted, since: Since::Ever }
    }

    fn listed(&self, purpose: Purpose) -> &Listed {
        &self.listed[purpose as usize]
    }
}

impl Default for AlgorithmPolicy {
    fn default() -> Self {
        Self::built_in()
    }
}

/// The text of the policy that the program carries.
pub const BUILT_IN: &str = include_str!("tr-02102.toml");

#[cfg(test)]
mod paper;
#[cfg(test)]
mod tests;
