//! The keys of a token with their certificates.

use std::path::Path;

use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use openssl::pkey::{PKey, Public};

use crate::error::TrustError;
use crate::pem::{Certificate, MAX_CERTIFICATES};

use super::super::folder::MAX_KEYS;
use super::super::kind::{KeyAlgorithm, KeyFacts};
use super::super::{Abilities, Entry, Place, chain, is_name};
use super::sessions::Trouble;

/// Longest `CKA_ID` that becomes a name, in bytes.
const MAX_ID_BYTES: usize = 30;

/// What is remembered of a key to find it again in another session, and what it is.
#[derive(Clone, Debug)]
pub(super) struct KeyObject {
    id: Vec<u8>,
    label: Vec<u8>,
    facts: KeyFacts,
    chain: Vec<Certificate>,
    may_sign: bool,
    may_decrypt: bool,
}

/// A private key as the token lists it.
#[derive(Default)]
struct Listed {
    id: Vec<u8>,
    label: Vec<u8>,
    kind: Option<KeyType>,
    modulus: Vec<u8>,
    curve: Vec<u8>,
    sign: bool,
    decrypt: bool,
    always_authenticate: bool,
}

/// The names of all keys, unsorted; one that several claim occurs several times.
pub(super) fn names(session: &Session) -> Result<Vec<String>, Trouble> {
    let keys = list(session)?;
    Ok(keys.iter().filter_map(|key| name(key, &keys)).collect())
}

/// The key of this name, with its certificates.
pub(super) fn key(session: &Session, wanted: &str) -> Result<KeyObject, Trouble> {
    let keys = list(session)?;
    let mut found = keys.iter().filter(|key| name(key, &keys).as_deref() == Some(wanted));
    let key = found.next().ok_or(TrustError::Absent)?;
    if found.next().is_some() {
        return Err(TrustError::Ambiguous.into());
    }
    let chain = certificates(session, key)?;
    let facts = match chain.first() {
        Some(certificate) => KeyFacts::of(&*public(certificate)?),
        None => key.facts(),
    };
    Ok(KeyObject {
        id: key.id.clone(),
        label: key.label.clone(),
        facts,
        chain,
        may_sign: key.sign && !key.always_authenticate,
        may_decrypt: key.decrypt && !key.always_authenticate,
    })
}

/// By its label, if that is a name and nobody else's; else by its id.
fn name(key: &Listed, all: &[Listed]) -> Option<String> {
    let label = std::str::from_utf8(&key.label).ok().filter(|label| is_name(label));
    let is_unique = all.iter().filter(|other| other.label == key.label).count() == 1;
    match label.filter(|_| is_unique) {
        Some(label) => Some(label.to_owned()),
        None if (1..=MAX_ID_BYTES).contains(&key.id.len()) => {
            let digits: String = key.id.iter().map(|octet| format!("{octet:02x}")).collect();
            Some(format!("id-{digits}"))
        }
        None => label.map(str::to_owned),
    }
}

fn list(session: &Session) -> Result<Vec<Listed>, Trouble> {
    let template = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Token(true)];
    let handles = session.find_objects(&template)?;
    if handles.len() > MAX_KEYS {
        return Err(TrustError::TooMany.into());
    }
    handles.into_iter().map(|handle| Ok(Listed::read(session, handle)?)).collect()
}

impl Listed {
    fn read(session: &Session, handle: ObjectHandle) -> Result<Self, cryptoki::error::Error> {
        let wanted = [
            AttributeType::Id,
            AttributeType::Label,
            AttributeType::KeyType,
            AttributeType::Modulus,
            AttributeType::EcParams,
            AttributeType::Sign,
            AttributeType::Decrypt,
            AttributeType::AlwaysAuthenticate,
        ];
        let mut key = Self::default();
        for attribute in session.get_attributes(handle, &wanted)? {
            match attribute {
                Attribute::Id(id) => key.id = id,
                Attribute::Label(label) => key.label = label,
                Attribute::KeyType(kind) => key.kind = Some(kind),
                Attribute::Modulus(modulus) => key.modulus = modulus,
                Attribute::EcParams(curve) => key.curve = curve,
                Attribute::Sign(yes) => key.sign = yes,
                Attribute::Decrypt(yes) => key.decrypt = yes,
                Attribute::AlwaysAuthenticate(yes) => key.always_authenticate = yes,
                _ => {}
            }
        }
        Ok(key)
    }

    /// As the token itself describes it, where no certificate does.
    fn facts(&self) -> KeyFacts {
        let (algorithm, bits) = match self.kind {
            Some(KeyType::RSA) => {
                let modulus = without_zeros(&self.modulus);
                let first = modulus.first().map_or(0, |octet| octet.leading_zeros());
                (KeyAlgorithm::Rsa, (modulus.len() as u32 * 8).saturating_sub(first))
            }
            Some(KeyType::EC) => CURVES
                .iter()
                .find(|(curve, ..)| *curve == self.curve)
                .map_or((KeyAlgorithm::Other, 0), |(_, name, bits)| {
                    (KeyAlgorithm::Ec(name), *bits)
                }),
            _ => (KeyAlgorithm::Other, 0),
        };
        KeyFacts { algorithm, bits }
    }

