//! Text between the markup, and the white space outside the root element.

use std::io::BufRead;

use super::{Met, Reader};
use crate::xml::chars::{self, CONTROL, CR, Classes, EF, GT};
use crate::xml::cursor::Cursor;
use crate::xml::error::{Refused, XmlError, XmlErrorKind as Kind};
use crate::xml::event::Position;
use crate::xml::limits::Limit;
use crate::xml::reference;

/// Longest piece of text in one event, in bytes of the document (a reference may go beyond it).
const PIECE_BYTES: usize = 64 * 1024;

impl<R: BufRead> Reader<R> {
    /// Outside the root element there is only white space between the pieces of markup.
    pub(super) fn skip_space(&mut self) -> Result<(), Refused> {
        loop {
            let bytes = self.source.at_hand().as_bytes();
            let length = bytes.iter().take_while(|b| chars::is_space(**b)).count();
            let next = bytes.get(length).copied();
            self.cursor.advance(&bytes[..length], Classes::MAX);
            self.source.take(length);
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
        self.verbatim = 0;
        let mut taken = 0;
        while taken < PIECE_BYTES {
            match self.source.at_hand().as_bytes().first().copied() {
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
        Ok(self.verbatim > 0 || !self.text.is_empty())
    }

    /// The text just read, as an event: the pieces of one run share their number.
    pub(super) fn text_met(&mut self, at: Position) -> Result<Met, Refused> {
        match self.text_node {
            Some(node) => self.met = (node, at),
            None => {
                self.number(at)?;
                self.text_node = Some(self.met.0);
            }
        }
        Ok(Met::Text)
    }

    /// Reads text without references: at most `most` bytes and no more than is at hand. Gives
    /// their number; 0 where `most` would cut the next character in two.
    fn read_run(&mut self, most: usize) -> Result<usize, Refused> {
        let available = self.source.at_hand();
        let bytes = available.as_bytes();
        // Mostly it is a line end and the indentation of the next tag.
        if let Some(spaces) = chars::indentation(bytes)
            && self.text.is_empty()
            && !self.cursor.after_cr()
            && spaces < most
        {
            self.brackets = 0;
            self.verbatim = spaces + 1;
            self.cursor.line(spaces);
            self.source.take(spaces + 1);
            return Ok(spaces + 1);
        }
        let (mut length, seen) = chars::text_run(&bytes[..bytes.len().min(most)]);
        while !available.is_char_boundary(length) {
            length -= 1;
        }
        let text = &available[..length];
        if seen & (CONTROL | EF | GT) != 0 {
            check_text(text, seen, self.brackets, self.cursor)?;
        }
        if text.ends_with(']') {
            let trailing = text.bytes().rev().take(2).take_while(|b| *b == b']').count();
            let before = if trailing == text.len() { self.brackets } else { 0 };
            self.brackets = (before + trailing as u8).min(2);
        } else if length > 0 {
            self.brackets = 0;
        }
        // Mostly this is all the text there is, and nothing in it changes: it stays where it is.
        let changed = seen & CR != 0 || self.cursor.after_cr();
        if self.text.is_empty() && !changed && bytes.get(length) == Some(&b'<') {
            self.verbatim = length;
        } else {
            chars::push_normalised(&mut self.text, text, seen, self.cursor.after_cr());
        }
        self.cursor.advance(text.as_bytes(), seen);
        self.source.take(length);
        Ok(length)
    }

    /// Reads `&name;`, which is at hand, into the text. Gives its length in bytes.
    fn read_reference(&mut self) -> Result<usize, Refused> {
        self.reference.clear();
        self.brackets = 0;
        self.source.take(1);
        loop {
            let Some(character) = self.source.at_hand().chars().next() else {
                if self.more()? {
                    continue;
                }
                return Err(self.error(Kind::BadReference));
            };
            self.source.take(character.len_utf8());
            match character {
                ';' => break,
                '#' | '-' | '.' | '_' | ':' | '\u{80}'.. => self.reference.push(character),
                _ if character.is_ascii_alphanumeric() => self.reference.push(character),
                _ => return Err(self.error(Kind::BadReference)),
            }
            if self.reference.len() + 2 > self.limits.token_bytes {
                return Err(self.error(Kind::Limit(Limit::TokenBytes)));
            }
        }
        let character = reference::resolve(&self.reference).map_err(|kind| self.error(kind))?;
        self.text.push(character);
        let length = self.reference.len() + 2;
        // Only ASCII resolves to anything.
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

#[cfg(test)]
mod tests {
    use crate::xml::{Event, Limits};

    use super::*;

    /// The buffer holds as many bytes as one piece of text.
    #[test]
    fn what_the_buffer_cuts_in_two_is_read_as_one() {
        let rest = "<p:name xmlns:p='urn:p'>one</p:name><plain>&#50;&amp;\r\n</plain><e/>]]\n";
        for before in PIECE_BYTES - rest.len() - 8..PIECE_BYTES {
            let document = format!("<r>{}{rest}</r>", "x".repeat(before));
            let mut reader = Reader::new(document.as_bytes(), Limits::default());
            let (mut names, mut text) = (Vec::new(), String::new());
            loop {
                match reader.next().expect("well-formed") {
                    Event::Start(tag) => names.push(tag.local.clone()),
                    Event::Text(_, piece, _) => text.push_str(piece),
                    Event::EndOfDocument => break,
                    _ => {}
                }
            }
            assert_eq!(names, ["r", "name", "plain", "e"], "{before}");
            assert_eq!(text[before..], *"one2&\n]]\n", "{before}");
        }
    }
}
