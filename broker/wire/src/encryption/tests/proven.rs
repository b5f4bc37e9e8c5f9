//! What has no tag is opened only where a signature covers data, key and ciphertext.

use std::io::{self, BufRead};

use amtsbote_schemas::xml::{Event, EventSink, Limits};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::symm::{Cipher, encrypt};

use super::super::method::{DSIG, XENC};
use super::legacy::{KEY, chained, document, open, partly_signed, signed};
use super::*;
use crate::signature::{
    self, Against, Name, Parts, Place, Profile, Signing, Target, Verification, sign_with,
};
use crate::testing::now;

#[track_caller]
fn not_allowed<T: std::fmt::Debug>(outcome: Result<T, EncryptionFault>) {
    let error = outcome.expect_err("must not open");
    assert!(matches!(error, EncryptionFault::AlgorithmNotAllowed { .. }), "{error:?}");
}

/// A document under a modern key, with this method for the data.
fn under_oaep(method: &str) -> String {
    let text = String::from_utf8(sealed(b"nur der Schluessel zaehlt", &[&RSA], 1)).expect("UTF-8");
    assert!(text.contains("2009/xmlenc11#aes256-gcm"));
    format!("<r>{}</r>", text.replace("2009/xmlenc11#aes256-gcm", method))
}

#[test]
fn a_captured_message_is_not_opened_under_another_name() {
    // The key of a message with a tag, kept; the data are what somebody makes of them.
    let legacy = AllowedEncryption::legacy();
    let cbc = under_oaep("2001/04/xmlenc#aes256-cbc");
    let values = cbc.match_indices("<xenc:CipherValue>").count();
    assert_eq!(values, 2);
    let at = cbc.rfind("<xenc:CipherValue>").expect("a value") + "<xenc:CipherValue>".len();
    let end = at + cbc[at..].find('<').expect("its end");
    for n in 0..32_u8 {
        let guess = STANDARD.encode([n; 48]);
        let asked = format!("{}{guess}{}", &cbc[..at], &cbc[end..]);
        not_allowed(open(asked.as_bytes(), None, &legacy));
    }
    // What has a tag needs no signature.
    let gcm = under_oaep("2009/xmlenc11#aes256-gcm");
    assert!(open(gcm.as_bytes(), None, &legacy).is_ok());
}

/// Chained blocks under a key that both sides have, the ciphertext in place or elsewhere.
fn shared(cipher: &str) -> String {
    format!(
        "<x:EncryptedData xmlns:x=\"{XENC}\"><x:EncryptionMethod Algorithm=\"{XENC}aes128-cbc\"/>\
         <d:KeyInfo xmlns:d=\"{DSIG}\"><d:KeyName>k</d:KeyName></d:KeyInfo>\
         <x:CipherData>{cipher}</x:CipherData></x:EncryptedData>"
    )
}

fn reference(uri: &str) -> String {
    format!(
        "<x:CipherReference URI=\"{uri}\"><x:Transforms><d:Transform xmlns:d=\"{DSIG}\" \
         Algorithm=\"{DSIG}base64\"/></x:Transforms></x:CipherReference>"
    )
}

fn secret() -> SharedSecret {
    SharedSecret { name: Some("k".to_owned()), octets: KeyOctets::new(KEY.to_vec()) }
}

fn opening(document: &[u8], proof: Option<Proof<'_>>) -> Result<Opening, EncryptionFault> {
    let allowed = AllowedEncryption::legacy();
    let survey = survey(document, &Limits::default(), &allowed)?;
    let secrets = [secret()];
    let keys = Keys { secrets: &secrets, ..Keys::default() };
    survey.open(&survey.data()[0], keys, &allowed, proof, &mut Counted(1))
}

fn in_document(document: &[u8], proof: Option<Proof<'_>>) -> Result<Vec<u8>, EncryptionFault> {
    let opening = opening(document, proof)?;
    Ok(opening.document(document, &Limits::default(), Vec::new())?.into_inner())
}

