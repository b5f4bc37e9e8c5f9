//! Text between the markup, and the white space outside the root element.

use std::io::BufRead;

use super::{Met, Reader, input_error};
use crate::xml::chars::{self, Classes, GT};
use crate::xml::cursor::Cursor;
use crate::xml::error::{Refused, XmlError, XmlErrorKind as Kind};
use crate::xml::event::Position;
use crate::xml::limits::Limit;
use crate::xml::reference;

/// Longest piece of text in one event, in bytes of the document (a reference may go beyond it).
const PIECE_BYTES: usize = 64 * 1024;

/// Longest character, in bytes of UTF-8.
const CHARACTER_BYTES: usize = 4;

impl<R: BufRead> Reader<R> {
    /// Outside the root element there is only white space between the pieces of markup.
    pub(super) fn skip_space(&mut self) -> Result<(), Refused> {
        loop {
            let source = self.tokens.get_mut();
            let bytes = source.buffered();
            let length = bytes.iter().take_while(|b| chars::is_space(**b)).count();
            let next = bytes.get(length).copied();
            self.cursor.advance(&bytes[..length], Classes::MAX);
            source.take(length);
            match next {
                Some(b'<') => return Ok(()),
                Some(_) => return Err(self.error(Kind::ContentOutsideRoot)),
                None if !self.more()? => return Ok(()),
                None => {}
            }
        }
    }

    /// Reads text up to the next markup or for one piece. Whether there was any.
    ///
    /// Where a piece ends depends on the document alone, never on how the input comes in.
    pub(super) fn read_text(&mut self) -> Result<bool, Refused> {
        self.text.clear();
        let mut taken = 0;
        while taken < PIECE_BYTES {
            match self.tokens.get_ref().buffered().first().copied() {
                Some(b'<') => break,
                Some(b'&') => taken += self.read_reference()?,
                Some(_) => match self.read_run(PIECE_BYTES - taken)? {
                    0 => break,
                    length => taken += length,
                },
                None if !self.more()? => break,
                None => {}
            }
        }
        Ok(!self.text.is_empty())
    }

    /// The text just read, as an event: the pieces of one run share their number.
    pub(super) fn text_met(&mut self, at: Position) -> Result<Met, Refused> {
        let node = match self.text_node {
            Some(node) => node,
            None => self.number(at)?,
        };
        self.text_node = Some(node);
        Ok(Met::Text(node, at))
    }

    /// Reads text without references: at most `most` bytes and no more than is at hand. Gives
    /// their number; 0 where `most` would cut the next character in two.
    fn read_run(&mut self, most: usize) -> Result<usize, Refused> {
        let at = self.cursor.position();
        let source = self.tokens.get_mut();
        if source.buffered().len() < CHARACTER_BYTES {
            // So that the end of the buffer cuts no character that goes on behind it.
            source.peek(CHARACTER_BYTES).map_err(|error| input_error(error, at))?;
        }
        let available = source.buffered();
        let (length, seen) = chars::text_run(&available[..available.len().min(most)]);
        let run = &available[..length];
        let text = match str::from_utf8(run) {
            Ok(text) => text,
            // What stands before the fault is read first; the fault comes next time.
            Err(error) if error.valid_up_to() > 0 => {
                run.utf8_chunks().next().map_or("", |chunk| chunk.valid())
            }
            Err(error) if error.error_len().is_none() && length == most => return Ok(0),
            Err(_) => return Err(XmlError::new(Kind::NotUtf8, at)),
        };
        check_text(text, seen, self.brackets, self.cursor)?;
        let trailing = text.bytes().rev().take(2).take_while(|b| *b == b']').count();
        let before = if trailing == text.len() { self.brackets } else { 0 };
        self.brackets = (before + trailing as u8).min(2);
        chars::push_normalised(&mut self.text, text, seen, self.cursor.after_cr());
        self.cursor.advance(text.as_bytes(), seen);
        let length = text.len();
        source.take(length);
        Ok(length)
    }

    /// Reads `&name;`, which is at hand, into the text. Gives its length in bytes.
    fn read_reference(&mut self) -> Result<usize, Refused> {
        self.markup.clear();
        self.brackets = 0;
        self.tokens.get_mut().take(1);
        loop {
            let Some(byte) = self.tokens.get_ref().buffered().first().copied() else {
                if self.more()? {
                    continue;
                }
                return Err(self.error(Kind::BadReference));
            };
            self.tokens.get_mut().take(1);
            match byte {
                b';' => break,
                b'#' | b'-' | b'.' | b'_' | b':' | 0x80.. => self.markup.push(byte),
                _ if byte.is_ascii_alphanumeric() => self.markup.push(byte),
                _ => return Err(self.error(Kind::BadReference)),
            }
            if self.markup.len() + 2 > self.limits.token_bytes {
                return Err(self.error(Kind::Limit(Limit::TokenBytes)));
            }
        }
        let body = str::from_utf8(&self.markup).map_err(|_| self.error(Kind::BadReference))?;
        let character = reference::resolve(body).map_err(|kind| self.error(kind))?;
        self.text.push(character);
        let length = self.markup.len() + 2;
        self.cursor.columns(length);
        Ok(length)
    }
}

/// Characters, and `]]>` (XML 1.0, 2.4); `brackets` stand before the text.
fn check_text(text: &str, seen: Classes, brackets: u8, mut cursor: Cursor) -> Result<(), Refused> {
    let forbidden = chars::first_forbidden(text, seen);
    let section_end = if seen & GT == 0 { None } else { section_end(text, brackets) };
    let (at, kind) = match (forbidden, section_end) {
        (None, None) => return Ok(()),
        (Some(at), None) => (at, Kind::ForbiddenCharacter),
        (Some(at), Some(end)) if at < end => (at, Kind::ForbiddenCharacter),
        (_, Some(end)) => (end, Kind::CDataEndInText),
    };
    cursor.advance(&text.as_bytes()[..at], seen);
    Err(XmlError::new(kind, cursor.position()))
}

/// Where the `>` of a `]]>` stands.
fn section_end(text: &str, brackets: u8) -> Option<usize> {
    text.match_indices('>').map(|(at, _)| at).find(|at| match at {
        0 => brackets == 2,
        1 => brackets >= 1 && text.starts_with(']'),
        at => text[..*at].ends_with("]]"),
    })
}
