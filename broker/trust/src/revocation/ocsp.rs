//! OCSP (RFC 6960): the question about one certificate, and the verified answer.
//!
//! An answer counts when the issuer has signed it, or a responder whose certificate the same issuer
//! has signed for that purpose; responders trusted by configuration alone are not supported. The
//! signature is checked over the octets that are read.

mod response;

use amtsbote_domain::Timestamp;
use jiff::SignedDuration;
use openssl::hash::{MessageDigest, hash};
use openssl::ocsp::{OcspCertId, OcspRequest};

use self::response::Basic;
use super::certificate::{CertificateId, Facts, Serial};
use super::error::Refused;
use super::signature::Algorithm;
use super::{Reason, SKEW};
use crate::der::certificate::Extension;
use crate::der::{self, Reader, SEQUENCE, constructed, only};
use crate::path::UNDERSTOOD;
use crate::pem::Certificate;
use crate::validity;

/// Longest answer that is read, in bytes.
pub const MAX_ANSWER_BYTES: usize = 32 * 1024;
/// Most certificates, and most statements, in one answer.
pub const MAX_PARTS: usize = 16;
/// Length of a nonce, in bytes (RFC 9654, 2.1).
pub const NONCE_BYTES: usize = 32;
/// How long an answer without a next update is fresh. RFC 6960, 4.2.2.1: newer information is
/// available all the time.
pub const FRESH_WITHOUT_NEXT_UPDATE: SignedDuration = SignedDuration::from_hours(1);

/// Whether a question carries a nonce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nonce {
    /// No: most public responders sign their answers beforehand.
    #[default]
    Off,
    /// Yes, and an answer without one counts all the same.
    Offered,
    /// Yes, and so must the answer.
    Required,
}

/// A question about a certificate.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The certificate.
    pub certificate: &'a Certificate,
    /// Its issuer; that it is, the caller has verified.
    pub issuer: &'a Certificate,
    /// The nonce, if the question carries one.
    pub nonce: Option<[u8; NONCE_BYTES]>,
    /// What is demanded of the answer where the question carries a nonce.
    pub rule: Nonce,
}

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not revoked.
    Good,
    /// Revoked.
    Revoked {
        /// When.
        at: Timestamp,
        /// Why.
        reason: Reason,
    },
    /// The responder does not know the certificate.
    Unknown,
}

/// A verified answer about one certificate.
#[derive(Clone, Debug)]
pub struct Answer {
    id: CertificateId,
    status: Status,
    this_update: Timestamp,
    next_update: Option<Timestamp>,
    responder: Option<Serial>,
}

const NONCE: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 0x30, 1, 2];
const OCSP_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 9];

impl<'a> Question<'a> {
    /// A question without nonce.
    pub fn about(certificate: &'a Certificate, issuer: &'a Certificate) -> Self {
        Self { certificate, issuer, nonce: None, rule: Nonce::Off }
    }

    /// A question with a nonce where the rule wants one.
    pub fn new(
        certificate: &'a Certificate,
        issuer: &'a Certificate,
        rule: Nonce,
    ) -> Result<Self, Refused> {
        let nonce = match rule {
            Nonce::Off => None,
            Nonce::Offered | Nonce::Required => {
                let mut nonce = [0; NONCE_BYTES];
                openssl::rand::rand_bytes(&mut nonce)?;
                Some(nonce)
            }
        };
        Ok(Self { certificate, issuer, nonce, rule })
    }

    /// The question in DER. Its id is made with SHA-1, as RFC 5019 has it and every responder
    /// understands; nothing is signed with it.
    pub fn to_der(&self) -> Result<Vec<u8>, Refused> {
        let (subject, issuer) = (self.certificate.x509(), self.issuer.x509());
        let id = OcspCertId::from_cert(MessageDigest::sha1(), subject, issuer)?;
        let mut request = OcspRequest::new()?;
        request.add_id(id)?;
        let plain = request.to_der()?;
        let Some(nonce) = &self.nonce else { return Ok(plain) };
        // The binding has no call for extensions: requestExtensions [2] is put behind the list.
        let tbs = Reader::only(&plain, SEQUENCE)?.read(SEQUENCE)?;
        let value = der::value(der::OCTET_STRING, &[&der::value(der::OCTET_STRING, &[nonce])]);
        let extension = der::value(SEQUENCE, &[&der::value(der::OID, &[NONCE]), &value]);
        let extensions = der::value(constructed(2), &[&der::value(SEQUENCE, &[&extension])]);
        Ok(der::value(SEQUENCE, &[&der::value(SEQUENCE, &[tbs, &extensions])]))
    }
}

