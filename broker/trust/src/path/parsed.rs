//! What a certificate says, read from its DER (RFC 5280, 4.1 and 4.2): what the rules of this module
//! need and OpenSSL's interface does not show.

use super::der::{self, NotDer, Reader, tag};
use super::fault::{Broken, Reason};
use super::{MAX_CERTIFICATE_BYTES, MAX_EXTENSIONS, MAX_NAMES};

/// Content octets of the object identifiers of extensions.
pub(super) mod oid {
    /// id-ce-subjectDirectoryAttributes.
    pub(in crate::path) const DIRECTORY_ATTRIBUTES: &[u8] = &[0x55, 0x1d, 9];
    /// id-ce-subjectKeyIdentifier.
    pub(in crate::path) const SUBJECT_KEY: &[u8] = &[0x55, 0x1d, 14];
    /// id-ce-keyUsage.
    pub(in crate::path) const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
    /// id-ce-subjectAltName.
    pub(in crate::path) const SUBJECT_NAMES: &[u8] = &[0x55, 0x1d, 17];
    /// id-ce-basicConstraints.
    pub(in crate::path) const BASIC: &[u8] = &[0x55, 0x1d, 19];
    /// id-ce-nameConstraints.
    pub(in crate::path) const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 30];
    /// id-ce-cRLDistributionPoints.
    pub(in crate::path) const CRL_POINTS: &[u8] = &[0x55, 0x1d, 31];
    /// id-ce-certificatePolicies.
    pub(in crate::path) const POLICIES: &[u8] = &[0x55, 0x1d, 32];
    /// id-ce-policyMappings.
    pub(in crate::path) const POLICY_MAPPINGS: &[u8] = &[0x55, 0x1d, 33];
    /// id-ce-authorityKeyIdentifier.
    pub(in crate::path) const AUTHORITY_KEY: &[u8] = &[0x55, 0x1d, 35];
    /// id-ce-policyConstraints.
    pub(in crate::path) const POLICY_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 36];
    /// id-ce-extKeyUsage.
    pub(in crate::path) const EXTENDED_USAGE: &[u8] = &[0x55, 0x1d, 37];
    /// id-ce-freshestCRL.
    pub(in crate::path) const FRESHEST_CRL: &[u8] = &[0x55, 0x1d, 46];
    /// id-ce-inhibitAnyPolicy.
    pub(in crate::path) const INHIBIT_ANY: &[u8] = &[0x55, 0x1d, 54];
    /// id-pe-authorityInfoAccess.
    pub(in crate::path) const AUTHORITY_ACCESS: &[u8] =
        &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x01];
    /// id-pe-subjectInfoAccess.
    pub(in crate::path) const SUBJECT_ACCESS: &[u8] =
        &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x0b];
}

/// One extension.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extension<'a> {
    pub oid: &'a [u8],
    pub critical: bool,
    /// The DER inside its OCTET STRING.
    pub value: &'a [u8],
}

/// An AlgorithmIdentifier (RFC 5280, 4.1.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Algorithm<'a> {
    pub oid: &'a [u8],
    /// Its parameters as they stand; empty when there are none.
    pub parameters: &'a [u8],
}

impl<'a> Algorithm<'a> {
    pub(super) fn read(content: &'a [u8]) -> Result<Self, NotDer> {
        let mut reader = Reader::new(content);
        let oid = reader.expect(tag::OBJECT_IDENTIFIER)?.content;
        let parameters = if reader.is_empty() { &[] } else { reader.next()?.whole };
        reader.end()?;
        Ok(Self { oid, parameters })
    }
}

/// basicConstraints (RFC 5280, 4.2.1.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Basic {
    pub ca: bool,
    pub path_length: bool,
    pub critical: bool,
}

/// The bits of keyUsage (RFC 5280, 4.2.1.3); bit 0 is the highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyUsage(pub u16);

