//! How the certificates of partners stand: a path to an anchor, and not revoked.
//!
//! The directory pins certificates; anchors and revocation come on top, for every purpose for which
//! the configuration names an anchor. A message is judged from memory alone: paths are found once,
//! and lists and answers are fetched in the background. What is accepted under grace is said, so
//! that it can be recorded.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::{Account, Party, TrustedCertificate};
use amtsbote_domain::fault::{Code, Fault};
use amtsbote_domain::message::{CertificateUse, UnderGrace};
use amtsbote_trust::keystore::Identity;
use amtsbote_trust::path::{Anchors, Path, Purpose};
use amtsbote_trust::pem::Certificate;
use amtsbote_trust::revocation::{Book, Grace, Standing, Watched};
use jiff::SignedDuration;
use openssl::x509::X509VerifyResult;

use crate::config::Operator;
use crate::tables::{InForce, Tables};

/// How long it is remembered that there was no path; then it is looked for again.
const NO_PATH_FOR: SignedDuration = SignedDuration::from_secs(60);
/// When a partner is asked to come again while nothing is known, in seconds.
const COME_AGAIN: u32 = 60;
/// Letters of a fingerprint that tell certificates of one owner apart.
const SHOWN: usize = 16;

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

/// How certificates stand under the tables in force.
pub(crate) struct Standings {
    rules: TrustRules,
    book: Arc<Book>,
    /// Keys are certificates of the tables, so it does not grow beyond them.
    paths: Mutex<HashMap<(Digest, Purpose), Memo>>,
}

#[derive(Clone)]
struct Memo {
    found: Result<Arc<Path>, Fault>,
    /// For instants from here on,
    from: Timestamp,
    /// and before this one.
    until: Timestamp,
}

impl Standings {
    /// Finds no path yet.
    pub(crate) fn new(rules: TrustRules, book: Arc<Book>) -> Self {
        Self { rules, book, paths: Mutex::default() }
    }

    /// Whether there are anchors for a purpose.
    pub(crate) fn has_anchors(&self, purpose: Purpose) -> bool {
        self.rules.anchors.any(purpose)
    }

    /// The Author's certificate, for its signature.
    pub(crate) fn author(
        &self,
        party: &Party,
        certificate: &Digest,
        at: Timestamp,
    ) -> Result<Option<UnderGrace>, Fault> {
        let known = party.certificates.iter().find(|known| known.fingerprint == *certificate);
        self.judge(known, CertificateUse::Content, party.grace, at)
    }

    /// The account's certificate, for its connection.
    pub(crate) fn account(
        &self,
        account: &Account,
        certificate: &Digest,
        at: Timestamp,
    ) -> Result<Option<UnderGrace>, Fault> {
        let known = account.certificates.iter().find(|known| known.fingerprint == *certificate);
        self.judge(known, CertificateUse::TlsClient, account.grace, at)
    }

    /// An operator's certificate.
    pub(crate) fn operator(&self, operator: &Operator, at: Timestamp) -> Result<(), Fault> {
        self.judge(Some(&operator.certificate), CertificateUse::TlsClient, None, at).map(drop)
    }

