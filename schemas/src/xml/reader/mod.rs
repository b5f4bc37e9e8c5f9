//! The pull reader: from bytes to events, one at a time.

#[cfg(test)]
mod boundaries;
mod markup;
mod memory;
mod text;

pub(crate) use memory::{Memory, wipe, wipe_octets};

use std::io::BufRead;
use std::sync::Arc;

use super::chars::Classes;
use super::cursor::Cursor;
use super::error::{Refused, XmlError, XmlErrorKind as Kind};
use super::event::{Event, NodeNumber, Position, StartTag};
use super::limits::{Limit, Limits};
use super::namespaces::Namespaces;
use super::source::{Source, Stop};
use super::tag::{self, Spare};

/// Reads a document event by event. Memory depends on the limits, not on the document.
pub struct Reader<R> {
    source: Source<R>,
    limits: Limits,
    cursor: Cursor,
    stage: Stage,
    /// The first `depth` are open; the others keep their memory for later.
    open: Vec<StartTag>,
    /// Bytes of the tags in `open`.
    open_sizes: Vec<usize>,
    /// The names of the open elements as written, one behind the other.
    names: String,
    /// Where each of them begins in `names`.
    name_starts: Vec<usize>,
    open_bytes: usize,
    depth: usize,
    /// The start tag just shown was an empty-element tag; its end comes next.
    empty_end: Option<Position>,
    namespaces: Namespaces,
    /// The last number given.
    nodes: u64,
    /// The number of the run of text being read.
    text_node: Option<NodeNumber>,
    /// How many `]` (at most two) stand directly before, written as such.
    brackets: u8,
    text: String,
    /// As many bytes just taken from the source are the text, as they are; 0: it is in `text`.
    verbatim: usize,
    target: String,
    reference: String,
    spare: Spare,
    /// Number and place of what was met, where it is no start tag.
    met: (NodeNumber, Position),
    failed: Option<XmlError>,
}

/// So deep are most messages, and so long the names in them in bytes: room for that is made at once.
const USUAL_DEPTH: usize = 12;
const USUAL_NAME_BYTES: usize = 24;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Unread,
    BeforeRoot { document_start: u64 },
    InRoot,
    AfterRoot,
}

/// What was met; the rest of the event is kept by the reader. Small, for it is handed up often.
#[derive(Clone, Copy)]
enum Met {
    Start,
    End,
    Text,
    Comment,
    ProcessingInstruction,
    EndOfDocument,
}

impl<R: BufRead> Reader<R> {
    /// A reader at the beginning of `input`. Nothing is read before the first [`Reader::next`].
    pub fn new(input: R, limits: Limits) -> Self {
        Self::with(input, limits, Memory::usual())
    }

    /// The same with the memory of an earlier one.
    pub(crate) fn with(input: R, limits: Limits, memory: Memory) -> Self {
        Self {
            source: Source::new(input, limits.document_bytes, memory.buffer),
            limits,
            cursor: Cursor::new(),
            stage: Stage::Unread,
            open: memory.open,
            open_sizes: memory.open_sizes,
            names: memory.names,
            name_starts: memory.name_starts,
            open_bytes: 0,
            depth: 0,
            empty_end: None,
            namespaces: memory.namespaces,
            nodes: 0,
            text_node: None,
            brackets: 0,
            text: memory.text,
            verbatim: 0,
            target: memory.target,
            reference: memory.reference,
            spare: memory.spare,
            met: (NodeNumber(0), Position::default()),
            failed: None,
        }
    }

