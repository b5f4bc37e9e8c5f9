//! What an OCSP answer says (RFC 6960, 4.2.1), taken apart. Who said it, and whether that counts, is
//! judged elsewhere.

use amtsbote_domain::Timestamp;
use openssl::hash::{MessageDigest, hash};

use super::{MAX_ANSWER_BYTES, MAX_PARTS, NONCE, Status};
use crate::der::certificate::extensions;
use crate::der::{self, Reader, SEQUENCE, constructed, only, primitive};
use crate::revocation::certificate::Facts;
use crate::revocation::{Reason, Refused};

const BASIC: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1];
const SHA_1: &[u8] = &[0x2b, 0x0e, 3, 2, 0x1a];
const SHA_256: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
const SHA_384: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2];
const SHA_512: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3];

/// BasicOCSPResponse (RFC 6960, 4.2.1).
pub(super) struct Basic<'a> {
    pub(super) tbs: &'a [u8],
    pub(super) algorithm: &'a [u8],
    pub(super) signature: &'a [u8],
    pub(super) certificates: Vec<&'a [u8]>,
    pub(super) responder: der::Value<'a>,
    pub(super) produced_at: Timestamp,
    pub(super) statements: Vec<Statement<'a>>,
    pub(super) nonce: Option<&'a [u8]>,
}

impl<'a> Basic<'a> {
    pub(super) fn read(octets: &'a [u8]) -> Result<Self, Refused> {
        const SUCCESSFUL: &[u8] = &[0];
        if octets.len() > MAX_ANSWER_BYTES {
            return Err(Refused::TooLarge);
        }
        let mut response = Reader::only(octets, SEQUENCE)?;
        if response.read(der::ENUMERATED)? != SUCCESSFUL {
            return Err(Refused::Responder);
        }
        let mut typed = Reader::only(response.read(constructed(0))?, SEQUENCE)?;
        response.end()?;
        if typed.read(der::OID)? != BASIC {
            return Err(Refused::Malformed);
        }
        let mut basic = Reader::only(typed.read(der::OCTET_STRING)?, SEQUENCE)?;
        typed.end()?;
        let tbs = basic.any()?.whole;
        let algorithm = basic.any()?.whole;
        let signature = basic.bit_octets()?;
        let certificates = match basic.optional(constructed(0))? {
            Some(list) => parts(Reader::only(list, SEQUENCE)?)?,
            None => Vec::new(),
        };
        basic.end()?;
        let mut fields = Reader::only(tbs, SEQUENCE)?;
        fields.optional(constructed(0))?;
        let responder = fields.any()?;
        let produced_at = fields.generalized_time()?;
        let statements = parts(fields.inside(SEQUENCE)?)?;
        let nonce = nonce(fields.optional(constructed(1))?)?;
        fields.end()?;
        let statements: Result<_, Refused> = statements.into_iter().map(Statement::read).collect();
        Ok(Self {
            statements: statements?,
            tbs,
            algorithm,
            signature,
            certificates,
            responder,
            produced_at,
            nonce,
        })
    }
}

/// SingleResponse.
pub(super) struct Statement<'a> {
    digest: MessageDigest,
    name_hash: &'a [u8],
    key_hash: &'a [u8],
    serial: &'a [u8],
    pub(super) status: Status,
    pub(super) this_update: Timestamp,
    pub(super) next_update: Option<Timestamp>,
}

impl<'a> Statement<'a> {
    fn read(octets: &'a [u8]) -> Result<Self, Refused> {
        let mut fields = Reader::only(octets, SEQUENCE)?;
        let mut id = fields.inside(SEQUENCE)?;
        let digest = match id.inside(SEQUENCE)?.read(der::OID)? {
            SHA_1 => MessageDigest::sha1(),
            SHA_256 => MessageDigest::sha256(),
            SHA_384 => MessageDigest::sha384(),
            SHA_512 => MessageDigest::sha512(),
            _ => return Err(Refused::Algorithm),
        };
        let (name_hash, key_hash) = (id.read(der::OCTET_STRING)?, id.read(der::OCTET_STRING)?);
        let serial = id.integer()?;
        id.end()?;
        let status = Self::status(fields.any()?)?;
        let this_update = fields.generalized_time()?;
        let next_update = match fields.optional(constructed(0))? {
            Some(time) => Some(only(time, Reader::generalized_time)?),
            None => None,
        };
        if let Some(list) = fields.optional(constructed(1))? {
            let list = extensions(Reader::only(list, SEQUENCE)?)?;
            if list.iter().any(|extension| extension.critical) {
                return Err(Refused::CriticalExtension);
            }
        }
        fields.end()?;
        Ok(Self { digest, name_hash, key_hash, serial, status, this_update, next_update })
    }

    fn status(value: der::Value<'_>) -> Result<Status, Refused> {
        const GOOD: u8 = primitive(0);
        const REVOKED: u8 = constructed(1);
        const UNKNOWN: u8 = primitive(2);
        Ok(match (value.tag, value.content) {
            (GOOD, []) => Status::Good,
            (UNKNOWN, []) => Status::Unknown,
            (REVOKED, content) => {
                let mut fields = Reader::new(content);
                let at = fields.generalized_time()?;
                let reason = match fields.optional(constructed(0))? {
                    None => Reason::Unspecified,
                    Some(code) => match only(code, |code| code.read(der::ENUMERATED))? {
                        [number] => Reason::from_number(*number),
                        _ => return Err(Refused::Malformed),
                    },
                };
                fields.end()?;
                Status::Revoked { at, reason }
            }
            _ => return Err(Refused::Malformed),
        })
    }

    /// Whether it is about this certificate of this issuer.
    pub(super) fn is_about(
        &self,
        certificate: &Facts<'_>,
        issuer: &Facts<'_>,
    ) -> Result<bool, Refused> {
        Ok(self.serial == certificate.serial.octets()
            && *hash(self.digest, issuer.parsed.subject)? == *self.name_hash
            && *hash(self.digest, issuer.parsed.key)? == *self.key_hash)
    }
}

fn parts(mut list: Reader<'_>) -> Result<Vec<&[u8]>, Refused> {
    let mut found = Vec::new();
    while !list.is_empty() {
        if found.len() == MAX_PARTS {
            return Err(Refused::TooManyEntries);
        }
        found.push(list.any()?.whole);
    }
    Ok(found)
}

/// The nonce among the extensions of an answer.
fn nonce(list: Option<&[u8]>) -> Result<Option<&[u8]>, Refused> {
    let Some(list) = list else { return Ok(None) };
    let mut nonce = None;
    for extension in extensions(Reader::only(list, SEQUENCE)?)? {
        match extension.oid {
            NONCE => nonce = Some(only(extension.value, |value| value.read(der::OCTET_STRING))?),
            _ if extension.critical => return Err(Refused::CriticalExtension),
            _ => {}
        }
    }
    Ok(nonce)
}
