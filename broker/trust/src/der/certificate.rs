//! What a certificate says (RFC 5280, 4.1 and 4.2), taken apart once for whoever judges paths and
//! for whoever asks about revocation. It judges nothing.

use super::{
    BIT_STRING, INTEGER, Malformed, OCTET_STRING, OID, Reader, SEQUENCE, constructed, only,
    primitive,
};

/// Largest certificate that is judged, in octets.
pub const MAX_CERTIFICATE_BYTES: usize = 64 * 1024;
/// Most extensions in one place.
pub const MAX_EXTENSIONS: usize = 64;

/// Content octets of the object identifiers of extensions.
pub(crate) mod oid {
    /// id-ce-subjectDirectoryAttributes.
    pub(crate) const DIRECTORY_ATTRIBUTES: &[u8] = &[0x55, 0x1d, 9];
    /// id-ce-subjectKeyIdentifier.
    pub(crate) const SUBJECT_KEY: &[u8] = &[0x55, 0x1d, 14];
    /// id-ce-keyUsage.
    pub(crate) const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
    /// id-ce-subjectAltName.
    pub(crate) const SUBJECT_NAMES: &[u8] = &[0x55, 0x1d, 17];
    /// id-ce-basicConstraints.
    pub(crate) const BASIC: &[u8] = &[0x55, 0x1d, 19];
    /// id-ce-nameConstraints.
    pub(crate) const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 30];
    /// id-ce-cRLDistributionPoints.
    pub(crate) const CRL_POINTS: &[u8] = &[0x55, 0x1d, 31];
    /// id-ce-certificatePolicies.
    pub(crate) const POLICIES: &[u8] = &[0x55, 0x1d, 32];
    /// id-ce-policyMappings.
    pub(crate) const POLICY_MAPPINGS: &[u8] = &[0x55, 0x1d, 33];
    /// id-ce-authorityKeyIdentifier.
    pub(crate) const AUTHORITY_KEY: &[u8] = &[0x55, 0x1d, 35];
    /// id-ce-policyConstraints.
    pub(crate) const POLICY_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 36];
    /// id-ce-extKeyUsage.
    pub(crate) const EXTENDED_USAGE: &[u8] = &[0x55, 0x1d, 37];
    /// id-ce-freshestCRL.
    pub(crate) const FRESHEST_CRL: &[u8] = &[0x55, 0x1d, 46];
    /// id-ce-inhibitAnyPolicy.
    pub(crate) const INHIBIT_ANY: &[u8] = &[0x55, 0x1d, 54];
    /// id-pe-authorityInfoAccess.
    pub(crate) const AUTHORITY_ACCESS: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x01];
    /// id-pe-subjectInfoAccess.
    pub(crate) const SUBJECT_ACCESS: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x0b];
}

/// One extension (RFC 5280, 4.2; RFC 6960, 4.4).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extension<'a> {
    pub(crate) oid: &'a [u8],
    pub(crate) critical: bool,
    /// The DER inside its OCTET STRING.
    pub(crate) value: &'a [u8],
}

