//! How strong keys and signatures of a path must be. The floors come from the policy.

use openssl::pkey::{Id, PKeyRef, Public};
use openssl::x509::X509Ref;

use super::fault::{Broken, Reason};
use crate::der::certificate::{AlgorithmIdentifier, Parsed};
use crate::der::{Malformed, OID, Reader, SEQUENCE, constructed};

/// The least that is accepted, for every certificate of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floors {
    /// Bits of an RSA modulus.
    pub min_rsa_bits: u32,
    /// Bits of the order of an elliptic curve. Ed25519 counts 253 and Ed448 446.
    pub min_ec_bits: u32,
    /// Whether SHA-1 and SHA-224 may stand in signatures: only to judge old data.
    pub allow_sha1: bool,
}

impl Default for Floors {
    /// RSA of 2048 and curves of 250 bits, no SHA-1.
    fn default() -> Self {
        Self { min_rsa_bits: 2048, min_ec_bits: 250, allow_sha1: false }
    }
}

impl Floors {
    /// OpenSSL's security level: the highest that refuses nothing which the floors admit.
    pub(super) fn security_level(&self) -> i32 {
        const RSA_1024_SHA1_AND_LESS: i32 = 0;
        const RSA_2048_EC_224: i32 = 2;
        let modern = !self.allow_sha1 && self.min_rsa_bits >= 2048 && self.min_ec_bits >= 224;
        if modern { RSA_2048_EC_224 } else { RSA_1024_SHA1_AND_LESS }
    }

    /// Judges a public key.
    pub(super) fn key(&self, x509: &X509Ref, parsed: &Parsed<'_>) -> Result<(), Broken> {
        const RULE: &str = "kind and size of the public key";
        let weak = || Broken(Reason::WeakKey, RULE);
        let key = x509.public_key().map_err(|_| weak())?;
        match key.id() {
            Id::RSA | Id::RSA_PSS if key.bits() >= self.min_rsa_bits => Ok(()),
            Id::EC if curve_bits(&key, parsed)? >= self.min_ec_bits => Ok(()),
            // Bits of the orders of the two groups (RFC 8032, 5.1 and 5.2).
            Id::ED25519 | Id::X25519 if 253 >= self.min_ec_bits => Ok(()),
            Id::ED448 | Id::X448 if 446 >= self.min_ec_bits => Ok(()),
            _ => Err(weak()),
        }
    }

    /// Judges the algorithm with which a certificate was signed.
    pub(super) fn signature(&self, algorithm: &AlgorithmIdentifier<'_>) -> Result<(), Broken> {
        match Strength::of(algorithm) {
            Some(Strength::Modern) => Ok(()),
            Some(Strength::Old) if self.allow_sha1 => Ok(()),
            _ => Err(Broken(Reason::WeakSignature, "algorithm of a certificate's signature")),
        }
    }
}

fn curve_bits(key: &PKeyRef<Public>, parsed: &Parsed<'_>) -> Result<u32, Broken> {
    // RFC 5480, 2.1.1: only the name of a curve. Parameters written out are how a foreign curve is
    // passed off as a known one; OpenSSL may no longer show that they were.
    if parsed.key_algorithm.parameters.first() != Some(&OID) {
        return Err(Broken(Reason::WeakKey, "RFC 5480, 2.1.1: named curves only"));
    }
    Ok(key.bits())
}

/// How strong the digest of a signature is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strength {
    Modern,
    Old,
}

/// Prefix of PKCS#1's identifiers, 1.2.840.113549.1.1.
const PKCS1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
/// Prefix of ANSI X9.62's signatures, 1.2.840.10045.4.
const X962: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04];
/// Prefix of NIST's signatures, 2.16.840.1.101.3.4.3.
const NIST: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03];
/// Prefix of NIST's digests, 2.16.840.1.101.3.4.2.
const NIST_DIGEST: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];
/// SHA-1, 1.3.14.3.2.26.
const SHA1: &[u8] = &[0x2b, 0x0e, 0x03, 0x02, 0x1a];
/// Ed25519 and Ed448, 1.3.101.112 and 113.
const EDWARDS: [&[u8]; 2] = [&[0x2b, 0x65, 0x70], &[0x2b, 0x65, 0x71]];

impl Strength {
    /// None for what is never accepted: MD2, MD5, DSA and whatever is unknown.
    fn of(algorithm: &AlgorithmIdentifier<'_>) -> Option<Self> {
        let oid = algorithm.oid;
        if EDWARDS.contains(&oid) {
            return Some(Self::Modern);
        }
        if let Some(rest) = oid.strip_prefix(PKCS1) {
            return match rest {
                [5] | [14] => Some(Self::Old),   // sha1 and sha224WithRSAEncryption
                [11..=13] => Some(Self::Modern), // sha256, sha384, sha512
                [10] => Self::of_pss(algorithm.parameters).ok().flatten(),
                _ => None,
            };
        }
        if let Some(rest) = oid.strip_prefix(X962) {
            return match rest {
                [1] | [3, 1] => Some(Self::Old), // ecdsa-with-SHA1, ecdsa-with-SHA224
                [3, 2..=4] => Some(Self::Modern), // SHA256, SHA384, SHA512
                _ => None,
            };
        }
        match oid.strip_prefix(NIST)? {
            [9] | [13] => Some(Self::Old), // SHA3-224 with ECDSA, with RSA
            [10..=12] | [14..=16] => Some(Self::Modern), // SHA3-256, 384, 512
            _ => None,
        }
    }

