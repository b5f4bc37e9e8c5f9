//! What revocation asks of a certificate: who it is, and where its standing can be asked.

use std::fmt;

use amtsbote_domain::digest::Digest;

use super::der::{self, Extension, Malformed, Reader, SEQUENCE, constructed, primitive};
use super::error::Refused;
use crate::pem::Certificate;

/// Longest serial number, in octets of its encoding. RFC 5280, 4.1.2.2 allows 20; some
/// authorities count without the sign.
pub const MAX_SERIAL_BYTES: usize = 21;
/// Most places that one certificate may name in its extensions.
pub const MAX_PLACES: usize = 16;
/// Longest address of such a place, in bytes.
pub const MAX_ADDRESS_BYTES: usize = 2048;

/// A serial number: the content of its INTEGER.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Serial {
    length: u8,
    octets: [u8; MAX_SERIAL_BYTES],
}

impl Serial {
    /// Sorts before all others.
    pub(crate) const SMALLEST: Self = Self { length: 0, octets: [0; MAX_SERIAL_BYTES] };

    pub(crate) fn new(content: &[u8]) -> Result<Self, Malformed> {
        let mut octets = [0; MAX_SERIAL_BYTES];
        octets.get_mut(..content.len()).ok_or(Malformed)?.copy_from_slice(content);
        Ok(Self { length: content.len() as u8, octets })
    }

    /// The octets of the INTEGER, as the certificate has them.
    pub fn octets(&self) -> &[u8] {
        &self.octets[..usize::from(self.length)]
    }

    /// Reads what `Display` writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let octets: Option<Vec<u8>> = (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
            .collect();
        Self::new(&octets?).ok()
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.octets().iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An issuer: SHA-256 over its name and its public key. A certificate of the same authority that
/// was renewed with the same key is the same issuer; its lists speak for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IssuerId(pub(crate) Digest);

impl fmt::Display for IssuerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl IssuerId {
    /// The issuer that this certificate of an authority stands for.
    pub fn of(issuer: &Certificate) -> Result<Self, Refused> {
        Ok(Facts::read(issuer)?.as_issuer())
    }
}

/// A certificate as lists and responders name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CertificateId {
    /// Its issuer.
    pub issuer: IssuerId,
    /// Its serial number.
    pub serial: Serial,
}

impl CertificateId {
    /// The id of a certificate of this issuer.
    pub fn of(certificate: &Certificate, issuer: &Certificate) -> Result<Self, Refused> {
        Ok(Self { issuer: IssuerId::of(issuer)?, serial: Facts::read(certificate)?.serial })
    }

    /// The id as one value, e.g. for the name of a file.
    pub(crate) fn digest(&self) -> Digest {
        let octets = [&self.issuer.0.0[..], self.serial.octets()].concat();
        Digest(openssl::sha::sha256(&octets))
    }
}

/// The parts of a certificate that matter here, as they stand in its DER.
pub(crate) struct Facts<'a> {
    pub(crate) serial: Serial,
    /// The subject, a whole Name.
    pub(crate) subject: &'a [u8],
    /// The SubjectPublicKeyInfo, whole.
    spki: &'a [u8],
    /// The octets of the public key alone.
    pub(crate) key: &'a [u8],
    extensions: Vec<Extension<'a>>,
}

const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
/// cRLDistributionPoints.
pub(crate) const DISTRIBUTION_POINTS: &[u8] = &[0x55, 0x1d, 0x1f];
/// authorityInfoAccess.
pub(crate) const AUTHORITY_ACCESS: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 1];
/// The access method OCSP.
pub(crate) const ACCESS_OCSP: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 0x30, 1];
/// The tag of a URI among the GeneralNames.
pub(crate) const URI: u8 = primitive(6);

impl<'a> Facts<'a> {
    pub(crate) fn read(certificate: &'a Certificate) -> Result<Self, Refused> {
        Self::from_der(certificate.der()).map_err(|Malformed| Refused::Certificate)
    }

    fn from_der(octets: &'a [u8]) -> Result<Self, Malformed> {
        let mut tbs = Reader::only(octets, SEQUENCE)?.inside(SEQUENCE)?;
        tbs.optional(constructed(0))?;
        let serial = Serial::new(tbs.integer()?)?;
        let _algorithm = tbs.read(SEQUENCE)?;
        let _issuer = tbs.read(SEQUENCE)?;
        let _validity = tbs.read(SEQUENCE)?;
        let subject = tbs.any()?.whole;
        let spki = tbs.any()?.whole;
        let mut inside = Reader::only(spki, SEQUENCE)?;
        inside.read(SEQUENCE)?;
        let key = inside.bit_octets()?;
        tbs.optional(primitive(1))?;
        tbs.optional(primitive(2))?;
        let extensions = match tbs.optional(constructed(3))? {
            Some(list) => der::extensions(Reader::only(list, SEQUENCE)?)?,
            None => Vec::new(),
        };
        Ok(Self { serial, subject, spki, key, extensions })
    }