    /// The next event. After [`Event::EndOfDocument`] and after an error it says the same again.
    #[expect(clippy::should_implement_trait, reason = "the events borrow from the reader")]
    pub fn next(&mut self) -> Result<Event<'_>, XmlError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let met = match self.step() {
            Ok(met) => met,
            Err(error) => return Err(self.failed.insert(*error).clone()),
        };
        let (node, at) = self.met;
        Ok(match met {
            Met::Start => Event::Start(&self.open[self.depth - 1]),
            Met::End => Event::End(&self.open[self.depth], at),
            Met::Text if self.verbatim > 0 => {
                Event::Text(node, self.source.taken(self.verbatim), at)
            }
            Met::Text => Event::Text(node, &self.text, at),
            Met::Comment => Event::Comment(node, &self.text, at),
            Met::ProcessingInstruction => {
                Event::ProcessingInstruction(node, &self.target, &self.text, at)
            }
            Met::EndOfDocument => Event::EndOfDocument,
        })
    }

    /// Where the reader stands: behind what the last event showed.
    pub fn position(&self) -> Position {
        self.cursor.position()
    }

    fn step(&mut self) -> Result<Met, Refused> {
        if let Some(at) = self.empty_end.take() {
            return Ok(self.close(at));
        }
        if self.stage == Stage::Unread {
            self.begin()?;
        }
        loop {
            if self.stage == Stage::InRoot {
                let at = self.cursor.position();
                if self.read_text()? {
                    return self.text_met(at);
                }
            } else {
                self.skip_space()?;
            }
            if self.source.at_hand().is_empty() && self.peek(1)?.is_empty() {
                return self.end();
            }
            if let Some(met) = self.read_markup()? {
                return Ok(met);
            }
        }
    }

    /// The byte order mark, and the encodings that are not read (XML 1.0, appendix F).
    fn begin(&mut self) -> Result<(), Refused> {
        let peeked = self.source.peek(4).map(|_| ());
        let kind = match self.source.head() {
            [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] | [0, ..] | [b'<', 0, ..] => Kind::Utf16,
            // `<?xm` in EBCDIC.
            [0x4C, 0x6F, 0xA7, 0x94] => Kind::Encoding,
            [0xEF, 0xBB, 0xBF, ..] => {
                self.source.take(3);
                self.cursor.skip(3);
                peeked.map_err(|stop| self.stopped(stop, self.cursor.position()))?;
                return self.begun();
            }
            _ => {
                peeked.map_err(|stop| self.stopped(stop, self.cursor.position()))?;
                return self.begun();
            }
        };
        Err(self.error(kind))
    }

    fn begun(&mut self) -> Result<(), Refused> {
        self.stage = Stage::BeforeRoot { document_start: self.cursor.position().offset };
        Ok(())
    }

    fn end(&self) -> Result<Met, Refused> {
        match self.stage {
            Stage::AfterRoot => Ok(Met::EndOfDocument),
            Stage::InRoot => {
                let open = &self.open[self.depth - 1];
                let name = tag::written(&open.prefix, &open.local);
                Err(self.error(Kind::UnclosedElement(name)))
            }
            Stage::Unread | Stage::BeforeRoot { .. } => Err(self.error(Kind::NoRoot)),
        }
    }

    fn close(&mut self, at: Position) -> Met {
        self.depth -= 1;
        self.namespaces.leave(self.depth);
        self.names.truncate(self.name_starts.pop().unwrap_or(0));
        self.open_bytes -= self.open_sizes[self.depth];
        self.text_node = None;
        if self.depth == 0 {
            self.stage = Stage::AfterRoot;
        }
        self.met.1 = at;
        Met::End
    }

    /// Gives a node other than an element its number.
    fn number(&mut self, at: Position) -> Result<(), Refused> {
        self.nodes += 1;
        self.met = (NodeNumber(self.nodes), at);
        self.check_nodes(at)
    }

    fn check_nodes(&self, at: Position) -> Result<(), Refused> {
        if self.nodes > self.limits.nodes {
            return Err(XmlError::new(Kind::Limit(Limit::Nodes), at));
        }
        Ok(())
    }

    /// The bytes at hand: at least `count`, unless the input ends before.
    fn peek(&mut self, count: usize) -> Result<&[u8], Refused> {
        if self.source.at_hand().len() < count {
            self.fill(count)?;
        }
        Ok(self.source.at_hand().as_bytes())
    }

    fn fill(&mut self, count: usize) -> Result<(), Refused> {
        let peeked = self.source.peek(count).map(|_| ());
        peeked.map_err(|stop| self.stopped(stop, self.cursor.position()))
    }

    fn more(&mut self) -> Result<bool, Refused> {
        let at = self.cursor.position();
        self.source.more().map_err(|stop| self.stopped(stop, at))
    }

    /// What ended the input early. `at`: where that began which is being read; the cursor stands
    /// at what is at hand.
    fn stopped(&self, stop: Stop, at: Position) -> Refused {
        match stop {
            Stop::TooLong => XmlError::new(Kind::Limit(Limit::DocumentBytes), at),
            Stop::Input(error) => XmlError::input(Arc::new(error), at),
            Stop::NotUtf8 => {
                let mut cursor = self.cursor;
                cursor.advance(self.source.at_hand().as_bytes(), Classes::MAX);
                XmlError::new(Kind::NotUtf8, cursor.position())
            }
        }
    }

    fn error(&self, kind: Kind) -> Refused {
        XmlError::new(kind, self.cursor.position())
    }
}
