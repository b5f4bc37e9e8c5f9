//! What policy does not allow, and the limits.

use amtsbote_domain::fault::Code;
use amtsbote_schemas::xml::Limits;

use super::*;
use crate::signature::DigestAlgorithm;
use crate::testing::EC;

fn refused(document: &[u8], who: &Identity, allowed: &AllowedEncryption) -> EncryptionFault {
    opened(document, Keys::of(&[&decryptor(who)]), allowed).expect_err("must not open")
}

#[test]
fn nothing_is_used_that_is_not_on_the_list() {
    let all = AllowedEncryption::default;
    let (rsa, ec) = (sealed(b"x", &[&RSA], 1), sealed(b"x", &[&EC], 1));
    let cases = [
        (&*RSA, AllowedEncryption { data: vec![DataAlgorithm::Aes128Gcm], ..all() }),
        (&*RSA, AllowedEncryption { keys: vec![KeyAlgorithm::RsaOaepMgf1p], ..all() }),
        (&*RSA, AllowedEncryption { digests: vec![DigestAlgorithm::Sha512], ..all() }),
        (&*RSA, AllowedEncryption { masks: vec![DigestAlgorithm::Sha1], ..all() }),
        (&*RSA, AllowedEncryption { min_rsa_bits: 3000, ..all() }),
        (&*EC, AllowedEncryption { agreements: vec![AgreementAlgorithm::X25519], ..all() }),
        (&*EC, AllowedEncryption { derivations: vec![DerivationAlgorithm::Hkdf], ..all() }),
        (&*EC, AllowedEncryption { digests: vec![DigestAlgorithm::Sha512], ..all() }),
        (&*EC, AllowedEncryption { keys: vec![KeyAlgorithm::AesWrap128], ..all() }),
        (&*EC, AllowedEncryption { min_ec_bits: 300, ..all() }),
    ];
    for (n, (who, allowed)) in cases.into_iter().enumerate() {
        let document = if who.key.id() == RSA.key.id() { &rsa } else { &ec };
        let error = refused(document, who, &allowed);
        assert!(matches!(error, EncryptionFault::AlgorithmNotAllowed { .. }), "{n}: {error:?}");
        assert_eq!(error.code(), Code::NotDecryptable);
    }
}

#[test]
fn the_vector_has_the_length_that_the_profile_says() {
    let mut document = Vec::new();
    let shape = Shape { iv: IvRule::Osci, ..Shape::octets("text/plain") };
    let to = [recipient(&RSA)];
    encrypt_value(&b"x"[..], &shape, &to, &mut Counted(1), &mut document).expect("encrypts");
    let osci = AllowedEncryption { iv: IvRule::Osci, ..AllowedEncryption::default() };
    let keys = decryptor(&RSA);
    assert_eq!(opened(&document, Keys::of(&[&keys]), &osci).expect("opens"), b"x");
    let error = refused(&document, &RSA, &AllowedEncryption::default());
    assert!(matches!(error, EncryptionFault::AlgorithmNotAllowed { .. }), "{error:?}");
    // Without the element 16 octets are meant, and these are 12.
    let error = refused(&sealed(b"x", &[&RSA], 1), &RSA, &osci);
    assert!(matches!(error, EncryptionFault::Undecryptable), "{error:?}");
    let text = String::from_utf8(document).expect("UTF-8");
    let error = refused(text.replace("\"12\"", "\"8\"").as_bytes(), &RSA, &osci);
    assert!(matches!(error, EncryptionFault::AlgorithmNotAllowed { .. }), "{error:?}");
}

#[test]
fn every_limit_has_a_name() {
    let limited = |document: &[u8], allowed: &AllowedEncryption| {
        let error = refused(document, &RSA, allowed);
        assert!(matches!(error, EncryptionFault::Limit { .. }), "{error:?}");
        assert_eq!(error.code(), Code::XmlLimit);
        error.to_string()
    };
    let all = AllowedEncryption::default;
    let document = sealed(&[0; 100], &[&RSA], 1);
    let few = AllowedEncryption { max_octets: 100 + 12 + 16 - 1, ..all() };
    assert_eq!(limited(&document, &few), "more than allowed: octets of a ciphertext");
    let enough = AllowedEncryption { max_octets: 100 + 12 + 16, ..all() };
    let keys = decryptor(&RSA);
    assert!(opened(&document, Keys::of(&[&keys]), &enough).is_ok());
    let two = sealed(b"x", &[&RSA, &RSA], 1);
    let one = AllowedEncryption { max_keys: 1, ..all() };
    assert_eq!(limited(&two, &one), "more than allowed: EncryptedKey elements of a document");
    let text = String::from_utf8(document).expect("UTF-8");
    let long = text.replacen(
        "<xenc:CipherValue>",
        &format!("<xenc:CipherValue>{}", "AAAA".repeat(700)),
        1,
    );
    assert_eq!(limited(long.as_bytes(), &all()), "more than allowed: octets of an encrypted key");
    let big = format!("<ds:KeyName>{}</ds:KeyName><xenc:EncryptedKey", "k".repeat(200_000));
    let big = text.replacen("<xenc:EncryptedKey", &big, 1);
    assert!(limited(big.as_bytes(), &all()).contains("octets or depth of EncryptedData"));
    let many = format!("<r>{}</r>", text.repeat(MAX_ENCRYPTED_DATA + 1));
    let error = survey(many.as_bytes(), &Limits::default(), &all()).expect_err("too many");
    assert!(matches!(error, EncryptionFault::Limit { .. }), "{error:?}");
}

