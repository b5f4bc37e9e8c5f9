//! Bare keys of the vectors, put into certificates: the library takes its trust from certificates
//! that the caller gives, and from nothing in a message.

use amtsbote_schemas::xml::{Event, EventSink, Limits, drive};
use anyhow::{Context, Result, anyhow, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openssl::asn1::{Asn1Object, Asn1Time};
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private, Public};
use openssl::rsa::Rsa;
use openssl::x509::{X509, X509NameBuilder};

/// A certificate for a key, by an issuer that nobody knows.
pub(crate) fn certificate(key: &PKey<Public>) -> Result<X509> {
    let issuer = ec_key()?;
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_text("CN", "TEST bare key")?;
    let name = name.build();
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_subject_name(&name)?;
    builder.set_issuer_name(&name)?;
    let serial = BigNum::from_u32(1)?.to_asn1_integer()?;
    builder.set_serial_number(&serial)?;
    let (from, until) =
        (Asn1Time::from_str("19700101000000Z")?, Asn1Time::from_str("21000101000000Z")?);
    builder.set_not_before(&from)?;
    builder.set_not_after(&until)?;
    builder.set_pubkey(key)?;
    builder.sign(&issuer, MessageDigest::sha256())?;
    Ok(builder.build())
}

/// A new key on P-256.
pub(crate) fn ec_key() -> Result<PKey<Private>> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    Ok(PKey::from_ec_key(EcKey::generate(&group)?)?)
}

/// The first key that stands bare in a document.
pub(crate) fn in_document(document: &[u8]) -> Result<PKey<Public>> {
    let mut sink = Bare::default();
    drive(document, &Limits::default(), &mut sink).map_err(|error| anyhow!("{error}"))?;
    let text = |name: &str| {
        let found = sink.texts.iter().find(|(own, _)| own == name);
        found.map(|(_, text)| text.as_str()).with_context(|| format!("no {name}"))
    };
    if let Ok(der) = text("DEREncodedKeyValue") {
        return Ok(PKey::public_key_from_der(&octets(der)?)?);
    }
    if let Ok(point) = text("PublicKey") {
        let oid = sink.curve.as_deref().context("no curve")?;
        let group = EcGroup::from_curve_name(Asn1Object::from_str(oid)?.nid())?;
        let mut context = BigNumContext::new()?;
        let point = EcPoint::from_bytes(&group, &octets(point)?, &mut context)?;
        return Ok(PKey::from_ec_key(EcKey::from_public_key(&group, &point)?)?);
    }
    let number = |name| Ok::<_, anyhow::Error>(BigNum::from_slice(&octets(text(name)?)?)?);
    match (number("Modulus"), number("Exponent")) {
        (Ok(n), Ok(e)) => Ok(PKey::from_rsa(Rsa::from_public_components(n, e)?)?),
        _ => bail!("no bare key in the document"),
    }
}

fn octets(text: &str) -> Result<Vec<u8>> {
    Ok(STANDARD.decode(text.split_whitespace().collect::<String>())?)
}

/// The texts of the elements that make up keys.
#[derive(Default)]
struct Bare {
    texts: Vec<(String, String)>,
    curve: Option<String>,
    open: bool,
}

impl EventSink for Bare {
    type Error = std::convert::Infallible;

    fn event(&mut self, event: &Event<'_>) -> Result<(), Self::Error> {
        const NAMES: [&str; 4] = ["Modulus", "Exponent", "PublicKey", "DEREncodedKeyValue"];
        match event {
            Event::Start(tag) => {
                self.open = NAMES.contains(&tag.local.as_str());
                if self.open {
                    self.texts.push((tag.local.clone(), String::new()));
                }
                if tag.local == "NamedCurve" && self.curve.is_none() {
                    let uri = tag.attribute("URI").and_then(|u| u.strip_prefix("urn:oid:"));
                    self.curve = uri.map(str::to_owned);
                }
            }
            Event::Text(_, text, _) if self.open => {
                if let Some((_, own)) = self.texts.last_mut() {
                    own.push_str(text);
                }
            }
            Event::End(..) => self.open = false,
            _ => {}
        }
        Ok(())
    }
}
