//! Certificates from PEM and DER files. Private keys have no business in them and are refused, in
//! whatever form they come; nothing of such a file is kept.

mod private;

use std::fmt;
use std::path::Path;

use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::TrustedCertificate;
use amtsbote_domain::validity::Validity;
use amtsbote_wire::signature::rfc4514;
use openssl::x509::{X509, X509Ref};

use crate::error::TrustError;
use crate::files;
use crate::validity;

/// Longest PEM text that is read, in bytes.
pub const MAX_PEM_BYTES: usize = files::MAX_FILE_BYTES as usize;
/// Most certificates in one file.
pub const MAX_CERTIFICATES: usize = 256;

/// A certificate and what is asked of it most.
#[derive(Clone)]
pub struct Certificate {
    x509: X509,
    der: Vec<u8>,
    fingerprint: Digest,
    validity: Validity,
    subject: String,
    issuer: String,
}

impl Certificate {
    /// Reads its facts.
    pub fn new(x509: X509) -> Result<Self, TrustError> {
        let der = x509.to_der()?;
        Ok(Self {
            fingerprint: Digest(openssl::sha::sha256(&der)),
            validity: validity::of(&x509)?,
            subject: rfc4514(x509.subject_name()),
            issuer: rfc4514(x509.issuer_name()),
            der,
            x509,
        })
    }

    /// Reads DER.
    pub fn from_der(der: &[u8]) -> Result<Self, TrustError> {
        let x509 = X509::from_der(der).map_err(|_| TrustError::Malformed)?;
        let certificate = Self::new(x509)?;
        // OpenSSL stops at the end of the certificate; what was compared must be what is used.
        if certificate.der != der {
            return Err(TrustError::Malformed);
        }
        Ok(certificate)
    }

    /// SHA-256 over its DER.
    pub fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    /// Its own validity; both of its dates belong to it.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// Its subject as RFC 4514 writes it.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Its issuer as RFC 4514 writes it.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Its serial number in hexadecimal digits.
    pub fn serial(&self) -> Result<String, TrustError> {
        Ok(self.x509.serial_number().to_bn()?.to_hex_str()?.to_ascii_lowercase())
    }

    /// Its DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// As PEM text.
    pub fn to_pem(&self) -> Result<Vec<u8>, TrustError> {
        Ok(self.x509.to_pem()?)
    }

    /// As OpenSSL knows it.
    pub fn x509(&self) -> &X509Ref {
        &self.x509
    }

