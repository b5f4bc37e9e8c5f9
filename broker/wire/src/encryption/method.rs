//! `EncryptionMethod` and what else names an algorithm: read from a small tree, nothing believed.

use amtsbote_schemas::xml::Position;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::algorithm::{DataAlgorithm, DerivationAlgorithm, KeyAlgorithm, hmac, mgf1};
use super::fault::{Refused, invalid, not_allowed};
use crate::signature::DigestAlgorithm;
use crate::signature::tree::Element;

/// The namespace of XML Encryption.
pub(super) const XENC: &str = "http://www.w3.org/2001/04/xmlenc#";
/// The namespace of what version 1.1 added.
pub(super) const XENC11: &str = "http://www.w3.org/2009/xmlenc11#";
/// The namespace of XML signatures.
pub(super) const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
/// The namespace of what XML Signature 1.1 added.
pub(super) const DSIG11: &str = "http://www.w3.org/2009/xmldsig11#";
/// The namespace of RFC 9231 and its successors.
const DSIG_MORE: &str = "http://www.w3.org/2021/04/xmldsig-more#";
/// The namespace of OSCI-Transport 1.2 that holds `IvLength`.
pub(super) const OSCI128: &str = "http://xoev.de/transport/osci12/8";

/// How data are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DataMethod {
    pub(super) place: Position,
    pub(super) algorithm: DataAlgorithm,
    /// What `IvLength` says.
    pub(super) iv_length: Option<usize>,
}

impl DataMethod {
    pub(super) fn parse(element: &Element) -> Result<Self, Refused> {
        let place = element.tag.position;
        let Some(algorithm) = DataAlgorithm::from_uri(algorithm_of(element)?) else {
            return not_allowed(place, "EncryptionMethod of the data: not on the list");
        };
        let mut iv_length = None;
        for child in element.elements() {
            if child.tag.is(XENC, "KeySize") {
                key_size(child, algorithm.key_octets())?;
            } else if child.tag.is(OSCI128, "IvLength") && iv_length.is_none() {
                iv_length = match child.tag.attribute("Value") {
                    Some("12") => Some(12),
                    Some("16") => Some(16),
                    _ => return not_allowed(place, "IvLength: 12 or 16 octets"),
                };
            } else {
                return not_allowed(place, "EncryptionMethod of the data: unknown parameter");
            }
        }
        Ok(Self { place, algorithm, iv_length })
    }
}

/// How a key is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyMethod {
    pub(super) place: Position,
    pub(super) algorithm: KeyAlgorithm,
    /// For OAEP.
    pub(super) digest: DigestAlgorithm,
    pub(super) mask: DigestAlgorithm,
    /// `MGF` stands beside `rsa-oaep-mgf1p`, which the standard forbids (XML Encryption 1.1, 5.5.2).
    pub(super) stray_mask: bool,
    pub(super) label: Vec<u8>,
}

impl KeyMethod {
    pub(super) fn parse(element: &Element) -> Result<Self, Refused> {
        let place = element.tag.position;
        let Some(algorithm) = KeyAlgorithm::from_uri(algorithm_of(element)?) else {
            return not_allowed(place, "EncryptionMethod of a key: not on the list");
        };
        // XML Encryption 1.1, 5.5.2: SHA-1 where nothing is said.
        let (digest, mask, label) = (DigestAlgorithm::Sha1, DigestAlgorithm::Sha1, Vec::new());
        let mut method = Self { place, algorithm, digest, mask, stray_mask: false, label };
        let oaep = matches!(algorithm, KeyAlgorithm::RsaOaep | KeyAlgorithm::RsaOaepMgf1p);
        for child in element.elements() {
            if child.tag.is(XENC, "KeySize") {
                // Says how long the wrapped key is; that shows when it is unwrapped.
            } else if oaep && child.tag.is(DSIG, "DigestMethod") {
                method.digest = digest_method(child)?;
            } else if oaep && child.tag.is(XENC11, "MGF") {
                method.stray_mask = algorithm == KeyAlgorithm::RsaOaepMgf1p;
                method.mask = match mgf1(algorithm_of(child)?) {
                    Some(digest) => digest,
                    None => return not_allowed(place, "MGF: not on the list"),
                };
            } else if oaep && child.tag.is(XENC, "OAEPparams") {
                method.label = base64_text(child)?;
            } else {
                return not_allowed(place, "EncryptionMethod of a key: unknown parameter");
            }
        }
        Ok(method)
    }
}

/// How a key is derived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Derivation {
    pub(super) place: Position,
    pub(super) algorithm: DerivationAlgorithm,
    pub(super) digest: DigestAlgorithm,
    pub(super) salt: Vec<u8>,
    /// `OtherInfo` of ConcatKDF, `Info` of HKDF.
    pub(super) info: Vec<u8>,
    pub(super) iterations: u32,
    /// Octets of the derived key, where they are said.
    pub(super) length: Option<usize>,
}