/// The extensions of a SEQUENCE OF, one more than [`MAX_EXTENSIONS`] where there are too many. One may
/// occur twice.
fn all_extensions(mut list: Reader<'_>) -> Result<Vec<Extension<'_>>, Malformed> {
    let mut found = Vec::new();
    while !list.is_empty() && found.len() <= MAX_EXTENSIONS {
        let mut fields = list.inside(SEQUENCE)?;
        let oid = fields.read(OID)?;
        let critical = fields.flag(super::BOOLEAN)?;
        let value = fields.read(OCTET_STRING)?;
        fields.end()?;
        found.push(Extension { oid, critical, value });
    }
    Ok(found)
}

/// The same, at most [`MAX_EXTENSIONS`], of which none occurs twice.
pub(crate) fn extensions(list: Reader<'_>) -> Result<Vec<Extension<'_>>, Malformed> {
    let found = all_extensions(list)?;
    if found.len() > MAX_EXTENSIONS || repeats(&found) { Err(Malformed) } else { Ok(found) }
}

/// Whether one of them occurs twice.
pub(crate) fn repeats(extensions: &[Extension<'_>]) -> bool {
    let earlier = |n: usize, oid| extensions[..n].iter().any(|earlier| earlier.oid == oid);
    extensions.iter().enumerate().any(|(n, extension)| earlier(n, extension.oid))
}

/// An AlgorithmIdentifier (RFC 5280, 4.1.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AlgorithmIdentifier<'a> {
    pub(crate) oid: &'a [u8],
    /// Its parameters as they stand; empty when there are none.
    pub(crate) parameters: &'a [u8],
}

impl<'a> AlgorithmIdentifier<'a> {
    /// Reads a whole one, which is all that the octets are.
    pub(crate) fn read(octets: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Reader::only(octets, SEQUENCE)?;
        let oid = fields.read(OID)?;
        let parameters = if fields.is_empty() { &[] } else { fields.any()?.whole };
        fields.end()?;
        Ok(Self { oid, parameters })
    }

    /// Whether it has no parameters, or NULL for them.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self.parameters, [] | [super::NULL, 0])
    }
}

/// basicConstraints (RFC 5280, 4.2.1.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Basic {
    pub(crate) ca: bool,
    pub(crate) path_length: bool,
    pub(crate) critical: bool,
}

/// The bits of keyUsage (RFC 5280, 4.2.1.3); bit 0 is the highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyUsage(u16);

impl KeyUsage {
    pub(crate) const DIGITAL_SIGNATURE: Self = Self(1 << 15);
    pub(crate) const NON_REPUDIATION: Self = Self(1 << 14);
    pub(crate) const KEY_ENCIPHERMENT: Self = Self(1 << 13);
    pub(crate) const KEY_AGREEMENT: Self = Self(1 << 11);
    pub(crate) const KEY_CERT_SIGN: Self = Self(1 << 10);
    pub(crate) const CRL_SIGN: Self = Self(1 << 9);

    /// X.690, 11.2.1: bits that are not there are zero. OpenSSL passes over them; whoever reads
    /// them sees usages that the issuer never gave.
    fn read(extension: &[u8]) -> Result<Self, Malformed> {
        let (unused, bits) = match only(extension, |reader| reader.read(BIT_STRING))? {
            [unused @ 0..=7, high] => (unused, [*high, 0]),
            [unused @ 0..=7, high, low] => (unused, [*high, *low]),
            _ => return Err(Malformed),
        };
        let last = if extension.len() == 4 { bits[0] } else { bits[1] };
        let stray = u32::from(last).trailing_zeros() < u32::from(*unused) && last != 0;
        if stray { Err(Malformed) } else { Ok(Self(u16::from_be_bytes(bits))) }
    }

    /// Whether one of these bits is set.
    pub(crate) fn any(self, wanted: &[Self]) -> bool {
        wanted.iter().any(|bit| self.0 & bit.0 != 0)
    }
}

/// A certificate, taken apart. All of it stands as it does in the DER.
#[derive(Clone, Debug)]
pub(crate) struct Parsed<'a> {
    /// As written: 2 means version 3.
    pub(crate) version: u8,
    /// Content octets of the serial number.
    pub(crate) serial: &'a [u8],
    /// The signature's algorithm, as the signed part has it.
    pub(crate) algorithm: AlgorithmIdentifier<'a>,
    /// Whether the part that is not signed says the same.
    pub(crate) algorithms_agree: bool,
    /// A whole Name.
    pub(crate) issuer: &'a [u8],
    /// A whole Name.
    pub(crate) subject: &'a [u8],
    /// The SubjectPublicKeyInfo, whole.
    pub(crate) key_info: &'a [u8],
    /// The algorithm of the public key.
    pub(crate) key_algorithm: AlgorithmIdentifier<'a>,
    /// The octets of the public key alone.
    pub(crate) key: &'a [u8],
    /// One may occur twice; one more than [`MAX_EXTENSIONS`] where there are too many.
    pub(crate) extensions: Vec<Extension<'a>>,
    /// What is signed, and with what result.
    pub(crate) signed: &'a [u8],
    pub(crate) signature_algorithm: &'a [u8],
    pub(crate) signature: &'a [u8],
}

