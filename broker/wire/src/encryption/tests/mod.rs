//! Reading what was written here, and refusing everything else.

mod hostile;
mod legacy;
mod peers;
mod policy;
mod proven;
mod rejected;
mod searched;
mod streams;

use std::sync::LazyLock;

use amtsbote_schemas::xml::Limits;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::sha::sha256;
use proptest::prelude::*;

use super::*;
use crate::testing::{EC, Identity, RSA, ec_key};

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

/// A key for agreement on Curve25519; its certificate is issued by somebody else.
pub(super) static X25519: LazyLock<Identity> = LazyLock::new(|| {
    let key = PKey::generate_x25519().expect("a key");
    Identity::new(key, "Stadt Montgomery", Some(&EC))
});
static P521: LazyLock<Identity> =
    LazyLock::new(|| Identity::new(ec_key(Nid::SECP521R1), "Stadt Gross", None));
static BRAINPOOL: LazyLock<Identity> =
    LazyLock::new(|| Identity::new(ec_key(Nid::BRAINPOOL_P384R1), "Stadt Hirn", None));

pub(super) fn decryptor(identity: &Identity) -> OpensslDecryptor {
    OpensslDecryptor::new(identity.key.clone(), &identity.certificate).expect("a decryptor")
}

pub(super) fn recipient(identity: &Identity) -> Recipient {
    Recipient::new(&identity.der()).expect("a recipient")
}

/// Opens the only encrypted data of a document.
pub(super) fn opened(
    document: &[u8],
    keys: Keys<'_>,
    allowed: &AllowedEncryption,
) -> Result<Vec<u8>, EncryptionFault> {
    opened_under(document, keys, allowed, None)
}

/// The same with a proof.
pub(super) fn opened_under(
    document: &[u8],
    keys: Keys<'_>,
    allowed: &AllowedEncryption,
    proof: Option<Proof<'_>>,
) -> Result<Vec<u8>, EncryptionFault> {
    let limits = Limits::default();
    let survey = survey(document, &limits, allowed)?;
    let [data] = survey.data() else { panic!("{} elements", survey.data().len()) };
    let opening = survey.open(data, keys, allowed, proof, &mut Counted(9))?;
    Ok(opening.document(document, &limits, Vec::new())?.into_inner())
}

pub(super) fn opened_by(document: &[u8], who: &Identity) -> Result<Vec<u8>, EncryptionFault> {
    opened(document, Keys::of(&[&decryptor(who)]), &AllowedEncryption::default())
}

/// A document with one `EncryptedData`.
pub(super) fn sealed(plain: &[u8], to: &[&Identity], seed: u64) -> Vec<u8> {
    let to: Vec<_> = to.iter().map(|identity| recipient(identity)).collect();
    let mut document = Vec::new();
    let shape = Shape::octets("text/plain");
    encrypt_value(plain, &shape, &to, &mut Counted(seed), &mut document).expect("encrypts");
    document
}

#[test]
fn every_kind_of_key_opens_what_is_meant_for_it() {
    let everybody = [&*RSA, &*EC, &*P521, &*BRAINPOOL, &*X25519];
    for who in everybody {
        let document = sealed("Grüße".as_bytes(), &[who], 1);
        assert_eq!(opened_by(&document, who).expect("opens"), "Grüße".as_bytes());
    }
    let document = sealed(b"an alle", &everybody, 2);
    for who in everybody {
        assert_eq!(opened_by(&document, who).expect("opens"), b"an alle");
    }
    let stranger = Identity::new(ec_key(Nid::SECP384R1), "Jemand anders", None);
    let refused = opened_by(&document, &stranger);
    assert!(matches!(refused, Err(EncryptionFault::NoKey { .. })), "{refused:?}");
}

#[test]
fn the_same_randomness_gives_the_same_octets() {
    for who in [&*RSA, &*EC, &*X25519] {
        let document = sealed(b"noch einmal", &[who], 3);
        assert_eq!(document, sealed(b"noch einmal", &[who], 3));
        assert_ne!(document, sealed(b"noch einmal", &[who], 4));
    }
}

