//! From values to octets, in canonical form: the octets of a block are those that are digested.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use amtsbote_schemas::xml::{NodeNumber, XmlError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::message_type::MessageType;
use super::names::{ACTOR_NEXT, ACTOR_NONE, DECLARED, OSCI2017};
use super::signature::Side;

/// Why a message was not written. Says which value or rule, never the value (P7).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    /// A text with a character that XML cannot hold.
    #[error("{0}: holds a character that XML does not allow")]
    Character(&'static str),
    /// What the schema does not allow for this message.
    #[error("{element}: {rule}")]
    Form {
        /// The element that the rule is about.
        element: &'static str,
        /// What was demanded.
        rule: &'static str,
    },
    /// What was to be put in is no element of the kind demanded.
    #[error("{element}: {rule}")]
    Element {
        /// The element that was expected.
        element: &'static str,
        /// What was demanded.
        rule: &'static str,
    },
    /// What was to be put in is not well-formed.
    #[error(transparent)]
    Xml(#[from] XmlError),
}

/// What `DECLARED` looks like on a start tag.
pub(super) fn declarations(with_osci2017: bool) -> String {
    let mut text = String::new();
    for (prefix, uri) in DECLARED {
        // Canonical XML, 2.2: in the order of the prefixes.
        if with_osci2017 && prefix == "soap" {
            text.push_str(&format!(" xmlns:osci2017=\"{OSCI2017}\""));
        }
        text.push_str(&format!(" xmlns:{prefix}=\"{uri}\""));
    }
    text
}

/// Grows canonical XML. The first thing that cannot be written is kept until [`Xml::finish`].
#[derive(Default)]
pub(super) struct Xml {
    out: String,
    fault: Option<Unwritable>,
}

/// Attributes of an element, in canonical order: those without prefix first, by name.
pub(super) type Attributes<'a> = &'a [(&'a str, &'a str)];

impl Xml {
    /// An element with what `content` writes.
    pub(super) fn element(
        &mut self,
        name: &'static str,
        attributes: Attributes<'_>,
        content: impl FnOnce(&mut Self),
    ) {
        self.open(name, attributes);
        content(self);
        self.close(name);
    }

    /// An element with text.
    pub(super) fn text(&mut self, name: &'static str, text: &str) {
        self.text_with(name, &[], text);
    }

    /// An element with attributes and text.
    pub(super) fn text_with(&mut self, name: &'static str, attributes: Attributes<'_>, text: &str) {
        self.check(name, text);
        self.open(name, attributes);
        escape_text(&mut self.out, text);
        self.close(name);
    }

    /// An element with nothing in it.
    pub(super) fn empty(&mut self, name: &'static str, attributes: Attributes<'_>) {
        self.element(name, attributes, |_| {});
    }

    /// An element with octets as Base64 on one line.
    pub(super) fn base64(&mut self, name: &'static str, attributes: Attributes<'_>, octets: &[u8]) {
        self.text_with(name, attributes, &STANDARD.encode(octets));
    }

    /// The same on lines of 76 characters, as MIME has them.
    pub(super) fn base64_lines(
        &mut self,
        name: &'static str,
        attributes: Attributes<'_>,
        octets: &[u8],
    ) {
        self.open(name, attributes);
        base64_lines(&mut self.out, octets);
        self.close(name);
    }

    /// A start tag. Attributes that need a namespace are written with its prefix.
    pub(super) fn open(&mut self, name: &'static str, attributes: Attributes<'_>) {
        self.start(name, "", attributes);
    }

    /// A start tag with declarations.
    fn start(&mut self, name: &'static str, declared: &str, attributes: Attributes<'_>) {
        self.out.push('<');
        self.out.push_str(name);
        self.out.push_str(declared);
        for (attribute, value) in attributes {
            self.check(name, value);
            self.out.push(' ');
            self.out.push_str(attribute);
            self.out.push_str("=\"");
            escape_attribute(&mut self.out, value);
            self.out.push('"');
        }
        self.out.push('>');
    }

    /// An end tag.
    pub(super) fn close(&mut self, name: &'static str) {
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    /// What is canonical already.
    pub(super) fn raw(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// Something cannot be written.
    pub(super) fn refuse(&mut self, element: &'static str, rule: &'static str) {
        self.fault.get_or_insert(Unwritable::Form { element, rule });
    }

    fn check(&mut self, name: &'static str, text: &str) {
        let allowed =
            |c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}');
        if !text.chars().all(allowed) {
            self.fault.get_or_insert(Unwritable::Character(name));
        }
    }

    /// The text, if everything could be written.
    pub(super) fn finish(self) -> Result<String, Unwritable> {
        self.fault.map_or(Ok(self.out), Err)
    }
}

/// Canonical XML, 2.3: text.
fn escape_text(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\r' => out.push_str("&#xD;"),
            c => out.push(c),
        }
    }
}

