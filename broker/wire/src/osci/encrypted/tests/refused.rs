//! One answer for everything that a private key could tell; old algorithms not at all.

use openssl::encrypt::Encrypter;
use openssl::rsa::Padding;
use openssl::symm::encrypt;

use super::super::super::mime::{Boundary, Leading, PartHead, Writer};
use super::*;
use crate::encryption::{AllowedEncryption, DataAlgorithm, IvRule, KeyAlgorithm, Proof};
use crate::osci::names::XENC;

#[test]
fn whatever_is_wrong_with_key_or_ciphertext_is_one_error() {
    let body = sealed(b"<a/>", IvOctets::Twelve, 1);
    let parts = parts(&body);
    let at = body.windows(parts[1].len()).position(|w| w == parts[1]).expect("the part");
    // Vector, ciphertext, tag.
    for octet in [0, 11, 12, 15, 16, parts[1].len() - 1] {
        let mut wrong = body.clone();
        wrong[at + octet] ^= 1;
        undecryptable(opened(&wrong));
    }
    for length in [0, 1, 12, 27, parts[1].len() - 1] {
        let short = [&body[..at + length], &body[at + parts[1].len()..]].concat();
        undecryptable(opened(&short));
    }
    // The wrapped key.
    let envelope = String::from_utf8(parts[0].clone()).expect("UTF-8");
    let value = between(&envelope, "<xenc:CipherValue>", "</xenc:CipherValue>");
    for other in [&"AAAA".repeat(86), "", "QUJD", &value.replacen(&value[8..9], "+", 1)] {
        if other != value {
            undecryptable(opened(&replaced(&body, value, other)));
        }
    }
}

