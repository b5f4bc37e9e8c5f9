//! A template as its author writes it, compiled into pieces.
//!
//! | written | means |
//! |---|---|
//! | `<?amtsbote NAME?>` | the value; where it is absent there is no rejection |
//! | `<?amtsbote NAME NAME?>` | the first of these that is there |
//! | `<?amtsbote NAME 'text'?>` | the text in quotes where the value is absent; it may be empty |
//! | `<?amtsbote NAME 200?>` | the same, a text of ours cut to 200 characters |
//! | `<?amtsbote if NAME?>`, first in an element | without the value the element is left out |
//! | `<?amtsbote each finding?>`, first in an element | the element once for each finding |
//! | `a="{NAME}"` | the same in an attribute; where the value is absent the attribute is left out |
//! | `{{`, `}}` in an attribute | the braces themselves |
//!
//! Comments are for the template's author and go nowhere.

use std::mem;

use super::fault::RejectionFault;
use super::values::{MAX_TEXT_CHARS, Slot};
use super::{MAX_DEPTH, MAX_TEMPLATE_BYTES};
use crate::xml::{self, DriveError, Event, EventSink, Limits, StartTag};

/// The target of our instructions.
const TARGET: &str = "amtsbote";

/// A compiled template: written one piece after the other.
#[derive(Debug)]
pub(super) struct Template {
    pub(super) pieces: Box<[Piece]>,
}

#[derive(Debug)]
pub(super) enum Piece {
    /// Markup and text as they are.
    Literal(String),
    /// A value between tags.
    Value(Hole),
    /// An attribute with values in it, its name and quotes among the pieces.
    Attribute(Box<[Piece]>),
    /// An element that stands under a condition.
    Element(When, Box<[Piece]>),
}

/// Where a value belongs.
#[derive(Debug)]
pub(super) struct Hole {
    /// The first of these that is there.
    pub(super) names: Box<[Slot]>,
    /// What stands where none is there.
    pub(super) otherwise: Option<Box<str>>,
    /// At most so many characters of a text.
    pub(super) most: usize,
}

/// When an element stands.
#[derive(Debug)]
pub(super) enum When {
    /// One of these values is there.
    If(Box<[Slot]>),
    /// Once for each finding.
    Each,
}

impl Template {
    pub(super) fn compile(text: &[u8]) -> Result<Self, RejectionFault> {
        let limits = Limits {
            document_bytes: MAX_TEMPLATE_BYTES as u64,
            depth: MAX_DEPTH,
            ..Limits::default()
        };
        let mut compiler = Compiler::default();
        match xml::drive(text, &limits, &mut compiler) {
            Ok(()) => Ok(Self { pieces: compiler.done.finish() }),
            Err(DriveError::Xml(error)) => Err(RejectionFault::Xml(error)),
            Err(DriveError::Sink(fault)) => Err(fault),
        }
    }
}

#[derive(Default)]
struct Compiler {
    open: Vec<Frame>,
    done: Pieces,
    line: u64,
}

/// An open element.
struct Frame {
    pieces: Pieces,
    when: Option<When>,
    /// Nothing but white space stands in it so far.
    fresh: bool,
    /// Its attributes need a finding, and no element around it stands for one: this one must.
    needs_each: bool,
    line: u64,
}

impl EventSink for Compiler {
    type Error = RejectionFault;

    fn event(&mut self, event: &Event<'_>) -> Result<(), RejectionFault> {
        match event {
            Event::Start(tag) => {
                self.line = tag.position.line;
                self.start(tag)
            }
            Event::End(tag, _) => self.end(tag),
            Event::Text(_, piece, _) => {
                if let Some(frame) = self.open.last_mut() {
                    frame.fresh &= piece.chars().all(char::is_whitespace);
                    escape(&mut frame.pieces.text, piece, false);
                }
                Ok(())
            }
            Event::ProcessingInstruction(_, target, data, position) => {
                self.line = position.line;
                self.instruction(target, data)
            }
            Event::Comment(..) | Event::EndOfDocument => Ok(()),
        }
    }
}

