//! Tags, comments, CDATA sections, processing instructions and the XML declaration.

use std::io::BufRead;
use std::mem;

use quick_xml::events::Event as Token;

use super::{Met, Reader, Stage, exceeded};
use crate::xml::chars::{self, Classes};
use crate::xml::cursor::Cursor;
use crate::xml::error::{Refused, XmlError, XmlErrorKind as Kind};
use crate::xml::event::{Position, StartTag};
use crate::xml::limits::Limit;
use crate::xml::{declaration, tag};

/// A start tag longer than this does not keep its memory once its element has ended. Bytes.
const KEPT_TAG_BYTES: usize = 16 * 1024;

impl<R: BufRead> Reader<R> {
    /// Reads the piece of markup whose `<` is at hand. `None` where it yields no event.
    pub(super) fn read_markup(&mut self) -> Result<Option<Met>, Refused> {
        let at = self.cursor.position();
        self.brackets = 0;
        // quick-xml is asked only for what it finds the end of as XML demands.
        let in_root = self.stage == Stage::InRoot;
        let unclosed = match self.peek(9)? {
            [b'<', b'!', b'-', b'-', ..] => Kind::UnclosedComment,
            b"<![CDATA[" if in_root => Kind::UnclosedCData,
            b"<![CDATA[" => return Err(self.error(Kind::ContentOutsideRoot)),
            b"<!DOCTYPE" => return Err(self.error(Kind::Dtd)),
            [b'<', b'!', ..] => return Err(self.error(Kind::UnknownMarkup)),
            [b'<', b'?', ..] => Kind::UnclosedProcessingInstruction,
            _ => Kind::UnclosedTag,
        };
        let mut buffer = mem::take(&mut self.markup);
        buffer.clear();
        self.tokens.get_mut().begin_token(self.limits.token_bytes);
        let result = match self.tokens.read_event_into(&mut buffer) {
            Ok(token) => self.take_token(&token, at),
            Err(quick_xml::Error::Io(error)) => Err(match exceeded(&error) {
                Some(limit) => XmlError::new(Kind::Limit(limit), at),
                None => XmlError::input(error, at),
            }),
            Err(_) => Err(XmlError::new(unclosed, at)),
        };
        self.markup = buffer;
        result
    }

    fn take_token(&mut self, token: &Token<'_>, at: Position) -> Result<Option<Met>, Refused> {
        match token {
            Token::Start(content) => {
                self.open_element(content, at)?;
                self.cursor.columns(1);
                Ok(Some(Met::Start))
            }
            Token::Empty(content) => {
                self.open_element(content, at)?;
                self.empty_end = Some(self.cursor.position());
                self.cursor.columns(2);
                Ok(Some(Met::Start))
            }
            Token::End(content) => self.end_element(content, at).map(Some),
            Token::Comment(content) => self.comment(content, at).map(Some),
            Token::CData(content) => self.section(content),
            Token::PI(content) => self.instruction(content, at).map(Some),
            Token::Decl(content) => self.declaration(content, at).map(|()| None),
            // The look at the first bytes leaves nothing else.
            Token::Text(_) | Token::DocType(_) | Token::GeneralRef(_) | Token::Eof => {
                Err(XmlError::new(Kind::UnknownMarkup, at))
            }
        }
    }

    fn open_element(&mut self, content: &[u8], at: Position) -> Result<(), Refused> {
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
        let text = utf8(content, self.cursor)?;
        self.make_room(level, content.len());
        let tag = &mut self.open[level];
        tag.position = at;
        self.cursor = tag::read(text, self.cursor, &self.limits, tag, &mut self.spare)?;
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

    fn end_element(&mut self, content: &[u8], at: Position) -> Result<Met, Refused> {
        self.cursor.columns(2);
        let Some(open) = self.depth.checked_sub(1).map(|level| &self.open[level]) else {
            return Err(XmlError::new(Kind::UnexpectedEndTag, at));
        };
        if !is_name_of(content, open) {
            // Only now the full look: what follows the name, and whether it is one.
            let text = utf8(content, self.cursor)?;
            let name = text.trim_end_matches([' ', '\t', '\n', '\r']);
            if name.is_empty() || !chars::is_name(name) {
                return Err(self.error(Kind::BadEndTag));
            }
            if !is_name_of(name.as_bytes(), open) {
                let expected = tag::written(&open.prefix, &open.local);
                let kind = Kind::MismatchedEndTag { expected, found: name.to_owned() };
                return Err(XmlError::new(kind, at));
            }
        }
        self.cursor.advance(content, chars::classes_of(content));
        self.cursor.columns(1);
        Ok(self.close(at))
    }

    fn comment(&mut self, content: &[u8], at: Position) -> Result<Met, Refused> {
        self.cursor.columns(4);
        let text = self.characters(content)?;
        // XML 1.0, 2.5: neither `--` inside nor `-` at the end.
        let at_end = text.strip_suffix('-').map(str::len);
        if let Some(hyphens) = text.find("--").or(at_end) {
            self.cursor.advance(&content[..hyphens], Classes::MAX);
            return Err(self.error(Kind::DoubleHyphen));
        }
        self.keep(text);
        self.cursor.columns(3);
        self.text_node = None;
        Ok(Met::Comment(self.number(at)?, at))
    }

    fn section(&mut self, content: &[u8]) -> Result<Option<Met>, Refused> {
        self.cursor.columns(9);
        let at = self.cursor.position();
        let text = self.characters(content)?;
        self.keep(text);
        self.cursor.columns(3);
        if self.text.is_empty() {
            return Ok(None);
        }
        self.text_met(at).map(Some)
    }

    fn instruction(&mut self, content: &[u8], at: Position) -> Result<Met, Refused> {
        self.cursor.columns(2);
        let text = self.characters(content)?;
        let (target, data) = text.split_once([' ', '\t', '\n', '\r']).unwrap_or((text, ""));
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
        self.cursor.advance(&content[..content.len() - data.len()], Classes::MAX);
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
        Ok(Met::ProcessingInstruction(self.number(at)?, at))
    }

    fn declaration(&mut self, content: &[u8], at: Position) -> Result<(), Refused> {
        if self.stage != (Stage::BeforeRoot { document_start: at.offset }) {
            return Err(XmlError::new(Kind::MisplacedDeclaration, at));
        }
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

    /// The content as text of characters that XML allows.
    fn characters<'a>(&self, content: &'a [u8]) -> Result<&'a str, Refused> {
        let text = utf8(content, self.cursor)?;
        match chars::first_forbidden(text, chars::classes_of(content)) {
            None => Ok(text),
            Some(offset) => {
                let mut cursor = self.cursor;
                cursor.advance(&content[..offset], Classes::MAX);
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

/// Whether `name` is the name of the element as it was written.
fn is_name_of(name: &[u8], tag: &StartTag) -> bool {
    let (prefix, local) = (tag.prefix.as_bytes(), tag.local.as_bytes());
    match prefix.len() {
        0 => name == local,
        length => {
            name.len() == length + 1 + local.len()
                && name.starts_with(prefix)
                && name[length] == b':'
                && name.ends_with(local)
        }
    }
}

/// The content as text; `cursor` stands at its beginning.
fn utf8(content: &[u8], mut cursor: Cursor) -> Result<&str, Refused> {
    str::from_utf8(content).map_err(|error| {
        cursor.advance(&content[..error.valid_up_to()], Classes::MAX);
        XmlError::new(Kind::NotUtf8, cursor.position())
    })
}