    /// This certificate as an issuer.
    pub(crate) fn as_issuer(&self) -> IssuerId {
        let mut hash = openssl::sha::Sha256::new();
        hash.update(self.subject);
        hash.update(self.spki);
        IssuerId(Digest(hash.finish()))
    }

    pub(crate) fn extension(&self, oid: &[u8]) -> Option<&'a [u8]> {
        self.extensions.iter().find(|extension| extension.oid == oid).map(|found| found.value)
    }

    /// Whether it is the certificate of an authority.
    pub(crate) fn is_authority(&self) -> bool {
        let flag = |value| Reader::only(value, SEQUENCE)?.optional(der::BOOLEAN);
        self.extension(BASIC_CONSTRAINTS).map(flag) == Some(Ok(Some(&[0xff])))
    }

    /// Whether it may sign CRLs. RFC 5280, 6.3.3 (f): a key usage, if there is one, has cRLSign.
    pub(crate) fn may_sign_lists(&self) -> bool {
        const CRL_SIGN: u8 = 0x02;
        self.may(CRL_SIGN)
    }

    /// Whether it may sign other things than certificates and lists.
    pub(crate) fn may_sign_data(&self) -> bool {
        const DIGITAL_SIGNATURE: u8 = 0x80;
        const NON_REPUDIATION: u8 = 0x40;
        self.may(DIGITAL_SIGNATURE | NON_REPUDIATION)
    }

    fn may(&self, uses: u8) -> bool {
        let Some(value) = self.extension(KEY_USAGE) else { return true };
        let bits = Reader::new(value).read(der::BIT_STRING);
        matches!(bits, Ok([_, first, ..]) if first & uses != 0)
    }

    /// Where it says that its standing can be asked.
    pub(crate) fn places(&self) -> Result<Places, Malformed> {
        let mut places = Places::default();
        if let Some(points) = self.extension(DISTRIBUTION_POINTS) {
            places.named = true;
            let mut points = Reader::only(points, SEQUENCE)?;
            while !points.is_empty() {
                places.point(points.inside(SEQUENCE)?)?;
            }
        }
        if let Some(access) = self.extension(AUTHORITY_ACCESS) {
            let mut access = Reader::only(access, SEQUENCE)?;
            while !access.is_empty() {
                let mut fields = access.inside(SEQUENCE)?;
                let method = fields.read(der::OID)?;
                let place = fields.any()?;
                if method == ACCESS_OCSP {
                    places.named = true;
                    places.ocsp.extend(address(place.tag, place.content));
                }
            }
        }
        let count = places.ocsp.len() + places.lists.iter().map(Vec::len).sum::<usize>();
        if count > MAX_PLACES { Err(Malformed) } else { Ok(places) }
    }

    /// The names of its distribution points, each a whole GeneralName.
    pub(crate) fn point_names(&self) -> Vec<Vec<u8>> {
        self.places().map(|places| places.point_names).unwrap_or_default()
    }
}

/// Where the standing of a certificate can be asked.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// The certificate names some place, even if it is of a kind that cannot be asked.
    pub(crate) named: bool,
    /// Per distribution point its addresses: any one of them will do.
    pub(crate) lists: Vec<Vec<String>>,
    /// Addresses of responders.
    pub(crate) ocsp: Vec<String>,
    point_names: Vec<Vec<u8>>,
}

impl Places {
    /// RFC 5280, 4.2.1.13.
    fn point(&mut self, mut fields: Reader<'_>) -> Result<(), Malformed> {
        let name = fields.optional(constructed(0))?;
        let reasons = fields.optional(primitive(1))?;
        let indirect = fields.optional(constructed(2))?;
        fields.end()?;
        // Lists of others, and lists of some reasons only, cannot say that a certificate is good.
        let (Some(name), None, None) = (name, reasons, indirect) else { return Ok(()) };
        let names = full_names(name)?;
        let mut addresses = Vec::new();
        let mut names_left = names;
        while !names_left.is_empty() {
            let name = names_left.any()?;
            self.point_names.push(name.whole.to_vec());
            addresses.extend(address(name.tag, name.content));
            if self.point_names.len() > MAX_PLACES {
                return Err(Malformed);
            }
        }
        if !addresses.is_empty() {
            self.lists.push(addresses);
        }
        Ok(())
    }
}

/// The full names of a DistributionPointName; none where it is relative to the issuer.
pub(crate) fn full_names(name: &[u8]) -> Result<Reader<'_>, Malformed> {
    let mut choice = Reader::new(name);
    let names = choice.any()?;
    choice.end()?;
    Ok(Reader::new(if names.tag == constructed(0) { names.content } else { &[] }))
}

/// An address that the client can ask. Directories (LDAP) are not among them.
fn address(tag: u8, content: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(content).ok().filter(|text| text.is_ascii())?;
    let scheme = text.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase())?;
    let known = tag == URI && (scheme == "http" || scheme == "https");
    (known && text.len() <= MAX_ADDRESS_BYTES).then(|| text.to_owned())
}