impl Compiler {
    fn start(&mut self, tag: &StartTag) -> Result<(), RejectionFault> {
        let in_each = self.in_each();
        let mut needs_each = false;
        let mut pieces = Pieces::default();
        let out = &mut pieces.text;
        out.push('<');
        push_name(out, &tag.prefix, &tag.local);
        for declaration in &tag.declarations {
            out.push_str(" xmlns");
            if !declaration.prefix.is_empty() {
                out.push(':');
                out.push_str(&declaration.prefix);
            }
            out.push_str("=\"");
            escape(out, &declaration.uri, true);
            out.push('"');
        }
        for attribute in &tag.attributes {
            let mut own = Pieces::default();
            let out = &mut own.text;
            out.push(' ');
            push_name(out, &attribute.prefix, &attribute.local);
            out.push_str("=\"");
            self.attribute(&attribute.value, &mut own)?;
            needs_each |= !in_each && own.done.iter().any(of_finding);
            own.text.push('"');
            if own.done.is_empty() {
                pieces.append(own);
            } else {
                pieces.push(Piece::Attribute(own.finish()));
            }
        }
        pieces.text.push('>');
        if let Some(frame) = self.open.last_mut() {
            frame.fresh = false;
        }
        self.open.push(Frame { pieces, when: None, fresh: true, needs_each, line: self.line });
        Ok(())
    }

    fn end(&mut self, tag: &StartTag) -> Result<(), RejectionFault> {
        let Some(mut frame) = self.open.pop() else { return Ok(()) };
        if frame.needs_each && !matches!(frame.when, Some(When::Each)) {
            self.line = frame.line;
            let reason = "an attribute asks for a finding; these stand only in 'each finding'";
            return Err(self.wrong(reason.to_owned()));
        }
        let out = &mut frame.pieces.text;
        out.push_str("</");
        push_name(out, &tag.prefix, &tag.local);
        out.push('>');
        let parent = self.open.last_mut().map_or(&mut self.done, |parent| &mut parent.pieces);
        match frame.when {
            Some(when) => parent.push(Piece::Element(when, frame.pieces.finish())),
            None => parent.append(frame.pieces),
        }
        Ok(())
    }

    fn instruction(&mut self, target: &str, data: &str) -> Result<(), RejectionFault> {
        if target != TARGET {
            return Err(self.wrong(format!(
                "'<?{target} …?>' cannot be written into a message; only <?{TARGET} …?> is known"
            )));
        }
        let depth = self.open.len();
        let in_each = self.in_each();
        let (word, rest) = data.trim().split_once(char::is_whitespace).unwrap_or((data.trim(), ""));
        let when = match word {
            "if" => {
                let names = self.names(rest.split_whitespace(), |name| {
                    in_each || !name.is_of_finding() || name == Slot::Finding
                })?;
                When::If(names)
            }
            "each" if rest.trim() == "finding" && !in_each => When::Each,
            "each" => {
                let reason = "only 'each finding' is known, and not inside another".to_owned();
                return Err(self.wrong(reason));
            }
            _ => {
                let hole = self.hole(data, in_each)?;
                let outside = self.wrong("a value belongs into an element".to_owned());
                let frame = self.open.last_mut().ok_or(outside)?;
                frame.fresh = false;
                frame.pieces.push(Piece::Value(hole));
                return Ok(());
            }
        };
        let first = self.wrong(format!(
            "'{word}' must be the first in an element, once, and not in the root element"
        ));
        let frame = self.open.last_mut().filter(|frame| depth > 1 && frame.fresh);
        let frame = frame.ok_or(first)?;
        frame.fresh = false;
        frame.when = Some(when);
        Ok(())
    }

