//! From octets to elements: the one reader of XML, pulled.

use std::collections::HashSet;
use std::io::BufRead;
use std::sync::Arc;

use amtsbote_schemas::xml::{Event, EventSink, Position, Reader, StartTag};

use super::element::{Element, is_space};
use super::limits::Limits;
use super::names::OSCI;
use super::refusal::Refusal;
use super::reserved::is_reserved;
use super::verbatim::{Context, Verbatim};
use crate::c14n::identifiers;

/// Somebody else who sees every event of the same reading (P9).
pub(super) trait Beside {
    /// Takes an event; `false` ends the reading.
    fn see(&mut self, event: &Event<'_>) -> bool;
}

/// Nobody.
pub(super) struct Nobody;

impl Beside for Nobody {
    fn see(&mut self, _: &Event<'_>) -> bool {
        true
    }
}

/// A sink, and why it ended the reading.
pub(super) struct Sink<'s, S: EventSink> {
    pub(super) sink: &'s mut S,
    pub(super) fault: Option<S::Error>,
}

impl<S: EventSink> Beside for Sink<'_, S> {
    fn see(&mut self, event: &Event<'_>) -> bool {
        self.fault = self.sink.event(event).err();
        self.fault.is_none()
    }
}

/// Reads a root part. Elements are numbered and placed as the reader says.
pub(super) struct Reading<'l, R, B> {
    reader: Reader<R>,
    pub(super) beside: B,
    pub(super) limits: &'l Limits,
    /// What the open elements declare.
    context: Context,
    /// The context as handed out last, while it is still the same.
    shared: Option<Arc<Context>>,
    ids: Ids,
}

/// Every identifier met: none may occur twice, or a signature over one would tell nothing.
struct Ids {
    seen: HashSet<String>,
    most: usize,
    /// Octets that all that is kept may still cost.
    left: usize,
    /// The open header block is `IntermediaryCertificates`.
    intermediary: bool,
}

/// Header blocks, and what stands in the body.
const BLOCK_DEPTH: u32 = 3;

/// What comes next inside an element whose text counts.
enum Piece {
    Start(StartTag),
    Text(String, Position),
    End,
}

impl<'l, R: BufRead, B: Beside> Reading<'l, R, B> {
    pub(super) fn new(input: R, limits: &'l Limits, beside: B) -> Self {
        Self {
            reader: Reader::new(input, limits.xml()),
            beside,
            limits,
            context: Context::default(),
            shared: None,
            ids: Ids {
                seen: HashSet::new(),
                most: limits.ids,
                left: limits.kept_bytes,
                intermediary: false,
            },
        }
    }

    /// The root element.
    pub(super) fn root(&mut self) -> Result<StartTag, Refusal> {
        loop {
            if let Event::Start(tag) = event(&mut self.reader, &mut self.beside)? {
                let tag = tag.clone();
                self.enter(&tag)?;
                return Ok(tag);
            }
        }
    }

    /// The document ends well-formed.
    pub(super) fn end_of_document(&mut self) -> Result<(), Refusal> {
        while !matches!(event(&mut self.reader, &mut self.beside)?, Event::EndOfDocument) {}
        Ok(())
    }

    /// The next child of the open element `element`; none where that ends. Comments and processing
    /// instructions are passed over; text is refused.
    pub(super) fn next(&mut self, element: &'static str) -> Result<Option<StartTag>, Refusal> {
        loop {
            match event(&mut self.reader, &mut self.beside)? {
                Event::Start(tag) => {
                    let tag = tag.clone();
                    self.enter(&tag)?;
                    return Ok(Some(tag));
                }
                Event::End(tag, _) => {
                    let depth = tag.depth;
                    self.leave(depth);
                    return Ok(None);
                }
                Event::Text(_, text, place) if !text.chars().all(is_space) => {
                    return Err(Refusal::order(place, element, "no text may stand here"));
                }
                Event::Text(..) | Event::Comment(..) | Event::ProcessingInstruction(..) => {}
                Event::EndOfDocument => return Ok(None),
            }
        }
    }

