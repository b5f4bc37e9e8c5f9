//! Who signed. `KeyInfo` only selects among certificates that the caller trusts.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::TrustedCertificate;
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Public};
use openssl::sha::sha256;
use openssl::x509::{X509, X509KeyUsage, X509NameEntryRef, X509NameRef};

use super::algorithm::KeyKind;
use super::fault::SignatureFault;
use super::key_info::KeyHints;
use super::parts::Parts;
use super::profile::Allowed;
use super::retrieval::Retrieval;
use super::scan::{Content, Found};

/// Most certificates under which one signature is tried.
pub(super) const MAX_TRIED: usize = 16;

/// The certificate under whose key a signature holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerCertificate {
    /// Its DER.
    pub der: Vec<u8>,
    /// SHA-256 over the DER.
    pub fingerprint: Digest,
    /// Its subject, as RFC 4514 writes it.
    pub subject: String,
}

/// Whether the signature over `SignedInfo` holds under a certificate.
pub(super) enum Fit {
    Holds(SignerCertificate),
    DoesNotHold,
    /// The key is none for the algorithm, or too weak.
    OtherKey,
}

impl Found {
    /// The trusted certificate under which the value of the signature holds at `at`. That what
    /// the signature refers to is unchanged is another question: pass 2.
    pub(super) fn signer(
        &self,
        hints: &KeyHints,
        trusted: &[TrustedCertificate],
        allowed: &Allowed,
        at: Timestamp,
    ) -> Result<SignerCertificate, SignatureFault> {
        let content = self.read()?;
        let mut fault = None;
        let mut tried = 0;
        for candidate in trusted {
            if !hints.select(candidate)? {
                continue;
            }
            if !candidate.validity.holds(at) {
                fault.get_or_insert(SignatureFault::CertificateNotValid);
                continue;
            }
            tried += 1;
            if tried > MAX_TRIED {
                let limit = "certificates that KeyInfo may mean";
                return Err(SignatureFault::Limit { place: self.position, limit });
            }
            match content.fit(&*Parsed::trusted(&candidate.der)?, allowed)? {
                Fit::Holds(signer) => return Ok(signer),
                // That the value does not fit says more than that a key cannot have made it.
                fit => match (&fit, &fault) {
                    (Fit::OtherKey, Some(SignatureFault::Invalid { .. })) => {}
                    _ => fault = Some(self.unfit(&fit)),
                },
            }
        }
        Err(fault.unwrap_or(SignatureFault::SignerNotTrusted {
            rule: "KeyInfo names no certificate registered for the signer",
        }))
    }

    /// What its KeyInfo says, with what that wants to be retrieved.
    pub(super) fn hints(
        &self,
        retrieval: &Retrieval,
        parts: &dyn Parts,
    ) -> Result<KeyHints, SignatureFault> {
        let mut hints = self.read()?.hints.clone();
        hints.add_parts(parts)?;
        let ids = hints.retrievals.clone();
        retrieval.of(&ids).try_for_each(|element| hints.retrieved(element))?;
        Ok(hints)
    }

    /// What it says, where it could be read.
    pub(super) fn read(&self) -> Result<&Content, SignatureFault> {
        self.content.as_ref().map_err(|_| SignatureFault::Invalid {
            place: self.position,
            rule: "the signature could not be read",
        })
    }

    pub(super) fn unfit(&self, fit: &Fit) -> SignatureFault {
        match fit {
            Fit::OtherKey => SignatureFault::AlgorithmNotAllowed {
                place: Some(self.position),
                rule: "the signer's key is none for this algorithm, or too weak",
            },
            Fit::Holds(_) | Fit::DoesNotHold => SignatureFault::Invalid {
                place: self.position,
                rule: "SignatureValue: it does not fit SignedInfo under the signer's key",
            },
        }
    }
}

impl Content {
    /// Whether the value holds under the key of a certificate.
    pub(super) fn fit(&self, certificate: &Parsed, allowed: &Allowed) -> Result<Fit, ErrorStack> {
        let (algorithm, kind) = (self.info.algorithm, certificate.kind);
        if !algorithm.fits(kind) || !kind.reaches(allowed.min_rsa_bits, allowed.min_ec_bits) {
            return Ok(Fit::OtherKey);
        }
        let (key, pss) = (&certificate.key, self.info.pss);
        let holds = algorithm.verify(pss, key, kind, &self.signed, &self.value)?;
        Ok(if holds { Fit::Holds(certificate.signer.clone()) } else { Fit::DoesNotHold })
    }
}