impl KeyUsage {
    pub(super) const DIGITAL_SIGNATURE: Self = Self(1 << 15);
    pub(super) const NON_REPUDIATION: Self = Self(1 << 14);
    pub(super) const KEY_ENCIPHERMENT: Self = Self(1 << 13);
    pub(super) const KEY_AGREEMENT: Self = Self(1 << 11);
    pub(super) const KEY_CERT_SIGN: Self = Self(1 << 10);

    /// Whether one of these bits is set.
    pub(super) fn any(self, wanted: &[Self]) -> bool {
        wanted.iter().any(|bit| self.0 & bit.0 != 0)
    }
}

/// A certificate, taken apart.
#[derive(Clone, Debug)]
pub(super) struct Parsed<'a> {
    /// As written: 2 means version 3.
    pub version: u8,
    /// Content octets of the serial number.
    pub serial: &'a [u8],
    /// The signature's algorithm, as the signed part has it.
    pub algorithm: Algorithm<'a>,
    /// Whether the part that is not signed says the same.
    pub algorithms_agree: bool,
    /// DER of the names.
    pub issuer: &'a [u8],
    pub subject: &'a [u8],
    /// The algorithm of the public key.
    pub key: Algorithm<'a>,
    pub extensions: Vec<Extension<'a>>,
}

/// DER of a name without attributes.
const EMPTY_NAME: &[u8] = &[tag::SEQUENCE, 0];

impl<'a> Parsed<'a> {
    /// Takes a certificate apart.
    pub(super) fn read(der: &'a [u8]) -> Result<Self, Broken> {
        if der.len() > MAX_CERTIFICATE_BYTES {
            return Err(Broken(Reason::TooLarge, "largest certificate"));
        }
        let parsed = Self::certificate(der)
            .map_err(|NotDer| Broken(Reason::Malformed, "RFC 5280, 4.1: Certificate"))?;
        if parsed.extensions.len() > MAX_EXTENSIONS {
            return Err(Broken(Reason::TooLarge, "extensions of one certificate"));
        }
        Ok(parsed)
    }

    fn certificate(der: &'a [u8]) -> Result<Self, NotDer> {
        let mut certificate = Reader::within(der, tag::SEQUENCE)?;
        let mut signed = certificate.enter(tag::SEQUENCE)?;
        let outer = certificate.expect(tag::SEQUENCE)?;
        certificate.expect(tag::BIT_STRING)?;
        certificate.end()?;
        let version = match signed.optional(tag::constructed(0))? {
            None => 0,
            Some(tagged) => match Reader::within(tagged.content, tag::INTEGER)?.rest() {
                [version] => *version,
                _ => return Err(NotDer),
            },
        };
        let serial = signed.expect(tag::INTEGER)?.content;
        let inner = signed.expect(tag::SEQUENCE)?;
        let issuer = signed.expect(tag::SEQUENCE)?.whole;
        signed.expect(tag::SEQUENCE)?; // The validity: OpenSSL shows it.
        let subject = signed.expect(tag::SEQUENCE)?.whole;
        let key_info = signed.expect(tag::SEQUENCE)?;
        signed.optional(tag::context(1))?;
        signed.optional(tag::context(2))?;
        let extensions = match signed.optional(tag::constructed(3))? {
            None => Vec::new(),
            Some(tagged) => extensions(tagged.content)?,
        };
        signed.end()?;
        Ok(Self {
            version,
            serial,
            algorithm: Algorithm::read(inner.content)?,
            algorithms_agree: inner.whole == outer.whole,
            issuer,
            subject,
            key: Algorithm::read(Reader::new(key_info.content).expect(tag::SEQUENCE)?.content)?,
            extensions,
        })
    }