#[test]
fn an_element_with_the_ciphertext_must_be_covered() {
    let value = STANDARD.encode(chained(b"alt, aber gut\x01\x02\x03"));
    let (data, cipher) = (shared(&reference("#v")), format!("<v Id=\"v\">{value}</v>"));
    for (document, opens) in [
        (format!("<r><s Id=\"s\">{data}{cipher}</s></r>"), true),
        (format!("<r><s Id=\"s\">{cipher}{data}</s></r>"), true),
        (format!("<r><s Id=\"s\">{data}</s>{cipher}</r>"), false),
        (format!("<r>{cipher}<s Id=\"s\">{data}</s></r>"), false),
        (format!("<r><s Id=\"s\">{cipher}</s>{data}</r>"), false),
    ] {
        let (octets, proof) = partly_signed(&document);
        not_allowed(in_document(&octets, None));
        let trusted = in_document(&octets, Some(Proof::TrustedByOtherMeans));
        assert_eq!(trusted.expect("opens"), b"alt, aber gut");
        let outcome = in_document(&octets, Some(Proof::Signature(&proof)));
        if opens {
            assert_eq!(outcome.expect("opens"), b"alt, aber gut", "{document}");
        } else {
            not_allowed(outcome);
        }
    }
}

/// One part, `cid:a%20b`.
struct One<'a>(&'a [u8]);

impl Parts for One<'_> {
    fn open(&self, uri: &str) -> io::Result<Option<Box<dyn BufRead + '_>>> {
        let own = uri == "cid:a%20b" || uri == "cid:c";
        Ok(own.then(|| Box::new(self.0) as Box<dyn BufRead>))
    }
}

fn signed_with(document: &str, parts: &One<'_>, uri: Option<&str>) -> (Vec<u8>, Verification) {
    const SIGNATURE: &[Name] = &[Name::new("", "r"), Name::new(DSIG, "Signature")];
    let part = |uri: &str| signature::PartTarget { uri: uri.to_owned(), base64: false };
    let part_targets: Vec<_> = uri.into_iter().map(part).collect();
    let signing = Signing { part_targets: &part_targets, parts, ..Signing::default() };
    let signer = EC.signer();
    let signed =
        sign_with(document.as_bytes(), &signer, &Place::LastInRoot, &[Target::DOCUMENT], &signing);
    let signed = signed.expect("signs");
    let allowed = signature::Allowed::default();
    let profile = Profile::new(SIGNATURE, &[], &allowed);
    let (trusted, limits) = ([EC.trusted()], Limits::default());
    let against = Against { trusted: &trusted, at: now(), parts, limits: &limits };
    let open = || Ok(&signed[..]);
    let verification = signature::verify_stream(&open, &profile, &against).expect("holds");
    (signed, verification)
}

#[test]
fn a_part_with_the_ciphertext_must_be_covered() {
    let text = STANDARD.encode(chained(b"alt, aber gut\x01\x02\x03"));
    let part = One(text.as_bytes());
    let document = format!("<r>{}</r>", shared(&reference("cid:a%20b")));
    let open = |document: &[u8], proof: &Verification| {
        let opening = opening(document, Some(Proof::Signature(proof)))?;
        Ok(opening.part(part.0, PartOctets::AsReferenced, Vec::new())?.into_inner())
    };
    let (octets, proof) = signed_with(&document, &part, Some("cid:a%20b"));
    assert_eq!(open(&octets, &proof).expect("opens"), b"alt, aber gut");
    for other in [None, Some("cid:c")] {
        let (octets, proof) = signed_with(&document, &part, other);
        not_allowed(open(&octets, &proof));
    }
}