impl Answer {
    /// Reads and verifies an answer to a question. `at` is now; an answer that was kept from before
    /// is read without it, and judged by the instant at which it was made. Whether it is still
    /// fresh is asked of [`Answer::fresh_until`].
    pub fn read(
        octets: &[u8],
        question: &Question<'_>,
        at: Option<Timestamp>,
    ) -> Result<Self, Refused> {
        let basic = Basic::read(octets)?;
        let now = at.unwrap_or(basic.produced_at);
        let responder = basic.verify(question.issuer, now)?;
        basic.check_nonce(question)?;
        let facts = Facts::read(question.certificate)?;
        let by = Facts::read(question.issuer)?;
        let mut about = None;
        for statement in &basic.statements {
            if statement.is_about(&facts, &by)? {
                // Two statements about one certificate: which of them counts?
                if about.replace(statement).is_some() {
                    return Err(Refused::Malformed);
                }
            }
        }
        let statement = about.ok_or(Refused::OtherCertificate)?;
        let latest = now.saturating_add(SKEW).unwrap_or(now);
        if statement.this_update > latest || basic.produced_at > latest {
            return Err(Refused::NotYet);
        }
        if statement.next_update.is_some_and(|next| next < statement.this_update) {
            return Err(Refused::Malformed);
        }
        Ok(Self {
            id: CertificateId { issuer: by.as_issuer(), serial: facts.serial },
            status: statement.status,
            this_update: statement.this_update,
            next_update: statement.next_update,
            responder,
        })
    }

    /// The certificate that it is about.
    pub fn id(&self) -> CertificateId {
        self.id
    }

    /// What it says.
    pub fn status(&self) -> Status {
        self.status
    }

    /// As of when it speaks.
    pub fn this_update(&self) -> Timestamp {
        self.this_update
    }

    /// Until when it is fresh: its next update, but no longer than `max_age` after the instant as
    /// of which it speaks.
    pub fn fresh_until(&self, max_age: SignedDuration) -> Timestamp {
        let after = |age| self.this_update.saturating_add(age).unwrap_or(self.this_update);
        let next = self.next_update.unwrap_or_else(|| after(FRESH_WITHOUT_NEXT_UPDATE));
        next.min(after(max_age))
    }

    /// The serial number of the appointed responder's certificate; none if the issuer has signed.
    pub(crate) fn responder(&self) -> Option<Serial> {
        self.responder
    }
}

impl Basic<'_> {
    /// RFC 6960, 4.2.2.2: signed by the issuer, or by a responder with a certificate of the same
    /// issuer for OCSP signing. Returns the serial number of the latter's.
    fn verify(&self, issuer: &Certificate, at: Timestamp) -> Result<Option<Serial>, Refused> {
        let algorithm = Algorithm::read(self.algorithm)?;
        if self.names(&Facts::read(issuer)?)? {
            let key = issuer.x509().public_key()?;
            if algorithm.verify(&key, self.tbs, self.signature).is_ok() {
                return Ok(None);
            }
        }
        for octets in &self.certificates {
            let Ok(responder) = Certificate::from_der(octets) else { continue };
            let facts = Facts::read(&responder)?;
            if !self.names(&facts)? || !is_appointed(&responder, issuer, at)? {
                continue;
            }
            let key = responder.x509().public_key()?;
            algorithm.verify(&key, self.tbs, self.signature)?;
            return Ok(Some(facts.serial));
        }
        Err(Refused::Signature)
    }

    /// Whether the answer names this certificate as its responder.
    fn names(&self, facts: &Facts<'_>) -> Result<bool, Refused> {
        Ok(match self.responder.tag {
            tag if tag == constructed(1) => self.responder.content == facts.parsed.subject,
            tag if tag == constructed(2) => {
                let digest = hash(MessageDigest::sha1(), facts.parsed.key)?;
                only(self.responder.content, |id| id.read(der::OCTET_STRING))? == &*digest
            }
            _ => return Err(Refused::Malformed),
        })
    }

    fn check_nonce(&self, question: &Question<'_>) -> Result<(), Refused> {
        match (&question.nonce, self.nonce) {
            (None, _) => Ok(()),
            (Some(asked), Some(answered)) if asked == answered => Ok(()),
            (Some(_), None) if question.rule != Nonce::Required => Ok(()),
            (Some(_), _) => Err(Refused::Nonce),
        }
    }
}

/// Whether the issuer has appointed the owner of this certificate to answer for it.
fn is_appointed(
    responder: &Certificate,
    issuer: &Certificate,
    at: Timestamp,
) -> Result<bool, Refused> {
    let facts = Facts::read(responder)?;
    let parsed = &facts.parsed;
    let algorithm = Algorithm::read(parsed.signature_algorithm)?;
    let issued = issuer.x509().issued(responder.x509()) == openssl::x509::X509VerifyResult::OK
        && algorithm.verify(&*issuer.x509().public_key()?, parsed.signed, parsed.signature).is_ok();
    let for_ocsp = parsed.extended_usage()?.is_some_and(|uses| uses.contains(&OCSP_SIGNING));
    let valid = validity::judge(&responder.validity(), at).is_ok();
    // RFC 5280, 4.2: what restricts it and is not understood.
    let restricts = |extension: &Extension<'_>| !UNDERSTOOD.contains(&extension.oid);
    let restricted = parsed.extensions.iter().any(|other| other.critical && restricts(other));
    Ok(issued && for_ocsp && valid && !restricted && facts.may_sign_data())
}
