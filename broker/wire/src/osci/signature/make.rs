//! Making the signature of a message, as the reference library writes it.

use std::convert::Infallible;
use std::fmt::Write;
use std::io::BufRead;

use amtsbote_schemas::xml::{DriveError, Event, EventSink, Limits, drive};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openssl::hash::hash;
use openssl::sha::sha256;

use super::{DSIG, MAX_REFERENCES, OSCI, SOAP, Side, XENC};
use crate::c14n::{Apex, Canonicalizer, Method, Mode};
use crate::signature::{DigestAlgorithm, Hasher, SignError, Signer, is_plain_id, quoted};

/// What every envelope declares, in canonical order. `SignedInfo` is signed with all of it in scope:
/// a message that declares anything else on the envelope, the header or the block does not hold.
pub const NAMESPACE_DECLARATIONS: &str = " xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\" \
    xmlns:osci=\"http://www.osci.de/2002/04/osci\" \
    xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\" \
    xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\" \
    xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";

/// The same, taken apart.
const DECLARED: [(&str, &str); 5] = [
    ("ds", DSIG),
    ("osci", OSCI),
    ("soap", SOAP),
    ("xenc", XENC),
    ("xsi", "http://www.w3.org/2001/XMLSchema-instance"),
];

/// How a comment begins.
const COMMENT: &[u8] = b"<!--";

/// Characters of one line of Base64.
const LINE: usize = 76;

/// What a certificate in a header is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateUse {
    /// Signatures.
    Signature,
    /// Encryption.
    Cipher,
}

/// The identifier of a certificate in a header: role, use and SHA-256 over the DER. `role` is
/// `originator`, `addressee`, `intermed`, or `author` and `reader` with a number.
pub fn certificate_id(role: &str, usage: CertificateUse, der: &[u8]) -> String {
    let usage = match usage {
        CertificateUse::Signature => "signature",
        CertificateUse::Cipher => "cipher",
    };
    let mut id = format!("{role}_{usage}_");
    for octet in sha256(der) {
        // Writing to a String cannot fail.
        let _ = write!(id, "{octet:02x}");
    }
    id
}

/// A header block, or the body, that is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedBlock<'a> {
    /// Its identifier.
    pub id: &'a str,
    /// The digest over its canonical octets (Canonical XML 1.0), by the algorithm of [`Making`].
    pub digest: Vec<u8>,
}

impl<'a> SignedBlock<'a> {
    /// A block as it is written: one element that declares at least what [`NAMESPACE_DECLARATIONS`]
    /// does. It is read once for its canonical form, which is another one where an element inside
    /// declares the same again, as content containers do.
    pub fn written(
        id: &'a str,
        octets: impl BufRead,
        digest: DigestAlgorithm,
        limits: &Limits,
    ) -> Result<Self, SignError> {
        let method = Method::new(Mode::Inclusive, false);
        let canonicalizer = Canonicalizer::new(method, Apex::Document, Hasher::new(digest));
        let mut written = Written { canonicalizer, id, fits: false };
        drive(octets, limits, &mut written).map_err(|error| match error {
            DriveError::Xml(error) => SignError::Document(error.to_string()),
            DriveError::Sink(never) => match never {},
        })?;
        if !written.fits {
            let rule = "a block to sign has another Id, or declares less than its envelope";
            return Err(SignError::Document(rule.to_owned()));
        }
        Ok(Self { id, digest: written.canonicalizer.finish().finish()? })
    }

    /// A block whose canonical octets are at hand, with comments or without: they are not signed, and
    /// only a block that may hold some is read for it.
    pub fn of(id: &'a str, canonical: &[u8], digest: DigestAlgorithm) -> Result<Self, SignError> {
        // In canonical form nothing but a comment begins so, but for a processing instruction.
        if canonical.windows(COMMENT.len()).any(|octets| octets == COMMENT) {
            let limits = Limits { document_bytes: canonical.len() as u64, ..Limits::default() };
            return Self::written(id, canonical, digest, &limits);
        }
        Ok(Self { id, digest: hash(digest.message_digest(), canonical)?.to_vec() })
    }
}

/// Digests a block while it is read.
struct Written<'a> {
    canonicalizer: Canonicalizer<Hasher>,
    id: &'a str,
    /// It is the block of that Id, and declares what the envelope does.
    fits: bool,
}

impl EventSink for Written<'_> {
    type Error = Infallible;

    fn event(&mut self, event: &Event<'_>) -> Result<(), Infallible> {
        if let Event::Start(tag) = event
            && tag.depth == 1
        {
            let declares = |(prefix, uri): &(&str, &str)| {
                tag.declarations.iter().any(|own| own.prefix == *prefix && own.uri == *uri)
            };
            self.fits = tag.attribute("Id") == Some(self.id) && DECLARED.iter().all(declares);
        }
        self.canonicalizer.event(event)
    }
}