    /// For a party of the directory.
    pub fn trusted(&self) -> TrustedCertificate {
        TrustedCertificate {
            fingerprint: self.fingerprint,
            der: self.der.clone(),
            validity: self.validity,
        }
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.subject)
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

/// All certificates of a PEM text, in order, or the one of a DER file: 1 to [`MAX_CERTIFICATES`] in
/// at most [`MAX_PEM_BYTES`]. Text between the blocks of PEM is no matter; blocks of other kinds
/// are refused.
pub fn read_certificates(octets: &[u8]) -> Result<Vec<Certificate>, TrustError> {
    const SEQUENCE: u8 = 0x30;
    if octets.len() > MAX_PEM_BYTES {
        return Err(TrustError::TooLarge);
    }
    let labels = labels(octets);
    let is_key = labels.iter().any(|label| holds(label, b"PRIVATE KEY"));
    if is_key || private::is_private_key(octets) {
        return Err(TrustError::PrivateKeyFound);
    }
    if octets.first() == Some(&SEQUENCE) && labels.is_empty() {
        return Ok(vec![Certificate::from_der(octets)?]);
    }
    read_pem(octets, &labels)
}

fn read_pem(pem: &[u8], labels: &[&[u8]]) -> Result<Vec<Certificate>, TrustError> {
    if labels.is_empty() {
        return Err(TrustError::NoCertificate);
    }
    if labels.len() > MAX_CERTIFICATES {
        return Err(TrustError::TooMany);
    }
    if labels.iter().any(|label| !matches!(*label, b"CERTIFICATE" | b"X509 CERTIFICATE")) {
        return Err(TrustError::Malformed);
    }
    let read = X509::stack_from_pem(pem).map_err(|_| TrustError::Malformed)?;
    // A block that OpenSSL passes over must not go unseen.
    if read.len() != labels.len() {
        return Err(TrustError::Malformed);
    }
    read.into_iter().map(Certificate::new).collect()
}

/// The one certificate of a PEM text.
pub fn read_certificate(pem: &[u8]) -> Result<Certificate, TrustError> {
    let mut all = read_certificates(pem)?;
    match (all.pop(), all.is_empty()) {
        (Some(certificate), true) => Ok(certificate),
        (Some(_), false) => Err(TrustError::TooMany),
        (None, _) => Err(TrustError::NoCertificate),
    }
}

/// All certificates of a file. If there is a private key in it, what was read is overwritten.
pub fn load_certificates(path: &Path) -> Result<Vec<Certificate>, TrustError> {
    let octets = files::read(path)?;
    read_certificates(&octets.0).map_err(|error| error.about(path))
}

/// The one certificate of a file.
pub fn load_certificate(path: &Path) -> Result<Certificate, TrustError> {
    let octets = files::read(path)?;
    read_certificate(&octets.0).map_err(|error| error.about(path))
}

/// The labels of the blocks of a PEM text (RFC 7468): what stands behind `-----BEGIN `.
pub(crate) fn labels(pem: &[u8]) -> Vec<&[u8]> {
    const BEGIN: &[u8] = b"-----BEGIN ";
    let mut labels = Vec::new();
    let mut rest = pem;
    while let Some(at) = rest.windows(BEGIN.len()).position(|window| window == BEGIN) {
        rest = &rest[at + BEGIN.len()..];
        let end = rest.windows(5).position(|window| window == b"-----").unwrap_or(rest.len());
        labels.push(&rest[..end]);
        rest = &rest[end..];
    }
    labels
}

fn holds(label: &[u8], word: &[u8]) -> bool {
    label.windows(word.len()).any(|window| window == word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testca::tests::{ca, issue};
    use crate::testca::{KeyKind, Purpose};
    use amtsbote_domain::text::Language;

    #[test]
    fn one_and_several_are_read_in_order() {
        let (a, b) = (issue("TEST a", Purpose::Client), issue("TEST b", Purpose::Client));
        let mut pem = b"some text\n".to_vec();
        pem.extend(a.certificate().to_pem().expect("pem"));
        pem.extend(b"more text\n");
        pem.extend(b.certificate().to_pem().expect("pem"));
        let read = read_certificates(&pem).expect("two");
        assert_eq!(read, [a.certificate().clone(), b.certificate().clone()]);
        assert!(matches!(read_certificate(&pem), Err(TrustError::TooMany)));
        let trusted = read[0].trusted();
        assert_eq!(trusted.fingerprint.0, openssl::sha::sha256(&trusted.der));
        assert_eq!(Certificate::from_der(&trusted.der).expect("der"), read[0]);
    }

    #[test]
    fn a_private_key_is_refused_wherever_it_stands() {
        let ca = ca(KeyKind::EcP256);
        let issued = issue("TEST a", Purpose::Client);
        let certificate = issued.certificate().to_pem().expect("pem");
        let key = issued.key_pem().expect("pem");
        let encrypted = ca.encrypted_key_pem_for_tests(b"geheim");
        for key in [&key, &encrypted, &b"-----BEGIN RSA PRIVATE KEY-----\ntruncated".to_vec()] {
            for pem in
                [key.clone(), [&certificate[..], key].concat(), [key, &certificate[..]].concat()]
            {
                let error = read_certificates(&pem).expect_err("refused");
                assert!(matches!(error, TrustError::PrivateKeyFound), "{error}");
                assert_ne!(error.text(Language::De), error.text(Language::En));
            }
        }
    }

    #[test]
    fn der_holds_exactly_one() {
        let issued = issue("TEST a", Purpose::Client);
        let der = issued.certificate().der();
        assert_eq!(read_certificates(der).expect("one"), [issued.certificate().clone()]);
        assert_eq!(read_certificate(der).expect("one"), *issued.certificate());
        let key = openssl::pkey::PKey::private_key_from_pem(&issued.key_pem().expect("pem"));
        let key = key.expect("a key").private_key_to_pkcs8().expect("der");
        assert!(matches!(read_certificates(&key), Err(TrustError::PrivateKeyFound)));
        for bad in [[der, der].concat(), [der, &key].concat(), der[..der.len() / 2].to_vec()] {
            assert!(matches!(read_certificates(&bad), Err(TrustError::Malformed)));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_octets_are_read_or_refused(octets in proptest::collection::vec(0u8.., 0..200)) {
            drop(read_certificates(&octets));
            let armoured = [b"-----BEGIN CERTIFICATE-----\n", &octets[..]].concat();
            drop(read_certificates(&armoured));
        }

        #[test]
        fn a_changed_certificate_is_read_or_refused(at in 0usize..4096, octet in 0u8..) {
            let mut der = ca(KeyKind::EcP256).certificate().der().to_vec();
            let at = at % der.len();
            der[at] = octet;
            // What is read is what was there, octet by octet.
            if let Ok(read) = read_certificates(&der) {
                proptest::prop_assert_eq!(read[0].der(), &der[..]);
            }
        }
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        let pem = issue("TEST a", Purpose::Client).certificate().to_pem().expect("pem");
        let text = String::from_utf8(pem.clone()).expect("ASCII");
        let damaged = text.replace("MII", "MJJ");
        let bad_block =
            format!("{text}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        let other = format!("{text}-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n");
        for bad in [damaged, bad_block, other, text[..text.len() / 2].to_owned()] {
            assert!(
                matches!(read_certificates(bad.as_bytes()), Err(TrustError::Malformed)),
                "{bad}"
            );
        }
        assert!(matches!(read_certificates(b""), Err(TrustError::NoCertificate)));
        assert!(matches!(
            read_certificates(&vec![b' '; MAX_PEM_BYTES + 1]),
            Err(TrustError::TooLarge)
        ));
        let many = pem.repeat(MAX_CERTIFICATES + 1);
        assert!(matches!(read_certificates(&many), Err(TrustError::TooMany)));
        assert!(Certificate::from_der(b"0\x82").is_err());
        let mut longer = issue("TEST a", Purpose::Client).certificate().der().to_vec();
        longer.push(0);
        assert!(Certificate::from_der(&longer).is_err());
    }

    #[test]
    fn a_file_is_named_in_its_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("mixed.pem");
        std::fs::write(&path, issue("TEST a", Purpose::Client).key_pem().expect("pem"))
            .expect("written");
        let error = load_certificate(&path).expect_err("refused");
        assert!(matches!(error.reason(), TrustError::PrivateKeyFound));
        assert!(error.text(Language::De).contains("mixed.pem"));
        let error = load_certificates(&folder.path().join("absent")).expect_err("refused");
        assert!(matches!(error.reason(), TrustError::Io(_)));
    }
}
