//! `KeyInfo`: by whose key the data, or the key of the data, are encrypted.
//!
//! It only selects among the keys that the caller hands in. Elements that name no key of ours are
//! passed over: other recipients may be named in ways that are none of our concern.

use amtsbote_schemas::xml::Position;
use openssl::bn::BigNumContext;
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::nid::Nid;
use openssl::pkey::{PKey, Public};
use openssl::x509::X509;

use super::algorithm::AgreementAlgorithm;
use super::allowed::MAX_WRAPPED_OCTETS;
use super::fault::{Refused, invalid, not_allowed};
use super::method::{DSIG, DSIG11, Derivation, KeyMethod, XENC, XENC11, algorithm_of, base64_text};
use super::secret::KeyOctets;
use crate::signature::DigestAlgorithm;
use crate::signature::tree::Element;

/// Most ways to a key that one `KeyInfo` may name.
const MAX_SOURCES: usize = 64;

/// What one `KeyInfo` says.
#[derive(Clone, Debug, Default)]
pub(super) struct KeyInfo {
    /// Ways to compute the key, in the order written.
    pub(super) sources: Vec<Source>,
    /// What it says about a key that somebody has.
    pub(super) hints: Vec<Hint>,
}

/// A way to compute a key.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// It stands here, encrypted.
    Encrypted(Box<EncryptedKey>),
    /// It stands elsewhere in the document, under this identifier.
    Retrieval(Position, String),
    /// It is agreed.
    Agreed(Agreement),
    /// It is derived from a secret that has this name.
    Derived(Result<Derivation, Refused>, Option<String>),
    /// It stands here as it is: `MgmtData` of OSCI-Transport 1.2.
    Plain(KeyOctets),
}

/// Something by which a key, or its certificate, is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    /// The certificate itself.
    Certificate(Vec<u8>),
    /// Issuer and serial number, in decimal.
    IssuerSerial(String, String),
    /// The subject.
    Subject(String),
    /// The subject key identifier.
    KeyIdentifier(Vec<u8>),
    /// The digest of the certificate; none where the algorithm is not known.
    Digest(Option<DigestAlgorithm>, Vec<u8>),
    /// A name that both sides know.
    Name(String),
    /// `X509Data` elsewhere in the document, in or under the element with this identifier.
    Elsewhere(String),
}

/// `EncryptedKey`.
#[derive(Clone, Debug)]
pub(super) struct EncryptedKey {
    pub(super) place: Position,
    pub(super) id: Option<String>,
    pub(super) method: Result<KeyMethod, Refused>,
    pub(super) key_info: KeyInfo,
    /// The encrypted octets.
    pub(super) value: Result<Vec<u8>, Refused>,
}

/// `AgreementMethod`.
#[derive(Clone, Debug)]
pub(super) struct Agreement {
    pub(super) place: Position,
    pub(super) algorithm: Result<AgreementAlgorithm, Refused>,
    pub(super) derivation: Result<Derivation, Refused>,
    pub(super) originator: Originator,
    /// Whose key is ours.
    pub(super) recipient: Vec<Hint>,
}

/// The public key of the other side.
#[derive(Clone, Debug)]
pub(super) enum Originator {
    /// It stands in the message.
    Key(PKey<Public>),
    /// The caller knows it by this name.
    Name(String),
    /// It is missing, or of no known form.
    Unknown,
}

impl KeyInfo {
    /// Reads a `KeyInfo`, or another element that holds the same.
    pub(super) fn parse(element: &Element) -> Result<Self, Refused> {
        let mut info = Self::default();
        for child in element.elements() {
            if child.tag.is(XENC, "EncryptedKey") {
                info.sources.push(Source::Encrypted(Box::new(EncryptedKey::parse(child)?)));
            } else if child.tag.is(DSIG, "RetrievalMethod") {
                info.retrieval(child)?;
            } else if child.tag.is(XENC, "AgreementMethod") {
                info.sources.push(Source::Agreed(Agreement::parse(child)?));
            } else if child.tag.is(XENC11, "DerivedKey") {
                info.derived(child);
            } else if child.tag.is(DSIG, "KeyName") {
                info.hints.extend(child.text().map(|name| Hint::Name(name.trim().to_owned())));
            } else if child.tag.is(DSIG, "X509Data") {
                x509_data(child, &mut info.hints)?;
            } else if child.tag.is(DSIG, "MgmtData") {
                // What is no Base64 is for somebody else.
                let key = base64_text(child).ok();
                info.sources.extend(key.map(|key| Source::Plain(KeyOctets::new(key))));
            }
            if info.sources.len() > MAX_SOURCES || info.hints.len() > MAX_SOURCES {
                return Err(Refused::Limit(element.tag.position, "entries of a KeyInfo"));
            }
        }
        Ok(info)
    }

