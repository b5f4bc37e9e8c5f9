//! What we sign verifies elsewhere: at `xmlsec1`, and octet for octet as the reference library.

use std::fs;

use super::*;
use crate::signature::{OpensslSigner, SignError, SignatureAlgorithm};
use crate::testing::{RSA, run};

/// Whether `xmlsec1` finds the signature of a message valid. It is told which attributes are Ids,
/// and where the attachments lie; KeyInfo it does not understand, for its certificates stand in
/// elements of OSCI.
fn xmlsec_verifies(message: &str, draft: &Draft, identity: &Identity) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, octets: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, octets).expect("written");
        path.display().to_string()
    };
    let certificate = put("certificate.pem", &identity.certificate.to_pem().expect("PEM"));
    let mut arguments = vec!["--verify".to_owned(), "--enabled-key-data".to_owned()];
    arguments.extend(["x509".to_owned(), "--pubkey-cert-pem".to_owned(), certificate]);
    for name in [
        "ControlBlock",
        "DesiredLanguages",
        "QualityOfTimestamp",
        "storeDelivery",
        "NonIntermediaryCertificates",
    ] {
        arguments.extend(["--id-attr:Id".to_owned(), format!("{OSCI}:{name}")]);
    }
    arguments.extend(["--id-attr:Id".to_owned(), format!("{SOAP}:Body")]);
    for (n, (content_id, octets)) in draft.parts.iter().enumerate() {
        let file = put(&format!("part{n}"), octets);
        arguments.extend([format!("--url-map:cid:{content_id}"), file]);
    }
    arguments.push(put("message.xml", message.as_bytes()));
    let output = run("xmlsec1", "xmlsec1", &arguments);
    if output.yes { Ok(()) } else { Err(output.stderr) }
}

#[test]
fn xmlsec_finds_our_messages_valid() {
    let pss = |digest| {
        let key = RSA.key.clone();
        OpensslSigner::with(key, &RSA.certificate, digest).expect("a signer")
    };
    let cases: [(&Identity, OpensslSigner, DigestAlgorithm); 5] = [
        (&RSA, RSA.signer(), DigestAlgorithm::Sha256),
        (&RSA, pss(SignatureAlgorithm::RsaSha512), DigestAlgorithm::Sha512),
        (&EC, EC.signer(), DigestAlgorithm::Sha384),
        (&RSA, pss(SignatureAlgorithm::RsaPssSha256), DigestAlgorithm::Sha256),
        (&RSA, pss(SignatureAlgorithm::RsaPssSha3_512), DigestAlgorithm::Sha3_256),
    ];
    for (identity, signer, digest) in cases {
        for parts in [true, false] {
            let mut draft = Draft { digest, ..Draft::store_delivery(identity) };
            if !parts {
                draft.parts.clear();
            }
            let message = draft.with(&draft.signature(&signer));
            let verified = judge(&message, &draft, identity).expect("it holds here");
            assert_eq!(verified.verification().algorithm(), signer.algorithm());
            // This xmlsec1 knows neither RSASSA-PSS nor SHA-3.
            let plain = matches!(
                signer.algorithm(),
                SignatureAlgorithm::RsaSha256
                    | SignatureAlgorithm::RsaSha512
                    | SignatureAlgorithm::EcdsaSha256
            );
            if plain {
                xmlsec_verifies(&message, &draft, identity).expect("valid there");
                let forged = message.replace("cmVjaHQ=", "ZmFsc2No");
                xmlsec_verifies(&forged, &draft, identity).expect_err("forged");
            }
        }
    }
}

