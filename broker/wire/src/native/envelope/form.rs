//! The form of an envelope: order, cardinalities and values, as `schemas/envelope.xsd` has them.

use amtsbote_domain::Timestamp;
use amtsbote_domain::digest::Digest;
use amtsbote_domain::identity::{MessageType, MessageUuid, ServiceUri, TransportId};
use amtsbote_domain::message::{MAX_READERS, Metadata, Part};
use amtsbote_domain::party::PartyId;
use amtsbote_schemas::xml::{Event, EventSink, NodeNumber, Position, StartTag};

use super::{EnvelopeFault, MAX_PARTS, NAMESPACE, SIGNATURE, lexical};
use crate::signature::Unverified;

/// Most bytes of one value; every field has a narrower limit of its own.
const MAX_VALUE_BYTES: usize = 1024;

/// The one field that may stand several times.
const OTHER_READER: &str = "OtherReader";

/// The elements of `Metadata` in their order, and whether each must be there.
const FIELDS: [(&str, bool); 11] = [
    ("Author", true),
    ("Reader", true),
    (OTHER_READER, false),
    ("Service", true),
    ("MessageType", false),
    ("TransportId", true),
    ("BusinessId", false),
    ("Created", true),
    ("NotBefore", false),
    ("Expires", false),
    ("Test", true),
];

/// Which child of the root is open or was the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Section {
    #[default]
    None,
    Metadata,
    Parts,
    Signature,
}

/// Elements that XML Signature 1.1 adds, for keys.
const DSIG11: &str = "http://www.w3.org/2009/xmldsig11#";

/// Checks the form while the envelope is read, and collects what it says.
#[derive(Default)]
pub(super) struct FormScan {
    section: Section,
    /// Within the signature: the child being read is what is signed.
    in_signed_info: bool,
    depth: u32,
    last: NodeNumber,
    end: Position,
    /// Index in [`FIELDS`] of the first field that may come next.
    next_field: usize,
    /// The field whose value is being collected.
    open_field: &'static str,
    /// The value being collected.
    value: String,
    fields: Fields,
    metadata_nodes: (NodeNumber, NodeNumber),
    parts: Vec<Part>,
    parts_nodes: (NodeNumber, NodeNumber),
}

/// What was read of the metadata.
#[derive(Default)]
struct Fields {
    author: Option<PartyId>,
    reader: Option<PartyId>,
    other_readers: Vec<PartyId>,
    service: Option<ServiceUri>,
    message_type: Option<MessageType>,
    transport_id: Option<TransportId>,
    business_id: Option<MessageUuid>,
    created: Option<Timestamp>,
    not_before: Option<Timestamp>,
    expires: Option<Timestamp>,
    test: Option<bool>,
}

impl Fields {
    fn add_reader(&mut self, party: PartyId, place: Position) -> Result<(), EnvelopeFault> {
        if self.other_readers.len() + 1 == MAX_READERS {
            return refuse(place, "OtherReader: at most 64 Readers in all");
        }
        if self.reader.iter().chain(&self.other_readers).any(|reader| *reader == party) {
            return refuse(place, "OtherReader: no Reader is named twice");
        }
        self.other_readers.push(party);
        Ok(())
    }
}

fn refuse<T>(place: Position, rule: &'static str) -> Result<T, EnvelopeFault> {
    Err(EnvelopeFault::Form { place, rule })
}

impl FormScan {
    /// What the envelope says, with the nodes that say it.
    pub(super) fn finish(
        self,
    ) -> Result<(Unverified<Metadata>, Unverified<Vec<Part>>), EnvelopeFault> {
        let Fields { message_type, business_id, not_before, expires, .. } = self.fields;
        let (Some(author), Some(reader), Some(service)) =
            (self.fields.author, self.fields.reader, self.fields.service)
        else {
            return refuse(self.end, "Metadata is missing");
        };
        let (Some(transport_id), Some(created), Some(test)) =
            (self.fields.transport_id, self.fields.created, self.fields.test)
        else {
            return refuse(self.end, "Metadata is missing");
        };
        if self.parts.is_empty() {
            return refuse(self.end, "Parts is missing");
        }
        let metadata = Metadata {
            author,
            reader,
            other_readers: self.fields.other_readers,
            service,
            message_type,
            transport_id,
            business_id,
            created,
            not_before,
            expires,
            test,
        };
        Ok((
            Unverified::spanning(metadata, self.metadata_nodes),
            Unverified::spanning(self.parts, self.parts_nodes),
        ))
    }

