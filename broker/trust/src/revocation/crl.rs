//! Certificate revocation lists (RFC 5280, 5), verified before they are read.
//!
//! Of a list its revoked serial numbers stay, sorted, 32 octets each; the octets go. Lists of the
//! direct issuer only: indirect lists, delta lists and lists of some reasons are refused.

use amtsbote_domain::Timestamp;
use openssl::x509::X509Name;

use super::certificate::{Facts, IssuerId, MAX_PLACES, Serial, URI, full_names};
use super::error::Refused;
use super::signature::Algorithm;
use super::{Reason, SKEW};
use crate::der::certificate::{extensions, oid};
use crate::der::{self, Malformed, Reader, SEQUENCE, constructed, only, primitive};
use crate::pem::Certificate;

/// Longest list that is read, in bytes, as DER or PEM.
pub const MAX_CRL_BYTES: usize = 32 * 1024 * 1024;
/// Most entries of a list: 32 MB in memory.
pub const MAX_ENTRIES: usize = 1_000_000;

/// A list that its issuer has signed.
#[derive(Debug)]
pub struct Crl {
    issuer: IssuerId,
    this_update: Timestamp,
    next_update: Timestamp,
    scope: Scope,
    entries: Vec<Entry>,
}

/// One revoked certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    at: i64,
    serial: Serial,
    reason: Reason,
}

/// About which certificates of its issuer a list speaks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Scope {
    users: bool,
    authorities: bool,
    /// The names of its distribution point, whole GeneralNames; none: all points.
    points: Vec<Vec<u8>>,
}

const ALL: Scope = Scope { users: true, authorities: true, points: Vec::new() };

const NUMBER: &[u8] = &[0x55, 0x1d, 0x14];
const DELTA_INDICATOR: &[u8] = &[0x55, 0x1d, 0x1b];
const ISSUING_POINT: &[u8] = &[0x55, 0x1d, 0x1c];
const REASON_CODE: &[u8] = &[0x55, 0x1d, 0x15];
const INVALIDITY_DATE: &[u8] = &[0x55, 0x1d, 0x18];
const CERTIFICATE_ISSUER: &[u8] = &[0x55, 0x1d, 0x1d];

impl Crl {
    /// Reads a list in DER or PEM and verifies that this issuer has signed it. `at` is now; a list
    /// that was kept from before is read without it. Whether it is still fresh is asked of
    /// [`Crl::next_update`].
    pub fn read(
        octets: &[u8],
        issuer: &Certificate,
        at: Option<Timestamp>,
    ) -> Result<Self, Refused> {
        if octets.len() > MAX_CRL_BYTES {
            return Err(Refused::TooLarge);
        }
        let decoded = decode(octets)?;
        let octets = decoded.as_deref().unwrap_or(octets);
        let mut list = Reader::only(octets, SEQUENCE)?;
        let tbs = list.any()?;
        let algorithm = list.any()?.whole;
        let signature = list.bit_octets()?;
        list.end()?;
        let facts = Facts::read(issuer)?;
        let body = Body::read(tbs.whole)?;
        if body.algorithm != algorithm {
            return Err(Refused::Malformed);
        }
        if !same_name(body.issuer, facts.parsed.subject)? {
            return Err(Refused::OtherIssuer);
        }
        if !facts.may_sign_lists() {
            return Err(Refused::MayNotSign);
        }
        let key = issuer.x509().public_key()?;
        Algorithm::read(algorithm)?.verify(&key, tbs.whole, signature)?;
        if at.is_some_and(|at| body.this_update > at.saturating_add(SKEW).unwrap_or(at)) {
            return Err(Refused::NotYet);
        }
        let next_update = body.next_update.ok_or(Refused::NoNextUpdate)?;
        if next_update < body.this_update {
            return Err(Refused::Malformed);
        }
        Ok(Self {
            issuer: facts.as_issuer(),
            this_update: body.this_update,
            next_update,
            scope: scope(body.extensions)?,
            entries: entries(body.revoked)?,
        })
    }

    /// The issuer.
    pub fn issuer(&self) -> IssuerId {
        self.issuer
    }

