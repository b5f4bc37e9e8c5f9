//! Who is known by what a message itself carries, not by the connection it came by; and for whom is
//! what is encrypted for a certificate.

use crate::digest::Digest;
use crate::directory::{Account, Directory, DirectoryError, Party, TrustedCertificate};
use crate::identity::AccountId;
use crate::party::PartyId;

/// How an account is known where messages name their sender by certificates.
#[derive(Clone, Debug)]
pub struct Partner {
    /// The account.
    pub account: AccountId,
    /// What it signs messages with; old and new ones side by side.
    pub signature: Vec<TrustedCertificate>,
    /// What answers are encrypted for, and whose mailbox it opens.
    pub cipher: Vec<TrustedCertificate>,
    /// Messages that it did not sign are refused.
    pub signed: bool,
    /// Messages that were not encrypted for the hub are refused.
    pub encrypted: bool,
}

/// A Reader and the certificates for which content for it is encrypted.
#[derive(Clone, Debug)]
pub struct Mailbox {
    /// The Reader.
    pub party: PartyId,
    /// Old and new ones side by side.
    pub certificates: Vec<TrustedCertificate>,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Partners {
    partners: Vec<Partner>,
    mailboxes: Vec<Mailbox>,
}

fn knows(certificates: &[TrustedCertificate], certificate: &Digest) -> bool {
    certificates.iter().any(|known| known.fingerprint == *certificate)
}

impl Partner {
    /// Whether it signs with this certificate.
    pub fn signs_with(&self, certificate: &Digest) -> bool {
        knows(&self.signature, certificate)
    }

    /// Whether this certificate is for what is encrypted for it.
    pub fn reads_with(&self, certificate: &Digest) -> bool {
        knows(&self.cipher, certificate)
    }

    fn certificates(&self) -> impl Iterator<Item = &TrustedCertificate> {
        self.signature.iter().chain(&self.cipher)
    }
}

impl Directory {
    /// The same directory with partners and mailboxes; finds contradictions.
    pub fn with_partners(
        self,
        partners: Vec<Partner>,
        mailboxes: Vec<Mailbox>,
    ) -> Result<Self, DirectoryError> {
        for (n, partner) in partners.iter().enumerate() {
            if !self.accounts.iter().any(|account| account.id == partner.account) {
                return Err(DirectoryError::NoAccount(partner.account.clone()));
            }
            let clash = partners[..n].iter().any(|other| {
                let has = |own: &Digest| other.signs_with(own) || other.reads_with(own);
                other.account == partner.account
                    || partner.certificates().any(|own| has(&own.fingerprint))
            });
            if clash {
                return Err(DirectoryError::AccountTwice(partner.account.clone()));
            }
        }
        for (n, mailbox) in mailboxes.iter().enumerate() {
            if self.party(&mailbox.party).is_none() {
                return Err(DirectoryError::NoParty(mailbox.party.clone()));
            }
            let clash = mailboxes[..n].iter().any(|other| {
                let has = |own: &TrustedCertificate| knows(&other.certificates, &own.fingerprint);
                other.party == mailbox.party || mailbox.certificates.iter().any(has)
            });
            if clash {
                return Err(DirectoryError::MailboxTwice(mailbox.party.clone()));
            }
        }
        Ok(Self { partners: Partners { partners, mailboxes }, ..self })
    }

    /// All partners.
    pub fn partners(&self) -> &[Partner] {
        &self.partners.partners
    }

    /// All mailboxes.
    pub fn mailboxes(&self) -> &[Mailbox] {
        &self.partners.mailboxes
    }

    /// The partner that signs with this certificate, and its account.
    pub fn signing_partner(&self, certificate: &Digest) -> Option<(&Partner, &Account)> {
        self.partner(|partner| partner.signs_with(certificate))
    }

    /// The partner for which this certificate is.
    pub fn reading_partner(&self, certificate: &Digest) -> Option<(&Partner, &Account)> {
        self.partner(|partner| partner.reads_with(certificate))
    }

