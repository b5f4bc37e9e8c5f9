//! What watches a message beside the schemas, in the same pass: characters and code lists.

use jiff::Timestamp;

use super::Finding;
use super::tables::{ComplexId, Here, SimpleId};
use crate::characters::{self, Asked, Own};
use crate::codelist::{self, CodeUse};
use crate::rules::Rules;
use crate::xml::{Attribute, Event, StartTag};

/// Tells the parts of a value, of an attribute or of the element that ends, with their types.
pub(super) type Parts<'a> = dyn Fn(Option<&Attribute>, &mut dyn FnMut(SimpleId, &str) -> bool) + 'a;

/// What a pack knows about the types of its schemas, by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Knowledge {
    /// What simple types ask of characters: those that stand for a data type of DIN 91379.
    pub(in crate::validate) characters: Vec<Option<Asked>>,
    /// They ask it of attributes, too.
    pub(in crate::validate) attributes: bool,
    /// Complex types that hold a code.
    pub(in crate::validate) codes: Vec<Option<CodeUse>>,
}

impl Knowledge {
    /// Whether some type stands for a data type of DIN 91379.
    pub(crate) fn has_datatypes(&self) -> bool {
        self.characters.iter().any(Option::is_some)
    }

    fn asked(&self, id: SimpleId) -> Option<Asked> {
        *self.characters.get(id.0 as usize)?
    }

    /// The parts of a value, each with the data type that its type stands for.
    fn parts(
        &self,
        attribute: Option<&Attribute>,
        parts: &Parts<'_>,
        tell: &mut dyn FnMut(Option<Own>, &str),
    ) {
        parts(attribute, &mut |id, text| match self.asked(id) {
            Some(Asked::Parts) => true,
            Some(Asked::Whole(own)) => {
                tell(Some(own), text);
                false
            }
            None => {
                tell(None, text);
                false
            }
        });
    }
}

/// The watchers of one message.
#[derive(Debug)]
pub(crate) struct Beside<'s> {
    pub(crate) knowledge: &'s Knowledge,
    pub(crate) characters: Option<characters::Watch<'s>>,
    pub(crate) codes: Option<codelist::Watch<'s>>,
    /// Rules to be judged after the schemas, and the time that counts for them.
    pub(crate) rules: Option<(&'s Rules, Timestamp)>,
}

impl Beside<'_> {
    /// An element has begun, and `here` is what governs it.
    pub(super) fn start(
        &mut self,
        tag: &StartTag,
        here: Here,
        path: &dyn Fn() -> String,
        parts: &Parts<'_>,
    ) {
        let knowledge = self.knowledge;
        let codes = &knowledge.codes;
        if let Some(characters) = &mut self.characters {
            let asked = here.simple.and_then(|id| knowledge.asked(id));
            let of: &characters::Parts<'_> = &|one, tell| knowledge.parts(one, parts, tell);
            characters.start(tag, asked, path, knowledge.attributes.then_some(of));
        }
        if let Some(watch) = &mut self.codes {
            let code = here.complex.and_then(|ComplexId(id)| codes.get(id as usize)?.as_ref());
            watch.start(tag, code, path);
        }
    }

    /// Any other event, before the element it may end has ended. `found` is the value of that
    /// element, where it may be told.
    pub(super) fn event<'r>(
        &mut self,
        event: &Event<'_>,
        path: &dyn Fn() -> String,
        found: &dyn Fn() -> Option<&'r str>,
        parts: &Parts<'_>,
    ) {
        match event {
            Event::Text(_, piece, position) => {
                if let Some(characters) = &mut self.characters {
                    characters.text(piece, *position, path);
                }
                if let Some(codes) = &mut self.codes {
                    codes.text(piece);
                }
            }
            Event::End(tag, position) => {
                if let Some(characters) = &mut self.characters {
                    let knowledge = self.knowledge;
                    let of = |one: Option<&Attribute>, tell: &mut dyn FnMut(Option<Own>, &str)| {
                        knowledge.parts(one, parts, tell);
                    };
                    characters.end(*position, path, &of);
                }
                if let Some(codes) = &mut self.codes {
                    codes.end(tag, path, found);
                }
            }
            Event::Comment(_, _, position) | Event::ProcessingInstruction(_, _, _, position) => {
                if let Some(characters) = &mut self.characters {
                    characters.interrupt(*position);
                }
            }
            Event::Start(_) | Event::EndOfDocument => {}
        }
    }

    /// Adds what was found to what the schemas found: in document order, and what is said twice
    /// once, in the words that say more.
    pub(super) fn merge(self, findings: &mut Vec<Finding>) {
        let characters = self.characters.map(characters::Watch::into_findings).unwrap_or_default();
        let codes = self.codes.map(codelist::Watch::into_findings).unwrap_or_default();
        if characters.is_empty() && codes.is_empty() {
            return;
        }
        findings.retain(|one| {
            one.rule != "cvc-pattern-valid" || !characters.iter().any(|two| two.path == one.path)
        });
        for code in codes {
            let said = code.code == codelist::NOT_IN_LIST
                && !code.path.is_empty()
                && findings.iter().any(|one| one.path == code.path);
            if !said {
                findings.push(code);
            }
        }
        findings.extend(characters);
        findings.sort_by_key(|one| (one.line, one.column));
    }
}