    /// As of when it speaks.
    pub fn this_update(&self) -> Timestamp {
        self.this_update
    }

    /// When the next one is due.
    pub fn next_update(&self) -> Timestamp {
        self.next_update
    }

    /// How many certificates it revokes.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it revokes none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// When and why it revokes a serial number. Takes time with the logarithm of its length.
    pub fn revokes(&self, serial: &Serial) -> Option<(Timestamp, Reason)> {
        let at = self.entries.binary_search_by(|entry| entry.serial.cmp(serial)).ok()?;
        let entry = &self.entries[at];
        Some((Timestamp::from_second(entry.at).ok()?, entry.reason))
    }

    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Whether it speaks about all certificates of its issuer.
    pub(crate) fn speaks_of_all(&self) -> bool {
        self.scope == ALL
    }

    /// Whether its silence about a certificate of its issuer means something.
    pub(crate) fn speaks_of(&self, certificate: &Facts<'_>) -> bool {
        let kind = match certificate.is_authority() {
            true => self.scope.authorities,
            false => self.scope.users,
        };
        // RFC 5280, 6.3.3 (b)(2)(i): one of the names must be one of the certificate's.
        let points = &self.scope.points;
        kind && (points.is_empty()
            || certificate.point_names().iter().any(|name| points.contains(name)))
    }
}

/// The octets of a list in PEM; none if it is none.
fn decode(octets: &[u8]) -> Result<Option<Vec<u8>>, Refused> {
    const BEGIN: &[u8] = b"-----BEGIN X509 CRL-----";
    const END: &[u8] = b"-----END X509 CRL-----";
    let find = |octets: &[u8], what: &[u8]| octets.windows(what.len()).position(|at| at == what);
    if octets.first() == Some(&SEQUENCE) {
        return Ok(None);
    }
    let begin = find(octets, BEGIN).ok_or(Refused::Malformed)? + BEGIN.len();
    let end = begin + find(&octets[begin..], END).ok_or(Refused::Malformed)?;
    let text: Vec<u8> =
        octets[begin..end].iter().copied().filter(|octet| !octet.is_ascii_whitespace()).collect();
    let text = std::str::from_utf8(&text).map_err(|_| Refused::Malformed)?;
    openssl::base64::decode_block(text).map(Some).map_err(|_| Refused::Malformed)
}

/// The signed part.
struct Body<'a> {
    algorithm: &'a [u8],
    issuer: &'a [u8],
    this_update: Timestamp,
    next_update: Option<Timestamp>,
    revoked: &'a [u8],
    extensions: Option<&'a [u8]>,
}

impl<'a> Body<'a> {
    fn read(tbs: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Reader::only(tbs, SEQUENCE)?;
        let version_2 = match fields.optional(der::INTEGER)? {
            None => false,
            Some([1]) => true,
            Some(_) => return Err(Malformed),
        };
        let algorithm = fields.any()?.whole;
        let issuer = fields.any()?.whole;
        let this_update = fields.time()?;
        let next_update = match fields.peek() {
            Some(der::UTC_TIME | der::GENERALIZED_TIME) => Some(fields.time()?),
            _ => None,
        };
        let revoked = fields.optional(SEQUENCE)?.unwrap_or_default();
        let extensions = fields.optional(constructed(0))?;
        fields.end()?;
        if extensions.is_some() && !version_2 {
            return Err(Malformed);
        }
        Ok(Self { algorithm, issuer, this_update, next_update, revoked, extensions })
    }
}

/// RFC 5280, 7.1: names are compared in their canonical form, which OpenSSL knows.
fn same_name(a: &[u8], b: &[u8]) -> Result<bool, Refused> {
    if a == b {
        return Ok(true);
    }
    let name = |octets| X509Name::from_der(octets).map_err(|_| Refused::Malformed);
    Ok(name(a)?.try_cmp(&*name(b)?)?.is_eq())
}