    /// An extension.
    pub(super) fn extension(&self, oid: &[u8]) -> Option<&Extension<'a>> {
        self.extensions.iter().find(|extension| extension.oid == oid)
    }

    /// Whether issuer and subject are one (RFC 5280, 3.2: self-issued).
    pub(super) fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    pub(super) fn has_subject(&self) -> bool {
        self.subject != EMPTY_NAME
    }

    pub(super) fn has_issuer(&self) -> bool {
        self.issuer != EMPTY_NAME
    }

    /// basicConstraints, where there are some.
    pub(super) fn basic(&self) -> Result<Option<Basic>, Broken> {
        let Some(extension) = self.extension(oid::BASIC) else { return Ok(None) };
        let read = || -> Result<Basic, NotDer> {
            let mut fields = Reader::within(extension.value, tag::SEQUENCE)?;
            let ca = fields.optional(tag::BOOLEAN)?;
            let ca = ca.map_or(Ok(false), |ca| der::boolean(ca.content))?;
            let path_length = fields.optional(tag::INTEGER)?.is_some();
            fields.end()?;
            Ok(Basic { ca, path_length, critical: extension.critical })
        };
        let rule = "RFC 5280, 4.2.1.9: basicConstraints";
        read().map(Some).map_err(|NotDer| Broken(Reason::Malformed, rule))
    }

    /// keyUsage, where there is one.
    pub(super) fn key_usage(&self) -> Result<Option<KeyUsage>, Broken> {
        let Some(extension) = self.extension(oid::KEY_USAGE) else { return Ok(None) };
        let read = || -> Result<KeyUsage, NotDer> {
            let mut reader = Reader::new(extension.value);
            let bits = reader.expect(tag::BIT_STRING)?.content;
            reader.end()?;
            match bits {
                [0..=7, high] => Ok(KeyUsage(u16::from_be_bytes([*high, 0]))),
                [0..=7, high, low] => Ok(KeyUsage(u16::from_be_bytes([*high, *low]))),
                _ => Err(NotDer),
            }
        };
        let rule = "RFC 5280, 4.2.1.3: keyUsage";
        read().map(Some).map_err(|NotDer| Broken(Reason::Malformed, rule))
    }

    /// The uses of extKeyUsage (RFC 5280, 4.2.1.12), where there are some: at least one.
    pub(super) fn extended_usage(&self) -> Result<Option<Vec<&'a [u8]>>, Broken> {
        const RULE: &str = "RFC 5280, 4.2.1.12: extKeyUsage";
        let Some(extension) = self.extension(oid::EXTENDED_USAGE) else { return Ok(None) };
        let malformed = |NotDer| Broken(Reason::Malformed, RULE);
        let mut reader = Reader::within(extension.value, tag::SEQUENCE).map_err(malformed)?;
        let mut uses = Vec::new();
        while !reader.is_empty() {
            if uses.len() == MAX_NAMES {
                return Err(Broken(Reason::TooLarge, RULE));
            }
            uses.push(reader.expect(tag::OBJECT_IDENTIFIER).map_err(malformed)?.content);
        }
        if uses.is_empty() { Err(malformed(NotDer)) } else { Ok(Some(uses)) }
    }
}

fn extensions(tagged: &[u8]) -> Result<Vec<Extension<'_>>, NotDer> {
    let mut list = Reader::within(tagged, tag::SEQUENCE)?;
    let mut extensions = Vec::new();
    // RFC 5280, 4.1: SIZE (1..MAX). One too many is enough to know.
    while extensions.is_empty() || (!list.is_empty() && extensions.len() <= MAX_EXTENSIONS) {
        let mut fields = list.enter(tag::SEQUENCE)?;
        let oid = fields.expect(tag::OBJECT_IDENTIFIER)?.content;
        let critical = fields.optional(tag::BOOLEAN)?;
        let critical = critical.map_or(Ok(false), |flag| der::boolean(flag.content))?;
        let value = fields.expect(tag::OCTET_STRING)?.content;
        fields.end()?;
        extensions.push(Extension { oid, critical, value });
    }
    Ok(extensions)
}