    /// RSASSA-PSS-params (RFC 4055, 3.1): both digests count, and where one is left out it is SHA-1.
    fn of_pss(parameters: &[u8]) -> Result<Option<Self>, Malformed> {
        let mut fields = Reader::only(parameters, SEQUENCE)?;
        let digest = match fields.optional(constructed(0))? {
            None => SHA1,
            Some(tagged) => AlgorithmIdentifier::read(tagged)?.oid,
        };
        let mask_digest = match fields.optional(constructed(1))? {
            None => SHA1,
            Some(tagged) => {
                AlgorithmIdentifier::read(AlgorithmIdentifier::read(tagged)?.parameters)?.oid
            }
        };
        let (Some(a), Some(b)) = (Self::of_digest(digest), Self::of_digest(mask_digest)) else {
            return Ok(None);
        };
        Ok(Some(if a == Self::Modern { b } else { a }))
    }

    fn of_digest(oid: &[u8]) -> Option<Self> {
        if oid == SHA1 {
            return Some(Self::Old);
        }
        match oid.strip_prefix(NIST_DIGEST)? {
            [4] | [7] => Some(Self::Old),             // SHA-224, SHA3-224
            [1..=3] | [8..=10] => Some(Self::Modern), // SHA-2 and SHA-3 from 256 bits
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der::value;
    use crate::path::testing::{Authority, Shape};
    use openssl::hash::MessageDigest;

    fn of(oid: &[&[u8]], parameters: &[u8]) -> Option<Strength> {
        Strength::of(&AlgorithmIdentifier { oid: &oid.concat(), parameters })
    }

    #[test]
    fn unknown_and_broken_digests_are_never_accepted() {
        assert_eq!(of(&[PKCS1, &[4]], &[]), None, "MD5");
        assert_eq!(of(&[PKCS1, &[5]], &[]), Some(Strength::Old));
        assert_eq!(of(&[PKCS1, &[11]], &[]), Some(Strength::Modern));
        assert_eq!(of(&[X962, &[1]], &[]), Some(Strength::Old));
        assert_eq!(of(&[X962, &[3, 2]], &[]), Some(Strength::Modern));
        assert_eq!(of(&[NIST, &[2]], &[]), None, "DSA with SHA-256");
        assert_eq!(of(&[NIST, &[10]], &[]), Some(Strength::Modern));
        assert_eq!(of(&[EDWARDS[0]], &[]), Some(Strength::Modern));
        assert_eq!(of(&[&[0x2a]], &[]), None);
    }

    #[test]
    fn both_digests_of_pss_count() {
        let pss = |parameters: &[u8]| of(&[PKCS1, &[10]], parameters);
        let sha256 = value(SEQUENCE, &[&value(OID, &[NIST_DIGEST, &[1]])]);
        let digest = value(constructed(0), &[&sha256]);
        let mgf1 = value(SEQUENCE, &[&value(OID, &[PKCS1, &[8]]), &sha256]);
        let mask = value(constructed(1), &[&mgf1]);
        let with = |parts: &[&[u8]]| pss(&value(SEQUENCE, parts));
        assert_eq!(with(&[&digest, &mask]), Some(Strength::Modern));
        assert_eq!(with(&[&digest]), Some(Strength::Old), "MGF1 with SHA-1");
        assert_eq!(with(&[&mask]), Some(Strength::Old));
        assert_eq!(with(&[]), Some(Strength::Old));
        assert_eq!(pss(&[]), None);
    }

    #[test]
    fn floors_are_lowered_and_raised_by_the_caller() {
        let root = Authority::root("TEST root");
        let leaf = root.issue(&Shape::leaf("TEST a").digest(MessageDigest::sha1()));
        let parsed = Parsed::read(leaf.certificate.der()).expect("read");
        let x509 = leaf.certificate.x509();
        let strict = Floors::default();
        assert_eq!(
            strict.signature(&parsed.algorithm).map_err(|b| b.0),
            Err(Reason::WeakSignature)
        );
        let old = Floors { allow_sha1: true, ..strict };
        assert_eq!(old.signature(&parsed.algorithm), Ok(()));
        assert_eq!(strict.key(x509, &parsed), Ok(()));
        let high = Floors { min_ec_bits: 257, ..strict };
        assert_eq!(high.key(x509, &parsed).map_err(|b| b.0), Err(Reason::WeakKey));
        assert!(strict.security_level() > old.security_level());
    }
}