/// The extensions of a list: what it speaks about, or why it is refused.
fn scope(list: Option<&[u8]>) -> Result<Scope, Refused> {
    // RFC 5280, 5.2.3: every list has a number, which also rules out lists of version 1.
    let list = list.ok_or(Refused::NoNumber)?;
    let (mut scope, mut numbered) = (ALL, false);
    for extension in extensions(Reader::only(list, SEQUENCE)?)? {
        match extension.oid {
            DELTA_INDICATOR => return Err(Refused::Delta),
            ISSUING_POINT => scope = issuing_point(extension.value)?,
            NUMBER if !extension.critical => numbered = true,
            oid::AUTHORITY_KEY => {}
            _ if extension.critical => return Err(Refused::CriticalExtension),
            _ => {}
        }
    }
    if numbered { Ok(scope) } else { Err(Refused::NoNumber) }
}

/// IssuingDistributionPoint (RFC 5280, 5.2.5).
fn issuing_point(value: &[u8]) -> Result<Scope, Refused> {
    let mut fields = Reader::only(value, SEQUENCE)?;
    let mut points = Vec::new();
    if let Some(name) = fields.optional(constructed(0))? {
        let mut names = full_names(name)?;
        while !names.is_empty() {
            if points.len() == MAX_PLACES {
                return Err(Refused::TooManyEntries);
            }
            points.push(names.any()?.whole.to_vec());
        }
        // A point that is named relative to the issuer has none of the names compared here.
        if points.is_empty() {
            return Err(Refused::Partial);
        }
        // Addresses in front: they are what certificates name.
        points.sort_by_key(|name| name.first() != Some(&URI));
    }
    let (users_only, authorities_only) = (fields.flag(primitive(1))?, fields.flag(primitive(2))?);
    let some_reasons = fields.optional(primitive(3))?.is_some();
    let (indirect, attributes_only) = (fields.flag(primitive(4))?, fields.flag(primitive(5))?);
    fields.end()?;
    match () {
        () if indirect => Err(Refused::Indirect),
        () if some_reasons || attributes_only => Err(Refused::Partial),
        () if users_only && authorities_only => Err(Refused::Malformed),
        () => Ok(Scope { users: !authorities_only, authorities: !users_only, points }),
    }
}

/// The entries, sorted by serial number.
fn entries(revoked: &[u8]) -> Result<Vec<Entry>, Refused> {
    // The shortest entry: a SEQUENCE of an INTEGER and a UTCTime.
    const SHORTEST: usize = 2 + 3 + 15;
    let mut list = Reader::new(revoked);
    let mut entries = Vec::with_capacity((revoked.len() / SHORTEST / 2).min(MAX_ENTRIES));
    while !list.is_empty() {
        if entries.len() == MAX_ENTRIES {
            return Err(Refused::TooManyEntries);
        }
        let mut fields = list.inside(SEQUENCE)?;
        let serial = Serial::new(fields.integer()?)?;
        let at = fields.time()?.as_second();
        let reason = match fields.optional(SEQUENCE)? {
            Some(extensions) => entry_reason(extensions)?,
            None => Reason::Unspecified,
        };
        fields.end()?;
        entries.push(Entry { at, serial, reason });
    }
    // Should one stand there twice, the earlier revocation is the one that counts.
    entries.sort_unstable_by_key(|entry| (entry.serial, entry.at));
    entries.dedup_by_key(|entry| entry.serial);
    entries.shrink_to_fit();
    Ok(entries)
}

/// The extensions of an entry (RFC 5280, 5.3).
fn entry_reason(list: &[u8]) -> Result<Reason, Refused> {
    const REMOVE_FROM_CRL: u8 = 8;
    let mut reason = Reason::Unspecified;
    for extension in extensions(Reader::new(list))? {
        match extension.oid {
            REASON_CODE => {
                reason = match only(extension.value, |value| value.read(der::ENUMERATED))? {
                    [REMOVE_FROM_CRL] => return Err(Refused::Removal),
                    [number] => Reason::from_number(*number),
                    _ => return Err(Refused::Malformed),
                };
            }
            INVALIDITY_DATE => {}
            CERTIFICATE_ISSUER => return Err(Refused::Indirect),
            _ if extension.critical => return Err(Refused::CriticalExtension),
            _ => {}
        }
    }
    Ok(reason)
}

#[cfg(test)]
#[path = "crl_tests.rs"]
mod tests;
