//! The bytes on their way in: counted, limited, and with a look ahead.
//!
//! quick-xml sees its input through here, so its behaviour cannot depend on how the caller's
//! input is cut, and no token can grow beyond its limit.

use std::io::{self, BufRead, ErrorKind, Read};

use super::limits::Limit;

const BUFFER_BYTES: usize = 64 * 1024;

/// The input behind a buffer of our own.
pub(super) struct Source<R> {
    input: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Bytes that may still be taken from `input`.
    document_left: u64,
    /// Bytes that quick-xml may still see of the present token.
    token_left: usize,
    exhausted: bool,
    /// What the input said after the bytes at hand.
    failure: Option<io::Error>,
}

/// A limit, dressed as an input error while it passes through quick-xml.
#[derive(Debug)]
pub(super) struct Exceeded(pub(super) Limit);

impl std::fmt::Display for Exceeded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "limit exceeded: {:?}", self.0)
    }
}

impl std::error::Error for Exceeded {}

impl<R: BufRead> Source<R> {
    /// Reads at most `document_bytes` from `input`.
    pub(super) fn new(input: R, document_bytes: u64) -> Self {
        Self {
            input,
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
            document_left: document_bytes,
            token_left: usize::MAX,
            exhausted: false,
            failure: None,
        }
    }

    /// What is at hand; may be empty before the end of the input, see [`Source::more`].
    pub(super) fn buffered(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Fills the buffer behind the bytes at hand. `false`: the input has ended.
    ///
    /// It is filled as far as it goes, so that what is at hand depends on the document alone and
    /// not on how the input is cut. A limit or a failure of the input is told only when what came
    /// before it has been read.
    pub(super) fn more(&mut self) -> io::Result<bool> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let before = self.end;
        while !self.exhausted && self.end < self.buffer.len() {
            match self.read_chunk() {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if self.end > before => {
                    self.failure = Some(error);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(self.end > before)
    }

    fn read_chunk(&mut self) -> io::Result<()> {
        let chunk = self.input.fill_buf()?;
        if chunk.is_empty() {
            self.exhausted = true;
            return Ok(());
        }
        let allowed = usize::try_from(self.document_left).unwrap_or(usize::MAX);
        if allowed == 0 {
            return Err(io::Error::other(Exceeded(Limit::DocumentBytes)));
        }
        let taken = chunk.len().min(allowed).min(self.buffer.len() - self.end);
        self.buffer[self.end..self.end + taken].copy_from_slice(&chunk[..taken]);
        self.input.consume(taken);
        self.end += taken;
        self.document_left -= taken as u64;
        Ok(())
    }

    /// The next bytes, `count` of them (few) or fewer where the input ends.
    pub(super) fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        while self.end - self.start < count && self.more()? {}
        let end = self.end.min(self.start + count);
        Ok(&self.buffer[self.start..end])
    }

    /// Takes `count` of the bytes at hand.
    pub(super) fn take(&mut self, count: usize) {
        self.start = self.end.min(self.start + count);
    }

    /// From here on quick-xml may see `bytes` bytes.
    pub(super) fn begin_token(&mut self, bytes: usize) {
        self.token_left = bytes;
    }
}

impl<R: BufRead> BufRead for Source<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            self.more()?;
        }
        let end = self.end.min(self.start.saturating_add(self.token_left));
        if end == self.start && self.end > self.start {
            return Err(io::Error::other(Exceeded(Limit::TokenBytes)));
        }
        Ok(&self.buffer[self.start..end])
    }

    fn consume(&mut self, count: usize) {
        self.take(count);
        self.token_left = self.token_left.saturating_sub(count);
    }
}

impl<R: BufRead> Read for Source<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(out.len());
        out[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}
