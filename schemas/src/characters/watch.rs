//! Characters of a message, watched in the pass that validates it.
//!
//! A finding names one character of a value, the first that may not be there, and never a second:
//! so findings cannot spell a value out. Where the character is the whole value but for white
//! space, it is not named (P7).

use std::cell::Cell;
use std::collections::BTreeMap;

use super::{Asked, Count, Datatype, Nfc, Offence, Own, Scan, describe, is_alone};
use crate::validate::{Finding, MAX_FINDINGS};
use crate::xml::{Attribute, Position, StartTag};

/// What a pack demands of characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Policy {
    /// Every text and attribute value is of this data type, where its own type says nothing else.
    pub(crate) all: Option<Datatype>,
    /// Every text and attribute value is in normal form C.
    pub(crate) nfc: bool,
    /// Simple types of the standard, by local name, that stand for a data type.
    pub(crate) types: BTreeMap<String, Datatype>,
}

impl Policy {
    /// What a simple type of the schemas stands for.
    pub(crate) fn datatype(&self, namespace: &str, local: &str) -> Option<Datatype> {
        let own = self.types.get(local).copied();
        own.or_else(|| Datatype::of_official(namespace, local))
    }
}

/// Tells the parts of a value, of an attribute or of the element that ends, and which data type
/// governs each, if its own type says one; nothing where the value has no type.
pub(crate) type Parts<'a> = dyn Fn(Option<&Attribute>, &mut dyn FnMut(Option<Own>, &str)) + 'a;

/// What is wrong with a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    /// The data type does not hold it.
    NotIn(Datatype),
    /// It is not in normal form C.
    NotNormal,
}

/// A finding whose column is known when the next event tells where the piece ended.
#[derive(Debug)]
struct Pending {
    wrong: Wrong,
    code_points: Vec<char>,
    /// The character is the whole value.
    alone: bool,
    path: String,
    /// Where the piece begins, and its length in octets.
    began: Position,
    length: usize,
    /// Where the character is if the piece stands in the document as it is told.
    place: Position,
}

/// The characters of one message.
#[derive(Debug)]
pub(crate) struct Watch<'s> {
    policy: &'s Policy,
    scan: Option<Scan>,
    nfc: Nfc,
    /// The characters of the value being read, as far as it came.
    count: Count,
    /// The value being read is one of parts: it is judged when it is whole. Where its text begins.
    parts: Option<Option<Position>>,
    /// The value being read has its finding.
    told: bool,
    pending: Option<Pending>,
    findings: Vec<Finding>,
}

impl<'s> Watch<'s> {
    pub(crate) fn new(policy: &'s Policy) -> Self {
        Self {
            policy,
            scan: None,
            nfc: Nfc::default(),
            count: Count::default(),
            parts: None,
            told: false,
            pending: None,
            findings: Vec::new(),
        }
    }

    /// An element begins whose type asks this of its value. `parts` are those of its attributes,
    /// where types ask anything of any.
    pub(crate) fn start(
        &mut self,
        tag: &StartTag,
        asked: Option<Asked>,
        path: &dyn Fn() -> String,
        parts: Option<&Parts<'_>>,
    ) {
        self.settle(tag.position, path);
        self.begin(asked);
        if self.policy.all.is_some() || self.policy.nfc || parts.is_some() {
            for attribute in &tag.attributes {
                self.attribute(attribute, path, parts);
            }
        }
    }

    /// An element ends.
    pub(crate) fn end(&mut self, position: Position, path: &dyn Fn() -> String, parts: &Parts<'_>) {
        self.settle(position, path);
        if let Some(began) = self.parts
            && !self.told
            && let Some((datatype, offence, alone)) = self.first_of(parts, None)
        {
            let named = (!alone).then_some(offence.code_points);
            let path = path();
            let subject = Subject { name: name(&path), attribute: false };
            let found = finding(Wrong::NotIn(datatype), named.as_deref(), &subject);
            self.add(found.at(began.unwrap_or(position), &path));
        }
        self.begin(None);
    }

