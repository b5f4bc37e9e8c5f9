//! What the reader says: events with names resolved, values normalised and places known.

use std::fmt;

use super::namespaces::same;

/// Where something begins in the document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Bytes before it, from 0.
    pub offset: u64,
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// The place of a node in document order. The root element is not necessarily number 1:
/// comments and processing instructions before it count. Elements, attributes, text, comments and
/// processing instructions each have a number of their own; an element's attributes follow it in
/// the order written, then come its children. Namespace declarations have none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeNumber(pub u64);

/// A namespace declared on a start tag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceDeclaration {
    /// The prefix; empty for the default namespace.
    pub prefix: String,
    /// The namespace; empty where the default namespace is undeclared.
    pub uri: String,
}

/// An attribute that is not a namespace declaration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attribute {
    /// Its number in document order.
    pub node: NodeNumber,
    /// The prefix as written; empty where there is none.
    pub prefix: String,
    /// The local name.
    pub local: String,
    /// The namespace; empty where the attribute has no prefix.
    pub namespace: String,
    /// The value after references are resolved and white space is normalised as XML 1.0, 3.3.3
    /// says for attributes of type CDATA (there is no DTD, so there is no other type).
    pub value: String,
    /// Where its name begins.
    pub position: Position,
}

/// The start of an element. An empty-element tag yields a start and an end as well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartTag {
    /// Its number in document order.
    pub node: NodeNumber,
    /// 1 for the root element.
    pub depth: u32,
    /// The prefix as written; empty where there is none.
    pub prefix: String,
    /// The local name.
    pub local: String,
    /// The namespace; empty for none.
    pub namespace: String,
    /// The attributes in the order written, without namespace declarations.
    pub attributes: Vec<Attribute>,
    /// The namespaces declared on this very tag, in the order written.
    pub declarations: Vec<NamespaceDeclaration>,
    /// Where `<` stands.
    pub position: Position,
}

impl StartTag {
    /// Whether the element has this namespace and local name.
    pub fn is(&self, namespace: &str, local: &str) -> bool {
        same(&self.local, local) && same(&self.namespace, namespace)
    }

    /// The value of the attribute without namespace that has this local name.
    pub fn attribute(&self, local: &str) -> Option<&str> {
        self.attribute_ns("", local)
    }

    /// The value of the attribute with this namespace and local name.
    pub fn attribute_ns(&self, namespace: &str, local: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|a| same(&a.local, local) && same(&a.namespace, namespace))
            .map(|a| a.value.as_str())
    }
}

/// One thing the reader met. Everything it says is well-formed so far; that the whole document is
/// well-formed is known only with [`Event::EndOfDocument`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A start tag.
    Start(&'a StartTag),
    /// The end of the element whose start tag is repeated here. Its place is that of `</` or, in
    /// an empty-element tag, of `/>`.
    End(&'a StartTag, Position),
    /// Character data inside the root element: references resolved, line ends normalised, CDATA
    /// sections unwrapped. One run of text may come in several pieces, all with the same number.
    Text(NodeNumber, &'a str, Position),
    /// A comment.
    Comment(NodeNumber, &'a str, Position),
    /// A processing instruction: target and data. The XML declaration is none.
    ProcessingInstruction(NodeNumber, &'a str, &'a str, Position),
    /// The document has ended and was well-formed.
    EndOfDocument,
}

/// Someone who looks at a document while it is read.
pub trait EventSink {
    /// Why a sink may end the reading.
    type Error;

    /// Takes one event. An error ends the pass at once.
    fn event(&mut self, event: &Event<'_>) -> Result<(), Self::Error>;
}
