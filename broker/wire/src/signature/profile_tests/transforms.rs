//! Transforms: the few expressions that are known, and the text of an element.

use super::*;

/// A message whose reference to the whole document has these transforms.
pub(super) fn with_transforms(transforms: &str, more: &str) -> Vec<u8> {
    let rest = format!("<body>right</body>{more}");
    let canonical = message("<seal></seal>", &rest);
    let digest = STANDARD.encode(openssl::sha::sha256(canonical.as_bytes()));
    let reference = format!(
        "<Reference URI=\"\"><Transforms>{transforms}</Transforms><DigestMethod \
         Algorithm=\"{}\"></DigestMethod><DigestValue>{digest}</DigestValue></Reference>",
        DigestAlgorithm::Sha256.uri()
    );
    // Inclusive: it keeps the declarations of prefixes that only an expression uses.
    let inclusive = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
    let methods = methods(inclusive, SignatureAlgorithm::EcdsaSha256.uri());
    let sign = |octets: &[u8]| EC.signer().sign(octets).expect("signed");
    let signature = forged(&format!("{methods}{reference}"), &sign, &[&EC]);
    message(&format!("<seal>{signature}</seal>"), &rest).into_bytes()
}

const XPATH: &str = "http://www.w3.org/TR/1999/REC-xpath-19991116";
const FILTER2: &str = "http://www.w3.org/2002/06/xmldsig-filter2";
pub(super) const EXCLUSIVE: &str =
    "<Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"></Transform>";

fn xpath(namespace: &str, expression: &str) -> String {
    format!(
        "<Transform Algorithm=\"{XPATH}\"><XPath xmlns:d=\"{namespace}\">{expression}</XPath>\
         </Transform>{EXCLUSIVE}"
    )
}

fn filter2(filter: &str, expression: &str) -> String {
    format!(
        "<Transform Algorithm=\"{FILTER2}\"><XPath xmlns=\"{FILTER2}\" xmlns:d=\"{DSIG}\" \
         Filter=\"{filter}\">{expression}</XPath></Transform>{EXCLUSIVE}"
    )
}

#[test]
fn a_few_expressions_are_known_by_their_text() {
    let allowed = Allowed::default();
    let profile = Profile::new(SIGNATURE, BODY, &allowed);
    let judge = |transforms: &str| judge(&with_transforms(transforms, ""), &profile, &NoParts, &EC);
    for transforms in [
        xpath(DSIG, "not(ancestor-or-self::d:Signature)"),
        xpath(DSIG, " not( ancestor-or-self::d:Signature )\n"),
        xpath(
            DSIG,
            "count(ancestor-or-self::d:Signature | here()/ancestor::d:Signature[1]) &gt; \
             count(ancestor-or-self::d:Signature)",
        ),
        filter2("subtract", "here()/ancestor::d:Signature[1]"),
        filter2("subtract", "//d:Signature"),
        filter2("subtract", "/descendant::d:Signature"),
    ] {
        let verification = judge(&transforms).expect(&transforms);
        assert!(verification.nodes()[0].without_signature, "{transforms}");
    }
    for transforms in [
        xpath("urn:other", "not(ancestor-or-self::d:Signature)"),
        xpath(DSIG, "not(ancestor-or-self::e:Signature)"),
        xpath(DSIG, "not(ancestor-or-self::d:Signature) or self::x"),
        xpath(DSIG, "ancestor-or-self::d:Signature"),
        xpath(DSIG, "true()"),
        xpath(DSIG, ""),
        filter2("intersect", "//d:Signature"),
        filter2("union", "//d:Signature"),
        filter2("subtract", "//body"),
        filter2("subtract", "/"),
    ] {
        refused(judge(&transforms), Code::AlgorithmNotAllowed);
    }
}

#[test]
fn a_signature_that_leaves_out_all_signatures_does_not_cover_the_others() {
    let allowed = Allowed::default();
    let profile = Profile { others: true, ..Profile::new(SIGNATURE, const { &[&[W]] }, &allowed) };
    let other = "<x><Signature xmlns=\"http://www.w3.org/2000/09/xmldsig#\">evil</Signature></x>";
    let transforms = xpath(DSIG, "not(ancestor-or-self::d:Signature)");
    let document = String::from_utf8(with_transforms(&transforms, "<x></x>")).expect("UTF-8");
    judge(document.as_bytes(), &profile, &NoParts, &EC).expect("nothing but its own");
    let more = document.replace("<x></x>", other);
    refused(judge(more.as_bytes(), &profile, &NoParts, &EC), Code::SignatureCoverage);
}

#[test]
fn base64_covers_the_text_and_not_the_element() {
    let reference = format!(
        "<Reference URI=\"#b\"><Transforms><Transform Algorithm=\"{DSIG}base64\"></Transform>\
         </Transforms><DigestMethod Algorithm=\"{}\"></DigestMethod><DigestValue>{}</DigestValue>\
         </Reference>",
        DigestAlgorithm::Sha256.uri(),
        STANDARD.encode(openssl::sha::sha256(b"right"))
    );
    let methods =
        methods("http://www.w3.org/2001/10/xml-exc-c14n#", SignatureAlgorithm::EcdsaSha256.uri());
    let sign = |octets: &[u8]| EC.signer().sign(octets).expect("signed");
    let signature = forged(&format!("{methods}{reference}"), &sign, &[&EC]);
    let with = |body: &str| message(&format!("<seal>{signature}</seal>"), body).into_bytes();
    let allowed = Allowed::default();
    let nothing = Profile::new(SIGNATURE, &[], &allowed);
    let good = with("<body Id=\"b\">cml n\naHQ=</body>");
    let verification = judge(&good, &nothing, &NoParts, &EC).expect("it holds");
    let [node] = verification.nodes() else { panic!("one reference") };
    assert!(node.text_only);
    assert_eq!(node.nodes.0, node.nodes.1);
    assert!(verification.covered().is_empty());
    // The element around it is not covered, so it does not count where the element must be.
    refused(
        judge(&good, &Profile::new(SIGNATURE, BODY, &allowed), &NoParts, &EC),
        Code::SignatureCoverage,
    );
    for body in [
        "<body Id=\"b\">cml<!-- -->naHQ=</body>",
        "<body Id=\"b\"><to>cmlnaHQ=</to></body>",
        "<body Id=\"b\">cmlnaHQ</body>",
        "<body Id=\"b\">d3Jvbmc=</body>",
        "<body Id=\"b\"></body>",
    ] {
        refused(judge(&with(body), &nothing, &NoParts, &EC), Code::SignatureInvalid);
    }
}