    /// Something else comes between two pieces of text.
    pub(crate) fn interrupt(&mut self, position: Position) {
        self.resolve(position);
    }

    /// A piece of text.
    #[inline]
    pub(crate) fn text(&mut self, piece: &str, position: Position, path: &dyn Fn() -> String) {
        if self.pending.is_some() {
            self.resolve(position);
        }
        if self.told || !self.watches() {
            return;
        }
        if let Some(began) = &mut self.parts {
            began.get_or_insert(position);
        }
        self.count.add(piece);
        let (wrong, offence) = if let Some(offence) = self.not_normal(piece) {
            (Wrong::NotNormal, offence)
        } else if let Some(offence) = self.not_held(piece) {
            offence
        } else {
            return;
        };
        self.told = true;
        self.pending = Some(Pending {
            wrong,
            alone: self.count.alone(),
            path: path(),
            began: position,
            length: piece.len(),
            place: moved(position, piece, offence.before),
            code_points: offence.code_points,
        });
    }

    /// What was found.
    pub(crate) fn into_findings(self) -> Vec<Finding> {
        self.findings
    }

    fn watches(&self) -> bool {
        self.scan.is_some() || self.parts.is_some() || self.policy.nfc
    }

    fn begin(&mut self, asked: Option<Asked>) {
        self.scan = match asked {
            Some(Asked::Whole(own)) => Some(Scan::new(own.datatype, own.spaced)),
            Some(Asked::Parts) => None,
            None => self.policy.all.map(|datatype| Scan::new(datatype, false)),
        };
        self.parts = (asked == Some(Asked::Parts)).then_some(None);
        self.count = Count::default();
        self.nfc.clear();
        self.told = false;
    }

    fn not_normal(&mut self, piece: &str) -> Option<Offence> {
        if self.policy.nfc { self.nfc.piece(piece) } else { None }
    }

    fn not_held(&mut self, piece: &str) -> Option<(Wrong, Offence)> {
        let scan = self.scan.as_mut()?;
        if scan.plain(piece) {
            return None;
        }
        let wrong = Wrong::NotIn(scan.datatype());
        let broken = |(read, character)| Some((wrong, scan.step(character).err()?.at(read)));
        piece.chars().enumerate().find_map(broken)
    }

    /// The first offence in the parts of a value, and whether its part is nothing else. A part
    /// whose type asks nothing is judged as all texts are.
    fn first_of(
        &self,
        parts: &Parts<'_>,
        attribute: Option<&Attribute>,
    ) -> Option<(Datatype, Offence, bool)> {
        let all = self.policy.all.map(|datatype| Own { datatype, spaced: false });
        let (mut first, typed) = (None, Cell::new(false));
        let mut judge = |own: Option<Own>, text: &str| {
            typed.set(true);
            if first.is_none()
                && let Some(own) = own.or(all)
                && let Err(offence) = own.check(text)
            {
                first = Some((own.datatype, offence, is_alone(text)));
            }
        };
        parts(attribute, &mut judge);
        if let Some(attribute) = attribute.filter(|_| !typed.get()) {
            judge(None, &attribute.value);
        }
        first
    }

    fn attribute(
        &mut self,
        attribute: &Attribute,
        path: &dyn Fn() -> String,
        parts: Option<&Parts<'_>>,
    ) {
        let value = attribute.value.as_str();
        let mut nfc = Nfc::default();
        let not_normal = if self.policy.nfc { nfc.piece(value) } else { None };
        let untyped: &Parts<'_> = &|_, _| {};
        let (wrong, offence, alone) = if let Some(offence) = not_normal {
            (Wrong::NotNormal, offence, is_alone(value))
        } else if let Some((datatype, offence, alone)) =
            self.first_of(parts.unwrap_or(untyped), Some(attribute))
        {
            (Wrong::NotIn(datatype), offence, alone)
        } else {
            return;
        };
        let named = (!alone).then_some(offence.code_points);
        let subject = Subject { name: &attribute.local, attribute: true };
        let path = format!("{}/@{}", path(), attribute.local);
        self.add(finding(wrong, named.as_deref(), &subject).at(attribute.position, &path));
    }

