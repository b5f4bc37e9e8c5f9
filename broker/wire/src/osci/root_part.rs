//! Reading: the root part of a message, from its octets to what it says.

use std::io::BufRead;
use std::ops::Range;

use amtsbote_schemas::xml::{EventSink, NodeNumber, Position, StartTag};

use super::blocks::{Blocks, Found};
use super::content_package::{self, ContentPackage};
use super::element::Element;
use super::limits::Limits;
use super::message::Message;
use super::message_type::{ContentRule, MessageType, OrderPlace};
use super::names::{ACTOR_NEXT, OSCI, OSCI2017, SOAP, XSI};
use super::reading::{Beside, Nobody, Reading, Sink};
use super::refusal::Refusal;
use super::verbatim::Verbatim;

/// What was read of a root part. Nothing of it is believed before its signature was verified over
/// the same octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootPart {
    /// What it says.
    pub message: Message,
    /// What it carries.
    pub package: Option<ContentPackage>,
    /// `ClientSignature` or `SupplierSignature`, as it stands: the former in orders, the latter in
    /// answers.
    pub signature: Option<Verbatim>,
    /// Every header block but the signature, and the body last: what must be signed.
    pub blocks: Vec<Block>,
    /// Header blocks of others, as they stand.
    pub custom: Vec<Verbatim>,
}

/// A header block, or the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its local name.
    pub name: String,
    /// Its identifier, to which a signature refers.
    pub id: Option<String>,
    /// Its number in document order.
    pub node: NodeNumber,
    /// Where it is in the root part.
    pub octets: Range<u64>,
}

/// Which message a root part is: by the element found, with which `xsi:schemaLocation` must agree
/// where it is there. Reads no further than it must.
pub fn identify(octets: impl BufRead, limits: &Limits) -> Result<MessageType, Refusal> {
    let mut reading = Reading::new(octets, limits, Nobody);
    let (root, stated) = envelope(&mut reading)?;
    let found = find(&mut reading, &root)?;
    agree(found, stated, &root).map(|()| found)
}

fn find<R: BufRead, B: Beside>(
    reading: &mut Reading<'_, R, B>,
    root: &StartTag,
) -> Result<MessageType, Refusal> {
    let none = || Refusal::message(root.position, "Envelope", "holds no order, answer or fault");
    let mut blocks = 0;
    while let Some(tag) = reading.next("Envelope")? {
        let (place, name) = if tag.is(SOAP, "Header") {
            (OrderPlace::Header, "Header")
        } else if tag.is(SOAP, "Body") {
            (OrderPlace::Body, "Body")
        } else {
            return Err(none());
        };
        while let Some(tag) = reading.next(name)? {
            blocks += 1;
            if blocks > reading.limits.header_blocks {
                let limit = "header blocks";
                return Err(Refusal::Limit { place: tag.position, limit });
            }
            if let Some(kind) = MessageType::of_element(&tag.namespace, &tag.local, place) {
                return Ok(kind);
            }
            reading.skip(tag.depth)?;
        }
        if place == OrderPlace::Body {
            break;
        }
    }
    Err(none())
}

/// The envelope, and what its `xsi:schemaLocation` says.
fn envelope<R: BufRead, B: Beside>(
    reading: &mut Reading<'_, R, B>,
) -> Result<(StartTag, Option<MessageType>), Refusal> {
    let root = reading.root()?;
    if !root.is(SOAP, "Envelope") {
        return Err(Refusal::message(root.position, "Envelope", "a SOAP 1.1 Envelope"));
    }
    let location = root.attribute_ns(XSI, "schemaLocation");
    match location.and_then(MessageType::of_schema_location) {
        None => Ok((root, None)),
        Some(Some(kind)) => Ok((root, Some(kind))),
        Some(None) => {
            let rule = "xsi:schemaLocation names no message of OSCI-Transport 1.2";
            Err(Refusal::message(root.position, "Envelope", rule))
        }
    }
}

fn agree(found: MessageType, stated: Option<MessageType>, root: &StartTag) -> Result<(), Refusal> {
    if stated.is_none_or(|stated| stated == found) {
        return Ok(());
    }
    let rule = "xsi:schemaLocation names another message than the one that is there";
    Err(Refusal::message(root.position, "Envelope", rule))
}

