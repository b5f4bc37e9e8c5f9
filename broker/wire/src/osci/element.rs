//! A header block or an order held in memory: small, within [`super::Limits::kept_bytes`].

use std::vec::IntoIter;

use amtsbote_schemas::xml::{Position, StartTag};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::feedback::Code;
use super::names::{DS, OSCI};
use super::refusal::Refusal;

/// An element with what is in it. It has child elements or text, never both.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) tag: StartTag,
    pub(super) children: Vec<Self>,
    pub(super) text: String,
}

impl Element {
    pub(super) fn place(&self) -> Position {
        self.tag.position
    }

    pub(super) fn attribute(&self, local: &str) -> Option<&str> {
        self.tag.attribute(local)
    }

    /// The refusal of something in this element.
    pub(super) fn refusal(&self, element: &'static str, rule: &'static str) -> Refusal {
        Refusal::order(self.place(), element, rule)
    }

    /// An attribute that must be there.
    pub(super) fn demand(
        &self,
        local: &str,
        element: &'static str,
        rule: &'static str,
    ) -> Result<&str, Refusal> {
        self.attribute(local).ok_or_else(|| self.refusal(element, rule))
    }

    /// Its text, exactly; at most `limit` bytes.
    pub(super) fn string(&self, element: &'static str, limit: usize) -> Result<String, Refusal> {
        self.value(element, limit).map(str::to_owned)
    }

    fn value(&self, element: &'static str, limit: usize) -> Result<&str, Refusal> {
        if !self.children.is_empty() {
            return Err(self.refusal(element, "holds text and no element"));
        }
        if self.text.len() > limit {
            return Err(Refusal::Limit { place: self.place(), limit: "bytes of a value" });
        }
        Ok(&self.text)
    }

    /// Its text without white space around it.
    pub(super) fn trimmed(&self, element: &'static str, limit: usize) -> Result<&str, Refusal> {
        self.value(element, limit).map(|text| text.trim_matches(is_space))
    }

    /// What its Base64 stands for; at most `limit` octets.
    pub(super) fn base64(&self, element: &'static str, limit: usize) -> Result<Vec<u8>, Refusal> {
        // Line ends and four characters for three octets: never more than twice as much.
        let text = self.value(element, limit.saturating_mul(2).saturating_add(4))?;
        let dense: Vec<u8> = text.bytes().filter(|byte| !is_space(char::from(*byte))).collect();
        let octets = STANDARD.decode(dense);
        let octets = octets.map_err(|_| self.refusal(element, "holds Base64"))?;
        if octets.len() > limit {
            return Err(Refusal::Limit { place: self.place(), limit: "octets of a value" });
        }
        Ok(octets)
    }

    /// Its child elements, to be taken in their order.
    pub(super) fn into_children(self, element: &'static str) -> Result<Children, Refusal> {
        if !self.text.chars().all(is_space) {
            return Err(self.refusal(element, "no text may stand here"));
        }
        let place = self.place();
        let mut rest = self.children.into_iter();
        Ok(Children { element, place, next: rest.next(), rest })
    }

    /// That there is nothing in it.
    pub(super) fn empty(self, element: &'static str) -> Result<(), Refusal> {
        self.into_children(element)?.end()
    }
}

/// What XML calls white space.
pub(super) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// Child elements in the order of a sequence.
pub(super) struct Children {
    element: &'static str,
    place: Position,
    next: Option<Element>,
    rest: IntoIter<Element>,
}

impl Children {
    /// The next one, if it has this namespace and name.
    pub(super) fn optional_ns(&mut self, namespace: &str, local: &str) -> Option<Element> {
        let taken = self.next.take_if(|next| next.tag.is(namespace, local));
        if let Some(taken) = &taken {
            self.place = taken.place();
            self.next = self.rest.next();
        }
        taken
    }

    /// The next one, if it has this name in the namespace of OSCI.
    pub(super) fn optional(&mut self, local: &str) -> Option<Element> {
        self.optional_ns(OSCI, local)
    }

    /// The next one, which must have this name.
    pub(super) fn required(&mut self, local: &str, rule: &'static str) -> Result<Element, Refusal> {
        self.optional(local).ok_or_else(|| self.refusal(rule))
    }

    /// The next one in the namespace of XML Signature.
    pub(super) fn required_ds(
        &mut self,
        local: &str,
        rule: &'static str,
    ) -> Result<Element, Refusal> {
        self.optional_ns(DS, local).ok_or_else(|| self.refusal(rule))
    }

    /// All next ones of this name, read by `read`; at most `limit`.
    pub(super) fn many<T>(
        &mut self,
        local: &str,
        (limit, what): (usize, &'static str),
        mut read: impl FnMut(Element) -> Result<T, Refusal>,
    ) -> Result<Vec<T>, Refusal> {
        let mut found = Vec::new();
        while let Some(element) = self.optional(local) {
            if found.len() == limit {
                return Err(Refusal::Limit { place: element.place(), limit: what });
            }
            found.push(read(element)?);
        }
        Ok(found)
    }

    /// That nothing is left.
    pub(super) fn end(self) -> Result<(), Refusal> {
        match self.next {
            None => Ok(()),
            Some(strange) => {
                let rule = "an element that may not stand here, or twice, or out of its order";
                Err(Refusal::order(strange.place(), self.element, rule))
            }
        }
    }

    /// The refusal of what is not there.
    pub(super) fn refusal(&self, rule: &'static str) -> Refusal {
        let place = self.next.as_ref().map_or(self.place, Element::place);
        Refusal::order(place, self.element, rule)
    }

    /// The same with another feedback code.
    pub(super) fn refusal_with(&self, rule: &'static str, code: Code) -> Refusal {
        let place = self.next.as_ref().map_or(self.place, Element::place);
        Refusal::Form { place, element: self.element, rule, code }
    }
}
