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
    pub(super) fn columns(&mut self, count: usize) {
        self.position.offset += count as u64;
        self.position.column += count as u64;
        self.after_cr = false;
    }

    /// Moves over `bytes`, whose classes are `seen` (or more).
    pub(super) fn advance(&mut self, bytes: &[u8], seen: Classes) {
        if bytes.is_empty() {
            return;
        }
        if seen & (CR | LF | HIGH) == 0 {
            self.columns(bytes.len());
            return;
        }
        self.position.offset += bytes.len() as u64;
        for byte in bytes {
            self.step(*byte);
        }
    }

    fn step(&mut self, byte: u8) {
        match byte {
            b'\n' if self.after_cr => {}
            b'\n' | b'\r' => {
                self.position.line += 1;
                self.position.column = 1;
            }
            // The bytes of one character beyond ASCII begin with one that is no continuation.
            0x80..0xC0 => {}
            _ => self.position.column += 1,
        }
        self.after_cr = byte == b'\r';
    }
}
