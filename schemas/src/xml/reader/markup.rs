//! Tags, comments, CDATA sections, processing instructions and the XML declaration.

use std::io::BufRead;

use quick_xml::parser::{CommentParser, ElementParser, Parser as _, PiParser};

use super::{Met, Reader, Stage};
use crate::xml::chars::{self, Classes, NameRun};
use crate::xml::error::{Refused, XmlError, XmlErrorKind as Kind};
use crate::xml::event::{Position, StartTag};
use crate::xml::limits::Limit;
use crate::xml::{declaration, tag};

/// A start tag longer than this does not keep its memory once its element has ended. Bytes.
const KEPT_TAG_BYTES: usize = 16 * 1024;
/// As many bytes tell one kind of markup from another.
const TELLING_BYTES: usize = "<![CDATA[".len();

impl<R: BufRead> Reader<R> {
    /// Reads the piece of markup whose `<` is at hand. `None` where it yields no event.
    pub(super) fn read_markup(&mut self) -> Result<Option<Met>, Refused> {
        let at = self.cursor.position();
        self.brackets = 0;
        let in_root = self.stage == Stage::InRoot;
        // Nearly everything is a tag, and one byte tells.
        match self.source.at_hand().as_bytes() {
            [b'<', b'/', ..] => return self.end_tag(at).map(Some),
            [b'<', b'a'..=b'z' | b'A'..=b'Z', ..] => return self.start_tag(at).map(Some),
            _ => {}
        }
        match self.peek(TELLING_BYTES)? {
            [b'<', b'/', ..] => self.end_tag(at).map(Some),
            [b'<', b'!', b'-', b'-', ..] => {
                let mut parser = CommentParser::default();
                let find = |bytes: &[u8]| parser.feed(bytes).map(|after| after - 1);
                let length = self.token("<!--".len(), at, Kind::UnclosedComment, find)?;
                self.with_token(length, |reader, token| {
                    reader.comment(&token[4..length - 3], at).map(Some)
                })
            }
            [b'<', b'!', b'[', b'C', b'D', b'A', b'T', b'A', b'[', ..] if in_root => {
                let mut parser = SectionParser::default();
                let find = |bytes: &[u8]| parser.feed(bytes);
                let length = self.token(TELLING_BYTES, at, Kind::UnclosedCData, find)?;
                self.with_token(length, |reader, token| reader.section(&token[9..length - 3]))
            }
            b"<![CDATA[" | [b'<', b'!', b'[', b'C', b'D', b'A', b'T', b'A', b'[', ..] => {
                Err(self.error(Kind::ContentOutsideRoot))
            }
            [b'<', b'!', b'D', b'O', b'C', b'T', b'Y', b'P', b'E', ..] => {
                Err(self.error(Kind::Dtd))
            }
            [b'<', b'!', ..] => {
                // A limit or a failure may have cut off what would tell.
                if self.source.at_hand().len() < TELLING_BYTES {
                    self.more()?;
                }
                Err(self.error(Kind::UnknownMarkup))
            }
            [b'<', b'?', ..] => self.question_mark(at),
            _ => self.start_tag(at).map(Some),
        }
    }

    /// The length of the token at hand, its delimiters included. `find` is shown all of it from
    /// `skip` on, piece by piece, and tells where in a piece its last `>` stands.
    fn token(
        &mut self,
        skip: usize,
        at: Position,
        unclosed: Kind,
        mut find: impl FnMut(&[u8]) -> Option<usize>,
    ) -> Result<usize, Refused> {
        let mut looked_at = skip;
        loop {
            let bytes = self.source.at_hand().as_bytes();
            let end = find(&bytes[looked_at.min(bytes.len())..]).map(|last| looked_at + last + 1);
            if end.unwrap_or(bytes.len()) > self.limits.token_bytes {
                return Err(XmlError::new(Kind::Limit(Limit::TokenBytes), at));
            }
            if let Some(length) = end {
                return Ok(length);
            }
            looked_at = bytes.len();
            if !self.more()? {
                return Err(XmlError::new(unclosed, at));
            }
        }
    }

    /// Does something with a token of this length, and takes it.
    fn with_token<T>(&mut self, length: usize, use_it: impl FnOnce(&mut Self, &str) -> T) -> T {
        let (buffer, start) = self.source.lend();
        let result = use_it(self, &buffer[start..start + length]);
        self.source.take_back(buffer, length);
        result
    }

