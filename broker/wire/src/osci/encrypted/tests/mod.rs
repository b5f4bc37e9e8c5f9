//! Sealing and opening, the recorded messages, and what is refused.

mod corpus;
mod refused;
mod streams;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::sha::sha256;
use openssl::symm::{Cipher, decrypt_aead};
use proptest::prelude::*;

use super::super::feedback::Code;
use super::super::mime::{self, Event, Reader};
use super::*;
use crate::encryption::{
    Decryptor, EncryptError, EncryptionFault, Keys, NoRandomness, OpensslDecryptor, Random,
    Recipient,
};
use crate::testing::{EC, Identity, OTHER, RSA, run};

/// Octets that follow from a number: a source of randomness that can be repeated.
pub(super) struct Counted(pub(super) u64);

impl Random for Counted {
    fn fill(&mut self, octets: &mut [u8]) -> Result<(), NoRandomness> {
        for piece in octets.chunks_mut(32) {
            self.0 += 1;
            piece.copy_from_slice(&sha256(&self.0.to_be_bytes())[..piece.len()]);
        }
        Ok(())
    }
}

pub(super) fn recipient(identity: &Identity) -> Recipient {
    Recipient::new(&identity.der()).expect("a recipient")
}

pub(super) fn decryptor(identity: &Identity) -> OpensslDecryptor {
    OpensslDecryptor::new(identity.key.clone(), &identity.certificate).expect("a decryptor")
}

pub(super) fn sealed(inner: &[u8], iv: IvOctets, seed: u64) -> Vec<u8> {
    let mut random = Counted(seed);
    let sealing = Sealing::new(&recipient(&RSA), iv, &mut random).expect("sealed");
    let mut writer = sealing.begin(Vec::new(), &mut random).expect("begins");
    std::io::Write::write_all(&mut writer, inner).expect("written");
    writer.finish().expect("ends")
}

pub(super) fn opened(body: &[u8]) -> Result<Vec<u8>, EncryptedFault> {
    opened_by(body, &decryptor(&RSA))
}

pub(super) fn opened_by(body: &[u8], key: &dyn Decryptor) -> Result<Vec<u8>, EncryptedFault> {
    let (limits, keys) = (mime::Limits::default(), [key]);
    let keys = Keys::of(&keys);
    let opened = open_message(body, &limits, keys, &policy(), &mut Counted(9), Vec::new())?;
    Ok(opened.into_inner())
}

/// Envelope and ciphertext of a message, its parts.
pub(super) fn parts(body: &[u8]) -> Vec<Vec<u8>> {
    let (mut reader, mut parts) = (Reader::new(mime::Limits::default()), Vec::<Vec<u8>>::new());
    let mut input = body;
    while let Some(event) = reader.next_event(&mut input).expect("a message") {
        match event {
            Event::PartBegin(_) => parts.push(Vec::new()),
            Event::Data(octets) => parts.last_mut().expect("a part").extend_from_slice(octets),
            _ => {}
        }
    }
    reader.finish().expect("whole");
    parts
}

/// What stands between two texts.
#[track_caller]
pub(super) fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let (_, rest) = text.split_once(before).expect("the beginning");
    rest.split_once(after).expect("the end").0
}

/// The octets inside `element`, Base64 in lines.
#[track_caller]
pub(super) fn inside(envelope: &str, element: &str) -> Vec<u8> {
    let text = between(envelope, &format!("<{element}>"), &format!("</{element}>"));
    STANDARD.decode(text.replace('\n', "")).expect("Base64")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_is_sealed_is_opened(
        inner in prop::collection::vec(any::<u8>(), 0..3000),
        seed: u32,
        old: bool,
    ) {
        let iv = if old { IvOctets::Sixteen } else { IvOctets::Twelve };
        let mut random = Counted(u64::from(seed));
        let sealing = Sealing::new(&recipient(&RSA), iv, &mut random).expect("sealed");
        let length = sealing.length(inner.len() as u64).expect("a length");
        let mut writer = sealing.begin(Vec::new(), &mut random).expect("begins");
        for piece in inner.chunks(1000) {
            std::io::Write::write_all(&mut writer, piece).expect("written");
        }
        let body = writer.finish().expect("ends");
        prop_assert_eq!(length, body.len() as u64);
        prop_assert_eq!(opened(&body).expect("opens"), inner);
    }
}

