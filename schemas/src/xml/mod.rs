//! The one reader of XML in the project.
//!
//! Verification, validation and routing see the events of this reader and of no other (P9). A
//! consumer implements [`EventSink`]; [`drive`] shows one pass over the bytes to several of them.

mod event;

pub use event::{
    Attribute, Event, EventSink, NamespaceDeclaration, NodeNumber, Position, StartTag,
};