#[test]
fn an_element_and_its_content_are_encrypted_in_their_place() {
    let document = "<?xml version=\"1.0\"?><!-- a > b --><p:a xmlns:p=\"urn:p\" xmlns:q=\"urn:q\">\
                    <p:b Id=\"b\" x='>'>Ä<q:c/>&amp;</p:b>\n<d/></p:a>"
        .as_bytes();
    let encrypted = |content, seed| {
        let shape = Shape::xml(content);
        encrypt_in(document, "b", &shape, &[recipient(&RSA)], &mut Counted(seed)).expect("encrypts")
    };
    let element = encrypted(Content::Element, 5);
    let text = String::from_utf8(element.clone()).expect("UTF-8");
    assert!(
        text.starts_with("<?xml version=\"1.0\"?><!-- a > b --><p:a xmlns:p=\"urn:p\""),
        "{text}"
    );
    assert!(text.ends_with("</xenc:EncryptedData>\n<d/></p:a>"), "{text}");
    assert_eq!(
        String::from_utf8(opened_by(&element, &RSA).expect("opens")).expect("UTF-8"),
        "<p:b xmlns:p=\"urn:p\" xmlns:q=\"urn:q\" Id=\"b\" x=\">\">Ä<q:c></q:c>&amp;</p:b>"
    );
    let content = encrypted(Content::Content, 6);
    assert_eq!(opened_by(&content, &RSA).expect("opens"), "Ä<q:c/>&amp;".as_bytes());
    let found = survey(&content[..], &Limits::default(), &AllowedEncryption::default());
    let found = found.expect("read");
    assert_eq!(found.data()[0].content(), Content::Content);
    assert_eq!(found.data()[0].path(), "/a/b/EncryptedData");
    let nobody = encrypt_in(document, "c", &Shape::xml(Content::Element), &[], &mut Counted(1));
    assert!(matches!(nobody, Err(EncryptError::Document(_))));
    let nobody = encrypt_in(document, "b", &Shape::xml(Content::Element), &[], &mut Counted(1));
    assert!(matches!(nobody, Err(EncryptError::NoRecipient)));
}

#[test]
fn plaintext_is_a_document_of_its_own() {
    struct Names(Vec<String>);
    impl amtsbote_schemas::xml::EventSink for Names {
        type Error = std::convert::Infallible;
        fn event(&mut self, event: &amtsbote_schemas::xml::Event<'_>) -> Result<(), Self::Error> {
            if let amtsbote_schemas::xml::Event::Start(tag) = event {
                self.0.push(tag.local.clone());
            }
            Ok(())
        }
    }
    let read = |plain: &[u8], content, limits: &Limits| {
        let mut names = Names(Vec::new());
        let tag = Integrity::Verified;
        read_plaintext(plain, content, tag, limits, &mut names).map(|()| names.0)
    };
    let limits = Limits::default();
    assert_eq!(read(b"<a><b/></a>", Content::Element, &limits).expect("read"), ["a", "b"]);
    assert_eq!(
        read(b"x<b/>y<c/>", Content::Content, &limits).expect("read"),
        ["content", "b", "c"]
    );
    for bad in [&b"</content><content>"[..], b"<!DOCTYPE a>", b"<b>", b"</content>"] {
        assert!(read(bad, Content::Content, &limits).is_err());
    }
    let small = Limits { document_bytes: 8, ..Limits::default() };
    assert!(read(b"<a><b/></a>", Content::Element, &small).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_written_is_read(
        plain in prop::collection::vec(any::<u8>(), 0..3000),
        seed: u32,
        osci: bool,
        elliptic: bool,
    ) {
        let who = if elliptic { &*EC } else { &*RSA };
        let mut shape = Shape::octets("text/plain");
        if osci {
            shape.iv = IvRule::Osci;
        }
        let mut random = Counted(u64::from(seed));
        let (mut value, mut part) = (Vec::new(), Vec::new());
        encrypt_value(&plain[..], &shape, &[recipient(who)], &mut random, &mut value)
            .expect("encrypts");
        let reference =
            encrypt_part(&plain[..], "a b@c", &shape, &[recipient(who)], &mut random, &mut part)
                .expect("encrypts");
        let allowed = AllowedEncryption { iv: shape.iv, ..AllowedEncryption::default() };
        let decryptor = decryptor(who);
        let decryptors: [&dyn Decryptor; 1] = [&decryptor];
        prop_assert_eq!(&opened(&value, Keys::of(&decryptors), &allowed).expect("opens"), &plain);
        let survey = survey(reference.as_bytes(), &Limits::default(), &allowed).expect("read");
        let data = &survey.data()[0];
        let source = CipherSource::Part { cid: "a b@c".to_owned(), base64: false };
        prop_assert_eq!(data.source(), Some(&source));
        let opening = survey
            .open(data, Keys::of(&decryptors), &allowed, None, &mut random)
            .expect("a key");
        let released = opening.part(&part[..], PartOctets::AsReferenced, Vec::new()).expect("opens");
        prop_assert_eq!(released.octets(), plain.len() as u64);
        prop_assert_eq!(&released.into_inner(), &plain);
    }
}
