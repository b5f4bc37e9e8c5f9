//! The pull reader: from bytes to events, one at a time.

mod markup;
mod text;

use std::io::{self, BufRead};
use std::sync::Arc;

use super::cursor::Cursor;
use super::error::{Refused, XmlError, XmlErrorKind as Kind};
use super::event::{Event, NodeNumber, Position, StartTag};
use super::limits::{Limit, Limits};
use super::namespaces::Namespaces;
use super::source::{Exceeded, Source};
use super::tag::{self, Spare};

/// Reads a document event by event. Memory depends on the limits, not on the document.
pub struct Reader<R> {
    tokens: quick_xml::Reader<Source<R>>,
    limits: Limits,
    cursor: Cursor,
    stage: Stage,
    /// The first `depth` are open; the others keep their memory for later.
    open: Vec<StartTag>,
    /// Bytes of the tags in `open`.
    open_sizes: Vec<usize>,
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
    target: String,
    markup: Vec<u8>,
    spare: Spare,
    failed: Option<XmlError>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Unread,
    BeforeRoot { document_start: u64 },
    InRoot,
    AfterRoot,
}

/// What was met; the event borrows the rest from the reader.
enum Met {
    Start,
    End(Position),
    Text(NodeNumber, Position),
    Comment(NodeNumber, Position),
    ProcessingInstruction(NodeNumber, Position),
    EndOfDocument,
}

impl<R: BufRead> Reader<R> {
    /// A reader at the beginning of `input`. Nothing is read before the first [`Reader::next`].
    pub fn new(input: R, limits: Limits) -> Self {
        let mut tokens = quick_xml::Reader::from_reader(Source::new(input, limits.document_bytes));
        let config = tokens.config_mut();
        // All that is checked here, once.
        config.check_end_names = false;
        config.check_comments = false;
        config.allow_unmatched_ends = true;
        config.trim_markup_names_in_closing_tags = false;
        Self {
            tokens,
            limits,
            cursor: Cursor::new(),
            stage: Stage::Unread,
            open: Vec::new(),
            open_sizes: Vec::new(),
            open_bytes: 0,
            depth: 0,
            empty_end: None,
            namespaces: Namespaces::default(),
            nodes: 0,
            text_node: None,
            brackets: 0,
            text: String::new(),
            target: String::new(),
            markup: Vec::new(),
            spare: Spare::default(),
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
        Ok(match met {
            Met::Start => Event::Start(&self.open[self.depth - 1]),
            Met::End(at) => Event::End(&self.open[self.depth], at),
            Met::Text(node, at) => Event::Text(node, &self.text, at),
            Met::Comment(node, at) => Event::Comment(node, &self.text, at),
            Met::ProcessingInstruction(node, at) => {
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
            if self.peek(1)?.is_empty() {
                return self.end();
            }
            if let Some(met) = self.read_markup()? {
                return Ok(met);
            }
        }
    }

    /// The byte order mark, and the encodings that are not read (XML 1.0, appendix F).
    fn begin(&mut self) -> Result<(), Refused> {
        let kind = match self.peek(4)? {
            [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] | [0, ..] | [b'<', 0, ..] => Kind::Utf16,
            // `<?xm` in EBCDIC.
            [0x4C, 0x6F, 0xA7, 0x94] => Kind::Encoding,
            [0xEF, 0xBB, 0xBF, ..] => {
                self.tokens.get_mut().take(3);
                self.cursor.skip(3);
                // quick-xml would swallow a second mark; it is a character outside the root.
                if self.peek(3)? != [0xEF, 0xBB, 0xBF] {
                    return self.begun();
                }
                Kind::ContentOutsideRoot
            }
            _ => return self.begun(),
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
        self.open_bytes -= self.open_sizes[self.depth];
        self.text_node = None;
        if self.depth == 0 {
            self.stage = Stage::AfterRoot;
        }
        Met::End(at)
    }

    /// The number of a node other than an element.
    fn number(&mut self, at: Position) -> Result<NodeNumber, Refused> {
        self.nodes += 1;
        self.check_nodes(at)?;
        Ok(NodeNumber(self.nodes))
    }

    fn check_nodes(&self, at: Position) -> Result<(), Refused> {
        if self.nodes > self.limits.nodes {
            return Err(XmlError::new(Kind::Limit(Limit::Nodes), at));
        }
        Ok(())
    }

    fn peek(&mut self, count: usize) -> Result<&[u8], Refused> {
        let at = self.cursor.position();
        self.tokens.get_mut().peek(count).map_err(|error| input_error(error, at))
    }

    fn more(&mut self) -> Result<bool, Refused> {
        let at = self.cursor.position();
        self.tokens.get_mut().more().map_err(|error| input_error(error, at))
    }

    fn error(&self, kind: Kind) -> Refused {
        XmlError::new(kind, self.cursor.position())
    }
}

/// What the input's error means: a limit, or a real one.
fn input_error(error: io::Error, at: Position) -> Refused {
    match exceeded(&error) {
        Some(limit) => XmlError::new(Kind::Limit(limit), at),
        None => XmlError::input(Arc::new(error), at),
    }
}

fn exceeded(error: &io::Error) -> Option<Limit> {
    error.get_ref()?.downcast_ref::<Exceeded>().map(|exceeded| exceeded.0)
}