    fn start_tag(&mut self, at: Position) -> Result<Met, Refused> {
        let rest = &self.source.at_hand().as_bytes()[1..];
        let mut name = chars::name_run(rest);
        let length = match rest.get(name.length) {
            // Mostly there is nothing but the name.
            Some(b'>') if name.length + 2 <= self.limits.token_bytes => name.length + 2,
            next => {
                let cut = next.is_none();
                let mut parser = ElementParser::default();
                let length = self.token(1, at, Kind::UnclosedTag, |bytes| parser.feed(bytes))?;
                if cut {
                    name = chars::name_run(&self.source.at_hand().as_bytes()[1..length]);
                }
                length
            }
        };
        self.with_token(length, |reader, token| {
            let content = &token[1..length - 1];
            if let Some(content) = content.strip_suffix('/') {
                reader.open_element(content, name, at)?;
                reader.empty_end = Some(reader.cursor.position());
                reader.cursor.columns(2);
            } else {
                reader.open_element(content, name, at)?;
                reader.cursor.columns(1);
            }
            Ok(Met::Start)
        })
    }

    fn end_tag(&mut self, at: Position) -> Result<Met, Refused> {
        // Nearly always the name follows as it was written, and `>` at once.
        if let Some(start) = self.name_starts.last() {
            let name = &self.names.as_bytes()[*start..];
            let rest = &self.source.at_hand().as_bytes()[2..];
            let length = name.len() + 3;
            if rest.get(name.len()) == Some(&b'>')
                && rest.starts_with(name)
                && length <= self.limits.token_bytes
            {
                if name.is_ascii() {
                    self.cursor.columns(length);
                } else {
                    self.cursor.columns(2);
                    self.cursor.advance(name, Classes::MAX);
                    self.cursor.columns(1);
                }
                self.source.take(length);
                return Ok(self.close(at));
            }
        }
        let mut parser = ElementParser::default();
        let length = self.token(2, at, Kind::UnclosedTag, |bytes| parser.feed(bytes))?;
        self.with_token(length, |reader, token| reader.end_element(&token[2..length - 1], at))
    }

    /// The XML declaration or a processing instruction.
    fn question_mark(&mut self, at: Position) -> Result<Option<Met>, Refused> {
        let mut parser = PiParser::default();
        let unclosed = Kind::UnclosedProcessingInstruction;
        let length = self.token(1, at, unclosed.clone(), |bytes| parser.feed(bytes))?;
        if length < "<??>".len() {
            return Err(XmlError::new(unclosed, at));
        }
        self.with_token(length, |reader, token| {
            let content = &token[2..length - 2];
            match content.strip_prefix("xml").map(str::as_bytes) {
                Some([]) => reader.declaration(content, at).map(|()| None),
                Some([next, ..]) if chars::is_space(*next) => {
                    reader.declaration(content, at).map(|()| None)
                }
                _ => reader.instruction(content, at).map(Some),
            }
        })
    }

    /// Takes over a start tag. `content` stands between `<` and `>` (or `/>`) and begins with
    /// `name`.
    fn open_element(&mut self, content: &str, name: NameRun, at: Position) -> Result<(), Refused> {
        if self.stage == Stage::AfterRoot {
            return Err(XmlError::new(Kind::SecondRoot, at));
        }
        let level = self.depth;
        if level as u64 >= u64::from(self.limits.depth) {
            return Err(XmlError::new(Kind::Limit(Limit::Depth), at));
        }
        self.open_bytes += content.len();
        if self.open_bytes > self.limits.open_tag_bytes {
            return Err(XmlError::new(Kind::Limit(Limit::OpenTagBytes), at));
        }
        self.cursor.columns(1);
        self.make_room(level, content.len());
        let tag = &mut self.open[level];
        tag.position = at;
        tag::read(content, name, &mut self.cursor, &self.limits, tag, &mut self.spare)?;
        self.name_starts.push(self.names.len());
        self.names.push_str(&content[..name.length]);
        self.namespaces.enter(&tag.declarations, level);
        tag::resolve(tag, &self.namespaces)?;
        tag.depth = level as u32 + 1;
        self.nodes = tag::number(tag, self.nodes + 1) - 1;
        self.check_nodes(at)?;
        self.depth += 1;
        self.stage = Stage::InRoot;
        self.text_node = None;
        Ok(())
    }

    /// Has a place for a start tag at this level, without the memory of a very long one.
    fn make_room(&mut self, level: usize, bytes: usize) {
        if level == self.open.len() {
            self.open.push(StartTag::default());
            self.open_sizes.push(0);
        } else if self.open_sizes[level] > KEPT_TAG_BYTES {
            self.open[level] = StartTag::default();
        }
        self.open_sizes[level] = bytes;
    }

    /// Looks at an end tag that is not simply the name and `>`.
    fn end_element(&mut self, content: &str, at: Position) -> Result<Met, Refused> {
        self.cursor.columns(2);
        let Some(open) = self.depth.checked_sub(1).map(|level| &self.open[level]) else {
            return Err(XmlError::new(Kind::UnexpectedEndTag, at));
        };
        let name = content.trim_end_matches([' ', '\t', '\n', '\r']);
        if name.is_empty() || !chars::is_name(name) {
            return Err(self.error(Kind::BadEndTag));
        }
        if self.name_starts.last().is_none_or(|start| self.names[*start..] != *name) {
            let expected = tag::written(&open.prefix, &open.local);
            let kind = Kind::MismatchedEndTag { expected, found: name.to_owned() };
            return Err(XmlError::new(kind, at));
        }
        self.cursor.advance(content.as_bytes(), Classes::MAX);
        self.cursor.columns(1);
        Ok(self.close(at))
    }

