//! Signatures of OSCI messages: our own, recorded ones, and what is done to both.

mod authors;
mod claimed;
mod made;
mod mutations;
mod recorded;
mod wrapping;

use amtsbote_domain::directory::TrustedCertificate;
use amtsbote_schemas::xml::Limits;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openssl::hash::MessageDigest;
use openssl::x509::X509;
use openssl::x509::extension::KeyUsage;

use super::super::feedback::Code;
use super::message::UnverifiedMessage;
use super::parts::PartDigests;
use super::scan::{MessageScan, Signatures};
use super::*;
use crate::osci;
use crate::signature::{Allowed, SignatureFault, Signer, pass};
use crate::testing::{EC, Identity, OTHER, now};

const NS: &str = NAMESPACE_DECLARATIONS;
const NEXT: &str =
    "soap:actor=\"http://schemas.xmlsoap.org/soap/actor/next\" soap:mustUnderstand=\"1\"";
const NONE: &str = "soap:actor=\"http://www.w3.org/2001/12/soap-envelope/actor/none\" \
    soap:mustUnderstand=\"1\"";

/// A message in pieces.
#[derive(Clone)]
struct Draft {
    side: Side,
    role: &'static str,
    /// Header blocks by their Id, the first one before the signature.
    blocks: Vec<(String, String)>,
    body: String,
    parts: Vec<(String, Vec<u8>)>,
    digest: DigestAlgorithm,
}

fn certificate_element(role: &str, local: &str, identity: &Identity) -> String {
    let der = identity.der();
    format!(
        "<osci:{local} Id=\"{}\"><ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate>\
         </ds:X509Data></osci:{local}>",
        certificate_id(role, CertificateUse::Signature, &der),
        STANDARD.encode(der)
    )
}

impl Draft {
    /// A StoreDelivery with two attachments, signed by `identity` as its originator.
    fn store_delivery(identity: &Identity) -> Self {
        let block = |id: &str, element: &str, attributes: &str, inner: &str| {
            let element = format!(
                "<osci:{element}{NS} Id=\"{id}\"{attributes} {NEXT}>{inner}</osci:{element}>"
            );
            (id.to_owned(), element)
        };
        let certificates = format!(
            "<osci:NonIntermediaryCertificates{NS} Id=\"nonintermediarycertificates\" {NONE}>{}{}\
             </osci:NonIntermediaryCertificates>",
            certificate_element("addressee", "CipherCertificateAddressee", &OTHER),
            certificate_element("originator", "SignatureCertificateOriginator", identity)
        );
        let quality = |service: &str| {
            block(
                &format!("qualityoftimestamp_{service}"),
                "QualityOfTimestamp",
                &format!(" Quality=\"plain\" Service=\"{service}\""),
                "",
            )
        };
        Self {
            side: Side::Client,
            role: "originator",
            blocks: vec![
                block(
                    "controlblock",
                    "ControlBlock",
                    " SequenceNumber=\"0\"",
                    "<osci:Challenge>YWFhYWFhYWFhYQ==</osci:Challenge>",
                ),
                block("desiredlanguages", "DesiredLanguages", " LanguagesList=\"de\"", ""),
                quality("creation"),
                quality("reception"),
                block(
                    "storedelivery",
                    "storeDelivery",
                    "",
                    "<osci:MessageId>cmVjaHQ=</osci:MessageId>",
                ),
                ("nonintermediarycertificates".to_owned(), certificates),
            ],
            body: format!(
                "<soap:Body{NS} Id=\"body\"><osci:ContentPackage></osci:ContentPackage></soap:Body>"
            ),
            parts: vec![
                ("one.bin".to_owned(), b"\x00one\xff".to_vec()),
                ("zwei.txt".to_owned(), "Grüße".as_bytes().to_vec()),
            ],
            digest: DigestAlgorithm::Sha256,
        }
    }

    /// The signature over everything in it.
    fn signature(&self, signer: &dyn Signer) -> String {
        let body = ("body".to_owned(), self.body.clone());
        let blocks = self.blocks.iter().chain([&body]);
        let blocks: Vec<_> = blocks
            .map(|(id, octets)| {
                let limits = Limits::default();
                SignedBlock::written(id, octets.as_bytes(), self.digest, &limits).expect("a digest")
            })
            .collect();
        let digests: Vec<_> =
            self.parts.iter().map(|(_, octets)| digest_of(octets, &[self.digest])).collect();
        let parts: Vec<_> = self
            .parts
            .iter()
            .zip(&digests)
            .map(|((content_id, _), digest)| SignedPart {
                content_id,
                digest: digest.by(self.digest).expect("made"),
            })
            .collect();
        let (side, role, digest) = (self.side, self.role, self.digest);
        let making = Making { side, role, digest, blocks: &blocks, parts: &parts };
        signature_block(&making, signer).expect("signed")
    }

