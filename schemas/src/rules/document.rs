//! A rule file as a small tree of its own, read by our one reader.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use super::RulesError;
use crate::xml::{self, Event, EventSink, Limits};

/// Where something stands in a rule file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The file as the pack names it.
    pub(super) file: Arc<str>,
    /// Line, from 1.
    pub(super) line: u64,
    /// Column, from 1.
    pub(super) column: u64,
}

impl Place {
    /// Refuses the file because of what stands here.
    pub(super) fn refuse(&self, reason: impl fmt::Display) -> RulesError {
        RulesError {
            file: self.file.to_string(),
            line: self.line,
            column: self.column,
            reason: reason.to_string(),
        }
    }
}

/// An element of a rule file.
#[derive(Clone, Debug, Default)]
pub(super) struct Element {
    pub(super) namespace: String,
    pub(super) local: String,
    /// Attributes without namespace: those of Schematron have none.
    pub(super) attributes: Vec<(String, String)>,
    /// Prefixes declared on this very element.
    pub(super) prefixes: Vec<(String, String)>,
    pub(super) children: Vec<Child>,
    pub(super) place: Place,
}

/// What an element holds.
#[derive(Clone, Debug)]
pub(super) enum Child {
    Element(Element),
    Text(String),
}

impl Element {
    /// Reads a file.
    pub(super) fn read(file: &str, bytes: &[u8]) -> Result<Self, RulesError> {
        let place = Place { file: file.into(), line: 0, column: 0 };
        let mut sink = Sink { file: place.file.clone(), open: Vec::new(), root: None };
        xml::drive(bytes, &Limits::default(), &mut sink).map_err(|error| {
            place.refuse(format_args!("the rule file is not well-formed: {error}"))
        })?;
        sink.root.ok_or_else(|| place.refuse("the rule file is empty"))
    }

    /// Whether it is this element of this namespace.
    pub(super) fn is(&self, namespace: &str, local: &str) -> bool {
        self.local == local && self.namespace == namespace
    }

    /// The value of an attribute.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of an attribute that must be there.
    pub(super) fn required(&self, name: &str) -> Result<&str, RulesError> {
        self.attribute(name).ok_or_else(|| {
            self.place.refuse(format_args!("'{}' lacks the attribute '{name}'", self.local))
        })
    }

    /// The elements in it.
    pub(super) fn elements(&self) -> impl Iterator<Item = &Self> {
        self.children.iter().filter_map(|child| match child {
            Child::Element(element) => Some(element),
            Child::Text(_) => None,
        })
    }

    /// The element with this `id`, itself included.
    pub(super) fn with_id(&self, id: &str) -> Option<&Self> {
        if self.attribute("id") == Some(id) {
            return Some(self);
        }
        self.elements().find_map(|element| element.with_id(id))
    }
}

struct Sink {
    file: Arc<str>,
    open: Vec<Element>,
    root: Option<Element>,
}

impl EventSink for Sink {
    type Error = Infallible;

    fn event(&mut self, event: &Event<'_>) -> Result<(), Infallible> {
        match event {
            Event::Start(tag) => self.open.push(Element {
                namespace: tag.namespace.clone(),
                local: tag.local.clone(),
                attributes: tag
                    .attributes
                    .iter()
                    .filter(|attribute| attribute.namespace.is_empty())
                    .map(|attribute| (attribute.local.clone(), attribute.value.clone()))
                    .collect(),
                prefixes: tag
                    .declarations
                    .iter()
                    .map(|declared| (declared.prefix.clone(), declared.uri.clone()))
                    .collect(),
                children: Vec::new(),
                place: Place {
                    file: self.file.clone(),
                    line: tag.position.line,
                    column: tag.position.column,
                },
            }),
            Event::End(..) => {
                if let Some(element) = self.open.pop() {
                    match self.open.last_mut() {
                        Some(parent) => parent.children.push(Child::Element(element)),
                        None => self.root = Some(element),
                    }
                }
            }
            Event::Text(_, text, _) => {
                if let Some(parent) = self.open.last_mut() {
                    match parent.children.last_mut() {
                        Some(Child::Text(before)) => before.push_str(text),
                        _ => parent.children.push(Child::Text((*text).to_owned())),
                    }
                }
            }
            Event::Comment(..) | Event::ProcessingInstruction(..) | Event::EndOfDocument => {}
        }
        Ok(())
    }
}