impl Derivation {
    pub(super) fn parse(element: &Element) -> Result<Self, Refused> {
        let place = element.tag.position;
        let Some(algorithm) = DerivationAlgorithm::from_uri(algorithm_of(element)?) else {
            return not_allowed(place, "KeyDerivationMethod: not on the list");
        };
        let mut children = element.elements();
        let (Some(params), None) = (children.next(), children.next()) else {
            return invalid(place, "KeyDerivationMethod has one element of parameters");
        };
        let mut derivation = Self {
            place,
            algorithm,
            digest: DigestAlgorithm::Sha256,
            salt: Vec::new(),
            info: Vec::new(),
            iterations: 0,
            length: None,
        };
        let name = match algorithm {
            DerivationAlgorithm::ConcatKdf => (XENC11, "ConcatKDFParams"),
            DerivationAlgorithm::Hkdf => (DSIG_MORE, "HKDFParams"),
            DerivationAlgorithm::Pbkdf2 => (XENC11, "PBKDF2-params"),
        };
        if !params.tag.is(name.0, name.1) {
            return invalid(place, "KeyDerivationMethod: the parameters of another method");
        }
        match algorithm {
            DerivationAlgorithm::ConcatKdf => derivation.concat(params)?,
            DerivationAlgorithm::Hkdf | DerivationAlgorithm::Pbkdf2 => derivation.read(params)?,
        }
        Ok(derivation)
    }

    /// XML Encryption 1.1, 5.4.1.
    fn concat(&mut self, params: &Element) -> Result<(), Refused> {
        for name in ["AlgorithmID", "PartyUInfo", "PartyVInfo", "SuppPubInfo", "SuppPrivInfo"] {
            if let Some(bits) = params.tag.attribute(name) {
                self.info.extend(bit_string(bits, params.tag.position)?);
            }
        }
        let mut children = params.elements();
        match (children.next(), children.next()) {
            (Some(method), None) if method.tag.is(DSIG, "DigestMethod") => {
                self.digest = digest_method(method)?;
                Ok(())
            }
            _ => invalid(self.place, "ConcatKDFParams has one DigestMethod"),
        }
    }

    /// XML Encryption 1.1, 5.4.2, and the parameters of HKDF.
    fn read(&mut self, params: &Element) -> Result<(), Refused> {
        let hkdf = self.algorithm == DerivationAlgorithm::Hkdf;
        let space = if hkdf { DSIG_MORE } else { XENC11 };
        let mut prf = false;
        for child in params.elements() {
            match child.tag.local.as_str() {
                _ if child.tag.namespace != space => {
                    return invalid(self.place, "KeyDerivationMethod: unknown parameter");
                }
                "PRF" => {
                    self.digest = match hmac(algorithm_of(child)?) {
                        Some(digest) => digest,
                        None => return not_allowed(self.place, "PRF: not on the list"),
                    };
                    prf = true;
                }
                "Salt" if hkdf => self.salt = base64_text(child)?,
                "Info" if hkdf => self.info = base64_text(child)?,
                "Salt" => match child.elements().next() {
                    Some(salt) if salt.tag.is(XENC11, "Specified") => {
                        self.salt = base64_text(salt)?;
                    }
                    _ => return not_allowed(self.place, "Salt: only Specified"),
                },
                "IterationCount" if !hkdf => self.iterations = number(child)?,
                "KeyLength" => self.length = Some(number(child)? as usize),
                _ => return invalid(self.place, "KeyDerivationMethod: unknown parameter"),
            }
        }
        if !prf || (!hkdf && (self.iterations == 0 || self.length.is_none())) {
            return invalid(self.place, "KeyDerivationMethod: a parameter is missing");
        }
        Ok(())
    }
}

/// A string of bits in hexadecimal, the first octet saying how many bits at the end do not count
/// (XML Encryption 1.1, 5.4.1). Only whole octets have a meaning here.
fn bit_string(text: &str, place: Position) -> Result<Vec<u8>, Refused> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    match digits.as_deref() {
        Some([0, 0, rest @ ..]) if rest.len() % 2 == 0 => Ok(rest
            .chunks(2)
            .map(|d| d.iter().fold(0, |octet, digit| octet << 4 | digit))
            .collect()),
        _ => invalid(place, "ConcatKDFParams: hexadecimal digits, in whole octets"),
    }
}

pub(super) fn digest_method(element: &Element) -> Result<DigestAlgorithm, Refused> {
    match DigestAlgorithm::from_uri(algorithm_of(element)?) {
        Some(digest) => Ok(digest),
        None => not_allowed(element.tag.position, "DigestMethod: not on the list"),
    }
}

pub(super) fn algorithm_of(element: &Element) -> Result<&str, Refused> {
    match element.tag.attribute("Algorithm") {
        Some(uri) => Ok(uri),
        None => invalid(element.tag.position, "Algorithm is missing"),
    }
}

fn key_size(element: &Element, octets: usize) -> Result<(), Refused> {
    if number(element)? as usize == octets * 8 {
        Ok(())
    } else {
        invalid(element.tag.position, "KeySize: not that of the algorithm")
    }
}

fn number(element: &Element) -> Result<u32, Refused> {
    match element.text().and_then(|text| text.trim().parse().ok()) {
        Some(number) => Ok(number),
        None => invalid(element.tag.position, "a number must stand here"),
    }
}

/// The octets that an element holds as Base64; white space is of no account.
pub(super) fn base64_text(element: &Element) -> Result<Vec<u8>, Refused> {
    let octets = element.text().and_then(|mut text| {
        text.retain(|c| !matches!(c, ' ' | '\t' | '\r' | '\n'));
        STANDARD.decode(text).ok()
    });
    match octets {
        Some(octets) => Ok(octets),
        None => invalid(element.tag.position, "Base64 text must stand here"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bit_strings_are_whole_octets() {
        let read = |text| bit_string(text, Position::default());
        assert_eq!(read(""), Ok(Vec::new()));
        assert_eq!(read("00"), Ok(Vec::new()));
        assert_eq!(read("00b9E1"), Ok(vec![0xB9, 0xE1]));
        for wrong in ["0", "03A0", "zz", "00g0", "00a", "ä"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