    /// The value of an attribute, with places in braces.
    fn attribute(&self, value: &str, own: &mut Pieces) -> Result<(), RejectionFault> {
        let mut rest = value;
        while let Some(at) = rest.find(['{', '}']) {
            escape(&mut own.text, &rest[..at], true);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                own.text.push_str(brace);
                rest = after;
                continue;
            }
            let closed = rest.split_once('}').filter(|_| brace == "{");
            let (inner, after) = closed.ok_or_else(|| {
                self.wrong("a single brace in an attribute; write {{ or }}".to_owned())
            })?;
            own.push(Piece::Value(self.hole(inner, true)?));
            rest = after;
        }
        escape(&mut own.text, rest, true);
        Ok(())
    }

    /// `NAME NAME… [NUMBER] ['text']`.
    fn hole(&self, data: &str, in_each: bool) -> Result<Hole, RejectionFault> {
        let (data, otherwise) = match data.split_once(['\'', '"']) {
            None => (data, None),
            Some((before, quoted)) => {
                let quote = char::from(data.as_bytes()[before.len()]);
                let text = quoted.trim_end().strip_suffix(quote);
                let text = text.filter(|text| !text.contains(quote)).ok_or_else(|| {
                    self.wrong("a text in quotes stands at the end, between two alike".to_owned())
                })?;
                (before, Some(text.into()))
            }
        };
        let mut words: Vec<&str> = data.split_whitespace().collect();
        let most = words.last().and_then(|word| word.parse::<usize>().ok());
        if most.is_some() {
            words.pop();
        }
        let names = self.names(words.into_iter(), |name| in_each || !name.is_of_finding())?;
        if most.is_some_and(|most| !(1..=MAX_TEXT_CHARS).contains(&most)) {
            return Err(self.wrong(format!("a text has 1 to {MAX_TEXT_CHARS} characters")));
        }
        if let (Some(_), Some(name)) = (most, names.iter().find(|name| !name.is_text())) {
            return Err(self.wrong(format!("'{}' is no text that may be cut", name.as_str())));
        }
        Ok(Hole { names, otherwise, most: most.unwrap_or(MAX_TEXT_CHARS) })
    }

    fn names<'a>(
        &self,
        words: impl Iterator<Item = &'a str>,
        here: impl Fn(Slot) -> bool,
    ) -> Result<Box<[Slot]>, RejectionFault> {
        let mut names = Vec::new();
        for word in words {
            let name = Slot::parse(word).ok_or_else(|| {
                let known: Vec<&str> = Slot::ALL.iter().map(|name| name.as_str()).collect();
                self.wrong(format!("unknown value '{word}'; known are {}", known.join(", ")))
            })?;
            if !here(name) {
                return Err(self.wrong(format!("'{word}' stands only inside 'each finding'")));
            }
            names.push(name);
        }
        if names.is_empty() {
            return Err(self.wrong("an instruction that names no value".to_owned()));
        }
        Ok(names.into())
    }

    fn in_each(&self) -> bool {
        self.open.iter().any(|frame| matches!(frame.when, Some(When::Each)))
    }

    fn wrong(&self, reason: String) -> RejectionFault {
        RejectionFault::Template { line: self.line, reason }
    }
}

fn of_finding(piece: &Piece) -> bool {
    matches!(piece, Piece::Value(hole) if hole.names.iter().any(|name| name.is_of_finding()))
}

/// Pieces in the making. Text that is to be written as it is runs together.
#[derive(Default)]
struct Pieces {
    done: Vec<Piece>,
    text: String,
}

impl Pieces {
    fn push(&mut self, piece: Piece) {
        if !self.text.is_empty() {
            self.done.push(Piece::Literal(mem::take(&mut self.text)));
        }
        self.done.push(piece);
    }

    fn append(&mut self, other: Self) {
        for piece in other.done {
            match piece {
                Piece::Literal(text) => self.text.push_str(&text),
                piece => self.push(piece),
            }
        }
        self.text.push_str(&other.text);
    }

    fn finish(mut self) -> Box<[Piece]> {
        if !self.text.is_empty() {
            self.done.push(Piece::Literal(self.text));
        }
        self.done.into()
    }
}

fn push_name(out: &mut String, prefix: &str, local: &str) {
    if !prefix.is_empty() {
        out.push_str(prefix);
        out.push(':');
    }
    out.push_str(local);
}

/// Writes text so that a reader gets it back as it is.
pub(super) fn escape(out: &mut String, text: &str, in_attribute: bool) {
    let special = |c: char| {
        matches!(c, '&' | '<' | '>' | '\r') || in_attribute && matches!(c, '"' | '\t' | '\n')
    };
    let mut rest = text;
    while let Some(at) = rest.find(special) {
        out.push_str(&rest[..at]);
        out.push_str(match rest.as_bytes()[at] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            b'\t' => "&#9;",
            b'\n' => "&#10;",
            _ => "&#13;",
        });
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}
