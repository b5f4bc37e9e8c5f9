//! What watches a message beside the schemas, in the same pass: characters and code lists.

use jiff::Timestamp;

use super::Finding;
use super::tables::{ComplexId, Here};
use crate::characters::{self, Datatype};
use crate::codelist::{self, CodeUse};
use crate::rules::Rules;
use crate::xml::{Event, StartTag};

/// What a pack knows about the types of its schemas, by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Knowledge {
    /// Simple types that stand for a data type of DIN 91379.
    pub(in crate::validate) datatypes: Vec<Option<Datatype>>,
    /// Complex types that hold a code.
    pub(in crate::validate) codes: Vec<Option<CodeUse>>,
}

impl Knowledge {
    /// Whether some type stands for a data type of DIN 91379.
    pub(crate) fn has_datatypes(&self) -> bool {
        self.datatypes.iter().any(Option::is_some)
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
    pub(super) fn start(&mut self, tag: &StartTag, here: Here, path: &dyn Fn() -> String) {
        let Knowledge { datatypes, codes } = self.knowledge;
        if let Some(characters) = &mut self.characters {
            let datatype = here.simple.and_then(|id| *datatypes.get(id.0 as usize)?);
            characters.start(tag, datatype, path);
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
                    characters.end(*position, path);
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