    /// The value is over: a character may be half.
    fn settle(&mut self, position: Position, path: &dyn Fn() -> String) {
        self.resolve(position);
        let Some(scan) = self.scan.as_mut() else { return };
        let wrong = Wrong::NotIn(scan.datatype());
        if let Err(broken) = scan.finish()
            && !self.told
        {
            // The marks stand right before the tag that ends the value.
            let offence = broken.at(0);
            let path = path();
            let subject = Subject { name: name(&path), attribute: false };
            let named = (!self.count.alone()).then_some(offence.code_points);
            let found = finding(wrong, named.as_deref(), &subject).at(position, &path);
            self.add(found);
        }
    }

    fn resolve(&mut self, next: Position) {
        let Some(pending) = self.pending.take() else { return };
        // References and line ends of two octets are longer in the document than in the event:
        // then the place is where the text begins.
        let verbatim = next.offset.checked_sub(pending.began.offset) == Some(pending.length as u64);
        let place = if verbatim { pending.place } else { pending.began };
        let named = (!pending.alone).then_some(pending.code_points);
        let subject = Subject { name: name(&pending.path), attribute: false };
        self.add(finding(pending.wrong, named.as_deref(), &subject).at(place, &pending.path));
    }

    fn add(&mut self, finding: Finding) {
        if self.findings.len() <= MAX_FINDINGS {
            self.findings.push(finding);
        }
    }
}

/// The local name at the end of a path.
fn name(path: &str) -> &str {
    let last = path.rsplit('/').next().unwrap_or_default();
    last.split('[').next().unwrap_or_default()
}

/// So many code points further on.
fn moved(from: Position, piece: &str, count: usize) -> Position {
    let mut place = from;
    for character in piece.chars().take(count) {
        place.offset += character.len_utf8() as u64;
        if character == '\n' {
            (place.line, place.column) = (place.line + 1, 1);
        } else {
            place.column += 1;
        }
    }
    place
}

struct Subject<'a> {
    name: &'a str,
    attribute: bool,
}

fn finding(wrong: Wrong, named: Option<&[char]>, subject: &Subject<'_>) -> Finding {
    let (noun_de, noun_en) =
        if subject.attribute { ("Attribut", "attribute") } else { ("Element", "element") };
    let name = subject.name;
    let (char_de, char_en) = match named.map(describe) {
        Some(named) => (format!("das Zeichen {named}"), format!("the character {named}")),
        None => ("ein Zeichen".to_owned(), "a character".to_owned()),
    };
    match wrong {
        Wrong::NotIn(datatype) => Finding::error(
            "character-not-allowed",
            "din-91379",
            &format!(
                "Im {noun_de} „{name}“ steht {char_de}. DIN 91379 lässt es im Datentyp {datatype:?} \
                 nicht zu. Schreibweise prüfen und die Nachricht neu erzeugen."
            ),
            &format!(
                "There is {char_en} in {noun_en} '{name}'. DIN 91379 does not allow it in data \
                 type {datatype:?}. Check the spelling and make the message again."
            ),
        ),
        Wrong::NotNormal => Finding::error(
            "character-not-normalised",
            "unicode-nfc",
            &format!(
                "Im {noun_de} „{name}“ steht {char_de}, nicht in der Normalform C (NFC). \
                 Texte vor dem Signieren in NFC überführen."
            ),
            &format!(
                "There is {char_en} in {noun_en} '{name}', not in normal form C (NFC). \
                 Bring texts into NFC before signing."
            ),
        ),
    }
}