/// Reads a root part that is neither encrypted nor a fault ([`identify`] tells). Memory grows with
/// the number of blocks, certificates, process cards and contents, each of which `limits` bounds, and
/// not with the size of contents.
pub fn read(octets: impl BufRead, limits: &Limits) -> Result<RootPart, Refusal> {
    read_on(&mut Reading::new(octets, limits, Nobody), limits)
}

/// The same, while `sink` sees every event of the one reading: who verifies a signature, or
/// digests the octets.
pub fn read_beside<S: EventSink>(
    octets: impl BufRead,
    limits: &Limits,
    sink: &mut S,
) -> Result<RootPart, BesideFault<S::Error>> {
    let mut reading = Reading::new(octets, limits, Sink { sink, fault: None });
    let read = read_on(&mut reading, limits);
    match (reading.beside.fault, read) {
        (Some(fault), _) => Err(BesideFault::Sink(fault)),
        (None, Ok(part)) => Ok(part),
        (None, Err(refusal)) => Err(BesideFault::Message(refusal)),
    }
}

/// Why [`read_beside`] ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BesideFault<E> {
    /// The message is not one, or not to be read.
    Message(Refusal),
    /// The sink had enough.
    Sink(E),
}

fn read_on<R: BufRead, B: Beside>(
    reading: &mut Reading<'_, R, B>,
    limits: &Limits,
) -> Result<RootPart, Refusal> {
    let (root, stated) = envelope(reading)?;
    let mut scan = Scan::default();
    let mut body = false;
    while let Some(tag) = reading.next("Envelope")? {
        if tag.is(SOAP, "Header") && !scan.header && !body {
            scan.header = true;
            while let Some(tag) = reading.next("Header")? {
                scan.block(reading, tag)?;
            }
        } else if tag.is(SOAP, "Body") && !body {
            body = true;
            scan.body(reading, &tag)?;
        } else {
            let rule = "holds one Header and then one Body, and nothing else";
            return Err(Refusal::message(tag.position, "Envelope", rule));
        }
    }
    reading.end_of_document()?;
    let Some(kind) = scan.kind.filter(|_| body) else {
        let rule = "holds no order and no answer";
        return Err(Refusal::message(root.position, "Envelope", rule));
    };
    agree(kind, stated, &root)?;
    scan.finish(kind, root.position, limits)
}

/// Collects what stands in header and body.
#[derive(Default)]
struct Scan {
    header: bool,
    kind: Option<MessageType>,
    found: Found,
    signature: Option<Verbatim>,
    package: Option<ContentPackage>,
    /// Where the package was met.
    package_place: Position,
    blocks: Vec<Block>,
    custom: Vec<Verbatim>,
}

const TWICE: &str = "a block that stands there once already";

impl Scan {
    fn block<R: BufRead, B: Beside>(
        &mut self,
        reading: &mut Reading<'_, R, B>,
        tag: StartTag,
    ) -> Result<(), Refusal> {
        let place = tag.position;
        let so_far = self.blocks.len() + usize::from(self.signature.is_some());
        if so_far == reading.limits.header_blocks {
            return Err(Refusal::Limit { place, limit: "header blocks" });
        }
        let twice = || Refusal::order(place, "Header", TWICE);
        let order = MessageType::of_element(&tag.namespace, &tag.local, OrderPlace::Header);
        let is_ours = tag.namespace == OSCI || order.is_some();
        let is_features = tag.is(OSCI2017, "FeatureDescription");
        if tag.is(OSCI, "ClientSignature") || tag.is(OSCI, "SupplierSignature") {
            let signature = reading.verbatim(&tag)?;
            return self.signature.replace(signature).map_or(Ok(()), |_| Err(twice()));
        }
        let known = [
            "ControlBlock",
            "DesiredLanguages",
            "QualityOfTimestamp",
            "IntermediaryCertificates",
            "NonIntermediaryCertificates",
        ];
        if !is_features && order.is_none() && !(is_ours && known.contains(&tag.local.as_str())) {
            return self.custom(reading, &tag);
        }
        let name = tag.local.clone();
        let mut block = self.begin(&tag);
        let element = reading.element(tag)?;
        block.octets.end = reading.offset();
        self.blocks.push(block);
        if let Some(kind) = order {
            if self.kind.replace(kind).is_some() {
                return Err(twice());
            }
            self.found.order = Some(element);
            return Ok(());
        }
        let slot: &mut Option<Element> = match name.as_str() {
            "ControlBlock" => &mut self.found.control,
            "DesiredLanguages" => &mut self.found.languages,
            "IntermediaryCertificates" => &mut self.found.intermediary,
            "NonIntermediaryCertificates" => &mut self.found.non_intermediary,
            "FeatureDescription" => &mut self.found.features,
            _ => {
                self.found.quality.push(element);
                return Ok(());
            }
        };
        slot.replace(element).map_or(Ok(()), |_| Err(twice()))
    }