/// Canonical XML, 2.3: the value of an attribute.
pub(super) fn escape_attribute(out: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '"' => out.push_str("&quot;"),
            '\t' => out.push_str("&#x9;"),
            '\n' => out.push_str("&#xA;"),
            '\r' => out.push_str("&#xD;"),
            c => out.push(c),
        }
    }
}

/// Base64 on lines of 76 characters, parted by line feeds, the last one without.
fn base64_lines(out: &mut String, octets: &[u8]) {
    for (n, line) in octets.chunks(57).enumerate() {
        if n > 0 {
            out.push('\n');
        }
        STANDARD.encode_string(line, out);
    }
}

/// To whom a header block is addressed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Actor {
    Next,
    None,
    /// Neither `actor` nor `mustUnderstand`.
    Unsaid,
}

/// A message that is being written.
pub(super) struct Writing {
    pub(super) kind: MessageType,
    blocks: Vec<(String, String)>,
    /// Every identifier in it.
    ids: HashSet<String>,
    fault: Option<Unwritable>,
}

impl Writing {
    pub(super) fn new(kind: MessageType) -> Self {
        let mut writing = Self { kind, blocks: Vec::new(), ids: HashSet::new(), fault: None };
        // Both are put in later.
        let side = if kind.is_response() { Side::Supplier } else { Side::Client };
        writing.claim("body");
        writing.claim(side.id());
        writing
    }

    /// A header block for the next one who gets it, with what `content` writes. `attributes` are
    /// those besides `Id`.
    pub(super) fn block(
        &mut self,
        name: &'static str,
        id: &str,
        attributes: Attributes<'_>,
        content: impl FnOnce(&mut Xml),
    ) {
        self.write(name, id, Actor::Next, attributes, content);
    }

    /// A header block with certificates.
    pub(super) fn certificates(
        &mut self,
        name: &'static str,
        id: &str,
        content: impl FnOnce(&mut Xml),
    ) {
        self.write(name, id, Actor::None, &[], content);
    }

    /// A header block addressed to nobody and without a demand to understand it.
    pub(super) fn remark(
        &mut self,
        name: &'static str,
        id: &str,
        attributes: Attributes<'_>,
        content: impl FnOnce(&mut Xml),
    ) {
        self.write(name, id, Actor::Unsaid, attributes, content);
    }

    fn write(
        &mut self,
        name: &'static str,
        id: &str,
        actor: Actor,
        attributes: Attributes<'_>,
        content: impl FnOnce(&mut Xml),
    ) {
        self.claim(id);
        let mut all = vec![("Id", id)];
        all.extend_from_slice(attributes);
        all.sort_unstable();
        match actor {
            Actor::Next => all.push(("soap:actor", ACTOR_NEXT)),
            Actor::None => all.push(("soap:actor", ACTOR_NONE)),
            Actor::Unsaid => {}
        }
        if actor != Actor::Unsaid {
            all.push(("soap:mustUnderstand", "1"));
        }
        let mut xml = Xml::default();
        xml.start(name, &declarations(name.starts_with("osci2017:")), &all);
        content(&mut xml);
        xml.close(name);
        match xml.finish() {
            Ok(text) => self.blocks.push((id.to_owned(), text)),
            Err(fault) => self.refuse(fault),
        }
    }

