//! How the certificates of partners stand: strong enough, a path to an anchor, and not revoked.
//!
//! The directory pins certificates. The policy judges those that connect, whether there are anchors
//! or not; anchors and revocation come on top, for every purpose for which the configuration names
//! an anchor. A message is judged from memory alone: paths are found once, and lists and answers are
//! fetched in the background. What is accepted under grace is said, so that it can be recorded.

mod survey;
mod watched;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::{Account, LegacyProfile, Party, TrustedCertificate};
use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::message::{CertificateUse, UnderGrace};
use amtsbote_domain::text::Language;
use amtsbote_domain::validity::Validity;
use amtsbote_trust::path::{Anchors, Demands, Path, Purpose};
use amtsbote_trust::pem::Certificate;
use amtsbote_trust::policy::{self, AlgorithmPolicy, CertificateFacts, Judgement, Since};
use amtsbote_trust::revocation::{Book, Grace, Standing};
use amtsbote_wire::signature::Allowed;
use jiff::SignedDuration;

use crate::config::Operator;

pub(crate) use survey::Surveyed;
pub use survey::anchors;
pub(crate) use watched::{Pairs, Watch, issuer_of};

/// How long it is remembered that there was no path; then it is looked for again.
const NO_PATH_FOR: SignedDuration = SignedDuration::from_secs(60);
/// The same where the calendar is the reason: an issuer may become valid any moment.
const NOT_VALID_FOR: SignedDuration = SignedDuration::from_secs(1);
/// When a partner is asked to come again while nothing is known, in seconds.
const COME_AGAIN: u32 = 60;
/// How often the log says again that a certificate only just counts, in seconds; it is judged with
/// every request.
const SAID_AGAIN: i64 = 3600;

/// Whom the node trusts, and what it demands, beyond the certificates that the directory pins.
#[derive(Clone, Debug, Default)]
pub struct TrustRules {
    /// Anchors by purpose. For a purpose without any, the pinned certificate alone counts.
    pub anchors: Arc<Anchors>,
    /// Grace of partners that have none of their own.
    pub grace: Grace,
    /// A certificate for which there is no source of revocation at all is refused.
    pub require_source: bool,
}

/// Whose certificate is judged, as far as it matters how.
#[derive(Clone, Copy)]
struct Partner<'a> {
    name: &'a str,
    grace: Option<SignedDuration>,
    legacy: Option<LegacyProfile>,
}

impl Partner<'_> {
    fn is_legacy(&self, at: Timestamp) -> bool {
        self.legacy.is_some_and(|profile| profile.holds(at))
    }
}

impl<'a> From<&'a Party> for Partner<'a> {
    fn from(party: &'a Party) -> Self {
        Self { name: party.id.as_str(), grace: party.grace, legacy: party.legacy }
    }
}

impl<'a> From<&'a Account> for Partner<'a> {
    fn from(account: &'a Account) -> Self {
        Self { name: account.id.as_str(), grace: account.grace, legacy: account.legacy }
    }
}

impl<'a> From<&'a Operator> for Partner<'a> {
    /// Operators are never under the legacy profile.
    fn from(operator: &'a Operator) -> Self {
        Self { name: &operator.name, grace: None, legacy: None }
    }
}

/// How certificates stand under the tables in force.
pub(crate) struct Standings {
    rules: TrustRules,
    policy: Arc<AlgorithmPolicy>,
    book: Arc<Book>,
    /// Keys are certificates of the tables, each at most with and without the legacy profile, so it
    /// does not grow beyond them.
    found: Mutex<HashMap<(Digest, Purpose, bool), Memo>>,
    /// What content signatures may use, without and with the legacy profile, and when.
    allowed: [Mutex<Option<InEra>>; 2],
}

/// Between which days it holds.
type InEra = (Validity, Arc<Allowed>);

#[derive(Clone)]
struct Memo {
    found: Result<Arc<Found>, Fault>,
    /// For instants from here on,
    from: Timestamp,
    /// and before this one.
    until: Timestamp,
}

/// A certificate that counts.
#[derive(Default)]
struct Judged {
    under_grace: Option<UnderGrace>,
    /// None where the pinned certificate alone counts.
    found: Option<Arc<Found>>,
}

/// What is found out about a certificate once.
struct Found {
    /// None for a purpose without anchors.
    path: Option<Path>,
    /// What the policy has against it although it counts.
    remark: Option<Remark>,
}

impl Standings {
    /// Finds no path yet.
    pub(crate) fn new(rules: TrustRules, policy: Arc<AlgorithmPolicy>, book: Arc<Book>) -> Self {
        Self { rules, policy, book, found: Mutex::default(), allowed: Default::default() }
    }

    /// What the policy allows for content signatures: worked out once, until a day of the policy.
    pub(crate) fn allowed(&self, legacy: bool, at: Timestamp) -> Arc<Allowed> {
        // A panic elsewhere cannot leave it half changed.
        let memo = &self.allowed[usize::from(legacy)];
        let mut memo = memo.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((era, allowed)) = &*memo
            && era.from.is_none_or(|from| from <= at)
            && era.until.is_none_or(|until| at < until)
        {
            return allowed.clone();
        }
        let purpose = policy::Purpose::ContentSignature;
        let allowed = Arc::new(self.policy.allowed(purpose, legacy, at));
        *memo = Some((era(&self.policy, at), allowed.clone()));
        allowed
    }

