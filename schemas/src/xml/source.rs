//! The bytes on their way in: counted, limited, checked to be UTF-8, and with a look ahead.
//!
//! What is at hand is text already, checked in one go, so that no piece of it is checked again. It
//! depends on the document alone and never on how the caller's input is cut.

use std::io::{self, BufRead, ErrorKind};

/// Bytes at hand at once, unless one token needs more.
const BUFFER_BYTES: usize = 64 * 1024;
/// A buffer that grew beyond this for one long token is given back. Bytes.
const KEPT_BYTES: usize = 4 * BUFFER_BYTES;
/// Bytes kept of the very beginning, to tell encodings apart.
const HEAD_BYTES: usize = 4;

/// The input behind a buffer of our own.
pub(super) struct Source<R> {
    input: R,
    /// Checked text; what is before `start` has been taken.
    buffer: String,
    start: usize,
    /// Bytes at hand at once: [`BUFFER_BYTES`], and less where a test looks at the ends of pieces.
    piece: usize,
    /// The beginning of a character whose other bytes are still to come: at most three bytes.
    cut: Vec<u8>,
    /// The first bytes as they came in, and how many there are.
    head: [u8; HEAD_BYTES],
    head_length: usize,
    /// Bytes that may still be taken from `input`.
    document_left: u64,
    exhausted: bool,
    /// What ends the text at hand.
    failure: Option<Stop>,
}

/// Why there is no more, although the input has not ended.
#[derive(Debug)]
pub(super) enum Stop {
    /// The document is longer than its limit.
    TooLong,
    /// The next bytes are no UTF-8.
    NotUtf8,
    /// The input failed.
    Input(io::Error),
}

impl<R: BufRead> Source<R> {
    /// Reads at most `document_bytes` from `input`, into an empty buffer.
    pub(super) fn new(input: R, document_bytes: u64, buffer: String) -> Self {
        Self {
            input,
            buffer,
            start: 0,
            piece: BUFFER_BYTES,
            cut: Vec::new(),
            head: [0; HEAD_BYTES],
            head_length: 0,
            document_left: document_bytes,
            exhausted: false,
            failure: None,
        }
    }

    /// Has so few bytes at hand at once, at least eight.
    #[cfg(test)]
    pub(super) fn in_pieces(&mut self, bytes: usize) {
        self.piece = bytes.max(8);
    }

    /// What is at hand; may be empty before the end of the input, see [`Source::more`].
    #[inline]
    pub(super) fn at_hand(&self) -> &str {
        &self.buffer[self.start..]
    }

