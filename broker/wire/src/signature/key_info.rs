//! `KeyInfo`: hints at the signer's certificate. They only select among certificates; none of them
//! gives trust, and `KeyValue` and `KeyName` do not even select.

use std::io::Read;

use openssl::bn::BigNum;
use openssl::x509::X509Ref;

use super::algorithm::DigestAlgorithm;
use super::fault::SignatureFault;
use super::names::DistinguishedName;
use super::parts::Parts;
use super::signed_info::{DSIG, octets};
use super::tree::Element;

/// Namespaces of XML Signature 1.1 and WS-Security.
pub(super) const DSIG11: &str = "http://www.w3.org/2009/xmldsig11#";
pub(super) const WSSE: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";

/// Most certificates in one `KeyInfo`, what it retrieves included.
const MAX_CERTIFICATES: usize = 8;
/// Most octets of one certificate that is a part.
const MAX_CERTIFICATE_BYTES: u64 = 64 * 1024;
/// Most other hints in one `KeyInfo`.
const MAX_SELECTORS: usize = 16;
/// Most elements from which one `KeyInfo` retrieves.
const MAX_RETRIEVALS: usize = 4;

/// What a `KeyInfo` says.
#[derive(Clone, Debug, Default)]
pub(super) struct KeyHints {
    /// DER of certificates.
    pub(super) certificates: Vec<Vec<u8>>,
    pub(super) selectors: Vec<Selector>,
    /// Identifiers of elements of the same document that hold certificates.
    pub(super) retrievals: Vec<String>,
    /// URIs of parts that are certificates, in DER.
    part_retrievals: Vec<String>,
}

/// By what a certificate is known.
#[derive(Clone, Debug)]
pub(super) enum Selector {
    /// Issuer, and serial number in decimal digits.
    IssuerSerial(DistinguishedName, String),
    Subject(DistinguishedName),
    /// The extension subjectKeyIdentifier.
    KeyIdentifier(Vec<u8>),
    Digest(DigestAlgorithm, Vec<u8>),
}

impl KeyHints {
    pub(super) fn parse(key_info: &Element) -> Result<Self, SignatureFault> {
        let mut hints = Self::default();
        for child in key_info.elements() {
            match (child.tag.namespace.as_str(), child.tag.local.as_str()) {
                (DSIG, "X509Data") => hints.x509_data(child)?,
                (DSIG, "RetrievalMethod") => hints.retrieval_method(child)?,
                (WSSE, "SecurityTokenReference") => hints.token_reference(child)?,
                // KeyValue, KeyName and whatever else there is say nothing here.
                _ => {}
            }
        }
        Ok(hints)
    }

    /// Whether it says nothing by which a certificate could be selected.
    pub(super) fn is_empty(&self) -> bool {
        self.certificates.is_empty()
            && self.selectors.is_empty()
            && self.retrievals.is_empty()
            && self.part_retrievals.is_empty()
    }

    /// Adds what an element holds that was retrieved.
    pub(super) fn retrieved(&mut self, element: &Element) -> Result<(), SignatureFault> {
        if element.tag.is(DSIG, "X509Data") {
            return self.x509_data(element);
        }
        // The text of the element is a certificate, or X509Data is its child (OSCI-Transport 1.2).
        match element.elements().next() {
            None => self.certificate(element),
            Some(_) => {
                let data = element.elements().filter(|e| e.tag.is(DSIG, "X509Data"));
                data.into_iter().try_for_each(|data| self.x509_data(data))
            }
        }
    }

    fn certificate(&mut self, element: &Element) -> Result<(), SignatureFault> {
        if self.certificates.len() == MAX_CERTIFICATES {
            let place = element.tag.position;
            return Err(SignatureFault::Limit { place, limit: "certificates in KeyInfo" });
        }
        self.certificates.push(octets(element)?);
        Ok(())
    }

    fn selector(&mut self, at: &Element, selector: Option<Selector>) -> Result<(), SignatureFault> {
        if self.selectors.len() == MAX_SELECTORS {
            let place = at.tag.position;
            return Err(SignatureFault::Limit { place, limit: "hints in KeyInfo" });
        }
        // What cannot be read selects nothing.
        self.selectors.extend(selector);
        Ok(())
    }

    fn x509_data(&mut self, data: &Element) -> Result<(), SignatureFault> {
        for child in data.elements() {
            let name = || DistinguishedName::parse(&child.text()?);
            match (child.tag.namespace.as_str(), child.tag.local.as_str()) {
                (DSIG, "X509Certificate") => self.certificate(child)?,
                (DSIG, "X509IssuerSerial") => self.selector(child, issuer_serial(child))?,
                (DSIG, "X509SubjectName") => self.selector(child, name().map(Selector::Subject))?,
                (DSIG, "X509SKI") => {
                    let identifier = octets(child)?;
                    self.selector(child, Some(Selector::KeyIdentifier(identifier)))?;
                }
                (DSIG11, "X509Digest") => {
                    let algorithm = child.tag.attribute("Algorithm");
                    let algorithm = algorithm.and_then(DigestAlgorithm::from_uri);
                    let digest = octets(child)?;
                    let selector = algorithm.map(|algorithm| Selector::Digest(algorithm, digest));
                    self.selector(child, selector)?;
                }
                // Revocation lists are not taken from a message.
                _ => {}
            }
        }
        Ok(())
    }