    /// The message with this instead of a signature.
    fn with(&self, signature: &str) -> String {
        let (first, rest) = self.blocks.split_first().expect("a block");
        let rest: String = rest.iter().map(|(_, block)| block.as_str()).collect();
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\n<soap:Envelope{NS} \
             xsi:schemaLocation=\"http://schemas.xmlsoap.org/soap/envelope/ \
             soapStoreDelivery.xsd\"><soap:Header>{}{signature}{rest}</soap:Header>{}\
             </soap:Envelope>",
            first.1, self.body
        )
    }

    fn signed_by(&self, identity: &Identity) -> String {
        self.with(&self.signature(&identity.signer()))
    }
}

fn digest_of(octets: &[u8], algorithms: &[DigestAlgorithm]) -> PartDigest {
    let mut hasher = PartHasher::new(algorithms);
    octets.chunks(3).for_each(|piece| hasher.update(piece));
    hasher.finish().expect("digests")
}

fn digests(parts: &[(String, Vec<u8>)], algorithms: &[DigestAlgorithm]) -> PartDigests {
    let mut digests = PartDigests::default();
    for (content_id, octets) in parts {
        assert!(digests.add(content_id, false, digest_of(octets, algorithms)), "twice");
    }
    digests
}

/// Reads a message for its signatures alone.
fn read(document: &[u8], side: Side) -> Result<Signatures, SignatureFault> {
    let mut scan = MessageScan::new(side, &Allowed::default().digests);
    let digest = pass(document, &Limits::default(), &mut scan)?;
    scan.finish(digest)
}

fn signed(document: &[u8]) -> UnverifiedMessage {
    read(document, Side::Client).expect("read").message.expect("signed")
}

/// Reads and verifies as a receiver does who looks at nothing but the signature.
fn judge_with(
    document: &[u8],
    side: Side,
    parts: &[(String, Vec<u8>)],
    trusted: &[TrustedCertificate],
    allowed: &Allowed,
) -> Result<Seal, SignatureFault> {
    let mut scan = MessageScan::new(side, &allowed.digests);
    let digest = pass(document, &Limits::default(), &mut scan)?;
    let signatures = scan.finish(digest)?;
    let parts = digests(parts, &signatures.part_digests(allowed));
    let none = SignatureFault::Missing { place: None, rule: "the message is not signed" };
    signatures.message.ok_or(none)?.verify(&means(trusted, allowed), &parts)
}

fn means<'a>(trusted: &'a [TrustedCertificate], allowed: &'a Allowed) -> Means<'a> {
    Means { trusted, at: now(), allowed, unsigned: IfUnsigned::Refuse }
}

/// Reads and verifies as a receiver does, for meaning and signature.
fn receive_with(
    document: &[u8],
    side: Side,
    parts: &[(String, Vec<u8>)],
    means: &Means<'_>,
) -> Result<Checked, ClaimFault> {
    let limits = osci::Limits::default();
    let mut claimed = Claimed::read(document, side, &limits, means.allowed)?;
    for (content_id, octets) in parts {
        let mut hasher = claimed.hasher();
        octets.chunks(5).for_each(|piece| hasher.update(piece));
        claimed.attachment(content_id, false, hasher.finish().expect("digests"))?;
    }
    claimed.verify(means)
}

/// The same for a draft that was made by `identity`.
fn receive(document: &str, draft: &Draft, identity: &Identity) -> Result<Verified, ClaimFault> {
    let (trusted, allowed) = ([identity.trusted()], Allowed::default());
    let means = means(&trusted, &allowed);
    match receive_with(document.as_bytes(), draft.side, &draft.parts, &means)? {
        Checked::Verified(verified) => Ok(*verified),
        Checked::Unsigned(_) => panic!("unsigned, though it must be signed"),
    }
}

/// The same for a draft that was made by `identity`.
fn judge(document: &str, draft: &Draft, identity: &Identity) -> Result<Seal, SignatureFault> {
    let trusted = [identity.trusted()];
    judge_with(document.as_bytes(), draft.side, &draft.parts, &trusted, &Allowed::default())
}

#[track_caller]
fn refused(result: Result<Seal, SignatureFault>, feedback: Code) {
    match result {
        Ok(_) => panic!("it holds"),
        Err(fault) => assert_eq!(Code::from(&fault), feedback, "{fault:?}"),
    }
}

