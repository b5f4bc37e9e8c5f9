//! The frame of a message: what stands in its header, so that nothing which means something is
//! left out of the signature; and the certificates that it brings.

use amtsbote_schemas::xml::{Event, EventSink, Position, StartTag};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{DSIG, OSCI, OURS, SOAP, Side};
use crate::signature::SignatureFault;
use crate::signature::tree::{Builder, Element};

/// Most certificates in the header of a message: those of one block ([`super::super::Limits`]), and
/// the two of the intermediary.
pub const MAX_CERTIFICATES: usize = 256 + 2;
/// Most octets of all of them together, in DER: as many of 16 KiB.
const MAX_CERTIFICATE_BYTES: usize = MAX_CERTIFICATES * (16 << 10);

/// A certificate in the header. It gives no trust; it is one that the message speaks of.
#[derive(Clone, PartialEq, Eq)]
pub struct HeaderCertificate {
    /// Its identifier, `<role>_signature_<64 hex>`.
    pub id: String,
    /// The local name of its element: `SignatureCertificateOriginator` and so on.
    pub element: String,
    /// Its DER, as it came.
    pub der: Vec<u8>,
}

impl std::fmt::Debug for HeaderCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let octets = self.der.len();
        f.debug_struct("HeaderCertificate").field("octets", &octets).finish_non_exhaustive()
    }
}

/// Looks at the frame while the message is read.
pub(super) struct HeaderScan {
    side: Side,
    form: HeaderForm,
    certificates: Vec<HeaderCertificate>,
    bytes: usize,
    /// The child of the envelope that is open.
    section: Section,
    /// The header block that is open.
    block: Block,
    /// The certificate being collected.
    open: Option<Builder>,
    in_key_info: bool,
    depth: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Header,
    Other,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    Signature,
    Certificates,
    Other,
}

/// What was found out about the frame.
#[derive(Debug, Default)]
pub(super) struct HeaderForm {
    /// Blocks for the signature of this side.
    pub(super) signature_blocks: u32,
    headers: u32,
    bodies: u32,
    /// The first thing that no signature could cover, or that has no place in a signature.
    uncovered: Option<(Position, &'static str)>,
}

impl HeaderForm {
    /// Whether everything that means something could be covered.
    pub(super) fn check(&self) -> Result<(), SignatureFault> {
        let (place, rule) = match self.uncovered {
            Some((place, rule)) => (Some(place), rule),
            None if self.headers != 1 || self.bodies != 1 => {
                (None, "a message has one Header and one Body")
            }
            None if self.signature_blocks > 1 => (None, "the block of the signature stands twice"),
            None => return Ok(()),
        };
        Err(SignatureFault::Coverage { place, rule })
    }

    fn uncovered(&mut self, place: Position, rule: &'static str) {
        self.uncovered.get_or_insert((place, rule));
    }
}

impl HeaderScan {
    pub(super) fn new(side: Side) -> Self {
        Self {
            side,
            form: HeaderForm::default(),
            certificates: Vec::new(),
            bytes: 0,
            section: Section::Other,
            block: Block::Other,
            open: None,
            in_key_info: false,
            depth: 0,
        }
    }

    pub(super) fn finish(self) -> (HeaderForm, Vec<HeaderCertificate>) {
        (self.form, self.certificates)
    }

    fn start(&mut self, tag: &StartTag) -> Result<(), SignatureFault> {
        self.depth = tag.depth;
        let place = tag.position;
        match tag.depth {
            1 if !tag.is(SOAP, "Envelope") => {
                self.form.uncovered(place, "the root is the Envelope of SOAP 1.1");
            }
            1 => {}
            2 => {
                let (header, body) = (tag.is(SOAP, "Header"), tag.is(SOAP, "Body"));
                self.section = if header { Section::Header } else { Section::Other };
                self.form.headers += u32::from(header);
                self.form.bodies += u32::from(body);
                if !header && !body {
                    self.form.uncovered(place, "Envelope holds Header and Body only");
                }
            }
            _ if self.section != Section::Header => {}
            3 => self.block(tag),
            _ if self.block == Block::Signature => self.in_signature(tag),
            _ if self.block == Block::Certificates => return self.in_certificates(tag),
            _ => {}
        }
        Ok(())
    }