#[test]
fn bad_xml_without_a_tag_is_the_same_as_a_bad_padding() {
    struct Full;
    impl EventSink for Full {
        type Error = &'static str;
        fn event(&mut self, _: &Event<'_>) -> Result<(), Self::Error> {
            Err("enough")
        }
    }
    struct Any;
    impl EventSink for Any {
        type Error = &'static str;
        fn event(&mut self, _: &Event<'_>) -> Result<(), Self::Error> {
            Ok(())
        }
    }
    // What a changed block makes of a plaintext, and what a padding leaves of it.
    let read = |plain: &[u8], integrity| {
        let limits = Limits { document_bytes: 64, ..Limits::default() };
        let read = read_plaintext(plain, Content::Content, integrity, &limits, &mut Any);
        read.err().map(|error| error.to_string())
    };
    let long = [b'a'; 99];
    let bad: [&[u8]; 5] = [b"<b>", b"\xFF\xFE", b"<!DOCTYPE a>", b"&b;", &long];
    let padding = EncryptionFault::Undecryptable.to_string();
    for plain in bad {
        assert_eq!(read(plain, Integrity::Unknown).as_ref(), Some(&padding), "{plain:?}");
        assert_ne!(read(plain, Integrity::Verified).as_ref(), Some(&padding), "{plain:?}");
    }
    assert_eq!(read(b"<b/>", Integrity::Unknown), None);
    let limits = Limits::default();
    let full = |tag| read_plaintext(&b"<b/>"[..], Content::Element, tag, &limits, &mut Full);
    assert_eq!(full(Integrity::Unknown), Err(PlaintextFault::Undecryptable));
    assert_eq!(full(Integrity::Verified), Err(PlaintextFault::Sink("enough")));
}

#[test]
fn what_is_released_says_whether_a_tag_has_verified() {
    let limits = Limits::default();
    let (octets, proof) = signed(&document(&KEY, &chained(b"alt, aber gut\x01\x02\x03")));
    let allowed = AllowedEncryption::legacy();
    let integrity = |octets: &[u8], proof| {
        let survey = survey(octets, &limits, &allowed).expect("read");
        let decryptor = decryptor(&RSA);
        let decryptors: [&dyn Decryptor; 1] = [&decryptor];
        let data = &survey.data()[0];
        let opening = survey.open(data, Keys::of(&decryptors), &allowed, proof, &mut Counted(1));
        let released = opening.expect("a key").document(octets, &limits, Vec::new());
        released.expect("opens").integrity()
    };
    assert_eq!(integrity(&octets, Some(Proof::Signature(&proof))), Integrity::Unknown);
    assert_eq!(integrity(&sealed(b"x", &[&RSA], 1), None), Integrity::Verified);
}

#[test]
fn triple_des_needs_a_signature_too() {
    let key = *b"vierundzwanzig Oktette!!";
    let value = encrypt(Cipher::des_ede3_cbc(), &key, Some(&[3; 8]), b"noch aelter");
    let value = STANDARD.encode([&[3; 8][..], &value.expect("encrypts")].concat());
    let data = shared(&format!("<x:CipherValue>{value}</x:CipherValue>"));
    let data = format!("<r>{}</r>", data.replace("aes128-cbc", "tripledes-cbc"));
    let open = |document: &[u8], proof| {
        let allowed = AllowedEncryption::legacy();
        let survey = survey(document, &Limits::default(), &allowed)?;
        let octets = KeyOctets::new(key.to_vec());
        let secrets = [SharedSecret { octets, ..secret() }];
        let keys = Keys { secrets: &secrets, ..Keys::default() };
        let opening = survey.open(&survey.data()[0], keys, &allowed, proof, &mut Counted(1))?;
        Ok(opening.document(document, &Limits::default(), Vec::new())?.into_inner())
    };
    let (octets, proof) = signed(&data);
    not_allowed(open(&octets, None));
    assert_eq!(open(&octets, Some(Proof::Signature(&proof))).expect("opens"), b"noch aelter");
}