#[test]
fn what_holds_says_who_and_what() {
    let draft = Draft::store_delivery(&EC);
    let message = draft.signed_by(&EC);
    let verified = judge(&message, &draft, &EC).expect("it holds");
    assert_eq!(verified.signer(), EC.der());
    let certificate = verified.certificate().expect("it stands in the header");
    assert_eq!(certificate.element, "SignatureCertificateOriginator");
    assert_eq!(certificate.id, certificate_id("originator", CertificateUse::Signature, &EC.der()));
    assert_eq!(verified.verification().nodes().len(), 7);
    assert_eq!(verified.verification().parts().len(), 2);
    assert_eq!(verified.facts().algorithm, "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256");
    assert_eq!(signed(message.as_bytes()).claimed()[0].der, EC.der());
    // Before any attachment came it is known whose key signed, and no more than that.
    let forged = message.replace("cmVjaHQ=", "ZmFsc2No");
    let early = signed(forged.as_bytes());
    let allowed = Allowed::default();
    let signer = early.signed_by(&[EC.trusted()], now(), &allowed).expect("the key of EC");
    assert_eq!(signer.der, EC.der());
    assert!(early.signed_by(&[OTHER.trusted()], now(), &allowed).is_err());
    refused(judge(&forged, &draft, &EC), Code::OrderSignatureWrong);
    // The same message, looked at as an answer, is not signed at all.
    let answer = read(message.as_bytes(), Side::Supplier).expect("read");
    assert!(answer.message.is_none());
    let unsigned = read(draft.with("").as_bytes(), Side::Client);
    assert!(unsigned.expect("read").message.is_none());
}

#[test]
fn who_is_not_trusted_has_not_signed() {
    let draft = Draft::store_delivery(&EC);
    let message = draft.signed_by(&EC);
    let parts = &draft.parts;
    let by = |trusted: &[TrustedCertificate]| {
        judge_with(message.as_bytes(), Side::Client, parts, trusted, &Allowed::default())
    };
    refused(by(&[]), Code::ClientSigningCertificateNotGenuine);
    refused(by(&[OTHER.trusted()]), Code::ClientSigningCertificateNotGenuine);
    let mut late = EC.trusted();
    late.validity.until = Some(now());
    refused(by(&[late]), Code::ClientSigningCertificateNotGenuine);
    by(&[OTHER.trusted(), EC.trusted()]).expect("one of those trusted");
    // Signed by one who is trusted, in the name of another who is.
    let theirs = draft.with(&draft.signature(&OTHER.signer()).replace(
        &certificate_id("originator", CertificateUse::Signature, &OTHER.der()),
        &certificate_id("originator", CertificateUse::Signature, &EC.der()),
    ));
    let both = [OTHER.trusted(), EC.trusted()];
    let allowed = Allowed::default();
    let confused = judge_with(theirs.as_bytes(), Side::Client, parts, &both, &allowed);
    refused(confused, Code::OrderSignatureWrong);
}

/// A copy of the certificate that says what its key is for.
fn with_usage(identity: &Identity, usage: &mut KeyUsage) -> Identity {
    let mut builder = X509::builder().expect("a builder");
    let old = &identity.certificate;
    builder.set_version(2).expect("a version");
    builder.set_serial_number(old.serial_number()).expect("a serial");
    builder.set_subject_name(old.subject_name()).expect("a subject");
    builder.set_issuer_name(old.issuer_name()).expect("an issuer");
    builder.set_not_before(old.not_before()).expect("a time");
    builder.set_not_after(old.not_after()).expect("a time");
    builder.set_pubkey(&identity.key).expect("a key");
    builder.append_extension(usage.build().expect("an extension")).expect("an extension");
    builder.sign(&identity.key, MessageDigest::sha256()).expect("signed");
    Identity { key: identity.key.clone(), certificate: builder.build() }
}

#[test]
fn a_certificate_for_something_else_signs_nothing() {
    let judge_by = |usage: &mut KeyUsage| {
        let identity = with_usage(&EC, usage.critical());
        let draft = Draft::store_delivery(&identity);
        let message = draft.signed_by(&identity);
        let claims = read(message.as_bytes(), Side::Client).expect("read");
        let early = claims.message.expect("signed");
        let early = early.signed_by(&[identity.trusted()], now(), &Allowed::default());
        let judged = judge(&message, &draft, &identity);
        assert_eq!(early.is_ok(), judged.is_ok());
        judged
    };
    judge_by(KeyUsage::new().digital_signature()).expect("for signatures");
    judge_by(KeyUsage::new().non_repudiation()).expect("for signatures");
    judge_by(KeyUsage::new().digital_signature().key_encipherment()).expect("for both");
    refused(judge_by(KeyUsage::new().key_encipherment()), Code::ClientSigningCertificateNotGenuine);
    refused(judge_by(KeyUsage::new().key_cert_sign()), Code::ClientSigningCertificateNotGenuine);
}