    fn retrieval(&mut self, element: &Element) -> Result<(), Refused> {
        let place = element.tag.position;
        let kind = element.tag.attribute("Type").unwrap_or_default();
        let key = kind == "http://www.w3.org/2001/04/xmlenc#EncryptedKey";
        if !key && kind != "http://www.w3.org/2000/09/xmldsig#X509Data" {
            return Ok(());
        }
        let id = element.tag.attribute("URI").and_then(|uri| uri.strip_prefix('#'));
        let Some(id) = id.filter(|id| !id.is_empty() && element.elements().next().is_none()) else {
            return not_allowed(place, "RetrievalMethod: # and an Id, without transforms");
        };
        if key {
            self.sources.push(Source::Retrieval(place, id.to_owned()));
        } else {
            self.hints.push(Hint::Elsewhere(id.to_owned()));
        }
        Ok(())
    }

    fn derived(&mut self, element: &Element) {
        let named = |name| element.elements().find(|e| e.tag.is(XENC11, name));
        let derivation = match named("KeyDerivationMethod") {
            Some(method) => Derivation::parse(method),
            None => invalid(element.tag.position, "DerivedKey has a KeyDerivationMethod"),
        };
        let master = named("MasterKeyName").and_then(Element::text);
        let master = master.map(|name| name.trim().to_owned());
        self.sources.push(Source::Derived(derivation, master));
    }
}

pub(super) fn x509_data(data: &Element, hints: &mut Vec<Hint>) -> Result<(), Refused> {
    for child in data.elements() {
        let text = || child.text().unwrap_or_default().trim().to_owned();
        if child.tag.is(DSIG, "X509Certificate") {
            hints.push(Hint::Certificate(base64_text(child)?));
        } else if child.tag.is(DSIG, "X509SKI") {
            hints.push(Hint::KeyIdentifier(base64_text(child)?));
        } else if child.tag.is(DSIG, "X509SubjectName") {
            hints.push(Hint::Subject(text()));
        } else if child.tag.is(DSIG11, "X509Digest") {
            let digest = DigestAlgorithm::from_uri(algorithm_of(child)?);
            hints.push(Hint::Digest(digest, base64_text(child)?));
        } else if child.tag.is(DSIG, "X509IssuerSerial") {
            let find = |name| child.elements().find(|e| e.tag.is(DSIG, name));
            let read = |name| find(name).and_then(Element::text).map(|t| t.trim().to_owned());
            if let (Some(issuer), Some(serial)) = (read("X509IssuerName"), read("X509SerialNumber"))
            {
                hints.push(Hint::IssuerSerial(issuer, serial));
            }
        }
    }
    Ok(())
}

impl EncryptedKey {
    pub(super) fn parse(element: &Element) -> Result<Self, Refused> {
        let place = element.tag.position;
        let find = |space, name| element.elements().find(|e| e.tag.is(space, name));
        let method = match find(XENC, "EncryptionMethod") {
            Some(method) => KeyMethod::parse(method),
            None => not_allowed(place, "EncryptedKey: EncryptionMethod is missing"),
        };
        let key_info = find(DSIG, "KeyInfo").map(KeyInfo::parse).transpose()?.unwrap_or_default();
        let data = find(XENC, "CipherData");
        let value = data.and_then(|d| d.elements().find(|e| e.tag.is(XENC, "CipherValue")));
        let value = match value.map(base64_text) {
            Some(Ok(value)) if value.len() > MAX_WRAPPED_OCTETS => {
                Err(Refused::Limit(place, "octets of an encrypted key"))
            }
            Some(value) => value,
            None => not_allowed(place, "EncryptedKey: CipherValue, and nothing else, holds it"),
        };
        let id = element.tag.attribute("Id").map(str::to_owned);
        Ok(Self { place, id, method, key_info, value })
    }
}