/// A name without attributes.
const EMPTY_NAME: &[u8] = &[SEQUENCE, 0];

impl<'a> Parsed<'a> {
    /// Takes a certificate of at most [`MAX_CERTIFICATE_BYTES`] apart.
    pub(crate) fn read(der: &'a [u8]) -> Result<Self, Malformed> {
        if der.len() > MAX_CERTIFICATE_BYTES {
            return Err(Malformed);
        }
        let mut certificate = Reader::only(der, SEQUENCE)?;
        let signed = certificate.value(SEQUENCE)?;
        let signature_algorithm = certificate.value(SEQUENCE)?.whole;
        let signature = certificate.bit_octets()?;
        certificate.end()?;
        let mut fields = Reader::new(signed.content);
        let version = match fields.optional(constructed(0))? {
            None => 0,
            Some(tagged) => match only(tagged, |reader| reader.read(INTEGER))? {
                [version] => *version,
                _ => return Err(Malformed),
            },
        };
        let serial = fields.integer()?;
        let algorithm = fields.value(SEQUENCE)?.whole;
        let issuer = fields.value(SEQUENCE)?.whole;
        fields.value(SEQUENCE)?; // The validity: OpenSSL shows it.
        let subject = fields.value(SEQUENCE)?.whole;
        let key_info = fields.value(SEQUENCE)?;
        fields.optional(primitive(1))?;
        fields.optional(primitive(2))?;
        let list = fields.optional(constructed(3))?.map(|list| Reader::only(list, SEQUENCE));
        let extensions = match list.transpose()? {
            None => Vec::new(),
            // RFC 5280, 4.1: SIZE (1..MAX).
            Some(list) if list.is_empty() => return Err(Malformed),
            Some(list) => all_extensions(list)?,
        };
        fields.end()?;
        let mut key = Reader::new(key_info.content);
        let key_algorithm = AlgorithmIdentifier::read(key.value(SEQUENCE)?.whole)?;
        let key_octets = key.bit_octets()?;
        key.end()?;
        Ok(Self {
            version,
            serial,
            algorithm: AlgorithmIdentifier::read(algorithm)?,
            algorithms_agree: algorithm == signature_algorithm,
            issuer,
            subject,
            key_info: key_info.whole,
            key_algorithm,
            key: key_octets,
            extensions,
            signed: signed.whole,
            signature_algorithm,
            signature,
        })
    }

