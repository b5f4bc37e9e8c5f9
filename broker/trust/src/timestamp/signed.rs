//! SignedData (RFC 5652, 5) as RFC 3161 uses it: one signer, signed attributes, the content inside.

use openssl::hash::{MessageDigest, hash};

use super::{MAX_CERTIFICATES, Refused, explicit};
use crate::der::certificate::{Parsed, oid};
use crate::der::{INTEGER, OCTET_STRING, OID, Reader, SEQUENCE, constructed, only, primitive};
use crate::path::TIME_STAMPING;
use crate::pem::Certificate;
use crate::revocation::signature::{Algorithm, sha2};

const SET: u8 = 0x31;
/// id-signedData.
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
/// id-ct-TSTInfo.
const TST_INFO: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 0x10, 1, 4];
/// id-contentType.
const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 3];
/// id-messageDigest.
const MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 4];
/// id-aa-signingCertificate: the digest is SHA-1, which names the certificate and proves nothing more.
const SIGNING_CERTIFICATE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 0x10, 2, 12];
/// id-aa-signingCertificateV2 (RFC 5816).
const SIGNING_CERTIFICATE_2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 0x10, 2, 47];
/// Most signed attributes.
const MAX_ATTRIBUTES: usize = 32;

/// A token, taken apart.
pub(super) struct Signed<'a> {
    /// TSTInfo in DER.
    pub(super) content: &'a [u8],
    certificates: Vec<&'a [u8]>,
    signer: SignerInfo<'a>,
}

/// Whose signature it is, and which certificates came along.
pub(super) struct Signer {
    pub(super) certificate: Certificate,
    pub(super) others: Vec<Certificate>,
}

struct SignerInfo<'a> {
    id: Id<'a>,
    digest: MessageDigest,
    algorithm: Algorithm,
    /// The attributes as they stand, in their implicit tag.
    attributes: &'a [u8],
    signature: &'a [u8],
    content_digest: &'a [u8],
    /// Digests of the certificate, each with its algorithm: at least one.
    bound: Vec<(MessageDigest, &'a [u8])>,
}

enum Id<'a> {
    /// Issuer and serial number.
    Serial(&'a [u8], &'a [u8]),
    /// The subjectKeyIdentifier.
    Key(&'a [u8]),
}

impl<'a> Signed<'a> {
    pub(super) fn read(token: &'a [u8]) -> Result<Self, Refused> {
        let mut info = Reader::only(token, SEQUENCE)?;
        if info.read(OID)? != SIGNED_DATA {
            return Err(Refused::Malformed);
        }
        let data = explicit(&mut info, 0)?.ok_or(Refused::Malformed)?;
        info.end()?;
        let mut fields = Reader::only(data.whole, SEQUENCE)?;
        fields.read(INTEGER)?;
        fields.read(SET)?; // Digest algorithms: the signer's own entry counts.
        let mut encapsulated = fields.inside(SEQUENCE)?;
        if encapsulated.read(OID)? != TST_INFO {
            return Err(Refused::Malformed);
        }
        let content = explicit(&mut encapsulated, 0)?.ok_or(Refused::Malformed)?;
        encapsulated.end()?;
        if content.tag != OCTET_STRING {
            return Err(Refused::Malformed);
        }
        let mut certificates = Vec::new();
        let mut list = Reader::new(fields.optional(constructed(0))?.unwrap_or_default());
        while !list.is_empty() {
            if certificates.len() == MAX_CERTIFICATES {
                return Err(Refused::TooLarge);
            }
            certificates.push(list.value(SEQUENCE)?.whole);
        }
        fields.optional(constructed(1))?;
        // RFC 3161, 2.4.2: the signature of the authority and no other.
        let signer = only(fields.read(SET)?, |signers| signers.value(SEQUENCE))?;
        fields.end()?;
        let signer = SignerInfo::read(signer.content)?;
        Ok(Self { content: content.content, certificates, signer })
    }

    /// Whether the signature is genuine, of a certificate that is for time stamps and nothing else.
    pub(super) fn verify(&self) -> Result<Signer, Refused> {
        let signer = &self.signer;
        if *hash(signer.digest, self.content)? != *signer.content_digest {
            return Err(Refused::Signature);
        }
        let mut found = None;
        let mut others = Vec::new();
        for octets in &self.certificates {
            let parsed = Parsed::read(octets)?;
            let certificate = Certificate::from_der(octets).map_err(|_| Refused::Malformed)?;
            if found.is_none() && signer.id.names(&parsed) {
                is_for_stamps(&parsed)?;
                found = Some(certificate);
            } else {
                others.push(certificate);
            }
        }
        let certificate = found.ok_or(Refused::NoCertificate)?;
        for (digest, value) in &signer.bound {
            if *hash(*digest, certificate.der())? != **value {
                return Err(Refused::Unbound);
            }
        }
        // RFC 5652, 5.4: what is signed is the attributes as a SET OF.
        let mut attributes = signer.attributes.to_vec();
        attributes[0] = SET;
        let key = certificate.x509().public_key()?;
        signer.algorithm.verify(&key, &attributes, signer.signature).map_err(
            |fault| match fault {
                crate::revocation::Refused::Algorithm => Refused::Algorithm,
                _ => Refused::Signature,
            },
        )?;
        Ok(Signer { certificate, others })
    }
}

