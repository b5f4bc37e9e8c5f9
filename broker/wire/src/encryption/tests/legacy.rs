//! RSAES-PKCS1-v1_5, chained blocks and Triple DES: read where policy says so, and only under a
//! signature that holds; and as little is told about failures as elsewhere.

use amtsbote_schemas::xml::Limits;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::encrypt::Encrypter;
use openssl::rsa::Padding;
use openssl::symm::{Cipher, Crypter, Mode};

use super::super::algorithm::{DataAlgorithm, KeyAlgorithm};
use super::super::method::{DSIG, XENC};
use super::*;
use crate::signature::{self, Name, Place, Profile, Target, Verification, sign, sign_enveloped};
use crate::testing::{EC, now};

pub(super) const KEY: [u8; 16] = *b"sechzehn Oktette";

/// AES-128-CBC of whole blocks, the padding included.
pub(super) fn chained(blocks: &[u8]) -> Vec<u8> {
    let iv = [3; 16];
    let mut crypter =
        Crypter::new(Cipher::aes_128_cbc(), Mode::Encrypt, &KEY, Some(&iv)).expect("a cipher");
    crypter.pad(false);
    let mut out = vec![0; blocks.len() + 16];
    let count = crypter.update(blocks, &mut out).expect("encrypts");
    out.truncate(count);
    [&iv[..], &out].concat()
}

/// A document in the old manner.
pub(super) fn document(key: &[u8], value: &[u8]) -> String {
    let mut encrypter = Encrypter::new(&RSA.key).expect("an encrypter");
    encrypter.set_rsa_padding(Padding::PKCS1).expect("a padding");
    let mut wrapped = vec![0; 256];
    let length = encrypter.encrypt(key, &mut wrapped).expect("encrypts");
    with(&wrapped[..length], value)
}

pub(super) fn with(wrapped: &[u8], value: &[u8]) -> String {
    format!(
        "<r><x:EncryptedData xmlns:x=\"{XENC}\" Id=\"d\"><x:EncryptionMethod Algorithm=\"{}\"/>\
         <d:KeyInfo xmlns:d=\"{DSIG}\"><x:EncryptedKey><x:EncryptionMethod Algorithm=\"{}\"/>\
         <x:CipherData><x:CipherValue>{}</x:CipherValue></x:CipherData></x:EncryptedKey>\
         </d:KeyInfo><x:CipherData><x:CipherValue>{}</x:CipherValue></x:CipherData>\
         </x:EncryptedData></r>",
        DataAlgorithm::Aes128Cbc.uri(),
        KeyAlgorithm::Rsa15.uri(),
        STANDARD.encode(wrapped),
        STANDARD.encode(value),
    )
}

pub(super) fn signed(document: &str) -> (Vec<u8>, Verification) {
    const SIGNATURE: &[Name] = &[Name::new("", "r"), Name::new(DSIG, "Signature")];
    const ROOT: &[Name] = &[Name::new("", "r")];
    let document = sign_enveloped(document.as_bytes(), &EC.signer(), &Place::LastInRoot);
    let document = document.expect("signs");
    let allowed = signature::Allowed::default();
    let profile = Profile::new(SIGNATURE, &[ROOT], &allowed);
    let limits = Limits::default();
    let verification = signature::verify(&document, &profile, &limits, &[EC.trusted()], now());
    (document, verification.expect("holds"))
}

pub(super) fn open(
    document: &[u8],
    proof: Option<Proof<'_>>,
    allowed: &AllowedEncryption,
) -> Result<Vec<u8>, EncryptionFault> {
    let limits = Limits::default();
    let survey = survey(document, &limits, allowed)?;
    let decryptor = decryptor(&RSA);
    let decryptors: [&dyn Decryptor; 1] = [&decryptor];
    let data = &survey.data()[0];
    let opening = survey.open(data, Keys::of(&decryptors), allowed, proof, &mut Counted(1))?;
    Ok(opening.document(document, &limits, Vec::new())?.into_inner())
}

#[test]
fn a_signature_must_hold_first() {
    let value = chained(b"alt, aber gut\x01\x02\x03");
    let (octets, proof) = signed(&document(&KEY, &value));
    let legacy = AllowedEncryption::legacy();
    assert_eq!(
        open(&octets, Some(Proof::Signature(&proof)), &legacy).expect("opens"),
        b"alt, aber gut"
    );
    let refused = |document: &[u8], proof, allowed: &AllowedEncryption| {
        let error = open(document, proof, allowed).expect_err("must not open");
        assert!(matches!(error, EncryptionFault::AlgorithmNotAllowed { .. }), "{error:?}");
    };
    refused(&octets, None, &legacy);
    refused(&octets, Some(Proof::Signature(&proof)), &AllowedEncryption::default());
    let no_rsa = AllowedEncryption { keys: KeyAlgorithm::MODERN.to_vec(), ..legacy.clone() };
    refused(&octets, Some(Proof::Signature(&proof)), &no_rsa);
    // A signature that holds, over something else.
    let (_, other) = signed("<r><d Id=\"d\"/></r>");
    refused(&octets, Some(Proof::Signature(&other)), &legacy);
    refused(document(&KEY, &value).as_bytes(), Some(Proof::Signature(&proof)), &legacy);
}

