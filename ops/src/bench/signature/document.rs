//! The documents under measurement: invented messages such as XÖV standards describe, and keys.

use std::fmt::Write as _;

use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::TrustedCertificate;
use amtsbote_domain::validity::Validity;
use amtsbote_wire::signature::{Name, OpensslSigner, Place, sign_enveloped};
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::{X509, X509NameBuilder};

/// The namespace of the root element.
const NAMESPACE: &str = "urn:amtsbote:bench:1";
/// The root element.
const ROOT: Name = Name::new(NAMESPACE, "message");
/// Where the signature stands.
pub(super) const SIGNATURE: &[Name] =
    &[ROOT, Name::new("http://www.w3.org/2000/09/xmldsig#", "Signature")];
/// What must be signed.
pub(super) const MUST_COVER: &[&[Name]] = &[&[ROOT]];
/// Deepest nesting of groups.
const DEPTH: u64 = 6;

const GROUPS: [&str; 4] = ["person", "anschrift", "angaben", "beteiligter"];
const FIELDS: [&str; 10] = [
    "nachname",
    "vorname",
    "geburtsdatum",
    "ort",
    "postleitzahl",
    "strasse",
    "kennung",
    "behoerde",
    "beginn",
    "staatsangehoerigkeit",
];
const WORDS: [&str; 12] = [
    "Antrag",
    "Meldebehörde",
    "Beispielstadt",
    "Straße am Markt",
    "2026-05-01",
    "Musterfrau",
    "Angabe zur Person",
    "ja",
    "Probe &amp; Partner",
    "urn:example:liste",
    "Anna-Lena",
    "Zuzug aus dem Ausland",
];

/// The key of an algorithm, and what is needed to sign and to verify with it.
pub(super) struct Identity {
    pub(super) name: &'static str,
    pub(super) key: PKey<Private>,
    pub(super) certificate: X509,
}

impl Identity {
    /// RSA with 3072 bits, and ECDSA over P-256.
    pub(super) fn both() -> anyhow::Result<[Self; 2]> {
        let rsa = PKey::from_rsa(Rsa::generate(3072)?)?;
        let curve = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        let ec = PKey::from_ec_key(EcKey::generate(&curve)?)?;
        Ok([Self::new("RSA-3072", rsa)?, Self::new("ECDSA P-256", ec)?])
    }

    fn new(name: &'static str, key: PKey<Private>) -> anyhow::Result<Self> {
        let mut subject = X509NameBuilder::new()?;
        subject.append_entry_by_text("CN", "TEST Messung")?;
        let subject = subject.build();
        let mut builder = X509::builder()?;
        builder.set_version(2)?;
        let serial = BigNum::from_u32(1)?.to_asn1_integer()?;
        builder.set_serial_number(&serial)?;
        builder.set_subject_name(&subject)?;
        builder.set_issuer_name(&subject)?;
        let from = Asn1Time::days_from_now(0)?;
        let until = Asn1Time::days_from_now(2)?;
        builder.set_not_before(&from)?;
        builder.set_not_after(&until)?;
        builder.set_pubkey(&key)?;
        builder.sign(&key, MessageDigest::sha256())?;
        Ok(Self { name, key, certificate: builder.build() })
    }

    /// The certificate as one that is trusted without end.
    pub(super) fn trusted(certificate: &X509) -> anyhow::Result<TrustedCertificate> {
        let der = certificate.to_der()?;
        let fingerprint = Digest(openssl::sha::sha256(&der));
        Ok(TrustedCertificate { fingerprint, der, validity: Validity { from: None, until: None } })
    }

    /// A signed message of about so many octets.
    pub(super) fn signed(&self, octets: usize) -> anyhow::Result<Vec<u8>> {
        let signer = OpensslSigner::new(self.key.clone(), &self.certificate)?;
        let sign = |message: &str| sign_enveloped(message.as_bytes(), &signer, &Place::LastInRoot);
        let empty = message(0);
        let signature = sign(&empty)?.len() - empty.len();
        Ok(sign(&message(octets.saturating_sub(signature)))?)
    }
}

/// A message of about so many octets, always the same for the same number: groups of fields with
/// 10 to 40 octets of text, few attributes, four namespaces, indented.
fn message(octets: usize) -> String {
    let mut draw = Draw(7);
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<m:message xmlns:m=\"{NAMESPACE}\" \
         xmlns:x=\"urn:amtsbote:bench:basis:1\" xmlns=\"urn:amtsbote:bench:andere:1\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" standard=\"Messung\" \
         version=\"1.1\">\n"
    );
    const END: &str = "</m:message>\n";
    while text.len() + END.len() < octets {
        group(&mut text, &mut draw, 1, octets - END.len());
    }
    text.push_str(END);
    text
}

fn group(text: &mut String, draw: &mut Draw, depth: u64, octets: usize) {
    let indent = "  ".repeat(depth as usize);
    let name = draw.one(&GROUPS);
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{indent}<m:{name}>");
    for _ in 0..2 + draw.below(5) {
        if text.len() > octets {
            break;
        }
        if depth < DEPTH && draw.below(10) < 3 {
            group(text, draw, depth + 1, octets);
        } else {
            field(text, draw, &indent);
        }
    }
    let _ = writeln!(text, "{indent}</m:{name}>");
}

fn field(text: &mut String, draw: &mut Draw, indent: &str) {
    let prefix = draw.one(&["m:", "m:", "x:", ""]);
    let name = draw.one(&FIELDS);
    let attributes = match draw.below(20) {
        0 | 1 => format!(" listURI=\"urn:example:liste:{}\" version=\"2\"", draw.below(99)),
        2 => format!(" nr=\"{}\"", draw.below(1_000_000)),
        _ => String::new(),
    };
    let mut value = draw.one(&WORDS).to_owned();
    while value.len() < 10 + draw.below(20) as usize {
        value.push(' ');
        value.push_str(draw.one(&WORDS));
    }
    let _ = writeln!(text, "{indent}  <{prefix}{name}{attributes}>{value}</{prefix}{name}>");
}

/// Numbers that look drawn, the same in every run.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn one<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_about_the_size_asked_for() {
        for octets in [6_000, 100_000] {
            let message = message(octets);
            assert!(message.len().abs_diff(octets) < 600, "{octets}: {}", message.len());
            assert_eq!(message, super::message(octets));
        }
    }
}