impl KeyHints {
    /// Whether they mean this certificate. No hint means none.
    fn select(&self, trusted: &TrustedCertificate) -> Result<bool, ErrorStack> {
        if self.certificates.contains(&trusted.der) {
            return Ok(true);
        }
        if self.selectors.is_empty() {
            return Ok(false);
        }
        let parsed = Parsed::trusted(&trusted.der)?;
        let selects = |s: &super::key_info::Selector| s.selects(&parsed.certificate, &trusted.der);
        Ok(self.selectors.iter().any(selects))
    }
}

/// A certificate with its key ready for use.
pub(super) struct Parsed {
    certificate: X509,
    key: PKey<Public>,
    kind: KeyKind,
    signer: SignerCertificate,
}

/// Most certificates of which the parsed form is remembered.
const REMEMBERED: usize = 512;

/// Parsing a certificate takes OpenSSL longer than checking a signature, and the trusted ones
/// come again with every message. The key of the map is the whole certificate.
static PARSED: LazyLock<Mutex<HashMap<Vec<u8>, Arc<Parsed>>>> = LazyLock::new(Mutex::default);

impl Parsed {
    pub(super) fn of(certificate: &X509) -> Result<Self, ErrorStack> {
        let key = certificate.public_key()?;
        let der = certificate.to_der()?;
        let fingerprint = Digest(sha256(&der));
        let subject = rfc4514(certificate.subject_name());
        let kind = KeyKind::of(&key);
        let certificate = certificate.clone();
        Ok(Self { certificate, key, kind, signer: SignerCertificate { der, fingerprint, subject } })
    }

    /// Whether its key may sign data: digitalSignature or nonRepudiation, where the certificate says
    /// anything about it (RFC 5280, 4.2.1.3).
    pub(super) fn may_sign(&self) -> bool {
        let signs = X509KeyUsage::DIGITAL_SIGNATURE | X509KeyUsage::NON_REPUDIATION;
        self.certificate.key_usage().is_none_or(|usage| usage.intersects(signs))
    }

    /// The same for a certificate that the caller trusts, from memory where possible.
    pub(super) fn trusted(der: &[u8]) -> Result<Arc<Self>, ErrorStack> {
        // Whoever panicked while holding the lock left whole entries behind.
        let memory = || PARSED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = memory().get(der) {
            return Ok(known.clone());
        }
        let parsed = Arc::new(Self::of(&X509::from_der(der)?)?);
        let mut memory = memory();
        if memory.len() >= REMEMBERED {
            memory.clear();
        }
        memory.insert(der.to_vec(), parsed.clone());
        Ok(parsed)
    }
}

/// A distinguished name as RFC 4514 writes it: last attribute first.
pub fn rfc4514(name: &X509NameRef) -> String {
    let mut entries: Vec<String> = name.entries().map(attribute).collect();
    entries.reverse();
    entries.join(",")
}

fn attribute(entry: &X509NameEntryRef) -> String {
    let nid = entry.object().nid();
    // The short names of RFC 4514, 3; anything else is written as its OID.
    let keyword = match nid {
        Nid::COMMONNAME => "CN",
        Nid::LOCALITYNAME => "L",
        Nid::STATEORPROVINCENAME => "ST",
        Nid::ORGANIZATIONNAME => "O",
        Nid::ORGANIZATIONALUNITNAME => "OU",
        Nid::COUNTRYNAME => "C",
        Nid::STREETADDRESS => "STREET",
        Nid::DOMAINCOMPONENT => "DC",
        Nid::USERID => "UID",
        _ => "",
    };
    let value = entry.data().to_string().map(|text| escaped(&text)).unwrap_or_default();
    if keyword.is_empty() {
        format!("{}={value}", entry.object())
    } else {
        format!("{keyword}={value}")
    }
}

/// RFC 4514, 2.4.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (n, c) in value.chars().enumerate() {
        match c {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => text.extend(['\\', c]),
            '#' | ' ' if n == 0 => text.extend(['\\', c]),
            ' ' if n == last => text.push_str("\\ "),
            c if c.is_control() => {
                let mut octets = [0; 4];
                for octet in c.encode_utf8(&mut octets).bytes() {
                    // Writing to a String cannot fail.
                    let _ = write!(text, "\\{octet:02X}");
                }
            }
            c => text.push(c),
        }
    }
    text
}
