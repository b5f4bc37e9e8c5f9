//! Encryption both ways with Apache Santuario.

use std::path::Path;

use amtsbote_schemas::xml::Limits;
use amtsbote_wire::encryption::{
    AllowedEncryption, Content, Decryptor, EncryptionFault, Keys, NoRandomness, OpensslDecryptor,
    Recipient, Shape, encrypt_in, survey,
};
use amtsbote_wire::signature::DigestAlgorithm;
use anyhow::{Context, Result, ensure};
use openssl::pkey::PKey;
use openssl::x509::X509;

use super::{Signer, text};
use crate::peer::Peer;
use crate::report::Report;

const XENC: &str = "http://www.w3.org/2001/04/xmlenc#";
const XENC11: &str = "http://www.w3.org/2009/xmlenc11#";

/// How Santuario encrypts: data, key transport, its digest, its mask; empty is Santuario's default,
/// SHA-1.
const THEIRS: [(&str, &str, &str, &str); 6] = [
    ("aes128-gcm", "rsa-oaep", "sha256", "mgf1sha256"),
    ("aes192-gcm", "rsa-oaep", "sha256", "mgf1sha256"),
    ("aes256-gcm", "rsa-oaep", "sha256", "mgf1sha256"),
    ("aes256-gcm", "rsa-oaep", "sha512", "mgf1sha512"),
    ("aes256-gcm", "rsa-oaep", "sha512", "mgf1sha256"),
    ("aes256-gcm", "rsa-oaep-mgf1p", "sha256", ""),
];

/// Theirs read by us, ours read by them, and a changed one by neither.
pub(super) fn run(
    peer: &mut Peer,
    folder: &Path,
    document: &Path,
    reader: &Signer,
    report: &mut Report,
) -> Result<()> {
    let key = PKey::private_key_from_pem(&std::fs::read(&reader.key_pem)?)?;
    let certificate = X509::from_pem(&std::fs::read(&reader.certificate_pem)?)?;
    let key = OpensslDecryptor::new(key, &certificate)?;
    for way in THEIRS {
        let (data, transport, digest, mask) = way;
        let name = format!("santuario/encrypted-theirs/{data}-{transport}-{digest}-{mask}");
        report.add(name.trim_end_matches('-'), theirs(peer, folder, document, reader, &key, way));
    }
    for content in [Content::Element, Content::Content] {
        let name = format!("santuario/encrypted-ours/{content:?}").to_lowercase();
        report.add(name, ours(peer, folder, document, reader, &certificate, content));
    }
    Ok(())
}

fn theirs(
    peer: &mut Peer,
    folder: &Path,
    document: &Path,
    reader: &Signer,
    key: &OpensslDecryptor,
    (data, transport, digest, mask): (&str, &str, &str, &str),
) -> Result<String> {
    let file = folder.join("encrypted-theirs.xml");
    let transport_uri = match transport {
        "rsa-oaep-mgf1p" => format!("{XENC}{transport}"),
        _ => format!("{XENC11}{transport}"),
    };
    let mask_uri = if mask.is_empty() { String::new() } else { format!("{XENC11}{mask}") };
    peer.ask(&[
        "encrypt",
        text(document),
        text(&file),
        text(&reader.certificate_der),
        &format!("{XENC11}{data}"),
        &transport_uri,
        &format!("{XENC}{digest}"),
        &mask_uri,
    ])?;
    let encrypted = std::fs::read(&file)?;
    let mut allowed = AllowedEncryption::default();
    if mask.is_empty() {
        ensure!(
            open(&encrypted, key, &allowed).is_err(),
            "SHA-1 in the mask needs a word of policy"
        );
        allowed.masks.push(DigestAlgorithm::Sha1);
    }
    let plain = open(&encrypted, key, &allowed)?;
    let said = String::from_utf8(plain)?;
    ensure!(said.contains("Kreis Lippe") && said.contains("u:x=\"1\""), "other octets");
    // One letter of the ciphertext; the value is the last in the document.
    let mut changed = encrypted;
    let at = changed.windows(13).rposition(|w| w == b"CipherValue>\n" || w == b"/xenc:CipherV");
    let at = at.context("no ciphertext")? - 40;
    changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
    let refused = open(&changed, key, &allowed);
    ensure!(matches!(refused, Err(EncryptionFault::Undecryptable)), "a change is not noticed");
    Ok(String::new())
}

fn open(
    document: &[u8],
    key: &OpensslDecryptor,
    allowed: &AllowedEncryption,
) -> Result<Vec<u8>, EncryptionFault> {
    let limits = Limits::default();
    let found = survey(document, &limits, allowed)?;
    let decryptors: [&dyn Decryptor; 1] = [key];
    let [data] = found.data() else { return Err(EncryptionFault::Undecryptable) };
    let opening = found.open(data, Keys::of(&decryptors), allowed, None, &mut random)?;
    opening.document(document, &limits, Vec::new()).map(|released| released.into_inner())
}

fn ours(
    peer: &mut Peer,
    folder: &Path,
    document: &Path,
    reader: &Signer,
    certificate: &X509,
    content: Content,
) -> Result<String> {
    let original = std::fs::read(document)?;
    let recipients = [Recipient::new(&certificate.to_der()?)?];
    let encrypted =
        encrypt_in(&original, "inhalt", &Shape::xml(content), &recipients, &mut random)?;
    ensure!(!String::from_utf8_lossy(&encrypted).contains("u:x"), "it is still to be read");
    let (file, opened) = (folder.join("encrypted-ours.xml"), folder.join("opened.xml"));
    std::fs::write(&file, &encrypted)?;
    peer.ask(&["decrypt", text(&file), text(&opened), text(&reader.key_der)])?;
    let opened = std::fs::read_to_string(&opened)?;
    ensure!(opened.contains("u:x=\"1\"") && opened.contains("Kreis Lippe"), "other octets");
    ensure!(!opened.contains("EncryptedData"), "it is still encrypted");
    Ok(String::new())
}

fn random(octets: &mut [u8]) -> Result<(), NoRandomness> {
    openssl::rand::rand_bytes(octets).map_err(|_| NoRandomness)
}