    fn comment(&mut self, content: &str, at: Position) -> Result<Met, Refused> {
        self.cursor.columns(4);
        self.check_characters(content)?;
        // XML 1.0, 2.5: neither `--` inside nor `-` at the end.
        let at_end = content.strip_suffix('-').map(str::len);
        if let Some(hyphens) = content.find("--").or(at_end) {
            self.cursor.advance(&content.as_bytes()[..hyphens], Classes::MAX);
            return Err(self.error(Kind::DoubleHyphen));
        }
        self.keep(content);
        self.cursor.columns(3);
        self.text_node = None;
        self.number(at).map(|()| Met::Comment)
    }

    fn section(&mut self, content: &str) -> Result<Option<Met>, Refused> {
        self.cursor.columns(9);
        let at = self.cursor.position();
        self.check_characters(content)?;
        self.keep(content);
        self.cursor.columns(3);
        if self.text.is_empty() {
            return Ok(None);
        }
        self.text_met(at).map(Some)
    }

    fn instruction(&mut self, content: &str, at: Position) -> Result<Met, Refused> {
        self.cursor.columns(2);
        self.check_characters(content)?;
        let (target, data) = content.split_once([' ', '\t', '\n', '\r']).unwrap_or((content, ""));
        if target.len() > self.limits.name_bytes {
            return Err(self.error(Kind::Limit(Limit::NameBytes)));
        }
        // Namespaces, 7: no colon; XML 1.0, 2.6: not `xml` in any case.
        let reserved = target.eq_ignore_ascii_case("xml");
        if reserved || target.contains(':') || !chars::is_name(target) {
            return Err(self.error(Kind::BadTarget));
        }
        self.target.clear();
        self.target.push_str(target);
        let before = &content.as_bytes()[..content.len() - data.len()];
        self.cursor.advance(before, Classes::MAX);
        // The white space before the data is no part of it. A line end cut in two by the split
        // above is white space throughout.
        let trimmed = data.trim_start_matches([' ', '\t', '\n', '\r']);
        self.cursor.advance(&data.as_bytes()[..data.len() - trimmed.len()], Classes::MAX);
        self.text.clear();
        let seen = chars::classes_of(trimmed.as_bytes());
        chars::push_normalised(&mut self.text, trimmed, seen, false);
        self.cursor.advance(trimmed.as_bytes(), seen);
        self.cursor.columns(2);
        self.text_node = None;
        self.number(at).map(|()| Met::ProcessingInstruction)
    }

    fn declaration(&mut self, content: &str, at: Position) -> Result<(), Refused> {
        if self.stage != (Stage::BeforeRoot { document_start: at.offset }) {
            return Err(XmlError::new(Kind::MisplacedDeclaration, at));
        }
        let content = content.as_bytes();
        self.cursor.columns(2);
        declaration::check(content).map_err(|(kind, offset)| {
            let mut cursor = self.cursor;
            cursor.advance(&content[..offset], Classes::MAX);
            XmlError::new(kind, cursor.position())
        })?;
        self.cursor.advance(content, Classes::MAX);
        self.cursor.columns(2);
        Ok(())
    }

    /// Whether the content is of characters that XML allows.
    fn check_characters(&self, content: &str) -> Result<(), Refused> {
        match chars::first_forbidden(content, chars::classes_of(content.as_bytes())) {
            None => Ok(()),
            Some(offset) => {
                let mut cursor = self.cursor;
                cursor.advance(&content.as_bytes()[..offset], Classes::MAX);
                Err(XmlError::new(Kind::ForbiddenCharacter, cursor.position()))
            }
        }
    }

    /// Takes the content of a comment or a CDATA section over into the event.
    fn keep(&mut self, content: &str) {
        self.text.clear();
        let seen = chars::classes_of(content.as_bytes());
        chars::push_normalised(&mut self.text, content, seen, false);
        self.cursor.advance(content.as_bytes(), seen);
    }
}

/// Finds the end of a CDATA section: the first `]]>`.
#[derive(Default)]
struct SectionParser {
    /// How many `]` (at most two) ended the piece before.
    brackets: usize,
}

impl SectionParser {
    /// Where the `>` stands, once it has come.
    fn feed(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut from = 0;
        while let Some(next) = bytes[from..].iter().position(|b| *b == b'>') {
            let at = from + next;
            let before = bytes[..at].iter().rev().take(2).take_while(|b| **b == b']').count();
            if before == 2 || before == at && before + self.brackets >= 2 {
                return Some(at);
            }
            from = at + 1;
        }
        let after = bytes.iter().rev().take(2).take_while(|b| **b == b']').count();
        self.brackets = if after == bytes.len() { (after + self.brackets).min(2) } else { after };
        None
    }
}
