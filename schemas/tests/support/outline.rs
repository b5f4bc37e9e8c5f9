//! Where the elements and attributes of a message stand in its text.

use std::convert::Infallible;
use std::ops::Range;

use amtsbote_schemas::xml::{self, Event, EventSink, Limits};

/// An element as it stands in the text.
pub(super) struct Element {
    pub(super) whole: Range<usize>,
    pub(super) start_tag: Range<usize>,
    /// None for an empty-element tag.
    pub(super) content: Option<Range<usize>>,
    /// Its name with the prefix.
    pub(super) name: String,
    pub(super) attributes: Vec<Attribute>,
    pub(super) parent: Option<usize>,
    pub(super) has_children: bool,
}

/// An attribute as it stands in the text, declarations of namespaces among them.
pub(super) struct Attribute {
    /// With the white space before it.
    pub(super) whole: Range<usize>,
    pub(super) name: String,
    pub(super) value: Range<usize>,
}

impl Attribute {
    /// Whether it declares a namespace.
    pub(super) fn declares(&self) -> bool {
        self.name == "xmlns" || self.name.starts_with("xmlns:")
    }
}

/// The elements of a message in document order.
pub(super) struct Outline<'m> {
    pub(super) message: &'m str,
    pub(super) elements: Vec<Element>,
    open: Vec<usize>,
}

impl<'m> Outline<'m> {
    /// Of a well-formed message.
    pub(super) fn of(message: &'m str) -> Self {
        let mut outline = Self { message, elements: Vec::new(), open: Vec::new() };
        xml::drive(message.as_bytes(), &Limits::default(), &mut outline).expect("well-formed");
        outline
    }
}

/// Whether our reader takes a text to its end.
pub(super) fn is_well_formed(text: &str) -> bool {
    xml::drive(text.as_bytes(), &Limits::default(), &mut Nobody).is_ok()
}

struct Nobody;

impl EventSink for Nobody {
    type Error = Infallible;

    fn event(&mut self, _: &Event<'_>) -> Result<(), Infallible> {
        Ok(())
    }
}

impl EventSink for Outline<'_> {
    type Error = Infallible;

    fn event(&mut self, event: &Event<'_>) -> Result<(), Infallible> {
        match event {
            Event::Start(tag) => {
                let from = tag.position.offset as usize;
                let parent = self.open.last().copied();
                if let Some(parent) = parent {
                    self.elements[parent].has_children = true;
                }
                self.open.push(self.elements.len());
                self.elements.push(element(self.message, from, parent));
            }
            Event::End(_, position) => {
                let at = position.offset as usize;
                let end = at + self.message[at..].find('>').expect("a tag ends") + 1;
                let element = self.open.pop().expect("it is open");
                let element = &mut self.elements[element];
                element.whole.end = end;
                element.content =
                    self.message[at..].starts_with("</").then_some(element.start_tag.end..at);
            }
            _ => {}
        }
        Ok(())
    }
}

/// The element whose start tag begins here.
fn element(message: &str, from: usize, parent: Option<usize>) -> Element {
    let octets = message.as_bytes();
    let white = |at: usize| octets[at].is_ascii_whitespace();
    let name_end = |from: usize| {
        let ends = |c: char| c.is_ascii_whitespace() || matches!(c, '=' | '>' | '/');
        from + message[from..].find(ends).expect("a name ends")
    };
    let mut at = name_end(from + 1);
    let name = message[from + 1..at].to_owned();
    let mut attributes = Vec::new();
    loop {
        let before = at;
        while white(at) {
            at += 1;
        }
        if matches!(octets[at], b'>' | b'/') {
            break;
        }
        let end = name_end(at);
        let name = message[at..end].to_owned();
        let open = end + message[end..].find(['"', '\'']).expect("a value begins");
        let quote = octets[open] as char;
        let close = open + 1 + message[open + 1..].find(quote).expect("a value ends");
        attributes.push(Attribute { whole: before..close + 1, name, value: open + 1..close });
        at = close + 1;
    }
    let end = at + message[at..].find('>').expect("a tag ends") + 1;
    let start_tag = from..end;
    Element {
        whole: from..end,
        start_tag,
        content: None,
        name,
        attributes,
        parent,
        has_children: false,
    }
}