    /// Whether there are anchors for a purpose.
    pub(crate) fn has_anchors(&self, purpose: Purpose) -> bool {
        self.rules.anchors.any(purpose)
    }

    /// The Author's certificate, for its signature. The policy has judged its key together with the
    /// algorithm of the signature.
    pub(crate) fn author(
        &self,
        party: &Party,
        certificate: &Digest,
        at: Timestamp,
    ) -> Result<Option<UnderGrace>, Fault> {
        let known = party.certificates.iter().find(|known| known.fingerprint == *certificate);
        Ok(self.judge(known, CertificateUse::Content, party.into(), at)?.under_grace)
    }

    /// The account's certificate, for its connection.
    pub(crate) fn account(
        &self,
        account: &Account,
        certificate: &Digest,
        at: Timestamp,
    ) -> Result<Option<UnderGrace>, Fault> {
        let known = account.certificates.iter().find(|known| known.fingerprint == *certificate);
        Ok(self.connected(known, account.into(), at)?.under_grace)
    }

    /// The certificate with which an account signed a message as its sender.
    pub(crate) fn sender(
        &self,
        account: &Account,
        certificate: &TrustedCertificate,
        at: Timestamp,
    ) -> Result<Option<UnderGrace>, Fault> {
        let judged = self.judge(Some(certificate), CertificateUse::Content, account.into(), at)?;
        Ok(judged.under_grace)
    }

    /// An operator's certificate.
    pub(crate) fn operator(&self, operator: &Operator, at: Timestamp) -> Result<(), Fault> {
        self.connected(Some(&operator.certificate), operator.into(), at).map(drop)
    }

    fn connected(
        &self,
        certificate: Option<&TrustedCertificate>,
        partner: Partner<'_>,
        at: Timestamp,
    ) -> Result<Judged, Fault> {
        let judged = self.judge(certificate, CertificateUse::TlsClient, partner, at)?;
        if let Some(remark) = judged.found.as_ref().and_then(|found| found.remark.as_ref()) {
            remark.say(partner.name, at);
        }
        Ok(judged)
    }

    fn judge(
        &self,
        certificate: Option<&TrustedCertificate>,
        usage: CertificateUse,
        partner: Partner<'_>,
        at: Timestamp,
    ) -> Result<Judged, Fault> {
        // Whoever asks found it in the tables just now.
        let certificate = certificate.ok_or_else(|| Fault::new(Code::SignerNotTrusted))?;
        if !certificate.validity.holds(at) {
            return Err(Fault::new(Code::CertificateNotValid));
        }
        let purpose = purpose_of(usage);
        if purpose == Purpose::Content && !self.has_anchors(purpose) {
            return Ok(Judged::default());
        }
        let found = self.found(certificate, purpose, partner.is_legacy(at), at)?;
        let Some(path) = &found.path else {
            return Ok(Judged { under_grace: None, found: Some(found) });
        };
        let grace = partner.grace.and_then(Grace::new).unwrap_or(self.rules.grace);
        let links = self.book.path_standing(path.certificates(), at, &grace).links;
        let under_grace = self.judge_links(&links)?;
        let under_grace = under_grace.map(|(ends, fresh_until)| UnderGrace {
            certificate: certificate.fingerprint,
            purpose: usage,
            fresh_until,
            ends,
        });
        Ok(Judged { under_grace, found: Some(found) })
    }

    /// What the links of a path come to. Where some stand under grace, the one whose grace ends
    /// first counts: its end, and until when its last word was fresh. That another link has no
    /// source at all does not hide it.
    fn judge_links(&self, links: &[Standing]) -> Result<Option<(Timestamp, Timestamp)>, Fault> {
        let revoked = links.iter().find_map(|link| match link {
            Standing::Revoked { reason, .. } => Some(*reason),
            _ => None,
        });
        if let Some(reason) = revoked {
            return Err(Fault::new(Code::CertificateRevoked).because(reason.name()));
        }
        let unknown = || Fault::new(Code::CertificateStatusUnknown).after(COME_AGAIN);
        if links.iter().any(|link| matches!(link, Standing::Unknown(_))) {
            return Err(unknown());
        }
        // A path of the anchor alone has no link that could be asked about.
        let nowhere = links.is_empty() || links.contains(&Standing::NoSource);
        if nowhere && self.rules.require_source {
            return Err(unknown().because("no source of revocation is named"));
        }
        let graces = links.iter().filter_map(|link| match link {
            Standing::Grace { fresh_until, ends } => Some((*ends, *fresh_until)),
            _ => None,
        });
        Ok(graces.min())
    }