    /// A block of somebody else. SOAP 1.1, 4.2.3: who is addressed and does not understand what must
    /// be understood refuses the message.
    fn custom<R: BufRead, B: Beside>(
        &mut self,
        reading: &mut Reading<'_, R, B>,
        tag: &StartTag,
    ) -> Result<(), Refusal> {
        let place = tag.position;
        let must = tag.attribute_ns(SOAP, "mustUnderstand");
        let must = must.is_some_and(|text| !matches!(text.trim(), "" | "0" | "false"));
        let actor = tag.attribute_ns(SOAP, "actor").map(str::trim).unwrap_or_default();
        if must && (actor.is_empty() || actor == ACTOR_NEXT) {
            let rule = "a block that must be understood and is not known";
            return Err(Refusal::message(place, "Header", rule));
        }
        if tag.namespace == SOAP {
            let rule = "no block in the namespace of SOAP";
            return Err(Refusal::message(place, "Header", rule));
        }
        if self.custom.len() == reading.limits.custom_headers {
            return Err(Refusal::Limit { place, limit: "header blocks of others" });
        }
        reading.foreign(tag)?;
        let mut block = self.begin(tag);
        self.custom.push(reading.verbatim(tag)?);
        block.octets.end = reading.offset();
        self.blocks.push(block);
        Ok(())
    }

    fn begin(&self, tag: &StartTag) -> Block {
        Block {
            name: tag.local.clone(),
            id: tag.attribute("Id").map(str::to_owned),
            node: tag.node,
            octets: tag.position.offset..tag.position.offset,
        }
    }

    fn body<R: BufRead, B: Beside>(
        &mut self,
        reading: &mut Reading<'_, R, B>,
        body: &StartTag,
    ) -> Result<(), Refusal> {
        let mut block = self.begin(body);
        while let Some(tag) = reading.next("Body")? {
            let place = tag.position;
            if tag.is(OSCI, "ContentPackage") && self.package.is_none() {
                self.package_place = place;
                self.package = Some(content_package::read(reading)?);
                continue;
            }
            let kind = MessageType::of_element(&tag.namespace, &tag.local, OrderPlace::Body);
            match kind {
                Some(MessageType::MessageEncrypted | MessageType::MessageFault) => {
                    self.kind = kind;
                    reading.skip(tag.depth)?;
                }
                Some(_) if self.kind.is_none() => {
                    self.kind = kind;
                    self.found.order = Some(reading.element(tag)?);
                }
                Some(_) => {
                    let rule = "an order beside another one";
                    return Err(Refusal::order(place, "Body", rule));
                }
                None => {
                    let rule = "holds the order, or one ContentPackage, or nothing";
                    return Err(Refusal::order(place, "Body", rule));
                }
            }
        }
        block.octets.end = reading.offset();
        self.blocks.push(block);
        Ok(())
    }

    fn finish(
        self,
        kind: MessageType,
        place: Position,
        limits: &Limits,
    ) -> Result<RootPart, Refusal> {
        let Self { found, signature, package, package_place, blocks, custom, .. } = self;
        match (kind.content(), &package) {
            (ContentRule::Never, Some(_)) => {
                let rule = "does not belong to this message";
                return Err(Refusal::order(package_place, "ContentPackage", rule));
            }
            (ContentRule::Required, None) => {
                return Err(Refusal::order(place, "ContentPackage", "is missing"));
            }
            _ => {}
        }
        if let Some(signature) = &signature {
            let is_suppliers = signature.local == "SupplierSignature";
            if is_suppliers != kind.is_response() {
                let rule = "ClientSignature in orders, SupplierSignature in answers";
                return Err(Refusal::order(signature.place, "Header", rule));
            }
        }
        let message = Message::read(Blocks { kind, limits, place, found })?;
        Ok(RootPart { message, package, signature, blocks, custom })
    }
}
