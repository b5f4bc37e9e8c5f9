//! Every signed document at hand: native envelopes, what our signer makes, what xmlsec1 makes, the
//! recorded messages of OSCI-Transport, the public vectors.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use amtsbote_domain::identity::{MessageUuid, ServiceUri, TransportId};
use amtsbote_domain::message::{Metadata, Part};
use amtsbote_domain::party::PartyId;
use amtsbote_wire::c14n::Mode;
use amtsbote_wire::native::digest;
use amtsbote_wire::native::envelope::write_signed;
use amtsbote_wire::signature::{
    Allowed, DigestAlgorithm, Name, OpensslSigner, Place, SignatureAlgorithm, Signer, Signing,
    Target, sign_with,
};
use anyhow::{Context, Result, ensure};
use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;

use super::ground::Ids;
use super::map::Map;
use super::sample::{Came, Sample};
use crate::suite::given;
use crate::suite::xmldsig::keys;
use crate::suite::xmldsig::mime::Message;

/// A document with prefixes, a default namespace, nested elements with identifiers.
const DOCUMENT: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- TEST -->\n\
    <n:bescheid xmlns:n=\"urn:example:n\" xmlns=\"urn:example:d\" Id=\"ganz\" xml:lang=\"de\">\n\
    <kopf Id=\"kopf\" art=\"amt\" b=\"c\"><von>Kreis Beispiel</von></kopf>\n\
    <n:inhalt Id=\"inhalt\"><empfaenger art=\"amt\" nr=\"7\">Stadt Beispiel</empfaenger>\
    <betrag>100</betrag><leer/></n:inhalt>\n</n:bescheid>\n";

/// A message as WS-Security signs it: the signature in a header, over the body.
const SOAP_MESSAGE: &str = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
    xmlns:wsu=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd\">\
    <s:Header><x:Security xmlns:x=\"urn:example:security\"></x:Security>\
    <y:Zeit xmlns:y=\"urn:example:zeit\" wsu:Id=\"zeit\"><y:um>12</y:um></y:Zeit></s:Header>\
    <s:Body wsu:Id=\"rumpf\"><y:an xmlns:y=\"urn:example:zeit\">Stadt Beispiel</y:an></s:Body>\
    </s:Envelope>";

const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// Header blocks of OSCI-Transport are signed, whatever they are.
const BLOCKS: &[&[Name]] = &[&[Name::new(SOAP, "Envelope"), Name::new(SOAP, "Header")]];

fn signer(key: PKey<Private>, algorithm: SignatureAlgorithm) -> Result<OpensslSigner> {
    let public = PKey::public_key_from_der(&key.public_key_to_der()?)?;
    Ok(OpensslSigner::with(key, &keys::certificate(&public)?, algorithm)?)
}

fn curve(nid: Nid) -> Result<PKey<Private>> {
    let group = EcGroup::from_curve_name(nid)?;
    Ok(PKey::from_ec_key(EcKey::generate(&group)?)?)
}

/// What our signer makes: each canonicalization over each kind of target, each algorithm twice.
pub(super) fn ours() -> Result<Vec<Sample>> {
    let p256 = signer(curve(Nid::X9_62_PRIME256V1)?, SignatureAlgorithm::EcdsaSha256)?;
    let element = |namespace: &str, local: &str| (namespace.to_owned(), local.to_owned());
    let in_head =
        Place::LastIn(vec![element("urn:example:n", "bescheid"), element("urn:example:d", "kopf")]);
    let root = Place::LastInRoot;
    let ids: [(&str, &[Option<&str>], &Place); 6] = [
        ("whole", &[None], &root),
        ("root-by-id", &[Some("ganz")], &root),
        ("part", &[Some("inhalt")], &root),
        ("part-around-its-signature", &[Some("kopf")], &in_head),
        ("whole-signed-inside", &[None], &in_head),
        ("two-parts", &[Some("kopf"), Some("inhalt")], &root),
    ];
    let mut samples = Vec::new();
    for mode in Mode::ALL {
        for (name, ids, place) in ids {
            let signed = made(DOCUMENT, &p256, place, ids, *mode, DigestAlgorithm::Sha256)?;
            let ids = if *mode == Mode::Exclusive { Ids::ALL } else { Ids::FEW };
            samples.push(Sample { ids, ..Sample::new(format!("ours/{mode:?}/{name}"), signed) });
        }
        let security = Place::LastIn(vec![
            element(SOAP, "Envelope"),
            element(SOAP, "Header"),
            element("urn:example:security", "Security"),
        ]);
        let ids = &[Some("rumpf"), Some("zeit")];
        let signed = made(SOAP_MESSAGE, &p256, &security, ids, *mode, DigestAlgorithm::Sha256)?;
        samples.push(Sample::new(format!("ours/{mode:?}/soap"), signed));
    }
    let rsa = PKey::from_rsa(Rsa::generate(2048)?)?;
    let (p384, p521) = (curve(Nid::SECP384R1)?, curve(Nid::SECP521R1)?);
    let ed25519 = PKey::generate_ed25519()?;
    for algorithm in SignatureAlgorithm::ALL.iter().filter(|algorithm| !algorithm.is_legacy()) {
        let mut signed_by_one = false;
        for key in [&rsa, &p384, &p521, &ed25519] {
            let Ok(signer) = signer(key.clone(), *algorithm) else { continue };
            if signed_by_one {
                continue;
            }
            signed_by_one = true;
            let (name, ids, place) = &ids[2];
            let digest = algorithm.digest().unwrap_or(DigestAlgorithm::Sha512);
            let digest = if digest.is_legacy() { DigestAlgorithm::Sha256 } else { digest };
            let signed = made(DOCUMENT, &signer, place, ids, Mode::Exclusive, digest)?;
            let name = format!("ours/{algorithm:?}/{name}");
            samples.push(Sample { ids: Ids::FEW, ..Sample::new(name, signed) });
        }
        ensure!(signed_by_one, "no key for {algorithm:?}");
    }
    // A second signature over everything, the first one included.
    let first =
        made(DOCUMENT, &p256, &root, &[Some("inhalt")], Mode::Exclusive, DigestAlgorithm::Sha256)?;
    let second = signer(curve(Nid::X9_62_PRIME256V1)?, SignatureAlgorithm::EcdsaSha256)?;
    let text = String::from_utf8(first)?;
    let both = made(&text, &second, &in_head, &[None], Mode::Exclusive, DigestAlgorithm::Sha256)?;
    samples.push(Sample::new("ours/two-signatures", both));
    Ok(samples)
}