    fn block(&mut self, tag: &StartTag) {
        let known = |local| tag.is(OSCI, local);
        self.block = if known(self.side.element()) {
            self.form.signature_blocks += 1;
            Block::Signature
        } else if known("NonIntermediaryCertificates") || known("IntermediaryCertificates") {
            Block::Certificates
        } else {
            Block::Other
        };
        // OSCI-Transport 1.2: each block has an Id, or nobody could sign it.
        if tag.attribute("Id").is_none() && OURS.contains(&tag.namespace.as_str()) {
            self.form.uncovered(tag.position, "a header block of OSCI has no Id");
        }
    }

    /// The block is not signed itself. So there must be no room in it for anything that somebody
    /// might take for content.
    fn in_signature(&mut self, tag: &StartTag) {
        const CHILDREN: [&str; 3] = ["SignedInfo", "SignatureValue", "KeyInfo"];
        let fits = match tag.depth {
            4 => tag.is(DSIG, "Signature"),
            5 => {
                self.in_key_info = tag.is(DSIG, "KeyInfo");
                CHILDREN.iter().any(|local| tag.is(DSIG, local))
            }
            // Who reads SignedInfo knows each of its elements.
            _ => !self.in_key_info || tag.namespace == DSIG,
        };
        if !fits {
            let rule = "the block of the signature holds what does not belong to a signature";
            self.form.uncovered(tag.position, rule);
        }
    }

    fn in_certificates(&mut self, tag: &StartTag) -> Result<(), SignatureFault> {
        if let Some(builder) = &mut self.open {
            // What is too large or too deep holds no certificate.
            if builder.start(tag).is_err() {
                self.open = None;
            }
            return Ok(());
        }
        if tag.depth == 4 {
            if self.certificates.len() == MAX_CERTIFICATES {
                let limit = "certificates in the header of a message";
                return Err(SignatureFault::Limit { place: tag.position, limit });
            }
            self.open = Builder::new(tag).ok();
        }
        Ok(())
    }

    fn text(&mut self, text: &str, place: Position) {
        let blank = || text.chars().all(|c| matches!(c, ' ' | '\t' | '\r' | '\n'));
        if let Some(builder) = &mut self.open {
            if builder.text(text).is_err() {
                self.open = None;
            }
        } else if self.depth < 3 && !blank() && self.section == Section::Header {
            self.form.uncovered(place, "text stands between the blocks of the header");
        } else if self.depth == 3 && self.block == Block::Signature && !blank() {
            self.form.uncovered(place, "text stands beside the signature");
        }
    }

    fn end(&mut self, tag: &StartTag) -> Result<(), SignatureFault> {
        self.depth = tag.depth.saturating_sub(1);
        match tag.depth {
            2 => self.section = Section::Other,
            3 => self.block = Block::Other,
            _ => {}
        }
        let Some(element) = self.open.as_mut().and_then(Builder::end) else { return Ok(()) };
        self.open = None;
        let Some(certificate) = certificate(&element) else { return Ok(()) };
        self.bytes += certificate.der.len();
        if self.bytes > MAX_CERTIFICATE_BYTES {
            let limit = "octets of the certificates in the header of a message";
            return Err(SignatureFault::Limit { place: tag.position, limit });
        }
        self.certificates.push(certificate);
        Ok(())
    }
}

/// A certificate as the header writes it: one `X509Data` with one `X509Certificate`. Anything else is
/// none, and leads nowhere.
fn certificate(element: &Element) -> Option<HeaderCertificate> {
    let one = |parent: &Element, local: &str| -> Option<usize> {
        let mut found = parent.elements().enumerate().filter(|(_, e)| e.tag.is(DSIG, local));
        let (n, _) = found.next()?;
        found.next().is_none().then_some(n)
    };
    let data = element.elements().nth(one(element, "X509Data")?)?;
    let mut text = data.elements().nth(one(data, "X509Certificate")?)?.text()?;
    text.retain(|c| !matches!(c, ' ' | '\t' | '\r' | '\n'));
    let der = STANDARD.decode(text).ok().filter(|der| !der.is_empty())?;
    let id = element.tag.attribute("Id")?.to_owned();
    Some(HeaderCertificate { id, element: element.tag.local.clone(), der })
}

impl EventSink for HeaderScan {
    type Error = SignatureFault;

    fn event(&mut self, event: &Event<'_>) -> Result<(), SignatureFault> {
        match *event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag, _) => self.end(tag),
            Event::Text(_, text, place) => {
                self.text(text, place);
                Ok(())
            }
            Event::Comment(..) | Event::ProcessingInstruction(..) | Event::EndOfDocument => Ok(()),
        }
    }
}