#[test]
fn the_spool_is_dropped_with_what_does_not_verify() {
    use std::cell::Cell;
    use std::rc::Rc;
    struct Spool(Rc<Cell<bool>>);
    impl std::io::Write for Spool {
        fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
            Ok(octets.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    impl Drop for Spool {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let body = sealed(b"<a/>", IvOctets::Twelve, 1);
    let key = decryptor(&RSA);
    let keys: [&dyn Decryptor; 1] = [&key];
    let open = |body: &[u8]| {
        let dropped = Rc::new(Cell::new(false));
        let (limits, spool) = (mime::Limits::default(), Spool(Rc::clone(&dropped)));
        let keys = Keys::of(&keys);
        let opened = open_message(body, &limits, keys, &policy(), &mut Counted(9), spool);
        (opened, dropped)
    };
    let (good, dropped) = open(&body);
    assert!(good.is_ok() && !dropped.get());
    // The outer message ends too early, although the ciphertext is whole.
    let cut = &body[..body.len() - 6];
    let (cut, dropped) = open(cut);
    assert!(matches!(cut, Err(EncryptedFault::Mime(mime::MimeFault::Truncated))));
    assert!(dropped.get());
}

#[track_caller]
fn structure(body: &[u8]) {
    let fault = opened(body).expect_err("must not open");
    let known = matches!(fault, EncryptedFault::Structure(_) | EncryptedFault::Mime(_));
    assert!(known, "{fault:?}");
    assert_eq!(fault.feedback(), Code::NotAnOsciMessage);
}

#[test]
fn the_envelope_holds_one_thing_and_nothing_else() {
    let body = sealed(b"<a/>", IvOctets::Twelve, 1);
    for (from, to) in [
        ("<soap:Body>", "<soap:Header></soap:Header><soap:Body>"),
        ("<soap:Body>", "<soap:Body></soap:Body><soap:Body>"),
        ("<soap:Body>", "x<soap:Body>"),
        ("<soap:Body>", "<soap:Body>x"),
        ("<soap:Body>", "<soap:Body><a/>"),
        ("<soap:Body>", "<a/><soap:Body>"),
        ("</xenc:EncryptedData>", "</xenc:EncryptedData><xenc:EncryptedData/>"),
        ("<xenc:CipherReference URI=\"cid:osci_enc\">", "<xenc:CipherReference URI=\"cid:other\">"),
        ("Content-ID: <osci_enc>", "Content-ID: <osci_dec>"),
        ("schemas.xmlsoap.org/soap/envelope/\" xmlns:xenc", "example.org/\" xmlns:xenc"),
    ] {
        structure(&replaced(&body, from, to));
    }
    // Another part, in front of it or behind it; none at all; the ciphertext in the envelope.
    let parts = parts(&body);
    let message = |heads: &[PartHead], octets: &[&[u8]]| {
        let boundary = Boundary::parse("b").expect("a boundary");
        let mut writer = Writer::new(Vec::new(), Leading::Nothing, boundary).expect("a writer");
        for (head, octets) in heads.iter().zip(octets) {
            writer.begin(head).expect("begins");
            writer.data(octets).expect("written");
        }
        writer.finish().expect("ends")
    };
    let (root, part) = (PartHead::root(), PartHead::ciphertext(CIPHERTEXT_CONTENT_ID));
    let more = PartHead::attachment("a", 1);
    let both = [&parts[0][..], &parts[1]];
    assert!(opened(&message(&[root.clone(), part.clone()], &both)).is_ok());
    structure(&message(std::slice::from_ref(&root), &both[..1]));
    structure(&message(&[root.clone(), more.clone(), part.clone()], &[both[0], b"x", both[1]]));
    structure(&message(&[root, part, more], &[both[0], both[1], b"x"]));
    let envelope = String::from_utf8(parts[0].clone()).expect("UTF-8");
    let reference =
        between(&envelope, "<xenc:CipherData><xenc:CipherReference", "</xenc:CipherData>");
    let reference = format!("<xenc:CipherReference{reference}");
    structure(&replaced(&body, &reference, "<xenc:CipherValue>AAAA</xenc:CipherValue>"));
    // An envelope of any other kind.
    let fault = super::super::super::fault::SoapMessageFault::new(
        Code::SupplierError,
        amtsbote_domain::text::Language::De,
    );
    structure(&fault.message().expect("written"));
    structure(b"");
    let large = " ".repeat(MAX_ENVELOPE_BYTES);
    structure(&replaced(&body, "<soap:Body>", &format!("{large}<soap:Body>")));
}

#[test]
fn the_key_stands_in_the_envelope_encrypted_for_one_of_ours() {
    let body = sealed(b"<a/>", IvOctets::Twelve, 1);
    let envelope = String::from_utf8(parts(&body)[0].clone()).expect("UTF-8");
    let key = between(
        &envelope,
        "<ds:KeyInfo><xenc:EncryptedKey>",
        "</ds:KeyInfo><xenc:CipherData><xenc:CipherReference",
    );
    let key = format!("<xenc:EncryptedKey>{key}");
    let with = |other: &str| opened(&replaced(&body, &key, other)).expect_err("must not open");
    // In the clear, as attachments have it inside of what is encrypted.
    let plain = format!("<ds:MgmtData>{}</ds:MgmtData>", STANDARD.encode([7; 32]));
    assert_eq!(with(&plain).feedback(), Code::NoPrivateKey);
    assert_eq!(with("<ds:KeyName>a</ds:KeyName>").feedback(), Code::NoPrivateKey);
    let elsewhere = format!("<ds:RetrievalMethod Type=\"{XENC}EncryptedKey\" URI=\"#k\"/>");
    let fault = with(&elsewhere);
    let refused =
        matches!(fault, EncryptedFault::Encryption(EncryptionFault::AlgorithmNotAllowed { .. }));
    assert!(refused, "{fault:?}");
    // Nine recipients are too many, eight are not.
    let many = |n: usize| replaced(&body, &key, &key.repeat(n));
    assert!(opened(&many(8)).is_ok());
    assert_eq!(opened(&many(9)).expect_err("too many").feedback(), Code::Undecryptable);
}

/// A message in the old manner: AES-CBC under RSAES-PKCS1-v1_5.
fn old() -> Vec<u8> {
    let key = [7; 32];
    let mut encrypter = Encrypter::new(&RSA.key).expect("an encrypter");
    encrypter.set_rsa_padding(Padding::PKCS1).expect("a padding");
    let mut wrapped = vec![0; 256];
    let length = encrypter.encrypt(&key, &mut wrapped).expect("encrypts");
    assert_eq!(length, 256);
    let sealed = sealed(b"", IvOctets::Sixteen, 1);
    let envelope = String::from_utf8(parts(&sealed)[0].clone()).expect("UTF-8");
    let value = between(&envelope, "<xenc:CipherValue>", "</xenc:CipherValue>");
    let oaep = between(&envelope, "#rsa-oaep\">", "</xenc:EncryptionMethod>");
    let envelope = envelope
        .replace(value, &STANDARD.encode(&wrapped))
        .replace(oaep, "")
        .replace("2009/xmlenc11#rsa-oaep", "2001/04/xmlenc#rsa-1_5")
        .replace("2009/xmlenc11#aes256-gcm", "2001/04/xmlenc#aes256-cbc");
    let ciphertext =
        encrypt(Cipher::aes_256_cbc(), &key, Some(&[3; 16]), b"alt").expect("encrypts");
    let boundary = Boundary::parse("b").expect("a boundary");
    let mut writer = Writer::new(Vec::new(), Leading::Nothing, boundary).expect("a writer");
    writer.begin(&PartHead::root()).expect("begins");
    writer.data(envelope.as_bytes()).expect("written");
    writer.begin(&PartHead::ciphertext(CIPHERTEXT_CONTENT_ID)).expect("begins");
    writer.data(&[&[3; 16][..], &ciphertext].concat()).expect("written");
    writer.finish().expect("ends")
}

#[test]
fn old_algorithms_are_opened_for_no_partner() {
    let body = old();
    let legacy = AllowedEncryption { iv: IvRule::Osci, ..AllowedEncryption::legacy() };
    let (key, limits) = (decryptor(&RSA), mime::Limits::default());
    let keys: [&dyn Decryptor; 1] = [&key];
    let half = AllowedEncryption { data: DataAlgorithm::ALL.to_vec(), ..policy() };
    let other = AllowedEncryption { keys: KeyAlgorithm::ALL.to_vec(), ..policy() };
    for allowed in [&policy(), &legacy, &half, &other] {
        let keys = Keys::of(&keys);
        let opened = open_message(&body[..], &limits, keys, allowed, &mut Counted(1), Vec::new());
        let fault = opened.expect_err("must not open");
        let known = matches!(
            fault,
            EncryptedFault::Encryption(EncryptionFault::AlgorithmNotAllowed { .. })
        );
        assert!(known, "{fault:?}");
        assert_eq!(fault.feedback(), Code::Undecryptable);
    }
    // An archive may say that it vouches for its octets.
    let parts = parts(&body);
    let message = read(&parts[0], &legacy).expect("an envelope");
    let proof = Some(Proof::TrustedByOtherMeans);
    let opener = message.open(Keys::of(&keys), &legacy, proof, &mut Counted(1), Vec::new());
    let mut opener = opener.expect("a key");
    let headers = mime::PartHeaders {
        content_id: message.cid().to_owned(),
        content_type: "application/octet-stream".to_owned(),
        transfer_encoding: mime::TransferEncoding::Identity,
        content_length: None,
    };
    opener.event(&Event::PartBegin(headers)).expect("taken");
    opener.event(&Event::Data(&parts[1])).expect("taken");
    opener.event(&Event::PartEnd { octets: parts[1].len() as u64 }).expect("taken");
    assert_eq!(opener.finish().expect("opens").into_inner(), b"alt");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_changed_message_is_answered(at: prop::sample::Index, octet: u8, cut: prop::sample::Index) {
        use std::sync::LazyLock;
        static BODY: LazyLock<Vec<u8>> = LazyLock::new(|| sealed(b"<a/>", IvOctets::Twelve, 1));
        let mut body = BODY.clone();
        let at = at.index(body.len());
        body[at] = octet;
        if let Ok(plain) = opened(&body) {
            prop_assert_eq!(plain, b"<a/>", "a tag that verifies over other octets");
        }
        prop_assert!(opened(&body[..cut.index(body.len() - 2)]).is_err());
    }
}
