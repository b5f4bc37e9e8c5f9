//! Any bytes, and any edit of a signed document: the verifier answers, and what it lets pass means
//! what was signed.
#![no_main]

use std::sync::LazyLock;

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::directory::TrustedCertificate;
use amtsbote_domain::validity::Validity;
use amtsbote_fuzz::{apply, identity};
use amtsbote_schemas::xml::{Event, EventSink, Limits, drive};
use amtsbote_wire::c14n::Mode;
use amtsbote_wire::signature::{
    Allowed, DigestAlgorithm, Fixed, GeneralPolicy, Name, NoParts, OpensslSigner, Otherwise, Over,
    Place, Profile, Target, sign, verify, verify_document,
};
use libfuzzer_sys::fuzz_target;

const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
const ROOT: Name = Name::new("urn:m", "m");
const BODY: Name = Name::new("urn:m", "body");
const SIGNATURE: &[Name] = &[ROOT, Name::new(DSIG, "Signature")];
const COVERED: &[&[Name]] = &[&[ROOT, BODY]];
const DOCUMENT: &str = "<m:m xmlns:m=\"urn:m\"><m:head Id=\"h\"/><m:body Id=\"b\" a=\"1\">from \
                        <m:of>A</m:of> to <m:to>B</m:to></m:body><m:tail/></m:m>";

/// Signed as a whole, and by the identifier of the body.
struct Signed {
    documents: [Vec<u8>; 2],
    trusted: Vec<TrustedCertificate>,
    allowed: Allowed,
}

static SIGNED: LazyLock<Signed> = LazyLock::new(|| {
    let (key, certificate) = identity();
    let der = certificate.to_der().expect("DER");
    let signer = OpensslSigner::new(key, &certificate).expect("a signer");
    let body = Target { id: Some("b".to_owned()), prefix_list: vec![] };
    let documents = [Target::DOCUMENT, body].map(|target| {
        sign(DOCUMENT.as_bytes(), &signer, &Place::LastInRoot, &[target]).expect("signed")
    });
    let fingerprint = Digest(openssl::sha::sha256(&der));
    let trusted = vec![TrustedCertificate { fingerprint, der, validity: Validity::default() }];
    Signed { documents, trusted, allowed: Allowed::legacy() }
});

/// All that the body says: names, attributes, text.
#[derive(Default, PartialEq, Debug)]
struct Said {
    open: u32,
    text: String,
}

impl EventSink for Said {
    type Error = ();

    fn event(&mut self, event: &Event<'_>) -> Result<(), ()> {
        match *event {
            Event::Start(tag) if self.open > 0 || (tag.depth == 2 && tag.is("urn:m", "body")) => {
                self.open += 1;
                self.text += &format!("<{{{}}}{}", tag.namespace, tag.local);
                let mut attributes: Vec<_> = tag
                    .attributes
                    .iter()
                    .map(|a| format!(" {{{}}}{}={:?}", a.namespace, a.local, a.value))
                    .collect();
                attributes.sort();
                self.text += &attributes.concat();
            }
            Event::End(..) if self.open > 0 => {
                self.open -= 1;
                self.text.push('>');
            }
            Event::Text(_, text, _) if self.open > 0 => self.text += text,
            _ => {}
        }
        Ok(())
    }
}

fn said(document: &[u8]) -> Said {
    let mut said = Said::default();
    drive(document, &Limits::default(), &mut said).expect("it was read before");
    said
}

fuzz_target!(|octets: &[u8]| {
    let signed = &*SIGNED;
    let Some((&choice, rest)) = octets.split_first() else { return };
    let original = &signed.documents[usize::from(choice & 1)];
    let document = if choice & 2 == 0 { rest.to_vec() } else { apply(original, rest) };
    let fixed = (choice & 4 != 0).then_some(Fixed {
        over: if choice & 1 == 0 { Over::Document } else { Over::Elements },
        canonicalization: Mode::Exclusive,
        digest: DigestAlgorithm::Sha256,
    });
    let profile = Profile {
        fixed,
        others: choice & 8 != 0,
        otherwise: if choice & 16 == 0 { Otherwise::Refuse } else { Otherwise::SecondPass },
        ..Profile::new(SIGNATURE, COVERED, &signed.allowed)
    };
    let limits = Limits::default();
    let at = Timestamp::UNIX_EPOCH;
    if verify(&document, &profile, &limits, &signed.trusted, at).is_ok() {
        assert_eq!(said(&document), said(original), "verified, and says something else");
    }
    let policy = GeneralPolicy {
        candidates: signed.trusted.iter().map(|t| t.der.clone()).collect(),
        allowed: signed.allowed.clone(),
        limits,
    };
    // It must answer; what it lets pass it says by path and interval, which people read.
    let _answer = verify_document(&|| Ok(&document[..]), &NoParts, &policy);
});