    /// Where the reader stands: behind the tag met last.
    pub(super) fn offset(&self) -> u64 {
        self.reader.position().offset
    }

    /// The element just opened, with all that is in it, held in memory.
    pub(super) fn element(&mut self, tag: StartTag) -> Result<Element, Refusal> {
        self.charge(&tag)?;
        let mut element = Element { tag, children: Vec::new(), text: String::new() };
        loop {
            match self.piece()? {
                Piece::Start(tag) => {
                    let child = self.element(tag)?;
                    element.children.push(child);
                }
                Piece::Text(text, place) => {
                    self.ids.spend(text.len(), place)?;
                    element.text.push_str(&text);
                }
                Piece::End => break,
            }
        }
        if element.children.is_empty() || element.text.chars().all(is_space) {
            Ok(element)
        } else {
            let rule = "text and elements may not stand side by side";
            Err(Refusal::order(element.place(), "order", rule))
        }
    }

    fn piece(&mut self) -> Result<Piece, Refusal> {
        match event(&mut self.reader, &mut self.beside)? {
            Event::Start(tag) => {
                let tag = tag.clone();
                self.enter(&tag)?;
                Ok(Piece::Start(tag))
            }
            Event::Text(_, text, place) => Ok(Piece::Text(text.to_owned(), place)),
            Event::End(tag, _) => {
                let depth = tag.depth;
                self.leave(depth);
                Ok(Piece::End)
            }
            // They are not signed, or read otherwise by others: who writes one into a value could
            // part it.
            Event::Comment(_, _, place) | Event::ProcessingInstruction(_, _, _, place) => {
                let rule = "no comment and no processing instruction may stand in an order";
                Err(Refusal::order(place, "order", rule))
            }
            Event::EndOfDocument => Ok(Piece::End),
        }
    }

    /// The text of the element just opened, piece by piece; ends with its end tag, whose place it
    /// gives. It may hold nothing but text.
    pub(super) fn text(
        &mut self,
        element: &'static str,
        mut take: impl FnMut(&str, Position) -> Result<(), Refusal>,
    ) -> Result<Position, Refusal> {
        loop {
            match event(&mut self.reader, &mut self.beside)? {
                Event::Text(_, text, place) => take(text, place)?,
                Event::End(tag, place) => {
                    let depth = tag.depth;
                    self.leave(depth);
                    return Ok(place);
                }
                Event::Start(&StartTag { position: place, .. })
                | Event::Comment(_, _, place)
                | Event::ProcessingInstruction(_, _, _, place) => {
                    return Err(Refusal::order(place, element, "holds text only"));
                }
                Event::EndOfDocument => return Ok(self.reader.position()),
            }
        }
    }

    /// The element just opened, with all that is in it, left where it is.
    pub(super) fn verbatim(&mut self, tag: &StartTag) -> Result<Verbatim, Refusal> {
        let verbatim = self.begun(tag)?;
        self.skip(tag.depth)?;
        Ok(self.ended(verbatim))
    }

    /// The element just opened, of which something will be read: [`Reading::ended`] ends it.
    pub(super) fn begun(&mut self, tag: &StartTag) -> Result<Verbatim, Refusal> {
        let around = self.around(tag)?;
        let id = identifiers(tag).next().map(str::to_owned);
        let names = tag.namespace.len() + tag.local.len() + id.as_ref().map_or(0, String::len);
        self.ids.spend(names + 256, tag.position)?;
        Ok(Verbatim {
            namespace: tag.namespace.clone(),
            local: tag.local.clone(),
            id,
            node: tag.node,
            place: tag.position,
            octets: tag.position.offset..tag.position.offset,
            keeps_form: around.keeps_form(tag),
            context: around,
        })
    }