impl Agreement {
    fn parse(element: &Element) -> Result<Self, Refused> {
        let place = element.tag.position;
        let algorithm = match AgreementAlgorithm::from_uri(algorithm_of(element)?) {
            Some(algorithm) => Ok(algorithm),
            None => not_allowed(place, "AgreementMethod: not on the list"),
        };
        let find = |space, name| element.elements().find(|e| e.tag.is(space, name));
        let derivation = match find(XENC11, "KeyDerivationMethod") {
            Some(method) => Derivation::parse(method),
            None => not_allowed(place, "AgreementMethod has a KeyDerivationMethod"),
        };
        let originator = find(XENC, "OriginatorKeyInfo").map(Originator::parse).transpose()?;
        let recipient = find(XENC, "RecipientKeyInfo").map(KeyInfo::parse).transpose()?;
        Ok(Self {
            place,
            algorithm,
            derivation,
            originator: originator.unwrap_or(Originator::Unknown),
            recipient: recipient.unwrap_or_default().hints,
        })
    }
}

impl Originator {
    fn parse(element: &Element) -> Result<Self, Refused> {
        for child in element.elements() {
            let key = if child.tag.is(DSIG, "KeyValue") {
                let value = child.elements().find(|e| e.tag.is(DSIG11, "ECKeyValue"));
                value.map(ec_key_value).transpose()?.flatten()
            } else if child.tag.is(DSIG11, "DEREncodedKeyValue") {
                PKey::public_key_from_der(&base64_text(child)?).ok()
            } else if child.tag.is(DSIG, "X509Data") {
                let mut hints = Vec::new();
                x509_data(child, &mut hints)?;
                hints.iter().find_map(|hint| match hint {
                    Hint::Certificate(der) => X509::from_der(der).ok()?.public_key().ok(),
                    _ => None,
                })
            } else if child.tag.is(DSIG, "KeyName") {
                return Ok(Self::Name(child.text().unwrap_or_default().trim().to_owned()));
            } else {
                None
            };
            if let Some(key) = key {
                return Ok(Self::Key(key));
            }
        }
        Ok(Self::Unknown)
    }
}

/// Curves by their identifiers: the NIST and Brainpool curves of BSI TR-02102-1.
pub(super) const CURVES: &[(&str, Nid)] = &[
    ("urn:oid:1.2.840.10045.3.1.7", Nid::X9_62_PRIME256V1),
    ("urn:oid:1.3.132.0.34", Nid::SECP384R1),
    ("urn:oid:1.3.132.0.35", Nid::SECP521R1),
    ("urn:oid:1.3.36.3.3.2.8.1.1.7", Nid::BRAINPOOL_P256R1),
    ("urn:oid:1.3.36.3.3.2.8.1.1.11", Nid::BRAINPOOL_P384R1),
    ("urn:oid:1.3.36.3.3.2.8.1.1.13", Nid::BRAINPOOL_P512R1),
];

/// XML Signature 1.1, 4.5.2.3: a named curve and a point of it.
fn ec_key_value(element: &Element) -> Result<Option<PKey<Public>>, Refused> {
    let find = |name| element.elements().find(|e| e.tag.is(DSIG11, name));
    let (Some(curve), Some(point)) = (find("NamedCurve"), find("PublicKey")) else {
        return Ok(None);
    };
    let uri = curve.tag.attribute("URI").unwrap_or_default();
    let Some((_, curve)) = CURVES.iter().find(|(name, _)| *name == uri) else { return Ok(None) };
    let point = base64_text(point)?;
    let key = || {
        let group = EcGroup::from_curve_name(*curve)?;
        let mut context = BigNumContext::new()?;
        // Refuses what is no point of the curve.
        let point = EcPoint::from_bytes(&group, &point, &mut context)?;
        PKey::from_ec_key(EcKey::from_public_key(&group, &point)?)
    };
    Ok(key().ok())
}