    /// An extension.
    pub(crate) fn extension(&self, oid: &[u8]) -> Option<&Extension<'a>> {
        self.extensions.iter().find(|extension| extension.oid == oid)
    }

    /// Whether issuer and subject are one (RFC 5280, 3.2: self-issued).
    pub(crate) fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    pub(crate) fn has_subject(&self) -> bool {
        self.subject != EMPTY_NAME
    }

    pub(crate) fn has_issuer(&self) -> bool {
        self.issuer != EMPTY_NAME
    }

    /// basicConstraints, where there are some.
    pub(crate) fn basic(&self) -> Result<Option<Basic>, Malformed> {
        let Some(extension) = self.extension(oid::BASIC) else { return Ok(None) };
        let mut fields = Reader::only(extension.value, SEQUENCE)?;
        let ca = fields.flag(super::BOOLEAN)?;
        let path_length = !fields.is_empty();
        if path_length {
            fields.integer()?;
        }
        fields.end()?;
        Ok(Some(Basic { ca, path_length, critical: extension.critical }))
    }

    /// keyUsage, where there is one.
    pub(crate) fn key_usage(&self) -> Result<Option<KeyUsage>, Malformed> {
        self.extension(oid::KEY_USAGE).map(|extension| KeyUsage::read(extension.value)).transpose()
    }

    /// The uses of extKeyUsage (RFC 5280, 4.2.1.12), where there are some: at least one.
    pub(crate) fn extended_usage(&self) -> Result<Option<Vec<&'a [u8]>>, Malformed> {
        let Some(extension) = self.extension(oid::EXTENDED_USAGE) else { return Ok(None) };
        let mut list = Reader::only(extension.value, SEQUENCE)?;
        let mut uses = vec![list.read(OID)?];
        while !list.is_empty() {
            uses.push(list.read(OID)?);
        }
        Ok(Some(uses))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{NULL, value};
    use super::*;

    #[test]
    fn extensions_are_single_and_counted() {
        let one = |n: u8| value(SEQUENCE, &[&value(OID, &[&[n]]), &value(OCTET_STRING, &[&[5]])]);
        let read = |octets: &[u8]| extensions(Reader::new(octets)).map(|found| found.len());
        let many = |count: u8| (0..count).flat_map(one).collect::<Vec<u8>>();
        assert_eq!(read(&one(1)), Ok(1));
        assert_eq!(read(&many(64)), Ok(MAX_EXTENSIONS));
        assert_eq!(read(&many(65)), Err(Malformed));
        assert_eq!(read(&[one(1), one(2), one(1)].concat()), Err(Malformed));
        assert_eq!(read(&[]), Ok(0), "lists and answers may say nothing");
        let too_many = many(100);
        let found = all_extensions(Reader::new(&too_many)).map(|found| found.len());
        assert_eq!(found, Ok(MAX_EXTENSIONS + 1));
    }

    #[test]
    fn bits_that_are_not_there_are_no_usage() {
        let read = |content: &[u8]| KeyUsage::read(&value(BIT_STRING, &[content]));
        let usage = read(&[5, 0xa0]).expect("two bits");
        assert!(usage.any(&[KeyUsage::DIGITAL_SIGNATURE]));
        assert!(!usage.any(&[KeyUsage::NON_REPUDIATION, KeyUsage::KEY_CERT_SIGN]));
        assert!(read(&[1, 6]).is_ok_and(|usage| usage.any(&[KeyUsage::CRL_SIGN])));
        assert_eq!(read(&[7, 0x80, 0x80]), Ok(KeyUsage(0x8080)));
        assert_eq!((read(&[0, 0x80]), read(&[7, 0])), (Ok(KeyUsage(0x8000)), Ok(KeyUsage(0))));
        for bad in [&[][..], &[0], &[8, 0], &[7, 0xff], &[7, 0x7f], &[1, 1], &[0, 0, 0, 0]] {
            assert_eq!(read(bad), Err(Malformed), "{bad:02x?}");
        }
        assert_eq!(read(&[7, 0x80, 0xff]), Err(Malformed), "in the last octet");
        assert_eq!(KeyUsage::read(&[3, 2, 7, 0x80, 0]), Err(Malformed), "something behind it");
    }

    #[test]
    fn algorithms_have_at_most_one_parameter() {
        let of = |parts: &[&[u8]]| value(SEQUENCE, &[&value(OID, &[&[0x2a]]), &parts.concat()]);
        let plain = |octets: &[u8]| AlgorithmIdentifier::read(octets).map(|read| read.is_plain());
        assert_eq!((plain(&of(&[])), plain(&of(&[&[NULL, 0]]))), (Ok(true), Ok(true)));
        assert_eq!(plain(&of(&[&[NULL, 1, 0]])), Ok(false));
        assert_eq!(plain(&of(&[&[NULL, 0], &[NULL, 0]])), Err(Malformed));
        assert_eq!(plain(&[of(&[]), vec![0]].concat()), Err(Malformed));
        assert_eq!(plain(&value(SEQUENCE, &[])), Err(Malformed));
    }
}
