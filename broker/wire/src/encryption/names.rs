//! Whether a hint of `KeyInfo` means a certificate.

use openssl::x509::{X509, X509NameRef, X509Ref};

use super::key_info::Hint;
use crate::signature::names::DistinguishedName;

/// A certificate, ready to be compared with hints.
pub(super) struct Known {
    certificate: X509,
    der: Vec<u8>,
}

impl Known {
    pub(super) fn new(der: &[u8]) -> Option<Self> {
        Some(Self { certificate: X509::from_der(der).ok()?, der: der.to_vec() })
    }

    pub(super) fn certificate(&self) -> &X509Ref {
        &self.certificate
    }

    /// Whether the hint means this certificate. A name for a key, and what stands elsewhere, are
    /// other questions.
    pub(super) fn is_meant(&self, hint: &Hint) -> bool {
        let certificate = &self.certificate;
        match hint {
            Hint::Certificate(der) => *der == self.der,
            Hint::IssuerSerial(issuer, serial) => {
                let own = certificate.serial_number().to_bn().and_then(|n| n.to_dec_str());
                own.is_ok_and(|own| **own == *serial.trim_start_matches('0'))
                    && same_name(certificate.issuer_name(), issuer)
            }
            Hint::Subject(subject) => same_name(certificate.subject_name(), subject),
            Hint::KeyIdentifier(id) => {
                certificate.subject_key_id().is_some_and(|own| own.as_slice() == id)
            }
            Hint::Digest(Some(digest), value) => {
                certificate.digest(digest.message_digest()).is_ok_and(|own| *own == **value)
            }
            Hint::Digest(None, _) | Hint::Name(_) | Hint::Elsewhere(_) => false,
        }
    }
}

fn same_name(name: &X509NameRef, text: &str) -> bool {
    DistinguishedName::parse(text).is_some_and(|said| said == DistinguishedName::of(name))
}
