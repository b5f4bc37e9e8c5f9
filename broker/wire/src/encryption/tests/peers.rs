//! Agreement with others: what xmlsec1 encrypts is read here, what is written here is read by
//! xmlsec1 and openssl.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::bn::BigNumContext;
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::pkey::PKey;

use super::super::algorithm::{DataAlgorithm, KeyAlgorithm};
use super::super::method::{DSIG, XENC};
use super::*;
use crate::testing::{EC, run};

/// A folder with what a peer needs.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, octets: &[u8]) -> String {
        std::fs::write(self.path(name), octets).expect("written");
        self.named(name)
    }

    fn named(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").to_owned()
    }

    /// Runs a peer that must say yes; what it says on standard output.
    #[track_caller]
    fn run(&self, tool: &str, arguments: &[&str]) -> Vec<u8> {
        let output = run(tool, tool, arguments);
        assert!(output.yes, "{tool} {arguments:?}: {}", output.stderr);
        output.stdout
    }
}

const PLAIN: &[u8] = "Grüße an alle, ohne Umwege".as_bytes();

fn template(data: DataAlgorithm, key: KeyAlgorithm, name: &str) -> String {
    format!(
        "<x:EncryptedData xmlns:x=\"{XENC}\" MimeType=\"text/plain\">\
         <x:EncryptionMethod Algorithm=\"{}\"/><d:KeyInfo xmlns:d=\"{DSIG}\"><x:EncryptedKey>\
         <x:EncryptionMethod Algorithm=\"{}\"/><d:KeyInfo>{name}</d:KeyInfo><x:CipherData>\
         <x:CipherValue/></x:CipherData></x:EncryptedKey></d:KeyInfo><x:CipherData>\
         <x:CipherValue/></x:CipherData></x:EncryptedData>",
        data.uri(),
        key.uri(),
    )
}

/// What the peer made is not signed.
const TEST_VECTOR: Option<Proof<'_>> = Some(Proof::TrustedByOtherMeans);

fn session(data: DataAlgorithm) -> String {
    match data {
        DataAlgorithm::TripleDesCbc => "des-192".to_owned(),
        data => format!("aes-{}", data.key_octets() * 8),
    }
}

#[test]
fn what_xmlsec_encrypts_for_an_rsa_key_is_read_here() {
    let desk = Desk::new();
    let plain = desk.put("plain", PLAIN);
    let public = desk.put("public.pem", &RSA.key.public_key_to_pem().expect("PEM"));
    let legacy = AllowedEncryption::legacy();
    for data in DataAlgorithm::ALL {
        let template = template(*data, KeyAlgorithm::RsaOaepMgf1p, "");
        let template = desk.put("template.xml", template.as_bytes());
        let session = session(*data);
        let arguments = [
            "encrypt",
            "--pubkey-pem",
            &public,
            "--session-key",
            &session,
            "--binary-data",
            &plain,
        ];
        let document = desk.run("xmlsec1", &[&arguments[..], &[&template]].concat());
        let keys = decryptor(&RSA);
        let read = opened_under(&document, Keys::of(&[&keys]), &legacy, TEST_VECTOR);
        assert_eq!(read.expect("opens"), PLAIN, "{data:?}");
        // SHA-1 in OAEP is for old data only.
        let error = opened(&document, Keys::of(&[&keys]), &AllowedEncryption::default());
        assert!(matches!(error, Err(EncryptionFault::AlgorithmNotAllowed { .. })), "{error:?}");
    }
}

#[test]
fn what_xmlsec_wraps_under_a_shared_key_is_read_here() {
    let desk = Desk::new();
    let plain = desk.put("plain", PLAIN);
    let legacy = AllowedEncryption::legacy();
    for (key, option, length) in [
        (KeyAlgorithm::AesWrap128, "--aeskey:shared", 16),
        (KeyAlgorithm::AesWrap192, "--aeskey:shared", 24),
        (KeyAlgorithm::AesWrap256, "--aeskey:shared", 32),
        (KeyAlgorithm::TripleDesWrap, "--deskey:shared", 24),
    ] {
        let shared: Vec<u8> = (1..=length).collect();
        let file = desk.put("shared", &shared);
        let template = template(DataAlgorithm::Aes256Gcm, key, "<d:KeyName>shared</d:KeyName>");
        let template = desk.put("template.xml", template.as_bytes());
        let arguments =
            ["encrypt", option, &file, "--session-key", "aes-256", "--binary-data", &plain];
        let document = desk.run("xmlsec1", &[&arguments[..], &[&template]].concat());
        let secrets =
            [SharedSecret { name: Some("shared".to_owned()), octets: KeyOctets::new(shared) }];
        let keys = Keys { secrets: &secrets, ..Keys::default() };
        let read = opened_under(&document, keys, &legacy, TEST_VECTOR);
        assert_eq!(read.expect("opens"), PLAIN, "{key:?}");
    }
}

