//! Every transform, canonicalization, pointer and algorithm that both know.

use super::*;

#[test]
fn what_xmlsec_leaves_out_by_xpath_is_left_out_here() {
    let dsig = "http://www.w3.org/2000/09/xmldsig#";
    let filter = "http://www.w3.org/2002/06/xmldsig-filter2";
    let xpath = |expression: &str| {
        format!(
            "<T Algorithm=\"http://www.w3.org/TR/1999/REC-xpath-19991116\"><XPath xmlns=\"{dsig}\" \
             xmlns:d=\"{dsig}\">{expression}</XPath></T>"
        )
    };
    let subtract = |expression: &str| {
        format!(
            "<T Algorithm=\"{filter}\"><XPath xmlns=\"{filter}\" xmlns:d=\"{dsig}\" \
             Filter=\"subtract\">{expression}</XPath></T>"
        )
    };
    let exclusive = exclusive("q");
    let desk = Desk::of(&RSA);
    for transforms in [
        xpath("not(ancestor-or-self::d:Signature)"),
        format!("{ENVELOPED}{}", xpath("not(ancestor-or-self::d:Signature)")),
        xpath(
            "count(ancestor-or-self::d:Signature | here()/ancestor::d:Signature[1]) &gt; \
             count(ancestor-or-self::d:Signature)",
        ),
        subtract("here()/ancestor::d:Signature[1]"),
        subtract("//d:Signature"),
    ] {
        for transforms in [transforms.clone(), format!("{transforms}{exclusive}")] {
            for uri in ["", "#xpointer(/)"] {
                let signature = template(
                    "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
                    SignatureAlgorithm::RsaSha256.uri(),
                    DigestAlgorithm::Sha256.uri(),
                    uri,
                    &transforms,
                    "",
                );
                let other = "<t><ds:Signature \
                    xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">no</ds:Signature></t>";
                let one = DOCUMENT.replace("<here/>", &format!("<here>{signature}</here>"));
                // xmlsec1 signs the first signature it meets.
                let two = one.replace("</w>", &format!("{other}</w>"));
                for document in [one, two] {
                    let signed = sign_and_verify_there(&desk, &document);
                    let report = report(&signed, &[&RSA]).expect("a report");
                    let first = report.signatures[0].outcome.as_ref();
                    let first = first.unwrap_or_else(|fault| panic!("{fault}: {document}"));
                    assert!(first.verification.nodes()[0].without_signature);
                }
            }
        }
    }
}

#[test]
fn every_canonicalization_and_pointer_agrees() {
    let desk = Desk::of(&RSA);
    for c14n in [
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments",
        "http://www.w3.org/2006/12/xml-c14n11",
        "http://www.w3.org/2006/12/xml-c14n11#WithComments",
        "http://www.w3.org/2001/10/xml-exc-c14n#",
        "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
    ] {
        for uri in ["", "#x", "#xpointer(/)", "#xpointer(id('x'))"] {
            let transform = format!("<T Algorithm=\"{c14n}\"></T>");
            let transforms = if uri.contains('x') && uri.contains("(/)") || uri.is_empty() {
                format!("{ENVELOPED}{transform}")
            } else {
                transform
            };
            let signature = template(
                c14n,
                SignatureAlgorithm::RsaSha512.uri(),
                DigestAlgorithm::Sha512.uri(),
                uri,
                &transforms,
                "ds",
            );
            let document = DOCUMENT
                .replace("<here/>", &format!("<here>{signature}</here>"))
                .replace("<q:u/>", "<q:u/><?p i?>");
            let signed = sign_and_verify_there(&desk, &document);
            holds(&signed, &RSA);
            // A comment counts where the pointer takes it in and the method keeps it.
            let text = String::from_utf8(signed).expect("UTF-8");
            let changed = text.replace("<!-- unsigned -->", "<!-- changed -->");
            let counts = uri.contains("xpointer") && c14n.ends_with("WithComments");
            let report = report(changed.as_bytes(), &[&RSA]).expect("a report");
            assert_eq!(report.signatures[0].outcome.is_err(), counts, "{c14n} {uri}");
        }
    }
}

#[test]
fn what_is_signed_here_in_every_way_verifies_there() {
    let document = DOCUMENT.replace("Id=\"y\"", "Id=\"y\" xml:base=\"a/b\"");
    for algorithm in Allowed::default().signatures {
        let name = algorithm.uri();
        // Debian's 1.2.37 has none of these.
        if ["MGF1", "ed25519", "sha3"].iter().any(|word| name.contains(word)) {
            continue;
        }
        let identity = if name.contains("ecdsa") { &*EC } else { &*RSA };
        let desk = Desk::of(identity);
        let signer = OpensslSigner::with(identity.key.clone(), &identity.certificate, algorithm);
        let signer = signer.expect("a signer");
        for &canonicalization in crate::c14n::Mode::ALL {
            for digest in
                [DigestAlgorithm::Sha256, DigestAlgorithm::Sha384, DigestAlgorithm::Sha512]
            {
                for target in [Target::DOCUMENT, target(Some("x"), &[]), target(Some("y"), &[])] {
                    let signing = Signing { canonicalization, digest, ..Signing::default() };
                    let targets = [target];
                    let signed =
                        sign_with(document.as_bytes(), &signer, &here(), &targets, &signing)
                            .expect("signed");
                    desk.xmlsec_verifies(&signed).expect("valid for xmlsec1");
                    holds(&signed, identity);
                }
            }
        }
    }
}