    fn judge(
        &self,
        certificate: Option<&TrustedCertificate>,
        usage: CertificateUse,
        grace: Option<SignedDuration>,
        at: Timestamp,
    ) -> Result<Option<UnderGrace>, Fault> {
        // Whoever asks found it in the tables just now.
        let certificate = certificate.ok_or_else(|| Fault::new(Code::SignerNotTrusted))?;
        if !certificate.validity.holds(at) {
            return Err(Fault::new(Code::CertificateNotValid));
        }
        let purpose = match usage {
            CertificateUse::Content => Purpose::Content,
            CertificateUse::TlsClient => Purpose::TlsClient,
        };
        if !self.has_anchors(purpose) {
            return Ok(None);
        }
        let path = self.path(certificate, purpose, at)?;
        let grace = grace.and_then(Grace::new).unwrap_or(self.rules.grace);
        let links = self.book.path_standing(path.certificates(), at, &grace).links;
        let under_grace = self.judge_links(&links)?;
        Ok(under_grace.map(|(ends, fresh_until)| UnderGrace {
            certificate: certificate.fingerprint,
            purpose: usage,
            fresh_until,
            ends,
        }))
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

    /// The path of a certificate of the tables, from memory where possible.
    fn path(
        &self,
        certificate: &TrustedCertificate,
        purpose: Purpose,
        at: Timestamp,
    ) -> Result<Arc<Path>, Fault> {
        let key = (certificate.fingerprint, purpose);
        if let Some(memo) = self.remembered().get(&key)
            && memo.from <= at
            && at < memo.until
        {
            return memo.found.clone();
        }
        let found = self.search(certificate, purpose, at);
        let (from, until) = match &found {
            Ok(path) => {
                let validity = path.validity();
                (validity.from.unwrap_or(at), validity.until.unwrap_or(Timestamp::MAX))
            }
            Err(_) => (at, at.checked_add(NO_PATH_FOR).unwrap_or(Timestamp::MAX)),
        };
        self.remembered().insert(key, Memo { found: found.clone(), from, until });
        found
    }

    fn search(
        &self,
        certificate: &TrustedCertificate,
        purpose: Purpose,
        at: Timestamp,
    ) -> Result<Arc<Path>, Fault> {
        let leaf = Certificate::from_der(&certificate.der)
            .map_err(|_| Fault::new(Code::SignerNotTrusted).because("it cannot be read"))?;
        // The configuration names the intermediates: what a connection or a message brings along
        // chooses nothing.
        Ok(Arc::new(self.rules.anchors.validate(&leaf, &[], purpose, at)?))
    }

    fn remembered(&self) -> MutexGuard<'_, HashMap<(Digest, Purpose), Memo>> {
        // A panic elsewhere cannot leave the map half changed.
        self.paths.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All certificates of the tables that have a path now, with their issuers; and our own. Each
    /// once: thousands of certificates share few issuers.
    pub(crate) fn watched(&self, tables: &Tables, at: Timestamp) -> Vec<Watched> {
        let (mut watched, mut known) = (Vec::new(), BTreeSet::new());
        let mut add = |certificate: &Certificate, issuer: &Certificate, staple| {
            if known.insert((certificate.fingerprint(), issuer.fingerprint())) {
                let (certificate, issuer) = (certificate.clone(), issuer.clone());
                watched.push(Watched { certificate, issuer, staple });
            }
        };
        // Our own comes first: where it stands in the tables as well, it is still the one to be
        // stapled.
        let own = tables.identity.certificate();
        if let Some(issuer) = issuer_of(own, &own_issuers(&tables.identity)) {
            add(own, issuer, true);
        }
        let mut watch = |certificate: &TrustedCertificate, purpose| {
            if let Ok(path) = self.path(certificate, purpose, at) {
                path.links().for_each(|(certificate, issuer)| add(certificate, issuer, false));
            }
        };
        for party in tables.directory.parties() {
            party.certificates.iter().for_each(|c| watch(c, Purpose::Content));
        }
        for account in tables.directory.accounts() {
            account.certificates.iter().for_each(|c| watch(c, Purpose::TlsClient));
        }
        tables.operators.iter().for_each(|o| watch(&o.certificate, Purpose::TlsClient));
        watched
    }
}

/// A certificate of the tables that is valid now, and how it stands.
pub(crate) struct Surveyed {
    /// Whose it is: party, account or operator, and the beginning of the fingerprint.
    pub(crate) owner: String,
    /// The code with which it is refused now.
    pub(crate) refused: Option<Code>,
    /// It is accepted under grace, until then.
    pub(crate) grace_ends: Option<Timestamp>,
}

impl Standings {
    /// How every certificate of the tables stands that is valid at `at`; that the others have ended
    /// is another matter.
    pub(crate) fn survey(&self, tables: &InForce, at: Timestamp) -> Vec<Surveyed> {
        let mut surveyed = Vec::new();
        let mut look = |owner: &str, certificate: &TrustedCertificate, usage, grace| {
            if !certificate.validity.holds(at) {
                return;
            }
            let judged = self.judge(Some(certificate), usage, grace, at);
            let fingerprint = certificate.fingerprint.to_string();
            surveyed.push(Surveyed {
                owner: format!("{owner} {}", &fingerprint[..fingerprint.len().min(SHOWN)]),
                refused: judged.as_ref().err().map(|fault| fault.code),
                grace_ends: judged.ok().flatten().map(|grace| grace.ends),
            });
        };
        for party in tables.directory.parties() {
            for certificate in &party.certificates {
                look(party.id.as_str(), certificate, CertificateUse::Content, party.grace);
            }
        }
        for account in tables.directory.accounts() {
            for certificate in &account.certificates {
                look(account.id.as_str(), certificate, CertificateUse::TlsClient, account.grace);
            }
        }
        for operator in &tables.operators {
            look(&operator.name, &operator.certificate, CertificateUse::TlsClient, None);
        }
        surveyed
    }
}

/// The certificates among which the issuer of our own is looked for: those it came with.
pub(crate) fn own_issuers(identity: &Identity) -> Vec<Certificate> {
    identity.chain().iter().skip(1).cloned().collect()
}

/// Who issued a certificate.
pub(crate) fn issuer_of<'a>(
    certificate: &Certificate,
    among: &'a [Certificate],
) -> Option<&'a Certificate> {
    among.iter().find(|issuer| issuer.x509().issued(certificate.x509()) == X509VerifyResult::OK)
}

#[cfg(test)]
mod tests;