/// The nth `CipherValue`.
fn value(document: &str, n: usize) -> Vec<u8> {
    let text = document.split("<xenc:CipherValue>").nth(n + 1).expect("a value");
    STANDARD.decode(text.split('<').next().expect("text")).expect("Base64")
}

/// xmlsec1 decrypts the data under a key that openssl took out.
fn xmlsec_reads(desk: &Desk, document: &str, key: &str) {
    let (start, rest) = document.split_once("<ds:KeyInfo").expect("KeyInfo");
    let (_, rest) = rest.rsplit_once("</ds:KeyInfo>").expect("its end");
    let bare = desk.put("bare.xml", format!("{start}{rest}").as_bytes());
    let read = desk.run("xmlsec1", &["decrypt", "--aeskey", key, &bare]);
    assert_eq!(read, PLAIN);
}

#[test]
fn what_is_encrypted_here_for_an_rsa_key_is_read_by_others() {
    let desk = Desk::new();
    let document = String::from_utf8(sealed(PLAIN, &[&RSA], 1)).expect("UTF-8");
    let private = desk.put("private.pem", &RSA.key.private_key_to_pem_pkcs8().expect("PEM"));
    let (wrapped, key) = (desk.put("wrapped", &value(&document, 0)), desk.named("key"));
    let oaep = ["rsa_padding_mode:oaep", "rsa_oaep_md:sha256", "rsa_mgf1_md:sha256"];
    let mut arguments = vec!["pkeyutl", "-decrypt", "-inkey", &private, "-in", &wrapped];
    oaep.iter().for_each(|option| arguments.extend(["-pkeyopt", option]));
    desk.run("openssl", &[&arguments[..], &["-out", &key]].concat());
    xmlsec_reads(&desk, &document, &key);
}

#[test]
fn what_is_encrypted_here_for_a_curve_is_read_by_others() {
    let desk = Desk::new();
    let document = String::from_utf8(sealed(PLAIN, &[&EC], 1)).expect("UTF-8");
    let text = |tag: &str| {
        let rest = document.split(&format!("<{tag}>")).nth(1).expect("an element");
        rest.split('<').next().expect("text").to_owned()
    };
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
    let point = STANDARD.decode(text("dsig11:PublicKey")).expect("Base64");
    let mut context = BigNumContext::new().expect("a context");
    let point = EcPoint::from_bytes(&group, &point, &mut context).expect("a point");
    let peer = PKey::from_ec_key(EcKey::from_public_key(&group, &point).expect("a key"));
    let peer = peer.expect("a key").public_key_to_pem().expect("PEM");
    let peer = desk.put("peer.pem", &peer);
    let private = desk.put("private.pem", &EC.key.private_key_to_pem_pkcs8().expect("PEM"));
    let secret =
        desk.run("openssl", &["pkeyutl", "-derive", "-inkey", &private, "-peerkey", &peer]);
    let hex = |octets: &[u8]| octets.iter().map(|o| format!("{o:02x}")).collect::<String>();
    let attribute = |name: &str| {
        let rest = document.split(&format!("{name}=\"00")).nth(1).expect("an attribute");
        rest.split('"').next().expect("its value").to_owned()
    };
    let info = format!("hexinfo:{}{}", attribute("AlgorithmID"), attribute("PartyVInfo"));
    let secret = format!("hexsecret:{}", hex(&secret));
    let mut arguments = vec!["kdf", "-keylen", "32", "-binary"];
    let options = ["digest:SHA256", &secret, &info];
    options.iter().for_each(|option| arguments.extend(["-kdfopt", option]));
    arguments.push("SSKDF");
    let wrapping = hex(&desk.run("openssl", &arguments));
    let (wrapped, key) = (desk.put("wrapped", &value(&document, 0)), desk.named("key"));
    let unwrap = ["enc", "-d", "-id-aes256-wrap", "-iv", "A6A6A6A6A6A6A6A6", "-K", &wrapping];
    desk.run("openssl", &[&unwrap[..], &["-in", &wrapped, "-out", &key]].concat());
    xmlsec_reads(&desk, &document, &key);
}