fn made(
    document: &str,
    signer: &dyn Signer,
    place: &Place,
    ids: &[Option<&str>],
    canonicalization: Mode,
    digest: DigestAlgorithm,
) -> Result<Vec<u8>> {
    let targets: Vec<_> = ids
        .iter()
        .map(|id| Target { id: id.map(str::to_owned), prefix_list: Vec::new() })
        .collect();
    let signing = Signing { canonicalization, digest, ..Signing::default() };
    Ok(sign_with(document.as_bytes(), signer, place, &targets, &signing)?)
}

/// Native envelopes, by keys of two kinds.
pub(super) fn native() -> Result<Vec<Sample>> {
    let rsa = PKey::from_rsa(Rsa::generate(2048)?)?;
    let keys = [
        ("rsa", signer(rsa, SignatureAlgorithm::RsaSha256)?),
        ("p256", signer(curve(Nid::X9_62_PRIME256V1)?, SignatureAlgorithm::EcdsaSha256)?),
        ("p384", signer(curve(Nid::SECP384R1)?, SignatureAlgorithm::EcdsaSha384)?),
    ];
    let metadata = Metadata {
        author: PartyId::parse("ags:05766044")?,
        reader: PartyId::parse("ags:05766020")?,
        other_readers: vec![],
        service: ServiceUri::parse("urn:amtsbote:service:xummeldung")?,
        message_type: None,
        transport_id: TransportId::parse("6d0a1f5e-41f7-4b1c-9d4d-2f6b3c1a7e01")?,
        business_id: Some(MessageUuid::parse("6d0a1f5e-41f7-4b1c-9d4d-2f6b3c1a7e02")?),
        created: "2026-11-23T12:00:00Z".parse()?,
        not_before: None,
        expires: None,
        test: true,
    };
    let part = Part {
        cid: "payload.xml".to_owned(),
        media_type: "application/xml".to_owned(),
        size: 4,
        sha256: digest::sha256(b"<a/>"),
    };
    let envelope = |(name, signer): (&str, OpensslSigner)| {
        let document = write_signed(&metadata, std::slice::from_ref(&part), &signer)?;
        Ok(envelope(format!("native/{name}"), document))
    };
    keys.into_iter().map(envelope).collect()
}

/// An envelope, of which the reader is to be forged.
pub(super) fn envelope(name: String, document: Vec<u8>) -> Sample {
    Sample {
        wanted: Some("Reader"),
        forged: FORGED_READER.to_owned(),
        native: true,
        ..Sample::new(name, document)
    }
}

/// To whom the attacker would rather have the message go.
pub(super) const FORGED_READER: &str = "ags:05758012";

