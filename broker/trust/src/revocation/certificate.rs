//! What revocation asks of a certificate: who it is, and where its standing can be asked.

use std::fmt;

use amtsbote_domain::digest::Digest;

use super::error::Refused;
use crate::der::certificate::{KeyUsage, MAX_EXTENSIONS, Parsed, oid, repeats};
use crate::der::{Malformed, OID, Reader, SEQUENCE, constructed, only, primitive};
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

/// A certificate whose serial number is short enough and of whose extensions none occurs twice.
pub(crate) struct Facts<'a> {
    pub(crate) serial: Serial,
    pub(crate) parsed: Parsed<'a>,
}

/// The access method OCSP.
const ACCESS_OCSP: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 0x30, 1];
/// The tag of a URI among the GeneralNames.
pub(crate) const URI: u8 = primitive(6);

impl<'a> Facts<'a> {
    pub(crate) fn read(certificate: &'a Certificate) -> Result<Self, Refused> {
        let read = || {
            let parsed = Parsed::read(certificate.der())?;
            let serial = Serial::new(parsed.serial)?;
            let sound = parsed.extensions.len() <= MAX_EXTENSIONS && !repeats(&parsed.extensions);
            if sound { Ok(Self { serial, parsed }) } else { Err(Malformed) }
        };
        read().map_err(|Malformed| Refused::Certificate)
    }

    /// This certificate as an issuer.
    pub(crate) fn as_issuer(&self) -> IssuerId {
        let mut hash = openssl::sha::Sha256::new();
        hash.update(self.parsed.subject);
        hash.update(self.parsed.key_info);
        IssuerId(Digest(hash.finish()))
    }

    /// Whether it is the certificate of an authority.
    pub(crate) fn is_authority(&self) -> bool {
        matches!(self.parsed.basic(), Ok(Some(basic)) if basic.ca)
    }

    /// Whether it may sign CRLs. RFC 5280, 6.3.3 (f): a key usage, if there is one, has cRLSign.
    pub(crate) fn may_sign_lists(&self) -> bool {
        self.may(&[KeyUsage::CRL_SIGN])
    }

    /// Whether it may sign other things than certificates and lists.
    pub(crate) fn may_sign_data(&self) -> bool {
        self.may(&[KeyUsage::DIGITAL_SIGNATURE, KeyUsage::NON_REPUDIATION])
    }

    fn may(&self, uses: &[KeyUsage]) -> bool {
        self.parsed.key_usage().is_ok_and(|usage| usage.is_none_or(|usage| usage.any(uses)))
    }

    /// Where it says that its standing can be asked.
    pub(crate) fn places(&self) -> Result<Places, Malformed> {
        let mut places = Places::default();
        if let Some(points) = self.parsed.extension(oid::CRL_POINTS) {
            places.named = true;
            let mut points = Reader::only(points.value, SEQUENCE)?;
            while !points.is_empty() {
                places.point(points.inside(SEQUENCE)?)?;
            }
        }
        if let Some(access) = self.parsed.extension(oid::AUTHORITY_ACCESS) {
            let mut access = Reader::only(access.value, SEQUENCE)?;
            while !access.is_empty() {
                let mut fields = access.inside(SEQUENCE)?;
                let method = fields.read(OID)?;
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
        let mut names = full_names(name)?;
        let mut addresses = Vec::new();
        while !names.is_empty() {
            let name = names.any()?;
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
    let names = only(name, Reader::any)?;
    Ok(Reader::new(if names.tag == constructed(0) { names.content } else { &[] }))
}

/// An address that the client can ask. Directories (LDAP) are not among them.
fn address(tag: u8, content: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(content).ok().filter(|text| text.is_ascii())?;
    let scheme = text.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase())?;
    let known = tag == URI && (scheme == "http" || scheme == "https");
    (known && text.len() <= MAX_ADDRESS_BYTES).then(|| text.to_owned())
}