    fn start(&mut self, tag: &StartTag) -> Result<(), EnvelopeFault> {
        self.depth = tag.depth;
        self.last = tag.attributes.last().map_or(tag.node, |a| a.node);
        if self.section == Section::Signature && tag.depth > 2 {
            return self.within_signature(tag);
        }
        match tag.depth {
            1 if tag.is(NAMESPACE, "Envelope") => no_attributes(tag),
            1 => refuse(tag.position, "the root is Envelope in urn:amtsbote:envelope:1"),
            2 => self.section(tag),
            3 if self.section == Section::Metadata => self.field(tag),
            3 => self.part(tag),
            _ => refuse(tag.position, "no element may stand here"),
        }
    }

    fn section(&mut self, tag: &StartTag) -> Result<(), EnvelopeFault> {
        self.section = match self.section {
            Section::None if tag.is(NAMESPACE, "Metadata") => Section::Metadata,
            Section::Metadata if tag.is(NAMESPACE, "Parts") => Section::Parts,
            Section::Parts if tag.is(SIGNATURE.namespace, SIGNATURE.local) => Section::Signature,
            _ => return refuse(tag.position, "Envelope has Metadata, Parts, Signature, once each"),
        };
        if self.section == Section::Signature { Ok(()) } else { no_attributes(tag) }?;
        match self.section {
            Section::Metadata => self.metadata_nodes = (tag.node, tag.node),
            Section::Parts => self.parts_nodes = (tag.node, tag.node),
            Section::None | Section::Signature => {}
        }
        Ok(())
    }

    /// The signature is cut out of what it signs. So there must be no room in it for anything that
    /// somebody might take for content.
    fn within_signature(&mut self, tag: &StartTag) -> Result<(), EnvelopeFault> {
        let namespace = SIGNATURE.namespace;
        if tag.depth == 3 {
            self.in_signed_info = tag.is(namespace, "SignedInfo");
            let known = ["SignedInfo", "SignatureValue", "KeyInfo"];
            if known.iter().any(|name| tag.is(namespace, name)) {
                return Ok(());
            }
            let rule = "the Signature of an envelope holds SignedInfo, SignatureValue and KeyInfo";
            return refuse(tag.position, rule);
        }
        // SignedInfo is what is signed, and who reads the signature knows each of its elements.
        if self.in_signed_info || [namespace, DSIG11].contains(&tag.namespace.as_str()) {
            return Ok(());
        }
        refuse(tag.position, "KeyInfo of an envelope holds elements of XML Signature only")
    }

    fn field(&mut self, tag: &StartTag) -> Result<(), EnvelopeFault> {
        no_attributes(tag)?;
        let rest = FIELDS.iter().enumerate().skip(self.next_field);
        for (n, (name, required)) in rest {
            if tag.is(NAMESPACE, name) {
                self.next_field = if *name == OTHER_READER { n } else { n + 1 };
                self.open_field = name;
                self.value.clear();
                return Ok(());
            }
            if *required {
                break;
            }
        }
        refuse(tag.position, "Metadata: an unknown field, or one out of its order")
    }

    fn part(&mut self, tag: &StartTag) -> Result<(), EnvelopeFault> {
        let place = tag.position;
        let attribute = |name| tag.attribute(name).unwrap_or_default();
        let known = ["cid", "mediaType", "sha256", "size"];
        let complete = tag.attributes.len() == known.len()
            && known.iter().all(|name| tag.attribute(name).is_some());
        if !tag.is(NAMESPACE, "Part") || !complete {
            return refuse(place, "Parts has Part with cid, mediaType, sha256 and size");
        }
        if self.parts.len() == MAX_PARTS {
            return refuse(place, "Parts: at most 100");
        }
        let cid = attribute("cid");
        if !lexical::is_part_id(cid) {
            return refuse(place, "cid: 1 to 255 visible ASCII characters without < >");
        }
        if self.parts.iter().any(|part| part.cid == cid) {
            return refuse(place, "cid: no two parts have the same");
        }
        let media_type = attribute("mediaType");
        if !lexical::is_media_type(media_type) {
            return refuse(place, "mediaType: type and subtype, at most 255 characters");
        }
        let digest = attribute("sha256");
        let sha256 = Digest::parse(digest).ok().filter(|value| value.to_string() == digest);
        let Some(sha256) = sha256 else {
            return refuse(place, "sha256: 64 small hexadecimal digits");
        };
        let Some(size) = lexical::size(attribute("size")) else {
            return refuse(place, "size: a whole number of octets");
        };
        let (cid, media_type) = (cid.to_owned(), media_type.to_owned());
        self.parts.push(Part { cid, media_type, size, sha256 });
        Ok(())
    }

