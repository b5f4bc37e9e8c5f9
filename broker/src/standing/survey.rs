//! How all certificates of the tables stand: what `doctor` shows.

use amtsbote_domain::Timestamp;
use amtsbote_domain::directory::TrustedCertificate;
use amtsbote_domain::fault::Code;
use amtsbote_domain::message::CertificateUse;

use amtsbote_trust::path::Purpose;

use super::{Partner, Standings};
use crate::keys::{Finding, Grade};
use crate::tables::InForce;

/// Letters of a fingerprint that tell certificates of one owner apart.
const SHOWN: usize = 16;

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
        let mut look = |partner: Partner<'_>, certificate: &TrustedCertificate, usage| {
            if !certificate.validity.holds(at) {
                return;
            }
            let judged = self.judge(Some(certificate), usage, partner, at);
            let fingerprint = certificate.fingerprint.to_string();
            surveyed.push(Surveyed {
                owner: format!("{} {}", partner.name, &fingerprint[..fingerprint.len().min(SHOWN)]),
                refused: judged.as_ref().err().map(|fault| fault.code),
                grace_ends: judged
                    .ok()
                    .and_then(|judged| judged.under_grace)
                    .map(|grace| grace.ends),
            });
        };
        for party in tables.directory.parties() {
            for certificate in &party.certificates {
                look(party.into(), certificate, CertificateUse::Content);
            }
        }
        for account in tables.directory.accounts() {
            for certificate in &account.certificates {
                look(account.into(), certificate, CertificateUse::TlsClient);
            }
        }
        for operator in &tables.operators {
            look(operator.into(), &operator.certificate, CertificateUse::TlsClient);
        }
        surveyed
    }
}

/// Whether certificates of signers and of connections have anchors to lead to, for `doctor` with and
/// without a hub.
pub fn anchors(has: impl Fn(Purpose) -> bool) -> Finding {
    let missing: Vec<&str> = [
        (Purpose::Content, "trust.content_anchors"),
        (Purpose::TlsClient, "trust.tls_client_anchors"),
    ]
    .into_iter()
    .filter(|(purpose, _)| !has(*purpose))
    .map(|(_, name)| name)
    .collect();
    let (grade, de, en) = if missing.is_empty() {
        (Grade::Good, "Anker für alle Zwecke".to_owned(), "anchors for every purpose".to_owned())
    } else {
        let missing = missing.join(", ");
        (
            Grade::Look,
            format!(
                "kein Anker: {missing}; dort zählt allein das hinterlegte Zertifikat, Sperrungen \
                 werden nicht erfragt"
            ),
            format!(
                "no anchor: {missing}; there the pinned certificate alone counts, and revocation \
                 is not asked about"
            ),
        )
    };
    Finding { name: "anchors", grade, de, en }
}