/// An attachment that is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedPart<'a> {
    /// Its content id, without angle brackets.
    pub content_id: &'a str,
    /// The digest over its octets as they are sent.
    pub digest: &'a [u8],
}

/// What is signed, and how.
#[derive(Clone, Copy, Debug)]
pub struct Making<'a> {
    /// Who signs.
    pub side: Side,
    /// The role in the identifier of the certificate that the header must carry.
    pub role: &'a str,
    /// The digest of blocks and attachments; no legacy one.
    pub digest: DigestAlgorithm,
    /// Every header block but the signature, and the body.
    pub blocks: &'a [SignedBlock<'a>],
    /// Every attachment.
    pub parts: &'a [SignedPart<'a>],
}

/// The block `ClientSignature` or `SupplierSignature`, in canonical form but for what the envelope
/// declares ([`NAMESPACE_DECLARATIONS`]), with line feeds where the reference library has them.
pub fn signature_block(making: &Making<'_>, signer: &dyn Signer) -> Result<String, SignError> {
    let refuse = |rule: &str| Err(SignError::Document(rule.to_owned()));
    if making.digest.is_legacy() || signer.algorithm().is_legacy() {
        return Err(SignError::UnsuitableAlgorithm);
    }
    if making.blocks.is_empty() {
        return refuse("there is nothing to sign");
    }
    if making.blocks.len() + making.parts.len() > MAX_REFERENCES {
        return refuse("a message has at most 320 blocks and attachments together");
    }
    let length = making.digest.message_digest().size();
    let blocks = making.blocks.iter().map(|block| block.digest.as_slice());
    if blocks.chain(making.parts.iter().map(|part| part.digest)).any(|d| d.len() != length) {
        return refuse("a digest has the length of another algorithm");
    }
    if making.blocks.iter().any(|block| !is_plain_id(block.id)) {
        return refuse("an Id to sign has characters that a URI must not have");
    }
    let c14n = Method::new(Mode::Inclusive, false).uri();
    let mut inner = format!(
        "\n<ds:CanonicalizationMethod Algorithm=\"{c14n}\"></ds:CanonicalizationMethod>\n\
         <ds:SignatureMethod Algorithm=\"{}\"></ds:SignatureMethod>\n",
        signer.algorithm().uri(),
    );
    for block in making.blocks {
        let transforms = format!(
            "<ds:Transforms>\n<ds:Transform Algorithm=\"{c14n}\"></ds:Transform>\n\
             </ds:Transforms>\n"
        );
        let uri = format!("#{}", block.id);
        inner.push_str(&reference(&uri, &transforms, making.digest, &block.digest));
    }
    for part in making.parts {
        let uri = format!("cid:{}", part.content_id);
        inner.push_str(&reference(&uri, "", making.digest, part.digest));
    }
    let signed = format!("<ds:SignedInfo{NAMESPACE_DECLARATIONS}>{inner}</ds:SignedInfo>");
    let value = signer.sign(signed.as_bytes())?;
    let certificate =
        certificate_id(making.role, CertificateUse::Signature, signer.certificate_der());
    let element = making.side.element();
    Ok(format!(
        "<osci:{element} Id=\"{}\" soap:actor=\"http://schemas.xmlsoap.org/soap/actor/next\" \
         soap:mustUnderstand=\"1\"><ds:Signature><ds:SignedInfo>{inner}</ds:SignedInfo>\
         <ds:SignatureValue>{}</ds:SignatureValue><ds:KeyInfo>\
         <ds:RetrievalMethod URI=\"#{}\"></ds:RetrievalMethod></ds:KeyInfo></ds:Signature>\
         </osci:{element}>",
        making.side.id(),
        in_lines(&value),
        quoted(&certificate),
    ))
}

fn reference(uri: &str, transforms: &str, digest: DigestAlgorithm, value: &[u8]) -> String {
    format!(
        "<ds:Reference URI=\"{}\">\n{transforms}<ds:DigestMethod Algorithm=\"{}\">\
         </ds:DigestMethod>\n<ds:DigestValue>{}</ds:DigestValue>\n</ds:Reference>\n",
        quoted(uri),
        digest.uri(),
        STANDARD.encode(value),
    )
}

/// Base64 in lines, without a line feed at the end.
fn in_lines(octets: &[u8]) -> String {
    let text = STANDARD.encode(octets);
    let mut lines = String::with_capacity(text.len() + text.len() / LINE);
    for (n, character) in text.chars().enumerate() {
        if n > 0 && n % LINE == 0 {
            lines.push('\n');
        }
        lines.push(character);
    }
    lines
}