    /// A header block of somebody else, canonical already.
    pub(super) fn foreign(&mut self, id: Option<&str>, canonical: &str) {
        self.blocks.push((id.unwrap_or_default().to_owned(), canonical.to_owned()));
    }

    /// An element with this identifier is in the message. Two with the same one could not be told apart
    /// by a signature.
    pub(super) fn claim(&mut self, id: &str) {
        if !self.ids.insert(id.to_owned()) {
            self.refuse_form("Id", "no two elements have the same identifier");
        }
    }

    /// Something cannot be written.
    pub(super) fn refuse(&mut self, fault: Unwritable) {
        self.fault.get_or_insert(fault);
    }

    /// The same, by rule.
    pub(super) fn refuse_form(&mut self, element: &'static str, rule: &'static str) {
        self.refuse(Unwritable::Form { element, rule });
    }

    /// The whole message; `body` writes what is in the body, about `body_bytes` long.
    pub(super) fn finish(
        self,
        body_bytes: usize,
        body: impl FnOnce(&mut Xml),
    ) -> Result<Draft, Unwritable> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let declared = declarations(false);
        let location = self.kind.schema_location();
        // As observed: the declaration, then a line that is empty.
        let mut text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\r\n<soap:Envelope{declared} \
             xsi:schemaLocation=\"{location}\"><soap:Header>"
        );
        let (mut blocks, mut signature_at) = (Vec::new(), text.len());
        for (n, (id, block)) in self.blocks.into_iter().enumerate() {
            let start = text.len();
            text.push_str(&block);
            blocks.push((id, start..text.len()));
            // The signature is always the second block.
            if n == 0 {
                signature_at = text.len();
            }
        }
        text.push_str("</soap:Header>");
        let start = text.len();
        text.reserve(body_bytes + BODY_FRAME);
        // Straight into the text: what a body holds may be large.
        let mut xml = Xml { out: text, fault: None };
        xml.start("soap:Body", &declared, &[("Id", "body")]);
        body(&mut xml);
        xml.close("soap:Body");
        let mut text = xml.finish()?;
        blocks.push(("body".to_owned(), start..text.len()));
        text.push_str("</soap:Envelope>");
        Ok(Draft { text, blocks, signature_at })
    }
}

/// Bytes around what a body holds, with room for a signature block.
const BODY_FRAME: usize = 16 << 10;

/// A message as it will leave, but for its signature.
#[derive(Clone, PartialEq, Eq)]
pub struct Draft {
    text: String,
    blocks: Vec<(String, Range<usize>)>,
    signature_at: usize,
}

impl fmt::Debug for Draft {
    /// Which blocks there are; not what they say (P7).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.blocks.iter().map(|(id, _)| id);
        f.write_str("Draft ")?;
        f.debug_list().entries(ids).finish()
    }
}

impl Draft {
    /// What is to be signed, in the order of the document: the identifier of each header block and
    /// of the body, and its octets, which are its inclusive canonical form. Header blocks without an
    /// identifier cannot be signed and are not among them.
    pub fn blocks(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.blocks
            .iter()
            .filter(|(id, _)| !id.is_empty())
            .map(|(id, range)| (id.as_str(), &self.text.as_bytes()[range.clone()]))
    }

    /// The root part. `signature` is a whole header block, `ClientSignature` or `SupplierSignature`;
    /// it becomes the second one.
    pub fn finish(self, signature: Option<&[u8]>) -> Vec<u8> {
        let mut octets = self.text.into_bytes();
        if let Some(signature) = signature {
            octets.splice(self.signature_at..self.signature_at, signature.iter().copied());
        }
        octets
    }
}

/// The number of the only child of a root element without attributes.
pub(super) const FIRST_CHILD: NodeNumber = NodeNumber(2);