impl<'a> SignerInfo<'a> {
    fn read(octets: &'a [u8]) -> Result<Self, Refused> {
        let mut fields = Reader::new(octets);
        fields.read(INTEGER)?;
        let id = match fields.peek() {
            Some(SEQUENCE) => {
                let mut id = fields.inside(SEQUENCE)?;
                let named = Id::Serial(id.value(SEQUENCE)?.whole, id.integer()?);
                id.end()?;
                named
            }
            _ => Id::Key(fields.read(primitive(0))?),
        };
        let digest = sha2(fields.value(SEQUENCE)?.whole).map_err(|_| Refused::Algorithm)?;
        let attributes = fields.value(constructed(0))?;
        let algorithm = Algorithm::of_signer(fields.value(SEQUENCE)?.whole, digest)
            .map_err(|_| Refused::Algorithm)?;
        let signature = fields.read(OCTET_STRING)?;
        fields.optional(constructed(1))?;
        fields.end()?;
        let read = Attributes::read(attributes.content)?;
        Ok(Self {
            id,
            digest,
            algorithm,
            attributes: attributes.whole,
            signature,
            content_digest: read.content_digest,
            bound: read.bound,
        })
    }
}

struct Attributes<'a> {
    content_digest: &'a [u8],
    bound: Vec<(MessageDigest, &'a [u8])>,
}

impl<'a> Attributes<'a> {
    /// RFC 5652, 11: each of these once, with one value.
    fn read(content: &'a [u8]) -> Result<Self, Refused> {
        let mut list = Reader::new(content);
        let mut seen: Vec<&[u8]> = Vec::new();
        let (mut content_digest, mut bound) = (None, Vec::new());
        while !list.is_empty() {
            let mut attribute = list.inside(SEQUENCE)?;
            let (kind, values) = (attribute.read(OID)?, attribute.read(SET)?);
            attribute.end()?;
            if seen.contains(&kind) || seen.len() == MAX_ATTRIBUTES {
                return Err(Refused::Malformed);
            }
            seen.push(kind);
            match kind {
                CONTENT_TYPE if only(values, |value| value.read(OID))? != TST_INFO => {
                    return Err(Refused::Malformed);
                }
                MESSAGE_DIGEST => {
                    content_digest = Some(only(values, |value| value.read(OCTET_STRING))?);
                }
                SIGNING_CERTIFICATE => bound.push(signing_certificate(values, false)?),
                SIGNING_CERTIFICATE_2 => bound.push(signing_certificate(values, true)?),
                _ => {}
            }
        }
        let content_digest = content_digest.filter(|_| seen.contains(&CONTENT_TYPE));
        if bound.is_empty() {
            return Err(Refused::Unbound);
        }
        Ok(Self { content_digest: content_digest.ok_or(Refused::Malformed)?, bound })
    }
}

/// The digest of the signer's certificate: the first entry of SigningCertificate (RFC 2634, 5.4) or
/// SigningCertificateV2 (RFC 5035, 3).
fn signing_certificate(values: &[u8], second: bool) -> Result<(MessageDigest, &[u8]), Refused> {
    let mut fields = Reader::new(only(values, |value| value.read(SEQUENCE))?);
    let mut entries = fields.inside(SEQUENCE)?;
    let mut first = entries.inside(SEQUENCE)?;
    let digest = match (second, first.peek()) {
        (false, _) => MessageDigest::sha1(),
        // The default.
        (true, Some(OCTET_STRING)) => MessageDigest::sha256(),
        (true, _) => sha2(first.value(SEQUENCE)?.whole).map_err(|_| Refused::Algorithm)?,
    };
    Ok((digest, first.read(OCTET_STRING)?))
}

impl Id<'_> {
    fn names(&self, certificate: &Parsed<'_>) -> bool {
        match self {
            Self::Serial(issuer, serial) => {
                *issuer == certificate.issuer && *serial == certificate.serial
            }
            Self::Key(key) => certificate.extension(oid::SUBJECT_KEY).is_some_and(|extension| {
                only(extension.value, |value| value.read(OCTET_STRING)) == Ok(*key)
            }),
        }
    }
}

/// RFC 3161, 2.3: one extended usage, and it is critical.
pub(super) fn is_for_stamps(certificate: &Parsed<'_>) -> Result<(), Refused> {
    let critical = certificate.extension(oid::EXTENDED_USAGE).is_some_and(|e| e.critical);
    match certificate.extended_usage()?.as_deref() {
        Some([TIME_STAMPING]) if critical => Ok(()),
        _ => Err(Refused::Usage),
    }
}
