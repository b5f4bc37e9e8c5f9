//! References to a signature that leave that very signature out: nothing is digested, and nothing
//! may count as covered.

use super::super::transforms::ENVELOPED;
use super::*;

/// References to the signature itself, without itself: the digest is that of no octets at all.
fn to_itself() -> [String; 3] {
    let nothing = sha256(b"");
    let enveloped = reference_to(Some("s"), true, &EXCLUSIVE, DigestAlgorithm::Sha256, &nothing);
    let transform = format!("<Transform Algorithm=\"{ENVELOPED}\"></Transform>");
    assert!(enveloped.contains(&transform), "{enveloped}");
    let xpath = |expression: &str| {
        let filter = format!(
            "<Transform Algorithm=\"http://www.w3.org/TR/1999/REC-xpath-19991116\">\
             <ds:XPath xmlns:ds=\"{DSIG}\">{expression}</ds:XPath></Transform>"
        );
        enveloped.replace(&transform, &filter)
    };
    let every = xpath("not(ancestor-or-self::ds:Signature)");
    let own = xpath(
        "count(ancestor-or-self::ds:Signature | here()/ancestor::ds:Signature[1]) &gt; \
         count(ancestor-or-self::ds:Signature)",
    );
    [enveloped, every, own]
}

fn with_id(signature: &str) -> String {
    signature.replacen("<Signature ", "<Signature Id=\"s\" ", 1)
}

/// The digest must end with the element that was named: else all that follows, up to the end of the
/// next element as deep, would count as signed by whoever signed nothing.
#[test]
fn what_follows_a_signature_left_out_is_not_covered() {
    for reference in to_itself() {
        let signature = with_id(&forged_by(&format!("{}{reference}", usual()), &EC, &[&EC]));
        for body in [BODY.to_owned(), format!("<body>{EVIL}")] {
            refused(&message(&signature, &body), Code::SignatureInvalid);
            refused(&message("", &format!("{signature}{body}")), Code::SignatureMissing);
        }
        // Nor does it help beside a reference that holds.
        let both = format!("{}{reference}{}", usual(), to_body());
        let signature = with_id(&forged_by(&both, &EC, &[&EC]));
        refused(&message(&signature, BODY), Code::SignatureInvalid);
    }
}

/// The whole document is its one signature: what is left of it is nothing.
#[test]
fn a_document_that_is_left_out_whole_is_not_covered() {
    let whole = reference_to(None, true, &EXCLUSIVE, DigestAlgorithm::Sha256, &sha256(b""));
    let signature = forged_by(&format!("{}{whole}", usual()), &EC, &[&EC]);
    let profile = Profile::new(const { &[Name::new(DSIG, "Signature")] }, &[], &ALLOWED);
    let limits = Limits::default();
    let fault = verify(signature.as_bytes(), &profile, &limits, &[EC.trusted()], now());
    let fault = fault.expect_err("nothing is signed");
    assert_eq!(fault.code(), Code::SignatureInvalid, "{fault:?}");
}
