//! Content signatures: over contents of their own container, and nothing else.

use super::*;
use crate::testing::{OTHER, RSA};

/// A signature over these references, by `identity`, whose certificate the header holds.
pub(super) fn author_signature(
    references: &[(&str, Option<&str>, &[u8])],
    identity: &Identity,
) -> String {
    let c14n = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
    let signer = identity.signer();
    let references: String = references
        .iter()
        .map(|(uri, transform, octets)| {
            let transforms = transform.map_or_else(String::new, |uri| {
                format!("<ds:Transforms><ds:Transform Algorithm=\"{uri}\"></ds:Transform></ds:Transforms>")
            });
            format!(
                "<ds:Reference URI=\"{uri}\">{transforms}<ds:DigestMethod Algorithm=\"{}\">\
                 </ds:DigestMethod><ds:DigestValue>{}</ds:DigestValue></ds:Reference>",
                DigestAlgorithm::Sha256.uri(),
                STANDARD.encode(openssl::sha::sha256(octets)),
            )
        })
        .collect();
    let inner = format!(
        "<ds:CanonicalizationMethod Algorithm=\"{c14n}\"></ds:CanonicalizationMethod>\
         <ds:SignatureMethod Algorithm=\"{}\"></ds:SignatureMethod>{references}",
        signer.algorithm().uri()
    );
    let signed = format!("<ds:SignedInfo{NS}>{inner}</ds:SignedInfo>");
    let value = STANDARD.encode(signer.sign(signed.as_bytes()).expect("signed"));
    let id = certificate_id("author0", CertificateUse::Signature, &identity.der());
    format!(
        "<ds:Signature><ds:SignedInfo>{inner}</ds:SignedInfo><ds:SignatureValue>{value}\
         </ds:SignatureValue><ds:KeyInfo><ds:RetrievalMethod URI=\"#{id}\"></ds:RetrievalMethod>\
         </ds:KeyInfo></ds:Signature>"
    )
}

pub(super) const C14N: Option<&str> = Some("http://www.w3.org/TR/2001/REC-xml-c14n-20010315");
const BASE64: Option<&str> = Some("http://www.w3.org/2000/09/xmldsig#base64");
pub(super) const CONTENT: &str = "<osci:Content><osci:Base64Content Id=\"content0\">QW10\ncw==\
    </osci:Base64Content></osci:Content>";
pub(super) const ATTACHED: &str =
    "<osci:Content Id=\"content1\" href=\"cid:one.bin\"></osci:Content>";

pub(super) fn attached() -> String {
    ATTACHED.replacen(" Id", &format!("{NS} Id"), 1)
}

/// A message whose body holds one container with this in it; `EC` sends it, `OTHER` is an Author.
pub(super) fn message(container: &str) -> (Draft, String) {
    message_of(&format!(
        "<osci:ContentContainer{NS} Id=\"contentcontainer0\">{container}</osci:ContentContainer>"
    ))
}

pub(super) fn message_of(package: &str) -> (Draft, String) {
    let mut draft = Draft::store_delivery(&EC);
    let certificates = draft.blocks.last_mut().expect("a block");
    let author = certificate_element("author0", "SignatureCertificateOtherAuthor", &OTHER);
    let end = "</osci:NonIntermediaryCertificates>";
    certificates.1 = certificates.1.replace(end, &format!("{author}{end}"));
    draft.body = format!(
        "<soap:Body{NS} Id=\"body\"><osci:ContentPackage>{package}</osci:ContentPackage></soap:Body>"
    );
    let message = draft.signed_by(&EC);
    (draft, message)
}

fn report((draft, message): &(Draft, String)) -> Vec<ContainerReport> {
    judge(message, draft, &EC).expect("the message itself holds");
    let signatures = read(message.as_bytes(), Side::Client).expect("read");
    let parts = digests(&draft.parts, &signatures.part_digests(&Allowed::default()));
    signatures.containers.verify(&parts, &Allowed::default())
}

/// The outcome of the one signature in the one container.
fn outcome(container: &str) -> Result<AuthorSeal, SignatureFault> {
    let mut reports = report(&message(container));
    assert_eq!(reports.len(), 1);
    let mut report = reports.remove(0);
    assert_eq!(report.signatures.len(), 1);
    report.signatures.remove(0).outcome
}

