//! Where the reader is: kept up to date run by run, so that no place is ever counted twice.

use super::chars::{CR, Classes, HIGH, LF};
use super::event::Position;

/// A position that moves forward. CR LF, CR and LF each end one line (XML 1.0, 2.11).
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    position: Position,
    after_cr: bool,
}

impl Cursor {
    /// The beginning of a document.
    pub(super) fn new() -> Self {
        Self { position: Position { offset: 0, line: 1, column: 1 }, after_cr: false }
    }

    /// Here.
    #[inline]
    pub(super) fn position(&self) -> Position {
        self.position
    }

    /// Whether the byte before was a carriage return.
    pub(super) fn after_cr(&self) -> bool {
        self.after_cr
    }

    /// Moves over bytes that take up no column: the byte order mark.
    pub(super) fn skip(&mut self, bytes: u64) {
        self.position.offset += bytes;
    }

    /// Moves over ASCII characters of one line.
    #[inline]
    pub(super) fn columns(&mut self, count: usize) {
        self.position.offset += count as u64;
        self.position.column += count as u64;
        self.after_cr = false;
    }

    /// Moves over a line feed and the spaces behind it.
    #[inline]
    pub(super) fn line(&mut self, spaces: usize) {
        self.position.offset += spaces as u64 + 1;
        self.position.line += 1;
        self.position.column = spaces as u64 + 1;
        self.after_cr = false;
    }

    /// Moves over `bytes`, whose classes are `seen` (or more).
    #[inline]
    pub(super) fn advance(&mut self, bytes: &[u8], seen: Classes) {
        if bytes.is_empty() {
            return;
        }
        if seen & (CR | LF | HIGH) == 0 {
            self.columns(bytes.len());
        } else {
            self.advance_lines(bytes, seen);
        }
    }

    fn advance_lines(&mut self, bytes: &[u8], seen: Classes) {
        self.position.offset += bytes.len() as u64;
        if seen & CR != 0 || self.after_cr {
            bytes.iter().for_each(|byte| self.step(*byte));
            return;
        }
        let last_line = match bytes.iter().rposition(|b| *b == b'\n') {
            None => bytes,
            Some(at) => {
                let lines = bytes[..=at].iter().filter(|b| **b == b'\n').count();
                self.position.line += lines as u64;
                self.position.column = 1;
                &bytes[at + 1..]
            }
        };
        let columns = if seen & HIGH == 0 {
            last_line.len()
        } else {
            last_line.iter().filter(|b| begins_character(**b)).count()
        };
        self.position.column += columns as u64;
    }

    fn step(&mut self, byte: u8) {
        match byte {
            b'\n' if self.after_cr => {}
            b'\n' | b'\r' => {
                self.position.line += 1;
                self.position.column = 1;
            }
            _ => self.position.column += u64::from(begins_character(byte)),
        }
        self.after_cr = byte == b'\r';
    }
}

/// The bytes of one character beyond ASCII begin with one that is no continuation.
fn begins_character(byte: u8) -> bool {
    !matches!(byte, 0x80..0xC0)
}
