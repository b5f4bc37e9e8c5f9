//! Which certificates are watched: those of the tables, with their issuers, from the day they are
//! entered on. Whoever becomes valid tomorrow is asked about today, so that nobody is refused on the
//! day of a change because nothing is known yet.

use std::collections::BTreeSet;

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::TrustedCertificate;
use amtsbote_domain::message::CertificateUse;
use amtsbote_domain::validity::Validity;
use amtsbote_trust::path::Path;
use amtsbote_trust::pem::Certificate;
use amtsbote_trust::revocation::Watched;
use jiff::SignedDuration;
use openssl::x509::X509VerifyResult;

use super::{Partner, Standings, purpose_of};
use crate::tables::InForce;

/// How far ahead paths are looked for: an issuer that takes another's place is asked about before it
/// does. Much longer than the pause between two looks.
const AHEAD: SignedDuration = SignedDuration::from_hours(1);

/// What makes two lists of watched certificates the same.
pub(crate) type Pairs = BTreeSet<(Digest, Digest, bool)>;

/// Certificates with their issuers, each pair once; the first says whether it is stapled.
#[derive(Default)]
pub(crate) struct Watch {
    list: Vec<Watched>,
    known: BTreeSet<(Digest, Digest)>,
}

impl Watch {
    fn add(&mut self, certificate: &Certificate, issuer: &Certificate, staple: bool) {
        if self.known.insert((certificate.fingerprint(), issuer.fingerprint())) {
            let (certificate, issuer) = (certificate.clone(), issuer.clone());
            self.list.push(Watched { certificate, issuer, staple });
        }
    }

    /// These, and those of another list that are not among them.
    pub(crate) fn and(mut self, other: Self) -> Self {
        for Watched { certificate, issuer, staple } in other.list {
            self.add(&certificate, &issuer, staple);
        }
        self
    }

    /// For the refresher.
    pub(crate) fn list(&self) -> &[Watched] {
        &self.list
    }

    /// To see whether another list is the same.
    pub(crate) fn pairs(&self) -> Pairs {
        let pair = |watched: &Watched| {
            let Watched { certificate, issuer, staple } = watched;
            (certificate.fingerprint(), issuer.fingerprint(), *staple)
        };
        self.list.iter().map(pair).collect()
    }
}

impl Standings {
    /// All certificates of the tables that have not ended, with their issuers, now or when they
    /// become valid, and soon after; and our own. Each once: thousands of certificates share few
    /// issuers.
    pub(crate) fn watched(&self, tables: &InForce, at: Timestamp) -> Watch {
        let mut watch = Watch::default();
        // Our own comes first: where it stands in the tables as well, it is still the one to be
        // stapled.
        if let Some((own, issuers)) = tables.own.split_first()
            && let Some(issuer) = issuer_of(own, issuers)
        {
            watch.add(own, issuer, true);
        }
        let mut add = |certificate: &TrustedCertificate, usage, partner: Partner<'_>| {
            self.each_path(certificate, usage, partner, at, |path| {
                path.links()
                    .for_each(|(certificate, issuer)| watch.add(certificate, issuer, false));
            });
        };
        for party in tables.directory.parties() {
            for certificate in &party.certificates {
                add(certificate, CertificateUse::Content, party.into());
            }
        }
        for account in tables.directory.accounts() {
            for certificate in &account.certificates {
                add(certificate, CertificateUse::TlsClient, account.into());
            }
        }
        for partner in tables.directory.partners() {
            let mut accounts = tables.directory.accounts().iter();
            let account = accounts.find(|account| account.id == partner.account);
            for (certificate, account) in partner.signature.iter().zip(account.into_iter().cycle())
            {
                add(certificate, CertificateUse::Content, account.into());
            }
        }
        for operator in &tables.operators {
            add(&operator.certificate, CertificateUse::TlsClient, operator.into());
        }
        watch
    }

    /// The paths of a certificate: now, or when it becomes valid, and a little later where that is
    /// another one.
    fn each_path(
        &self,
        certificate: &TrustedCertificate,
        usage: CertificateUse,
        partner: Partner<'_>,
        at: Timestamp,
        mut then: impl FnMut(&Path),
    ) {
        let purpose = purpose_of(usage);
        if !self.has_anchors(purpose) {
            return;
        }
        let first = certificate.validity.from.map_or(at, |from| from.max(at));
        let mut covered = None;
        for instant in [Some(first), first.checked_add(AHEAD).ok()].into_iter().flatten() {
            if covered.is_some_and(|validity: Validity| validity.holds(instant))
                || !certificate.validity.holds(instant)
            {
                continue;
            }
            let legacy = partner.is_legacy(instant);
            // One without a path is refused where it is judged; it has no sources to ask.
            let path = if instant == at {
                let found = self.found(certificate, purpose, legacy, at).ok();
                found.and_then(|found| found.path.clone())
            } else {
                // What will be is not remembered in place of what is.
                let found = self.search(certificate, purpose, legacy, instant).ok();
                found.and_then(|found| found.path)
            };
            if let Some(path) = path {
                then(&path);
                covered = Some(path.validity());
            }
        }
    }
}

/// Who issued a certificate.
pub(crate) fn issuer_of<'a>(
    certificate: &Certificate,
    among: &'a [Certificate],
) -> Option<&'a Certificate> {
    among.iter().find(|issuer| issuer.x509().issued(certificate.x509()) == X509VerifyResult::OK)
}