pub(super) fn good() -> [(&'static str, Option<&'static str>, &'static [u8]); 2] {
    [("#content0", BASE64, b"Amts"), ("cid:one.bin", None, b"\x00one\xff")]
}

pub(super) fn all(attached: &str) -> Vec<(&'static str, Option<&'static str>, Vec<u8>)> {
    let own = good().map(|(uri, transform, octets)| (uri, transform, octets.to_vec()));
    let attached = ("#content1", C14N, attached.as_bytes().to_vec());
    own.into_iter().chain([attached]).collect()
}

pub(super) fn signature(
    references: &[(&str, Option<&str>, Vec<u8>)],
    identity: &Identity,
) -> String {
    let references: Vec<_> =
        references.iter().map(|(uri, how, octets)| (*uri, *how, octets.as_slice())).collect();
    author_signature(&references, identity)
}

#[test]
fn an_author_signs_contents_and_attachments() {
    let signature = signature(&all(&attached()), &OTHER);
    let seal = outcome(&format!("{signature}{CONTENT}{ATTACHED}")).expect("it holds");
    assert!(seal.is_whole() && seal.covers_part("cid:one.bin"));
    assert_eq!(seal.certificate(), OTHER.der());
    assert_eq!(seal.author(&[EC.trusted()], now()), Author::Unknown);
    assert_eq!(seal.author(&[EC.trusted(), OTHER.trusted()], now()), Author::Trusted);
    let mut late = OTHER.trusted();
    late.validity.until = Some(now());
    assert_eq!(seal.author(&[late], now()), Author::NotValidThen);
    // Nothing was changed, but something is not signed.
    let more = "<osci:Content><osci:Base64Content Id=\"content2\">QQ==</osci:Base64Content></osci:Content>";
    let part = outcome(&format!("{signature}{CONTENT}{ATTACHED}{more}")).expect("it holds");
    assert!(!part.is_whole());
    let text = CONTENT.replace("</osci:Content>", "more</osci:Content>");
    assert!(!outcome(&format!("{signature}{text}{ATTACHED}")).expect("it holds").is_whole());
    // Where it stands and what it points at is not signed with an attachment alone.
    let alone = author_signature(&good(), &OTHER);
    assert!(!outcome(&format!("{alone}{CONTENT}{ATTACHED}")).expect("it holds").is_whole());
}

#[test]
fn what_is_changed_or_exchanged_no_longer_holds() {
    let signature = signature(&all(&attached()), &OTHER);
    let refuse = |container: String| {
        let fault = outcome(&container).expect_err(&container);
        Code::from(&fault)
    };
    for (content, attached) in [
        (CONTENT.replace("QW10", "QW1w"), ATTACHED.to_owned()),
        (CONTENT.to_owned(), ATTACHED.replace("one.bin", "zwei.txt")),
        (CONTENT.replace("content0", "content1"), ATTACHED.replace("content1", "content0")),
        (CONTENT.replace("QW10\ncw==", "QW10<x></x>cw=="), ATTACHED.to_owned()),
    ] {
        refuse(format!("{signature}{content}{attached}"));
    }
    // Contents must come after their signature, and in its own container.
    assert_eq!(refuse(format!("{CONTENT}{ATTACHED}{signature}")), Code::OrderSignatureWrong);
    assert_eq!(refuse(signature.clone()), Code::OrderSignatureWrong);
    // By somebody else, in the name of the Author.
    let id =
        |identity: &Identity| certificate_id("author0", CertificateUse::Signature, &identity.der());
    let forged = authors::signature(&all(&attached()), &RSA).replace(&id(&RSA), &id(&OTHER));
    assert_eq!(refuse(format!("{forged}{CONTENT}{ATTACHED}")), Code::OrderSignatureWrong);
    // By one whose certificate the message does not hold.
    let unknown = authors::signature(&all(&attached()), &RSA);
    let fault = outcome(&format!("{unknown}{CONTENT}{ATTACHED}")).expect_err("unknown");
    assert!(matches!(fault, SignatureFault::SignerNotTrusted { .. }), "{fault:?}");
}

#[test]
fn only_contents_of_the_own_container_can_be_named() {
    let header = Draft::store_delivery(&EC).blocks[1].1.clone();
    for (uri, how, octets) in [
        ("#desiredlanguages", C14N, header.as_bytes()),
        ("cid:zwei.txt", None, "Grüße".as_bytes()),
        ("#content0", BASE64, b"Amts"),
        ("", C14N, b""),
        ("#nothing", C14N, b""),
    ] {
        let mut references = good().to_vec();
        references.push((uri, how, octets));
        let signature = author_signature(&references, &OTHER);
        let fault = outcome(&format!("{signature}{CONTENT}{ATTACHED}")).expect_err(uri);
        assert_ne!(Code::from(&fault), Code::SignatureCheckFailed, "{fault:?}");
    }
    // A container behind it.
    let foreign = author_signature(&good(), &OTHER);
    let container = |id: &str, inner: &str| {
        format!("<osci:ContentContainer{NS} Id=\"{id}\">{inner}</osci:ContentContainer>")
    };
    let both = message_of(&format!(
        "{}{}",
        container("contentcontainer0", &foreign),
        container("contentcontainer1", &format!("{CONTENT}{ATTACHED}"))
    ));
    let reports = report(&both);
    assert_eq!(reports.len(), 2);
    assert!(matches!(reports[0].signatures[0].outcome, Err(SignatureFault::Invalid { .. })));
    assert!(reports[1].signatures.is_empty() && reports[1].contents == 2);
}

#[test]
fn signatures_of_several_authors_and_containers_within_containers() {
    let first = signature(&all(&attached()), &OTHER);
    let second = author_signature(&good(), &OTHER);
    let broken = author_signature(&[("#content0", BASE64, b"other")], &OTHER);
    let container = format!("{first}{second}{broken}{CONTENT}{ATTACHED}");
    let reports = report(&message(&container));
    let outcomes: Vec<_> = reports[0].signatures.iter().map(|one| one.outcome.is_ok()).collect();
    assert_eq!(outcomes, [true, true, false]);
    // A container as the content of another: each has its own signatures.
    let inner = format!(
        "<osci:ContentContainer{NS} Id=\"inner\">{}{}</osci:ContentContainer>",
        author_signature(&[("#content2", BASE64, b"A")], &OTHER),
        "<osci:Content><osci:Base64Content Id=\"content2\">QQ==</osci:Base64Content></osci:Content>"
    );
    let content = format!("<osci:Content Id=\"content3\">{inner}</osci:Content>");
    let canonical = content.replacen(" Id", &format!("{NS} Id"), 1).replacen(
        &format!("ContentContainer{NS}"),
        "ContentContainer",
        1,
    );
    let outer = author_signature(&[("#content3", C14N, canonical.as_bytes())], &OTHER);
    let reports = report(&message(&format!("{outer}{content}")));
    assert_eq!(reports.len(), 2);
    for report in reports {
        let seal = report.signatures[0].outcome.as_ref().expect("it holds");
        assert!(seal.is_whole());
    }
}

#[test]
fn what_is_encrypted_stays_closed() {
    let encrypted = "<xenc:EncryptedData Id=\"encdata_0\"><xenc:CipherData></xenc:CipherData>\
                     </xenc:EncryptedData>";
    let reports = report(&message_of(encrypted));
    assert!(reports.is_empty());
    // It may be signed from outside, as it is.
    let canonical = encrypted.replacen(" Id", &format!("{NS} Id"), 1);
    let signature = author_signature(&[("#encdata_0", C14N, canonical.as_bytes())], &OTHER);
    assert!(outcome(&format!("{signature}{encrypted}")).expect("it holds").is_whole());
}

#[test]
fn too_much_is_refused() {
    let one = author_signature(&good(), &OTHER);
    let container = format!("{}{CONTENT}{ATTACHED}", one.repeat(MAX_SIGNATURES_EACH + 1));
    let (_, document) = message(&container);
    let read = |document: &str| read(document.as_bytes(), Side::Client);
    assert!(matches!(read(&document), Err(SignatureFault::Limit { .. })));
    let containers = format!("<osci:ContentContainer Id=\"x\">{}</osci:ContentContainer>", "")
        .repeat(MAX_CONTAINERS + 1);
    let containers: String = containers
        .split_inclusive("</osci:ContentContainer>")
        .enumerate()
        .map(|(n, text)| text.replace("\"x\"", &format!("\"x{n}\"")))
        .collect();
    let (_, document) = message_of(&containers);
    assert!(matches!(read(&document), Err(SignatureFault::Limit { .. })));
    let (_, document) = message(&"<osci:Content></osci:Content>".repeat(MAX_CONTENTS + 1));
    assert!(matches!(read(&document), Err(SignatureFault::Limit { .. })));
    // Too many references of all Authors together: those that are too many are not followed.
    let count = MAX_CONTENT_REFERENCES * 2 / 5;
    let many: Vec<_> = (0..count).map(|n| format!("#content{n}")).collect();
    let references: Vec<_> = many.iter().map(|id| (id.as_str(), BASE64, &b"A"[..])).collect();
    let signature = author_signature(&references, &OTHER);
    let contents: String = (0..count)
        .map(|n| format!("<osci:Content><osci:Base64Content Id=\"content{n}\">QQ==</osci:Base64Content></osci:Content>"))
        .collect();
    let reports = report(&message(&format!("{}{contents}", signature.repeat(3))));
    let outcomes: Vec<_> = reports[0].signatures.iter().map(|one| one.outcome.is_ok()).collect();
    assert_eq!(outcomes, [true, true, false]);
}