    /// The element behind whose end tag the reader stands.
    pub(super) fn ended(&self, mut verbatim: Verbatim) -> Verbatim {
        verbatim.octets.end = self.offset();
        verbatim
    }

    /// The element just opened is a block of others: its identifier may not be one of ours. Within
    /// blocks none may; the blocks themselves are known by their names.
    pub(super) fn foreign(&self, tag: &StartTag) -> Result<(), Refusal> {
        identifiers(tag).try_for_each(|id| not_ours(id, false, tag.position))
    }

    /// Passes over the rest of the open element at this depth.
    pub(super) fn skip(&mut self, depth: u32) -> Result<(), Refusal> {
        loop {
            match event(&mut self.reader, &mut self.beside)? {
                Event::Start(tag) => self.ids.register(tag)?,
                Event::End(tag, _) if tag.depth == depth => {
                    self.leave(depth);
                    return Ok(());
                }
                Event::EndOfDocument => return Ok(()),
                _ => {}
            }
        }
    }

    /// What is declared around an element, which is open.
    fn around(&mut self, tag: &StartTag) -> Result<Arc<Context>, Refusal> {
        let depth = tag.depth;
        if let Some(shared) = &self.shared
            && shared.is_before(&self.context, depth)
        {
            return Ok(Arc::clone(shared));
        }
        let around = self.context.before(depth);
        self.ids.spend(around.cost(), tag.position)?;
        Ok(Arc::clone(self.shared.insert(Arc::new(around))))
    }

    fn enter(&mut self, tag: &StartTag) -> Result<(), Refusal> {
        self.context.enter(tag);
        self.ids.register(tag)
    }

    fn leave(&mut self, depth: u32) {
        self.context.leave(depth);
    }

    fn charge(&mut self, tag: &StartTag) -> Result<(), Refusal> {
        let values = tag
            .attributes
            .iter()
            .map(|a| a.prefix.len() + a.local.len() + a.namespace.len() + a.value.len() + 128);
        let declared = tag.declarations.iter().map(|d| d.prefix.len() + d.uri.len() + 64);
        let names = tag.prefix.len() + tag.local.len() + tag.namespace.len();
        // An empty element costs memory as well.
        let all = values.sum::<usize>() + declared.sum::<usize>() + names + 256;
        self.ids.spend(all, tag.position)
    }
}

/// The next event, which whoever is beside sees as well.
fn event<'r, R: BufRead>(
    reader: &'r mut Reader<R>,
    beside: &mut impl Beside,
) -> Result<Event<'r>, Refusal> {
    let event = reader.next()?;
    if beside.see(&event) { Ok(event) } else { Err(Refusal::Beside) }
}

fn not_ours(id: &str, in_intermediary: bool, place: Position) -> Result<(), Refusal> {
    if is_reserved(id, in_intermediary) {
        let rule = "an identifier that blocks of OSCI-Transport have";
        return Err(Refusal::order(place, "Id", rule));
    }
    Ok(())
}

impl Ids {
    fn register(&mut self, tag: &StartTag) -> Result<(), Refusal> {
        let place = tag.position;
        if tag.depth == BLOCK_DEPTH {
            self.intermediary = tag.is(OSCI, "IntermediaryCertificates");
        }
        for id in identifiers(tag) {
            if tag.depth > BLOCK_DEPTH {
                not_ours(id, self.intermediary, place)?;
            }
            if self.seen.len() == self.most {
                return Err(Refusal::Limit { place, limit: "identifiers of a message" });
            }
            self.spend(id.len() + 64, place)?;
            if !self.seen.insert(id.to_owned()) {
                let rule = "no two elements have the same identifier";
                return Err(Refusal::order(place, "Id", rule));
            }
        }
        Ok(())
    }

    fn spend(&mut self, octets: usize, place: Position) -> Result<(), Refusal> {
        let limit = "bytes kept of a message";
        self.left = self.left.checked_sub(octets).ok_or(Refusal::Limit { place, limit })?;
        Ok(())
    }
}