    fn partner(&self, is: impl Fn(&Partner) -> bool) -> Option<(&Partner, &Account)> {
        let partner = self.partners.partners.iter().find(|partner| is(partner))?;
        let account = self.accounts.iter().find(|account| account.id == partner.account)?;
        Some((partner, account))
    }

    /// The Reader that holds this cipher certificate.
    pub fn reader(&self, certificate: &Digest) -> Option<(&Party, &TrustedCertificate)> {
        self.partners.mailboxes.iter().find_map(|mailbox| {
            let mut own = mailbox.certificates.iter();
            let own = own.find(|known| known.fingerprint == *certificate)?;
            Some((self.party(&mailbox.party)?, own))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validity::Validity;

    fn certificate(n: u8) -> TrustedCertificate {
        let validity = Validity::default();
        TrustedCertificate { fingerprint: Digest([n; 32]), der: vec![n], validity }
    }

    fn directory() -> Directory {
        let party = |id: &str| Party {
            id: PartyId::parse(id).expect("a party"),
            name: "TEST".to_owned(),
            services: vec![],
            certificates: vec![],
            legacy: None,
            grace: None,
        };
        let account = |id: &str| Account {
            id: AccountId::parse(id).expect("an account"),
            certificates: vec![],
            parties: vec![],
            relay: false,
            legacy: None,
            grace: None,
        };
        let parties = vec![party("ags:1"), party("ags:2")];
        Directory::new(parties, vec![account("a"), account("b")]).expect("consistent")
    }

    fn partner(id: &str, signature: u8, cipher: u8) -> Partner {
        Partner {
            account: AccountId::parse(id).expect("an account"),
            signature: vec![certificate(signature)],
            cipher: vec![certificate(cipher)],
            signed: true,
            encrypted: true,
        }
    }

    fn mailbox(id: &str, n: u8) -> Mailbox {
        let party = PartyId::parse(id).expect("a party");
        Mailbox { party, certificates: vec![certificate(n)] }
    }

    #[test]
    fn certificates_lead_to_accounts_and_readers() {
        let partners = vec![partner("a", 1, 2), partner("b", 3, 4)];
        let mailboxes = vec![mailbox("ags:1", 4), mailbox("ags:2", 5)];
        let directory = directory().with_partners(partners, mailboxes).expect("consistent");
        let account = |found: Option<(&Partner, &Account)>| found.map(|(_, a)| a.id.to_string());
        assert_eq!(account(directory.signing_partner(&Digest([3; 32]))).as_deref(), Some("b"));
        assert_eq!(account(directory.signing_partner(&Digest([4; 32]))), None);
        assert_eq!(account(directory.reading_partner(&Digest([2; 32]))).as_deref(), Some("a"));
        let reader = |n| directory.reader(&Digest([n; 32])).map(|(party, _)| party.id.to_string());
        assert_eq!(reader(5).as_deref(), Some("ags:2"));
        assert_eq!(reader(1), None);
    }

    #[test]
    fn a_certificate_belongs_to_one_partner_and_to_one_reader() {
        let refused = |partners, mailboxes| {
            directory().with_partners(partners, mailboxes).expect_err("a contradiction")
        };
        let is_twice = |error| matches!(error, DirectoryError::AccountTwice(_));
        assert!(is_twice(refused(vec![partner("a", 1, 2), partner("b", 2, 3)], vec![])));
        assert!(is_twice(refused(vec![partner("a", 1, 2), partner("a", 3, 4)], vec![])));
        let error = refused(vec![partner("c", 1, 2)], vec![]);
        assert!(matches!(error, DirectoryError::NoAccount(_)), "{error}");
        let error = refused(vec![], vec![mailbox("ags:1", 1), mailbox("ags:2", 1)]);
        assert!(matches!(error, DirectoryError::MailboxTwice(_)), "{error}");
        let error = refused(vec![], vec![mailbox("ags:3", 1)]);
        assert!(matches!(error, DirectoryError::NoParty(_)), "{error}");
    }
}