#[test]
fn every_message_has_a_key_of_its_own() {
    let (one, other) = (sealed(b"x", IvOctets::Twelve, 1), sealed(b"x", IvOctets::Twelve, 2));
    assert_eq!(one, sealed(b"x", IvOctets::Twelve, 1));
    let (one, other) = (parts(&one), parts(&other));
    let key = |parts: &[Vec<u8>]| {
        let envelope = String::from_utf8(parts[0].clone()).expect("UTF-8");
        inside(&envelope, "xenc:CipherValue")
    };
    assert_ne!(key(&one), key(&other));
    assert_ne!(one[1], other[1]);
}

#[test]
fn openssl_opens_what_is_sealed_here() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let pem = RSA.key.private_key_to_pem_pkcs8().expect("PEM");
    std::fs::write(path("key.pem"), pem).expect("written");
    for iv in [IvOctets::Twelve, IvOctets::Sixteen] {
        let parts = parts(&sealed("Grüße".as_bytes(), iv, 3));
        let envelope = String::from_utf8(parts[0].clone()).expect("UTF-8");
        assert_eq!(inside(&envelope, "ds:X509Certificate"), RSA.der());
        let wrapped = inside(&envelope, "xenc:CipherValue");
        std::fs::write(path("wrapped"), wrapped).expect("written");
        let (key, input, out) = (path("key.pem"), path("wrapped"), path("out"));
        let mut arguments =
            vec!["pkeyutl", "-decrypt", "-inkey", &key, "-in", &input, "-out", &out];
        for option in ["rsa_padding_mode:oaep", "rsa_oaep_md:sha256", "rsa_mgf1_md:sha256"] {
            arguments.extend(["-pkeyopt", option]);
        }
        let output = run("openssl", "openssl", &arguments);
        assert!(output.yes, "{}", output.stderr);
        let key = std::fs::read(out).expect("a key");
        let said = if envelope.contains("Value=\"12\"") { 12 } else { 16 };
        assert_eq!(said, if iv == IvOctets::Twelve { 12 } else { 16 });
        let (vector, rest) = parts[1].split_at(said);
        let (ciphertext, tag) = rest.split_at(rest.len() - 16);
        let plain = decrypt_aead(Cipher::aes_256_gcm(), &key, Some(vector), &[], ciphertext, tag);
        assert_eq!(plain.expect("opens"), "Grüße".as_bytes());
    }
}

#[test]
fn where_nothing_is_said_the_vector_has_sixteen_octets() {
    let told = sealed(b"x", IvOctets::Twelve, 1);
    let text = parts(&told)[0].clone();
    let text = String::from_utf8(text).expect("UTF-8");
    let iv_length =
        format!("<osci128:IvLength{}", between(&text, "<osci128:IvLength", "</osci128"));
    let untold = replaced(&told, &format!("{iv_length}</osci128:IvLength>"), "");
    undecryptable(opened(&untold));
    let wrong = replaced(&told, "Value=\"12\"", "Value=\"16\"");
    undecryptable(opened(&wrong));
    for other in ["Value=\"13\"", "Value=\"0\"", "Value=\"\"", "value=\"12\""] {
        let wrong = replaced(&told, "Value=\"12\"", other);
        let fault = opened(&wrong).expect_err(other);
        assert_eq!(fault.feedback(), Code::Undecryptable);
        let refused = EncryptionFault::AlgorithmNotAllowed { place: place(&fault), rule: IV_RULE };
        assert_eq!(fault.to_string(), refused.to_string());
    }
    // Written for old clients, and said all the same.
    let old = sealed(b"x", IvOctets::Sixteen, 1);
    assert_eq!(opened(&old).expect("opens"), b"x");
    let method = "aes256-gcm\">";
    let said =
        format!("{method}<o:IvLength xmlns:o=\"http://xoev.de/transport/osci12/8\" Value=\"16\"/>");
    assert_eq!(opened(&replaced(&old, method, &said)).expect("opens"), b"x");
}