    /// Whether the certificate is that of the key, as far as a private key of a token says: by the
    /// modulus, or by the curve and the point of the public key that lies beside it.
    fn is_of(&self, certificate: &Certificate, points: &[Vec<u8>]) -> Result<bool, TrustError> {
        let key = public(certificate)?;
        if let Ok(rsa) = key.rsa() {
            return Ok(rsa.n().to_vec() == without_zeros(&self.modulus));
        }
        let Ok(ec) = key.ec_key() else { return Ok(false) };
        let facts = KeyFacts::of(&*key);
        if facts != self.facts() {
            return Ok(false);
        }
        let mut context = openssl::bn::BigNumContext::new()?;
        let form = openssl::ec::PointConversionForm::UNCOMPRESSED;
        let point = ec.public_key().to_bytes(ec.group(), form, &mut context)?;
        // In an OCTET STRING, as PKCS#11 has it, or bare, as some tokens do.
        Ok(points.is_empty() || points.iter().any(|found| found.ends_with(&point)))
    }
}

/// `CKA_EC_PARAMS` of the curves that have certificates here: DER of the object identifier.
const CURVES: [(&[u8], &str, u32); 6] = [
    (b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", "P-256", 256),
    (b"\x06\x05\x2b\x81\x04\x00\x22", "P-384", 384),
    (b"\x06\x05\x2b\x81\x04\x00\x23", "P-521", 521),
    (b"\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x07", "brainpoolP256r1", 256),
    (b"\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x0b", "brainpoolP384r1", 384),
    (b"\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x0d", "brainpoolP512r1", 512),
];

fn without_zeros(number: &[u8]) -> &[u8] {
    let first = number.iter().position(|octet| *octet != 0).unwrap_or(number.len());
    &number[first..]
}

fn public(certificate: &Certificate) -> Result<PKey<Public>, TrustError> {
    Ok(certificate.x509().public_key()?)
}

/// The certificate with the id of the key, then its issuers. Of several for one key, the one that is
/// valid longest: a certificate that was renewed lies beside its forerunner.
fn certificates(session: &Session, key: &Listed) -> Result<Vec<Certificate>, Trouble> {
    let handles = session.find_objects(&[Attribute::Class(ObjectClass::CERTIFICATE)])?;
    if handles.len() > MAX_CERTIFICATES {
        return Err(TrustError::TooMany.into());
    }
    let points = points(session, key)?;
    let (mut own, mut others) = (Vec::new(), Vec::new());
    for handle in handles {
        let (mut id, mut der) = (Vec::new(), Vec::new());
        for attribute in
            session.get_attributes(handle, &[AttributeType::Id, AttributeType::Value])?
        {
            match attribute {
                Attribute::Id(found) => id = found,
                Attribute::Value(value) => der = value,
                _ => {}
            }
        }
        // What else lies on a token is no matter here.
        let Ok(certificate) = Certificate::from_der(&der) else { continue };
        if !id.is_empty() && id == key.id && key.is_of(&certificate, &points)? {
            own.push(certificate);
        } else {
            others.push(certificate);
        }
    }
    let Some(leaf) = own.into_iter().max_by_key(|one| one.validity().until) else {
        return Ok(Vec::new());
    };
    Ok(chain::in_order(leaf, &others)?)
}

/// The points of the public keys that lie beside a key.
fn points(session: &Session, key: &Listed) -> Result<Vec<Vec<u8>>, Trouble> {
    if key.kind != Some(KeyType::EC) || key.id.is_empty() {
        return Ok(Vec::new());
    }
    let template = [Attribute::Class(ObjectClass::PUBLIC_KEY), Attribute::Id(key.id.clone())];
    let mut points = Vec::new();
    for handle in session.find_objects(&template)? {
        for attribute in session.get_attributes(handle, &[AttributeType::EcPoint])? {
            if let Attribute::EcPoint(point) = attribute {
                points.push(point);
            }
        }
    }
    Ok(points)
}

impl KeyObject {
    pub(super) fn facts(&self) -> KeyFacts {
        self.facts
    }

    pub(super) fn certificate(&self) -> Result<&Certificate, TrustError> {
        self.chain.first().ok_or(TrustError::CertificatePending)
    }

    pub(super) fn abilities(&self) -> Abilities {
        let certified = !self.chain.is_empty();
        let (rsa, ec) = match self.facts.algorithm {
            KeyAlgorithm::Rsa => (true, false),
            KeyAlgorithm::Ec(_) => (false, true),
            _ => (false, false),
        };
        Abilities {
            sign: certified && self.may_sign && (rsa || ec),
            decrypt: certified && self.may_decrypt && rsa,
            tls: false,
        }
    }

    pub(super) fn into_entry(self, name: &str, module: &Path, label: &str) -> Entry {
        Entry {
            name: name.to_owned(),
            facts: self.facts,
            abilities: self.abilities(),
            chain: self.chain,
            place: Place::Token { module: module.to_owned(), label: label.to_owned() },
        }
    }

    /// Finds the key again, in whatever session.
    pub(super) fn handle(&self, session: &Session) -> Result<ObjectHandle, Trouble> {
        let mut template = vec![
            Attribute::Class(ObjectClass::PRIVATE_KEY),
            Attribute::Token(true),
            Attribute::Label(self.label.clone()),
        ];
        if !self.id.is_empty() {
            template.push(Attribute::Id(self.id.clone()));
        }
        match session.find_objects(&template)?[..] {
            [handle] => Ok(handle),
            [] => Err(TrustError::Absent.into()),
            _ => Err(TrustError::Ambiguous.into()),
        }
    }
}