    fn text(&mut self, text: &str, place: Position) -> Result<(), EnvelopeFault> {
        let space = || text.chars().all(|c| matches!(c, ' ' | '\t' | '\r' | '\n'));
        match (self.section, self.depth) {
            (Section::Signature, 2..) => Ok(()),
            (Section::Metadata, 3) => {
                if self.value.len() + text.len() > MAX_VALUE_BYTES {
                    return refuse(place, "Metadata: a value is too long");
                }
                self.value.push_str(text);
                Ok(())
            }
            (_, 1 | 2) if space() => Ok(()),
            _ => refuse(place, "no text may stand here"),
        }
    }

    fn end(&mut self, tag: &StartTag, place: Position) -> Result<(), EnvelopeFault> {
        self.depth = tag.depth.saturating_sub(1);
        self.end = place;
        match (self.section, tag.depth) {
            (Section::Metadata, 3) => self.end_field(tag.position),
            (Section::Metadata, 2) => {
                self.metadata_nodes.1 = self.last;
                if FIELDS[self.next_field..].iter().any(|(_, required)| *required) {
                    return refuse(place, "Metadata: a field is missing at its end");
                }
                Ok(())
            }
            (Section::Parts, 2) => {
                self.parts_nodes.1 = self.last;
                if self.parts.is_empty() {
                    return refuse(place, "Parts: at least one");
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn end_field(&mut self, place: Position) -> Result<(), EnvelopeFault> {
        let name = self.open_field;
        let text = self.value.as_str();
        let fields = &mut self.fields;
        let read = match name {
            "Author" => set(&mut fields.author, PartyId::parse(text).ok()),
            "Reader" => set(&mut fields.reader, PartyId::parse(text).ok()),
            OTHER_READER => match PartyId::parse(text) {
                Ok(party) => return fields.add_reader(party, place),
                Err(_) => false,
            },
            "Service" => set(&mut fields.service, ServiceUri::parse(text).ok()),
            "MessageType" => set(&mut fields.message_type, MessageType::parse(text).ok()),
            "TransportId" => set(&mut fields.transport_id, TransportId::parse(text).ok()),
            "BusinessId" => set(&mut fields.business_id, MessageUuid::parse(text).ok()),
            "Created" => set(&mut fields.created, lexical::timestamp(text)),
            "NotBefore" => set(&mut fields.not_before, lexical::timestamp(text)),
            "Expires" => set(&mut fields.expires, lexical::timestamp(text)),
            _ => set(&mut fields.test, lexical::boolean(text)),
        };
        if read { Ok(()) } else { refuse(place, rule_of(name)) }
    }
}

fn set<T>(field: &mut Option<T>, value: Option<T>) -> bool {
    *field = value;
    field.is_some()
}

fn rule_of(field: &str) -> &'static str {
    match field {
        "Author" => "Author: prefix:key, at most 255 bytes",
        "Reader" => "Reader: prefix:key, at most 255 bytes",
        OTHER_READER => "OtherReader: prefix:key, at most 255 bytes",
        "Service" => "Service: a URI of at most 512 characters",
        "MessageType" => "MessageType: 1 to 128 letters, digits and - . _ :",
        "TransportId" => "TransportId: 1 to 128 letters, digits and - . _ ~ : @",
        "BusinessId" => "BusinessId: 1 to 64 letters, digits and - . _ :",
        "Created" => "Created: a time in UTC, 2026-01-31T12:00:00Z",
        "NotBefore" => "NotBefore: a time in UTC, 2026-01-31T12:00:00Z",
        "Expires" => "Expires: a time in UTC, 2026-01-31T12:00:00Z",
        _ => "Test: true or false",
    }
}

fn no_attributes(tag: &StartTag) -> Result<(), EnvelopeFault> {
    match tag.attributes.first() {
        None => Ok(()),
        Some(attribute) => refuse(attribute.position, "no attribute may stand here"),
    }
}

impl EventSink for FormScan {
    type Error = EnvelopeFault;

    fn event(&mut self, event: &Event<'_>) -> Result<(), EnvelopeFault> {
        match *event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag, place) => self.end(tag, place),
            Event::Text(node, text, place) => {
                self.last = node;
                self.text(text, place)
            }
            // A comment is not signed: who writes one into a value could part it for others.
            Event::Comment(_, _, place) => refuse(place, "no comment may stand in an envelope"),
            Event::ProcessingInstruction(_, _, _, place) => {
                refuse(place, "no processing instruction may stand in an envelope")
            }
            Event::EndOfDocument => Ok(()),
        }
    }
}