const IV_RULE: &str = "IvLength: 12 or 16 octets";

fn place(fault: &EncryptedFault) -> amtsbote_schemas::xml::Position {
    match fault {
        EncryptedFault::Encryption(fault) => fault.place().expect("a place"),
        fault => panic!("{fault:?}"),
    }
}

#[track_caller]
pub(super) fn undecryptable(outcome: Result<Vec<u8>, EncryptedFault>) {
    let fault = outcome.expect_err("must not open");
    let known = matches!(fault, EncryptedFault::Encryption(EncryptionFault::Undecryptable));
    assert!(known, "{fault:?}");
    assert_eq!(fault.feedback(), Code::Undecryptable);
}

/// A message with something else in its envelope. Content-Length is not looked at there.
#[track_caller]
pub(super) fn replaced(body: &[u8], from: &str, to: &str) -> Vec<u8> {
    let at = body.windows(from.len()).position(|window| window == from.as_bytes());
    let at = at.unwrap_or_else(|| panic!("no {from}"));
    [&body[..at], to.as_bytes(), &body[at + from.len()..]].concat()
}

#[test]
fn the_part_says_how_it_travels() {
    let body = sealed(b"unterwegs", IvOctets::Twelve, 4);
    let ciphertext = parts(&body)[1].clone();
    let at = body.windows(ciphertext.len()).position(|w| w == ciphertext).expect("a part");
    let text = STANDARD.encode(&ciphertext);
    let lines: Vec<_> =
        text.as_bytes().chunks(60).map(|l| std::str::from_utf8(l).expect("x")).collect();
    let whole =
        [&body[..at], lines.join("\r\n").as_bytes(), &body[at + ciphertext.len()..]].concat();
    let head = "application/octet-stream\r\nContent-Transfer-Encoding: binary";
    for other in [
        "application/octet-stream\r\nContent-Transfer-Encoding: base64",
        "text/base64\r\nContent-Transfer-Encoding: 7bit",
        "text/base64",
    ] {
        assert_eq!(opened(&replaced(&whole, head, other)).expect("opens"), b"unterwegs", "{other}");
    }
    // The transform says Base64 always, and the part does not.
    undecryptable(opened(&whole));
}

#[test]
fn the_envelope_says_for_whom_it_is_and_how() {
    for iv in [IvOctets::Twelve, IvOctets::Sixteen] {
        let parts = parts(&sealed(b"x", iv, 1));
        let message = read(&parts[0], &policy()).expect("an envelope");
        assert_eq!(message.recipients().collect::<Vec<_>>(), [RSA.der()]);
        assert_eq!((message.iv(), message.cid()), (iv, CIPHERTEXT_CONTENT_ID));
    }
}

#[test]
fn only_rsa_keys_are_sealed_for() {
    let sealing = Sealing::new(&recipient(&EC), IvOctets::Twelve, &mut Counted(1));
    let error = sealing.map(drop).expect_err("no RSA");
    assert!(matches!(error, SealFault::Encrypt(EncryptError::UnsuitableKey)), "{error:?}");
    let mut none = |_: &mut [u8]| Err(NoRandomness);
    assert!(Sealing::new(&recipient(&RSA), IvOctets::Twelve, &mut none).is_err());
}

#[test]
fn a_key_that_is_not_here_is_told() {
    let body = sealed(b"x", IvOctets::Twelve, 1);
    let fault = opened_by(&body, &decryptor(&OTHER)).expect_err("not for us");
    assert_eq!(fault.feedback(), Code::NoPrivateKey);
    assert_eq!(fault.code(), amtsbote_domain::fault::Code::NotDecryptable);
}