/// What the program xmlsec1 signs.
pub(super) fn xmlsec1(folder: &Path) -> Result<Vec<Sample>> {
    const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
    const INCLUSIVE: &str = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
    const MORE: &str = "http://www.w3.org/2001/04/xmldsig-more#";
    let rsa = PKey::from_rsa(Rsa::generate(2048)?)?;
    let p256 = curve(Nid::X9_62_PRIME256V1)?;
    let mut samples = Vec::new();
    for (kind, key, algorithm) in [("rsa", rsa, "rsa-sha256"), ("p256", p256, "ecdsa-sha256")] {
        let public = PKey::public_key_from_der(&key.public_key_to_der()?)?;
        let certificate = keys::certificate(&public)?;
        let (key_file, certificate_file) =
            (folder.join(format!("{kind}.key")), folder.join(format!("{kind}.pem")));
        fs::write(&key_file, key.private_key_to_pem_pkcs8()?)?;
        fs::write(&certificate_file, certificate.to_pem()?)?;
        for (c14n, uri) in [(EXCLUSIVE, ""), (EXCLUSIVE, "#inhalt"), (INCLUSIVE, "#inhalt")] {
            let enveloped = match uri {
                "" => {
                    format!("<ds:Transform Algorithm=\"{}enveloped-signature\"/>", super::map::DSIG)
                }
                _ => String::new(),
            };
            let signature = format!(
                "<ds:Signature xmlns:ds=\"{}\"><ds:SignedInfo>\
                 <ds:CanonicalizationMethod Algorithm=\"{c14n}\"/>\
                 <ds:SignatureMethod Algorithm=\"{MORE}{algorithm}\"/><ds:Reference URI=\"{uri}\">\
                 <ds:Transforms>{enveloped}<ds:Transform Algorithm=\"{c14n}\"/></ds:Transforms>\
                 <ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/>\
                 <ds:DigestValue/></ds:Reference></ds:SignedInfo><ds:SignatureValue/><ds:KeyInfo>\
                 <ds:X509Data><ds:X509Certificate/></ds:X509Data></ds:KeyInfo></ds:Signature>\
                 </n:bescheid>",
                super::map::DSIG
            );
            let template = folder.join("template.xml");
            fs::write(&template, DOCUMENT.replacen("</n:bescheid>", &signature, 1))?;
            let signed = folder.join("signed.xml");
            let output = Command::new("xmlsec1")
                .arg("--sign")
                .arg("--privkey-pem")
                .arg(format!("{},{}", key_file.display(), certificate_file.display()))
                .args(["--id-attr:Id", "urn:example:n:inhalt", "--output"])
                .args([&signed, &template])
                .output()
                .context("xmlsec1 cannot be started: install the Debian package xmlsec1")?;
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "xmlsec1 says no: {said}");
            let form = if c14n == EXCLUSIVE { "exclusive" } else { "inclusive" };
            let over = if uri.is_empty() { "whole" } else { "part" };
            let name = format!("xmlsec1/{kind}-{form}-{over}");
            samples.push(Sample::new(name, fs::read(&signed)?));
        }
    }
    Ok(samples)
}

/// The recorded messages of OSCI-Transport.
pub(super) fn osci(folder: &Path) -> Result<Vec<Sample>> {
    let mut samples = Vec::new();
    for messages in ["golden/sig", "golden/opened", "wire"] {
        for file in files(&folder.join(messages))? {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !name.ends_with(".mime") && !name.ends_with(".http-body") {
                continue;
            }
            let Ok(message) = Message::parse(&fs::read(&file)?) else { continue };
            let parts = message.parts.into_iter().map(|(id, octets)| (format!("cid:{id}"), octets));
            samples.push(Sample {
                parts: Came(parts.collect()),
                children: BLOCKS,
                recorded: true,
                ids: Ids::FEW,
                ..Sample::new(format!("osci/{messages}/{name}"), message.document)
            });
        }
    }
    Ok(samples)
}

/// The documents of the public vectors, with the bare keys in them trusted.
pub(super) fn vectors(archive: &Path, folder: &Path) -> Result<Vec<Sample>> {
    given::unpack(archive, folder)?;
    let mut samples = Vec::new();
    let mut folders = vec![folder.join("xmlsec/tests")];
    while let Some(next) = folders.pop() {
        for file in files(&next)? {
            if file.is_dir() {
                folders.push(file);
            } else if file.extension().is_some_and(|extension| extension == "xml") {
                samples.extend(vector(&file, folder)?);
            }
        }
    }
    Ok(samples)
}

fn vector(file: &Path, base: &Path) -> Result<Option<Sample>> {
    let document = fs::read(file)?;
    let Ok(map) = Map::of(&document) else { return Ok(None) };
    if map.signatures().next().is_none() {
        return Ok(None);
    }
    let mut parts = Vec::new();
    for element in map.elements.iter().filter(|e| e.tag.local == "Reference") {
        let uri = element.tag.attribute("URI").unwrap_or_default();
        if uri.is_empty() || uri.contains(['#', ':']) || uri.contains("..") {
            continue;
        }
        let beside = file.parent().unwrap_or(base).join(uri);
        if let Ok(octets) = fs::read(beside) {
            parts.push((uri.to_owned(), octets));
        }
    }
    let mut candidates = Vec::new();
    if let Ok(key) = keys::in_document(&document) {
        candidates.push(keys::certificate(&key)?.to_der()?);
    }
    let name = file.strip_prefix(base).unwrap_or(file).display().to_string();
    Ok(Some(Sample {
        parts: Came(parts),
        candidates,
        allowed: Allowed::legacy(),
        recorded: true,
        ids: Ids::FEW,
        ..Sample::new(format!("vectors/{name}"), document)
    }))
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("{}", folder.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}