    /// What is found out about a certificate of the tables, from memory where possible.
    fn found(
        &self,
        certificate: &TrustedCertificate,
        purpose: Purpose,
        legacy: bool,
        at: Timestamp,
    ) -> Result<Arc<Found>, Fault> {
        let key = (certificate.fingerprint, purpose, legacy);
        if let Some(memo) = self.remembered().get(&key)
            && memo.from <= at
            && at < memo.until
        {
            return memo.found.clone();
        }
        let found = self.search(certificate, purpose, legacy, at).map(Arc::new);
        let era = era(&self.policy, at);
        let (from, until) = match &found {
            Ok(found) => {
                let path = found.path.as_ref().map(Path::validity).unwrap_or_default();
                (path.from.max(era.from).unwrap_or(Timestamp::MIN), earlier(path.until, era.until))
            }
            Err(fault) => {
                let pause = match fault.code {
                    Code::CertificateNotValid => NOT_VALID_FOR,
                    _ => NO_PATH_FOR,
                };
                (at, earlier(at.checked_add(pause).ok(), era.until))
            }
        };
        self.remembered().insert(key, Memo { found: found.clone(), from, until });
        found
    }

    /// Policy and path, under the floors that hold for this partner at this hour: one partner under
    /// the legacy profile lowers nothing for the others.
    fn search(
        &self,
        certificate: &TrustedCertificate,
        purpose: Purpose,
        legacy: bool,
        at: Timestamp,
    ) -> Result<Found, Fault> {
        let leaf = Certificate::from_der(&certificate.der)
            .map_err(|_| Fault::new(Code::SignerNotTrusted).because("it cannot be read"))?;
        let remark = match purpose {
            Purpose::TlsClient => self.judge_connection(&leaf, legacy, at)?,
            _ => None,
        };
        if !self.has_anchors(purpose) {
            return Ok(Found { path: None, remark });
        }
        let floors = self.policy.floors(policy::Purpose::CertificateSignature, legacy, at);
        let demands = Demands { floors, ..Demands::new(purpose, at) };
        // The configuration names the intermediates: what a connection or a message brings along
        // chooses nothing.
        let path = self.rules.anchors.judge(&leaf, &[], &demands)?;
        Ok(Found { path: Some(path), remark })
    }

    /// What the policy says of a certificate that connects.
    fn judge_connection(
        &self,
        leaf: &Certificate,
        legacy: bool,
        at: Timestamp,
    ) -> Result<Option<Remark>, Fault> {
        let facts = CertificateFacts::of(leaf.x509());
        let judged =
            |legacy| self.policy.judge_certificate(policy::Purpose::Tls, &facts, at, legacy);
        if let Judgement::Refuse { rule, .. } = judged(legacy) {
            return Err(Fault::new(Code::AlgorithmNotAllowed).because(format!(
                "certificate of the connection: {} (policy {} {}, rule {})",
                rule.reason(Language::En),
                self.policy.name(),
                self.policy.edition(),
                rule.id
            )));
        }
        // As if there were no profile: what only the profile lets in is what must be told.
        let strict = judged(false);
        Ok(strict.rule().map(|rule| Remark {
            rule: rule.id.clone(),
            only_legacy: strict.is_refused(),
            said: AtomicI64::new(i64::MIN),
        }))
    }

    fn remembered(&self) -> MutexGuard<'_, HashMap<(Digest, Purpose, bool), Memo>> {
        // A panic elsewhere cannot leave the map half changed.
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the policy has against a certificate that counts all the same: because it only warns yet, or
/// because the partner is under the legacy profile.
struct Remark {
    rule: String,
    only_legacy: bool,
    /// When it was last said, in seconds since 1970.
    said: AtomicI64,
}

impl Remark {
    /// Says it in the log, now and then. Whether it did.
    fn say(&self, partner: &str, at: Timestamp) -> bool {
        let now = at.as_second();
        let said = self.said.load(Ordering::Relaxed);
        if now.saturating_sub(said) < SAID_AGAIN {
            return false;
        }
        self.said.store(now, Ordering::Relaxed);
        if self.only_legacy {
            tracing::warn!(
                partner,
                rule = self.rule,
                "connected under the legacy profile of the partner; the policy refuses the \
                 certificate otherwise"
            );
        } else {
            tracing::warn!(partner, rule = self.rule, "connected, but the policy warns");
        }
        true
    }
}

fn purpose_of(usage: CertificateUse) -> Purpose {
    match usage {
        CertificateUse::Content => Purpose::Content,
        CertificateUse::TlsClient => Purpose::TlsClient,
    }
}

/// Between which days of the policy an instant lies: within them it judges alike.
fn era(policy: &AlgorithmPolicy, at: Timestamp) -> Validity {
    let days = policy.rules().iter().flat_map(|rule| [rule.warn, rule.refuse]);
    let days = days.filter_map(|since| match since {
        Some(Since::From(day)) => Some(day),
        _ => None,
    });
    let (passed, coming): (Vec<_>, Vec<_>) = days.partition(|day| *day <= at);
    Validity { from: passed.into_iter().max(), until: coming.into_iter().min() }
}

/// The earlier of two ends; none means never.
fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Timestamp {
    let ends = [one, other].into_iter().flatten();
    ends.min().unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