    /// Reads on behind the text at hand. `false`: the input has ended.
    ///
    /// The buffer is filled as far as it goes, and grows where all of it is still wanted. A limit
    /// or a failure of the input is told only when what came before it has been read.
    #[cold]
    pub(super) fn more(&mut self) -> Result<bool, Stop> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let piece = self.piece;
        if self.buffer.capacity() > KEPT_BYTES && self.buffer.len() < piece / 2 {
            self.buffer.shrink_to(piece);
        }
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let before = self.buffer.len();
        let goal = if before < piece / 2 { piece } else { before + piece };
        while !self.exhausted && self.buffer.len() + self.cut.len() < goal {
            let room = goal - self.buffer.len() - self.cut.len();
            match self.read_chunk(room) {
                Ok(()) => {}
                Err(Stop::Input(error)) if error.kind() == ErrorKind::Interrupted => {}
                Err(stop) if self.buffer.len() > before => {
                    self.failure = Some(stop);
                    break;
                }
                Err(stop) => return Err(stop),
            }
        }
        Ok(self.buffer.len() > before)
    }

    fn read_chunk(&mut self, room: usize) -> Result<(), Stop> {
        let chunk = self.input.fill_buf().map_err(Stop::Input)?;
        if chunk.is_empty() {
            self.exhausted = true;
            return if self.cut.is_empty() { Ok(()) } else { Err(Stop::NotUtf8) };
        }
        let allowed = usize::try_from(self.document_left).unwrap_or(usize::MAX);
        if allowed == 0 {
            return Err(Stop::TooLong);
        }
        let taken = chunk.len().min(allowed).min(room);
        let bytes = &chunk[..taken];
        keep_head(&mut self.head, &mut self.head_length, bytes);
        let outcome = append(&mut self.buffer, &mut self.cut, bytes);
        self.input.consume(taken);
        self.document_left -= taken as u64;
        outcome
    }

    /// The next bytes, `count` of them (few) or more, or fewer where the text ends. What ends it
    /// early is told only where nothing is at hand.
    pub(super) fn peek(&mut self, count: usize) -> Result<&[u8], Stop> {
        while self.buffer.len() - self.start < count {
            match self.more() {
                Ok(true) => {}
                Ok(false) => break,
                Err(stop) if self.buffer.is_empty() => return Err(stop),
                Err(stop) => {
                    self.failure = Some(stop);
                    break;
                }
            }
        }
        Ok(self.at_hand().as_bytes())
    }

    /// The first bytes of the document (at most 4), whether they are text or not. Asked for after
    /// [`Source::peek`] only.
    pub(super) fn head(&mut self) -> &[u8] {
        // What is no text has ended the reading early; nothing else is read from here on.
        while self.head_length < HEAD_BYTES && !self.exhausted {
            match self.input.fill_buf() {
                Ok([]) => break,
                Ok(chunk) => {
                    let taken = keep_head(&mut self.head, &mut self.head_length, chunk);
                    self.input.consume(taken);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        &self.head[..self.head_length]
    }

    /// The text taken last, `count` bytes of it: there until the next call that reads on.
    #[inline]
    pub(super) fn taken(&self, count: usize) -> &str {
        &self.buffer[self.start - count..self.start]
    }

    /// Takes `count` of the bytes at hand: whole characters.
    #[inline]
    pub(super) fn take(&mut self, count: usize) {
        self.start = self.buffer.len().min(self.start + count);
    }

    /// Lends the buffer out, with the place in it where the text at hand begins.
    #[inline]
    pub(super) fn lend(&mut self) -> (String, usize) {
        (std::mem::take(&mut self.buffer), self.start)
    }

    /// Takes back what [`Source::lend`] gave; `count` more bytes of it are taken.
    #[inline]
    pub(super) fn take_back(&mut self, buffer: String, count: usize) {
        self.buffer = buffer;
        self.take(count);
    }
}

impl<R> Source<R> {
    /// The buffer, for another source.
    pub(super) fn into_buffer(self) -> String {
        self.buffer
    }
}

/// Keeps what is still missing of the very beginning; gives how many bytes that were.
fn keep_head(head: &mut [u8; HEAD_BYTES], length: &mut usize, bytes: &[u8]) -> usize {
    let taken = bytes.len().min(HEAD_BYTES - *length);
    head[*length..*length + taken].copy_from_slice(&bytes[..taken]);
    *length += taken;
    taken
}

/// Appends `bytes` to the text; of a character that they end in the middle of, `cut` keeps the
/// beginning.
fn append(text: &mut String, cut: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Stop> {
    let mut rest = bytes;
    while !cut.is_empty()
        && let [byte, after @ ..] = rest
    {
        cut.push(*byte);
        rest = after;
        match str::from_utf8(cut) {
            Ok(character) => {
                text.push_str(character);
                cut.clear();
            }
            Err(error) if error.error_len().is_none() => {}
            Err(_) => return Err(Stop::NotUtf8),
        }
    }
    let error = match str::from_utf8(rest) {
        Ok(good) => {
            text.push_str(good);
            return Ok(());
        }
        Err(error) => error,
    };
    let (good, bad) = rest.split_at(error.valid_up_to());
    text.push_str(str::from_utf8(good).unwrap_or_default());
    match error.error_len() {
        Some(_) => Err(Stop::NotUtf8),
        None => {
            cut.extend_from_slice(bad);
            Ok(())
        }
    }
}