    fn retrieval_method(&mut self, method: &Element) -> Result<(), SignatureFault> {
        let (raw, of_certificate) = match method.tag.attribute("Type") {
            None => (false, true),
            Some(kind) => match kind.strip_prefix(DSIG) {
                Some("rawX509Certificate") => (true, true),
                kind => (false, kind == Some("X509Data")),
            },
        };
        let uri = method.tag.attribute("URI").unwrap_or_default();
        // Transforms could make anything out of anything.
        if !of_certificate || method.elements().next().is_some() {
            return Ok(());
        }
        if raw && !uri.is_empty() && !uri.starts_with('#') {
            self.more_retrievals(method)?;
            self.part_retrievals.push(uri.to_owned());
            return Ok(());
        }
        self.retrieval(method, Some(uri))
    }

    fn retrieval(&mut self, at: &Element, uri: Option<&str>) -> Result<(), SignatureFault> {
        let id = uri.and_then(|uri| uri.strip_prefix('#')).filter(|id| !id.is_empty());
        let Some(id) = id else { return Ok(()) };
        self.more_retrievals(at)?;
        self.retrievals.push(id.to_owned());
        Ok(())
    }

    fn more_retrievals(&self, at: &Element) -> Result<(), SignatureFault> {
        if self.retrievals.len() + self.part_retrievals.len() == MAX_RETRIEVALS {
            let place = at.tag.position;
            return Err(SignatureFault::Limit { place, limit: "retrievals in KeyInfo" });
        }
        Ok(())
    }

    /// Adds the certificates that are parts, where the caller has them.
    pub(super) fn add_parts(&mut self, parts: &dyn Parts) -> Result<(), SignatureFault> {
        for uri in &self.part_retrievals {
            let Some(part) = parts.open(uri)? else { continue };
            let mut der = Vec::new();
            part.take(MAX_CERTIFICATE_BYTES).read_to_end(&mut der)?;
            self.certificates.push(der);
        }
        Ok(())
    }

    /// WS-Security X.509 Certificate Token Profile 1.1.1.
    fn token_reference(&mut self, reference: &Element) -> Result<(), SignatureFault> {
        for child in reference.elements() {
            let kind = child.tag.attribute("ValueType").unwrap_or_default();
            match (child.tag.namespace.as_str(), child.tag.local.as_str()) {
                (WSSE, "Reference") => self.retrieval(child, child.tag.attribute("URI"))?,
                (WSSE, "KeyIdentifier") => {
                    let octets = octets(child)?;
                    let selector = match kind.rsplit('#').next() {
                        Some("X509SubjectKeyIdentifier") => Some(Selector::KeyIdentifier(octets)),
                        Some("ThumbprintSHA1") => {
                            Some(Selector::Digest(DigestAlgorithm::Sha1, octets))
                        }
                        _ => None,
                    };
                    self.selector(child, selector)?;
                }
                (DSIG, "X509Data") => self.x509_data(child)?,
                _ => {}
            }
        }
        Ok(())
    }
}

fn issuer_serial(element: &Element) -> Option<Selector> {
    let text = |local| element.elements().find(|e| e.tag.is(DSIG, local)).and_then(Element::text);
    let issuer = DistinguishedName::parse(&text("X509IssuerName")?)?;
    let serial = text("X509SerialNumber")?;
    // RFC 5280, 4.1.2.2: at most 20 octets, 49 digits; some certificates have one more.
    let serial = serial.trim();
    let digits = serial.len() <= 60 && serial.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| BigNum::from_dec_str(serial).ok())??;
    Some(Selector::IssuerSerial(issuer, number.to_dec_str().ok()?.to_string()))
}

impl Selector {
    /// Whether this is the certificate, or one of those, that is meant.
    pub(super) fn selects(&self, certificate: &X509Ref, der: &[u8]) -> bool {
        match self {
            Self::IssuerSerial(issuer, serial) => {
                let own = certificate.serial_number().to_bn().and_then(|n| n.to_dec_str());
                own.is_ok_and(|own| own.as_bytes() == serial.as_bytes())
                    && DistinguishedName::of(certificate.issuer_name()) == *issuer
            }
            Self::Subject(subject) => DistinguishedName::of(certificate.subject_name()) == *subject,
            Self::KeyIdentifier(identifier) => {
                certificate.subject_key_id().is_some_and(|own| own.as_slice() == identifier)
            }
            Self::Digest(algorithm, digest) => {
                let own = openssl::hash::hash(algorithm.message_digest(), der);
                own.is_ok_and(|own| *own == **digest)
            }
        }
    }
}