#[test]
fn the_block_is_written_as_the_reference_library_writes_it() {
    let draft = Draft::store_delivery(&RSA);
    let block = draft.signature(&RSA.signer());
    for piece in [
        "<osci:ClientSignature Id=\"clientsignature\" \
         soap:actor=\"http://schemas.xmlsoap.org/soap/actor/next\" soap:mustUnderstand=\"1\">\
         <ds:Signature><ds:SignedInfo>\n<ds:CanonicalizationMethod Algorithm=\"",
        "</ds:SignatureMethod>\n<ds:Reference URI=\"#controlblock\">\n<ds:Transforms>\n\
         <ds:Transform Algorithm=\"http://www.w3.org/TR/2001/REC-xml-c14n-20010315\">\
         </ds:Transform>\n</ds:Transforms>\n<ds:DigestMethod ",
        "</ds:Reference>\n<ds:Reference URI=\"cid:one.bin\">\n<ds:DigestMethod ",
        "</ds:Reference>\n</ds:SignedInfo><ds:SignatureValue>",
        "</ds:SignatureValue><ds:KeyInfo><ds:RetrievalMethod URI=\"#originator_signature_",
        "\"></ds:RetrievalMethod></ds:KeyInfo></ds:Signature></osci:ClientSignature>",
    ] {
        assert!(block.contains(piece), "{piece}\n{block}");
    }
    let from = block.find("<ds:SignatureValue>").expect("there") + "<ds:SignatureValue>".len();
    let value = &block[from..block.find("</ds:SignatureValue>").expect("there")];
    let lines: Vec<_> = value.split('\n').collect();
    assert!(lines.len() > 1 && lines.iter().rev().skip(1).all(|line| line.len() == 76), "{value}");
    let answer = Draft { side: Side::Supplier, role: "intermed", ..draft };
    let block = answer.signature(&RSA.signer());
    assert!(block.starts_with("<osci:SupplierSignature Id=\"suppliersignature\" "), "{block}");
}

#[test]
fn nothing_is_signed_that_could_not_be_verified() {
    let draft = Draft::store_delivery(&RSA);
    let block = |id| SignedBlock::of(id, b"x", DigestAlgorithm::Sha256).expect("a digest");
    let refuse = |making: &Making<'_>| match signature_block(making, &RSA.signer()) {
        Err(SignError::Document(_) | SignError::UnsuitableAlgorithm) => {}
        other => panic!("{other:?}"),
    };
    let good = [block("a")];
    let (side, role, digest) = (draft.side, draft.role, draft.digest);
    let limits = Limits::default();
    let written = |octets: &str| {
        SignedBlock::written("a", octets.as_bytes(), DigestAlgorithm::Sha256, &limits)
    };
    written(&format!("<x{NS} Id=\"a\"></x>")).expect("a digest");
    for octets in [
        format!("<x{NS} Id=\"b\"></x>"),
        "<x Id=\"a\"></x>".to_owned(),
        format!("<x{} Id=\"a\"></x>", NS.replace("xmlns:xsi", "xmlns:other")),
        format!("<x{NS} Id=\"a\">"),
    ] {
        assert!(matches!(written(&octets), Err(SignError::Document(_))), "{octets}");
    }
    let making = Making { side, role, digest, blocks: &good, parts: &[] };
    signature_block(&making, &RSA.signer()).expect("signed");
    refuse(&Making { blocks: &[], ..making });
    refuse(&Making { blocks: &[block("a b")], ..making });
    refuse(&Making { digest: DigestAlgorithm::Sha1, ..making });
    refuse(&Making { digest: DigestAlgorithm::Sha512, ..making });
    let many = vec![block("a"); MAX_REFERENCES + 1];
    refuse(&Making { blocks: &many, ..making });
    let short = [SignedPart { content_id: "x", digest: b"short" }];
    refuse(&Making { parts: &short, ..making });
}

/// As many references as there may be are written, and read again.
#[test]
fn a_message_with_as_many_attachments_as_allowed() {
    let mut draft = Draft::store_delivery(&EC);
    let count = MAX_REFERENCES - draft.blocks.len() - 1;
    draft.parts = (0..count).map(|n| (format!("part{n}"), vec![n as u8; n])).collect();
    judge(&draft.signed_by(&EC), &draft, &EC).expect("it holds");
}