#[test]
fn a_key_elsewhere_is_found_by_its_identifier() {
    let text = String::from_utf8(sealed(b"anderswo", &[&RSA], 1)).expect("UTF-8");
    let from = text.find("<xenc:EncryptedKey>").expect("a key");
    let to = text.find("</xenc:EncryptedKey>").expect("its end") + "</xenc:EncryptedKey>".len();
    let key = text[from..to].replacen("<xenc:EncryptedKey>", "<xenc:EncryptedKey Id=\"k\">", 1);
    let reference =
        format!("<ds:RetrievalMethod Type=\"{}EncryptedKey\" URI=\"#k\"/>", method::XENC);
    let data = format!("{}{reference}{}", &text[..from], &text[to..]);
    let whole = |keys: &str| {
        format!("<r xmlns:xenc=\"{}\" xmlns:ds=\"{}\">{data}{keys}</r>", method::XENC, method::DSIG)
    };
    let keys = decryptor(&RSA);
    let open = |document: String, allowed: &AllowedEncryption| {
        opened(document.as_bytes(), Keys::of(&[&keys]), allowed)
    };
    let allowed = AllowedEncryption::default();
    assert_eq!(open(whole(&key), &allowed).expect("opens"), b"anderswo");
    for wrong in [String::new(), format!("{key}{key}")] {
        let error = open(whole(&wrong), &allowed).expect_err("must be one");
        assert!(matches!(error, EncryptionFault::Invalid { .. }), "{error:?}");
    }
    let never = AllowedEncryption { retrieval: false, ..AllowedEncryption::default() };
    let error = open(whole(&key), &never).expect_err("not allowed");
    assert!(matches!(error, EncryptionFault::AlgorithmNotAllowed { .. }), "{error:?}");
    // A key that leads to itself.
    let own = format!(
        "<xenc:EncryptedKey Id=\"k\"><xenc:EncryptionMethod Algorithm=\"{}\"/><ds:KeyInfo>{reference}</ds:KeyInfo><xenc:CipherData><xenc:CipherValue>AAAA</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey>",
        KeyAlgorithm::AesWrap256.uri()
    );
    let error = open(whole(&own), &allowed).expect_err("a circle");
    assert!(matches!(error, EncryptionFault::NoKey { .. }), "{error:?}");
}

#[test]
fn a_key_belongs_to_its_certificate() {
    let wrong = OpensslDecryptor::new(RSA.key.clone(), &EC.certificate);
    assert!(matches!(wrong, Err(UnsuitableKey::KeyOfAnother)));
    assert!(!format!("{:?}", decryptor(&RSA)).contains("PRIVATE"));
    assert_eq!(format!("{:?}", KeyOctets::new(vec![1])), "KeyOctets(..)");
}

#[test]
fn a_key_in_the_clear_is_used_only_where_policy_says_so() {
    let text = String::from_utf8(sealed(b"Anlage", &[&RSA], 1)).expect("UTF-8");
    // The key that this randomness gave.
    let mut key = [0; 32];
    Counted(1).fill(&mut key).expect("random octets");
    let from = text.find("<xenc:EncryptedKey>").expect("a key");
    let to = text.rfind("</ds:KeyInfo>").expect("its end");
    let with = |key: &[u8]| {
        use base64::Engine as _;
        let key = ::base64::engine::general_purpose::STANDARD.encode(key);
        format!("{}<ds:MgmtData>{key}</ds:MgmtData>{}", &text[..from], &text[to..])
    };
    let plain = AllowedEncryption { plain_keys: true, ..AllowedEncryption::default() };
    let open = |key: &[u8], allowed| opened(with(key).as_bytes(), Keys::default(), allowed);
    assert_eq!(open(&key, &plain).expect("opens"), b"Anlage");
    let never = AllowedEncryption::default();
    let error = open(&key, &never);
    assert!(matches!(error, Err(EncryptionFault::NoKey { .. })), "{error:?}");
    for wrong in [&[7; 32][..], &key[..31], &[]] {
        let error = open(wrong, &plain);
        assert!(matches!(error, Err(EncryptionFault::Undecryptable)), "{error:?}");
    }
}

#[test]
fn a_certificate_elsewhere_is_found_by_its_identifier() {
    let text = String::from_utf8(sealed(b"anderswo", &[&RSA], 1)).expect("UTF-8");
    let from = text.find("<ds:X509Data>").expect("a certificate");
    let to = text.find("</ds:X509Data>").expect("its end") + "</ds:X509Data>".len();
    let reference = format!("<ds:RetrievalMethod Type=\"{}X509Data\" URI=\"#c\"/>", method::DSIG);
    let whole = |id: &str| {
        format!(
            "<r xmlns:ds=\"{}\"><certificate Id=\"{id}\">{}</certificate>{}{reference}{}</r>",
            method::DSIG,
            &text[from..to],
            &text[..from],
            &text[to..]
        )
    };
    // Two keys of one kind: only the certificate tells which is meant.
    let other = openssl::rsa::Rsa::generate(2048).expect("an RSA key");
    let other = Identity::new(PKey::from_rsa(other).expect("a key"), "Jemand anders", None);
    let (other, ours) = (decryptor(&other), decryptor(&RSA));
    let decryptors: [&dyn Decryptor; 2] = [&other, &ours];
    let open = |id: &str, allowed| opened(whole(id).as_bytes(), Keys::of(&decryptors), allowed);
    let allowed = AllowedEncryption::default();
    assert_eq!(open("c", &allowed).expect("opens"), b"anderswo");
    let never = AllowedEncryption { retrieval: false, ..AllowedEncryption::default() };
    for (id, allowed) in [("d", &allowed), ("c", &never)] {
        let error = open(id, allowed);
        assert!(matches!(error, Err(EncryptionFault::NoKey { .. })), "{error:?}");
    }
}