#[test]
fn a_wrong_padding_of_the_key_is_no_oracle() {
    let legacy = AllowedEncryption::legacy();
    let value = chained(b"alt, aber gut\x01\x02\x03");
    let gcm = |text: String| text.replace("2001/04/xmlenc#aes128-cbc", "2009/xmlenc11#aes128-gcm");
    let cases = [
        // No PKCS #1 at all; a key of another length; as many octets as fit.
        with(&[1; 256], &value),
        with(&[0; 256], &value),
        with(&[0xFF; 256], &value),
        with(&[], &value),
        document(&[7; 24], &value),
        document(&[7; 245], &value),
        document(&[], &value),
    ];
    for (n, case) in cases.into_iter().enumerate() {
        // With a tag it is certain that a random key opens nothing.
        let (octets, proof) = signed(&gcm(case));
        let error =
            open(&octets, Some(Proof::Signature(&proof)), &legacy).expect_err("must not open");
        assert!(matches!(error, EncryptionFault::Undecryptable), "{n}: {error:?}");
    }
}

#[test]
fn the_padding_of_the_last_block_is_read_as_the_standard_says() {
    let legacy =
        AllowedEncryption { data: DataAlgorithm::ALL.to_vec(), ..AllowedEncryption::legacy() };
    let read = |value: &[u8]| {
        let (octets, proof) = signed(&document(&KEY, value));
        open(&octets, Some(Proof::Signature(&proof)), &legacy)
    };
    // XML Encryption 1.1, 5.2: only the last octet counts.
    assert_eq!(read(&chained(&[9; 16])).expect("opens"), [9; 7]);
    assert_eq!(read(&chained(&[16; 16])).expect("opens"), b"");
    assert_eq!(read(&chained(&[[5; 16], [1; 16]].concat())).expect("opens").len(), 31);
    let whole = chained(&[1; 32]);
    for wrong in [
        &chained(&[0; 16])[..],
        &chained(&[17; 16]),
        &chained(&[255; 32]),
        &whole[..16],
        &whole[..47],
        &whole[..33],
        &whole[..15],
        &[],
    ] {
        let error = read(wrong).expect_err("must not open");
        assert!(matches!(error, EncryptionFault::Undecryptable), "{error:?}");
    }
}

/// Signed is the one element `s`, and nothing else.
pub(super) fn partly_signed(document: &str) -> (Vec<u8>, Verification) {
    const SIGNATURE: &[Name] = &[Name::new("", "r"), Name::new(DSIG, "Signature")];
    const PART: &[Name] = &[Name::new("", "r"), Name::new("", "s")];
    let target = Target { id: Some("s".to_owned()), prefix_list: Vec::new() };
    let document = sign(document.as_bytes(), &EC.signer(), &Place::LastInRoot, &[target]);
    let document = document.expect("signs");
    let allowed = signature::Allowed::default();
    let profile = Profile::new(SIGNATURE, &[PART], &allowed);
    let limits = Limits::default();
    let verification = signature::verify(&document, &profile, &limits, &[EC.trusted()], now());
    (document, verification.expect("holds"))
}

#[test]
fn the_signature_must_cover_data_and_key() {
    let whole = document(&KEY, &chained(b"alt, aber gut\x01\x02\x03"));
    let data = whole.trim_start_matches("<r>").trim_end_matches("</r>");
    let (from, to) = (data.find("<x:EncryptedKey>"), data.find("</x:EncryptedKey>"));
    let (from, to) = (from.expect("a key"), to.expect("its end") + "</x:EncryptedKey>".len());
    let key = data[from..to].replacen("<x:EncryptedKey>", "<x:EncryptedKey Id=\"k\">", 1);
    let key = format!("<k xmlns:x=\"{XENC}\">{key}</k>");
    let reference = format!("<d:RetrievalMethod Type=\"{XENC}EncryptedKey\" URI=\"#k\"/>");
    let apart = format!("{}{reference}{}", &data[..from], &data[to..]);
    for (document, opens) in [
        (format!("<r><s Id=\"s\">{data}</s></r>"), true),
        (format!("<r><s Id=\"s\"/>{data}</r>"), false),
        (format!("<r><s Id=\"s\">{apart}{key}</s></r>"), true),
        (format!("<r><s Id=\"s\">{apart}</s>{key}</r>"), false),
        (format!("<r><s Id=\"s\">{key}</s>{apart}</r>"), false),
    ] {
        let (octets, proof) = partly_signed(&document);
        match open(&octets, Some(Proof::Signature(&proof)), &AllowedEncryption::legacy()) {
            Ok(plain) => assert!(opens && plain == b"alt, aber gut", "{document}"),
            Err(EncryptionFault::AlgorithmNotAllowed { .. }) => assert!(!opens, "{document}"),
            Err(error) => panic!("{error:?}"),
        }
    }
}
