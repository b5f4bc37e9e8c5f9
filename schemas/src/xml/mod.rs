//! The one reader of XML in the project.
//!
//! Verification, validation and routing see the events of this reader and of no other (P9). A
//! consumer implements [`EventSink`]; [`drive`] shows one pass over the bytes to it, and a tuple of
//! sinks is a sink: several consumers see the same events. [`Reader`] is the same as a pull reader.
//!
//! What is read: XML 1.0, fifth edition, with Namespaces in XML 1.0, third edition, in UTF-8 and
//! without a document type declaration. Everything else is refused with a kind of its own.
//! quick-xml only finds where a piece of markup ends; every rule of well-formedness is kept here.

mod chars;
mod cursor;
mod declaration;
mod error;
mod event;
mod limits;
mod namespaces;
mod reader;
mod reference;
mod sink;
mod source;
mod tag;

pub use error::{XmlError, XmlErrorKind};
pub use event::{
    Attribute, Event, EventSink, NamespaceDeclaration, NodeNumber, Position, StartTag,
};
pub use limits::{Limit, Limits};
pub(crate) use namespaces::{Namespaces, same};
pub use reader::Reader;
pub(crate) use reader::{Memory, wipe, wipe_octets};
pub(crate) use sink::drive_with;
pub use sink::{DriveError, MapErr, drive};

/// The namespace of the prefix `xml`.
pub const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";
/// The namespace of the prefix `xmlns`.
pub const XMLNS_NAMESPACE: &str = "http://www.w3.org/2000/xmlns/";
